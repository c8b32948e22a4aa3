"""The points of a bench: codec or preset, clip, quality and seed."""
