"""Tucker decomposition: a small core and one factor per axis instead of a grid."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from fieldpress.coding.parts import PartReader, PartWriter
from fieldpress.coding.steps import to_float32
from fieldpress.compressors.arrays import require_finite
from fieldpress.compressors.base import Array, Compressor, Shape
from fieldpress.compressors.entropy import Entropy
from fieldpress.compressors.fixedpoint import expand, unit_rows
from fieldpress.compressors.hosvd import decompose, multiply
from fieldpress.compressors.ranks import check_ranks, factor_shapes, ranks_of
from fieldpress.errors import ConfigError, FormatError

if TYPE_CHECKING:
    from torch import Tensor

    from fieldpress.compressors.guides import Guidance, Guide

_WHOLE, _DECOMPOSED = 0, 1
_LEAST_STRENGTH = 2.0**-40
"""Of a component, relative to the tensor's largest number."""


@dataclass(frozen=True)
class Tucker(Compressor):
    """A grid as a core of the given ranks and a factor (rank, side) for each truncated axis, each coded by ``parts``.

    The rows of a factor say directions only: decoding scales each to a norm near 1. So they are written as large as
    what they contribute, and an absolute step in ``parts`` errs equally wherever it falls, in core or factors::

        error of the tensor, root mean square  ~  step / sqrt(12) x sqrt(numbers of core and factors / of the tensor)

    The core is fitted to the factors as they decode. Reconstruction is exact arithmetic (``fixedpoint.py``), so a
    file gives the same tensors on every machine.

    The first axis, channels, keeps its full rank unless it is given one. So a matrix is a truncated SVD. Vectors,
    tensors that would have no fewer numbers in Tucker form, and those constant in each channel go to ``parts`` whole.
    """

    id: ClassVar[str] = "tucker"

    ranks: int | float | tuple[int | float, ...] = 0.5
    """Whole numbers, or shares of a side such as 0.5: one for all axes but the first, or a list, one for each of
    these (0.5,0.25,0.25 for time, rows, columns) or one for each axis."""
    parts: Compressor = field(default_factory=lambda: Entropy(step=1 / 64, unit="absolute"))
    """Codes the core and the factors."""

    def __post_init__(self) -> None:
        check_ranks(self.ranks)

    def check(self, shapes: Sequence[Shape]) -> None:
        for shape in shapes:
            self.parts.check(self.part_shapes(shape) or [shape])

    def spares_cells(self, placed: bool) -> bool:
        # There could be fewer of them than a whole number of ranks.
        ranks = self.ranks if isinstance(self.ranks, tuple) else (self.ranks,)
        return not any(isinstance(rank, int) for rank in ranks)

    def ranks_of(self, shape: Shape) -> tuple[int, ...] | None:
        """Of every axis; None for a tensor that goes to ``parts``.

        Raises:
            ConfigError: The tensor cannot have these ranks.
        """
        return ranks_of(self.ranks, shape)

    def part_shapes(self, shape: Shape) -> list[Shape]:
        """Of the factors in the order of their axes, and of the core; none for a tensor that goes to ``parts``.

        Raises:
            ConfigError: The tensor cannot have these ranks.
        """
        ranks = self.ranks_of(shape)
        return [] if ranks is None else [*factor_shapes(ranks, shape).values(), ranks]

    def encode(self, array: Array) -> bytes:
        require_finite(array)
        ranks = self.ranks_of(array.shape)
        if ranks is None:
            return self.parts.encode(array)
        writer = PartWriter()
        channels = array.reshape(len(array), -1)
        if (channels == channels[:, :1]).all():
            writer.varint(_WHOLE)
            writer.rest(self.parts.encode(array))
        else:
            writer.varint(_DECOMPOSED)
            self._write(writer, array, ranks)
        return writer.finish()

    def decode(self, data: bytes, shape: Shape) -> Array:
        try:
            ranks = self.ranks_of(shape)
        except ConfigError as error:
            raise FormatError(str(error)) from None
        if ranks is None:
            return self.parts.decode(data, shape)
        reader = PartReader(data, "a Tucker payload")
        if reader.varint(_DECOMPOSED) == _WHOLE:
            return self.parts.decode(reader.rest(), shape)
        shapes = factor_shapes(ranks, shape)
        rows = {axis: unit_rows(self.parts.decode(reader.string(), factor)) for axis, factor in shapes.items()}
        return expand(self.parts.decode(reader.rest(), ranks), rows)

    def coarser(self, halvings: float) -> "Tucker | None":
        parts = self.parts.coarser(halvings)
        return None if parts is None else replace(self, parts=parts)

    def special_guide(self, guidance: "Guidance", tensors: "Sequence[Tensor]") -> "Guide | None":
        from fieldpress.compressors.tucker_guide import TuckerGuide

        return TuckerGuide(self, guidance, tensors)

    def _write(self, writer: PartWriter, array: Array, ranks: Shape) -> None:
        """The factors, and the core that suits what these decode to."""
        exponent = int(np.frexp(np.abs(array).max())[1])
        core, factors = decompose(np.ldexp(array, -exponent), ranks)
        corrections = {}
        for axis, factor in factors.items():
            strength = np.linalg.norm(np.moveaxis(core, axis, 0).reshape(len(factor), -1).astype(np.float64), axis=1)
            # A power of two, so that decoded rows have a norm of 1 but for rounding: a core then is no larger than it
            # has to be. The least one is far below what any step keeps.
            scale = exponent + np.rint(np.log2(np.maximum(strength, _LEAST_STRENGTH))).astype(np.int64)
            written = to_float32(np.ldexp(factor.astype(np.float64), scale[:, None]))
            data = self.parts.encode(written)
            writer.string(data)
            decoded = unit_rows(self.parts.decode(data, written.shape))
            corrections[axis] = factor @ np.linalg.pinv(decoded)
        writer.rest(self.parts.encode(to_float32(np.ldexp(multiply(core, corrections).astype(np.float64), exponent))))
