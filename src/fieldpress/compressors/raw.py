"""No compression: the numbers as they are, or at half precision."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from fieldpress.compressors.arrays import require_finite
from fieldpress.compressors.base import Array, Compressor, Shape
from fieldpress.errors import ConfigError, FormatError


@dataclass(frozen=True)
class Raw(Compressor):
    """Little-endian floats in C order."""

    id: ClassVar[str] = "raw"

    precision: Literal["float32", "float16"] = "float32"
    """Bits per number: float32 is exact; float16 keeps 11 significant bits up to 65504."""

    def encode(self, array: Array) -> bytes:
        require_finite(array)
        largest = float(np.finfo(self.precision).max)
        if np.abs(array).max() > largest:
            raise ConfigError(f"a value of {np.abs(array).max():g} does not fit float16; use precision float32")
        return array.astype(self._dtype).tobytes()

    def decode(self, data: bytes, shape: Shape) -> Array:
        expected = int(np.prod(shape)) * self._dtype.itemsize
        if len(data) != expected:
            raise FormatError(f"raw {self.precision} numbers of shape {shape} take {expected} bytes, found {len(data)}")
        array = np.frombuffer(data, dtype=self._dtype).reshape(shape).astype(np.float32)
        if not np.isfinite(array).all():
            raise FormatError("raw numbers are damaged: some are not finite")
        return array

    @property
    def _dtype(self) -> np.dtype:
        return np.dtype(self.precision).newbyteorder("<")
