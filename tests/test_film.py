"""Films and their heads: what cells hold, how pictures arise from them, and how a head is found."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

import fieldpress
from clips import moving_pictures, rgb_frame, write_clip, write_picture
from fieldpress.compressors import Compressor, Entropy, Raw, Uniform, Video
from fieldpress.compressors.guides import Guidance, Unguided, Written
from fieldpress.decoders import Head, Mlp
from fieldpress.decoders.head import PAINTED, HeadDecoder, plain_weight
from fieldpress.encodings import Film
from fieldpress.encodings.film import FEATURES, FilmEncoding
from fieldpress.errors import ConfigError
from fieldpress.field import Field, FieldConfig, Lattice, Points
from fieldpress.painting import paint
from fieldpress.presets import recipe
from fieldpress.queries import Query
from fieldpress.signals.base import Matrix
from fieldpress.training.config import Budget
from fieldpress.training.film_head import fit_head
from fieldpress.training.loop import Trainer
from fieldpress.training.objective import ClipObjective
from fieldpress.training.start import film_colours, start_film
from fieldpress.writing import encode

VIDEO = recipe("rate").plan["film"]
assert isinstance(VIDEO, Video)
QUICK = replace(recipe("rate"), plan={**recipe("rate").plan, "film": replace(VIDEO, preset="12")})
"""The preset, at the fastest setting of its codec."""
STEP = 1 / 64
OFFSETS = (-1, 0, 1)
PHASES = [(0, 0), (0, 1), (1, 0), (1, 1)]
SIDES = [(4, 6), (5, 7), (6, 5), (1, 1), (1, 4), (3, 2)]
every_size = pytest.mark.parametrize("sides", SIDES, ids=str)


def centres(count: int, size: int | None = None, start: int = 0) -> Tensor:
    """Of ``count`` of ``size`` pixels, from pixel ``start`` on."""
    return (torch.arange(start, start + count, dtype=torch.float64) + 0.5) / (size or count)


def drawn(*sides: int, frames: int = 3, seed: int = 1, head: float = 0.1) -> Field:
    """A film of noise and a head of noise of this size, in double precision."""
    field = FieldConfig({"film": Film(frames, *sides)}, Head()).build().double()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in field.tensors().items():
            size = head if name.startswith("decoder.") else 0.3
            tensor.copy_(size * torch.randn(tensor.shape, generator=generator, dtype=torch.float64))
        head_of(field).colours.add_(torch.eye(3))
    return field


def film_of(field: Field) -> FilmEncoding:
    (film,) = field.encodings.values()
    assert isinstance(film, FilmEncoding)
    return film


def head_of(field: Field) -> HeadDecoder:
    assert isinstance(field.decoder, HeadDecoder)
    return field.decoder


def cell_centres(*sides: int) -> list[Tensor]:
    """Coordinates of the centres of cells, rows and columns."""
    return [(2 * torch.arange(-(-side // 2), dtype=torch.float64) + 1) / side for side in sides]


def shown(field: Field, frames: int, height: int, width: int) -> Tensor:
    """Pictures of this size, (frames, height, width, 3)."""
    with torch.no_grad():
        axes = [centres(count).to(film_of(field).luma) for count in (frames, height, width)]
        return field(Lattice(*axes))


# The encoding


@every_size
def test_features_are_the_pixels_of_the_cells_around(sides: tuple[int, int]):
    film = film_of(drawn(*sides))
    rows, columns = cell_centres(*sides)
    features = film(Lattice(centres(3), rows, columns))
    for t, r, c in np.ndindex(3, len(rows), len(columns)):
        around = [
            (min(max(r + i, 0), len(rows) - 1), min(max(c + j, 0), len(columns) - 1)) for i in OFFSETS for j in OFFSETS
        ]
        pixels = [[(min(2 * y + p, sides[0] - 1), min(2 * x + q, sides[1] - 1)) for y, x in around] for p, q in PHASES]
        expected = [film.luma[0, t, y, x] for phase in pixels for y, x in phase]
        expected += [plane[t, y, x] for plane in film.chroma for y, x in around]
        assert torch.equal(features[:, t, r, c], torch.stack(expected))


@every_size
def test_a_lattice_of_cells_gives_what_its_points_give(sides: tuple[int, int]):
    film = film_of(drawn(*sides))
    query = Lattice(torch.tensor([0.1, 0.5, 0.6, 1.0]).double(), *cell_centres(*sides))
    torch.testing.assert_close(film(query).flatten(1), film(query.points()), rtol=0, atol=1e-15)


def test_times_between_two_pictures_mix_their_cells():
    film = film_of(drawn(5, 6))
    rows, columns = cell_centres(5, 6)
    first, second = film(Lattice(centres(3)[:2], rows, columns)).unbind(1)
    between = film(Lattice(torch.tensor([0.25 / 3 + 0.5 / 3]).double(), rows, columns))[:, 0]
    torch.testing.assert_close(between, torch.lerp(first, second, 0.25), rtol=0, atol=1e-15)


def test_a_linear_layer_over_a_lattice_is_one_over_its_features():
    film, weight = film_of(drawn(6, 7)), torch.randn(5, FEATURES, dtype=torch.float64)
    query = Lattice(centres(3), *cell_centres(6, 7))
    expected = torch.einsum("of,ftyx->otyx", weight, film(query))
    torch.testing.assert_close(film.linear(query, weight), expected, rtol=1e-12, atol=1e-12)


def test_a_film_without_pixels_is_refused():
    with pytest.raises(ValueError, match="at least one picture of one pixel"):
        Film(1, 0, 4)


# Painting


def numbers(painter_sides: tuple[int, int]) -> tuple[Tensor, int]:
    """A picture of noise, cells of 3 pixels, and how many cells it has along each side: for painters of any size."""
    return torch.rand(3, *painter_sides, generator=torch.Generator().manual_seed(2), dtype=torch.float64), 3


QUERIES = {
    "the picture": Lattice(centres(1), centres(7), centres(11)),
    "twice as large": Lattice(centres(1), centres(14), centres(22)),
    "half as large": Lattice(centres(1), centres(3), centres(5)),
    "a crop": Lattice(centres(1), centres(2, 7, 4), centres(3, 11, 5)),
    "one pixel": Lattice(centres(1), centres(1, 7, 6), centres(1, 11, 3)),
    "anywhere": Points(torch.rand(50, 3, generator=torch.Generator().manual_seed(3), dtype=torch.float64)),
    "corners": Points(torch.cartesian_prod(*[torch.tensor([0.0, 1.0]).double()] * 3)),
}


@pytest.mark.parametrize("name", QUERIES)
def test_painted_pixels_are_read_like_a_grid(name: str):
    picture, cell = numbers((7, 11))
    query = QUERIES[name]

    def painter(asked: Query) -> Tensor:
        rows, columns = (
            ((asked.axis(axis) * side - cell / 2) / cell).round().long() for axis, side in ((1, 7), (2, 11))
        )
        cells = [
            picture[colour, (cell * rows + p).clamp(max=6), (cell * columns + q).clamp(max=10)]
            for p in range(cell)
            for q in range(cell)
            for colour in range(3)
        ]
        return torch.stack([one.expand(asked.shape) for one in cells])

    def pixels(axis: int, side: int) -> Tensor:
        """How much of each pixel a coordinate reads: (n, side)."""
        place = (query.axis(axis).flatten() * side - 0.5).clamp(0, side - 1)
        return (1 - (place[:, None] - torch.arange(side)).abs()).clamp(min=0)

    rows, columns = pixels(1, 7), pixels(2, 11)
    law = "yr,crs,xs->cyx" if isinstance(query, Lattice) else "nr,crs,ns->cn"
    expected = torch.einsum(law, rows, picture, columns)
    found = paint(painter, query, (7, 11), cell)
    torch.testing.assert_close(found.reshape(expected.shape), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("scale", [0.5, 1, 2])
@every_size
def test_a_scaled_picture_is_what_its_points_are_and_so_are_the_gradients(sides: tuple[int, int], scale: float):
    field = drawn(*sides)
    height, width = (math.ceil(scale * side) for side in sides)
    query = Lattice(torch.tensor([0.2, 0.5]).double(), centres(height), centres(width))
    found = []
    for asked in (query, query.points()):
        field.zero_grad(set_to_none=True)
        values = field(asked).reshape(-1, 3)
        (values * torch.linspace(-1, 1, values.numel(), dtype=torch.float64).reshape(values.shape)).sum().backward()
        gradients = {name: tensor.grad for name, tensor in field.tensors().items()}
        found.append({name: one.to_dense() for name, one in gradients.items() if one is not None} | {"": values})
    assert found[0].keys() == {*field.tensors(), ""}
    for name, tensor in found[0].items():
        torch.testing.assert_close(tensor, found[1][name], rtol=1e-10, atol=1e-10, msg=name)


def test_a_crop_is_a_part_of_the_picture():
    field = drawn(9, 12)
    whole = shown(field, 3, 9, 12)
    crop = field(Lattice(centres(3), centres(4, 9, 3), centres(5, 12, 6)))
    torch.testing.assert_close(crop, whole[:, 3:7, 6:11], rtol=0, atol=1e-12)


# The head


def test_the_plain_weights_of_a_pixel_sum_to_one_for_its_own_colour():
    by_colour = plain_weight().reshape(3, 4, 6, 9).sum(-1)
    expected = torch.zeros(3, 4, 6)
    expected[0, range(4), range(4)] = 1
    expected[1, :, 4] = expected[2, :, 5] = 1
    assert torch.equal(by_colour, expected)


@every_size
def test_without_weights_luma_is_shown_as_it_is(sides: tuple[int, int]):
    field = drawn(*sides, head=0.0)
    with torch.no_grad():
        film_of(field).chroma.zero_()
    luma, *differences = shown(field, 3, *sides).unbind(-1)  # the colours of this film are themselves
    torch.testing.assert_close(luma, film_of(field).luma.detach()[0] + 0.5, rtol=0, atol=1e-12)
    assert all(torch.equal(one, torch.full_like(one, 0.5)) for one in differences)


def test_without_weights_colours_are_interpolated_between_the_centres_of_cells():
    field = drawn(8, 10, head=0.0)
    with torch.no_grad():
        film_of(field).luma.zero_()
    chroma = film_of(field).chroma.detach()
    large = nn.functional.interpolate(chroma.movedim(0, 1), scale_factor=2, mode="bilinear", align_corners=False)
    torch.testing.assert_close(shown(field, 3, 8, 10)[..., 1:] - 0.5, large.movedim(1, -1), rtol=0, atol=1e-12)


def test_colours_mix_what_is_painted():
    field = drawn(6, 6)
    plain = drawn(6, 6)
    with torch.no_grad():
        head_of(plain).colours.copy_(torch.eye(3))
    expected = (shown(plain, 3, 6, 6) - 0.5) @ head_of(field).colours.T + 0.5
    torch.testing.assert_close(shown(field, 3, 6, 6), expected.detach(), rtol=0, atol=1e-12)


# The start


def half_coloured(frames: int, height: int, width: int) -> Tensor:
    """A clip whose colour differences are the same in all pixels of a cell, to a code value."""
    grey = moving_pictures(frames, height, width)[..., :1].astype(float) * 0.5 + 64
    cells = moving_pictures(frames, -(-height // 2), -(-width // 2), cell=3).astype(float)
    differences = 0.2 * (cells - cells.mean(-1, keepdims=True)).repeat(2, 1).repeat(2, 2)[:, :height, :width]
    return torch.from_numpy(np.rint(grey + differences).astype(np.uint8))


def started(rgb: Tensor, matrix: Matrix = "bt709") -> Field:
    field = FieldConfig({"film": Film(*rgb.shape[:3])}, Head()).build()
    start_film(field, rgb, matrix)
    return field


@pytest.mark.parametrize("matrix", ["bt601", "bt709", "bt2020", "rgb"])
@pytest.mark.parametrize("sides", [(24, 30), (25, 31), (1, 1)], ids=str)
def test_a_started_film_shows_the_luma_of_its_clip_exactly(sides: tuple[int, int], matrix: Matrix):
    rgb = half_coloured(3, *sides)
    field = started(rgb, matrix)
    to_luma = torch.linalg.inv(head_of(field).colours.detach().double())[0]
    luma = [(picture.double() @ to_luma) for picture in (shown(field, 3, *sides), rgb / 255)]
    # What a film keeps of every pixel is luma, whatever chroma does: single precision is all that is lost.
    torch.testing.assert_close(luma[0], luma[1], rtol=0, atol=1e-5)


def test_a_started_film_has_the_means_of_the_colours_of_its_cells():
    rgb = half_coloured(2, 12, 14)
    field = started(rgb)
    axes = torch.linalg.inv(head_of(field).colours.detach().double())
    pixels = (rgb.double() / 255 - 0.5) @ axes[1:].T
    means = pixels.reshape(2, 6, 2, 7, 2, 2).mean((2, 4)).movedim(-1, 0)
    torch.testing.assert_close(film_of(field).chroma.detach().double(), means, rtol=0, atol=1e-6)


@pytest.mark.parametrize("matrix", ["bt601", "bt709", "bt2020", "rgb"])
def test_a_grey_clip_has_no_colour_and_is_shown_exactly(matrix: Matrix):
    rgb = half_coloured(2, 10, 13)[..., :1].expand(-1, -1, -1, 3).contiguous()
    field = started(rgb, matrix)
    assert film_of(field).chroma.abs().max() < 1e-6
    torch.testing.assert_close(shown(field, 2, 10, 13), rgb / 255, rtol=0, atol=1e-5)


def test_colours_of_a_start_are_written_without_loss():
    colours = head_of(started(half_coloured(1, 4, 4))).colours.detach().numpy()
    chosen = recipe("rate").plan["decoder.colours"]
    np.testing.assert_array_equal(chosen.decode(chosen.encode(colours), (3, 3)), colours)


def test_a_started_film_stays_within_what_its_video_holds():
    assert isinstance(VIDEO, Video)
    assert VIDEO.amplitude is not None
    extremes = torch.cartesian_prod(*[torch.tensor([0, 255], dtype=torch.uint8)] * 3)
    for colour in extremes:
        film = film_of(started(colour.expand(1, 4, 4, 3).contiguous()))
        assert max(tensor.abs().max() for tensor in film.parameters()) <= VIDEO.amplitude + 0.01


def test_the_film_has_the_luma_of_the_matrix():
    weights = torch.linalg.inv(film_colours("bt601").double())[0]
    torch.testing.assert_close(weights, torch.tensor([0.299, 0.587, 0.114]).double(), rtol=0, atol=1e-6)


# The fit


def coded(rgb: Tensor, noise: float = 0.03) -> Field:
    """A film as a codec may leave it: smoothed, and with noise."""
    field = started(rgb)
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for tensor in film_of(field).parameters():
            tensor.copy_(0.8 * tensor + 0.2 * tensor.roll(1, -1))
            tensor += noise * torch.randn(tensor.shape, generator=generator)
    return field


def chunks(field: Field, compressor: Compressor, *, together: bool = False) -> list[Written]:
    """The chunks of the decoder, colours apart or in one with the weights."""
    head = head_of(field)
    weights: Sequence[nn.Parameter] = [head.weight, head.bias]
    if together:
        return [Written(Unguided(compressor, Guidance()), [head.colours, *weights])]
    return [Written(Unguided(compressor, Guidance()), part) for part in ([head.colours], weights)]


def squared_error(field: Field, rgb: Tensor) -> float:
    return float((shown(field, *rgb.shape[:3]) - rgb / 255).double().square().mean())


MUCH = 1e9
"""Bits of a film beside which those of a head are nothing."""
CLIP = torch.from_numpy(np.ascontiguousarray(moving_pictures(4, 32, 40)))


def test_the_head_is_that_of_brute_force_least_squares():
    field = coded(CLIP)
    rows, columns = cell_centres(32, 40)
    features = film_of(field)(Lattice(centres(4).float(), rows.float(), columns.float())).flatten(1).double().detach()
    inputs = torch.cat([features, torch.ones_like(features[:1])]).T
    colours = head_of(field).colours.detach().double()
    film = (CLIP.double() / 255 - 0.5) @ torch.linalg.inv(colours).T
    painted = film.reshape(4, 16, 2, 20, 2, 3).permute(5, 2, 4, 0, 1, 3).reshape(PAINTED, -1)
    best = torch.linalg.lstsq(inputs, (painted - plain_weight().double() @ features).T).solution.T
    error = fit_head(field, CLIP, MUCH, chunks(field, Raw()))  # which has no step
    weights = torch.cat([head_of(field).weight, head_of(field).bias[:, None]], 1).detach()
    # The least ridge, 1e-6 of the cells, moves weights that the film hardly depends on.
    torch.testing.assert_close(weights.double(), best, rtol=0, atol=5e-3)
    missed = (best @ inputs.T + plain_weight().double() @ features - painted).reshape(3, -1)
    least = float((colours @ missed).square().sum()) / CLIP.numel()
    assert least <= error * (1 + 1e-9)
    assert error == pytest.approx(least, rel=1e-4)


def test_the_error_it_tells_is_that_of_the_pictures():
    field = coded(CLIP)
    error = fit_head(field, CLIP, MUCH, chunks(field, Entropy(step=STEP, unit="absolute")))
    # Features go through single precision on one side; colours beyond black and white are not limited on either.
    assert error == pytest.approx(squared_error(field, CLIP), rel=1e-4)


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("sides", [(32, 40), (25, 31)], ids=str)
def test_weights_are_multiples_of_the_step(sides: tuple[int, int], together: bool):
    rgb = CLIP[:, : sides[0], : sides[1]].contiguous()
    field = coded(rgb)
    parts = chunks(field, Entropy(step=STEP, unit="absolute"), together=together)
    fit_head(field, rgb, MUCH, parts)
    compressor = parts[-1].guide.compressor
    assert isinstance(compressor, Entropy)
    for tensor in (head_of(field).weight, head_of(field).bias):
        assert torch.equal(tensor / compressor.step, (tensor / compressor.step).round())
    assert head_of(field).weight.any()
    before = head_of(field).weight.clone()
    parts[-1].guide.settle(parts[-1].tensors)
    assert torch.equal(head_of(field).weight, before), "writing them changes nothing"


def test_rounding_in_order_beats_rounding_each_by_itself():
    step, exact, rounded = 1 / 8, coded(CLIP), coded(CLIP)
    fit_head(exact, CLIP, MUCH, chunks(exact, Raw()))
    with torch.no_grad():
        for tensor in (head_of(exact).weight, head_of(exact).bias):
            tensor.copy_((tensor / step).round() * step)
    fit_head(rounded, CLIP, MUCH, chunks(rounded, Entropy(step=step, unit="absolute"), together=True))
    assert squared_error(rounded, CLIP) < 0.97 * squared_error(exact, CLIP)


@pytest.mark.parametrize(
    ("film_bits", "compressor"),
    [
        (100.0, Entropy(step=1 / 64, unit="absolute")),
        (MUCH, Entropy(step=1.0, unit="absolute")),
        (MUCH, Entropy(step=0.5, unit="rms")),
        (1e4, Uniform(bits=3)),
    ],
    ids=["dear", "coarse", "rms", "uniform"],
)
def test_a_head_is_never_worse_than_none_however_it_is_written(film_bits: float, compressor: Compressor):
    field = coded(CLIP)
    plain = squared_error(field, CLIP)
    parts = chunks(field, compressor)
    error = fit_head(field, CLIP, film_bits, parts)
    parts[-1].guide.settle(parts[-1].tensors)
    assert squared_error(field, CLIP) == pytest.approx(error, rel=1e-4)
    assert error <= plain * (1 + 1e-4)


def test_beside_a_tiny_film_no_weight_is_worth_its_bits():
    field = coded(CLIP, noise=0.1)
    parts = chunks(field, Entropy(step=STEP, unit="absolute"))
    plain = squared_error(field, CLIP)
    error = fit_head(field, CLIP, 8.0, parts)
    assert not head_of(field).weight.any()
    assert not head_of(field).bias.any()
    assert error == pytest.approx(plain, rel=1e-4)


def test_the_smaller_the_film_the_fewer_the_bits_of_its_head():
    sizes = []
    for film_bits in (1e3, 1e5, MUCH):
        field = coded(CLIP)
        parts = chunks(field, Entropy(step=STEP, unit="absolute"))
        fit_head(field, CLIP, film_bits, parts)
        sizes.append(parts[-1].guide.size(parts[-1].tensors))
    assert sizes[0] < sizes[1] < sizes[2]


@pytest.mark.parametrize("together", [False, True])
def test_only_a_chunk_of_weights_alone_is_made_coarser(together: bool):
    field = coded(CLIP)
    parts = chunks(field, Entropy(step=1 / 512, unit="absolute"), together=together)
    fit_head(field, CLIP, 2e4, parts)
    assert (parts[-1].guide.halvings == 0) == together
    assert all(part.guide.halvings == 0 for part in parts[:-1])


@pytest.mark.parametrize("codes", [0, 255], ids=["black", "white"])
def test_a_clip_of_one_colour_needs_no_head(codes: int):
    rgb = torch.full((2, 24, 26, 3), codes, dtype=torch.uint8)
    field = started(rgb)
    fit_head(field, rgb, 500.0, chunks(field, Entropy(step=STEP, unit="absolute")))
    assert not head_of(field).weight.any()
    torch.testing.assert_close(shown(field, 2, 24, 26), rgb / 255, rtol=0, atol=1e-5)


# The preset


def psnr(path: Path, pictures: NDArray[np.uint8]) -> float:
    """Of a file's pictures, in dB."""
    decoded = np.stack(list(fieldpress.open(path)))
    assert decoded.shape == pictures.shape
    return -10 * math.log10(np.square(decoded.astype(float) - pictures).mean() / 255**2 + 1e-12)


