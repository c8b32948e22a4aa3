"""What a study or a bench leaves behind: pages, tables, summaries."""
