"""Tucker: ranks, the decomposition, exact reconstruction, the compressor and its guide."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorly
import torch
from tensorly import decomposition
from torch import nn

import fieldpress
from clips import moving_pictures, rgb_frame, write_clip
from fieldpress.compressors import Array, Entropy, Raw, Tucker
from fieldpress.compressors.fixedpoint import expand, unit_rows
from fieldpress.compressors.guides import Guidance, Moment, build_guide
from fieldpress.compressors.hosvd import cheapest_order, decompose, leading_components, multiply
from fieldpress.compressors.ranks import numbers_of, ranks_of
from fieldpress.config import from_plain
from fieldpress.errors import ConfigError, FormatError
from fieldpress.literals import plain
from fieldpress.presets import recipe

NO_MOMENT = Moment(0.5)


def noise(*shape: int, seed: int = 0, size: float = 1.0) -> Array:
    return np.random.default_rng(seed).normal(0, size, shape).astype(np.float32)


def smooth(*shape: int) -> Array:
    """Waves whose singular values fall steeply, and a little noise."""
    waves = sum(np.sin(np.sqrt(1 + sum((i + k) ** 2 for i in np.indices(shape))) / 4) for k in range(3))
    return np.asarray(waves + 0.01 * noise(*shape), np.float32)


def relative_error(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


# Ranks


@pytest.mark.parametrize(
    ("ranks", "shape", "found"),
    [
        (0.5, (4, 132, 45, 80), (4, 66, 23, 40)),
        (24, (4, 132, 45, 80), (4, 24, 24, 24)),
        ((0.5, 12, 1.0), (4, 132, 45, 80), (4, 66, 12, 80)),
        ((2, 0.5, 12, 20), (4, 132, 45, 80), (2, 66, 12, 20)),
        (0.001, (2, 30, 40), (2, 1, 1)),
        (4, (32, 36), (32, 4)),
        (0.5, (32, 36), None),  # 32 * 18 + 18 * 36 numbers are more than 32 * 36
        (1.0, (3, 40, 50), None),
        (0.5, (300,), None),
    ],
)
def test_ranks_are_numbers_or_shares_of_the_axes_after_the_first(ranks, shape, found):
    assert ranks_of(ranks, shape) == found


def test_an_axis_of_full_rank_needs_no_factor():
    assert numbers_of((4, 6, 9), (4, 12, 9)) == 4 * 6 * 9 + 6 * 12


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Tucker(ranks=0), "a rank is 0; expected 1 to 4096"),
        (lambda: Tucker(ranks=5000), "a rank is 5000; expected 1 to 4096"),
        (lambda: Tucker(ranks=1.5), "a rank is 1.5; expected a share above 0"),
        (lambda: Tucker(ranks=float("nan")), "a rank is nan"),
        (lambda: Tucker(ranks=(0.5, -1)), "a rank is -1"),
        (lambda: Tucker(ranks=()), "0 ranks"),
        (lambda: Tucker(ranks=50).check([(4, 60, 45, 80)]), "rank 50 is above 45, the length of axis 2"),
        (lambda: Tucker(ranks=(8, 8, 8)).check([(2, 30, 40)]), "rank 8 is above 2, the length of axis 0"),
        (lambda: Tucker(ranks=(8, 8)).check([(2, 9, 30, 40)]), "2 ranks for a tensor of shape (2, 9, 30, 40)"),
        (lambda: Tucker(parts=Tucker(ranks=50)).check([(4, 60, 45, 80)]), "rank 50 is above"),
    ],
)
def test_impossible_ranks_are_refused_in_one_line(make, message: str):
    with pytest.raises(ConfigError) as caught:
        make()
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_ranks_that_fit_every_tensor_of_a_chunk_pass():
    Tucker(ranks=8).check([(4, 60, 45, 80), (2, 9, 8), (30,)])


@pytest.mark.parametrize(("text", "ranks"), [("0.5", 0.5), ("12", 12), ("0.5,12,0.25", (0.5, 12, 0.25))])
def test_ranks_are_written_on_the_command_line_as_they_are_in_python(text: str, ranks):
    kind = int | float | tuple[int | float, ...]
    found = from_plain(kind, plain(kind, text), "--plan.volume.ranks")
    assert found == ranks
    assert type(found) is type(ranks)


def test_an_impossible_rank_is_refused_before_training(tmp_path: Path):
    clip = write_clip(tmp_path / "clip.mkv", [rgb_frame(p) for p in moving_pictures(4, 32, 40)], "ffv1", "bgr0")
    chosen = recipe("nvp-mini")
    chosen = replace(chosen, plan={**chosen.plan, "volume": Tucker(ranks=30)})

    def fail(progress: object) -> None:
        raise AssertionError("training began")

    with pytest.raises(ConfigError, match=r"plan volume \(volume.levels.0\): tucker: rank 30 is above 4, the length"):
        fieldpress.encode(clip, tmp_path / "clip.fpr", chosen, steps=2, on_progress=fail)


# The decomposition


@pytest.mark.parametrize("rank", [1, 5, 12])
def test_a_matrix_is_truncated_as_well_as_its_singular_values_allow(rank: int):
    matrix = smooth(40, 30) + noise(40, 30, size=0.2)
    values = np.linalg.svd(matrix.astype(np.float64), compute_uv=False)
    best = np.sqrt(np.square(values[rank:]).sum())
    found = np.linalg.norm(decompose(matrix, (40, rank)).expand() - matrix)
    assert found <= best * 1.0001  # rounding in float32


def plain_hosvd(tensor: np.ndarray, ranks: tuple[int, ...]) -> np.ndarray:
    """The higher-order SVD as it is defined: singular vectors of every unfolding of the whole tensor."""
    found = tensor.astype(np.float64)
    for axis, rank in enumerate(ranks):
        unfolded = np.moveaxis(tensor.astype(np.float64), axis, 0).reshape(tensor.shape[axis], -1)
        vectors = np.linalg.svd(unfolded, full_matrices=False)[0][:, :rank]
        found = np.moveaxis(np.tensordot(vectors @ vectors.T, found, (1, axis)), 0, axis)
    return found


@pytest.mark.parametrize("ranks", [(3, 4, 5, 6), (3, 9, 2, 8), (2, 10, 11, 3)])
def test_it_errs_about_as_little_as_the_plain_higher_order_svd(ranks: tuple[int, ...]):
    tensor = smooth(3, 10, 11, 12) + noise(3, 10, 11, 12, size=0.1)
    ours, theirs = decompose(tensor, ranks).expand(), plain_hosvd(tensor, ranks)
    # Truncating in sequence is usually a little better, now and then a little worse.
    assert relative_error(ours, tensor) <= 1.01 * relative_error(theirs, tensor)


def test_it_errs_about_as_little_as_tensorly():
    tensor = smooth(3, 20, 22, 24) + noise(3, 20, 22, 24, size=0.1)
    core, factors = decomposition.tucker(tensorly.tensor(tensor.astype(np.float64)), rank=[3, 8, 9, 7])
    theirs = tensorly.to_numpy(tensorly.tucker_to_tensor((core, factors)))
    # tensorly iterates (HOOI), which gains well below a percent on grids.
    assert relative_error(decompose(tensor, (3, 8, 9, 7)).expand(), tensor) <= 1.01 * relative_error(theirs, tensor)


def test_a_tensor_of_low_rank_comes_back():
    core, factors = noise(3, 2, 4), [noise(2, 20, seed=1), noise(4, 30, seed=2)]
    tensor = np.einsum("cyx,yY,xX->cYX", core, *factors)
    # The Gram matrix squares: half the digits of float32 stay.
    assert relative_error(decompose(tensor, (3, 2, 4)).expand(), tensor) < 1e-5


def test_rows_of_a_factor_are_orthonormal_and_their_largest_number_is_positive():
    factor = leading_components(smooth(5, 30, 20), 1, 7)
    np.testing.assert_allclose(factor @ factor.T, np.eye(7), atol=1e-6)
    assert (np.take_along_axis(factor, np.abs(factor).argmax(1)[:, None], 1) > 0).all()


def test_components_come_from_strong_to_weak():
    core = decompose(smooth(4, 30, 20), (4, 9, 6)).core
    for axis in (1, 2):
        strengths = np.linalg.norm(np.moveaxis(core, axis, 0).reshape(core.shape[axis], -1), axis=1)
        assert (np.diff(strengths) <= 1e-6 * strengths[0]).all()


def test_the_axis_that_saves_most_is_truncated_first():
    assert cheapest_order((300, 200, 4), (150, 20, 4)) == (1, 0)
    assert cheapest_order((300, 300, 150, 4), (150, 150, 75, 4)) == (2, 0, 1)


# Exact reconstruction


def test_unit_rows_are_scaled_by_powers_of_two_to_a_norm_near_one():
    factor = noise(6, 50) * np.array([[1e-30], [1e-3], [1], [7], [1e20], [0]], np.float32)
    rows = unit_rows(factor)
    norms = np.linalg.norm(rows[:5], axis=1)
    assert (norms >= 0.7).all()
    assert (norms < 1.42).all()
    ratios = np.log2(rows[:5, 0] / factor[:5, 0].astype(np.float64))
    np.testing.assert_array_equal(ratios, np.rint(ratios))
    assert not rows[5].any()


def test_expanding_agrees_with_double_precision():
    core, factors = noise(3, 6, 7, 8), {1: noise(6, 20, seed=1), 3: noise(8, 30, seed=2)}
    rows = {axis: unit_rows(factor) for axis, factor in factors.items()}
    exact = np.einsum("ctyx,tT,xX->cTyX", core.astype(np.float64), rows[1], rows[3])
    assert relative_error(expand(core, rows), exact) < 2e-6  # operands of 20 bits and more


def test_expanding_does_not_depend_on_the_order_of_sums():
    core, factor = 1000 * noise(2, 30, 9), unit_rows(noise(30, 40, seed=1))
    order = np.random.default_rng(0).permutation(30)
    np.testing.assert_array_equal(expand(core, {1: factor}), expand(core[:, order], {1: factor[order]}))


def test_the_scale_of_a_written_row_does_not_matter():
    core, factor = noise(2, 5, 9), noise(5, 20, seed=1)
    scaled = factor * np.array([[2], [0.5], [1024], [1], [2**-20]], np.float32)
    np.testing.assert_array_equal(expand(core, {1: unit_rows(factor)}), expand(core, {1: unit_rows(scaled)}))


# The compressor


def test_without_rounding_it_is_the_decomposition():
    tensor = smooth(4, 12, 20, 24)
    compressor = Tucker(0.5, Raw())
    decoded = compressor.decode(compressor.encode(tensor), tensor.shape)
    expected = decompose(tensor, (4, 6, 10, 12)).expand()
    assert relative_error(decoded, expected) < 1e-5


@pytest.mark.parametrize("step", [0.3, 0.03])
def test_an_absolute_step_errs_as_documented(step: float):
    tensor = noise(3, 16, 24, 20)
    compressor, exact = Tucker(0.5, Entropy(step, "absolute")), Tucker(0.5, Raw())
    coded, unrounded = (each.decode(each.encode(tensor), tensor.shape) for each in (compressor, exact))
    numbers = numbers_of((3, 8, 12, 10), tensor.shape)
    expected = step / np.sqrt(12) * np.sqrt(numbers / tensor.size)
    # Rows are written in powers of two next to what they contribute, up to 1.42 more or less.
    assert 0.8 * expected < np.sqrt(np.mean(np.square(coded - unrounded))) < 1.25 * expected


def test_fitting_the_core_to_the_decoded_factors_pays():
    tensor = smooth(2, 40, 40)
    parts = Entropy(0.3, "absolute")
    core, factors = decompose(tensor, (2, 10, 10))

    def coded(part: np.ndarray) -> np.ndarray:
        return parts.decode(parts.encode(part), part.shape)

    def coded_rows(factor: np.ndarray, axis: int) -> np.ndarray:
        strength = np.linalg.norm(np.moveaxis(core, axis, 0).reshape(len(factor), -1), axis=1)[:, None]
        return coded(factor * strength) / strength

    ours = Tucker((10, 10), parts).decode(Tucker((10, 10), parts).encode(tensor), tensor.shape)
    theirs = multiply(coded(core), {axis: coded_rows(factor, axis) for axis, factor in factors.items()})
    assert relative_error(ours, tensor) < 0.97 * relative_error(theirs, tensor)  # measured: 0.0167 against 0.0176


def test_it_is_steered_to_a_size_by_its_parts():
    assert Tucker(0.3, Entropy(0.1, "absolute")).coarser(1) == Tucker(0.3, Entropy(0.2, "absolute"))
    assert Tucker(0.3, Raw()).coarser(1) is None


def test_a_grid_of_low_rank_takes_fewer_bytes_than_its_parts_would():
    tensor = np.einsum("cyx,yY,xX->cYX", noise(2, 3, 3), noise(3, 60, seed=1), noise(3, 70, seed=2))
    parts = Entropy(step=0.05, unit="absolute")
    assert len(Tucker(3, parts).encode(tensor)) < 0.2 * len(parts.encode(tensor))


@pytest.mark.parametrize("shape", [(300,), (32, 36)], ids=str)
def test_what_would_not_get_smaller_goes_to_the_parts(shape):
    tensor = noise(*shape)
    assert Tucker(0.5, Entropy()).encode(tensor) == Entropy().encode(tensor)


def test_damaged_bytes_cannot_claim_more_than_the_ranks():
    data = Tucker(0.5).encode(smooth(2, 20, 20))
    with pytest.raises(FormatError, match="a Tucker payload"):
        Tucker(0.5).decode(b"\x02" + data[1:], (2, 20, 20))
    with pytest.raises(FormatError, match="a Tucker payload ends early"):
        Tucker(0.5).decode(data[:5], (2, 20, 20))


def test_ranks_that_are_impossible_for_the_shape_of_a_file_are_a_format_error():
    with pytest.raises(FormatError, match="rank 30 is above 20"):
        Tucker(30).decode(b"\x01", (2, 40, 20))


# The guide


def grids() -> list[nn.Parameter]:
    return [nn.Parameter(torch.from_numpy(smooth(2, 10, 12, 14))), nn.Parameter(torch.from_numpy(noise(9)))]


def special(tensors: list[nn.Parameter], **times: float):
    compressor = Tucker(0.25, Entropy(0.05, "absolute"))
    return build_guide(compressor, Guidance(kind="special", **times), tensors)


def effective_ranks(tensor: torch.Tensor) -> tuple[int, ...]:
    """Ranks of the unfoldings, as far as float32 tells."""
    array = tensor.detach().double()
    unfolded = [array.movedim(axis, 0).flatten(1) for axis in range(array.ndim)]
    return tuple(int(torch.linalg.matrix_rank(matrix, rtol=1e-5)) for matrix in unfolded)


def step(guide, tensors: list[nn.Parameter], seed: int = 0) -> None:
    """What the training loop does after a gradient that is noise."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for tensor in tensors:
            tensor += 0.1 * torch.randn_like(tensor)
    guide.show(tensors, NO_MOMENT)


