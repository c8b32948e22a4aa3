"""What a codec is told of the tensors it is to code: with which tools, and at which effort for the time there is."""

import time
from collections.abc import Sequence

import numpy as np

from fieldpress.compressors.base import Array, Compressor
from fieldpress.progress import portions

_ENOUGH = 0.8
"""Of the bytes that a compressor takes, at equal error, an alternative takes at most so many to be preferred: of films
of text 0.51 to 0.67, of what a camera saw and of drawn films 0.90 to 1.06."""
_TRIAL = 3.0
"""How much longer than at the quickest effort, at most, a trial takes. The quickest tells too little of the slowest."""
_BYTES_PER_ERROR = 0.77
"""Twice the bytes make a film 3.9 dB better: of 1 % less error, so many per cent more bytes."""


def suited(compressor: Compressor, arrays: Sequence[Array]) -> Compressor:
    """The compressor, or the best of its alternatives if that is far better. All are tried at little effort.

    Args:
        compressor: At any effort.
        arrays: What it is to encode.
    """
    others = compressor.alternatives()
    if not others:
        return compressor
    own, *costs = (_cost(_quick(one), arrays) for one in portions((compressor, *others)))
    best = min(costs)
    return others[costs.index(best)] if best < _ENOUGH * own else compressor


def _cost(compressor: Compressor, arrays: Sequence[Array]) -> float:
    """Its bytes, as they would be at an error of 1."""
    data = compressor.encode_all(arrays)
    decoded = compressor.decode_all(data, [array.shape for array in arrays])
    error = sum(float(np.square(a - b).sum()) for a, b in zip(arrays, decoded, strict=True))
    return len(data) * error**_BYTES_PER_ERROR


def _quick(compressor: Compressor) -> Compressor:
    """The slowest effort that takes at most ``_TRIAL`` times as long as the quickest."""
    efforts = [(1.0, compressor), *compressor.quicker()]
    return next(one for share, one in efforts if share <= _TRIAL * efforts[-1][0])


def in_time(compressor: Compressor, arrays: Sequence[Array], seconds: float) -> Compressor:
    """The compressor, or itself at less effort if encoding would take longer than so many seconds.

    The quickest effort is tried, and the time of the others follows from it: within a factor of two on the clips
    measured, so leave some room.

    Args:
        compressor: At the most effort that is wanted.
        arrays: What it is to encode.
        seconds: Of wall time.
    """
    quicker = compressor.quicker()
    if not quicker:
        return compressor
    share, quickest = quicker[-1]
    began = time.monotonic()
    quickest.encode_all(arrays)
    whole = (time.monotonic() - began) / share
    return next((one for part, one in [(1.0, compressor), *quicker] if part * whole <= seconds), quickest)
