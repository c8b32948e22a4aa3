"""Inputs on disk that become observations of a signal. Only encoding needs them."""

from fieldpress.sources.media import Observations, load

__all__ = ["Observations", "load"]
