"""Points that somebody else measured: JSON files laid into a folder of the bench."""

import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from fieldpress.bench.clips import Clip
from fieldpress.bench.points.curves import BenchCurve
from fieldpress.config import shown, unknown
from fieldpress.errors import SourceError
from fieldpress.metrics import bits_per_pixel

THIRD_PARTY = "third-party"
"""The folder for them inside that of the bench."""

_WORDS = ("clip", "codec", "preset")
_LONGEST = (0.0, 1e9)
_NUMBERS = {"bytes": (1, 1e15), "psnr_rgb": (1e-3, 200), "psnr_y": (1e-3, 200)}
_OPTIONAL = {
    "ssim": (-1, 1),
    "ms_ssim": (-1, 1),
    "vmaf": (0, 100),
    "encode_seconds": _LONGEST,
    "cpu_seconds": _LONGEST,
    "decode_fps": _LONGEST,
}
"""The least and the most that each can be."""


def third_party(folder: Path, clips: Sequence[Clip], measured: Collection[str] = ()) -> list[dict[str, Any]]:
    """The points of all files there, in the form of ours; what a file does not say is ``None``.

    A file holds one point or a list of them: ``clip`` (a source's name), ``codec``, ``preset``, ``bytes``,
    ``psnr_rgb`` and ``psnr_y``; and, where they are known, the other figures.

    Args:
        folder: Of the bench.
        clips: Its sources.
        measured: Names of the curves that are measured here: no figure of somebody else may become part of one.

    Raises:
        SourceError: A file is damaged, lacks one of these, or names a clip that is not in this bench or a curve that
            is measured here.
    """
    place = folder / THIRD_PARTY
    found: list[dict[str, Any]] = []
    for path in sorted(place.glob("*.json")) if place.is_dir() else []:
        try:
            content = json.loads(path.read_bytes())
        except (OSError, ValueError, RecursionError) as error:
            raise SourceError(f"{path}: is not JSON: {error}") from None
        for number, point in enumerate(content if isinstance(content, list) else [content]):
            try:
                found.append(_point(point, clips, measured))
            except ValueError as error:
                raise SourceError(f"{path}: point {number}: {error}") from None
    return found


def _point(point: Any, clips: Sequence[Clip], measured: Collection[str]) -> dict[str, Any]:
    if not isinstance(point, dict):
        raise ValueError("is no table")
    for name in _WORDS:
        word = point.get(name)
        if not (isinstance(word, str) and word.isprintable() and (word.strip() or name == "preset")):
            raise ValueError(f"{name} is missing, or no text on one line")
    for name, (least, most) in _NUMBERS.items():
        if not _is_number(point.get(name), least, most):
            raise ValueError(f"{name} is missing, or no number from {least:g} to {most:g}")
    for name, (least, most) in _OPTIONAL.items():
        if point.get(name) is not None and not _is_number(point[name], least, most):
            raise ValueError(f"{name} is no number from {least:g} to {most:g}")
    curve = BenchCurve(point["clip"], point["codec"], point["preset"], ())
    if curve.ours or curve.name in measured:
        raise ValueError(f"{shown(curve.name)} is measured by this bench; give the point another codec's name")
    known = {clip.name: clip for clip in clips}
    if point["clip"] not in known:
        raise ValueError(unknown("clip", point["clip"], known))
    clip = known[point["clip"]]
    return {
        **{name: point[name] for name in _WORDS},
        "bpp": bits_per_pixel(point["bytes"], clip.frames, clip.height, clip.width),
        **{name: point[name] for name in _NUMBERS},
        **{name: point.get(name) for name in _OPTIONAL},
    }


def _is_number(value: Any, least: float, most: float) -> bool:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return least <= value <= most  # compares whole numbers of any length, and not a number with nothing
