"""Decoders: features to channels. One file and one registry line each."""

from fieldpress.config import Registry
from fieldpress.decoders.distance import DistanceMlp
from fieldpress.decoders.mlp import Mlp
from fieldpress.decoders.radiance import RadianceMlp
from fieldpress.decoders.siren import Siren
from fieldpress.field import DecoderConfig

DECODERS = Registry("decoder", DecoderConfig, Mlp, Siren, RadianceMlp, DistanceMlp)

__all__ = ["DECODERS", "DistanceMlp", "Mlp", "RadianceMlp", "Siren"]
