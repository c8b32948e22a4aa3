"""``cameras.json``: a film's cameras, one by one.

Two kinds are understood. A ``transforms.json``, as photographs come with: its frames are the cameras, and the pictures
they name need not exist, nor need they be named. Or a camera path, as viewers such as nerfstudio's write it, in the
world of the file::

    {"render_width": 480, "render_height": 270, "fps": 30,
     "camera_path": [{"camera_to_world": [1, 0, 0, 0,  0, 1, 0, 0,  0, 0, 1, 4,  0, 0, 0, 1], "fov": 50}, ...]}

Matrices are camera to world in OpenGL's axes, row by row; ``fov`` is the vertical field of view in degrees.
"""

import math
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np

from fieldpress.camera_paths import sized
from fieldpress.config import shown
from fieldpress.errors import SourceError
from fieldpress.signals.base import MAX_FRAMES, MAX_SIDE
from fieldpress.signals.cameras import Camera, Lens, Pose
from fieldpress.sources.json_file import read_json
from fieldpress.sources.transforms_json import read_frames

_SLOWEST, _FASTEST = 1e-3, 1e3


def read_cameras(path: Path, size: tuple[int, int]) -> list[Camera]:
    """The cameras that a file lists, all with pictures of one size.

    Args:
        path: The file.
        size: Rows and columns.

    Raises:
        SourceError: It cannot be read, or lists no cameras: one line that says which is wrong.
        ConfigError: Its lenses do not give pictures of this size.
    """
    table = read_json(path, "cameras")
    if not isinstance(table, dict) or "camera_path" not in table:
        return _of_transforms(path, size)
    frames = table["camera_path"]
    if not isinstance(frames, list) or not 1 <= len(frames) <= MAX_FRAMES:
        raise SourceError(f"{path}: 'camera_path' is {shown(frames)}; expected a list of 1 to {MAX_FRAMES} cameras")
    cameras = []
    for number, frame in enumerate(frames):
        try:
            cameras.append(_camera(frame, size))
        except ValueError as error:
            raise SourceError(f"{path}: camera {number}: {error}") from None
    return cameras


def size_of(path: Path) -> tuple[int, int] | None:
    """Rows and columns that a file of cameras asks for.

    Raises:
        SourceError: It cannot be read.
    """
    table = read_json(path, "cameras")
    for names in (("render_height", "render_width"), ("h", "w")) if isinstance(table, dict) else ():
        height, width = (table.get(name) for name in names)
        if _is_side(height) and _is_side(width):
            return round(height), round(width)
    return None


def rate_of(path: Path) -> float | None:
    """Pictures a second that a file of cameras asks for.

    Raises:
        SourceError: It cannot be read.
    """
    table = read_json(path, "cameras")
    rate = table.get("fps") if isinstance(table, dict) else None
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not _SLOWEST <= rate <= _FASTEST:
        return None
    return float(rate)


def _is_side(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and 1 <= value <= MAX_SIDE


def _of_transforms(path: Path, size: tuple[int, int]) -> list[Camera]:
    cameras = []
    for shot in read_frames(path):
        columns, rows = shot.intrinsics.size
        height, width = (round(rows), round(columns)) if rows and columns else size
        try:
            lens = shot.intrinsics.lens(height, width)
        except ValueError as error:
            raise SourceError(f"{path}: {shown(shot.listed)}: {error}") from None
        cameras.append(Camera(sized(lens, size), shot.pose))
    return cameras


def _camera(frame: Any, size: tuple[int, int]) -> Camera:
    if not isinstance(frame, dict):
        raise ValueError(f"is {shown(frame)}; expected a table with 'camera_to_world' and 'fov'")
    matrix, angle = frame.get("camera_to_world"), frame.get("fov")
    try:
        numbers = np.array(matrix, np.float64).reshape(-1, 4)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"'camera_to_world' is {shown(matrix)}; expected 16 numbers, row by row") from None
    if isinstance(angle, bool) or not isinstance(angle, int | float) or not 0 < angle < 180:
        raise ValueError(f"'fov' is {shown(angle)}; expected degrees above 0 and below 180")
    height, width = size
    focal = height / 2 / math.tan(math.radians(angle) / 2)
    return Camera(Lens(height, width, focal, focal, width / 2, height / 2), Pose.of(numbers))
