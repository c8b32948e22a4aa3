"""The guide of video codecs: what pictures are expected to cost, and what a price on that does to tensors."""

import io
import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from fieldpress.compressors import Video
from fieldpress.compressors.guides import Guidance, Moment, build_guide
from fieldpress.compressors.transform_rate import bits, cells, cheapest, coefficients, detail, slopes
from fieldpress.compressors.video_guide import VideoGuide

SHAPES = [(2, 5, 26, 32), (3, 30, 41), (6,)]  # a volume, a plane, and a vector, which makes no picture
CODECS = {
    "x265": Video(codec="x265", crf=24, preset="ultrafast", per="tensor"),
    "x265, a range for each channel": Video(codec="x265", crf=24, preset="ultrafast"),
    "x265-intra, one picture": Video(codec="x265-intra", crf=24, preset="ultrafast", per="tensor", layout="atlas"),
    "svt-av1, fixed range": Video(codec="svt-av1", crf=30, preset="12", amplitude=2.0),
}
every_codec = pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
OFFSETS = [(0, 0), (3, 5), (7, 1)]
PRICED = Moment(0.5, bit_price=1e-3)


def tensors(seed: int = 0) -> list[nn.Parameter]:
    """Smooth, with noise."""
    random = torch.Generator().manual_seed(seed)
    waves = [torch.as_tensor(sum(np.sin(index / 5) for index in np.indices(shape)[1:])).float() for shape in SHAPES[:2]]
    return [nn.Parameter(0.4 * w + 0.1 * torch.randn(w.shape, generator=random)) for w in [*waves, torch.zeros(6)]]


def guided(codec: Video, **times: float) -> tuple[VideoGuide, list[nn.Parameter]]:
    grids = tensors()
    guide = build_guide(codec, Guidance(kind="special", **times), grids)
    assert isinstance(guide, VideoGuide)
    guide.advance(grids, 0.0)
    return guide, grids


def priced(guide: VideoGuide, grids: list[nn.Parameter], moment: Moment = PRICED) -> list[torch.Tensor]:
    """What the price alone adds to the gradients."""
    for grid in grids:
        grid.grad = torch.zeros_like(grid)
    guide.learn(grids, moment)
    return [grid.grad.clone() for grid in grids if grid.grad is not None]


# The estimate of bits


@pytest.mark.parametrize("offset", OFFSETS)
@pytest.mark.parametrize("shape", [(2, 16, 24), (3, 5, 9), (1, 1, 1)])
def test_cells_come_back_from_their_coefficients(shape: tuple[int, ...], offset: tuple[int, int]):
    slices = torch.randn(shape)
    # float32, eight numbers summed up four times
    torch.testing.assert_close(cells(coefficients(slices, offset), slices, offset), slices, rtol=0, atol=1e-5)


def test_coefficients_have_the_energy_of_their_cells():
    slices = torch.randn(2, 16, 24)
    torch.testing.assert_close(coefficients(slices).square().sum(), slices.square().sum(), rtol=1e-5, atol=0)


def test_the_slopes_are_the_gradient_of_the_bits():
    slices, error = torch.randn(2, 16, 24, requires_grad=True), torch.tensor([0.5, 2.0])
    bits(detail(coefficients(slices)), error).sum().backward()
    assert slices.grad is not None
    rest = detail(coefficients(slices.detach()))
    torch.testing.assert_close(cells(slopes(rest, error), slices), slices.grad, rtol=0, atol=1e-5)  # float32


def test_a_coefficient_as_strong_as_the_error_costs_half_a_bit_and_each_doubling_from_afar_one():
    found = [float(bits(torch.full((1, 1, 1, 8, 8), value), torch.ones(1))[0, 0, 0, 0, 0]) for value in (1.0, 64, 128)]
    assert found[0] == 0.5
    assert found[2] - found[1] == pytest.approx(1.0, abs=1e-3)  # log2(1 + 1 / 64^2) / 2 is missing


