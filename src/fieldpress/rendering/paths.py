"""Rays as they run through the cube: straight lines in a box, bent ones in a contracted space.

Places along a path are numbered from 0, near, to 1, far: these numbers are its *shares*.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import ClassVar, Self

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from fieldpress.signals.space import Space

UNIT = 128.0
"""Lengths are counted in this part of the cube's side."""
_FAR = 1e6
"""A point so far along a ray, in multiples of the scene's size, stands for infinity."""


@dataclass(frozen=True)
class Path(ABC):
    """Rays through the cube.

    Attributes:
        hit: Whether a ray meets the cube at all, (rays,).
        bend: Between its ends a path is farther from their middle than the ends are, at most by this factor.
    """

    bend: ClassVar[float]
    hit: Bool[Tensor, "rays"]

    @abstractmethod
    def at(self, shares: Float[Tensor, "rays n"]) -> tuple[Tensor, Tensor, Tensor]:
        """The three coordinates in the cube of places along the paths, each (rays, n)."""

    @abstractmethod
    def lengths(self, bins: int, columns: Int[Tensor, "n"], rays: Int[Tensor, "n"]) -> Float[Tensor, "n"]:
        """Of one of ``bins`` equal parts of each of these rays' paths, in :data:`UNIT`."""

    @abstractmethod
    def distances(self, shares: Float[Tensor, "n"], rays: Int[Tensor, "n"]) -> Float[Tensor, "n"]:
        """World distances from the camera of places along these rays."""

    def part(self, rays: Int[Tensor, "n"]) -> Self:
        """The paths of these rays."""
        return type(self)(*(getattr(self, field.name).index_select(0, rays) for field in fields(self)))


@dataclass(frozen=True)
class StraightPath(Path):
    """Where the world is only moved, turned and stretched.

    Attributes:
        start, step: From share 0 to share 1, in the cube, (rays, 3) each.
        near, far: Distances from the camera at 0 and at 1, (rays,) each.
    """

    bend = 1.0
    start: Float[Tensor, "rays 3"]
    step: Float[Tensor, "rays 3"]
    near: Float[Tensor, "rays"]
    far: Float[Tensor, "rays"]

    def at(self, shares: Float[Tensor, "rays n"]) -> tuple[Tensor, Tensor, Tensor]:
        x, y, z = (torch.addcmul(self.start[:, i, None], shares, self.step[:, i, None]) for i in range(3))
        return x, y, z

    def lengths(self, bins: int, columns: Int[Tensor, "n"], rays: Int[Tensor, "n"]) -> Float[Tensor, "n"]:
        del columns  # all parts of a straight line are equally long
        return self.step.norm(dim=1).mul_(UNIT / bins)[rays]

    def distances(self, shares: Float[Tensor, "n"], rays: Int[Tensor, "n"]) -> Float[Tensor, "n"]:
        return torch.lerp(self.near.index_select(0, rays), self.far.index_select(0, rays), shares)


@dataclass(frozen=True)
class BentPath(Path):
    """Where everything outside of a ball is drawn into a shell around it.

    Half of a path goes from the camera to twice the ball's radius, the rest on to infinity.

    Attributes:
        origin, direction: Where the ball is of radius 1 around 0, (rays, 3) each; the direction of length 1.
        near: Distance from the camera there, before which nothing is seen, (rays,).
        scale: Of distances there to those in the world, (rays,).
    """

    bend = 1.1
    origin: Float[Tensor, "rays 3"]
    direction: Float[Tensor, "rays 3"]
    near: Float[Tensor, "rays"]
    scale: Float[Tensor, "rays"]

    def at(self, shares: Float[Tensor, "rays n"]) -> tuple[Tensor, Tensor, Tensor]:
        distances = _bent_distance(shares, self.near[:, None])
        inner = (self.origin * self.direction).sum(1)[:, None]
        squared = torch.addcmul(self.origin.square().sum(1)[:, None], distances, distances + 2 * inner).clamp_min_(1.0)
        inverse = squared.rsqrt()
        factor = (2 - inverse) * inverse / 4
        x, y, z = (
            torch.addcmul(self.origin[:, i, None], distances, self.direction[:, i, None]).mul_(factor).add_(0.5)
            for i in range(3)
        )
        return x, y, z

    def lengths(self, bins: int, columns: Int[Tensor, "n"], rays: Int[Tensor, "n"]) -> Float[Tensor, "n"]:
        ends = torch.stack([columns, columns + 1], 1) / bins
        x, y, z = (axis[:, 1] - axis[:, 0] for axis in self.part(rays).at(ends))
        return x.square_().addcmul_(y, y).addcmul_(z, z).sqrt_().mul_(UNIT)

    def distances(self, shares: Float[Tensor, "n"], rays: Int[Tensor, "n"]) -> Float[Tensor, "n"]:
        near, scale = self.near.index_select(0, rays), self.scale.index_select(0, rays)
        return _bent_distance(shares, near) * scale


def _bent_distance(shares: Tensor, near: Tensor) -> Tensor:
    """Half of the way up to twice the ball's radius, then on to infinity, as smoothly as that goes."""
    outer = (1 - shares.clamp(0.5, 1 - 1 / _FAR)).reciprocal()
    return torch.where(shares < 0.5, torch.maximum(4 * shares, near), outer)


def lay(space: Space, origins: Float[Tensor, "rays 3"], directions: Float[Tensor, "rays 3"]) -> Path:
    """The paths of rays through the cube.

    Args:
        space: How the world is laid into it.
        origins: World coordinates.
        directions: Of length 1.
    """
    matrix = torch.tensor(space.matrix, dtype=torch.float64).reshape(4, 4)[:3].to(origins.device, non_blocking=True)
    origins = origins.double() @ matrix[:, :3].T + matrix[:, 3]
    directions = directions.double() @ matrix[:, :3].T
    if space.contracted:
        scale = directions.norm(dim=1)
        hit = torch.ones_like(scale, dtype=torch.bool)
        unit = directions / scale[:, None]
        return BentPath(hit, origins.float(), unit.float(), (space.near * scale).float(), (1 / scale).float())
    # Inside means 0 <= x <= 1 for all three coordinates: linear along a ray, so each bounds the distance from one side.
    farthest = _FAR / matrix[:, :3].norm(dim=1).min().clamp_min(1e-12)
    inside = torch.cat([origins, 1 - origins], 1)
    slopes = torch.cat([directions, -directions], 1)
    bounds = -inside / torch.where(slopes == 0, 1e-30, slopes)
    near = torch.where(slopes > 0, bounds, -torch.inf).amax(1).clamp_min(space.near)
    far = torch.minimum(torch.where(slopes < 0, bounds, torch.inf).amin(1), farthest)
    hit = (near < far) & ~((slopes == 0) & (inside < 0)).any(1)
    near, far = torch.where(hit, near, 0.0), torch.where(hit, far, 1.0)
    start, step = origins + near[:, None] * directions, (far - near)[:, None] * directions
    return StraightPath(hit, start.float(), step.float(), near.float(), far.float())
