"""Cameras: lenses at poses, and the rays that they see along."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fieldpress.signals.lens import Lens, Vectors
from fieldpress.signals.pose import Pose

__all__ = ["Camera", "Lens", "Pose", "Rays", "look_the_same_way"]

_SAME_WAY = math.cos(math.radians(35))
"""Cameras whose directions are all within so much of their mean look the same way."""


class Camera(NamedTuple):
    """A lens at a pose."""

    lens: Lens
    pose: Pose

    def rays(self, columns: Vectors | None = None, rows: Vectors | None = None) -> "Rays":
        """Rays through places of the picture, in pixels from its top left corner; through all pixel centres if none.

        All pixels come row by row. Directions have length 1.
        """
        if columns is None or rows is None:
            grid = np.mgrid[: self.lens.height, : self.lens.width].reshape(2, -1) + 0.5
            columns, rows = np.asarray(grid[1], np.float64), np.asarray(grid[0], np.float64)
        directions = self.lens.directions(columns, rows) @ self.pose.rotation.T
        directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
        origins = np.tile(np.array(self.pose.position), (len(directions), 1))
        return Rays(origins, directions.astype(np.float32))

    @property
    def forward(self) -> NDArray[np.float64]:
        """The direction in which it looks, of length 1."""
        return -self.pose.rotation[:, 2]


class Rays(NamedTuple):
    """Half lines in the world."""

    origins: NDArray[np.float64]
    """Shape (rays, 3). In 64 bits: a world may have its zero far away, as that of maps does."""
    directions: NDArray[np.float32]
    """Shape (rays, 3), of length 1."""


def look_the_same_way(cameras: Sequence[Camera]) -> bool:
    """Whether no camera looks more than 35 degrees away from the mean of all."""
    directions = np.array([camera.forward for camera in cameras])
    mean = directions.mean(0)
    return bool((directions @ mean > _SAME_WAY * np.linalg.norm(mean)).all())