def test_what_a_neighbour_in_time_shows_already_costs_nothing():
    still, other = coefficients(torch.randn(1, 16, 16)), coefficients(torch.randn(1, 16, 16))
    for before, after in ((still, other), (other, still), (2 * still - other, other)):
        rest = cheapest(still, before, after, torch.ones(1))
        assert float(rest.abs().max()) < 1e-5  # float32


def test_a_flat_block_costs_nothing():
    flat = coefficients(torch.full((1, 8, 8), 3.0))
    assert float(bits(cheapest(flat, 0 * flat, 0 * flat, torch.ones(1)), torch.ones(1)).sum()) < 1e-9


# The price


@every_codec
def test_a_step_against_the_price_saves_real_bytes(codec: Video):
    guide, grids = guided(codec)
    before = guide.size(grids)
    with torch.no_grad():
        for _ in range(8):
            for grid, gradient in zip(grids, priced(guide, grids), strict=True):
                grid -= 0.02 * gradient / gradient.abs().mean().clamp_min(1e-12)
    assert guide.size(grids) < 0.9 * before


@every_codec
def test_without_a_price_it_is_the_round_trip(codec: Video):
    guide, grids = guided(codec)
    assert all(not gradient.any() for gradient in priced(guide, grids, Moment(0.5)))
    plain = tensors()
    build_guide(codec, Guidance(kind="round-trip"), plain).advance(plain, 0.0)
    assert all(map(torch.equal, grids, plain))


def test_nothing_has_a_price_before_the_first_round_trip():
    grids = tensors()
    guide = build_guide(CODECS["x265"], Guidance(kind="special", start=0.5), grids)
    assert isinstance(guide, VideoGuide)
    assert all(not gradient.any() for gradient in priced(guide, grids))


def test_what_makes_no_picture_has_no_price():
    guide, grids = guided(CODECS["x265"])
    volume, plane, vector = priced(guide, grids)
    assert volume.any()
    assert plane.any()
    assert not vector.any()


def test_slices_that_a_step_has_read_pay_for_all():
    guide, grids = guided(CODECS["x265"])
    dense = priced(guide, grids)[0]
    index = torch.tensor([[0, 1, 0, 1], [1, 1, 3, 3]])  # two of five times
    grids[0].grad = torch.sparse_coo_tensor(index, torch.zeros(4, *SHAPES[0][2:]), SHAPES[0], check_invariants=True)
    guide.steps -= 1  # so that blocks begin where they did
    guide.learn(grids, PRICED)
    assert grids[0].grad.is_sparse
    found = grids[0].grad.to_dense()
    torch.testing.assert_close(found[:, [1, 3]], 5 / 2 * dense[:, [1, 3]])
    assert not found[:, [0, 2, 4]].any()


def test_the_price_follows_the_codec_when_a_size_turns_it():
    guide, grids = guided(CODECS["x265"])
    before = priced(guide, grids)
    guide.coarsen(1.0)
    guide.steps -= 1
    for cheap, dear in zip(before, priced(guide, grids), strict=True):
        torch.testing.assert_close(dear, 4 * cheap)


def test_constant_tensors_are_fine():
    grids = [nn.Parameter(torch.full((2, 30, 41), 0.25))]
    guide = build_guide(CODECS["x265"], Guidance(kind="special"), grids)
    guide.advance(grids, 0.0)
    grids[0].grad = torch.zeros_like(grids[0])
    guide.learn(grids, PRICED)
    assert not grids[0].grad.any()


@every_codec
def test_the_price_survives_a_checkpoint(codec: Video):
    guide, grids = guided(codec)
    priced(guide, grids)
    file = io.BytesIO()
    torch.save(guide.state_dict(), file)
    file.seek(0)
    state: dict[str, Any] = torch.load(file, weights_only=True)
    other = build_guide(codec, Guidance(kind="special"), grids)
    other.load_state_dict(state)
    assert isinstance(other, VideoGuide)
    assert all(map(torch.equal, priced(other, grids), priced(guide, grids)))


def test_expected_bits_are_calibrated_by_real_ones():
    guide, _ = guided(CODECS["x265"])
    assert math.isfinite(guide.calibration)
    assert 0.2 < guide.calibration < 5  # the estimate is of the right order by itself