def test_before_guidance_begins_the_tensors_are_free():
    tensors = grids()
    guide = special(tensors, start=0.5)
    step(guide, tensors)
    assert effective_ranks(tensors[0]) == (2, 10, 12, 14)


def test_once_begun_every_step_stays_within_the_ranks():
    tensors = grids()
    guide = special(tensors)
    guide.advance(tensors, 0.0)
    for seed in range(3):
        step(guide, tensors, seed)
        # The rounding error held since the round trip is of the same ranks or fewer: both together have at most twice.
        written = guide.written(tensors)
        assert effective_ranks(written[0])[1:] == (3, 3, 4)  # a quarter of 10, 12 and 14, rounded half up


def test_a_step_keeps_what_the_ranks_allow():
    tensors = grids()
    guide = special(tensors)
    guide.advance(tensors, 0.0)
    before = guide.written(tensors)[0].clone()
    with torch.no_grad():
        tensors[0].mul_(1.1)  # within the ranks, but for the rounding error held
    guide.show(tensors, NO_MOMENT)
    torch.testing.assert_close(guide.written(tensors)[0], 1.1 * before, rtol=0, atol=0.02)  # a tenth of that error


def test_tensors_that_are_not_decomposed_keep_what_they_learn():
    tensors = grids()
    guide = special(tensors)
    guide.advance(tensors, 0.0)
    vector = tensors[1].detach().clone()
    step(guide, tensors)
    torch.manual_seed(0)
    torch.randn_like(tensors[0])
    torch.testing.assert_close(tensors[1].detach(), vector + 0.1 * torch.randn(9))