def pressed(folder: Path, pictures: NDArray[np.uint8], steps: int = 1) -> Path:
    """The file of a clip of these pictures, or of one."""
    (folder / "pictures").mkdir(parents=True)
    for number, picture in enumerate(pictures):
        write_picture(folder / "pictures" / f"{number}.png", rgb_frame(picture), "png")
    source = folder / "pictures" if len(pictures) > 1 else folder / "pictures" / "0.png"
    encode(source, folder / "out.fpr", QUICK, steps=steps)
    return folder / "out.fpr"


@pytest.mark.parametrize("size", [(6, 48, 64), (3, 31, 26), (1, 40, 33), (4, 24, 25)], ids=str)
def test_a_clip_comes_back(tmp_path: Path, size: tuple[int, ...]):
    pictures = moving_pictures(*size)
    # Blocks of random colours, each border of which lies across cells in every other picture: 4:2:0 is at its worst.
    assert psnr(pressed(tmp_path, pictures), pictures) > 23


@pytest.mark.parametrize("size", [(3, 1, 1), (3, 1, 30), (2, 30, 1), (1, 1, 1), (2, 23, 40)], ids=str)
def test_what_is_too_small_for_a_codec_comes_back(tmp_path: Path, size: tuple[int, ...]):
    pictures = moving_pictures(*size)
    assert psnr(pressed(tmp_path, pictures), pictures) > 20


