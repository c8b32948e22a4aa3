"""Tensors as pictures: which sample of which plane holds which number of a tensor."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import numpy as np
from einops import rearrange
from numpy.typing import NDArray

from fieldpress.coding.frames import ALIGNMENT, LEAST_SIDE, Plane
from fieldpress.compressors.base import Shape

Samples = NDArray[np.uint16]


@dataclass(frozen=True)
class Tiles:
    """Channels side by side in one plane, or as three planes: for one tensor (channels, time, rows, columns)."""

    channels: int
    time: int
    rows: int
    columns: int
    planes: Literal[1, 3]
    down: int
    across: int
    """Tiles of a plane, in each direction; their number times ``planes`` is the number of channels."""

    @property
    def chroma(self) -> Literal["none", "444"]:
        """The kind of stream."""
        return "none" if self.planes == 1 else "444"

    @property
    def sides(self) -> tuple[int, int]:
        """Rows and columns of a picture, before they are padded for the codec."""
        return self.down * self.rows, self.across * self.columns

    @property
    def shapes(self) -> list[tuple[int, int, int]]:
        """(time, rows, columns) of the planes."""
        return [(self.time, *self.sides)] * self.planes

    @property
    def sizes(self) -> list[int]:
        """Numbers in each channel."""
        return [self.time * self.rows * self.columns] * self.channels

    def to_planes(self, samples: Samples) -> list[Plane]:
        """The planes of a tensor's samples, in its own order."""
        tensor = samples.reshape(self.channels, self.time, self.rows, self.columns)
        axes = "(planes down across) t h w -> planes t (down h) (across w)"
        return list(rearrange(tensor, axes, planes=self.planes, down=self.down))

    def from_planes(self, flat: NDArray[Any]) -> NDArray[Any]:
        """What :meth:`to_planes` was given, or what it stands for, from the planes' one after the other."""
        planes = flat.reshape(self.planes, self.time, *self.sides)
        axes = "planes t (down h) (across w) -> (planes down across t h w)"
        return rearrange(planes, axes, down=self.down, across=self.across)


@dataclass(frozen=True)
class Film:
    """A 4:2:0 film: for a volume of one channel and one of two channels at half its rows and columns."""

    time: int
    rows: int
    columns: int

    chroma: Literal["420"] = "420"

    @property
    def sides(self) -> tuple[int, int]:
        """Rows and columns of a picture, before they are padded for the codec."""
        return self.rows, self.columns

    @property
    def shapes(self) -> list[tuple[int, int, int]]:
        """(time, rows, columns) of the planes, which are the three channels."""
        half = (self.time, -(-self.rows // 2), -(-self.columns // 2))
        return [(self.time, self.rows, self.columns), half, half]

    @property
    def sizes(self) -> list[int]:
        """Numbers in each channel."""
        return [math.prod(shape) for shape in self.shapes]

    def to_planes(self, samples: Samples) -> list[Plane]:
        """The planes of the samples of both tensors, one after the other."""
        ends = np.cumsum(self.sizes)[:-1]
        return [part.reshape(shape) for part, shape in zip(np.split(samples, ends), self.shapes, strict=True)]

    def from_planes(self, flat: NDArray[Any]) -> NDArray[Any]:
        """What :meth:`to_planes` was given, or what it stands for: nothing has to be moved."""
        return flat


def tiles(shape: Shape, three_planes: bool) -> Tiles | None:
    """How one tensor makes pictures, as square as can be; None if it makes none that a codec takes."""
    if len(shape) < 2:
        return None
    channels, time, rows, columns = axes(shape)
    planes: Literal[1, 3] = 3 if three_planes and channels == 3 else 1
    count = channels // planes
    ways = [(count // across, across) for across in range(1, count + 1) if count % across == 0]
    # Exact, since the layout is part of the format: the squarest one, of equal ones the one with fewer tiles across.
    down, across = min(ways, key=lambda way: _elongation(way[0] * rows, way[1] * columns))
    if min(down * rows, across * columns) < LEAST_SIDE:
        return None
    return Tiles(channels, time, rows, columns, planes, down, across)


def axes(shape: Shape) -> tuple[int, int, int, int]:
    """Channels, time, rows and columns of a tensor of two axes or more.

    Example:
        >>> axes((3, 20, 30))
        (3, 1, 20, 30)
    """
    rows, columns = shape[-2:]
    channels, time = {2: (1, 1), 3: (shape[0], 1), 4: shape[:2]}[len(shape)]
    return channels, time, rows, columns


def _elongation(rows: int, columns: int) -> Fraction:
    return Fraction(max(rows, columns), min(rows, columns))


def film(shapes: Sequence[Shape]) -> Film | None:
    """How two tensors make a film; None if they are not of its form."""
    if len(shapes) != 2 or len(shapes[0]) != 4 or shapes[0][0] != 1:
        return None
    _, time, rows, columns = shapes[0]
    if tuple(shapes[1]) != (2, time, -(-rows // 2), -(-columns // 2)) or min(rows, columns) < LEAST_SIDE:
        return None
    return Film(time, rows, columns)


def padded(plane: Plane, shape: tuple[int, int, int]) -> Plane:
    """Continued at the lower and right edge to the size that a codec takes; itself, if it has that."""
    if plane.shape == shape:
        return plane
    return np.pad(plane, [(0, whole - part) for whole, part in zip(shape, plane.shape, strict=True)], mode="edge")


def aligned(side: int) -> int:
    """The next size that a codec takes."""
    return -(-side // ALIGNMENT) * ALIGNMENT
