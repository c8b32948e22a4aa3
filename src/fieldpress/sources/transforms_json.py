"""Poses from ``transforms.json``, in the dialects of Blender's NeRF scenes, instant-ngp and nerfstudio.

All are one JSON table with a list of frames, each a picture's path and a camera-to-world matrix in OpenGL's axes:

    {"camera_angle_x": 0.69, "frames": [{"file_path": "./train/r_0", "transform_matrix": [[...], ...]}, ...]}

They differ in how the lens is said (a field of view; focal lengths, centre and OpenCV's distortion; the same for each
frame) and in how pictures are held out (a file for each part; lists of file names). Every way is understood in every
file. Pixel centres are taken at halves, as COLMAP and instant-ngp have them.
"""

import logging
import math
import posixpath
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np

from fieldpress.config import shown
from fieldpress.errors import SourceError
from fieldpress.signals.base import MAX_FRAMES
from fieldpress.signals.cameras import Pose
from fieldpress.sources.json_file import read_json
from fieldpress.sources.shots import Axes, Intrinsics, Listing, Shot, find_file, is_file

_WHOLE, _TRAIN, _TESTS = "transforms.json", "transforms_train.json", ("transforms_test.json", "transforms_val.json")
_STRAIGHT_MODELS = ("OPENCV", "PINHOLE", "PERSPECTIVE", "RADIAL", "SIMPLE_PINHOLE", "SIMPLE_RADIAL")
_LENS_KEYS = ("fl_x", "fl_y", "camera_angle_x", "camera_angle_y", "x_fov", "y_fov")
_DISTORTION = ("k1", "k2", "p1", "p2", "k3")
_OTHER_LENSES = ("is_fisheye", "from_na", "from_mitsuba")  # the last two of them mean other axes
_OTHER_DISTORTION = ("k4", "k5", "k6")
_TINY = 1e-9  # no focal length, size or angle is that small
_PARTS = ("train_filenames", "test_filenames", "val_filenames")
_LOG = logging.getLogger("fieldpress")


def find_transforms(folder: Path) -> Path | None:
    """The file to begin with in a folder, if there is one: the part to learn from where there are parts."""
    return next((folder / name for name in (_TRAIN, _WHOLE, *_TESTS) if is_file(folder / name)), None)


def read_transforms(path: Path) -> Listing:
    """The pictures that a file lists; ``transforms_train.json`` brings its neighbours for test and validation along.

    Raises:
        SourceError: A file is not JSON, or a frame has no lens or no pose that is a rotation: one line naming both.
    """
    train, tests = _read(path)
    if path.name == _TRAIN:
        others = (path.with_name(name) for name in _TESTS)
        tests = tuple(_read(other)[0] for other in others if is_file(other))
    return Listing(train, tests)


def read_frames(path: Path) -> list[Shot]:
    """Every frame of a file in its order, held out or not. The pictures of a film's cameras need no names.

    Raises:
        SourceError: As :func:`read_transforms`.
    """
    table, frames = _table(path)
    named = [{"file_path": f"frame {i}"} | frame if _is_table(frame) else frame for i, frame in enumerate(frames)]
    return [_shot(path, number, frame, table) for number, frame in enumerate(named)]


def points_of(path: Path) -> Path | None:
    """The file of points that a file names, as nerfstudio's do; ``None`` where it names none that is there.

    Raises:
        SourceError: It is not JSON, or no table.
    """
    named = _table(path)[0].get("ply_file_path")
    if not isinstance(named, str) or not named:
        return None
    return find_file(named, [path.parent])


def _read(path: Path) -> Listing:
    table, frames = _table(path)
    shots = [_shot(path, number, frame, table) for number, frame in enumerate(frames)]
    if any("mask_path" in frame for frame in frames):
        _LOG.warning("%s: its masks ('mask_path') are not used: all pixels of its pictures are learned from", path)
    return _parted(path, shots, table)


def _table(path: Path) -> tuple[dict[str, Any], list[Any]]:
    """What a file says, and its frames."""
    table = read_json(path, "pictures")
    frames = table.get("frames") if isinstance(table, dict) else None
    if not isinstance(frames, list) or not frames:
        raise SourceError(f"{path}: lists no pictures; expected a table with a list of 'frames'")
    if len(frames) > MAX_FRAMES:
        raise SourceError(f"{path}: lists {len(frames)} pictures; at most {MAX_FRAMES}: use fewer")
    return table, frames


