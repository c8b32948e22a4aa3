"""What every source of poses comes down to: a list of pictures, each with a pose and intrinsics."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import NamedTuple

import numpy as np

from fieldpress.signals.cameras import Lens, Pose
from fieldpress.sources.folder import PICTURE_SUFFIXES

_EXTENSIONS = (*PICTURE_SUFFIXES, *(suffix.upper() for suffix in PICTURE_SUFFIXES))
"""What a listed name may lack."""

Axes = tuple[float | None, float | None]
"""A number for x and one for y; ``None`` where the source does not say."""

_DEEPEST = 8
"""Of a path's last parts, so many are looked for."""
_PIXEL_ERROR = 1e-3
"""How far off, in pixels, undoing and redoing the distortion may end."""


@dataclass(frozen=True)
class Intrinsics:
    """A lens as a source states it, with what the source leaves out left out."""

    size: Axes
    """Columns and rows of the pictures that the other numbers are for; those of the picture where not said."""
    focal: Axes
    """Focal lengths in pixels of that size."""
    angle: Axes
    """Fields of view in radians, for an axis without a focal length; an axis with neither is like the other."""
    centre: Axes
    """Where the axis meets the picture, in pixels of that size; its middle where not said."""
    distortion: tuple[float, ...] = ()
    """As :class:`~fieldpress.signals.lens.Lens` has it."""

    def lens(self, height: int, width: int) -> Lens:
        """The lens over a picture of this size as stored.

        Raises:
            ValueError: The picture has another aspect ratio, or no lens is like that.

        Example:
            >>> intrinsics = Intrinsics((640, 480), (500, None), (None, None), (None, None))
            >>> intrinsics.lens(240, 320)
            Lens(height=240, width=320, fx=250.0, fy=250.0, cx=160.0, cy=120.0, distortion=())
        """
        columns, rows = self.size
        columns = columns or (rows * width / height if rows else width)
        rows = rows or columns * height / width
        across, down = width / columns, height / rows
        if min(abs(rows * across - height), abs(columns * down - width)) > 1:  # a smaller copy is rounded to pixels
            raise ValueError(f"the picture is {width}x{height}, but its intrinsics are for {columns:g}x{rows:g}")
        fx, fy = self._focal(columns, rows)
        cx = columns / 2 if self.centre[0] is None else self.centre[0]
        cy = rows / 2 if self.centre[1] is None else self.centre[1]
        if not (-columns <= cx <= 2 * columns and -rows <= cy <= 2 * rows):
            size = f"{columns:g}x{rows:g}"
            raise ValueError(
                f"the axis is said to meet the picture at {cx:g}, {cy:g}, far outside of its {size} pixels"
            )
        lens = Lens(height, width, fx * across, fy * down, cx * across, cy * down, self.distortion)
        _check_undistortion(lens)
        return lens

    def _focal(self, columns: float, rows: float) -> tuple[float, float]:
        fx, fy = (
            focal or (side / 2 / math.tan(angle / 2) if angle else None)
            for focal, angle, side in zip(self.focal, self.angle, (columns, rows), strict=True)
        )
        if fx is None and fy is None:
            raise ValueError("it has no focal length")
        return fx or fy or 0.0, fy or fx or 0.0


class Shot(NamedTuple):
    """One listed picture."""

    listed: str
    """Its file, as listed."""
    pose: Pose
    intrinsics: Intrinsics


class Listing(NamedTuple):
    """What a source of poses lists."""

    train: list[Shot]
    """The pictures to learn from; all of them where the source keeps none apart."""
    tests: tuple[list[Shot], ...]
    """The lists that it keeps apart, best first: the first one whose pictures exist counts."""


def find_picture(listed: str, folders: Sequence[Path]) -> Path | None:
    """The file of a listed picture, which may lack its extension; otherwise as :func:`find_file`."""
    return find_file(listed, folders, ("", *_EXTENSIONS))


def find_file(listed: str, folders: Sequence[Path], endings: Sequence[str] = ("",)) -> Path | None:
    """The file that a list means, or ``None`` where there is none.

    Args:
        listed: Relative or absolute, with slashes of either kind. What was listed on another machine, or for another
            folder, is looked for by ever fewer of the path's last parts, there and in a folder ``images``.
        folders: Where to look, first things first.
        endings: What the name may lack.
    """
    places = [folder / listed for folder in folders]
    windows = PureWindowsPath(listed)
    parts = [part for part in windows.parts[bool(windows.anchor) :] if part != ".."]
    places += [
        folder / inner / Path(*parts[first:])
        for first in range(max(0, len(parts) - _DEEPEST), len(parts))
        for folder in folders
        for inner in ("", "images")
    ]
    candidates = (place.parent / (place.name + ending) for place in places if place.name for ending in endings)
    return next((candidate for candidate in candidates if is_file(candidate)), None)


def is_file(path: Path) -> bool:
    """Whether it is a regular file; a name that no file can have is none."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def _check_undistortion(lens: Lens) -> None:
    """Refuse a lens whose distortion has no inverse somewhere on the edge of the picture."""
    if not any(lens.distortion):
        return
    grid = np.mgrid[: lens.height, : lens.width].astype(np.float64) + 0.5
    rows, columns = (np.concatenate([axis[0], axis[-1], axis[:, 0], axis[:, -1]]) for axis in grid)
    with np.errstate(all="ignore"):
        found_columns, found_rows = lens.pixels(lens.directions(columns, rows))
        error = np.maximum(np.abs(found_columns - columns), np.abs(found_rows - rows)).max()
    if not error < _PIXEL_ERROR:
        raise ValueError(f"its distortion {lens.distortion} cannot be undone at the edge of the picture")
