"""Codes into a dictionary of feature vectors: VQAD, "Variable Bitrate Neural Fields", for any grid."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from fieldpress.coding.codes import decode_codes, encode_codes
from fieldpress.coding.hashing import hashed_codes, hashed_places
from fieldpress.coding.marks import Groups
from fieldpress.coding.parts import PartReader, PartWriter
from fieldpress.coding.scattered import Scattered
from fieldpress.coding.symbols import Integers
from fieldpress.compressors.arrays import require_finite
from fieldpress.compressors.base import Array, Compressor, Known, Shape, joined, pieces_of
from fieldpress.compressors.kmeans import kmeans, means
from fieldpress.compressors.uniform import Uniform
from fieldpress.errors import ConfigError, FormatError
from fieldpress.places import Places

if TYPE_CHECKING:
    from torch import Tensor

    from fieldpress.compressors.guides import Guidance, Guide

MAX_BITS = 16
_FROM_INDICES, _FROM_PLACES = b"", b"\1"
"""What random codes are hashed from, as the end of their bytes."""
LEAST_AXES = 3
"""A tensor of fewer axes has no cells: it is a matrix or a vector of weights."""


@dataclass(frozen=True)
class Dictionary(Compressor):
    """Each cell of a grid becomes a code, the number of one of 2**bits feature vectors; codes are entropy-coded.

    A cell's features are its channels, (channels, rows, columns) or (channels, time, rows, columns). Every tensor has a
    dictionary of its own. Grids with fewer cells than a dictionary has entries, matrices and vectors go to ``parts``.

    Source: Takikawa et al., SIGGRAPH 2022. Special guidance learns entries by gradients while training goes on, and
    with ``codes`` learned also the codes, against a price on bits where there is one (``coded_grid.py``).
    """

    id: ClassVar[str] = "dictionary"

    bits: int = 6
    """Logarithm of the number of entries, 1 to 16."""
    codes: Literal["learned", "kmeans", "random"] = "learned"
    """Special guidance learns codes and entries, or entries alone, of codes that k-means found when it began. Without
    it, k-means finds both at the end. Random: codes are a hash of the cell's place and cost nothing."""
    groups: int = 1
    """Groups of channels, each with codes and entries of its own (product codes)."""
    entries: Compressor = field(default_factory=lambda: Uniform(bits=8))
    """Takes the entries of a tensor, a matrix (channels, entries)."""
    parts: Compressor = field(default_factory=lambda: Uniform(bits=8))
    """Takes the tensors that a dictionary does not suit."""
    rate: float = 0.4
    """Learning rate of the entries under special guidance, relative to the grid's root mean square when that begins;
    falls along a cosine, like all."""

    def __post_init__(self) -> None:
        if not 1 <= self.bits <= MAX_BITS:
            raise ConfigError(f"dictionary: bits is {self.bits}; expected 1 to {MAX_BITS}")
        if self.groups < 1:
            raise ConfigError(f"dictionary: groups is {self.groups}; expected at least 1")
        if not 0 <= self.rate < math.inf:
            raise ConfigError(f"dictionary: rate is {self.rate}; expected a number not below 0")

    def suits(self, shape: Shape) -> bool:
        """Whether a tensor has cells, and at least one for each entry."""
        return len(shape) >= LEAST_AXES and math.prod(shape[1:]) >= 1 << self.bits

    def check(self, shapes: Sequence[Shape]) -> None:
        grids = [shape for shape in shapes if len(shape) >= LEAST_AXES]
        if grids and not any(map(self.suits, grids)):
            largest = max(grids, key=lambda shape: math.prod(shape[1:]))
            raise ConfigError(
                f"dictionary: {self.bits} bits are {1 << self.bits} codes, more than the {math.prod(largest[1:])} "
                f"cells of a grid of shape {largest}; use fewer bits, or another compressor for it"
            )

    def spares_cells(self, placed: bool) -> bool:
        # Random codes follow from a cell's place, or else from its number: that changes with the cells before it.
        return placed or self.codes != "random"

    def channel_groups(self, channels: int) -> list[slice]:
        """The channels of each group, as even as they go; no group is empty."""
        count = min(self.groups, channels)
        edges = [-(-group * channels // count) for group in range(count + 1)]
        return [slice(first, last) for first, last in pairwise(edges)]

    def encode(self, array: Array) -> bytes:
        return self._encode(array, Groups(math.prod(array.shape[1:])))

    def decode(self, data: bytes, shape: Shape) -> Array:
        return self._decode(data, shape, Groups(math.prod(shape[1:])))

    def encode_after(self, arrays: Sequence[Array], known: Known) -> bytes:
        return self.write_after(
            [partial(self._encode, array) for array in arrays], [array.shape for array in arrays], known
        )

    def decode_after(self, data: bytes, shapes: Sequence[Shape], known: Known) -> list[Array]:
        levels = list(known.coarser)
        for piece, shape in zip(pieces_of(data, len(shapes)), shapes, strict=True):
            levels.append(self._decode(piece, shape, self._cells(shape, levels, known.places)))
        return levels[len(known.coarser) :]

    def write_after(self, writers: Sequence[Callable[[Groups], bytes]], shapes: Sequence[Shape], known: Known) -> bytes:
        """The bytes of a chunk, of each tensor those that its writer makes of what is known of its cells."""
        levels, pieces = list(known.coarser), list[bytes]()
        for write, shape in zip(writers, shapes, strict=True):
            pieces.append(write(self._cells(shape, levels, known.places)))
            if any(known.places) and len(pieces) < len(writers):
                levels.append(self._decode(pieces[-1], shape, self._cells(shape, levels, known.places)))
        return joined(pieces)

    def _cells(self, shape: Shape, before: Sequence[Array], places: Sequence[Places | None]) -> Groups:
        """What is known of the cells of a tensor before its first group.

        Args:
            shape: Of the tensor.
            before: All coarser tensors.
            places: Of these and of the tensor.
        """
        own = places[len(before)] if len(before) < len(places) else None
        if own is None or not self.suits(shape) or self.codes == "random":
            return Groups(math.prod(shape[1:]), own)
        for array, other in reversed(list(zip(before, places, strict=False))):
            if other is not None and 2 * other.side == own.side and len(array) == shape[0]:
                coarser = Scattered(other)
                for group in self.channel_groups(shape[0]):
                    coarser.add_features(array[group].reshape(group.stop - group.start, -1).T)
                return Scattered(own, coarser)
        return Scattered(own)

    def _encode(self, array: Array, cells: Groups) -> bytes:
        require_finite(array)
        if not self.suits(array.shape):
            return self.parts.encode(array)
        return self.write(*self.fit(array, cells.places), cells)

    def _decode(self, data: bytes, shape: Shape, cells: Groups) -> Array:
        if not self.suits(shape):
            return self.parts.decode(data, shape)
        reader = PartReader(data, "a dictionary")
        entries = self.entries.decode(reader.string(), (shape[0], 1 << self.bits))
        groups = self.channel_groups(shape[0])
        if self.codes == "random":
            return self.look_up(entries, self.static_codes(shape, _hashed_from(reader.rest(), cells.places)))
        pieces = [*(reader.string() for _ in groups[1:]), reader.rest()]
        codes: list[Integers] = []
        for piece, group in zip(pieces, groups, strict=True):
            codes.append(decode_codes(piece, shape[1:], entries[group].T, cells))
            cells.add(codes[-1], entries[group].T)
        return self.look_up(entries, np.stack(codes))

    def fit(self, array: Array, places: Places | None = None) -> tuple[Array, Integers]:
        """Entries, (channels, entries), and codes, (groups, cells ...), by k-means; or with static codes, by means.

        Args:
            array: The grid.
            places: Where its cells are, if they lie scattered in space.
        """
        rows = array.reshape(len(array), -1).T
        groups = self.channel_groups(len(array))
        if self.codes == "random":
            codes = self.static_codes(array.shape, places)
            pairs = [
                (_mean_entries(rows[:, group], code.ravel(), self.bits), code)
                for group, code in zip(groups, codes, strict=True)
            ]
        else:
            pairs = [kmeans(np.ascontiguousarray(rows[:, group]), 1 << self.bits) for group in groups]
        entries, codes = zip(*pairs, strict=True)
        return np.concatenate(entries, axis=1).T, np.stack(codes).reshape(-1, *array.shape[1:])

    def static_codes(self, shape: Shape, places: Places | None) -> Integers:
        """Codes that follow from the place, (groups, cells ...)."""
        groups = len(self.channel_groups(shape[0]))
        if places is None:
            return hashed_codes((groups, *shape[1:]), self.bits)
        return hashed_places(places.corners, groups, self.bits).reshape(groups, *shape[1:])

    def write(self, entries: Array, codes: Integers, cells: Groups) -> bytes:
        """The bytes of a grid.

        Args:
            entries: Shape (channels, entries).
            codes: Shape (groups, cells ...).
            cells: What is known of them before the first group.
        """
        writer = PartWriter()
        data = self.entries.encode(np.ascontiguousarray(entries))
        writer.string(data)
        if self.codes == "random":
            writer.rest(_FROM_INDICES if cells.places is None else _FROM_PLACES)
            return writer.finish()
        decoded = self.entries.decode(data, entries.shape)
        pieces: list[bytes] = []
        for code, group in zip(codes, self.channel_groups(len(entries)), strict=True):
            pieces.append(encode_codes(code, decoded[group].T, cells))
            cells.add(code, decoded[group].T)
        for piece in pieces[:-1]:
            writer.string(piece)
        writer.rest(pieces[-1])
        return writer.finish()

    def look_up(self, entries: Array, codes: Integers) -> Array:
        """The grid of these codes, (channels, cells ...)."""
        groups = self.channel_groups(len(entries))
        return np.concatenate([entries[group][:, code] for code, group in zip(codes, groups, strict=True)])

    def special_guide(self, guidance: "Guidance", tensors: "Sequence[Tensor]") -> "Guide | None":
        from fieldpress.compressors.dictionary_guide import DictionaryGuide

        return DictionaryGuide(self, guidance, tensors)


def _hashed_from(end: bytes, places: Places | None) -> Places | None:
    """The places that random codes are hashed from; None for those of indices.

    Raises:
        FormatError: The bytes do not say so, or there are no places.
    """
    if end == _FROM_INDICES:
        return None
    if end != _FROM_PLACES or places is None:
        raise FormatError("random codes of a dictionary are damaged: it is not known what they are hashed from")
    return places


def _mean_entries(rows: Array, codes: Integers, bits: int) -> Array:
    """The mean row of each code, (entries, features); that of all rows for a code that no row has."""
    found = means(rows, codes, 1 << bits)
    found[np.bincount(codes, minlength=1 << bits) == 0] = rows.mean(axis=0, dtype=np.float64)
    return found
