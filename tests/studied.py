"""Finished runs of a study that nobody trained: figures that follow a simple rule, so that the reading is known."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pressed import CLIP, press

from clips import moving_pictures, rgb_frame, write_clip
from fieldpress.bench.clips import Clip
from fieldpress.bench.runs.results import Row
from fieldpress.bench.runs.run import RUNS, Run, plan_runs
from fieldpress.bench.studies import Study
from fieldpress.training.config import Budget

FRAMES, HEIGHT, WIDTH = CLIP.frames, CLIP.height, CLIP.width


def clip_in(folder: Path, name: str = "clip.mkv") -> Clip:
    """A clip that is there, with the sides of those that ``press`` writes."""
    pictures = [rgb_frame(picture) for picture in moving_pictures(FRAMES, HEIGHT, WIDTH)]
    path = write_clip(folder / name, pictures, "ffv1", "bgr0")
    return Clip(str(path), name, FRAMES, HEIGHT, WIDTH, "0" * 64)


def studied(
    study: Study, folder: Path, clip: Clip, *, gains: Mapping[str, float] | None = None, seeds: int = 1
) -> list[Row]:
    """A row for every run, with one and the same file for each of them in the folder.

    Quality rises by 6 dB for each doubling of the bytes along every curve; a curve lies ``gains`` dB above that,
    seeds 0.1 dB apart.
    """
    (folder / RUNS).mkdir(parents=True, exist_ok=True)
    data = press()
    rows: list[Row] = []
    for run in plan_runs(study, [clip], Budget(steps=100), seeds, "cpu"):
        (folder / RUNS / f"{run.name}.fpr").write_bytes(data)
        rows.append(row_of(run, 0.1 * run.seed + (gains or {}).get(run.variation.curve, 0.0)))
    return rows


def row_of(run: Run, gain: float) -> Row:
    """One row; the size follows from the setting that the study varies."""
    facts = run.facts
    crf, ranks, bits = facts["crf"], facts["ranks"], facts["bits"]
    octaves = (36 - crf) / 6 if crf else 3 * ranks if ranks else bits / 4 if bits else 4
    report: dict[str, Any] = {
        "bytes": round(1000 * 2**octaves),
        "bpp": 8000 * 2**octaves / (run.clip.frames * run.clip.height * run.clip.width),
        "psnr_rgb": 24 + 6 * octaves + gain,
        "psnr_y": 25 + 6 * octaves + gain,
        "ssim": 0.9,
        "encode_seconds": 10.0,
        "steps": 100,
        "device": "cpu",
    }
    shares = [i / 200 for i in range(201)]
    every = facts["every"] or 2.0
    training = {
        "share": shares,
        "psnr": [22 + 8 * (1 - math.exp(-4 * s)) - math.exp(-40 * (s % every)) * (s >= every) + gain for s in shares],
        "round_trips": [s for s in shares[1:] if s % every < 1 / 200],
    }
    return Row(run, report, training)
