"""Codecs that a bench compares with, and how they are run."""
