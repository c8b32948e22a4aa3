"""The guide of compressors that round: noise, rounding, learned steps, and what bits are expected to cost."""

import io
import itertools
import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import nn

from fieldpress.coding.integers import encode_integers
from fieldpress.compressors import Entropy, Uniform
from fieldpress.compressors.guides import Guidance, Moment, build_guide
from fieldpress.compressors.rate import around, expected_bits, fit_prediction, laplace_bits, scale_of_integers
from fieldpress.compressors.rounding import Rounding

SHAPES = [(2, 4, 12, 14), (3, 10, 11), (5, 4), (6,)]
KINDS = {
    "entropy": Entropy(step=0.2),
    "entropy per channel": Entropy(step=0.2, unit="channel"),
    "entropy absolute": Entropy(step=0.1, unit="absolute"),
    "uniform": Uniform(bits=5),
}
every_compressor = pytest.mark.parametrize("name", KINDS)


def tensors(seed: int = 0) -> list[nn.Parameter]:
    """Smooth grids with some noise, weights and biases."""
    random = torch.Generator().manual_seed(seed)
    waves = [sum(torch.sin(torch.tensor(index) / 3.0) for index in np.indices(shape)[1:]) for shape in SHAPES[:2]]
    flat = [torch.zeros(shape) for shape in SHAPES[2:]]
    return [nn.Parameter(0.3 * w + 0.1 * torch.randn(w.shape, generator=random)) for w in [*waves, *flat]]


def guided(name: str, **times: float) -> tuple[Rounding, list[nn.Parameter]]:
    grids = tensors()
    guide = build_guide(KINDS[name], Guidance(kind="special", **times), grids)
    assert isinstance(guide, Rounding)
    guide.advance(grids, 0.0)
    return guide, grids


def steps_of(guide: Rounding, number: int, tensor: torch.Tensor) -> torch.Tensor:
    step = torch.exp2(guide.logarithms[number].detach())
    return step.reshape(-1, *[1] * (tensor.ndim - 1)) if len(step) > 1 else step


@every_compressor
def test_at_first_the_decoder_sees_noise_of_a_steps_width(name: str):
    guide, grids = guided(name)
    before = [grid.detach().clone() for grid in tensors()]
    guide.show(grids, Moment(0.1))
    for number, (grid, exact) in enumerate(zip(grids, before, strict=True)):
        error = (grid.detach() - exact) / steps_of(guide, number, grid)
        assert error.abs().max() <= 0.5 + 1e-4  # float32
        if error.numel() > 100:
            assert error.square().mean() == pytest.approx(1 / 12, rel=0.3)  # of uniform noise, from some 300 samples


@every_compressor
def test_in_the_end_it_sees_multiples_of_the_step(name: str):
    guide, grids = guided(name, settle=0.8)
    guide.show(grids, Moment(0.75))
    for number, grid in enumerate(grids):
        multiples = grid.detach() / steps_of(guide, number, grid)
        torch.testing.assert_close(multiples, multiples.round(), rtol=0, atol=1e-3)


def test_only_slices_that_were_read_are_shown_anew():
    guide, grids = guided("entropy")
    guide.show(grids, Moment(0.1))
    seen = grids[0].detach().clone()
    index = torch.tensor([[0, 1], [2, 2]])  # channels 0 and 1, time 2
    grids[0].grad = torch.sparse_coo_tensor(index, torch.zeros(2, 12, 14), SHAPES[0], check_invariants=True)
    guide.learn(grids, Moment(0.1))
    guide.show(grids, Moment(0.1))
    changed = (grids[0].detach() != seen).flatten(2).any(2)
    assert changed.tolist() == [[False, False, True, False]] * 2


def test_a_step_learns_from_the_error_it_makes():
    guide, grids = guided("entropy")
    guide.show(grids, Moment(0.1))
    noise = guide.errors()[1].clone()
    grids[1].grad = noise.clone()  # as if the loss grew with the square of the error
    guide.learn(grids, Moment(0.1))
    found = guide.logarithms[1].grad
    assert found is not None
    torch.testing.assert_close(found, noise.square().sum().reshape(1) * math.log(2))


def test_a_price_on_bits_makes_steps_larger_and_values_smaller():
    guide, grids = guided("entropy")
    guide.show(grids, Moment(0.1))
    for grid in grids:
        grid.grad = torch.zeros_like(grid)
    guide.learn(grids, Moment(0.1, bit_price=1.0))
    assert all(float(logarithm.grad) < 0 for logarithm in guide.logarithms[:3] if logarithm.grad is not None)
    gradient, value = grids[2].grad, grids[2].detach()
    assert gradient is not None
    assert float((gradient * value).sum()) > 0


