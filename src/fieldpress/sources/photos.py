"""Posed photographs: pictures together with where each was taken from, read from the files that tell.

    transforms*.json ──┐                        ┌── present? ── split ── decode ──> train photographs
                       ├── shots (pose, lens) ──┤
    COLMAP model ──────┘                        └── absent: left out, one warning

Lists and poses are checked before the first picture is decoded; a lens is held against its picture when that is.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fieldpress.config import shown
from fieldpress.errors import SourceError
from fieldpress.signals.base import MAX_FRAMES
from fieldpress.signals.cameras import Camera
from fieldpress.sources.colmap import find_model, read_model, read_model_points
from fieldpress.sources.folder import natural
from fieldpress.sources.memory import check_memory
from fieldpress.sources.points import read_points
from fieldpress.sources.shots import Listing, Shot, find_picture, is_file
from fieldpress.sources.still import read_still
from fieldpress.sources.transforms_json import find_transforms, read_transforms

TEST_EVERY = 8
"""Of pictures that no file holds out, sorted by name, the first and each so many after it are held out."""
POINTS_FILE = "points3d.npy"
"""Points of the scene beside a ``transforms.json``: floats of shape (points, 3)."""

_LOG = logging.getLogger("fieldpress")
_SAME_PLACE = 1e-6  # of the largest coordinate: cameras no farther apart than that see no depth


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


class _Found(NamedTuple):
    """A listed picture that is there."""

    name: str
    file: Path
    shot: Shot


def is_photos(path: str | PathLike[str]) -> bool:
    """Whether a path holds posed photographs: a JSON file, or a folder with a transforms.json or COLMAP model."""
    location = Path(path)
    if is_file(location):
        return location.suffix.lower() == ".json"
    return find_transforms(location) is not None or find_model(location) is not None


def load_photos(path: str | PathLike[str], *, force: bool = False) -> Photos:
    """Read posed photographs.

    Understood are ``transforms.json`` as Blender's NeRF scenes, instant-ngp and nerfstudio write it, and COLMAP models,
    text and binary. Where a folder has several, the parts ``transforms_train.json`` and ``transforms_test.json`` (else
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
    train, test = _parts(location, listing, folders)
    _check_places(location, train, len(train) + len(test))
    photos, damaged = _read(location, [*train, *test])
    good = f"{location}: {len(photos)} of {len(train) + len(test)} pictures are good"
    if damaged and not (force and photos):
        raise SourceError(f"{good}; use them with --force (the first bad one: {damaged[0]})")
    if damaged:
        _LOG.warning("%s (the first bad one: %s)", good, damaged[0])
        _check_places(location, [found for found in train if found in photos], len(photos))
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
        points = transforms.with_name(POINTS_FILE)
        return read_transforms(transforms), (transforms.parent,), read_points(points) if is_file(points) else None
    model = find_model(location)
    if model is None:
        raise SourceError(f"{location}: has no poses: expected a transforms.json or a COLMAP model in sparse/0")
    return read_model(model), model.picture_folders, read_model_points(model)


def _parts(location: Path, listing: Listing, folders: Sequence[Path]) -> tuple[list[_Found], list[_Found]]:
    """The pictures to learn from and those held out that are there, by name."""
    train, absent = _present(listing.train, folders)
    if not train:
        raise SourceError(
            f"{location}: none of the {len(listing.train)} pictures listed is there (the first: {shown(absent[0])})"
        )
    test: list[_Found] = []
    for shots in listing.tests:
        test, more_absent = _present(shots, folders)
        absent += more_absent
        if test:
            break
    else:
        test, train = train[::TEST_EVERY], [found for i, found in enumerate(train) if i % TEST_EVERY]
    if absent:
        listed = len(train) + len(test) + len(absent)
        _LOG.warning(
            "%s: %d of %d pictures listed are not there and are left out (the first: %s)",
            location, len(absent), listed, shown(absent[0]),
        )  # fmt: skip
    return train, test


def _present(shots: Sequence[Shot], folders: Sequence[Path]) -> tuple[list[_Found], list[str]]:
    """The pictures that are there, by name, and the names of the others."""
    present, absent = [], []
    for shot in shots:
        file = find_picture(shot.listed, folders)
        if file is None:
            absent.append(shot.listed)
        else:
            present.append(_Found(_name(file, folders), file, shot))
    return sorted(present, key=lambda found: natural(found.name)), absent


def _name(file: Path, folders: Sequence[Path]) -> str:
    folder = next((folder for folder in folders if file.is_relative_to(folder)), file.parent)
    return file.relative_to(folder).as_posix()


def _check_places(location: Path, train: Sequence[_Found], total: int) -> None:
    """Refuse what no depth can be learned from."""
    if total < 2:
        raise SourceError(f"{location}: has one photograph only; a scene needs several, from different places")
    if len(train) < 2:
        raise SourceError(f"{location}: has {len(train)} of {total} photographs to learn from; at least 2 are needed")
    if total > MAX_FRAMES:
        raise SourceError(f"{location}: has {total} pictures; at most {MAX_FRAMES}: use fewer")
    positions = np.array([found.shot.pose.position for found in train])
    if np.ptp(positions, 0).max() <= _SAME_PLACE * np.abs(positions).max():
        raise SourceError(f"{location}: all its cameras stand in one point, so nothing says how far away things are")


def _read(location: Path, wanted: Sequence[_Found]) -> tuple[dict[_Found, Photo], list[str]]:
    """The photographs, and what is wrong with the damaged ones."""
    photos: dict[_Found, Photo] = {}
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
