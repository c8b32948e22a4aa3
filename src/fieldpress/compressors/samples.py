"""Numbers as the samples of pictures: a linear scale, measured or fixed."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldpress.coding.lists import read_list, write_list
from fieldpress.coding.rangecoder import decoder, encoder
from fieldpress.coding.steps import Levels, from_levels, to_levels

Numbers = NDArray[np.float32]
Samples = NDArray[np.uint16]


_BLOCK = 1 << 20
"""Numbers that are converted at a time: a film of a minute has more than should be in memory twice."""


def fixed_samples(values: Iterable[Numbers], bits: int, amplitude: float) -> Samples:
    """Samples of values between -amplitude and amplitude; zero is the middle code, and what lies outside is clipped.

    Args:
        values: Arrays of any shape, one after the other.
        bits: Depth of a sample.
        amplitude: Above 0.
    """
    half = 1 << (bits - 1)
    flat = [array.reshape(-1) for array in values]
    samples = np.empty(sum(map(len, flat)), np.uint16)
    start = 0
    for array in flat:
        for here in _blocks(len(array)):
            codes = array[here] * np.float32(half / amplitude)
            np.rint(codes, out=codes)
            codes += half
            samples[start + here.start : start + here.stop] = np.clip(codes, 0, 2 * half - 1, out=codes)
        start += len(array)
    return samples


def fixed_values(bits: int, amplitude: float) -> Numbers:
    """What each sample stands for on a fixed scale: (sample - middle) * amplitude / middle."""
    half = 1 << (bits - 1)
    return ((np.arange(2 * half) - half) * (amplitude / half)).astype(np.float32)


def _blocks(count: int) -> Iterator[slice]:
    for start in range(0, count, _BLOCK):
        yield slice(start, min(start + _BLOCK, count))


def measured_samples(values: Numbers, sizes: Sequence[int], bits: int) -> tuple[bytes, Samples | None]:
    """Rows of values, each over its own range: the scales as bytes, and the samples; None if every row is constant.

    Args:
        values: Flat, row after row.
        sizes: Of the rows; they sum up to the number of values.
        bits: Depth of a sample.
    """
    rows = [to_levels(row, 1 << bits) for row in _rows(values, sizes)]
    codes, lows = (np.concatenate([getattr(row, name) for row in rows]) for name in ("codes", "lows"))
    flat = np.concatenate([~row.indices.any(axis=1) for row in rows])
    side = encoder()
    for numbers in (codes, lows, flat.astype(np.int64)):
        write_list(side, numbers)
    samples = np.concatenate([row.indices.ravel().astype(np.uint16) for row in rows])
    return side.finish(), None if flat.all() else samples


class MeasuredScale:
    """The scales that :func:`measured_samples` wrote, of rows of these sizes.

    Raises:
        FormatError: The bytes are damaged.
    """

    def __init__(self, data: bytes, sizes: Sequence[int]) -> None:
        side = decoder(data)
        self._sizes = sizes
        self._codes, self._lows, self._flat = (read_list(side, len(sizes)) for _ in range(3))

    @property
    def constant(self) -> bool:
        """Whether every row is constant, so that no samples were written."""
        return bool(self._flat.all())

    def values(self, samples: Samples) -> Numbers:
        """The values of samples, flat. A codec does not keep flat pictures exactly flat, so constant rows are."""
        found, start = [], 0
        for rows in _rows(samples, self._sizes):
            here = slice(start, start + len(rows))
            indices = rows.astype(np.int64)
            indices[self._flat[here] != 0] = 0
            found.append(from_levels(Levels(self._codes[here], self._lows[here], indices)).ravel())
            start = here.stop
        return np.concatenate(found)


def _rows(numbers: NDArray[Any], sizes: Sequence[int]) -> Iterator[NDArray[Any]]:
    """Rows of equal size that follow one another, as (rows, size): there may be very many of them."""
    start = 0
    for size, equal in itertools.groupby(sizes):
        count = sum(1 for _ in equal)
        yield numbers[start : start + count * size].reshape(count, size)
        start += count * size
