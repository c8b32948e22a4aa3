"""Poses and points from a COLMAP model: ``cameras``, ``images`` and ``points3D``, each ``.bin`` or ``.txt``.

COLMAP stores world to camera, as a quaternion and a translation, with OpenCV's axes (y down, z forward); pixel centres
are at halves. The project's own poses are camera to world with OpenGL's axes, so y and z are turned round:

    rotation = transpose(R) diag(1, -1, -1),    position = -transpose(R) t

Source: COLMAP's documentation, "Output Format".
"""

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fieldpress.config import shown
from fieldpress.errors import SourceError
from fieldpress.signals.cameras import Pose
from fieldpress.sources import colmap_binary, colmap_text
from fieldpress.sources.colmap_records import MODELS, Calibration, Registration
from fieldpress.sources.points import checked_points
from fieldpress.sources.shots import Intrinsics, Listing, Shot, is_file

_PLACES = ("", "0", "sparse/0", "sparse", "colmap/sparse/0", "dense/sparse", "sparse/1")
"""Where tools leave a model; of several, the first has the most pictures as a rule."""
_PICTURE_FOLDERS = ("images", "input", "images_2", "images_4", "images_8")
_INNER_FOLDERS = ("colmap", "sparse")
_FORMATS = {".bin": colmap_binary, ".txt": colmap_text}
_TOLERANCE = 1e-3  # of a quaternion's length
_MAX_MAGNITUDE = 1e9
_MAX_SIZE = 10**9  # pixels a side; the picture itself may have fewer


class Model(NamedTuple):
    """Where a model lies."""

    folder: Path
    suffix: str
    """``".bin"`` or ``".txt"``."""

    @property
    def picture_folders(self) -> tuple[Path, ...]:
        """Where its pictures may be: in the project that the model is part of."""
        project = self.folder.absolute()
        while project.name in _INNER_FOLDERS or project.name.isdecimal():
            project = project.parent
        return *(project / name for name in _PICTURE_FOLDERS), project, self.folder


def find_model(folder: Path) -> Model | None:
    """The model in a folder, if there is one; binary goes first, as in COLMAP itself.

    Raises:
        SourceError: There is only a part of one.
    """
    torn: Path | None = None
    for place in _PLACES:
        for suffix in _FORMATS:
            cameras, images, points = (folder / place / f"{part}{suffix}" for part in ("cameras", "images", "points3D"))
            if is_file(cameras) and is_file(images):
                return Model(folder / place, suffix)
            if torn is None and is_file(points) and (is_file(cameras) or is_file(images)):
                torn = images if is_file(cameras) else cameras
    if torn is not None:
        raise SourceError(f"{torn}: is missing; the other files of a COLMAP model are there")
    return None


def read_model(model: Model) -> Listing:
    """The pictures of a model; none are held out.

    Raises:
        SourceError: A file is damaged, or has a camera model that is not supported: one line naming both.
    """
    reader = _FORMATS[model.suffix]
    file = model.folder / f"cameras{model.suffix}"
    lenses: dict[int, Intrinsics] = {}
    for calibration in reader.read_cameras(file):
        try:
            lenses[calibration.camera] = _intrinsics(calibration)
        except ValueError as error:
            raise SourceError(f"{file}: camera {calibration.camera}: {error}") from None
    file = model.folder / f"images{model.suffix}"
    shots = []
    for registration in reader.read_images(file):
        if registration.camera not in lenses:
            raise SourceError(f"{file}: {shown(registration.name)} has no camera {registration.camera}")
        try:
            shots.append(Shot(registration.name, _pose(registration), lenses[registration.camera]))
        except ValueError as error:
            raise SourceError(f"{file}: {shown(registration.name)}: {error}") from None
    if not shots:
        raise SourceError(f"{file}: lists no pictures")
    return Listing(shots, ())


def read_model_points(model: Model) -> NDArray[np.float32] | None:
    """The points of a model, (points, 3), if it has any.

    Raises:
        SourceError: The file is damaged.
    """
    file = model.folder / f"points3D{model.suffix}"
    return checked_points(file, _FORMATS[model.suffix].read_points(file)) if is_file(file) else None


def _intrinsics(calibration: Calibration) -> Intrinsics:
    if calibration.model not in MODELS:
        known = ", ".join(MODELS)
        raise ValueError(f"camera model {calibration.model} is not supported; known: {known}; undistort the pictures")
    if not (0 < calibration.width < _MAX_SIZE and 0 < calibration.height < _MAX_SIZE):
        raise ValueError(f"its pictures are {calibration.width}x{calibration.height}")
    numbers = dict(zip(MODELS[calibration.model], calibration.parameters, strict=True))
    if not np.isfinite(calibration.parameters).all() or not numbers.get("f", numbers.get("fx", 1)) > 0:
        raise ValueError(f"its parameters are {[f'{number:g}' for number in calibration.parameters]}")
    focal = numbers.get("f", numbers.get("fx")), numbers.get("f", numbers.get("fy"))
    distortion = tuple(numbers.get(key, 0.0) for key in ("k1", "k2", "p1", "p2"))
    return Intrinsics(
        (calibration.width, calibration.height), focal, (None, None), (numbers["cx"], numbers["cy"]),
        distortion if any(distortion) else (),
    )  # fmt: skip


def _pose(registration: Registration) -> Pose:
    length = math.hypot(*registration.quaternion)
    if not abs(length - 1) <= _TOLERANCE:
        raise ValueError(f"its pose is no rotation: the quaternion has the length {length:.4g}")
    w, x, y, z = (number / length for number in registration.quaternion)
    to_camera = np.array([
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ])  # fmt: skip
    translation = np.array(registration.translation)
    if not (np.abs(translation) < _MAX_MAGNITUDE).all():
        raise ValueError(f"its translation is {registration.translation}; expected finite, smaller numbers")
    position = -to_camera.T @ translation
    return Pose.of(np.concatenate([to_camera.T * (1, -1, -1), position[:, None]], 1))
