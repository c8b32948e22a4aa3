"""Compressors: one named tensor to bytes and back."""

from fieldpress.compressors.base import Array, Compressor, Shape
from fieldpress.compressors.entropy import Entropy
from fieldpress.compressors.raw import Raw
from fieldpress.compressors.uniform import Uniform
from fieldpress.compressors.video import Video
from fieldpress.config import Registry

COMPRESSORS = Registry("compressor", Compressor, Raw, Uniform, Entropy, Video)

__all__ = ["COMPRESSORS", "Array", "Compressor", "Entropy", "Raw", "Shape", "Uniform", "Video"]