@pytest.mark.parametrize("codes", [0, 128, 255])
def test_a_clip_of_one_grey_comes_back_exactly_and_small(tmp_path: Path, codes: int):
    pictures = np.full((5, 26, 31, 3), codes, np.uint8)
    path = pressed(tmp_path, pictures)
    assert psnr(path, pictures) > 45
    assert path.stat().st_size < 600


def test_a_clip_that_stands_still_costs_little_more_than_its_first_picture(tmp_path: Path):
    picture = moving_pictures(1, 48, 64)
    still, clip = pressed(tmp_path / "still", picture), pressed(tmp_path / "clip", picture.repeat(8, 0))
    assert psnr(clip, picture.repeat(8, 0)) > 23
    assert clip.stat().st_size < 1.5 * still.stat().st_size


def test_noise_comes_back_as_well_as_its_quality_says(tmp_path: Path):
    noise = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    # Colour at a quarter of the places and luma coarsely: little better than flat grey, which has 10.8 dB.
    assert psnr(pressed(tmp_path, noise), noise) > 11


def test_the_head_is_worth_its_bytes(tmp_path: Path):
    pictures = moving_pictures(8, 64, 80)
    path = pressed(tmp_path, pictures)
    fitted = psnr(path, pictures)
    field = fieldpress.open(path).field
    assert head_of(field).weight.any()
    with torch.no_grad():
        head_of(field).weight.zero_()
        head_of(field).bias.zero_()
        plain = -10 * math.log10(
            (shown(field, 8, 64, 80).clamp(0, 1) - torch.from_numpy(pictures) / 255).square().mean()
        )
    assert fitted > plain + 0.1