def priced(guide, tensors: list[nn.Parameter]) -> list[torch.Tensor]:
    """What a price alone adds to the gradients."""
    for tensor in tensors:
        tensor.grad = torch.zeros_like(tensor)
    guide.learn(tensors, Moment(0.5, bit_price=1e-3))
    return [tensor.grad.clone() for tensor in tensors if tensor.grad is not None]


def test_steps_against_a_price_save_real_bytes_within_the_ranks():
    tensors = [nn.Parameter(torch.from_numpy(noise(2, 10, 12, 14, size=0.2))), nn.Parameter(torch.from_numpy(noise(9)))]
    guide = build_guide(Tucker(0.75, Entropy(0.05, "absolute")), Guidance(kind="special"), tensors)
    guide.advance(tensors, 0.0)
    before = guide.size(tensors)
    for _ in range(20):
        gradient, of_vector = priced(guide, tensors)
        assert not of_vector.any()
        with torch.no_grad():
            tensors[0] -= 0.005 * gradient / gradient.abs().mean()
        guide.show(tensors, NO_MOMENT)
        assert effective_ranks(guide.written(tensors)[0])[1:] == (8, 9, 11)  # three quarters, rounded half up
    assert guide.size(tensors) < 0.95 * before


def test_times_that_a_step_has_read_pay_for_all():
    tensors = grids()
    guide = special(tensors)
    guide.advance(tensors, 0.0)
    dense = priced(guide, tensors)[0]
    index, slices = torch.tensor([[0, 1, 0, 1], [2, 2, 7, 7]]), torch.zeros(4, 12, 14)  # two of ten times
    tensors[0].grad = torch.sparse_coo_tensor(index, slices, tensors[0].shape, check_invariants=True)
    guide.learn(tensors, Moment(0.5, bit_price=1e-3))
    found = tensors[0].grad.to_dense()
    torch.testing.assert_close(found[:, [2, 7]], 10 / 2 * dense[:, [2, 7]])
    assert not found[:, [0, 1, 3, 4, 5, 6, 8, 9]].any()


def test_a_price_resumes_with_its_guide():
    tensors = grids()
    guide = special(tensors)
    guide.advance(tensors, 0.0)
    other = special(tensors)
    other.load_state_dict(guide.state_dict())
    assert all(map(torch.equal, priced(other, tensors), priced(guide, tensors)))


def test_a_guide_resumes_from_its_state():
    tensors = grids()
    guide = special(tensors)
    guide.advance(tensors, 0.0)
    copies = [nn.Parameter(tensor.detach().clone()) for tensor in tensors]
    other = special(copies)
    other.load_state_dict(guide.state_dict())
    step(guide, tensors)
    step(other, copies)
    for tensor, copy in zip(tensors, copies, strict=True):
        torch.testing.assert_close(copy, tensor, rtol=0, atol=0)
