"""Rounding to a step, and an entropy coder that knows what grids and weights look like."""

import math
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np

from fieldpress.coding.integers import decode_integers, encode_integers
from fieldpress.coding.steps import FLOAT32_DIGITS, code_not_below, step_of, to_float32
from fieldpress.coding.symbols import Integers
from fieldpress.compressors.arrays import require_finite
from fieldpress.compressors.base import Array, Shape
from fieldpress.compressors.stepped import Stepped, Steps
from fieldpress.errors import ConfigError

_MANTISSA_BITS = 7
_LEAST_STEP, _GREATEST_STEP = 2.0**-60, 2.0**60


@dataclass(frozen=True)
class Entropy(Stepped):
    """Each value becomes the nearest multiple of a step; the error is at most half a step.

    The multiples are coded with static integer tables whose widths are sent in a few bits, per tensor or per channel,
    or, for grids, follow from the neighbours in space and time (``coding/integers.py``). A tensor of zeros costs
    nothing; thirty biases cost about three bytes more than their entropy.

    A step finer than 2**-23 of the largest magnitude would be finer than float32, and is doubled until it is not.
    """

    id: ClassVar[str] = "entropy"

    step: float = 0.05
    """Distance between neighbouring values, in the unit below; smaller is better and larger."""
    unit: Literal["absolute", "rms", "channel"] = "rms"
    """What a step of 1 is: the number 1; the tensor's root mean square (which costs two bytes), or each channel's (two
    bytes per channel). With the special guide, steps by rms and channel are where learning begins."""

    def __post_init__(self) -> None:
        if not _LEAST_STEP <= self.step <= _GREATEST_STEP:
            raise ConfigError(f"entropy: step is {self.step}; expected {_LEAST_STEP:.1g} to {_GREATEST_STEP:.1g}")

    def steps(self, array: Array) -> Steps:
        rows = self._rows(array).astype(np.float64)
        if self.unit == "absolute":
            return np.array([self.step])
        return self.step * np.sqrt(np.mean(np.square(rows), axis=1))

    def encode_steps(self, array: Array, steps: Steps | None) -> bytes:
        require_finite(array)
        rows = self._rows(array).astype(np.float64)
        numbers = self._numbers(rows, self.steps(array) if steps is None else steps)
        multiples = np.rint(rows / self._sent(numbers)[:, None]).astype(np.int64)
        return encode_integers(multiples.reshape(array.shape), (numbers,))

    def learns_steps(self, shape: Shape) -> bool:
        return self.unit != "absolute"

    def decode(self, data: bytes, shape: Shape) -> Array:
        multiples, (numbers,) = decode_integers(data, shape, (self._groups(shape),))
        rows = multiples.reshape(len(numbers), -1) * self._sent(numbers)[:, None]
        return to_float32(rows).reshape(shape)

    def coarser(self, halvings: float) -> "Entropy":
        return replace(self, step=min(max(self.step * 2.0**halvings, _LEAST_STEP), _GREATEST_STEP))

    def _numbers(self, rows: np.ndarray, steps: Steps) -> Integers:
        """How steps are sent: doublings of an absolute one, the step codes of relative ones."""
        finest = np.abs(rows).max(axis=1) * 2.0**-FLOAT32_DIGITS
        if self.unit == "absolute":
            return np.array([max(0, math.ceil(math.log2(one / self.step))) if one else 0 for one in finest.tolist()])
        wanted = np.maximum(steps, finest) * (finest > 0)
        return np.array([code_not_below(one, _MANTISSA_BITS) if one else 0 for one in wanted.tolist()])

    def _sent(self, numbers: Integers) -> Steps:
        """The steps that were sent."""
        if self.unit == "absolute":
            return np.array([self.step * step_of(number, 0) for number in numbers.tolist()])
        return np.array([step_of(number, _MANTISSA_BITS) for number in numbers.tolist()])

    def _rows(self, array: Array) -> Array:
        return array.reshape(self._groups(array.shape), -1)

    def _groups(self, shape: Shape) -> int:
        return shape[0] if self.unit == "channel" and len(shape) > 1 else 1
