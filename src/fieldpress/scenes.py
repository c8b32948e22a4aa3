"""What the cameras of a scene see: pictures and distances, from a field alone."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from fieldpress.encodings.corners import CORNERS
from fieldpress.encodings.octree import octree_of
from fieldpress.field import Field, Points
from fieldpress.pictures import Pictures, to_bytes
from fieldpress.rendering import UNIT, bins_for, composite, lay, reached, sample
from fieldpress.signals.cameras import Camera
from fieldpress.signals.radiance import Radiance

_RAYS = 1 << 14
"""Rendered at once: their samples stay near the cache."""
_EMPTY = 2e-2
"""What a cell has to absorb of the light that crosses it, at most, to be skipped."""
_LEAST_WEIGHT = 3e-3
"""What a sample has to add to its ray's colour to be given one: less than an 8-bit code."""
_WITHIN = 1e-3
"""Corners are looked at from so far inside their cell, in cells: on the border the neighbour would answer."""


class Seen(NamedTuple):
    """What rays see."""

    colours: Float[Tensor, "rays 3"]
    """Over the scene's background, in [0, 1]."""
    opacity: Float[Tensor, "rays"]
    distances: Float[Tensor, "rays"]
    """In the world, averaged over what is seen; 0 where nothing is."""


class SceneRenderer:
    """Renders a scene.

    Args:
        field: With an octree among its encodings; as many levels are used as it shows now.
        signal: The scene.
        device: Where the field is.
    """

    def __init__(self, field: Field, signal: Radiance, device: torch.device | str = "cpu") -> None:
        self._field, self._signal, self._device = field, signal, device
        octree = octree_of(field)
        self._side = octree.config.side(octree.shown - 1)
        with torch.inference_mode():
            self._cells = self._occupied(octree.occupancy)

    def _occupied(self, rows: Int[Tensor, "s s s"]) -> Int[Tensor, "s s s"]:
        """The map of cells without those that absorb nothing. A density is greatest at a corner of its cell."""
        places = (rows >= 0).nonzero()
        numbers = rows[places.unbind(1)].long()
        greatest = rows.new_zeros(len(places), dtype=torch.float32)
        for corner in CORNERS.to(places.device).float() * (1 - 2 * _WITHIN) + _WITHIN:
            for part in torch.arange(len(places), device=places.device).split(8 * _RAYS):
                density = self._field.planar(Points((places[part] + corner) / self._side))[0]
                greatest[part] = torch.maximum(greatest[part], density)
        keep = greatest * (UNIT / self._side) > _EMPTY
        cells = torch.full_like(rows, -1)
        cells[places[keep].unbind(1)] = numbers[keep].to(cells.dtype)
        return cells

    @torch.inference_mode()
    def see(self, origins: Float[Tensor, "rays 3"], directions: Float[Tensor, "rays 3"]) -> Seen:
        """What rays see; directions have length 1, both are in the world."""
        parts = [
            self._see(o.to(self._device), d.to(self._device))
            for o, d in zip(origins.split(_RAYS), directions.split(_RAYS), strict=True)
        ]
        return Seen(*(torch.cat(values) for values in zip(*parts, strict=True)))

    def picture(self, camera: Camera) -> tuple[UInt8[Tensor, "h w 3"], Float[Tensor, "h w"]]:
        """The 8-bit picture of a camera, and the distances."""
        height, width = camera.lens.height, camera.lens.width
        pictures, distances = [], []
        band = max(1, _RAYS // width)
        for top in range(0, height, band):
            part = camera.lens.cropped(top, 0, min(band, height - top), width)
            rays = Camera(part, camera.pose).rays()
            seen = self.see(torch.from_numpy(rays.origins), torch.from_numpy(rays.directions))
            pictures.append(to_bytes(seen.colours).cpu().reshape(-1, width, 3))
            distances.append(seen.distances.cpu().reshape(-1, width))
        return torch.cat(pictures), torch.cat(distances)

    def _see(self, origins: Tensor, directions: Tensor) -> Seen:
        count = len(origins)
        path = lay(self._signal.space, origins, directions)
        samples = sample(path, bins_for(self._side), self._cells)
        points = Points(samples.places)
        density = self._field.planar(points)[0]
        worth = reached(density, samples, count, _LEAST_WEIGHT).nonzero()[:, 0]
        samples = samples.where(worth)
        values = self._field.planar(points.part(worth, directions[samples.rays]))
        rendered = composite(values[:3], values[3], samples, count)
        behind = torch.tensor(self._signal.background, device=origins.device)
        colours = rendered.colours + (1 - rendered.opacity[:, None]) * behind
        far = path.distances(samples.shares, samples.rays)
        total = far.new_zeros(count).index_add_(0, samples.rays, rendered.weights * far)
        return Seen(colours, rendered.opacity, total / rendered.opacity.clamp_min(1e-6))


@dataclass(frozen=True)
class SceneView(Pictures):
    """What some cameras see."""

    signal: Radiance
    cameras: tuple[Camera, ...]
    positions: tuple[Fraction, ...]

    def render(self, field: Field, device: torch.device | str = "cpu") -> Iterator[UInt8[Tensor, "h w 3"]]:
        renderer = SceneRenderer(field, self.signal, device)
        return (renderer.picture(camera)[0] for camera in self.cameras)
