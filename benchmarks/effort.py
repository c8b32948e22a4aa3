"""What the presets of x265 and SVT-AV1 take: the processor time that choosing an effort goes by.

    python benchmarks/effort.py bunny.mkv flower.mkv --output benchmarks/results/effort.json

Each clip is coded as a film at two qualities with every preset; the table has the geometric means, against the
quickest preset of the codec. `fieldpress.compressors.video` holds them, rounded.
"""

import argparse
import json
import time
from pathlib import Path
from statistics import geometric_mean
from typing import Any

import numpy as np
import torch

from fieldpress.bench.machine import machine
from fieldpress.compressors import Video
from fieldpress.compressors.video import SVT_AV1_PRESETS, X265_PRESETS
from fieldpress.decoders import Head
from fieldpress.encodings import Film
from fieldpress.field import FieldConfig
from fieldpress.sources import load
from fieldpress.training.start import start_film

CODECS: tuple[tuple[Any, tuple[str, ...], tuple[int, ...]], ...] = (
    ("x265", tuple(reversed(X265_PRESETS)), (20, 32)),
    ("svt-av1", tuple(reversed(SVT_AV1_PRESETS)), (30, 50)),
)
"""Codec, its presets from the least effort on, and constant rate factors."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path, nargs="+")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(1)

    films = [film(path) for path in arguments.clips]
    times: dict[str, dict[str, float]] = {}
    for codec, presets, crfs in CODECS:
        seconds = {preset: [spent(codec, preset, crf, one) for one in films for crf in crfs] for preset in presets}
        quickest = seconds[presets[0]]
        times[codec] = {
            preset: round(geometric_mean(map(float.__truediv__, found, quickest)), 2)
            for preset, found in seconds.items()
        }
        print(codec, times[codec], flush=True)
    result = {"clips": [path.name for path in arguments.clips], "machine": machine(), "cpu_time": times}
    arguments.output.write_text(json.dumps(result, indent=1) + "\n")


def film(path: Path) -> list[np.ndarray]:
    """A clip's film."""
    source = load(path)
    rgb = torch.from_numpy(np.asarray(source.rgb))
    field = FieldConfig({"film": Film(*rgb.shape[:3])}, Head()).build().requires_grad_(False)
    start_film(field, rgb, source.signal.matrix)
    return [grid.numpy() for grid in field.encodings["film"].parameters()]


def spent(codec: Any, preset: str, crf: int, grids: list[np.ndarray]) -> float:
    """Processor seconds of an encode, with the decode that checks it."""
    began = time.process_time()
    Video(codec=codec, crf=crf, preset=preset, amplitude=0.7).encode_all(grids)
    return time.process_time() - began


if __name__ == "__main__":
    main()
