"""A shape: what is inside a closed surface, as the signed distance from that surface."""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fieldpress.signals.base import MAX_FRAMES, Matrix, Signal, check_size
from fieldpress.signals.cameras import Camera, Lens, Pose

_MAX_MAGNITUDE = 1e12
_ELEVATION = math.radians(25)
"""Of the cameras above the horizon."""
_DISTANCE = 2.5
"""Of the cameras from the middle of the cube, in its sides."""
_VIEW = 1.1
"""Width of what a camera sees at the middle of the cube, in its sides, along the shorter side of a picture."""


@dataclass(frozen=True)
class Shape(Signal):
    """A shape, and how many cameras around it show it.

    The cameras stand on a circle and look down at the middle of the cube, with y up: camera 0 in front, towards +z, the
    others from there on towards +x.

    Raises:
        ValueError: A field is out of its range; the message names it.
    """

    id: ClassVar[str] = "shape"

    centre: tuple[float, float, float]
    """Where the middle of the unit cube is, in units of the mesh."""
    side: float
    """Of the cube, in units of the mesh."""
    frames: int
    """How many cameras there are."""
    height: int
    """Rows of a picture."""
    width: int
    """Columns of a picture."""
    levels_psnr: tuple[float, ...]
    """Quality with one level, with two and so on, in dB against views of the mesh; empty if not measured."""

    def __post_init__(self) -> None:
        check_size(self.height, self.width)
        if not 1 <= self.frames <= MAX_FRAMES:
            raise ValueError(f"frames is {self.frames}; expected 1 to {MAX_FRAMES}")
        if not (0 < self.side < _MAX_MAGNITUDE and all(abs(x) < _MAX_MAGNITUDE for x in self.centre)):
            raise ValueError(f"a cube of side {self.side:g} around {self.centre} is no place for a shape")

    def camera(self, index: int) -> Camera:
        """Camera ``index``; its world is the cube."""
        azimuth = 2 * math.pi * index / self.frames
        across, up = math.cos(_ELEVATION), math.sin(_ELEVATION)
        back = np.array([across * math.sin(azimuth), up, across * math.cos(azimuth)])
        right = np.array([math.cos(azimuth), 0.0, -math.sin(azimuth)])
        pose = np.stack([right, np.cross(back, right), back, 0.5 + _DISTANCE * back], 1)
        focal = _DISTANCE / _VIEW * min(self.height, self.width)
        return Camera(Lens(self.height, self.width, focal, focal, self.width / 2, self.height / 2), Pose.of(pose))

    @property
    def matrix(self) -> Matrix:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Shading is RGB."""
        return "rgb"

    @property
    def full_range(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Shading uses all codes."""
        return True
