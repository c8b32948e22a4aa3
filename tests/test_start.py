"""The start from the source: before the first step the field already shows the clip."""

import numpy as np
import pytest
import torch

from clips import moving_pictures
from fieldpress.decoders import DECODERS, CellMlp, Head, Mlp, Siren
from fieldpress.encodings import CellVolume, Film, Planes, Volume, WideFilm
from fieldpress.encodings.levels import Level
from fieldpress.errors import ConfigError
from fieldpress.field import Field, FieldConfig, Lattice
from fieldpress.grids import FittedGrids
from fieldpress.training.start import PEAK, start_field, start_from_source


@pytest.fixture(params=["mlp", "cell-mlp"])
def decoder(request: pytest.FixtureRequest) -> Mlp:
    return DECODERS[request.param]()


def started(rgb: torch.Tensor, decoder: Mlp, grids: FittedGrids | None = None) -> Field:
    frames, height, width, _ = rgb.shape
    encodings = (grids or FittedGrids()).encodings(frames, height, width, decoder.cell)
    field = FieldConfig(encodings, decoder).build()
    start_from_source(field, rgb)
    return field


def centres(count: int) -> torch.Tensor:
    return (torch.arange(count) + 0.5) / count


def shown(field: Field, frames: int, height: int, width: int) -> torch.Tensor:
    with torch.no_grad():
        return field(Lattice(centres(frames), centres(height), centres(width)))


def colour_clip(*size: int) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(moving_pictures(*size)))


def grey_clip(*size: int) -> torch.Tensor:
    return colour_clip(*size)[..., :1].expand(-1, -1, -1, 3).contiguous()


@pytest.mark.parametrize("size", [(4, 24, 32), (3, 25, 31), (1, 24, 32), (5, 1, 1), (2, 1, 40)], ids=str)
def test_a_grey_clip_is_shown_exactly(size: tuple[int, ...], decoder: Mlp):
    clip = grey_clip(*size)
    # Each number goes through two products in single precision: 1e-5 is a four-hundredth of a code value.
    torch.testing.assert_close(shown(started(clip, decoder), *size), clip / 255, rtol=0, atol=1e-5)


def test_pictures_of_one_colour_each_are_shown_exactly(decoder: Mlp):
    clip = torch.randint(256, (6, 1, 1, 3), dtype=torch.uint8).expand(6, 30, 20, 3).contiguous()
    torch.testing.assert_close(shown(started(clip, decoder), 6, 30, 20), clip / 255, rtol=0, atol=1e-5)


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (3, 200, 77)])
def test_a_clip_of_one_colour_is_shown_exactly(colour: tuple[int, int, int], decoder: Mlp):
    clip = torch.tensor(colour, dtype=torch.uint8).expand(3, 8, 10, 3).contiguous()
    torch.testing.assert_close(shown(started(clip, decoder), 3, 8, 10), clip / 255, rtol=0, atol=1e-5)


def test_a_coarser_field_shows_the_mean_of_each_of_its_cells(decoder: Mlp):
    clip = grey_clip(3, 24, 32)
    field = started(clip, decoder, FittedGrids(parameters_per_pixel=1.5 / 4))
    means = (clip / 255).reshape(3, 12, 2, 16, 2, 3).mean((2, 4))
    torch.testing.assert_close(shown(field, 3, 12, 16), means, rtol=0, atol=1e-5)


def test_fewer_times_show_the_mean_of_the_pictures_around():
    clip = grey_clip(6, 10, 12)
    field = FieldConfig({"volume": Volume((Level(1, 2, 10, 12),))}, Mlp()).build()
    start_from_source(field, clip)
    means = (clip / 255).reshape(2, 3, 10, 12, 3).mean(1)
    torch.testing.assert_close(shown(field, 2, 10, 12), means, rtol=0, atol=1e-5)


def test_colours_lose_no_more_than_their_halved_resolution(decoder: Mlp):
    clip = colour_clip(4, 48, 64)
    error = (shown(started(clip, decoder), 4, 48, 64) - clip / 255).square().mean()
    grey = (shown(started(grey_clip(4, 48, 64), decoder), 4, 48, 64) - clip / 255).square().mean()
    assert error < 0.25 * grey


@pytest.mark.parametrize("size", [(2, 49, 65), (2, 97, 33)], ids=str)
def test_colours_stay_in_place_in_pictures_of_odd_sides(size: tuple[int, int, int]):
    clip = colour_clip(*size)
    even = clip[:, : size[1] // 2 * 2, : size[2] // 2 * 2]
    errors = [(shown(started(part, CellMlp()), *part.shape[:3]) - part / 255).square().mean() for part in (clip, even)]
    assert errors[0] < 1.15 * errors[1]


def test_a_volume_whose_cells_are_not_the_decoders_is_not_started():
    clip = grey_clip(2, 10, 12)
    volumes = {"volume": Volume((Level(1, 2, 10, 12),)), "volume2": CellVolume((Level(1, 2, 10, 12),))}
    field = FieldConfig(volumes, CellMlp(8, 1)).build()
    start_from_source(field, clip)
    torch.testing.assert_close(shown(field, 2, 10, 12), clip / 255, rtol=0, atol=1e-5)


def test_grids_stay_within_what_a_video_compressor_holds(decoder: Mlp):
    for tensor in started(colour_clip(4, 48, 64), decoder).encodings["volume"].parameters():
        assert tensor.abs().max() <= PEAK + 1e-6


@pytest.mark.parametrize("plane_features", [0, 2])
def test_other_encodings_are_left_out_of_the_linear_path(plane_features: int, decoder: Mlp):
    clip = grey_clip(3, 24, 32)
    field = started(clip, decoder, FittedGrids(plane_features=plane_features))
    torch.testing.assert_close(shown(field, 3, 24, 32), clip / 255, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "config",
    [
        FieldConfig({"planes": Planes(1, ((2, 2),), (), ())}, Mlp()),
        FieldConfig({"volume": Volume((Level(1, 1, 2, 2),))}, Siren()),
    ],
    ids=["no volume", "no linear path"],
)
def test_a_field_that_cannot_start_says_so(config: FieldConfig):
    field = config.build()
    with pytest.raises(ConfigError, match="start random"):
        start_from_source(field, grey_clip(1, 2, 2))


@pytest.mark.parametrize("size", [(3, 24, 32), (2, 25, 31)], ids=str)
@pytest.mark.parametrize("film", [Film, WideFilm])
def test_a_film_looks_the_same_with_any_decoder(film: type[Film], size: tuple[int, int, int]):
    clip, pictures = colour_clip(*size), []
    for decoder in (Head(), CellMlp(8, 1)):
        config = Film(*size) if isinstance(decoder, Head) else film(*size)
        field = FieldConfig({"film": config}, decoder).build()
        start_field(field, clip, "source")
        pictures.append(shown(field, *size))
    torch.testing.assert_close(*pictures, rtol=0, atol=1e-6)
    assert (pictures[0] - clip / 255).square().mean() < 1e-2
