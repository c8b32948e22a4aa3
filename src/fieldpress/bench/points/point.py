"""The points of a bench: what is asked for, under which name it is kept, and what is known of it when it is done.

A point is a file, a record beside it with the same name (JSON, described in docs/bench.md), and its middle picture.
"""

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fieldpress.bench.clips import Clip
from fieldpress.bench.codecs.codec import Anchor, Clipped
from fieldpress.bench.kept import are_numbers, name_of, read_kept
from fieldpress.bench.points.axis import Setting
from fieldpress.config import to_plain
from fieldpress.training.config import Budget

POINTS = "points"
"""The folder of files and records inside that of the bench."""
SCHEMA = "fieldpress-bench-point"
VERSION = 1
FIGURES = (
    "bytes", "bpp", "psnr_rgb", "psnr_y", "ssim", "ms_ssim", "vmaf",
    "encode_seconds", "cpu_seconds", "decode_seconds", "decode_fps", "peak_memory_bytes",
)  # fmt: skip
"""What is averaged over seeds."""
_MEASURED = ("bytes", "bpp", "psnr_rgb", "psnr_y")
"""Those that every point has."""
OURS = "fieldpress"
"""Stands under ``codec`` for presets."""

_FED = 1  # raise it when codecs are fed otherwise, and points are made again


@dataclass(frozen=True)
class CodecPoint:
    """A codec at one quality on one clip."""

    clip: Clip
    anchor: Anchor
    quality: float

    @property
    def name(self) -> str:
        """Of the file without its suffix; see :func:`fieldpress.bench.kept.name_of`."""
        words = f"{self.clip.name} {self.anchor.name} {self.anchor.codec.scale.name} {self.quality:g}"
        return name_of(words, [self.command, self.clip.sha256, _FED])

    @property
    def command(self) -> str:
        """What makes the stream, for people."""
        return self.anchor.command(self.quality, clipped(self.clip))

    @property
    def file(self) -> str:
        """Its name in :data:`POINTS`."""
        return self.name + self.anchor.codec.suffix

    def to_plain(self) -> dict[str, Any]:
        """What is asked for, as the record has it."""
        return {
            **_head(self.clip),
            "codec": self.anchor.codec.id,
            "preset": self.anchor.label,
            "quality": {self.anchor.codec.scale.name: self.quality},
            "seed": None,
            "command": self.command,
            "settings": self.anchor.options(self.quality, clipped(self.clip)),
        }


@dataclass(frozen=True)
class FieldPoint:
    """A preset of ours at one quality on one clip."""

    clip: Clip
    preset: str
    setting: Setting
    budget: Budget
    seed: int
    device: str

    @property
    def name(self) -> str:
        """As :attr:`CodecPoint.name`."""
        words = f"{self.clip.name} {OURS} {self.preset} {self.setting.scale} {self.setting.value:g} seed {self.seed}"
        asked = [to_plain(self.setting.recipe), to_plain(self.budget), self.clip.sha256, self.seed, self.device]
        return name_of(words, asked)

    @property
    def command(self) -> str:
        """What makes the file, for people."""
        budget = self.budget
        length = ["--steps", str(budget.steps)] if budget.steps is not None else ["--minutes", f"{budget.minutes:g}"]
        flags = [*self.setting.flags, *length, "--seed", str(self.seed), "--device", self.device]
        words = ["fieldpress", "encode", self.clip.name, "out.fpr", self.preset, *flags]
        return f"OMP_NUM_THREADS=1 {shlex.join(words)}"

    @property
    def file(self) -> str:
        """Its name in :data:`POINTS`."""
        return f"{self.name}.fpr"

    def to_plain(self) -> dict[str, Any]:
        """As :meth:`CodecPoint.to_plain`."""
        return {
            **_head(self.clip),
            "codec": OURS,
            "preset": self.preset,
            "quality": {self.setting.scale: self.setting.value},
            "seed": self.seed,
            "command": self.command,
            "settings": to_plain(self.setting.recipe),
        }


Point = CodecPoint | FieldPoint


def clipped(clip: Clip) -> Clipped:
    """What an encoder's options depend on."""
    return Clipped(clip.frames, clip.height, clip.width)


def read_point(folder: Path, point: Point) -> dict[str, Any] | None:
    """The record of a finished point; ``None`` if it is not finished.

    Raises:
        SourceError: The record cannot be read, or is not of the file beside it.
    """
    place = folder / POINTS
    record = read_kept(place / f"{point.name}.json", place / point.file, _suits)
    # Its picture is written first, and is shown on the page: without it the point is made again.
    return record if (place / f"{point.name}.png").exists() else None


def _suits(record: dict[str, Any], size: int) -> bool:
    if (record["schema"], record["version"], record["bytes"]) != (SCHEMA, VERSION, size):
        return False
    quality, pictures = record["quality"], record["pictures"]
    return (
        are_numbers(record, _MEASURED, FIGURES)
        and isinstance(quality, dict)
        and are_numbers(quality, list(quality))
        and isinstance(pictures, dict)
        and all(values is None or _is_list_of_numbers(values) for values in pictures.values())
    )


def _is_list_of_numbers(values: Any) -> bool:
    return isinstance(values, list) and all(isinstance(value, int | float) for value in values)


def _head(clip: Clip) -> dict[str, Any]:
    return {"schema": SCHEMA, "version": VERSION, "clip": clip.identity}
