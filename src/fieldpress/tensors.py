"""From chunks to tensors: the half of decoding that knows no fields."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from fieldpress.compressors.base import Array, Compressor, Cut, Known, Shape
from fieldpress.config import from_plain
from fieldpress.container import Chunk
from fieldpress.errors import ConfigError, FormatError
from fieldpress.places import Places

PlacesOf = Callable[[str, Mapping[str, Array]], Places | None]
"""Where the cells of the tensor of a name are, given the tensors before it in the file; None if that is not known."""


class Before:
    """What stands before each chunk of a field, as its chunks are gone through in the order of the file."""

    def __init__(self, places_of: PlacesOf | None = None) -> None:
        self.tensors: dict[str, Array] = {}
        """Of the chunks so far, by name."""
        self._places_of = places_of
        self._of_rules: dict[str, tuple[list[Array], list[Places | None]]] = {}

    def known(self, rule: str, names: Sequence[str]) -> Known:
        """What is known when the next chunk is coded, which has the tensors of these names."""
        arrays, places = self._of_rules.setdefault(rule, ([], []))
        if self._places_of is not None:
            places += [self._places_of(name, self.tensors) for name in names]
        return Known(tuple(arrays), tuple(places))

    def add(self, rule: str, names: Sequence[str], arrays: Sequence[Array]) -> None:
        """The tensors of that chunk."""
        self._of_rules[rule][0].extend(arrays)
        self.tensors |= zip(names, arrays, strict=True)


def decode_chunks(chunks: Sequence[Chunk], places_of: PlacesOf | None = None) -> dict[str, Array]:
    """The tensors of some chunks of a field by name; a chunk is decoded given those before it.

    Of a chunk that is not whole the slices are decoded that are there, at least one; all others are as the last one.

    Raises:
        FormatError: A compressor is none that is known, or the bytes are not what it writes; the message names the
            chunk.
    """
    before = Before(places_of)
    for chunk in chunks:
        compressor = _compressor_of(chunk)
        names, shapes = zip(*chunk.tensors, strict=True)
        known = before.known(chunk.rule, names)
        try:
            if chunk.whole:
                arrays = compressor.decode_after(chunk.data, shapes, known)
            else:
                arrays = _decode_beginning(compressor, chunk.data, shapes, known)
        except FormatError as error:
            raise FormatError(f"chunk {chunk.name!r}: {error}") from None
        before.add(chunk.rule, names, arrays)
    return before.tensors


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


def _decode_beginning(compressor: Compressor, data: bytes, shapes: Sequence[Shape], known: Known) -> list[Array]:
    cut = _last_cut(compressor, data, shapes)
    if not cut.slices:
        raise FormatError("it is cut short before its first slice ends")
    shorter = [(channels, cut.slices, *sides) for channels, _, *sides in shapes]
    arrays = compressor.decode_after(data[: cut.bytes], shorter, known)
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
