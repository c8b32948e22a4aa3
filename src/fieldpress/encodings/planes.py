"""Keyframe planes: multi-resolution features over pairs of axes.

Source: the "latent keyframes" of NVP (Kim et al., NeurIPS 2022): three pyramids of dense 2-D grids over (y, x),
(t, y) and (t, x), read bilinearly and concatenated in the order xy, yt, xt. NVP's pyramids are square and the same for
every clip; here each level has its own sides, so that they can be fitted to the clip.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from fieldpress.encodings.keyframes import PLANE_AXES, Keyframes, KeyframesEncoding, PlaneLevel, Side


@dataclass(frozen=True)
class Planes(Keyframes):
    """Three pyramids of planes, one grid per level, named ``xy.0``, ``xy.1``, … coarse first."""

    id: ClassVar[str] = "planes"

    channels: int
    """Features of each level of each plane."""
    xy: tuple[Side, ...]
    """(rows, columns) of each level of the plane over (y, x)."""
    yt: tuple[Side, ...]
    """(times, columns) of each level of the plane over (t, x)."""
    xt: tuple[Side, ...]
    """(times, rows) of each level of the plane over (t, y)."""

    def __post_init__(self) -> None:
        sides = [side for plane in (self.xy, self.yt, self.xt) for level in plane for side in level]
        if self.channels < 1 or min(sides, default=0) < 1:
            raise ValueError("planes need at least one channel, one level and one cell a side")

    def build(self) -> "PlanesEncoding":
        return PlanesEncoding(self)

    def features(self) -> int:
        return self.channels * len(self.shapes())

    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {
            f"{plane}.{i}": (self.channels, *side)
            for plane in PLANE_AXES
            for i, side in enumerate(getattr(self, plane))
        }

    def depth(self, plane: str) -> int:
        return len(getattr(self, plane))


class PlanesEncoding(KeyframesEncoding):
    """The module of :class:`Planes`."""

    def __init__(self, config: Planes) -> None:
        super().__init__()
        for plane in PLANE_AXES:
            levels = [torch.empty(config.channels, *side).uniform_(-1e-4, 1e-4) for side in getattr(config, plane)]
            self.add_module(plane, nn.ParameterList(levels))
        self.channels = config.features()

    def levels(self, plane: str) -> list[PlaneLevel]:
        return [PlaneLevel(grid) for grid in getattr(self, plane)]
