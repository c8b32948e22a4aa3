"""Equally spaced levels over the range of the values, entropy-coded."""

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np

from fieldpress.coding.integers import decode_integers, encode_integers
from fieldpress.coding.steps import Levels, from_levels, to_levels
from fieldpress.compressors.arrays import require_finite
from fieldpress.compressors.base import Array, Shape
from fieldpress.compressors.stepped import Stepped, Steps
from fieldpress.errors import ConfigError

MAX_BITS = 16


@dataclass(frozen=True)
class Uniform(Stepped):
    """Each value becomes the nearest of 2**bits levels between least and greatest; the error is at most half a step.

    The level indices are coded losslessly, in context where the tensor is a grid, so the file grows with what the
    indices hold, not with ``bits``. A constant channel costs a few bytes and is exact to float32.
    """

    id: ClassVar[str] = "uniform"

    bits: float = 8
    """Logarithm to base 2 of the number of levels, 1 to 16; that of a number in between, such as 5.5, is rounded."""
    per: Literal["tensor", "channel"] = "channel"
    """Whose range the levels span: the tensor's, or each channel's (first axis; a vector is one channel). The latter
    costs one to three bytes per channel: too much for small matrices."""

    def __post_init__(self) -> None:
        if not 1 <= self.bits <= MAX_BITS:
            raise ConfigError(f"uniform: bits is {self.bits}; expected 1 to {MAX_BITS}")

    def steps(self, array: Array) -> Steps:
        rows = self._rows(array).astype(np.float64)
        return (rows.max(axis=1) - rows.min(axis=1)) / (self._count - 1)

    def encode_steps(self, array: Array, steps: Steps | None) -> bytes:
        require_finite(array)
        levels = to_levels(self._rows(array), self._count, 0.0 if steps is None else steps)
        return encode_integers(levels.indices.reshape(array.shape), (levels.codes, levels.lows))

    def learns_steps(self, shape: Shape) -> bool:
        return True

    def decode(self, data: bytes, shape: Shape) -> Array:
        groups = self._groups(shape)
        indices, (codes, lows) = decode_integers(data, shape, (groups, groups))
        return from_levels(Levels(codes, lows, indices.reshape(groups, -1))).reshape(shape)

    def coarser(self, halvings: float) -> "Uniform":
        return replace(self, bits=min(max(self.bits - halvings, 1), MAX_BITS))

    @property
    def _count(self) -> int:
        return round(2**self.bits)

    def _rows(self, array: Array) -> Array:
        return array.reshape(self._groups(array.shape), -1)

    def _groups(self, shape: Shape) -> int:
        return shape[0] if self.per == "channel" and len(shape) > 1 else 1
