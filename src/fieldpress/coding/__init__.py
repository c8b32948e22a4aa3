"""Bytes and integers: parts, range coder, symbols, integer grids and video streams. No tensors, no torch."""
