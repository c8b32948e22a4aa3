"""Pinhole cameras with OpenCV's lens distortion: from pixels to rays and back.

Axes are OpenGL's: a camera looks along its -z, with x to the right and y up; a pose takes camera to world. Pixel
(row i, column j) has its centre at (j + 0.5, i + 0.5), and ``cx, cy`` are in the same units: a picture's middle
is (width / 2, height / 2).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fieldpress.signals.base import check_size

Matrix3 = NDArray[np.float64]
Vectors = NDArray[np.float64]

_UNDISTORTING = 20
"""Newton steps from distorted to straight coordinates; wide lenses take the most, ordinary ones three."""
_MAX_MAGNITUDE = 1e9
"""Of any number of a camera."""
_TOLERANCE = 1e-3
"""How far the scales of a rotation matrix may be from 1."""


@dataclass(frozen=True)
class Lens:
    """How a camera maps directions to pixels.

    Raises:
        ValueError: A number is out of range; the message names it.
    """

    height: int
    """Rows of its pictures."""
    width: int
    """Columns of its pictures."""
    fx: float
    """Focal length in pixel widths."""
    fy: float
    """Focal length in pixel heights."""
    cx: float
    """Where the axis meets the picture, in pixels from the left edge."""
    cy: float
    """The same from the top edge."""
    distortion: tuple[float, ...] = ()
    """OpenCV's k1, k2, p1, p2 and k3, as many as there are; none for a straight lens."""

    def __post_init__(self) -> None:
        check_size(self.height, self.width)
        if not (0 < self.fx < _MAX_MAGNITUDE and 0 < self.fy < _MAX_MAGNITUDE):
            raise ValueError(f"focal lengths are {self.fx:g} and {self.fy:g} pixels; expected numbers above 0")
        if not (abs(self.cx) < _MAX_MAGNITUDE and abs(self.cy) < _MAX_MAGNITUDE):
            raise ValueError(f"the axis meets the picture at {self.cx:g}, {self.cy:g}; expected pixels")
        if len(self.distortion) > 5 or not all(abs(k) < 1e3 for k in self.distortion):
            raise ValueError(f"distortion is {self.distortion}; expected up to five numbers k1, k2, p1, p2, k3")

    def scaled(self, height: int, width: int) -> "Lens":
        """The same lens over another number of pixels."""
        down, across = height / self.height, width / self.width
        return replace(
            self,
            height=height, width=width, fx=self.fx * across, fy=self.fy * down, cx=self.cx * across, cy=self.cy * down,
        )  # fmt: skip

    def cropped(self, top: int, left: int, height: int, width: int) -> "Lens":
        """The part of the picture that begins at row ``top`` and column ``left``."""
        return replace(self, height=height, width=width, cx=self.cx - left, cy=self.cy - top)

    def directions(self, columns: Vectors, rows: Vectors) -> NDArray[np.float64]:
        """Camera-space directions, (..., 3) with z = -1, through places in pixels from the top left corner."""
        x, y = self._straightened((columns - self.cx) / self.fx, (rows - self.cy) / self.fy)
        return np.stack([x, -y, -np.ones_like(x)], -1)

    def pixels(self, directions: NDArray[np.float64]) -> tuple[Vectors, Vectors]:
        """Columns and rows, in pixels, where camera-space directions with z below 0 fall."""
        x, y = self._distorted(-directions[..., 0] / directions[..., 2], directions[..., 1] / directions[..., 2])
        return x * self.fx + self.cx, y * self.fy + self.cy

    def _distorted(self, x: Vectors, y: Vectors) -> tuple[Vectors, Vectors]:
        """Source: OpenCV, camera calibration, the Brown-Conrady model."""
        k1, k2, p1, p2, k3 = (*self.distortion, 0.0, 0.0, 0.0, 0.0, 0.0)[:5]
        squared = x * x + y * y
        radial = 1 + squared * (k1 + squared * (k2 + squared * k3))
        return (
            x * radial + 2 * p1 * x * y + p2 * (squared + 2 * x * x),
            y * radial + p1 * (squared + 2 * y * y) + 2 * p2 * x * y,
        )

    def _straightened(self, x: Vectors, y: Vectors) -> tuple[Vectors, Vectors]:
        """The inverse of :meth:`_distorted`, by Newton's method with the Jacobian of the radial part."""
        if not any(self.distortion):
            return x, y
        k1, k2, p1, p2, k3 = (*self.distortion, 0.0, 0.0, 0.0, 0.0, 0.0)[:5]
        u, v = x, y
        for _ in range(_UNDISTORTING):
            found_x, found_y = self._distorted(u, v)
            off_x, off_y = found_x - x, found_y - y
            if max(np.abs(off_x).max(initial=0), np.abs(off_y).max(initial=0)) < 1e-10:
                break
            s = u * u + v * v
            radial = 1 + s * (k1 + s * (k2 + s * k3))
            slope = 2 * (k1 + s * (2 * k2 + 3 * k3 * s))
            xx = radial + slope * u * u + 2 * p1 * v + 6 * p2 * u
            yy = radial + slope * v * v + 6 * p1 * v + 2 * p2 * u
            xy = slope * u * v + 2 * p1 * u + 2 * p2 * v
            determinant = xx * yy - xy * xy
            safe = np.where(np.abs(determinant) < 1e-6, 1.0, determinant)
            u = u - (yy * off_x - xy * off_y) / safe
            v = v - (xx * off_y - xy * off_x) / safe
        return u, v


