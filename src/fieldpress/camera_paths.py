"""Camera paths: from where a film of a scene is taken.

A path needs no more than the cameras of the file and the layout of its space. Three are known by name:

* ``cameras``: a smooth curve through the file's cameras, in their order;
* ``spiral``: two turns around where the cameras stand on average, towards what they look at, as LLFF films a scene;
* ``orbit``: one turn around the middle of the scene, as high and as far off as the cameras are on average.
"""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fieldpress.config import unknown
from fieldpress.errors import ConfigError
from fieldpress.signals.cameras import Camera, Lens, Pose, look_the_same_way
from fieldpress.signals.radiance import Radiance
from fieldpress.signals.space import Space

Vector = NDArray[np.float64]

_TURNS = 2
"""Of a spiral; on the way it goes once nearer and back."""
_LEAST_RADIUS = 0.04
"""Of a spiral, in distances from its middle to what it looks at: few cameras may stand in a line, or be one."""
_TURNING = 0.5
"""How far a camera has to move, in distances to the middle of the scene, to take as long as turning by one radian."""


class Surroundings(NamedTuple):
    """Where the cameras of a scene stand, in the world."""

    focus: Vector
    """The middle of the scene."""
    up: Vector
    """Of length 1: which way is up for the cameras on average."""
    distance: float
    """Of the cameras from the focus; the median."""


def surroundings(signal: Radiance) -> Surroundings:
    """What the cameras and the space of a scene say about it."""
    cameras = [signal.camera(index) for index in range(signal.frames)]
    focus = focus_of(signal.space)
    up = np.mean([camera.pose.rotation[:, 1] for camera in cameras], axis=0)
    length = float(np.linalg.norm(up))
    up = up / length if length > 1e-6 else cameras[0].pose.rotation[:, 1]
    distance = float(np.median([np.linalg.norm(np.array(camera.pose.position) - focus) for camera in cameras]))
    return Surroundings(focus, up, distance or 1.0)


def focus_of(space: Space) -> Vector:
    """The point of the world that lies in the middle of the cube."""
    matrix = np.reshape(space.matrix, (4, 4))
    middle = np.full(3, 0.0 if space.contracted else 0.5)
    return np.linalg.lstsq(matrix[:3, :3], middle - matrix[:3, 3], rcond=None)[0]


def default_path(signal: Radiance) -> str:
    """The path that suits a scene.

    An object is filmed from all around, what is seen by cameras that look the same way in a spiral; in a place that
    surrounds its cameras, the film stays where they were.
    """
    if not signal.space.contracted:
        return "orbit"
    return "spiral" if look_the_same_way([signal.camera(index) for index in range(signal.frames)]) else "cameras"


def camera_path(signal: Radiance, name: str, count: int, size: tuple[int, int] | None = None) -> tuple[Camera, ...]:
    """The cameras of a path.

    Args:
        signal: The scene.
        name: One of :data:`PATHS`.
        count: How many cameras, at least 1, evenly spaced.
        size: Rows and columns of the pictures; those of the first camera of the file if none.

    Raises:
        ConfigError: No path has this name, or a picture cannot have that size.
    """
    if name not in PATHS:
        raise ConfigError(unknown("path", name, PATHS))
    lens = sized(signal.camera(0).lens, size)
    return tuple(Camera(lens, pose) for pose in PATHS[name](signal, count))


def sized(lens: Lens, size: tuple[int, int] | None) -> Lens:
    """A lens without distortion for pictures of so many rows and columns, none that shows more than the lens does.

    Raises:
        ConfigError: A picture cannot have that size.

    Example:
        >>> sized(Lens(100, 200, 90.0, 90.0, 100.0, 50.0), (50, 50)).fx
        45.0
    """
    height, width = size or (lens.height, lens.width)
    scale = max(height / lens.height, width / lens.width)
    cx, cy = width / 2 + scale * (lens.cx - lens.width / 2), height / 2 + scale * (lens.cy - lens.height / 2)
    try:
        return Lens(height, width, lens.fx * scale, lens.fy * scale, cx, cy)
    except ValueError as error:
        raise ConfigError(f"--size {width}x{height}: {error}") from None


def through(poses: Sequence[Pose], count: int, distance: float) -> list[Pose]:
    """So many poses along a smooth curve through these, from the first to the last.

    Places and unit quaternions follow one cubic Hermite spline each, with the slopes of Catmull and Rom over knots as
    far apart as it takes to go from pose to pose.

    Args:
        poses: At least one.
        count: At least 1.
        distance: Typical for the scene: how moving compares with turning.
    """
    values = np.array([[*pose.position, *_quaternion(pose)] for pose in poses])
    for before, after in pairwise(values):
        after[3:] *= 1.0 if before[3:] @ after[3:] >= 0 else -1.0  # q and -q are the same turn; stay on one side
    moved = np.linalg.norm(np.diff(values[:, :3], axis=0), axis=1) / (_TURNING * distance)
    turned = 2 * np.arccos(np.clip(np.sum(values[1:, 3:] * values[:-1, 3:], 1), -1, 1))
    knots = np.concatenate([[0.0], np.cumsum(moved + turned + 1e-9)])
    return [_pose(row) for row in _spline(knots, values, np.linspace(0, knots[-1], count))]


