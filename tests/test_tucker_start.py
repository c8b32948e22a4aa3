"""The start from a Tucker decomposition: grids, units and outputs that show the clip before the first step."""

import math

import numpy as np
import pytest
import torch

from clips import moving_pictures
from fieldpress.decoders import Mlp, Siren
from fieldpress.encodings import Planes, Volume
from fieldpress.encodings.levels import Level
from fieldpress.errors import ConfigError
from fieldpress.field import Field, FieldConfig, Lattice
from fieldpress.grids import FittedGrids, KeyframeGrids
from fieldpress.training.colours import PEAK
from fieldpress.training.projection import axis
from fieldpress.training.start import start_field

CPU = torch.device("cpu")


def field_of(rgb: torch.Tensor, grids: KeyframeGrids | FittedGrids, decoder: Mlp | None = None) -> Field:
    torch.manual_seed(0)
    return FieldConfig(grids.encodings(*rgb.shape[:3]), decoder or Mlp()).build()


def started(rgb: torch.Tensor, grids: KeyframeGrids | FittedGrids, decoder: Mlp | None = None) -> Field:
    field = field_of(rgb, grids, decoder)
    start_field(field, rgb, "tucker")
    return field


def centres(count: int) -> torch.Tensor:
    return (torch.arange(count) + 0.5) / count


def shown(field: Field, rgb: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return field(Lattice(*(centres(side) for side in rgb.shape[:3])))


def psnr(field: Field, rgb: torch.Tensor) -> float:
    return -10 * math.log10(float((shown(field, rgb) - rgb / 255).square().mean()) + 1e-12)


def assert_shown(field: Field, rgb: torch.Tensor) -> None:
    # A tenth of a code value: least squares against a ridge of 1e-5 leaves that much.
    torch.testing.assert_close(shown(field, rgb), rgb / 255, rtol=0, atol=0.1 / 255)


def moving_clip(*size: int) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(moving_pictures(*size)))


def rank_one_clip() -> torch.Tensor:
    """Whole numbers that are a product of a function of t, one of y, one of x and a colour."""
    t, y, x = torch.tensor([1, 3, 2, 5]), torch.arange(12) % 5, torch.arange(16) % 4
    return torch.einsum("t,y,x,c->tyxc", t, y, x, torch.tensor([4, 2, 1])).to(torch.uint8)


def textured_clip() -> torch.Tensor:
    """A still texture of black and white; in the second half of the clip, the right half of it is grey."""
    texture = 255 * torch.randint(2, (24, 32), generator=torch.Generator().manual_seed(3))
    clip = texture.expand(8, 24, 32).clone()
    clip[4:, :, 16:] = 128
    return clip[..., None].expand(-1, -1, -1, 3).to(torch.uint8).contiguous()


def test_the_start_shows_what_random_numbers_do_not():
    clip = moving_clip(8, 48, 64)
    # Random grids show grey: these pictures are 10 dB from that.
    grids = KeyframeGrids(parameters_per_pixel=0.25)
    assert psnr(started(clip, grids), clip) > psnr(field_of(clip, grids), clip) + 10


def test_a_clip_of_rank_one_is_shown_exactly_by_a_volume_of_its_size():
    clip = rank_one_clip()
    assert_shown(started(clip, KeyframeGrids(parameters_per_pixel=4, plane_features=0)), clip)


def test_a_coarse_volume_shows_a_clip_that_is_linear_between_its_cells():
    volume = Volume((Level(3, 4, 3, 4),)).build()
    with torch.no_grad():
        volume.levels[0].copy_(torch.rand(3, 4, 3, 4, generator=torch.Generator().manual_seed(1)))
        centre = volume(Lattice(centres(4), centres(24), centres(32)))[4::9]
    clip = (255 * centre).round().to(torch.uint8).movedim(0, -1).contiguous()
    field = FieldConfig({"volume": Volume((Level(3, 4, 3, 4),))}, Mlp()).build()
    start_field(field, clip, "tucker")
    # Rounding to code values is off by half of one, and least squares does not amplify it.
    torch.testing.assert_close(shown(field, clip), clip / 255, rtol=0, atol=1 / 255)


def test_a_still_picture_is_shown_exactly_by_its_plane():
    clip = moving_clip(1, 24, 32).expand(5, -1, -1, -1).contiguous()
    assert_shown(started(clip, KeyframeGrids(plane_features=3)), clip)