def priced(guide: Rounding, grids: list[nn.Parameter], times: Sequence[int] | None = None) -> list[torch.Tensor]:
    """What the price alone adds to the gradients of the volume, and to those of its steps, if they are learned.

    Args:
        guide: Of the grids, the first of which is a volume.
        grids: Of the guide.
        times: Of the volume, that the step has read; all, as a dense gradient, if None.
    """
    for grid in grids:
        grid.grad = torch.zeros_like(grid)
    if times is not None:
        index = torch.cartesian_prod(torch.arange(SHAPES[0][0]), torch.tensor(times)).T
        nothing = torch.zeros(index.shape[1], *SHAPES[0][2:])
        grids[0].grad = torch.sparse_coo_tensor(index, nothing, SHAPES[0], check_invariants=True)
    guide.learn(grids, Moment(0.1, bit_price=1e-3))
    assert grids[0].grad is not None
    of_steps = guide.logarithms[0].grad
    return [grids[0].grad.to_dense(), *([of_steps.clone()] if of_steps is not None else [])]


@every_compressor
def test_whatever_slices_steps_read_on_average_they_pay_for_all(name: str):
    guide, grids = guided(name)
    pairs = [priced(guide, grids, times) for times in itertools.combinations(range(SHAPES[0][1]), 2)]
    for read, whole in zip(zip(*pairs, strict=True), priced(guide, grids), strict=True):
        # All pairs of times, not some at random: the mean is exact but for float32.
        torch.testing.assert_close(torch.stack(read).mean(0), whole, rtol=1e-4, atol=1e-5 * float(whole.abs().max()))


@every_compressor
def test_the_price_is_on_the_bits_that_the_whole_volume_is_expected_to_take(name: str):
    guide, grids = guided(name)
    found = priced(guide, grids)
    volume, logarithm = (tensor.detach().clone().requires_grad_() for tensor in (grids[0], guide.logarithms[0]))
    cells = volume / torch.exp2(logarithm).reshape(-1, 1, 1, 1)
    before = torch.cat([torch.zeros_like(cells[:, :1]), cells[:, :-1]], 1)
    bits = expected_bits(cells.flatten(0, 1), before.flatten(0, 1), guide.get_buffer("weights")[0]).sum()
    wanted = torch.autograd.grad(1e-3 * guide.calibration * bits, [volume, logarithm])
    for gradient, exact in zip(found, wanted, strict=False):  # of the steps only where these are learned
        torch.testing.assert_close(gradient, exact, rtol=1e-4, atol=1e-5 * float(exact.abs().max()))  # float32


def test_steps_that_the_file_does_not_hold_are_not_learned():
    guide, grids = guided("entropy absolute")
    guide.show(grids, Moment(0.1))
    for grid in grids:
        grid.grad = torch.ones_like(grid)
    guide.learn(grids, Moment(0.1, bit_price=1.0))
    assert all(logarithm.grad is None for logarithm in guide.logarithms)


@pytest.mark.parametrize(("name", "grown"), [("entropy", 3.0), ("entropy absolute", 0.0)])
def test_steps_follow_grids_that_grow_not_those_that_shrink(name: str, grown: float):
    guide, grids = guided(name)
    with torch.no_grad():
        guide.logarithms[0] += 0.5  # learned
    before = guide.logarithms[0].detach().clone()
    for factor, expected in ((1 / 8, 0.0), (64, grown), (1 / 8, grown)):
        with torch.no_grad():
            grids[0].mul_(factor)
        guide.meet(grids)
        torch.testing.assert_close(guide.logarithms[0].detach(), before + expected)


@pytest.mark.parametrize("name", ["entropy", "uniform"])
def test_a_bias_that_begins_as_zero_gets_steps_of_its_own_size(name: str):
    bias = nn.Parameter(torch.zeros(8))
    guide = build_guide(KINDS[name], Guidance(kind="special"), [bias])
    guide.advance([bias], 0.0)
    with torch.no_grad():
        bias += torch.linspace(-0.1, 0.1, 8)
    guide.advance([bias], 0.1)
    exact = bias.detach().clone()
    guide.settle([bias])
    assert (bias - exact).abs().max() < 0.03  # half a step of entropy is a tenth of the root mean square: 0.007