def test_a_film_is_settled_before_the_first_step_and_needs_no_more(tmp_path: Path):
    one, many = (pressed(tmp_path / str(steps), moving_pictures(3), steps) for steps in (1, 10_000))
    contents = [fieldpress.open(path).field.tensors() for path in (one, many)]
    assert all(map(torch.equal, *(tensors.values() for tensors in contents)))
    assert fieldpress.open(many).about.steps == 0


def test_another_decoder_is_refused_for_a_film(tmp_path: Path):
    source = write_clip(tmp_path / "clip.mkv", [rgb_frame(p) for p in moving_pictures(2)], "ffv1", "bgr0")
    chosen = replace(recipe("rate"), decoder=Mlp())
    with pytest.raises(ConfigError, match="preset rate: encoding film and decoder mlp do not go together"):
        encode(source, tmp_path / "out.fpr", chosen, steps=1)


def test_an_interrupted_run_goes_on_to_the_same_file():
    def trainer() -> Trainer:
        field = QUICK.field(*CLIP.shape[:3]).build()
        objective = ClipObjective(CLIP, QUICK.training, seed=0)
        return Trainer(field, objective, QUICK.plan, QUICK.training, Budget(steps=3))

    whole, stopped = trainer(), trainer()
    for _ in whole:
        pass
    stopped.chunks.settle_grids(0.0)  # as Ctrl-C leaves it: the film is written, the head is not found
    for one in (stopped, whole):
        resumed = trainer()
        resumed.load_state(one.state())
        for _ in resumed:
            pass
        assert resumed.payloads == whole.payloads
