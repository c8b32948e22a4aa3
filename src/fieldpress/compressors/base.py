"""The compressor interface: tensors to bytes and back.

A compressor never sees a model. By the time it is called everything is an array with a shape, so videos, images
and radiance fields share all of them.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fieldpress.coding.parts import PartReader, PartWriter
from fieldpress.places import Places

if TYPE_CHECKING:
    from torch import Tensor

    from fieldpress.compressors.guides import Guidance, Guide

Array = NDArray[np.float32]
Shape = tuple[int, ...]

MAX_QUALITY = 51.0
"""The coarse end of the quality scale; 0 is the fine one, as with the constant rate factors of x264."""
FAR = 64.0
"""Halvings of the bits beyond which every compressor is at the end of its scale."""


class Cut(NamedTuple):
    """A place where a payload may end early.

    Its first ``bytes`` are the payload of tensors that have only the first ``slices`` along the time axis, with the
    same numbers in them.
    """

    bytes: int
    slices: int


class Known(NamedTuple):
    """What a decoder has by the time it comes to a chunk, and so may help to code it."""

    coarser: Sequence[Array] = ()
    """What the same rule of the plan has at all coarser levels, those of the coarsest first, as they decode."""
    places: Sequence[Places | None] = ()
    """Where the cells are of these tensors, and then of those of the chunk; None for each that has no list of cells,
    or whose places are not known by then. May be empty, if that is so for all."""


NOTHING = Known()


class Compressor(ABC):
    """Tensor to bytes and back. Concrete classes are frozen dataclasses and are stored in the file header.

    Grids arrive channels first: a plane is (channels, rows, columns), a volume (channels, time, rows, columns);
    decoder weights are (out, in), biases (out,). A tensor of a rank that a compressor has no structure for is
    coded all the same, as the compressor's documentation says: a plan never fails half way.
    """

    id: ClassVar[str]
    deterministic: ClassVar[bool] = True
    """Whether :meth:`encode` gives the same bytes for the same array on every run (decoding always does)."""

    def check(self, shapes: Sequence[Shape]) -> None:
        """Refuses what is impossible for tensors of these shapes, before any training; nothing, unless overridden.

        Args:
            shapes: Of the tensors of one chunk.

        Raises:
            ConfigError: The settings do not fit a shape, such as a rank above a side.
        """
        del shapes

    @abstractmethod
    def encode(self, array: Array) -> bytes:
        """The array as bytes.

        Args:
            array: Finite float32 of any rank from 1 to 4, no axis empty.

        Raises:
            ConfigError: The array holds a value that is not finite.
        """

    def special_guide(self, guidance: "Guidance", tensors: "Sequence[Tensor]") -> "Guide | None":
        """A guide that knows more of this compressor than its round trips; None where there is no better one.

        Args:
            guidance: When it takes part.
            tensors: Those of one chunk; the guide may size its own parameters from them, but not keep them.
        """
        del guidance, tensors
        return None

    def quicker(self) -> "Sequence[tuple[float, Compressor]]":
        """Itself at less effort: the share of the time each takes, and the compressor, slowest first."""
        return []

    def alternatives(self) -> "Sequence[Compressor]":
        """Itself with other tools, which suit some tensors far better and most of them worse."""
        return []

    def at_quality(self, quality: float) -> "Compressor | None":
        """Itself at a quality on the scale of ``--quality``; ``None`` if it has none to turn.

        On that scale six steps are about a halving of the bits; this compressor's own setting is in the middle of it.

        Args:
            quality: 0 (best) to ``MAX_QUALITY``.
        """
        return self.coarser((quality - MAX_QUALITY / 2) / 6)

    def coarser(self, halvings: float) -> "Compressor | None":
        """The same at another quality, so that a file can be steered to a size; None where there is nothing to turn.

        Args:
            halvings: Of the bits, roughly; below zero it is finer. At the ends of a scale it stays there.
        """
        del halvings
        return None

    def spares_cells(self, placed: bool) -> bool:
        """Whether cells of a tensor that lie in a list may be cut off, and the others go on as they are.

        Args:
            placed: Whether it is known where they are.
        """
        del placed
        return True

    @abstractmethod
    def decode(self, data: bytes, shape: Shape) -> Array:
        """What :meth:`encode` wrote: finite float32 of this shape. Pure: the same bytes give the same array.

        Raises:
            FormatError: The bytes are damaged or are not for this shape. Memory stays proportional to the shape.
        """

    def encode_all(self, arrays: Sequence[Array]) -> bytes:
        """The arrays of one chunk as bytes: each by itself, unless the compressor knows how to code them together.

        Args:
            arrays: At least one.
        """
        return joined([self.encode(array) for array in arrays])

    def decode_all(self, data: bytes, shapes: Sequence[Shape]) -> list[Array]:
        """What :meth:`encode_all` wrote.

        Raises:
            FormatError: As :meth:`decode`.
        """
        return [self.decode(piece, shape) for piece, shape in zip(pieces_of(data, len(shapes)), shapes, strict=True)]

    def can_cut(self, shapes: Sequence[Shape]) -> bool:
        """Whether the beginning of a payload may be of use without the rest: whether :meth:`cuts` finds any."""
        del shapes
        return False

    def cuts(self, data: bytes, shapes: Sequence[Shape]) -> tuple[Cut, ...]:
        """Where a payload may end, shortest first; none, unless overridden.

        Args:
            data: Of :meth:`encode_all`, or the beginning of that, ending anywhere.
            shapes: Of the whole tensors (channels, time, rows, columns).

        Raises:
            FormatError: The bytes are damaged, as far as that is seen without decoding them.
        """
        del data, shapes
        return ()

    def encode_after(self, arrays: Sequence[Array], known: Known) -> bytes:
        """The arrays of one chunk as bytes, given what the decoder has already.

        A file has a chunk for each level, coarse first, so that a prefix of it is a model. A compressor whose levels
        say something of one another, such as those of an octree, overrides this; the others ignore what is known.

        Args:
            arrays: At least one.
            known: What stands before them in the file.
        """
        del known
        return self.encode_all(arrays)

    def decode_after(self, data: bytes, shapes: Sequence[Shape], known: Known) -> list[Array]:
        """What :meth:`encode_after` wrote, given that the same is known.

        Raises:
            FormatError: As :meth:`decode`.
        """
        del known
        return self.decode_all(data, shapes)


def joined(pieces: Sequence[bytes]) -> bytes:
    """The pieces of several tensors as the bytes of one chunk: each with its length, the last one without."""
    writer = PartWriter()
    for piece in pieces[:-1]:
        writer.string(piece)
    writer.rest(pieces[-1])
    return writer.finish()


def pieces_of(data: bytes, count: int) -> list[bytes]:
    """The pieces of :func:`joined`.

    Raises:
        FormatError: There are not so many.
    """
    reader = PartReader(data, "a chunk of several tensors")
    return [*(reader.string() for _ in range(count - 1)), reader.rest()]
