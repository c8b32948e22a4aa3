"""What the cameras of a scene see: pictures and distances, from a field alone."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from fieldpress.field import Field
from fieldpress.pictures import Pictures, to_bytes
from fieldpress.rendering import lay
from fieldpress.sightlines import Sightlines
from fieldpress.signals.cameras import Camera
from fieldpress.signals.radiance import Radiance

_RAYS = 1 << 14
"""Rendered at once: their samples stay near the cache."""


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
        self._signal, self._device = signal, device
        self._sightlines = Sightlines(field)

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
        opacity, far = directions.new_zeros(2, count)
        colours = directions.new_zeros(count, 3)
        for met in self._sightlines.along(path):
            opacity.index_add_(0, met.rays, met.weights)
            far.index_add_(0, met.rays, path.distances(met.shares, met.rays).mul_(met.weights))
            seen = met.colours(directions.index_select(0, met.rays))
            colours.index_add_(0, met.rays, seen.mul_(met.weights).T)
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
