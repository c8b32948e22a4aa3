"""How a scene is laid into the unit cube, found from its cameras, and from points where there are any.

* Pictures with alpha: a *box* around what all cameras can see.
* Cameras that look the same way: the *frustum* of a camera that sees all of what they see, with disparity as depth.
* Else *contracted*: the ball around the point that the cameras look at is left as it is, the rest drawn around it.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fieldpress.signals.cameras import Camera
from fieldpress.signals.space import Space

Vector = NDArray[np.float64]

_SAME_WAY = math.cos(math.radians(35))
"""Cameras whose directions are all within so much of their mean look the same way."""
_NEAREST_POINT = 0.8
"""Nothing is expected in front of this part of the distance of the nearest points."""
_MARGIN = 1.02
_NEAR = 0.1
"""Nothing is expected nearer to a camera than this part of its distance from what it looks at."""


def space_of(cameras: Sequence[Camera], points: NDArray[np.float32] | None, alpha: bool) -> Space:
    """The layout that suits these cameras.

    Args:
        cameras: At least two, not all in one place.
        points: Some that they see, (n, 3), in world coordinates.
        alpha: Whether the pictures say what is background, and the scene is an object.
    """
    mean = np.mean([camera.forward for camera in cameras], axis=0)
    length = float(np.linalg.norm(mean))
    if not alpha and length > 0 and min(float(camera.forward @ mean) for camera in cameras) / length > _SAME_WAY:
        return _frustum(cameras, points)
    centre = _focus(cameras)
    distances = np.linalg.norm(_positions(cameras) - centre, axis=1)
    if alpha:
        return _box(cameras, centre, distances)
    radius = float(np.median(distances))
    near = _NEAR * radius
    matrix = np.eye(4)
    matrix[:3, :3] /= radius
    matrix[:3, 3] = -centre / radius
    return Space(tuple(matrix.ravel().tolist()), True, near)


def _positions(cameras: Sequence[Camera]) -> Vector:
    return np.array([camera.pose.position for camera in cameras])


def _focus(cameras: Sequence[Camera]) -> Vector:
    """The point nearest to all optical axes, in the least squares sense."""
    across = [np.eye(3) - np.outer(camera.forward, camera.forward) for camera in cameras]
    right = sum(a @ p for a, p in zip(across, _positions(cameras), strict=True))
    return np.linalg.lstsq(np.sum(across, axis=0), np.asarray(right), rcond=None)[0]


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


def _frustum(cameras: Sequence[Camera], points: NDArray[np.float32] | None) -> Space:
    """A pyramid from behind the cameras through all that they see: columns, rows, and one minus near over depth."""
    positions = _positions(cameras)
    back = -np.mean([camera.forward for camera in cameras], axis=0)
    back /= np.linalg.norm(back)
    up = np.mean([camera.pose.rotation[:, 1] for camera in cameras], axis=0)
    right = np.cross(up, back)
    right /= np.linalg.norm(right)
    rotation = np.stack([right, np.cross(back, right), back])
    local = (positions - positions.mean(0)) @ rotation.T
    spread = float(np.linalg.norm(local, axis=1).max())
    foremost = float(-local[:, 2].min())
    if points is not None and len(points) >= 16:
        depths = -((points.astype(np.float64) - positions.mean(0)) @ rotation.T)[:, 2]
        near = _NEAREST_POINT * float(np.quantile(depths[depths > 0], 0.01)) if (depths > 0).any() else spread
    else:
        near = spread + foremost
    slopes = []
    for camera in cameras:
        lens = camera.lens
        edge = np.array([0.0, 0.5, 1.0])
        columns, rows = (axis.ravel() for axis in np.meshgrid(edge * lens.width, edge * lens.height))
        directions = lens.directions(columns, rows) @ camera.pose.rotation.T @ rotation.T
        origin = (np.array(camera.pose.position) - positions.mean(0)) @ rotation.T
        slopes.append(directions[:, :2] / -directions[:, 2:])
        at_near = origin + directions * ((near + origin[2]) / -directions[:, 2:])
        slopes.append(at_near[:, :2] / near)
    low, high = np.min(np.concatenate(slopes), axis=0), np.max(np.concatenate(slopes), axis=0)
    middle, size = (low + high) / 2, _MARGIN * (high - low)
    # x = X / (-Z) / size + offset, with w = -Z; the third row is (-Z - near) / (-Z).
    projection = np.array(
        [
            [1 / size[0], 0, -(0.5 - middle[0] / size[0]), 0],
            [0, 1 / size[1], -(0.5 - middle[1] / size[1]), 0],
            [0, 0, -1, -near],
            [0, 0, -1, 0],
        ]
    )
    world = np.eye(4)
    world[:3, :3], world[:3, 3] = rotation, -rotation @ positions.mean(0)
    return Space(tuple((projection @ world).ravel().tolist()), False, 0.0)
