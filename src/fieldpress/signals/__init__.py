"""Signals: what a file shows. One file and one registry line each."""

from fieldpress.config import Registry
from fieldpress.signals.base import Signal
from fieldpress.signals.image import Image
from fieldpress.signals.radiance import Radiance
from fieldpress.signals.shape import Shape
from fieldpress.signals.video import Video

SIGNALS = Registry("signal", Signal, Image, Video, Radiance, Shape)

__all__ = ["SIGNALS", "Image", "Radiance", "Shape", "Signal", "Video"]
