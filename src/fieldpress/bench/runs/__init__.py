"""The runs of a study: variation, clip and seed."""
