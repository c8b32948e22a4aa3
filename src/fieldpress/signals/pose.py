"""Poses: where cameras stand and how they are turned.

Axes are OpenGL's: a camera looks along its -z, with x to the right and y up; a pose takes camera to world.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Matrix3 = NDArray[np.float64]

_MAX_MAGNITUDE = 1e9
"""Of any coordinate."""
_TOLERANCE = 1e-3
"""How far the scales of a rotation matrix may be from 1."""


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

    def rounded(self, digits: int) -> "Pose":
        """With so many digits behind the point of where it stands, and six of how it is turned."""
        position, turn = (tuple(round(v, n) for v in vector) for vector, n in ((self.position, digits), (self.turn, 6)))
        return Pose(position, turn)  # pyright: ignore[reportArgumentType]


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
