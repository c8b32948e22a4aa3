"""How a scene is laid into the unit cube, found from its cameras, and from points where there are any.

* An object, cut out by alpha, with cameras that look at it: a *box* around what all of them can see.
* Else *contracted*: a ball is left as it is, the rest drawn around it. Cameras that surround something look at its
  middle; those that look the same way stand at its edge, and its middle is as far ahead as most of what they see; those
  that look around themselves stand in the middle, and the ball is some times as large as the place where they stand.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fieldpress.signals.cameras import Camera, look_the_same_way
from fieldpress.signals.space import Space

Vector = NDArray[np.float64]

_MARGIN = 1.02
_NEAR = 0.1
"""Nothing is expected nearer to a camera than this part of the ball's radius ..."""
_BEFORE_IT = 0.3
"""... or, where cameras surround something, this part of their distance from it: fog hangs in empty air before each of
them otherwise, as it explains one picture as well as anything ..."""
_BEFORE_THE_NEAREST = 0.5
"""... and this part of that of the nearest of them."""
_ENOUGH_POINTS = 16
_INWARD = 0.5
"""Mean cosine, between where cameras look and where their middle is, of those that surround something."""
_AROUND = 6.0
"""Others look around themselves, at what is some times as far away as they are from their middle."""
_AHEAD = (2.0, 20.0)
"""What cameras that look the same way look at is at least and at most so many times as far ahead as they are apart."""


def space_of(cameras: Sequence[Camera], points: NDArray[np.float32] | None, cut_out: bool) -> Space:
    """The layout that suits these cameras.

    Args:
        cameras: At least two, not all in one place.
        points: Some that they see, (n, 3), in world coordinates.
        cut_out: Whether the pictures show an object and nothing else.
    """
    centre = _focus(cameras)
    offsets = centre - _positions(cameras)
    distances = np.linalg.norm(offsets, axis=1)
    inward = np.einsum("ij,ij->i", offsets, [camera.forward for camera in cameras]) / distances.clip(1e-12)
    alike = look_the_same_way(cameras)
    # The axes of cameras in a row meet in the middle of these, or nowhere near.
    if cut_out and inward.mean() > _INWARD and not (alike and np.median(distances) > _AHEAD[1] * _spread(cameras)):
        return _box(cameras, centre, distances)
    if alike:
        return _ball_ahead(cameras, points)
    if inward.mean() > _INWARD:
        radius = float(np.median(distances))
        return _ball(centre, radius, min(_BEFORE_IT * radius, _BEFORE_THE_NEAREST * float(distances.min())))
    if points is not None and len(points) >= _ENOUGH_POINTS:
        return _ball(centre, float(np.median(np.linalg.norm(points - centre, axis=1))))
    return _ball(centre, _AROUND * float(np.median(distances)))


def _positions(cameras: Sequence[Camera]) -> Vector:
    return np.array([camera.pose.position for camera in cameras])


def _focus(cameras: Sequence[Camera]) -> Vector:
    """The point nearest to all optical axes, in the least squares sense; of many the one nearest to the cameras."""
    positions = _positions(cameras)
    middle = positions.mean(0)
    across = [np.eye(3) - np.outer(camera.forward, camera.forward) for camera in cameras]
    right = sum(a @ (p - middle) for a, p in zip(across, positions, strict=True))
    return middle + np.linalg.lstsq(np.sum(across, axis=0), np.asarray(right), rcond=None)[0]


def _spread(cameras: Sequence[Camera]) -> float:
    """How far the outermost camera is from the middle of all."""
    positions = _positions(cameras)
    return float(np.linalg.norm(positions - positions.mean(0), axis=1).max())


def _box(cameras: Sequence[Camera], centre: Vector, distances: Vector) -> Space:
    """A cube around the focus as wide as the narrowest view is there, seen from the median distance."""
    views = [
        distance * max(camera.lens.width / camera.lens.fx, camera.lens.height / camera.lens.fy)
        for camera, distance in zip(cameras, distances, strict=True)
    ]
    side = _MARGIN * float(np.median(views))
    matrix = np.eye(4)
    matrix[:3, :3] /= side
    matrix[:3, 3] = 0.5 - centre / side
    return Space(tuple(matrix.ravel().tolist()), False, 0.0)


def _ball(centre: Vector, radius: float, near: float | None = None) -> Space:
    matrix = np.eye(4)
    matrix[:3, :3] /= radius
    matrix[:3, 3] = -centre / radius
    return Space(tuple(matrix.ravel().tolist()), True, _NEAR * radius if near is None else near)


def _ball_ahead(cameras: Sequence[Camera], points: NDArray[np.float32] | None) -> Space:
    """As far ahead as the median point; without points, where the axes meet, if they do so in sensible distance."""
    positions = _positions(cameras)
    middle = positions.mean(0)
    ahead = np.mean([camera.forward for camera in cameras], axis=0)
    ahead /= np.linalg.norm(ahead)
    depths = np.zeros(0) if points is None else (points.astype(np.float64) - middle) @ ahead
    depths = depths[depths > 0]
    if len(depths) >= _ENOUGH_POINTS:
        distance = float(np.median(depths))
    else:
        nearest, farthest = (_spread(cameras) * times for times in _AHEAD)
        distance = min(max(float((_focus(cameras) - middle) @ ahead), nearest), farthest)
    return _ball(middle + distance * ahead, distance)
