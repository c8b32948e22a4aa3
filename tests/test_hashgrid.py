"""Hash grids and dense grids against other ways to read them."""

from dataclasses import replace

import pytest
import torch
from drawn import filled
from torch import Tensor
from torch.nn import functional

from fieldpress.encodings import Dense, HashGrid
from fieldpress.encodings.corners import CORNERS
from fieldpress.field import Lattice, Points

CONFIG = HashGrid(channels=2, sides=(3, 5, 11, 24), table_bits=8)
"""Corners 64, 216, 1728 and 15,625; tables of at most 256 rows: two levels are direct, two hashed."""


def places(count: int = 200) -> Tensor:
    """Anywhere in the cube, and its corners."""
    drawn = torch.rand(count, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return torch.cat([drawn, CORNERS.double()])


def sampled(grid: Tensor, where: Tensor) -> Tensor:
    """PyTorch's own trilinear lookup of a grid on corners: (channels, n)."""
    spots = (2 * where.flip(-1) - 1).reshape(1, -1, 1, 1, 3)
    return functional.grid_sample(grid[None], spots, "bilinear", "border", align_corners=True)[0, :, :, 0, 0]


def row_by_hand(i: int, j: int, k: int) -> int:
    """Of a table of 256 rows, in whole numbers of any size."""
    return (i ^ j * 2_654_435_761 ^ k * 805_459_861) % 256


def test_small_levels_have_a_row_for_each_corner_and_others_a_full_table():
    assert CONFIG.shapes() == {
        "levels.0": (2, 64, 1),
        "levels.1": (2, 216, 1),
        "levels.2": (2, 256, 1),
        "levels.3": (2, 256, 1),
    }


@pytest.mark.parametrize("level", [0, 1])
def test_a_small_level_is_a_grid_on_corners(level: int):
    grid = filled(CONFIG)
    side = CONFIG.sides[level] + 1
    dense = grid.levels[level].detach().view(2, side, side, side)
    found = grid(Points(places())).unflatten(0, (4, 2))[level]
    torch.testing.assert_close(found, sampled(dense, places()), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("level", [2, 3])
def test_a_large_level_is_a_grid_whose_corners_share_rows(level: int):
    grid = filled(CONFIG)
    side = CONFIG.sides[level] + 1
    rows = torch.tensor([row_by_hand(i, j, k) for i in range(side) for j in range(side) for k in range(side)])
    dense = grid.levels[level].detach()[:, rows, 0].view(2, side, side, side)
    found = grid(Points(places())).unflatten(0, (4, 2))[level]
    torch.testing.assert_close(found, sampled(dense, places()), rtol=1e-9, atol=1e-9)


def test_the_hash_of_the_farthest_corner_does_not_overflow():
    config = HashGrid(channels=1, sides=(1 << 14,), table_bits=8)
    grid = filled(config)
    end = torch.ones(1, 3, dtype=torch.float64)
    corner = 1 << 14
    found, table = grid(Points(end)).detach(), grid.levels[0].detach()
    assert float(found) == float(table[0, row_by_hand(corner, corner, corner), 0])


@pytest.mark.parametrize("shown", [1, 2, 3])
def test_levels_that_are_not_shown_give_zeros(shown: int):
    grid = filled(CONFIG)
    whole = grid(Points(places()))
    grid.show_levels(shown)
    prefix = grid(Points(places()))
    assert torch.equal(prefix[: 2 * shown], whole[: 2 * shown])
    assert not prefix[2 * shown :].any()


def test_every_level_of_a_hash_grid_says_which_it_is():
    assert CONFIG.grid_levels() == {"levels.1": 1, "levels.2": 2, "levels.3": 3}


@pytest.mark.parametrize("config", [CONFIG, Dense(2, 5)], ids=lambda config: config.id)
def test_a_lattice_is_its_points(config: HashGrid | Dense):
    grid = filled(config)
    axis = torch.linspace(0, 1, 5, dtype=torch.float64)
    lattice = Lattice(axis[:2], axis[1:4], axis)
    torch.testing.assert_close(grid(lattice).flatten(1), grid(lattice.points()))


@pytest.mark.parametrize("config", [replace(CONFIG, sides=(2, 6), table_bits=6), Dense(2, 3)], ids=lambda c: c.id)
def test_gradients_reach_every_row_that_is_read(config: HashGrid | Dense):
    grid = filled(config)
    names = list(dict(grid.named_parameters()))
    values = tuple(value.detach().requires_grad_() for value in grid.parameters())
    where = Points(places(6))

    def lookup(*given: Tensor) -> Tensor:
        return torch.func.functional_call(grid, dict(zip(names, given, strict=True)), (where,))

    assert torch.autograd.gradcheck(lookup, values)


def test_a_dense_grid_is_read_trilinearly():
    grid = filled(Dense(3, 6))
    expected = sampled(grid.grid.detach(), places())
    torch.testing.assert_close(grid(Points(places())), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    "change",
    [
        {"channels": 0},
        {"channels": 65},
        {"sides": ()},
        {"sides": (2,) * 33},
        {"sides": (0, 4)},
        {"sides": (4, 3)},
        {"sides": (1 << 15,)},
        {"table_bits": 3},
        {"table_bits": 23},
    ],
    ids=str,
)
def test_sizes_that_no_hash_grid_has_are_refused(change: dict):
    with pytest.raises(ValueError, match="hash grid"):
        replace(CONFIG, **change)


@pytest.mark.parametrize(("channels", "side"), [(0, 4), (257, 4), (4, 0), (4, 257)])
def test_sizes_that_no_dense_grid_has_are_refused(channels: int, side: int):
    with pytest.raises(ValueError, match="a dense grid has"):
        Dense(channels, side)
