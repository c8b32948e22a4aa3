"""From chunks to tensors: the half of decoding that knows no fields."""

from collections.abc import Sequence

import numpy as np

from fieldpress.compressors.base import Array, Compressor, Cut, Shape
from fieldpress.config import from_plain
from fieldpress.container import Chunk
from fieldpress.errors import ConfigError, FormatError


def decode_chunks(chunks: Sequence[Chunk]) -> dict[str, Array]:
    """The tensors of some chunks by name; a chunk is decoded given those of the same rule at coarser levels.

    Of a chunk that is not whole the slices are decoded that are there, at least one; all others are as the last one.

    Raises:
        FormatError: A compressor is none that is known, or the bytes are not what it writes; the message names the
            chunk.
    """
    tensors: dict[str, Array] = {}
    by_rule: dict[str, list[Array]] = {}
    for chunk in chunks:
        compressor = _compressor_of(chunk)
        names, shapes = zip(*chunk.tensors, strict=True)
        coarser = by_rule.setdefault(chunk.rule, [])
        try:
            if chunk.whole:
                arrays = compressor.decode_after(chunk.data, shapes, coarser)
            else:
                arrays = _decode_beginning(compressor, chunk.data, shapes, coarser)
        except FormatError as error:
            raise FormatError(f"chunk {chunk.name!r}: {error}") from None
        coarser += arrays
        tensors |= zip(names, arrays, strict=True)
    return tensors


def slices_of(chunk: Chunk) -> int:
    """How many slices, from the first, can be decoded of a chunk that is not whole.

    Raises:
        FormatError: As :func:`decode_chunks`, as far as that is seen without decoding.
    """
    try:
        cut = _last_cut(_compressor_of(chunk), chunk.data, [shape for _, shape in chunk.tensors])
    except FormatError as error:
        raise FormatError(f"chunk {chunk.name!r}: {error}") from None
    return cut.slices


def _decode_beginning(
    compressor: Compressor, data: bytes, shapes: Sequence[Shape], coarser: Sequence[Array]
) -> list[Array]:
    cut = _last_cut(compressor, data, shapes)
    if not cut.slices:
        raise FormatError("it is cut short before its first slice ends")
    shorter = [(channels, cut.slices, *sides) for channels, _, *sides in shapes]
    arrays = compressor.decode_after(data[: cut.bytes], shorter, coarser)
    times = [np.arange(shape[1]).clip(max=cut.slices - 1) for shape in shapes]
    return [np.take(array, time, axis=1) for array, time in zip(arrays, times, strict=True)]


def _last_cut(compressor: Compressor, data: bytes, shapes: Sequence[Shape]) -> Cut:
    cuts = compressor.cuts(data, shapes)
    return cuts[-1] if cuts else Cut(0, 0)


def _compressor_of(chunk: Chunk) -> Compressor:
    try:
        return from_plain(Compressor, chunk.compressor, f"compressor of {chunk.name}")
    except ConfigError as error:
        raise FormatError(str(error)) from None
