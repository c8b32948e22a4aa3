"""Low rank: a few feature vectors for a grid, and how much of each is in every cell."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar

from fieldpress.compressors.arrays import require_finite
from fieldpress.compressors.base import Array, Compressor, Shape
from fieldpress.compressors.entropy import Entropy
from fieldpress.compressors.ranks import check_ranks, ranks_of
from fieldpress.compressors.tucker import Tucker
from fieldpress.errors import ConfigError, FormatError

if TYPE_CHECKING:
    from torch import Tensor

    from fieldpress.compressors.guides import Guidance, Guide

LEAST_AXES = 3
"""Channels, and the axes of the cells."""


@dataclass(frozen=True)
class LowRank(Compressor):
    """A grid as the truncated SVD of its table (channels, cells), both factors coded by ``parts``.

    That is a :class:`Tucker` decomposition of which only the first axis, channels, is truncated, and is coded as one:
    a factor (rank, channels), and what is there of each of its rows in every cell, (rank, cells ...), a grid again.

    Tensors of one or two axes, and those whose factors would have no fewer numbers, go to ``parts`` whole.

    Example:
        >>> LowRank(rank=2).ranks_of((8, 1, 1000)), LowRank(rank=0.5).ranks_of((8, 40, 50)), LowRank().ranks_of((8, 9))
        ((2, 1, 1000), (4, 40, 50), None)
    """

    id: ClassVar[str] = "lowrank"

    rank: int | float = 0.5
    """A whole number, at most that of the channels, or a share of it such as 0.5."""
    parts: Compressor = field(default_factory=lambda: Entropy(step=1 / 64, unit="absolute"))
    """Codes both factors."""

    def __post_init__(self) -> None:
        check_ranks(self.rank, self.id)

    def check(self, shapes: Sequence[Shape]) -> None:
        for shape in shapes:
            if self.ranks_of(shape) is None:
                self.parts.check([shape])
            else:
                self._tucker(shape).check([shape])

    def ranks_of(self, shape: Shape) -> tuple[int, ...] | None:
        """Of every axis; None for a tensor that goes to ``parts``.

        Raises:
            ConfigError: The rank is above the number of channels.
        """
        if len(shape) < LEAST_AXES:
            return None
        return ranks_of((self.rank, *(1.0 for _ in shape[1:])), shape, self.id)

    def encode(self, array: Array) -> bytes:
        require_finite(array)
        if self.ranks_of(array.shape) is None:
            return self.parts.encode(array)
        return self._tucker(array.shape).encode(array)

    def decode(self, data: bytes, shape: Shape) -> Array:
        try:
            ranks = self.ranks_of(shape)
        except ConfigError as error:
            raise FormatError(str(error)) from None
        if ranks is None:
            return self.parts.decode(data, shape)
        return self._tucker(shape).decode(data, shape)

    def coarser(self, halvings: float) -> "LowRank | None":
        parts = self.parts.coarser(halvings)
        return None if parts is None else replace(self, parts=parts)

    def special_guide(self, guidance: "Guidance", tensors: "Sequence[Tensor]") -> "Guide | None":
        from fieldpress.compressors.tucker_guide import TuckerGuide

        return TuckerGuide(self, guidance, tensors)

    def _tucker(self, shape: Shape) -> Tucker:
        return Tucker((self.rank, *(1.0 for _ in shape[1:])), self.parts)
