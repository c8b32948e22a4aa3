"""What a renderer asks of a field: the densities of many places, then the colours of the few that count.

An octree's levels are summed, and within a cell of the finest level all of them are trilinear. So they can be summed
once, on the corners of the finest cells: then a place is one lookup, however many levels there are. A density is a
linear reading of the features, so it is interpolated as a single number. Other fields are asked place by place.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from fieldpress.decoders.radiance import RadianceDecoder
from fieldpress.encodings.corners import CORNERS, cells_of, corner_weights, interpolate
from fieldpress.encodings.octree import OctreeEncoding, octree_of
from fieldpress.field import Field, Points

_WITHIN = 1e-3
"""A cell is asked for its greatest density so far inside of it, in cells: on the border the neighbour would answer."""
_INSIDE = CORNERS.float() * (1 - 2 * _WITHIN) + _WITHIN
_PLACES = 1 << 17
"""Asked of a field at a time."""


class Answer(NamedTuple):
    """Of a field."""

    densities: Float[Tensor, "n"]
    colours: Callable[[Int[Tensor, "m"], Float[Tensor, "m 3"]], Float[Tensor, "3 m"]]
    """Of some of the places, by number, seen from these directions."""


class Shader(ABC):
    """Answers for places in cells of the octree's finest level.

    Attributes:
        places: Of these cells, in the order of their numbers.
    """

    places: Int[Tensor, "cells 3"]

    @abstractmethod
    def greatest(self) -> Float[Tensor, "cells"]:
        """The greatest density of each cell."""

    @abstractmethod
    def keep(self, cells: Int[Tensor, "n"]) -> None:
        """From now on only these cells are asked for, and numbered in this order."""

    @abstractmethod
    def answer(self, places: Float[Tensor, "n 3"], cells: Int[Tensor, "n"]) -> Answer:
        """For places, and the numbers of the cells that they are in."""


def shader_of(field: Field) -> Shader:
    """The fastest one for a field, with as many levels as it shows now."""
    (first, *others) = field.encodings.values()
    if not others and isinstance(first, OctreeEncoding) and isinstance(field.decoder, RadianceDecoder):
        return SummedShader(first, field.decoder)
    return PlainShader(field)


class PlainShader(Shader):
    """Asks the field for every place."""

    def __init__(self, field: Field) -> None:
        octree = octree_of(field)
        self._field, self._side = field, octree.config.side(octree.shown - 1)
        self.places = places_of(octree.occupancy)

    def greatest(self) -> Float[Tensor, "cells"]:
        greatest = torch.zeros(len(self.places), device=self.places.device)
        for corner in _INSIDE.to(self.places.device):
            for part in torch.arange(len(self.places), device=self.places.device).split(_PLACES):
                density = self._field.planar(Points((self.places[part] + corner) / self._side))[0]
                greatest[part] = torch.maximum(greatest[part], density)
        return greatest

    def keep(self, cells: Int[Tensor, "n"]) -> None:
        self.places = self.places[cells]

    def answer(self, places: Float[Tensor, "n 3"], cells: Int[Tensor, "n"]) -> Answer:
        del cells
        points = Points(places)

        def colours(chosen: Tensor, directions: Tensor) -> Tensor:
            return self._field.planar(points.part(chosen, directions))[:3]

        return Answer(self._field.planar(points)[0], colours)


class SummedShader(Shader):
    """Looks into tables made for the finest level shown: features of its corners, density readings of its cells."""

    def __init__(self, octree: OctreeEncoding, decoder: RadianceDecoder) -> None:
        self._decoder, self._side = decoder, octree.config.side(octree.shown - 1)
        self._features = summed(octree)
        finest = octree.worked_out(octree.shown)[-1]
        self.places = places_of(finest.rows)
        self._corners = finest.corners
        self._readings = (
            decoder.density_readings(self._features.T).index_select(0, finest.corners.flatten()).view(-1, 8)
        )

    def greatest(self) -> Float[Tensor, "cells"]:
        inside = corner_weights(_INSIDE.to(self._readings))
        return functional.softplus(self._readings @ inside.T).amax(1)

    def keep(self, cells: Int[Tensor, "n"]) -> None:
        self.places, self._corners, self._readings = self.places[cells], self._corners[cells], self._readings[cells]

    def answer(self, places: Float[Tensor, "n 3"], cells: Int[Tensor, "n"]) -> Answer:
        weights = corner_weights(cells_of(places, self._side)[1])
        readings = self._readings.index_select(0, cells).mul_(weights).sum(1)

        def colours(chosen: Tensor, directions: Tensor) -> Tensor:
            index = self._corners.index_select(0, cells[chosen])
            features = interpolate(self._features, index, weights.index_select(0, chosen))
            return self._decoder.colours(features.T, directions)

        return Answer(functional.softplus(readings), colours)


def places_of(rows: Int[Tensor, "s s s"]) -> Int[Tensor, "cells 3"]:
    """The places of a map's cells, in the order of their numbers."""
    found = (rows >= 0).nonzero()
    places = torch.empty_like(found)
    places[rows[found.unbind(1)].long()] = found
    return places


def summed(octree: OctreeEncoding) -> Float[Tensor, "corners channels"]:
    """The features of all levels shown, on the corners of the finest one's cells.

    A corner of a level is a corner of the next coarser one's cell, or in the middle of one of its edges, faces or of
    itself: level after level, the sum so far is interpolated there.
    """
    levels = octree.worked_out(octree.shown)
    total = octree.levels[0][..., 0].T
    for level, (coarse, fine) in enumerate(pairwise(levels), 1):
        below, total = total, octree.levels[level][..., 0].T.clone()
        octants = places_of(fine.rows) % 2
        # Every corner is that of one cell at least; any will do.
        owners = torch.empty(len(total), dtype=torch.int32, device=total.device)
        for number, corners in enumerate(fine.corners.unbind(1)):
            owners[corners.long()] = torch.arange(len(corners), dtype=torch.int32, device=total.device) * 8 + number
        for part in torch.arange(len(total), device=total.device).split(_PLACES):
            cells, numbers = (owners[part] // 8).long(), (owners[part] % 8).long()
            within = corner_weights((octants[cells] + CORNERS.to(cells)[numbers]) / 2)
            total[part] += interpolate(below, coarse.corners[fine.parents[cells].long()], within)
    return total
