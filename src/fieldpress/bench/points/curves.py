"""The curves of a bench: the points of one codec or preset on one clip, means over seeds, in the order of sizes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fieldpress.bench import bdrate
from fieldpress.bench.points.point import FIGURES, OURS

QUALITIES = {"rgb": "psnr_rgb", "y": "psnr_y"}
"""The two that curves are compared by, and the figure of each."""


@dataclass(frozen=True)
class CurvePoint:
    """A point of a curve."""

    quality: str
    """In words: ``crf 24``; empty for one of a third party."""
    figures: dict[str, float | None]
    """Means over seeds, by name of :data:`FIGURES`; ``None`` where it is not known."""
    records: tuple[dict[str, Any], ...]
    """One for each seed."""

    def __getitem__(self, name: str) -> float:
        """A figure that is always known."""
        value = self.figures[name]
        assert value is not None, name
        return value


@dataclass(frozen=True)
class BenchCurve:
    """A codec or a preset on a clip."""

    clip: str
    codec: str
    preset: str
    points: tuple[CurvePoint, ...]

    @property
    def ours(self) -> bool:
        """Whether it is a preset of fieldpress."""
        return self.codec == OURS

    @property
    def name(self) -> str:
        """As it was asked for: ``x265:veryslow:psnr``; a preset of ours by its name alone."""
        return self.preset if self.ours else f"{self.codec}:{self.preset}" if self.preset else self.codec

    def against(self, base: "BenchCurve", quality: str) -> bdrate.Difference:
        """How it stands to another one, by ``rgb`` or ``y``."""
        return bdrate.difference(self._curve(quality), base._curve(quality))

    def _curve(self, quality: str) -> bdrate.Curve:
        sizes = np.array([point["bytes"] for point in self.points])
        return sizes, np.array([point[QUALITIES[quality]] for point in self.points])


def curves(records: Sequence[dict[str, Any]]) -> list[BenchCurve]:
    """All curves, in the order in which they first appear; presets of ours before codecs."""
    groups: dict[tuple[str, str, str], dict[str, list[dict[str, Any]]]] = {}
    for number, record in enumerate(records):
        clip = record["clip"] if isinstance(record["clip"], str) else record["clip"]["name"]
        quality = " ".join(f"{name} {value:g}" for name, value in record.get("quality", {}).items())
        points = groups.setdefault((clip, record["codec"], record["preset"]), {})
        points.setdefault(quality or str(number), []).append(record)
    found = [
        BenchCurve(clip, codec, preset, tuple(sorted(map(_point, points.values()), key=lambda point: point["bytes"])))
        for (clip, codec, preset), points in groups.items()
    ]
    clips = list(dict.fromkeys(curve.clip for curve in found))
    return sorted(found, key=lambda curve: (clips.index(curve.clip), not curve.ours))


def _point(records: Sequence[dict[str, Any]]) -> CurvePoint:
    quality = " ".join(f"{name} {value:g}" for name, value in records[0].get("quality", {}).items())
    figures: dict[str, float | None] = {}
    for name in FIGURES:
        values = [record.get(name) for record in records]
        known = [value for value in values if value is not None]
        figures[name] = math.fsum(known) / len(known) if known and len(known) == len(values) else None
    return CurvePoint(quality, figures, tuple(records))
