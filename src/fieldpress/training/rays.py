"""The pixels of photographs as rays with colours, drawn at random."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from fieldpress.signals.cameras import Camera, Lens, Pose


class RayBatch(NamedTuple):
    """Some pixels."""

    origins: Float[Tensor, "n 3"]
    """In 64 bits."""
    directions: Float[Tensor, "n 3"]
    """Of length 1."""
    colours: Float[Tensor, "n 3"]
    """In [0, 1]; where a picture is transparent, those behind it."""
    opacity: Float[Tensor, "n"]
    """1 for opaque pictures."""


class PhotoRays:
    """All pixels of some photographs.

    A direction is kept once for each lens, so that memory is that of the pictures.

    Args:
        cameras: One for each picture.
        pictures: uint8, (rows, columns, 3).
        alphas: uint8, (rows, columns), or ``None`` where a picture is opaque.
        device: Where batches are made.
    """

    def __init__(
        self,
        cameras: Sequence[Camera],
        pictures: Sequence[NDArray[np.uint8]],
        alphas: Sequence[NDArray[np.uint8] | None],
        device: torch.device,
    ) -> None:
        lenses: dict[Lens, int] = {}
        starts, total = [], 0
        for camera in cameras:
            if camera.lens not in lenses:
                lenses[camera.lens] = total
                total += camera.lens.height * camera.lens.width
            starts.append(lenses[camera.lens])
        straight = [_camera_directions(lens) for lens in lenses]
        self._directions = torch.from_numpy(np.concatenate(straight)).to(device)
        self._first_direction = torch.tensor(starts, device=device)
        self._rotations = torch.tensor(np.array([c.pose.rotation for c in cameras]), dtype=torch.float32, device=device)
        self._positions = torch.tensor([c.pose.position for c in cameras], dtype=torch.float64, device=device)
        sizes = [camera.lens.height * camera.lens.width for camera in cameras]
        self._ends = torch.tensor(np.cumsum(sizes), device=device)
        self._colours = torch.from_numpy(np.concatenate([p.reshape(-1, 3) for p in pictures])).to(device)
        self._alphas = None
        if any(alpha is not None for alpha in alphas):
            full = [
                np.full(size, 255, np.uint8) if alpha is None else alpha.ravel()
                for alpha, size in zip(alphas, sizes, strict=True)
            ]
            self._alphas = torch.from_numpy(np.concatenate(full)).to(device)
        self.device = device

    def __len__(self) -> int:
        return len(self._colours)

    def pictures(self) -> list[range]:
        """The numbers of each picture's pixels."""
        return [range(first, last) for first, last in pairwise([0, *self._ends.tolist()])]

    def draw(self, count: int, generator: torch.Generator) -> RayBatch:
        """Pixels drawn uniformly from all of them."""
        return self.at(torch.randint(len(self), (count,), generator=generator).to(self.device, non_blocking=True))

    def at(self, index: Int[Tensor, "n"]) -> RayBatch:
        """The pixels of these numbers, picture after picture, row by row."""
        picture = torch.searchsorted(self._ends, index, right=True)
        before = torch.cat([self._ends.new_zeros(1), self._ends])[picture]
        straight = self._directions[self._first_direction[picture] + index - before]
        directions = torch.einsum("nij,nj->ni", self._rotations[picture], straight)
        colours = self._colours[index].float() / 255
        opacity = colours.new_ones(len(index)) if self._alphas is None else self._alphas[index].float() / 255
        return RayBatch(self._positions[picture], directions, colours, opacity)


def _camera_directions(lens: Lens) -> NDArray[np.float32]:
    rays = Camera(lens, Pose((0.0, 0.0, 0.0), (0.0, 0.0, 0.0))).rays()
    return rays.directions
