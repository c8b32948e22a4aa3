"""A small clip that codecs have work with, and the preset ``rate`` at an effort for tests."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clips import rgb_frame, write_clip
from fieldpress.compressors import Compressor, Video
from fieldpress.presets import Recipe, recipe

FILM = Video(codec="svt-av1", crf=36.0, preset="13", amplitude=0.7)
"""As the film of rate, with the fastest settings of its codec."""


def rate(film: Compressor = FILM) -> Recipe:
    """The preset with another compressor of its film."""
    chosen = recipe("rate")
    return replace(chosen, plan={**chosen.plan, "film": film})


def textured(frames: int = 6, height: int = 48, width: int = 64) -> NDArray[np.uint8]:
    """Drifting waves with grain: sizes follow every turn of a quality, as those of real clips do."""
    rows, columns = np.indices((height, width))
    grain = np.random.default_rng(0).normal(0, 8, (frames, height, width))
    waves = [128 + 60 * np.sin(rows / 7 + t / 3) * np.cos(columns / 9 - t / 2) for t in range(frames)]
    pictures = [
        np.stack([wave + noise, 0.8 * wave + noise, 200 - wave / 2 + noise], -1)
        for wave, noise in zip(waves, grain, strict=True)
    ]
    return np.stack(pictures).clip(0, 255).astype(np.uint8)


def clip_of(path: Path, pictures: NDArray[np.uint8]) -> Path:
    """The pictures as a lossless video."""
    return write_clip(path, [rgb_frame(picture) for picture in pictures], "ffv1", "bgr0")
