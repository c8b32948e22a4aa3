"""Nested planes: one table per plane serves all resolutions.

Level k reads only every 2**k-th row and column of its plane's table, so that levels cost no numbers of their own; a
pyramid of separate grids costs a third more than its finest level, and its levels may contradict each other. The cells
stay where they are, whichever level reads them: cell i of level k is cell i * 2**k of the table. ::

    table     0  1  2  3  4  5  6  7  8  9     10 cells: cell j has its centre at (j + 0.5) / 10
    level 0   0  1  2  3  4  5  6  7  8  9
    level 1   0     2     4     6     8        read linearly in between; behind the last cell its value holds
    level 2   0           4           8
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from fieldpress.encodings.keyframes import PLANE_AXES, Keyframes, KeyframesEncoding, PlaneLevel, Side

_MAX_LEVELS = 16
"""Level 15 reads the corner cells of a table of 2**15 cells a side, more than a picture has."""


@dataclass(frozen=True)
class Nested(Keyframes):
    """Three tables named ``xy``, ``yt`` and ``xt``, each read at several resolutions, the finest first."""

    id: ClassVar[str] = "nested"

    channels: int
    """Features of each level of each plane."""
    levels: int
    """Resolutions at which each table is read, 1 to 16."""
    xy: Side
    """(rows, columns) of the table over (y, x)."""
    yt: Side
    """(times, columns) of the table over (t, x)."""
    xt: Side
    """(times, rows) of the table over (t, y)."""

    def __post_init__(self) -> None:
        if self.channels < 1 or min(*self.xy, *self.yt, *self.xt) < 1:
            raise ValueError("nested planes need at least one channel and one cell a side")
        if not 1 <= self.levels <= _MAX_LEVELS:
            raise ValueError(f"nested planes have 1 to {_MAX_LEVELS} levels, not {self.levels}")

    def build(self) -> "NestedEncoding":
        return NestedEncoding(self)

    def features(self) -> int:
        return len(PLANE_AXES) * self.levels * self.channels

    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {plane: (self.channels, *getattr(self, plane)) for plane in PLANE_AXES}

    def depth(self, plane: str) -> int:
        del plane
        return self.levels


class NestedEncoding(KeyframesEncoding):
    """The module of :class:`Nested`."""

    def __init__(self, config: Nested) -> None:
        super().__init__()
        for plane, shape in config.shapes().items():
            self.register_parameter(plane, nn.Parameter(torch.empty(shape).uniform_(-1e-4, 1e-4)))
        self.channels = config.features()
        self._strides = [2**level for level in range(config.levels)]

    def levels(self, plane: str) -> list[PlaneLevel]:
        return [PlaneLevel(getattr(self, plane), stride) for stride in self._strides]
