"""Compressors: one named tensor to bytes and back."""

from fieldpress.compressors.base import Array, Compressor, Known, Shape
from fieldpress.compressors.dictionary import Dictionary
from fieldpress.compressors.entropy import Entropy
from fieldpress.compressors.lowrank import LowRank
from fieldpress.compressors.octants import Octants
from fieldpress.compressors.raw import Raw
from fieldpress.compressors.tucker import Tucker
from fieldpress.compressors.uniform import Uniform
from fieldpress.compressors.video import Video
from fieldpress.config import Registry

COMPRESSORS = Registry("compressor", Compressor, Raw, Uniform, Entropy, Video, Tucker, LowRank, Dictionary, Octants)

__all__ = [
    "COMPRESSORS",
    "Array",
    "Compressor",
    "Dictionary",
    "Entropy",
    "Known",
    "LowRank",
    "Octants",
    "Raw",
    "Shape",
    "Tucker",
    "Uniform",
    "Video",
]
