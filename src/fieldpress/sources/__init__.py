"""Inputs on disk that become observations of a signal. Only encoding needs them."""

from fieldpress.sources.footage import Footage, Observations
from fieldpress.sources.media import load, open_footage

__all__ = ["Footage", "Observations", "load", "open_footage"]
