"""The topology of an octree: which children of its cells are occupied."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from fieldpress.coding.octree import Octants as Level
from fieldpress.coding.octree import can_follow, decode_level, encode_level
from fieldpress.coding.parts import PartReader, PartWriter
from fieldpress.compressors.arrays import require_finite
from fieldpress.compressors.base import NOTHING, Array, Compressor, Known, Shape, joined, pieces_of
from fieldpress.compressors.uniform import Uniform
from fieldpress.errors import FormatError

_WHOLE, _OCTREE = 0, 1
_CHILDREN = 8


@dataclass(frozen=True)
class Octants(Compressor):
    """Zeros and ones of shape (parents, 8), without loss: which of the 8 children of each occupied cell are occupied.

    ``coding/octree.py`` says what the order of cells and children is, and how a bit follows from those around it.
    Tensors are the levels of one octree, coarsest first, whether they share a chunk or stand in the chunks of
    successive levels: the coarsest has the cells of a whole grid for rows, any other a row for each one of the level
    before. A surface costs about half a bit to one bit for each cell of its finest level.

    Tensors of another width or rank, and what is not the next level of such an octree, go to ``parts``.
    """

    id: ClassVar[str] = "octants"

    parts: Compressor = field(default_factory=lambda: Uniform(bits=8))
    """Takes the tensors that are no level of an octree."""

    def encode(self, array: Array) -> bytes:
        return self.encode_after([array], NOTHING)

    def decode(self, data: bytes, shape: Shape) -> Array:
        return self._decode(data, shape, ())

    def encode_all(self, arrays: Sequence[Array]) -> bytes:
        return self.encode_after(arrays, NOTHING)

    def decode_all(self, data: bytes, shapes: Sequence[Shape]) -> list[Array]:
        return self.decode_after(data, shapes, NOTHING)

    def encode_after(self, arrays: Sequence[Array], known: Known) -> bytes:
        levels = [*known.coarser, *arrays]
        return joined([self._encode(array, levels[: len(known.coarser) + i]) for i, array in enumerate(arrays)])

    def decode_after(self, data: bytes, shapes: Sequence[Shape], known: Known) -> list[Array]:
        levels = list(known.coarser)
        for piece, shape in zip(pieces_of(data, len(shapes)), shapes, strict=True):
            levels.append(self._decode(piece, shape, levels))
        return levels[len(known.coarser) :]

    def _encode(self, array: Array, coarser: Sequence[Array]) -> bytes:
        require_finite(array)
        if not _is_table(array.shape):
            return self.parts.encode(array)
        writer = PartWriter()
        levels = _levels([*coarser, array])
        if levels is None or not can_follow(levels[:-1], len(array)):
            writer.varint(_WHOLE)
            writer.rest(self.parts.encode(array))
        else:
            writer.varint(_OCTREE)
            writer.rest(encode_level(levels[-1], levels[:-1]))
        return writer.finish()

    def _decode(self, data: bytes, shape: Shape, coarser: Sequence[Array]) -> Array:
        if not _is_table(shape):
            return self.parts.decode(data, shape)
        reader = PartReader(data, "a level of an octree")
        if reader.varint(_OCTREE) == _WHOLE:
            return self.parts.decode(reader.rest(), shape)
        levels = _levels(coarser)
        if levels is None:
            raise FormatError("a level of an octree is damaged: what is coarser than it is no octree")
        return decode_level(reader.rest(), shape[0], levels).astype(np.float32)


def _is_table(shape: Shape) -> bool:
    return len(shape) == 2 and shape[1] == _CHILDREN


def _levels(arrays: Sequence[Array]) -> list[Level] | None:
    """Tables of zeros and ones as bits; None if one is something else."""
    if all(_is_table(array.shape) and ((array == 0) | (array == 1)).all() for array in arrays):
        return [array.astype(np.bool_) for array in arrays]
    return None
