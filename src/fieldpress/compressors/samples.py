"""Numbers as the samples of pictures: a linear scale, measured or fixed."""

import numpy as np
from numpy.typing import NDArray

from fieldpress.coding.lists import read_list, write_list
from fieldpress.coding.rangecoder import decoder, encoder
from fieldpress.coding.steps import Levels, from_levels, to_levels

Rows = NDArray[np.float32]
Samples = NDArray[np.uint16]


def fixed_samples(values: Rows, bits: int, amplitude: float) -> Samples:
    """Samples of values between -amplitude and amplitude; zero is the middle code, and what lies outside is clipped."""
    half = 1 << (bits - 1)
    codes = values * np.float32(half / amplitude)
    np.rint(codes, out=codes)
    codes += half
    return np.clip(codes, 0, 2 * half - 1, out=codes).astype(np.uint16)


def fixed_values(samples: Samples, bits: int, amplitude: float) -> Rows:
    """The values of samples on a fixed scale: (sample - middle) * amplitude / middle."""
    half = 1 << (bits - 1)
    table = ((np.arange(2 * half) - half) * (amplitude / half)).astype(np.float32)
    return table[samples]


def measured_samples(rows: Rows, bits: int) -> tuple[bytes, Samples | None]:
    """Each row over its own range: the scales as bytes, and the samples; None if every row is constant."""
    levels = to_levels(rows, 1 << bits)
    flat = ~levels.indices.any(axis=1)
    side = encoder()
    for numbers in (levels.codes, levels.lows, np.asarray(flat, dtype=np.int64)):
        write_list(side, numbers)
    return side.finish(), None if flat.all() else levels.indices.astype(np.uint16)


class MeasuredScale:
    """The scales that :func:`measured_samples` wrote.

    Raises:
        FormatError: The bytes are damaged.
    """

    def __init__(self, data: bytes, rows: int) -> None:
        side = decoder(data)
        self._codes, self._lows, self._flat = (read_list(side, rows) for _ in range(3))

    @property
    def constant(self) -> bool:
        """Whether every row is constant, so that no samples were written."""
        return bool(self._flat.all())

    def values(self, samples: Samples) -> Rows:
        """The values of samples (rows, n). A codec does not keep flat pictures exactly flat, so constant rows are."""
        indices = samples.astype(np.int64)
        indices[self._flat != 0] = 0
        return from_levels(Levels(self._codes, self._lows, indices))
