"""Decoders: features to channels. One file and one registry line each."""

from fieldpress.config import Registry
from fieldpress.decoders.cell_mlp import CellMlp
from fieldpress.decoders.distance import DistanceMlp
from fieldpress.decoders.head import Head
from fieldpress.decoders.mlp import Mlp
from fieldpress.decoders.postfilter import Postfilter
from fieldpress.decoders.radiance import RadianceMlp
from fieldpress.decoders.siren import Siren
from fieldpress.interfaces import DecoderConfig

DECODERS = Registry("decoder", DecoderConfig, Mlp, Siren, RadianceMlp, DistanceMlp, Head, Postfilter, CellMlp)

__all__ = ["DECODERS", "CellMlp", "DistanceMlp", "Head", "Mlp", "Postfilter", "RadianceMlp", "Siren"]
