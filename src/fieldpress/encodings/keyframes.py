"""What encodings over keyframe planes have in common: three planes, each with levels that are read bilinearly.

On a lattice every plane is read along its own two axes only, and a linear layer is applied before the planes meet.
"""

from abc import abstractmethod
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from fieldpress.field import Lattice, Query
from fieldpress.interfaces import Encoding, EncodingConfig, apply_linear
from fieldpress.interpolation import Taps, resample, taps

Side = tuple[int, int]

PLANE_AXES = {"xy": (1, 2), "yt": (0, 2), "xt": (0, 1)}
"""Plane to the axes of its rows and columns. NVP's names: ``yt`` runs over (t, column), ``xt`` over (t, row)."""


class PlaneLevel(NamedTuple):
    """A level of a plane: a table, or every ``stride``-th row and column of one."""

    table: Float[Tensor, "c rows columns"]
    stride: int = 1

    @property
    def cells(self) -> Tensor:
        """The cells that the level reads."""
        return self.table[:, :: self.stride, :: self.stride]

    def taps(self, rows: Float[Tensor, "n"], columns: Float[Tensor, "m"]) -> tuple[Taps, Taps]:
        """Where coordinates fall between the cells."""
        _, height, width = self.table.shape
        return taps(rows, height, stride=self.stride), taps(columns, width, stride=self.stride)


class Keyframes(EncodingConfig):
    """The sizes of an encoding over the planes xy, yt and xt."""

    @abstractmethod
    def build(self) -> "KeyframesEncoding": ...

    @abstractmethod
    def depth(self, plane: str) -> int:
        """How many levels the plane has."""


class KeyframesEncoding(Encoding):
    """Features ordered by plane (xy, yt, xt), level, channel."""

    @abstractmethod
    def levels(self, plane: str) -> list[PlaneLevel]:
        """The levels of a plane in feature order; none if it is left out."""

    def forward(self, query: Query, places: Tensor | None = None) -> Tensor:
        """Features, ``(channels, *query.shape)``.

        Args:
            query: Where.
            places: Where to read the xy plane instead: y and x, ``(2, *query.shape)``, edges clamp. The gradient
                reaches them.
        """
        return torch.cat([features.expand(-1, *query.shape) for features in self._planes(query, places)])

    def linear(
        self, query: Query, weight: Float[Tensor, "out channels"], places: Tensor | None = None
    ) -> Float[Tensor, "out ..."]:
        """``weight`` applied to the features of :meth:`forward`, each plane by itself."""
        # On a lattice each product then runs over the plane's two axes only.
        planes = self._planes(query, places)
        weights = weight.split([len(features) for features in planes], dim=1)
        first, *others = (apply_linear(part, features) for part, features in zip(weights, planes, strict=True))
        return sum(others, start=first)

    def _planes(self, query: Query, places: Tensor | None) -> list[Tensor]:
        """The features of each plane that there is, broadcastable to the query's shape."""
        found = []
        for plane in PLANE_AXES:
            levels = self.levels(plane)
            if levels and plane == "xy" and places is not None:
                found.append(torch.cat([read_anywhere(level, places) for level in levels]))
            elif levels:
                found.append(_read(levels, plane, query))
        return found


def _read(levels: list[PlaneLevel], plane: str, query: Query) -> Tensor:
    """All levels of a plane; on a lattice with length 1 along the axis that the plane does not have."""
    row_axis, column_axis = PLANE_AXES[plane]
    rows, columns = query.axis(row_axis).flatten(), query.axis(column_axis).flatten()
    if not isinstance(query, Lattice):
        return torch.cat([_bilinear(level.cells, *level.taps(rows, columns)) for level in levels])
    found = []
    for level in levels:
        row, column = level.taps(rows, columns)
        found.append(resample(resample(level.cells, 1, row), 2, column))
    (missing,) = {0, 1, 2} - {row_axis, column_axis}
    return torch.cat(found).unsqueeze(1 + missing)


def read_anywhere(level: PlaneLevel, places: Float[Tensor, "2 *n"]) -> Float[Tensor, "c *n"]:
    """A level at places that follow from what is learned: bilinear everywhere, with a gradient to the places.

    A place is never taken for a nearby centre, as that would leave it without a gradient. Unlike everything else here,
    this costs four reads for every place and channel; ``grid_sample`` is three to ten times as fast as our own lookup.

    Args:
        level: Of any plane.
        places: Coordinates along its rows and its columns; beyond the outer centres the edge value holds.
    """
    cells = level.cells
    size = torch.tensor(level.table.shape[1:]).to(places).reshape(2, *[1] * (places.ndim - 1))
    count = torch.tensor(cells.shape[1:]).to(size).reshape(size.shape)
    # grid_sample counts from -1 to 1 between the outer borders of its cells, and wants x first.
    centred = (2 * (places * size - 0.5) / level.stride + 1) / count - 1
    where = centred.flip(0).movedim(0, -1).reshape(1, 1, -1, 2)
    found = functional.grid_sample(cells[None], where, "bilinear", "border", align_corners=False)
    return found.reshape(len(cells), *places.shape[1:])


def _bilinear(grid: Float[Tensor, "c y x"], rows: Taps, columns: Taps) -> Float[Tensor, "c n"]:
    flat, width = grid.flatten(1), grid.shape[2]

    def along_columns(row: Tensor) -> Tensor:
        low = flat.index_select(1, row * width + columns.lower)
        if columns.share is None:
            return low
        return torch.lerp(low, flat.index_select(1, row * width + columns.upper), columns.share)

    low = along_columns(rows.lower)
    return low if rows.share is None else torch.lerp(low, along_columns(rows.upper), rows.share)
