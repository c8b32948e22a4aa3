"""A folder of pictures, in the order a person would put them."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from fieldpress.errors import SourceError
from fieldpress.signals.base import MAX_FRAMES
from fieldpress.sources.clip import Clip, LongClip, read_clip
from fieldpress.sources.colour import Picture
from fieldpress.sources.damage import check_damage
from fieldpress.sources.memory import check_memory
from fieldpress.sources.stack import PictureLedger, PictureStack
from fieldpress.sources.timing import DEFAULT_RATE, constant

PICTURE_SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".webp", ".avif", ".bmp", ".tif", ".tiff"),
    *(".tga", ".ppm", ".pgm", ".pnm", ".pam", ".jp2", ".qoi"),
)
"""Which files of a folder are pictures; all others are passed over, as hidden files are."""


def open_folder(
    path: Path,
    *,
    force: bool,
    memory_factor: float,
    at_once: Callable[[int, int, int], int],
    rate: Fraction = DEFAULT_RATE,
) -> Clip | LongClip:
    """All pictures in a folder, as frames of a clip, held or not.

    Args:
        path: An existing folder. Folders inside it are not entered.
        force: Leave out the pictures that are damaged.
        memory_factor: Passed to :func:`~fieldpress.sources.memory.check_memory`.
        at_once: As of :func:`~fieldpress.sources.clip.open_clip`.
        rate: Pictures a second.

    Raises:
        SourceError: No picture in it, sizes differ, a picture is damaged (unless ``force``), or there are too many.
    """
    files = picture_files(path)
    if not files:
        raise SourceError(f"{path}: has no pictures; known are {' '.join(PICTURE_SUFFIXES)}")
    if len(files) > MAX_FRAMES:
        raise SourceError(f"{path}: has {len(files)} pictures; at most {MAX_FRAMES}: use fewer")
    pictures: PictureStack | PictureLedger | None = None
    good: list[Path] = []
    damaged: list[str] = []
    for file in files:
        try:
            picture = _picture(file, memory_factor)
        except SourceError as error:
            damaged.append(str(error))
            continue
        if pictures is None:
            height, width, _ = picture.rgb.shape
            held = at_once(len(files), height, width)
            check_memory(str(path), held, height, width, memory_factor)
            whole = held >= len(files)
            pictures = PictureStack(str(path), len(files)) if whole else PictureLedger(str(path))
        pictures.add(picture, file.name)
        good.append(file)
    check_damage(path, len(good), damaged, force)
    assert pictures is not None, "there is a good one"
    if isinstance(pictures, PictureLedger):
        return LongClip(pictures, constant(rate), _Reel(tuple(good), memory_factor))
    return Clip(pictures, constant(rate), is_still=False)


@dataclass(frozen=True)
class _Reel:
    """Reads pictures of a folder that were good when they were first read."""

    files: tuple[Path, ...]
    memory_factor: float

    def __call__(self, frames: range) -> Iterator[Picture]:
        for file in self.files[frames.start : frames.stop]:
            yield _picture(file, self.memory_factor)


def _picture(file: Path, memory_factor: float) -> Picture:
    """The first picture in a file."""
    return read_clip(file, force=False, memory_factor=memory_factor).pictures.picture(0)


def picture_files(path: Path) -> list[Path]:
    """The picture files of a folder in natural order.

    Raises:
        SourceError: The folder cannot be listed.

    Example:
        ``img2.png`` comes before ``img10.png``.
    """
    try:
        files = [f for f in path.iterdir() if f.suffix.lower() in PICTURE_SUFFIXES and f.name[0] != "." and f.is_file()]
    except OSError as error:
        raise SourceError(f"{path}: cannot be listed: {error.strerror or error}") from error
    return sorted(files, key=lambda file: natural(file.name))


def natural(name: str) -> list[tuple[int, str]]:
    """A sort key that takes runs of digits as numbers and ignores case; equal keys fall back on the exact name.

    Example:
        >>> sorted(["b1", "a10", "a2", "A3"], key=natural)
        ['a2', 'A3', 'a10', 'b1']
    """
    parts = re.split(r"([0-9]+)", name.casefold())
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts] + [(-1, name)]
