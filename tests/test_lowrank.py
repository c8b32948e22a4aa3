"""Low rank: the truncated SVD of a grid's table."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from fieldpress.compressors import Array, Entropy, LowRank, Raw, Tucker
from fieldpress.compressors.guides import Guidance, Moment, build_guide
from fieldpress.errors import ConfigError, FormatError


def table(channels: int, *cells: int, rank: int, noise: float = 0.0, seed: int = 0) -> Array:
    """Numbers of this rank, and some noise."""
    random = np.random.default_rng(seed)
    left, right = random.normal(size=(channels, rank)), random.normal(size=(rank, *cells))
    return (np.tensordot(left, right, 1) + noise * random.normal(size=(channels, *cells))).astype(np.float32)


def round_trip(compressor: LowRank, array: Array) -> Array:
    return compressor.decode(compressor.encode(array), array.shape)


def relative_error(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


@pytest.mark.parametrize("shape", [(8, 1, 300), (8, 300, 1), (8, 15, 20), (8, 3, 10, 10)], ids=str)
@pytest.mark.parametrize("rank", [1, 3, 6])
def test_it_errs_as_the_best_table_of_its_rank(rank: int, shape: tuple[int, ...]):
    array = table(*shape, rank=8, noise=0.1)
    u, values, v = np.linalg.svd(array.reshape(8, -1).astype(np.float64), full_matrices=False)
    best = (u[:, :rank] * values[:rank]) @ v[:rank]
    # The Gram matrix squares, and decoding rounds operands to about 22 bits.
    np.testing.assert_allclose(round_trip(LowRank(rank, Raw()), array).reshape(8, -1), best, atol=1e-3)


def test_a_table_of_low_rank_comes_back():
    array = table(12, 40, 30, rank=3)
    assert relative_error(round_trip(LowRank(3, Raw()), array), array) < 1e-5


def test_it_takes_fewer_bytes_than_its_parts_would():
    array = table(16, 1, 2000, rank=4)
    parts = Entropy(step=0.05, unit="absolute")
    assert len(LowRank(4, parts).encode(array)) < 0.4 * len(parts.encode(array))


@pytest.mark.parametrize(
    ("rank", "shape", "found"),
    [
        (0.5, (8, 1, 1000), (4, 1, 1000)),
        (3, (8, 40, 50), (3, 40, 50)),
        (0.01, (8, 2, 40, 50), (1, 2, 40, 50)),
        (1.0, (8, 40, 50), None),
        (0.9, (8, 3, 3), None),  # 7 x 9 + 7 x 8 numbers are more than 8 x 9
        (0.5, (32, 36), None),
        (3, (2, 9), None),
        (0.5, (300,), None),
    ],
)
def test_the_rank_is_a_number_or_a_share_of_the_channels(rank, shape, found):
    assert LowRank(rank).ranks_of(shape) == found


@pytest.mark.parametrize("shape", [(300,), (32, 36), (8, 3, 3), (1, 30, 30)], ids=str)
def test_what_would_not_get_smaller_goes_to_the_parts(shape):
    array = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    assert LowRank(0.9, Entropy()).encode(array) == Entropy().encode(array)


def test_it_is_tucker_of_the_channels_alone():
    array = table(8, 20, 30, rank=5, noise=0.1)
    assert LowRank(3).encode(array) == Tucker((3, 1.0, 1.0)).encode(array)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LowRank(rank=0), "lowrank: a rank is 0; expected 1 to 4096"),
        (lambda: LowRank(rank=1.5), "lowrank: a rank is 1.5; expected a share above 0"),
        (lambda: LowRank(rank=float("nan")), "lowrank: a rank is nan"),
        (lambda: LowRank(rank=9).check([(8, 1, 50)]), "lowrank: rank 9 is above 8, the length of axis 0 of a tensor"),
        (lambda: LowRank(parts=Tucker(ranks=50)).check([(8, 20, 30)]), "tucker: rank 50 is above"),
        (lambda: LowRank(parts=Tucker(ranks=50)).check([(8, 30)]), "tucker: rank 50 is above"),
    ],
)
def test_impossible_ranks_are_refused_in_one_line(make, message: str):
    with pytest.raises(ConfigError) as caught:
        make()
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_ranks_that_fit_every_tensor_of_a_chunk_pass():
    LowRank(rank=8).check([(8, 60, 45), (12, 1, 500), (3, 9), (30,)])


def test_a_rank_that_is_impossible_for_the_shape_of_a_file_is_a_format_error():
    with pytest.raises(FormatError, match="lowrank: rank 9 is above 8"):
        LowRank(9).decode(b"\1", (8, 1, 50))


def test_it_is_steered_to_a_size_by_its_parts():
    compressor = LowRank(3, Entropy(0.1, "absolute"))
    assert compressor.coarser(1) == replace(compressor, parts=Entropy(0.2, "absolute"))
    assert LowRank(3, Raw()).coarser(1) is None


def test_its_guide_keeps_a_table_within_its_rank_at_every_step():
    tensors = [nn.Parameter(torch.from_numpy(table(6, 10, 12, rank=6))), nn.Parameter(torch.randn(4, 7))]
    guide = build_guide(LowRank(2, Entropy(0.05, "absolute")), Guidance(kind="special"), tensors)
    guide.advance(tensors, 0.0)
    torch.manual_seed(0)
    with torch.no_grad():
        for tensor in tensors:
            tensor += 0.1 * torch.randn_like(tensor)
    guide.show(tensors, Moment(0.5))
    written = guide.written(tensors)[0].detach().double().flatten(1)
    assert torch.linalg.matrix_rank(written, rtol=1e-5) == 2
