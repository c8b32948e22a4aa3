"""What the cameras of a scene see: pictures and distances, from a field alone."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from fieldpress.encodings.octree import octree_of
from fieldpress.field import Field
from fieldpress.pictures import Pictures, to_bytes
from fieldpress.rendering import UNIT, Occupancy, bins_for, lay, sample, weights_of
from fieldpress.shading import shader_of
from fieldpress.signals.cameras import Camera
from fieldpress.signals.radiance import Radiance

_RAYS = 1 << 14
"""Rendered at once: their samples stay near the cache."""
_EMPTY = 2e-2
"""What a cell has to absorb of the light that crosses it, at most, to be skipped."""
_LEAST_WEIGHT = 3e-3
"""What a sample has to add to its ray's colour to be given one: less than an 8-bit code."""
_OPAQUE = -math.log(_LEAST_WEIGHT)
"""Behind what absorbs so much no sample can add that."""
_STRETCH = 32
"""Bins of a path that are looked at before the next ones."""


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

    @torch.inference_mode()
    def __init__(self, field: Field, signal: Radiance, device: torch.device | str = "cpu") -> None:
        self._signal, self._device = signal, device
        octree = octree_of(field)
        self._bins = bins_for(octree.config.side(octree.shown - 1))
        self._shader = shader_of(field)
        self._occupancy = Occupancy.of(self._worth_a_look(octree.occupancy))

    def _worth_a_look(self, rows: Int[Tensor, "s s s"]) -> Int[Tensor, "s s s"]:
        """The map of cells without those that absorb nothing. A density is greatest at a corner of its cell."""
        keep = (self._shader.greatest() * (UNIT / len(rows)) > _EMPTY).nonzero()[:, 0]
        self._shader.keep(keep)
        cells = torch.full_like(rows, -1)
        cells[self._shader.places.unbind(1)] = torch.arange(len(keep), dtype=cells.dtype, device=cells.device)
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
        """Goes along the rays a stretch at a time; those that light no longer comes through are left behind."""
        count = len(origins)
        path = lay(self._signal.space, origins, directions)
        rays = path.hit.nonzero()[:, 0]
        absorbed, absorbed_by_seen, opacity, far = directions.new_zeros(4, count)
        colours = directions.new_zeros(count, 3)
        for first in range(0, self._bins, _STRETCH):
            samples = sample(path.part(rays), self._bins, self._occupancy, among=(first, first + _STRETCH))
            samples = samples._replace(rays=rays[samples.rays])
            answer = self._shader.answer(samples.places, samples.cells)
            own = answer.densities * samples.lengths
            worth = (weights_of(own, samples.rays, absorbed) > _LEAST_WEIGHT).nonzero()[:, 0]
            absorbed.index_add_(0, samples.rays, own)
            own, on, shares = (values.index_select(0, worth) for values in (own, samples.rays, samples.shares))
            weights = weights_of(own, on, absorbed_by_seen)
            absorbed_by_seen.index_add_(0, on, own)
            opacity.index_add_(0, on, weights)
            far.index_add_(0, on, path.distances(shares, on).mul_(weights))
            seen = answer.colours(worth, directions.index_select(0, on))
            colours.index_add_(0, on, seen.mul_(weights).T)
            rays = rays[absorbed[rays] < _OPAQUE]
        behind = torch.tensor(self._signal.background, device=directions.device)
        colours += (1 - opacity[:, None]) * behind
        return Seen(colours, opacity, far / opacity.clamp_min(1e-6))


@dataclass(frozen=True)
class SceneView(Pictures):
    """What some cameras see."""

    signal: Radiance
    cameras: tuple[Camera, ...]
    positions: tuple[Fraction, ...]

    def render(self, field: Field, device: torch.device | str = "cpu") -> Iterator[UInt8[Tensor, "h w 3"]]:
        renderer = SceneRenderer(field, self.signal, device)
        return (renderer.picture(camera)[0] for camera in self.cameras)
