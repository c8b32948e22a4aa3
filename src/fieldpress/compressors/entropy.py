"""Rounding to a step, and an entropy coder that knows what grids and weights look like."""

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from fieldpress.coding.integers import decode_integers, encode_integers
from fieldpress.coding.steps import FLOAT32_DIGITS, code_not_below, step_of, to_float32
from fieldpress.compressors.arrays import require_finite
from fieldpress.compressors.base import Array, Compressor, Shape
from fieldpress.errors import ConfigError

_MANTISSA_BITS = 7
_LEAST_STEP, _GREATEST_STEP = 2.0**-60, 2.0**60


@dataclass(frozen=True)
class Entropy(Compressor):
    """Each value becomes the nearest multiple of a step; the error is at most half a step.

    The multiples are coded with static integer tables whose widths are sent in a few bits, per tensor or per channel,
    or, for grids, follow from the neighbours in space and time (``coding/integers.py``). A tensor of zeros costs
    nothing; thirty biases cost about three bytes more than their entropy.

    A step finer than 2**-23 of the largest magnitude would be finer than float32, and is doubled until it is not.
    """

    id: ClassVar[str] = "entropy"

    step: float = 0.05
    """Distance between neighbouring values, in the unit below; smaller is better and larger."""
    unit: Literal["absolute", "rms"] = "rms"
    """What a step of 1 is: the number 1, or the tensor's root mean square (which costs two bytes)."""

    def __post_init__(self) -> None:
        if not _LEAST_STEP <= self.step <= _GREATEST_STEP:
            raise ConfigError(f"entropy: step is {self.step}; expected {_LEAST_STEP:.1g} to {_GREATEST_STEP:.1g}")

    def encode(self, array: Array) -> bytes:
        require_finite(array)
        exact = array.astype(np.float64)
        number = self._step_number(exact)
        multiples = np.rint(exact / self._step(number)).astype(np.int64)
        return encode_integers(multiples, (np.array([number]),))

    def decode(self, data: bytes, shape: Shape) -> Array:
        multiples, (number,) = decode_integers(data, shape, (1,))
        return to_float32(multiples.astype(np.float64) * self._step(int(number[0])))

    def _step_number(self, exact: np.ndarray) -> int:
        """How the step is sent: doublings of an absolute one, the step code of a relative one."""
        finest = float(np.abs(exact).max()) * 2.0**-FLOAT32_DIGITS
        if self.unit == "absolute":
            return max(0, math.ceil(math.log2(finest / self.step))) if finest else 0
        wanted = max(self.step * math.sqrt(np.mean(np.square(exact))), finest)
        return code_not_below(wanted, _MANTISSA_BITS) if wanted else 0

    def _step(self, number: int) -> float:
        """The step that was sent."""
        if self.unit == "absolute":
            return self.step * step_of(number, 0)
        return step_of(number, _MANTISSA_BITS)
