"""The network that ships with the package, and the head that reads it."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from filmed import clip_of, rate, textured

import fieldpress
from clips import moving_pictures
from fieldpress.compressors import Compressor, Entropy, Raw, Uniform
from fieldpress.compressors.guides import Guidance, Written, build_guide
from fieldpress.decoders import Head, Postfilter
from fieldpress.decoders.head import HeadDecoder
from fieldpress.decoders.postfilter import WEIGHTS, PostfilterDecoder, shipped
from fieldpress.encodings import Film, WideFilm
from fieldpress.encodings.film import FEATURES, FilmEncoding
from fieldpress.field import Field, FieldConfig, Lattice
from fieldpress.interfaces import Latent
from fieldpress.training.film_head import fit_head
from fieldpress.training.start import start_film

FOLDER = Path(fieldpress.__file__).parent
CLIP = torch.from_numpy(np.ascontiguousarray(moving_pictures(4, 32, 40)))
MUCH = 1e9
"""Bits of a film beside which those of a head are nothing."""


def coded(*, noise: float = 0.02, wide: bool = True) -> Field:
    """The clip as a film with errors, and a head that has learned nothing of it."""
    film, head = (WideFilm, Postfilter()) if wide else (Film, Head())
    field = FieldConfig({"film": film(*CLIP.shape[:3])}, head).build().requires_grad_(False)
    start_film(field, CLIP, "bt709")
    generator = torch.Generator().manual_seed(0)
    for grid in field.encodings["film"].parameters():
        grid += noise * torch.randn(grid.shape, generator=generator)
    return field


def head_of(field: Field) -> HeadDecoder:
    assert isinstance(field.decoder, HeadDecoder)
    return field.decoder


def postfilter_of(field: Field) -> PostfilterDecoder:
    assert isinstance(field.decoder, PostfilterDecoder)
    return field.decoder


def written(field: Field, compressor: Compressor) -> Written:
    """The head's weights as one chunk."""
    head = head_of(field)
    tensors = [head.weight, head.bias, *([] if head.expectation is None else [head.expectation])]
    return Written(build_guide(compressor, Guidance(kind="none"), tensors), tensors)


def pictures(sides: tuple[int, int, int]) -> Lattice:
    return Lattice(*((torch.arange(side) + 0.5) / side for side in sides))


def cells(field: Field) -> Lattice:
    """The centres of cells of a clip with even sides."""
    film = field.encodings["film"]
    assert isinstance(film, FilmEncoding)
    return pictures((film.config.frames, *film.config.cells))


def squared_error(field: Field) -> float:
    with torch.no_grad():
        shown = field(pictures((4, 32, 40)))
    return float((shown - CLIP / 255).double().square().mean())


def test_the_shipped_numbers_are_those_of_the_format():
    data = (FOLDER / "decoders" / WEIGHTS).read_bytes()
    assert hashlib.sha256(data).hexdigest() in (FOLDER.parents[1] / "FORMAT.md").read_text()
    assert len(data) == 2 * sum(part.numel() for part in shipped())
    assert all(part.isfinite().all() for part in shipped())


def test_a_head_is_its_weights_times_what_it_reads():
    field = coded()
    head = postfilter_of(field)
    generator = torch.Generator().manual_seed(1)
    head.weight.copy_(0.1 * torch.randn(head.weight.shape, generator=generator))
    head.bias.copy_(0.1 * torch.randn(head.bias.shape, generator=generator))
    latent = Latent(field.encodings, cells(field))
    inputs = head.inputs(latent).flatten(1)
    painted = (head.weight + head.base()) @ inputs + head.bias[:, None]
    in_rgb = (head.colours @ painted.reshape(3, -1)).reshape(3, 4, -1).movedim(0, 1)  # pixel by pixel
    expected = in_rgb.reshape(12, *latent.query.shape) + 0.5
    torch.testing.assert_close(head(latent), expected, rtol=0, atol=1e-5)


def test_it_reads_what_a_head_without_a_network_reads_and_more():
    field, plain = coded(), coded(wide=False)
    found = postfilter_of(field).inputs(Latent(field.encodings, cells(field)))
    expected = head_of(plain).inputs(Latent(plain.encodings, cells(plain)))
    torch.testing.assert_close(found[:FEATURES], expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("level", [-0.4, 0.0, 0.4])
def test_the_network_hardly_sees_how_bright_a_picture_is(level: float):
    field = coded()
    before = postfilter_of(field).inputs(Latent(field.encodings, cells(field)))[FEATURES:]
    for grid in field.encodings["film"].parameters():
        grid += level
    after = postfilter_of(field).inputs(Latent(field.encodings, cells(field)))[FEATURES:]
    # Weights add up to nothing but for their rounding to 11 bits.
    assert float((after - before).abs().max()) < 0.1 * float(before.abs().max())


@pytest.mark.parametrize(
    ("error", "expected"), [(2.0**-14, -7.0), (2.0**-13, -6.5), (2.0**-13.3, -6.75), (0.0, -14.0)], ids=str
)
def test_the_noise_is_that_of_the_film_in_quarters_of_a_doubling(error: float, expected: float):
    head = postfilter_of(coded())
    head.expect(error)
    assert head.noise.tolist() == [expected]


@pytest.mark.parametrize("noise", [float("nan"), 1e30, -1e30], ids=str)
def test_noise_from_a_damaged_file_leaves_pictures_finite_or_none(noise: float):
    field = coded()
    postfilter_of(field).noise.fill_(noise)
    shown = field(pictures((4, 32, 40)))
    assert bool(shown.isfinite().all()) == (noise == noise)


def test_found_weights_are_better_than_those_without_a_network():
    errors = []
    for wide in (False, True):
        field = coded(wide=wide)
        errors.append(fit_head(field, CLIP, MUCH, [written(field, Raw())]))
        assert errors[-1] == pytest.approx(squared_error(field), rel=1e-4)
    assert errors[1] < 0.98 * errors[0]


@pytest.mark.parametrize(
    "compressor",
    [Entropy(step=1 / 64, unit="absolute"), Entropy(step=0.5), Uniform(bits=3), Uniform(bits=8)],
    ids=["absolute", "rms", "three bits", "eight bits"],
)
def test_the_error_it_tells_is_that_of_what_is_written(compressor: Compressor):
    field = coded()
    untouched = squared_error(field)
    chunk = written(field, compressor)
    error = fit_head(field, CLIP, MUCH, [chunk])
    chunk.guide.settle(chunk.tensors)
    assert squared_error(field) == pytest.approx(error, rel=1e-3)
    assert error <= untouched * (1 + 1e-4)


def test_a_file_of_rate_holds_differences_to_it_and_decodes_to_what_was_meant(tmp_path: Path):
    clip = clip_of(tmp_path / "clip.mkv", textured(4))
    report = fieldpress.encode(clip, tmp_path / "clip.fpr", rate(), steps=1, device="cpu")
    opened = fieldpress.open(tmp_path / "clip.fpr")
    head = postfilter_of(opened.field)
    assert head.weight.shape == (12, FEATURES + 32)
    assert sum(chunk.bytes for chunk in report.chunks if chunk.name.startswith("decoder")) < 600
    assert head.noise.item() % 0.25 == 0
