"""Decoders: features to channels. One file and one registry line each."""

from fieldpress.config import Registry
from fieldpress.decoders.mlp import Mlp
from fieldpress.decoders.siren import Siren
from fieldpress.field import DecoderConfig

DECODERS = Registry("decoder", DecoderConfig, Mlp, Siren)

__all__ = ["DECODERS", "Mlp", "Siren"]
