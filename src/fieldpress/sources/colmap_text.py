"""COLMAP's text files: one record a line, ``#`` begins a comment; a picture takes two lines.

    cameras    id MODEL width height parameters ...
    images     id w x y z x y z camera name
               x y point x y point ...                  the points seen in it; may be empty
    points3D   id x y z red green blue error image place image place ...

What is not needed here, such as colours and where a point was seen, is passed over.
"""

import os
from array import array
from collections.abc import Iterator, Sized
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fieldpress.config import shown
from fieldpress.errors import SourceError
from fieldpress.signals.base import MAX_FRAMES
from fieldpress.sources.colmap_records import MODELS, Calibration, Registration
from fieldpress.sources.points import MAX_POINTS

MAX_LINE_BYTES = 16 << 20
"""The longest line: a picture's points, some four hundred thousand of them."""

_POSE_WORDS = 10  # of a picture's first line; those of its second line come in threes


def read_cameras(path: Path) -> list[Calibration]:
    """All cameras.

    Raises:
        SourceError: A line is not a camera.
    """
    cameras = []
    for number, line in _lines(path):
        words = line.split()
        try:
            model = words[1]
            known = MODELS.get(model, ())
            parameters = tuple(float(word) for word in words[4:]) if known else ()
            if len(parameters) != len(known):
                raise ValueError
            cameras.append(Calibration(int(words[0]), model, int(words[2]), int(words[3]), parameters))
        except (ValueError, IndexError):
            raise _wrong(path, number, line, "a camera") from None
        _check_count(path, cameras, MAX_FRAMES)
    return cameras


def read_images(path: Path) -> list[Registration]:
    """All pictures.

    Raises:
        SourceError: A line is not what should stand there.
    """
    images: list[Registration] = []
    lines = _lines(path, skip_blank=False)
    for number, line in lines:
        if not line.strip():
            continue
        words = line.split(None, _POSE_WORDS - 1)
        try:
            w, x, y, z, *translation = (float(word) for word in words[1:8])
            name = os.fsdecode(words[9].strip().encode("utf-8", "surrogateescape"))
            images.append(Registration(name, int(words[8]), (w, x, y, z), tuple(translation)))  # pyright: ignore[reportArgumentType]
        except (ValueError, IndexError):
            raise _wrong(path, number, line, "a picture's pose") from None
        _check_count(path, images, MAX_FRAMES)
        number, line = next(lines, (number, ""))
        if len(line.split()) % 3:
            raise _wrong(path, number, line, "the picture's points (an empty line for none)")
    return images


def read_points(path: Path) -> NDArray[np.float64]:
    """All points, (points, 3).

    Raises:
        SourceError: A line is not a point.
    """
    numbers = array("d")
    for number, line in _lines(path):
        try:
            x, y, z = (float(word) for word in line.split(None, 4)[1:4])
        except ValueError:
            raise _wrong(path, number, line, "a point") from None
        numbers.extend((x, y, z))
        _check_count(path, numbers, 3 * MAX_POINTS)
    return np.frombuffer(numbers, np.float64).reshape(-1, 3)


def _lines(path: Path, *, skip_blank: bool = True) -> Iterator[tuple[int, str]]:
    """The lines that are no comments, with their numbers from 1."""
    try:
        with path.open("rb") as file:
            number = 0
            while data := file.readline(MAX_LINE_BYTES):
                number += 1
                if len(data) == MAX_LINE_BYTES:
                    raise SourceError(f"{path}: line {number} is longer than {MAX_LINE_BYTES >> 20} MiB")
                line = data.decode("utf-8", "surrogateescape")
                if not line.startswith("#") and (line.strip() or not skip_blank):
                    yield number, line
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error.strerror or error}") from error


def _check_count(path: Path, found: Sized, most: int) -> None:
    if len(found) > most:
        raise SourceError(f"{path}: has more lines than the {most} that are read: use fewer")


def _wrong(path: Path, number: int, line: str, expected: str) -> SourceError:
    return SourceError(f"{path}: line {number} is {shown(line.strip())}; expected {expected}")
