"""Posed photographs: pictures together with where each was taken from, read from the files that tell.

    transforms*.json ──┐                        ┌── present? ── parts ── decode ──> train photographs
                       ├── shots (pose, lens) ──┤
    COLMAP model ──────┘                        └── absent: left out, one warning

Lists and poses are checked before the first picture is decoded; a lens is held against its picture when that is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fieldpress.config import shown
from fieldpress.errors import SourceError
from fieldpress.signals.cameras import Camera
from fieldpress.sources.colmap import find_model, read_model, read_model_points
from fieldpress.sources.damage import check_damage
from fieldpress.sources.memory import check_memory
from fieldpress.sources.parts import Found, check_places, parted
from fieldpress.sources.ply_points import read_ply_points
from fieldpress.sources.points import read_points
from fieldpress.sources.shots import Listing, is_file
from fieldpress.sources.still import read_still
from fieldpress.sources.transforms_json import find_transforms, points_of, read_transforms

POINTS_FILE = "points3d.npy"
"""Points of the scene beside a ``transforms.json``: floats of shape (points, 3)."""


@dataclass(frozen=True)
class Photo:
    """One posed picture."""

    camera: Camera
    rgb: NDArray[np.uint8]
    """(rows, columns, 3), as stored: not multiplied by the opacity."""
    alpha: NDArray[np.uint8] | None
    """(rows, columns), 255 where opaque; ``None`` for an opaque picture."""
    name: str
    """Its path inside the folder."""


@dataclass(frozen=True)
class Photos:
    """All pictures of a scene, of any sizes."""

    train: tuple[Photo, ...]
    """The pictures to learn from, by name."""
    test: tuple[Photo, ...]
    """The pictures held out, by name."""
    points: NDArray[np.float32] | None
    """(points, 3), in the world, where the source has them."""
    name: str
    """The folder's."""


def is_photos(path: str | PathLike[str]) -> bool:
    """Whether a path holds posed photographs: a JSON file, or a folder with a transforms.json or COLMAP model."""
    location = Path(path)
    if is_file(location):
        return location.suffix.lower() == ".json"
    return find_transforms(location) is not None or find_model(location) is not None


def load_photos(path: str | PathLike[str], *, force: bool = False) -> Photos:
    """Read posed photographs.

    Understood are ``transforms.json`` as Blender's NeRF scenes, instant-ngp and nerfstudio write it, and COLMAP models,
    text and binary; points in the world as ``points3d.npy`` beside it, as the ``.ply`` file that it names, or as those
    of the model. Where a folder has several, the parts ``transforms_train.json`` and ``transforms_test.json`` (else
    ``transforms_val.json``) go first, then ``transforms.json``, then the model. Without parts, every eighth picture in
    the order of names is held out.

    Pictures are taken as stored: poses and intrinsics describe those pixels, so an EXIF orientation is not followed.
    Intrinsics for pictures of another size are scaled. Listed pictures that do not exist are left out with a warning.
    Rotations that rounding has bent by up to 0.001 are straightened.

    Args:
        path: A folder, or the JSON file itself.
        force: Leave out the pictures that are damaged.

    Raises:
        SourceError: Nothing of that kind, no pictures, a pose that is no rotation, no intrinsics or some that do not
            fit the picture, fewer than two pictures to learn from or all taken from one point, or a damaged file:
            one line that says which.
    """
    location = Path(path)
    listing, folders, points = _source(location)
    train, test = parted(location, listing, folders)
    check_places(location, train, len(train) + len(test))
    photos, damaged = _read(location, [*train, *test])
    check_damage(location, len(photos), damaged, force)
    if damaged:
        check_places(location, [found for found in train if found in photos], len(photos))
    folder = location.parent if is_file(location) else location
    return Photos(
        tuple(photos[found] for found in train if found in photos),
        tuple(photos[found] for found in test if found in photos),
        points,
        folder.resolve().name or str(folder),
    )


def _source(location: Path) -> tuple[Listing, tuple[Path, ...], NDArray[np.float32] | None]:
    """The pictures listed, the folders to look for them in, and the points."""
    try:
        if not location.exists():
            raise SourceError(f"{location}: there is no such file or folder")
    except OSError as error:
        raise SourceError(f"{location}: cannot be read: {error.strerror or error}") from error
    transforms = location if is_file(location) else find_transforms(location)
    if transforms is not None:
        return read_transforms(transforms), (transforms.parent,), _points_beside(transforms)
    model = find_model(location)
    if model is None:
        raise SourceError(f"{location}: has no poses: expected a transforms.json or a COLMAP model in sparse/0")
    return read_model(model), model.picture_folders, read_model_points(model)


def _points_beside(transforms: Path) -> NDArray[np.float32] | None:
    """The points that come with a file of poses, where they do."""
    points = transforms.with_name(POINTS_FILE)
    if is_file(points):
        return read_points(points)
    named = points_of(transforms)
    return None if named is None else read_ply_points(named)


def _read(location: Path, wanted: Sequence[Found]) -> tuple[dict[Found, Photo], list[str]]:
    """The photographs, and what is wrong with the damaged ones."""
    photos: dict[Found, Photo] = {}
    damaged: list[str] = []
    for found in wanted:
        try:
            rgb, alpha = read_still(found.file)
        except SourceError as error:
            damaged.append(str(error))
            continue
        height, width, _ = rgb.shape
        if not photos:
            check_memory(str(location), len(wanted), height, width, 1.0)
        try:
            lens = found.shot.intrinsics.lens(height, width)
        except ValueError as error:
            raise SourceError(f"{location}: {shown(found.name)}: {error}") from None
        photos[found] = Photo(Camera(lens, found.shot.pose), rgb, alpha, found.name)
    return photos, damaged
