"""Finished points of a bench that nobody made: figures that follow a simple rule, so that the comparison is known."""

import math
from pathlib import Path
from typing import Any

import numpy as np

from clips import moving_pictures
from fieldpress.bench.points.point import POINTS
from fieldpress.sinks.png import png

FRAMES, HEIGHT, WIDTH = 5, 24, 32
SIZES = (1000, 2000, 4000, 8000)


def record(
    codec: str, preset: str, size: int, psnr: float, *, clip: str = "clip.mkv", seed: int | None = None, file: str = ""
) -> dict[str, Any]:
    """A record as a worker leaves it; luma is 2 dB better than RGB."""
    return {
        "schema": "fieldpress-bench-point",
        "version": 1,
        "clip": {"name": clip, "frames": FRAMES, "height": HEIGHT, "width": WIDTH, "sha256": "0" * 64},
        "codec": codec,
        "preset": preset,
        "quality": {"crf": 40 - 6 * math.log2(size / 1000)},
        "seed": seed,
        "file": file,
        "bytes": size,
        "bpp": 8 * size / (FRAMES * HEIGHT * WIDTH),
        "psnr_rgb": psnr,
        "psnr_y": psnr + 2,
        "ssim": 0.9,
        "ms_ssim": None,
        "vmaf": 80.0,
        "encode_seconds": 2.0,
        "cpu_seconds": 1.5,
        "decode_seconds": 0.1,
        "decode_fps": 50.0,
        "peak_memory_bytes": 10_000_000,
        "pictures": {"psnr_rgb": [psnr - 0.1 * i for i in range(FRAMES)], "psnr_y": [psnr] * FRAMES},
    }


def curve_of(codec: str, preset: str, scale: float = 1.0, **given: Any) -> list[dict[str, Any]]:
    """Four records: 3 dB more for each doubling of the bytes, with ``scale`` times the bytes of the plain curve."""
    qualities = [29.0 + 3 * i for i in range(len(SIZES))]
    return [
        record(codec, preset, round(scale * size), psnr, **given) for size, psnr in zip(SIZES, qualities, strict=True)
    ]


def with_pictures(records: list[dict[str, Any]], folder: Path) -> list[dict[str, Any]]:
    """The same records with pictures beside them, noisier where there are fewer bytes."""
    (folder / POINTS).mkdir(parents=True, exist_ok=True)
    picture = moving_pictures(1, HEIGHT, WIDTH)[0].astype(int)
    random = np.random.default_rng(0)
    for number, one in enumerate(records):
        one["file"] = f"{POINTS}/{one['codec']}-{one['preset'].replace(':', '-')}-{number}.bin"
        noise = random.normal(size=picture.shape) * 20000 / one["bytes"]
        noisy = np.clip(picture + noise, 0, 255).astype(np.uint8)
        (folder / one["file"]).with_suffix(".png").write_bytes(png(noisy))
    return records
