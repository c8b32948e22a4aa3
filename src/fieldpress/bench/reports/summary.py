"""What a bench leaves for programs: ``summary.json``, and a file for each codec and preset."""

import json
from collections.abc import Sequence
from typing import Any

from fieldpress.bench.kept import slug
from fieldpress.bench.points.curves import QUALITIES, BenchCurve
from fieldpress.bench.provenance import provenance

SCHEMA = "fieldpress-bench"
VERSION = 1

Differences = dict[str, dict[str, dict[str, dict[str, Any]]]]
"""Clip, preset and anchor to a value for ``rgb`` and one for ``y``."""


def differences(curves: Sequence[BenchCurve], field: str) -> Differences:
    """Every preset of ours against every other curve of its clip.

    Args:
        curves: Of all clips.
        field: Of :class:`fieldpress.bench.bdrate.Difference`.
    """
    found: Differences = {}
    for curve in (curve for curve in curves if curve.ours):
        bases = [base for base in curves if base.clip == curve.clip and base is not curve]
        found.setdefault(curve.clip, {})[curve.preset] = {
            base.name: {quality: getattr(curve.against(base, quality), field) for quality in QUALITIES}
            for base in bases
        }
    return found


def means(found: Differences) -> dict[str, dict[str, dict[str, float | None]]]:
    """Preset and anchor to the mean over clips, for those that all clips have; ``None`` where one cannot be told."""
    clips = list(found.values())
    result: dict[str, dict[str, dict[str, float | None]]] = {}
    for preset, bases in clips[0].items() if clips else ():
        if not all(preset in clip for clip in clips):
            continue
        for base in (base for base in bases if all(base in clip[preset] for clip in clips)):
            both: dict[str, float | None] = {}
            for quality in QUALITIES:
                values = [clip[preset][base][quality] for clip in clips]
                both[quality] = None if None in values else sum(values) / len(values)
            result.setdefault(preset, {})[base] = both
    return result


def summary_json(curves: Sequence[BenchCurve]) -> str:
    """All points, means over seeds, and how presets stand to codecs; described in docs/bench.md."""
    points = [
        {
            "clip": curve.clip,
            "codec": curve.codec,
            "preset": curve.preset,
            "quality": point.quality,
            "seeds": len(point.records),
            **point.figures,
        }
        for curve in curves
        for point in curve.points
    ]
    rates = differences(curves, "rate")
    parts = {
        "schema": json.dumps(SCHEMA),
        "version": str(VERSION),
        **{name: json.dumps(value) for name, value in provenance().items()},
        "points": "[\n  " + ",\n  ".join(map(json.dumps, points)) + "\n ]",
        "bd_rate": json.dumps(_rounded(rates, 2)),
        "bd_rate_mean": json.dumps(_rounded({"": means(rates)}, 2)[""]),
        "bd_psnr": json.dumps(_rounded(differences(curves, "psnr"), 3)),
        "overlap": json.dumps(_rounded(differences(curves, "overlap"), 3)),
        "refused": json.dumps(differences(curves, "reason")),
    }
    return "{\n" + ",\n".join(f" {json.dumps(name)}: {text}" for name, text in parts.items()) + "\n}\n"


def codec_files(curves: Sequence[BenchCurve]) -> dict[str, str]:
    """The records of each codec and preset on all clips, by name of file."""
    files: dict[str, list[dict[str, Any]]] = {}
    heads: dict[str, dict[str, Any]] = {}
    for curve in curves:
        name = f"{slug(f'{curve.codec} {curve.preset}')}.json"
        heads[name] = {"schema": SCHEMA + "-codec", "version": VERSION, "codec": curve.codec, "preset": curve.preset}
        files.setdefault(name, []).extend(record for point in curve.points for record in point.records)
    return {
        name: json.dumps({**heads[name], **provenance(), "points": records}, indent=1) + "\n"
        for name, records in files.items()
    }


def _rounded(found: Differences, digits: int) -> Differences:
    return {
        clip: {
            preset: {
                base: {quality: None if value is None else round(value, digits) for quality, value in both.items()}
                for base, both in bases.items()
            }
            for preset, bases in presets.items()
        }
        for clip, presets in found.items()
    }
