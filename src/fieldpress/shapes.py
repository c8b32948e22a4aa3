"""What the cameras around a shape see, and its surface as a mesh, from a field alone.

The distance at a place is that of the finest shown level with a cell there: coarse levels, whose first fills the cube,
answer for the open, fine ones for what is near the surface. So a ray goes far where it can, and the surface itself lies
in cells of the finest level.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from numpy.typing import NDArray
from torch import Tensor

from fieldpress.encodings.octree import depths, octree_of
from fieldpress.errors import ConfigError
from fieldpress.field import Field, Points
from fieldpress.pictures import Pictures, to_bytes
from fieldpress.signals.cameras import Camera
from fieldpress.signals.shape import Shape

if TYPE_CHECKING:
    from fieldpress.reading import Decoded

BACKGROUND = 1.0
"""White."""
COLOUR = (0.85, 0.82, 0.76)
"""Of all surfaces, in full light."""
_AMBIENT = 0.2
_LIGHT = (-0.43, 0.52, 0.74)
"""Towards the light, in the axes of the camera."""

_PLACES = 1 << 15
"""Asked of the field at a time."""
_NOWHERE = 1.0
"""The distance where no level has a cell."""
_LEAST_STEP = 1 / 8
"""Of a ray, in cells of the finest level ..."""
_OPEN_STEP = 1 / 2
"""... and where that level has none."""
_MOST_STEPS = 512
_AROUND = ((1.0, -1.0, -1.0), (-1.0, -1.0, 1.0), (-1.0, 1.0, -1.0), (1.0, 1.0, 1.0))
"""Corners of a tetrahedron, between which slopes are measured. Source: Quilez, "Normals for an SDF"."""
_SLOPE_REACH = 0.3
"""Of these corners from a place, along each axis, in cells of the finest level."""
_LARGEST_GRID = 1 << 8
"""Places along a side of the grid in which a surface is looked for."""


class Distances:
    """A field as signed distance, in sides of the unit cube.

    Args:
        field: With an octree among its encodings; as many levels are used as it shows now.
        device: Where the field is.
    """

    def __init__(self, field: Field, device: torch.device | str = "cpu") -> None:
        self._field, self._octree, self.device = field, octree_of(field), device
        self.levels = self._octree.shown
        self.side = self._octree.config.side(self.levels - 1)
        self._depths = depths(self._octree.worked_out(self.levels))

    def at(self, places: Float[Tensor, "n 3"]) -> tuple[Float[Tensor, "n"], Bool[Tensor, "n"]]:
        """Distances, negative inside, and whether the finest level says so; places are in [0, 1]."""
        parts = [self._at(part) for part in places.split(_PLACES)]
        values, fine = zip(*parts, strict=True)
        return torch.cat(values), torch.cat(fine)

    def _at(self, places: Tensor) -> tuple[Tensor, Tensor]:
        cells = (places * self.side).long().clamp_(0, self.side - 1)
        depth = self._depths[cells.unbind(1)]
        values = places.new_full((len(places),), _NOWHERE)
        try:
            for levels in range(1, self.levels + 1):
                chosen = (depth == levels).nonzero()[:, 0]
                if len(chosen):
                    self._octree.show_levels(levels)
                    values[chosen] = self._field.planar(Points(places[chosen]))[0].float()
        finally:
            self._octree.show_levels(self.levels)
        return values.nan_to_num(_NOWHERE), depth == self.levels

    def normals(self, places: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3"]:
        """Directions of length 1 in which the distance grows."""
        slopes = torch.zeros_like(places)
        for corner in _AROUND:
            way = places.new_tensor(corner)
            values, _ = self.at((places + way * (_SLOPE_REACH / self.side)).clamp(0, 1))
            slopes += values[:, None] * way
        return slopes / slopes.norm(dim=1, keepdim=True).clamp_min(1e-12)


class Hits(NamedTuple):
    """Where rays meet a surface."""

    rays: Int[Tensor, "hits"]
    """Numbers of those that do."""
    places: Float[Tensor, "hits 3"]
    """In the cube."""


@torch.inference_mode()
def trace(distances: Distances, origins: Float[Tensor, "rays 3"], directions: Float[Tensor, "rays 3"]) -> Hits:
    """The first places where rays enter the shape.

    Sphere tracing, with a least step so that rays along a surface arrive; the last step, across the surface, is cut
    where the distance would be 0 if it were linear there. Only cells of the finest level hold a surface. Source: Hart
    1996.

    Args:
        distances: Of the shape.
        origins: In the cube's coordinates, mostly outside it.
        directions: Of length 1.
    """
    inverse = 1 / torch.where(directions.abs() < 1e-9, 1e-9, directions)
    ends = torch.stack([-origins * inverse, (1 - origins) * inverse])
    first, last = ends.amin(0).amax(1).clamp_min(0), ends.amax(0).amin(1)
    rays = (first < last).nonzero()[:, 0]
    at = first[rays]
    before, gone = torch.full_like(at, torch.inf), torch.zeros_like(at)
    found: list[tuple[Tensor, Tensor]] = []
    for _ in range(_MOST_STEPS):
        if not len(rays):
            break
        values, fine = distances.at(origins[rays] + at[:, None] * directions[rays])
        met = fine & (values <= 0)
        back = torch.where(before.isinf(), 0.0, gone * values / (values - before).clamp_max(-1e-12))[met]
        found.append((rays[met], at[met] - back))
        step = torch.maximum(values, torch.where(fine, _LEAST_STEP, _OPEN_STEP) / distances.side)
        on = ~met & (at + step < last[rays])
        rays, before, gone, at = rays[on], values[on].clamp_min(0), step[on], (at + step)[on]
    if not found:
        return Hits(rays, origins[rays])
    numbers, lengths = (torch.cat(values) for values in zip(*found, strict=True))
    return Hits(numbers, (origins[numbers] + lengths[:, None] * directions[numbers]).clamp(0, 1))


def shade(normals: Float[Tensor, "n 3"], camera: Camera) -> Float[Tensor, "n 3"]:
    """Colours of a dull surface, lit from over the left shoulder of who looks."""
    light = torch.tensor(camera.pose.rotation @ np.array(_LIGHT), dtype=normals.dtype, device=normals.device)
    lit = (normals @ (light / light.norm())).clamp_min(0)
    return normals.new_tensor(COLOUR) * (_AMBIENT + (1 - _AMBIENT) * lit)[:, None]


def draw(rays: Int[Tensor, "n"], colours: Float[Tensor, "n 3"], camera: Camera) -> UInt8[Tensor, "h w 3"]:
    """The picture of a camera whose rays of these numbers meet these colours, and all others nothing."""
    size = (camera.lens.height, camera.lens.width)
    picture = torch.full((size[0] * size[1], 3), BACKGROUND)
    picture[rays.cpu()] = colours.cpu()
    return to_bytes(picture).reshape(*size, 3)


@dataclass(frozen=True)
class ShapeView(Pictures):
    """What some cameras see of a shape."""

    cameras: tuple[Camera, ...]
    positions: tuple[Fraction, ...]

    def render(self, field: Field, device: torch.device | str = "cpu") -> Iterator[UInt8[Tensor, "h w 3"]]:
        distances = Distances(field, device)
        return (picture(distances, camera) for camera in self.cameras)


@torch.inference_mode()
def picture(distances: Distances, camera: Camera) -> UInt8[Tensor, "h w 3"]:
    """What a camera sees."""
    rays = camera.rays()
    origins, directions = (torch.from_numpy(part).float().to(distances.device) for part in rays)
    hits = trace(distances, origins, directions)
    return draw(hits.rays, shade(distances.normals(hits.places), camera), camera)


@torch.inference_mode()
def mesh_of(decoded: "Decoded") -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """The surface of a decoded shape as a closed mesh, in the units of the mesh that was encoded.

    Returns:
        Vertices, (n, 3), and faces, (m, 3): numbers of vertices, counter-clockwise seen from outside.

    Raises:
        ConfigError: There is none.
    """
    from fieldpress.meshing import marching_tetrahedra

    signal = decoded.signal
    if not isinstance(signal, Shape):
        raise ConfigError(f"a file with a signal of the kind {signal.id!r} holds no shape")
    distances = Distances(decoded.field, decoded.device)
    side = min(2 * distances.side, _LARGEST_GRID)
    axis = (torch.arange(side, device=decoded.device) + 0.5) / side
    inner = torch.cat([-distances.at(torch.cartesian_prod(x[None], axis, axis))[0].cpu() for x in axis])
    grid = np.full((side + 2,) * 3, -_NOWHERE, np.float32)  # a border of nothing, so that the surface is closed
    grid[1:-1, 1:-1, 1:-1] = inner.reshape((side,) * 3).numpy()
    places, _, faces = marching_tetrahedra(grid, 0.0)
    if not len(faces):
        raise ConfigError("this shape has no surface: nothing is inside it; train longer or use more levels")
    vertices = (((places - 0.5) / side) - 0.5) * signal.side + np.array(signal.centre)
    return vertices.astype(np.float32), faces.astype(np.int32)