def test_a_channel_that_vanishes_for_once_keeps_its_step():
    guide, grids = guided("uniform")
    before = guide.logarithms[0].detach().clone()
    grid = grids[0].detach().clone()
    for values in (torch.zeros_like(grid), grid):
        with torch.no_grad():
            grids[0].copy_(values)
        guide.meet(grids)
        torch.testing.assert_close(guide.logarithms[0].detach(), before)


@every_compressor
def test_the_file_has_the_learned_steps(name: str):
    guide, grids = guided(name)
    coarse = guide.size(grids)
    guide.coarsen(1.0)
    assert guide.size(grids) < coarse
    data = guide.settle(grids)
    assert guide.bits == 8 * len(data)
    for grid, value in zip(grids, guide.compressor.decode_all(data, SHAPES), strict=True):
        np.testing.assert_array_equal(grid.detach().numpy(), value)


def test_a_guide_goes_on_from_its_state():
    first, grids = guided("entropy per channel")
    first.show(grids, Moment(0.1))
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    second = build_guide(KINDS["entropy per channel"], Guidance(kind="special"), tensors())
    second.load_state_dict(torch.load(file, weights_only=True))
    copies = [nn.Parameter(grid.detach().clone()) for grid in grids]
    for guide, group in ((first, grids), (second, copies)):
        for grid in group:
            grid.grad = torch.ones_like(grid)
        guide.learn(group, Moment(0.2))
        guide.show(group, Moment(0.2))
    for one, other in zip(grids, copies, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


# Expected bits


@pytest.mark.parametrize("magnitude", [0.1, 0.7, 5.0])
def test_the_probabilities_of_all_integers_add_up_to_one(magnitude: float):
    bits = laplace_bits(torch.arange(-200.0, 201.0, dtype=torch.float64), torch.tensor(magnitude, dtype=torch.float64))
    assert float(torch.exp2(-bits).sum()) == pytest.approx(1, abs=1e-9)


def test_expected_bits_have_the_right_gradient():
    values = torch.linspace(-4, 4, 37, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: laplace_bits(x, torch.tensor(0.8, dtype=torch.float64)), values)


def test_bits_far_out_grow_without_end():
    assert math.isfinite(float(laplace_bits(torch.tensor(1e6), torch.tensor(0.02))))


def test_around_is_the_mean_of_four():
    slices = torch.arange(12.0).reshape(1, 3, 4)
    assert float(around(slices)[0, 1, 1]) == (1 + 9 + 4 + 6) / 4
    assert float(around(slices)[0, 0, 0]) == (0 + 4 + 0 + 1) / 4


@pytest.mark.parametrize("scale", [0.1, 0.3, 1.0, 10.0])
def test_the_scale_of_a_distribution_follows_from_its_integers(scale: float):
    integers = torch.arange(1.0, 400.0, dtype=torch.float64)
    exact = torch.tensor(scale, dtype=torch.float64)
    mean = 2 * (integers * torch.exp2(-laplace_bits(integers, exact))).sum()
    torch.testing.assert_close(scale_of_integers(mean), exact)


@pytest.mark.parametrize("scale", [0.2, 0.3, 0.6, 2.0])
def test_expected_bits_of_noise_are_near_those_of_the_coder(scale: float):
    grid = np.random.default_rng(0).laplace(0, scale, (16, 48, 64))  # at the least scale, 8 of 100 cells are not zero
    slices = torch.tensor(grid, dtype=torch.float32)
    nothing = torch.zeros_like(slices)
    expected = float(expected_bits(slices, nothing, fit_prediction(slices, nothing)).sum())
    true = 8 * len(encode_integers(np.rint(grid).astype(np.int64)))
    assert expected == pytest.approx(true, rel=0.2)  # nothing predicts noise: only how magnitudes are learned differs


@pytest.mark.parametrize("scale", [2.0, 8.0])
def test_expected_bits_are_near_those_of_the_coder(scale: float):
    grid = scale * np.sin(np.indices((2, 8, 48, 64))[1:] / 5).sum(0)
    grid = grid + np.random.default_rng(0).normal(0, scale / 4, grid.shape)
    cells = torch.tensor(grid, dtype=torch.float32)
    before = torch.zeros_like(cells)
    before[:, 1:] = cells[:, :-1]
    slices, earlier = cells.flatten(0, 1), before.flatten(0, 1)
    expected = float(expected_bits(slices, earlier, fit_prediction(slices, earlier)).sum())
    true = 8 * len(encode_integers(np.rint(grid).astype(np.int64)))
    assert expected == pytest.approx(true, rel=0.3)  # the law for every estimate of bits
