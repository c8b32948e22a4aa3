"""What a training step looks at: a query and the colours it should give."""

from typing import NamedTuple

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from fieldpress.field import Lattice, Points, Query


class Batch(NamedTuple):
    """A query and its target, ``(3, *query.shape)`` in [0, 1]."""

    query: Query
    target: Tensor

    def parts(self, places: int) -> "list[Batch]":
        """Points in parts of at most so many, for bounded memory; a lattice in one, since it shares work."""
        if isinstance(self.query, Lattice):
            return [self]
        coordinates, targets = self.query.coordinates.split(places), self.target.split(places, dim=1)
        return [Batch(Points(part), target) for part, target in zip(coordinates, targets, strict=True)]


class FrameSampler:
    """Pictures in random order, each once before any comes again; large ones are cropped at random.

    Args:
        rgb: The clip.
        pixels: Pixels of a batch, at most (but at least one picture or crop).
        generator: Source of randomness, on the CPU.
    """

    def __init__(self, rgb: UInt8[Tensor, "t h w 3"], pixels: int, generator: torch.Generator) -> None:
        self._rgb = rgb
        self._generator = generator
        self._queue: list[int] = []
        frames, height, width, _ = rgb.shape
        self.count = max(1, min(frames, max(2, pixels // (height * width))))
        shrink = min(1.0, (pixels / self.count / (height * width)) ** 0.5)
        self._crop = (max(1, int(height * shrink)), max(1, int(width * shrink)))
        self._axes = tuple(_centres(n) for n in (frames, height, width))

    @property
    def pixels(self) -> int:
        """Pixels of a batch."""
        return self.count * self._crop[0] * self._crop[1]

    def draw(self) -> Batch:
        """The next batch, a lattice of pixel centres."""
        frames, height, width, _ = self._rgb.shape
        while len(self._queue) < self.count:
            self._queue += torch.randperm(frames, generator=self._generator).tolist()
        # Where one epoch follows the next, a picture may stand in the queue twice: a batch takes it once.
        times = sorted(list(dict.fromkeys(self._queue))[: self.count])
        for time in times:
            self._queue.remove(time)
        top, left = self._offset(height, self._crop[0]), self._offset(width, self._crop[1])
        rows, columns = slice(top, top + self._crop[0]), slice(left, left + self._crop[1])
        pictures = self._rgb[torch.tensor(times).to(self._rgb.device, non_blocking=True), rows, columns]
        t, y, x = self._axes
        return Batch(Lattice(t[times], y[rows], x[columns]), pictures.movedim(-1, 0).float().div_(255))

    def _offset(self, side: int, crop: int) -> int:
        """Drawn beyond the borders and moved back in, so that pixels at the edge are seen half as often, not rarely."""
        drawn = int(torch.randint(-crop // 2, side - crop // 2 + 1, (), generator=self._generator))
        return min(max(drawn, 0), side - crop)

    def state(self) -> list[int]:
        """For checkpoints: the pictures still to come."""
        return list(self._queue)

    def load_state(self, queue: list[int]) -> None:
        """From a checkpoint."""
        self._queue = list(queue)


class PixelSampler:
    """Pixels drawn uniformly from the whole clip, as NVP does."""

    def __init__(self, rgb: UInt8[Tensor, "t h w 3"], pixels: int, generator: torch.Generator) -> None:
        self._flat = rgb.reshape(-1, 3)
        self._shape = rgb.shape[:3]
        self._sides = torch.tensor(self._shape, device=rgb.device)
        self.pixels = pixels
        """Pixels of a batch."""
        self._generator = generator

    def draw(self) -> Batch:
        """The next batch, a list of pixel centres."""
        drawn = torch.randint(len(self._flat), (self.pixels,), generator=self._generator)
        index = drawn.to(self._flat.device, non_blocking=True)
        places = torch.stack(torch.unravel_index(index, self._shape), 1)
        coordinates: Float[Tensor, "n 3"] = (places + 0.5) / self._sides
        return Batch(Points(coordinates), self._flat[index].T.float() / 255)

    def state(self) -> list[int]:
        """Nothing but the generator carries over."""
        return []

    def load_state(self, queue: list[int]) -> None:
        """Nothing to restore."""
        assert not queue


def _centres(count: int) -> Float[Tensor, "n"]:
    return ((torch.arange(count, dtype=torch.float64) + 0.5) / count).float()
