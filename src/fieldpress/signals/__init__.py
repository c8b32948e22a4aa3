"""Signals: what a file shows. One file and one registry line each."""

from fieldpress.config import Registry
from fieldpress.signals.base import Signal
from fieldpress.signals.image import Image
from fieldpress.signals.video import Video

SIGNALS = Registry("signal", Signal, Image, Video)

__all__ = ["SIGNALS", "Image", "Signal", "Video"]
