"""COLMAP's binary files: little endian, without padding, each a count followed by records.

    cameras    u32 id, i32 model, u64 width, u64 height, f64 parameters ...
    images     u32 id, f64 w x y z, f64 translation x y z, u32 camera, name and a zero byte,
               u64 n, n × (f64 x, f64 y, u64 point)
    points3D   u64 id, f64 x y z, u8 red green blue, f64 error, u64 n, n × (u32 image, u32 place)

Counts are held against what is left of the file before anything is made for them.
"""

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from fieldpress.errors import SourceError
from fieldpress.signals.base import MAX_FRAMES
from fieldpress.sources.colmap_records import MODEL_NUMBERS, MODELS, Calibration, Registration
from fieldpress.sources.points import MAX_POINTS

MAX_NAME_BYTES = 4096
"""The longest name of a picture."""

_COUNT = struct.Struct("<Q")
_CAMERA = struct.Struct("<IiQQ")
_IMAGE = struct.Struct("<I7dI")
_POINT = struct.Struct("<Q3d3BdQ")
_SMALLEST_IMAGE = _IMAGE.size + 1 + _COUNT.size
_SEEN_BYTES, _TRACK_BYTES = 24, 8  # of a point seen in a picture, and of a picture that sees a point


def read_cameras(path: Path) -> list[Calibration]:
    """All cameras. A model that is not supported ends the list: nothing says how many parameters it has.

    Raises:
        SourceError: The file is damaged.
    """
    cameras = []
    with _records(path) as records:
        for _ in range(records.count("cameras", _CAMERA.size, MAX_FRAMES)):
            camera, number, width, height = records.take(_CAMERA)
            model = MODEL_NUMBERS[number] if 0 <= number < len(MODEL_NUMBERS) else f"number {number}"
            known = MODELS.get(model, ())
            cameras.append(Calibration(camera, model, width, height, records.take(struct.Struct(f"<{len(known)}d"))))
            if not known:
                break
    return cameras


def read_images(path: Path) -> list[Registration]:
    """All pictures.

    Raises:
        SourceError: The file is damaged, or lists too many.
    """
    images = []
    with _records(path) as records:
        for _ in range(records.count("pictures", _SMALLEST_IMAGE, MAX_FRAMES)):
            _, *pose, camera = records.take(_IMAGE)
            images.append(Registration(records.name(), camera, tuple(pose[:4]), tuple(pose[4:])))  # pyright: ignore[reportArgumentType]
            records.skip(_SEEN_BYTES * records.take(_COUNT)[0])
    return images


def read_points(path: Path) -> NDArray[np.float64]:
    """All points, (points, 3).

    Raises:
        SourceError: The file is damaged, or has too many.
    """
    with _records(path) as records:
        points = np.empty((records.count("points", _POINT.size, MAX_POINTS), 3))
        for place in points:
            _, x, y, z, *_, track = records.take(_POINT)
            place[:] = x, y, z
            records.skip(_TRACK_BYTES * track)
    return points


class _Records:
    """The bytes of a file, taken in order."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self._path = path
        self._file = file
        self._left = os.fstat(file.fileno()).st_size

    def take(self, record: struct.Struct) -> tuple[Any, ...]:
        self._spend(record.size)
        return record.unpack(self._file.read(record.size))

    def skip(self, size: int) -> None:
        self._spend(size)
        self._file.seek(size, os.SEEK_CUR)

    def count(self, noun: str, smallest: int, most: int) -> int:
        """A number of records of at least ``smallest`` bytes."""
        (count,) = self.take(_COUNT)
        if count > self._left // smallest:
            raise SourceError(f"{self._path}: says that it has {count} {noun}, but ends before: copy it again")
        if count > most:
            raise SourceError(f"{self._path}: has {count} {noun}; at most {most}: use fewer")
        return count

    def name(self) -> str:
        """Text up to a zero byte."""
        start = self._file.tell()
        head = self._file.read(MAX_NAME_BYTES + 1)
        length = head.find(b"\0")
        if length < 0:
            raise SourceError(f"{self._path}: has a name without an end: copy it again")
        self._spend(length + 1)
        self._file.seek(start + length + 1)
        return os.fsdecode(head[:length])

    def _spend(self, size: int) -> None:
        if size > self._left:
            raise SourceError(f"{self._path}: ends in the middle of a record: copy it again")
        self._left -= size


@contextmanager
def _records(path: Path) -> Iterator[_Records]:
    try:
        with path.open("rb") as file:
            yield _Records(path, file)
    except (OSError, struct.error) as error:
        raise SourceError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
