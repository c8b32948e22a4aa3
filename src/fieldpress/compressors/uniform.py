"""Equally spaced levels over the range of the values, entropy-coded."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from fieldpress.coding.integers import decode_integers, encode_integers
from fieldpress.coding.steps import Levels, from_levels, to_levels
from fieldpress.compressors.arrays import require_finite
from fieldpress.compressors.base import Array, Compressor, Shape
from fieldpress.errors import ConfigError

MAX_BITS = 16


@dataclass(frozen=True)
class Uniform(Compressor):
    """Each value becomes the nearest of 2**bits levels between least and greatest; the error is at most half a step.

    The level indices are coded losslessly, in context where the tensor is a grid, so the file grows with what the
    indices hold, not with ``bits``. A constant channel costs a few bytes and is exact to float32.
    """

    id: ClassVar[str] = "uniform"

    bits: int = 8
    """Logarithm of the number of levels, 1 to 16."""
    per: Literal["tensor", "channel"] = "channel"
    """Whose range the levels span: the tensor's, or each channel's (first axis; a vector is one channel). The latter
    costs one to three bytes per channel: too much for small matrices."""

    def __post_init__(self) -> None:
        if not 1 <= self.bits <= MAX_BITS:
            raise ConfigError(f"uniform: bits is {self.bits}; expected 1 to {MAX_BITS}")

    def encode(self, array: Array) -> bytes:
        require_finite(array)
        levels = to_levels(array.reshape(self._groups(array.shape), -1), 1 << self.bits)
        return encode_integers(levels.indices.reshape(array.shape), (levels.codes, levels.lows))

    def decode(self, data: bytes, shape: Shape) -> Array:
        groups = self._groups(shape)
        indices, (codes, lows) = decode_integers(data, shape, (groups, groups))
        return from_levels(Levels(codes, lows, indices.reshape(groups, -1))).reshape(shape)

    def _groups(self, shape: Shape) -> int:
        return shape[0] if self.per == "channel" and len(shape) > 1 else 1
