"""A codec's effort for the time there is: the slowest of its presets that should be done in time."""

import time
from collections.abc import Sequence

from fieldpress.compressors.base import Array, Compressor


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