def _through_cameras(signal: Radiance, count: int) -> list[Pose]:
    return through([stand.pose for stand in signal.stands], count, surroundings(signal).distance)


def _spiral(signal: Radiance, count: int) -> list[Pose]:
    """Source: the render path of LLFF (Mildenhall et al. 2019)."""
    around = surroundings(signal)
    positions = np.array([stand.pose.position for stand in signal.stands])
    middle = positions.mean(0)
    distance = float(np.linalg.norm(around.focus - middle)) or around.distance
    rotation = looking(middle, around.focus, around.up).rotation
    spread = np.sqrt(2 * np.mean(((positions - middle) @ rotation) ** 2, axis=0))
    radius = np.maximum(spread, distance * np.array([_LEAST_RADIUS, _LEAST_RADIUS, 0.0]))
    poses = []
    for angle in _TURNS * 2 * math.pi * np.arange(count) / count:
        offset = radius * np.array([math.cos(angle), math.sin(angle), math.sin(angle / _TURNS)])
        poses.append(looking(middle + rotation @ offset, around.focus, around.up))
    return poses


def _orbit(signal: Radiance, count: int) -> list[Pose]:
    around = surroundings(signal)
    offsets = np.array([stand.pose.position for stand in signal.stands]) - around.focus
    heights = offsets @ around.up
    flat = offsets - heights[:, None] * around.up
    radius = float(np.median(np.linalg.norm(flat, axis=1)))
    if radius < 0.1 * around.distance:  # the cameras look straight down or up
        radius = 0.5 * around.distance
    first = flat[0] if np.linalg.norm(flat[0]) > 1e-6 * around.distance else _across(around.up)
    first = first / np.linalg.norm(first)
    second = np.cross(around.up, first)
    middle = around.focus + float(np.mean(heights)) * around.up
    angles = 2 * math.pi * np.arange(count) / count
    places = [middle + radius * (math.cos(angle) * first + math.sin(angle) * second) for angle in angles]
    return [looking(place, around.focus, around.up) for place in places]


PATHS: dict[str, Callable[[Radiance, int], list[Pose]]] = {
    "cameras": _through_cameras,
    "spiral": _spiral,
    "orbit": _orbit,
}
"""What gives so many poses, by name."""


def looking(place: Vector, target: Vector, up: Vector) -> Pose:
    """The pose of an upright camera that looks from one point at another.

    Example:
        >>> looking(np.array([0.0, 0.0, 4.0]), np.zeros(3), np.array([0.0, 1.0, 0.0])).turn
        (0.0, 0.0, 0.0)
    """
    back = place - target
    length = float(np.linalg.norm(back))
    back = back / length if length > 0 else _across(up)
    right = np.cross(up, back)
    if np.linalg.norm(right) < 1e-6:
        right = _across(back)
    right /= np.linalg.norm(right)
    return Pose.of(np.stack([right, np.cross(back, right), back, place], 1))


def _across(direction: Vector) -> Vector:
    """Some direction of length 1 at right angles to this one."""
    across = np.asarray(np.cross(direction, np.eye(3)[int(np.abs(direction).argmin())]), np.float64)
    return across / np.linalg.norm(across)


def _spline(knots: Vector, values: NDArray[np.float64], at: Vector) -> NDArray[np.float64]:
    if len(values) == 1:
        return np.repeat(values, len(at), axis=0)
    widths = np.diff(knots)[:, None]
    slopes = np.diff(values, axis=0) / widths
    inner = (slopes[:-1] * widths[1:] + slopes[1:] * widths[:-1]) / (widths[1:] + widths[:-1])
    tangents = np.concatenate([slopes[:1], inner, slopes[-1:]])
    piece = np.clip(np.searchsorted(knots, at, side="right") - 1, 0, len(knots) - 2)
    width = widths[piece]
    s = (at[:, None] - knots[piece, None]) / width
    start, stop = values[piece], values[piece + 1]
    bend = (1 - s) * tangents[piece] - s * tangents[piece + 1]
    straight = (1 - s) * (1 + 2 * s) * (1 - s) * start + s * s * (3 - 2 * s) * stop
    return straight + s * (1 - s) * width * bend


def _quaternion(pose: Pose) -> list[float]:
    """The turn as a unit quaternion, real part first."""
    angle = math.hypot(*pose.turn)
    share = math.sin(angle / 2) / angle if angle > 1e-9 else 0.5
    return [math.cos(angle / 2), *(share * value for value in pose.turn)]


def _pose(row: Vector) -> Pose:
    """From place and quaternion, of any length but 0."""
    w, x, y, z = row[3:] / np.linalg.norm(row[3:])
    sine = math.hypot(x, y, z)
    angle = 2 * math.atan2(sine, w)
    turn = np.array([x, y, z]) * (angle / sine if sine > 1e-12 else 2.0)
    if angle > math.pi:  # the short way around
        turn = turn * (1 - 2 * math.pi / angle)
    place, turned = (tuple(float(value) for value in vector) for vector in (row[:3], turn))
    return Pose(place, turned)  # pyright: ignore[reportArgumentType]
