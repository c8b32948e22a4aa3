"""Files of a size that was asked for."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fieldpress
from clips import rgb_frame, write_clip
from fieldpress import container
from fieldpress.compressors import Compressor, Entropy, Raw, Tucker, Uniform, Video
from fieldpress.compressors.guides import Guidance
from fieldpress.decoders import Mlp
from fieldpress.errors import ConfigError
from fieldpress.presets import Recipe, recipe
from fieldpress.report import Report
from fieldpress.writing import evaluate

STEERED: dict[str, Compressor] = {
    "video": Video(codec="svt-av1", crf=30, preset="12", amplitude=0.5),
    "entropy": Entropy(step=0.1),
    "uniform": Uniform(bits=6),
    "tucker": Tucker(0.5, Entropy(step=1 / 64, unit="absolute")),
}
REACHED = {"video": 0.6, "entropy": 1.0, "uniform": 4.0, "tucker": 2.0}
"""Bits per pixel: for each compressor some that take turning."""


def textured() -> list[np.ndarray]:
    """Drifting waves with grain: sizes follow every turn of a quality, as those of real clips do."""
    rows, columns = np.indices((48, 64))
    grain = np.random.default_rng(0).normal(0, 12, (6, 48, 64))
    waves = [128 + 60 * np.sin(rows / 7 + t / 3) * np.cos(columns / 9 - t / 2) for t in range(6)]
    pictures = [
        np.stack([wave + noise, 0.8 * wave + noise, 200 - wave / 2], -1)
        for wave, noise in zip(waves, grain, strict=True)
    ]
    return [picture.clip(0, 255).astype(np.uint8) for picture in pictures]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pictures = [rgb_frame(picture) for picture in textured()]
    return write_clip(tmp_path_factory.mktemp("steering") / "clip.mkv", pictures, "ffv1", "bgr0")


def chosen(volume: Compressor, kind: Any = "round-trip", start: Any = "source") -> Recipe:
    base = recipe("nvp-fit")
    training = replace(base.training, guidance=Guidance(kind=kind, every=0.2), start=start, batch_pixels=6000)
    plan = {"volume": volume, "decoder": Entropy(step=1 / 256, unit="absolute")}
    return replace(base, decoder=Mlp(8, 1), plan=plan, training=training)


def encoded(clip: Path, chosen: Recipe, **request: Any) -> Report:
    return fieldpress.encode(clip, clip.with_suffix(".fpr"), chosen, steps=15, force=True, **request)


@pytest.mark.parametrize("kind", ["none", "project", "round-trip", "proximal", "special"])
@pytest.mark.parametrize("name", STEERED)
def test_a_file_has_the_bits_per_pixel_asked_for(clip: Path, name: str, kind: str):
    report = encoded(clip, chosen(STEERED[name], kind), bpp=REACHED[name])
    assert report.bpp == pytest.approx(REACHED[name], rel=0.05)


@pytest.mark.parametrize("size", [1200, 5000])
def test_a_file_has_the_bytes_asked_for(clip: Path, size: int):
    assert encoded(clip, chosen(STEERED["entropy"]), size=size).bytes == pytest.approx(size, rel=0.05)


def test_the_file_says_what_quality_it_came_to(clip: Path):
    asked = Entropy(step=0.1, unit="absolute")
    report = encoded(clip, chosen(asked), size=5000)
    path = clip.with_suffix(".fpr")
    (volume,) = (chunk for chunk in container.read(path.read_bytes()).chunks if chunk.name == "volume")
    assert volume.compressor["step"] != asked.step
    # An absolute step decides what decodes: with another one than the encoder's, these would be other pictures.
    assert evaluate(path, clip).psnr_rgb == report.psnr_rgb > 15


@pytest.mark.parametrize("size", [2000, 3000])
def test_a_head_that_is_found_counts(clip: Path, size: int):
    rate = recipe("rate")
    film = rate.plan["film"]
    assert isinstance(film, Video)
    quick = replace(rate, plan={**rate.plan, "film": replace(film, preset="12")})
    report = encoded(clip, quick, size=size)
    [head] = [chunk.bytes for chunk in report.chunks if chunk.name == "decoder"]
    assert head > size / 40  # else it would not matter
    assert report.bytes == pytest.approx(size, rel=0.05)


@pytest.mark.parametrize("bpp", [0.001, 60.0])
def test_a_size_out_of_reach_is_refused_with_the_range(clip: Path, bpp: float):
    with pytest.raises(ConfigError, match=r"out of reach: .* gives about 0\.\d+ bpp \(\d[\d,]* bytes\) to \d+.* bpp"):
        encoded(clip, chosen(STEERED["entropy"]), bpp=bpp)


def test_so_it_is_before_a_random_start(clip: Path):
    with pytest.raises(ConfigError, match="out of reach"):
        encoded(clip, chosen(STEERED["entropy"], start="random"), bpp=60.0)


def test_a_compressor_without_a_quality_cannot_be_steered(clip: Path):
    with pytest.raises(ConfigError, match="--bpp and --size cannot turn preset nvp-fit: its volume is given to raw"):
        encoded(clip, chosen(Raw()), bpp=0.5)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"bpp": 0.1, "size": 100}, "give one of --bpp, --size"),
        ({"bpp": 0.0}, "above 0"),
        ({"bpp": float("nan")}, "above 0"),
        ({"size": 0}, "above 0"),
    ],
    ids=str,
)
def test_requests_that_cannot_be_are_refused(clip: Path, request_: dict[str, Any], message: str):
    with pytest.raises(ConfigError, match=message):
        encoded(clip, chosen(STEERED["entropy"]), **request_)