def _is_table(frame: Any) -> TypeGuard[dict[str, Any]]:
    return isinstance(frame, dict)


def _parted(path: Path, shots: list[Shot], table: dict[str, Any]) -> Listing:
    """By nerfstudio's lists of file names; without one to learn from, all that is not held out is learned from.

    Raises:
        SourceError: A list is none or names no frame, or nothing is left to learn from.
    """
    parts: dict[str, list[Shot]] = {}
    for key in _PARTS:
        names = table.get(key) or []
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise SourceError(f"{path}: {shown(names)} is no list of file names")
        plain = {_plain_name(name, path.parent) for name in names}
        parts[key] = [shot for shot in shots if _plain_name(shot.listed, path.parent) in plain]
        if names and not parts[key]:
            raise SourceError(f"{path}: {key!r} names none of its frames (the first: {shown(names[0])})")
    train, *tests = parts.values()
    kept_apart = {id(shot) for test in tests for shot in test}
    train = train or [shot for shot in shots if id(shot) not in kept_apart]
    if not train:
        raise SourceError(f"{path}: holds out all of its {len(shots)} frames, so none is left to learn from")
    return Listing(train, tuple(test for test in tests if test))


def _plain_name(listed: str, folder: Path) -> str:
    """The same for every way to write the path of a file."""
    return posixpath.normpath(posixpath.join(folder.absolute().as_posix(), listed.replace("\\", "/")))


def _shot(path: Path, number: int, frame: Any, shared: dict[str, Any]) -> Shot:
    listed = frame.get("file_path") if _is_table(frame) else None
    if not isinstance(listed, str) or not listed:
        raise SourceError(f"{path}: frame {number} has no 'file_path'")
    own_lens = any(key in frame for key in _LENS_KEYS)
    values = {key: value for key, value in shared.items() if not (own_lens and key in _LENS_KEYS)} | frame
    try:
        return Shot(listed, _pose(frame.get("transform_matrix")), _intrinsics(values))
    except ValueError as error:
        raise SourceError(f"{path}: frame {number} ({shown(listed)}): {error}") from None


def _pose(matrix: Any) -> Pose:
    if matrix is None:
        raise ValueError("it has no 'transform_matrix'")
    try:
        numbers = np.array(matrix, np.float64)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"its pose is {shown(matrix)}; expected a matrix of 4 x 4 numbers") from None
    return Pose.of(numbers)


def _intrinsics(values: dict[str, Any]) -> Intrinsics:
    model = values.get("camera_model", "OPENCV")
    if not isinstance(model, str) or model.upper() not in _STRAIGHT_MODELS:
        raise ValueError(f"camera model {shown(model)} is not supported; known: {', '.join(_STRAIGHT_MODELS)}")
    for key in (*_OTHER_LENSES, *_OTHER_DISTORTION):
        if values.get(key):
            raise ValueError(f"{key!r} is {shown(values[key])}, which is not supported: undistort the pictures first")
    angle = _axes(values, "camera_angle_x", "camera_angle_y", math.pi)
    if not any(angle):
        across, down = _axes(values, "x_fov", "y_fov", 180.0)
        angle = across and math.radians(across), down and math.radians(down)
    focal = _axes(values, "fl_x", "fl_y")
    if not any((*angle, *focal)):
        raise ValueError("it has no intrinsics: neither 'fl_x' nor 'camera_angle_x'")
    distortion = tuple(_number(values, key) or 0.0 for key in _DISTORTION)
    return Intrinsics(
        _axes(values, "w", "h"), focal, angle, (_number(values, "cx"), _number(values, "cy")),
        distortion if any(distortion) else (),
    )  # fmt: skip


def _axes(values: dict[str, Any], x: str, y: str, below: float = math.inf) -> Axes:
    """Two numbers that must be above 0."""
    found = _number(values, x), _number(values, y)
    for key, number in zip((x, y), found, strict=True):
        if number is not None and not _TINY < number < below:
            raise ValueError(f"{key!r} is {number:g}; expected a number above 0 and below {below:.5g}")
    return found


def _number(values: dict[str, Any], key: str) -> float | None:
    value = values.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e300:
        raise ValueError(f"{key!r} is {shown(value)}; expected a number")
    return float(value)