def test_a_detail_that_disappears_is_shown_by_a_product():
    clip = textured_clip()
    four, three = (
        started(clip, KeyframeGrids(volume_features=n, parameters_per_pixel=n / 16), Mlp(width=32)) for n in (4, 3)
    )
    assert four.encodings["volume"].levels[0].shape[1:] == three.encodings["volume"].levels[0].shape[1:]
    # The sum alone shows half of the texture everywhere.
    assert psnr(four, clip) > psnr(three, clip) + 2


@pytest.mark.parametrize(
    "grids",
    [
        KeyframeGrids(),
        KeyframeGrids(nested=True),
        KeyframeGrids(flow=16),
        KeyframeGrids(volume_features=0),
        KeyframeGrids(plane_features=0),
        KeyframeGrids(plane_features=1, plane_levels=1, volume_features=1),
        FittedGrids(),
        FittedGrids(plane_features=2),
    ],
    ids=str,
)
def test_every_kind_of_grids_starts_closer_than_grey_and_within_range(grids: KeyframeGrids | FittedGrids):
    clip = moving_clip(4, 24, 32)
    field = started(clip, grids)
    assert psnr(field, clip) > psnr(field_of(clip, grids), clip) + 0.5
    for encoding in field.encodings.values():
        for tensor in encoding.parameters():
            assert tensor.abs().max() <= PEAK + 1e-6


@pytest.mark.parametrize("repeats", [1, 2], ids=["as many times", "half as many times"])
def test_a_volume_read_at_the_nearest_cell_shows_pictures_that_repeat(repeats: int):
    clip = moving_clip(3, 24, 32).repeat_interleave(repeats, 0)
    field = FieldConfig({"volume": Volume((Level(3, 3, 24, 32),), 1, "nearest")}, Mlp()).build()
    start_field(field, clip, "tucker")
    assert_shown(field, clip)


@pytest.mark.parametrize("size", [(3, 8, 10), (1, 8, 10), (4, 1, 1), (2, 1, 9)], ids=str)
@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (3, 200, 77)], ids=str)
def test_a_clip_of_one_colour_is_shown_exactly(size: tuple[int, int, int], colour: tuple[int, int, int]):
    clip = torch.tensor(colour, dtype=torch.uint8).expand(*size, 3).contiguous()
    assert_shown(started(clip, KeyframeGrids()), clip)


def test_a_clip_without_colour_leaves_the_other_channels_empty():
    clip = moving_clip(4, 24, 32)[..., :1].expand(-1, -1, -1, 3).contiguous()
    volume = started(clip, KeyframeGrids()).encodings["volume"].levels[0]
    assert volume[0].abs().max() > 0.4
    assert not volume[1:3].any()


def test_the_start_is_the_same_every_time_and_draws_no_random_numbers():
    clip = moving_clip(3, 24, 32)
    one, other = started(clip, KeyframeGrids()), field_of(clip, KeyframeGrids())
    before = torch.get_rng_state()
    start_field(other, clip, "tucker")
    assert torch.equal(torch.get_rng_state(), before)
    for name, tensor in one.tensors().items():
        assert torch.equal(tensor, other.tensors()[name]), name


def test_a_decoder_narrower_than_its_products_still_starts():
    clip = moving_clip(3, 24, 32)
    assert math.isfinite(psnr(started(clip, KeyframeGrids(), Mlp(width=1, depth=1)), clip))


def test_a_decoder_without_a_linear_path_is_refused():
    field = FieldConfig({"planes": Planes(1, ((2, 2),), (), ())}, Siren()).build()
    with pytest.raises(ConfigError, match="--init random"):
        start_field(field, moving_clip(1, 2, 2), "tucker")


def test_random_leaves_a_field_as_it_is():
    clip = moving_clip(3, 24, 32)
    field, same = field_of(clip, KeyframeGrids()), field_of(clip, KeyframeGrids())
    start_field(field, clip, "random")
    for name, tensor in field.tensors().items():
        assert torch.equal(tensor, same.tensors()[name]), name


@pytest.mark.parametrize(("samples", "cells"), [(12, 5), (7, 7), (20, 20), (9, 3)])
def test_the_fit_of_an_axis_is_the_pseudo_inverse_of_its_reading(samples: int, cells: int):
    found = axis(samples, cells, CPU)
    if samples == cells:
        assert found.read is None
        assert found.fit is None
    else:
        assert found.read is not None
        # Single precision, of matrices whose condition is below ten.
        torch.testing.assert_close(found.fit, torch.linalg.pinv(found.read), rtol=0, atol=1e-5)


def test_cells_that_no_pixel_reads_stay_zero():
    found = axis(2, 8, CPU, nearest=True)
    assert found.fit is not None
    assert (found.fit.abs().sum(1) > 0.5).tolist() == [False, False, True, False, False, False, True, False]