@dataclass(frozen=True)
class Pose:
    """Where a camera stands and how it is turned, as few numbers.

    Raises:
        ValueError: A number is out of range.
    """

    position: tuple[float, float, float]
    """In world units."""
    turn: tuple[float, float, float]
    """Rotation vector, camera to world: its direction is the axis, its length the angle in radians."""

    def __post_init__(self) -> None:
        if not all(abs(number) < _MAX_MAGNITUDE for number in (*self.position, *self.turn)):
            raise ValueError(f"a camera stands at {self.position}, turned by {self.turn}; expected smaller numbers")

    @staticmethod
    def of(matrix: Sequence[Sequence[float]] | NDArray[np.float64]) -> "Pose":
        """From a camera-to-world matrix, 3 x 4 or 4 x 4, in the axes of this module.

        Poses that went through 32-bit floats or a text are rotations only nearly: the nearest one is taken, by way of
        the singular value decomposition. Source: the orthogonal Procrustes problem, Schönemann 1966.

        Raises:
            ValueError: It is no rigid motion: a scale is off by more than 0.001, it mirrors, or it is transposed.

        Example:
            >>> Pose.of([[1, 0, 0, 5], [0, 1, 0, 6], [0, 0, 1, 7]])
            Pose(position=(5.0, 6.0, 7.0), turn=(0.0, 0.0, 0.0))
        """
        whole = np.asarray(matrix, np.float64)
        if whole.shape not in ((3, 4), (4, 4)) or not np.isfinite(whole).all():
            raise ValueError("a pose is a matrix of 3 x 4 or 4 x 4 finite numbers")
        if len(whole) == 4 and not np.abs(whole[3] - (0, 0, 0, 1)).max() <= _TOLERANCE:
            raise ValueError("the last row of its pose is not 0, 0, 0, 1; is it transposed?")
        left, scales, right = np.linalg.svd(whole[:3, :3])
        rotation = left @ right
        if not np.abs(scales - 1).max() <= _TOLERANCE:  # so that not-a-number is refused too
            raise ValueError(f"its pose is no rotation: it scales by {scales[2]:.4g} to {scales[0]:.4g}")
        if np.linalg.det(rotation) < 0:
            raise ValueError("its pose is no rotation: it mirrors")
        position, turn = (tuple(float(value) for value in v) for v in (whole[:3, 3], rotation_vector(rotation)))
        return Pose(position, turn)  # pyright: ignore[reportArgumentType]

    @property
    def rotation(self) -> Matrix3:
        """The rotation matrix, camera to world. Source: Rodrigues' formula."""
        x, y, z = self.turn
        angle = math.sqrt(x * x + y * y + z * z)
        cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]], np.float64)
        first = math.sin(angle) / angle if angle > 1e-9 else 1.0
        second = (1 - math.cos(angle)) / angle**2 if angle > 1e-4 else 0.5
        return np.eye(3) + first * cross + second * cross @ cross

    @property
    def matrix(self) -> NDArray[np.float64]:
        """Camera to world, 3 x 4."""
        return np.concatenate([self.rotation, np.array(self.position)[:, None]], 1)

    def rounded(self, digits: int = 6) -> "Pose":
        """With so many digits behind the point."""
        position, turn = (tuple(round(value, digits) for value in v) for v in (self.position, self.turn))
        return Pose(position, turn)  # pyright: ignore[reportArgumentType]


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
        origins = np.broadcast_to(np.array(self.pose.position), directions.shape)
        return Rays(origins.astype(np.float32), directions.astype(np.float32))

    @property
    def forward(self) -> NDArray[np.float64]:
        """The direction in which it looks, of length 1."""
        return -self.pose.rotation[:, 2]


class Rays(NamedTuple):
    """Half lines in the world."""

    origins: NDArray[np.float32]
    """Shape (rays, 3)."""
    directions: NDArray[np.float32]
    """Shape (rays, 3), of length 1."""


def rotation_vector(rotation: Matrix3) -> NDArray[np.float64]:
    """Axis times angle of a rotation matrix; the inverse of :attr:`Pose.rotation`.

    By way of the unit quaternion, which is well conditioned at every angle. Source: Shepperd 1978.
    """
    m = rotation
    trace = np.trace(m)
    candidates = np.array([trace, m[0, 0], m[1, 1], m[2, 2]])
    largest = int(candidates.argmax())
    if largest == 0:
        q = np.array([1 + trace, m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1]])
    else:
        i = largest - 1
        j, k = (i + 1) % 3, (i + 2) % 3
        q = np.empty(4)
        q[0] = m[k, j] - m[j, k]
        q[1 + i] = 1 + m[i, i] - m[j, j] - m[k, k]
        q[1 + j], q[1 + k] = m[j, i] + m[i, j], m[k, i] + m[i, k]
    q = q / np.linalg.norm(q)
    q = -q if q[0] < 0 else q
    sine = float(np.linalg.norm(q[1:]))
    return np.zeros(3) if sine < 1e-12 else q[1:] / sine * (2 * math.atan2(sine, float(q[0])))
