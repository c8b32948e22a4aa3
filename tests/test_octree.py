"""Octrees against a brute-force one, and the trilinear lookup that they share with other grids."""

import itertools
from dataclasses import replace

import pytest
import torch
from octrees import built, octree, shell
from torch import Tensor
from torch.autograd import gradcheck
from torch.nn import functional

from fieldpress.coding.octree import decode_level, encode_level
from fieldpress.encodings import Octree
from fieldpress.encodings.corners import CORNERS, cells_of, corner_weights, interpolate
from fieldpress.encodings.octree import OctreeEncoding, all_cells, lay_out, octants_of, refine
from fieldpress.field import Lattice, Points

COARSEST, DEPTH = 2, 4
SIDES = [4, 8, 16]
CELLS = shell(16)


def places(count: int = 400) -> Tensor:
    """Anywhere in the cube, and its corners."""
    drawn = torch.rand(count, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return torch.cat([drawn, CORNERS.double(), torch.full((1, 3), 0.5, dtype=torch.float64)])


# Corners


def test_weights_of_corners_by_hand():
    weights = corner_weights(torch.tensor([[0.25, 0.5, 1.0]]))
    # Corner (i, j, k) has the number 4 i + 2 j + k; the last coordinate is at its end.
    expected = torch.tensor([[0, 0.75 * 0.5, 0, 0.75 * 0.5, 0, 0.25 * 0.5, 0, 0.25 * 0.5]])
    torch.testing.assert_close(weights, expected)


def test_weights_of_corners_give_back_the_place():
    inside = places()
    weights = corner_weights(inside)
    torch.testing.assert_close(weights @ CORNERS.double(), inside)
    torch.testing.assert_close(weights.sum(1), torch.ones(len(inside), dtype=torch.float64))


def test_the_end_of_an_axis_belongs_to_the_last_cell():
    cells, inside = cells_of(torch.tensor([[0.0, 1.0, 0.5]]), 4)
    assert cells.tolist() == [[0, 3, 2]]
    assert inside.tolist() == [[0.0, 1.0, 0.0]]


def drawn_lookup() -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(2)
    table = torch.randn(9, 3, generator=generator, dtype=torch.float64)
    index = torch.randint(9, (20, 8), generator=generator, dtype=torch.int32)  # rows more than once, some never
    weights = torch.rand(20, 8, generator=generator, dtype=torch.float64)
    return table, index, weights


def test_interpolation_is_a_weighted_sum_of_rows():
    table, index, weights = drawn_lookup()
    expected = (table[index.long()] * weights[..., None]).sum(1)
    torch.testing.assert_close(interpolate(table, index, weights), expected)


def test_interpolation_has_the_gradients_of_a_gather():
    table, index, weights = (tensor.requires_grad_(tensor.is_floating_point()) for tensor in drawn_lookup())
    assert gradcheck(lambda table, weights: interpolate(table, index, weights), (table, weights))


def test_interpolation_of_a_table_that_is_laid_out_across():
    table, index, weights = drawn_lookup()
    across = table.T.contiguous().T.requires_grad_()
    interpolate(across, index, weights).sum().backward()
    assert across.grad is not None
    torch.testing.assert_close(
        across.grad.sum(1), 3 * torch.zeros(9).double().index_add(0, index.flatten(), weights.flatten())
    )


# Topology


def children_by_hand(cells: set[tuple[int, ...]], parents: list[tuple[int, ...]]) -> list[list[float]]:
    """For each parent, which of its eight children are among these cells."""
    moves = list(itertools.product((0, 1), repeat=3))
    return [
        [float(tuple(2 * i + m for i, m in zip(parent, move, strict=True)) in cells) for move in moves]
        for parent in parents
    ]


def test_octants_are_those_of_a_brute_force_octree():
    config, rows = octants_of(CELLS, COARSEST)
    fine = {tuple(cell) for cell in CELLS.nonzero().tolist()}
    parents = list(itertools.product(range(2), repeat=3))
    for level, side in enumerate(SIDES):
        shrink = 16 // side
        cells = {tuple(i // shrink for i in cell) for cell in fine}
        assert rows[level].tolist() == children_by_hand(cells, parents)
        order = [
            tuple(2 * i + m for i, m in zip(parent, move, strict=True))
            for parent in parents
            for move in itertools.product((0, 1), repeat=3)
        ]
        parents = [cell for cell in order if cell in cells]
        corners = {tuple(i + m for i, m in zip(c, move, strict=True)) for c in cells for move in CORNERS.tolist()}
        assert (config.cells[level], config.corners[level]) == (len(cells), len(corners))


def test_refining_gives_the_cells_back():
    _, rows = octants_of(CELLS, COARSEST)
    found = all_cells(2)
    for octants in rows:
        found, _ = refine(found, octants)
    assert sorted(map(tuple, found.tolist())) == sorted(map(tuple, CELLS.nonzero().tolist()))


def test_refining_says_which_parent_each_child_has():
    octants = torch.zeros(2, 8)
    octants[0, 5] = octants[1, 0] = octants[1, 7] = 1
    found, parents = refine(torch.tensor([[3, 0, 1], [2, 2, 2]]), octants)
    assert found.tolist() == [[7, 0, 3], [4, 4, 4], [5, 5, 5]]
    assert parents.tolist() == [0, 1, 1]


def test_two_neighbours_share_their_corners():
    cells = lay_out(torch.tensor([[0, 0, 0], [0, 0, 1]]), torch.tensor([0, 0]), 2)
    assert cells.corners.tolist() == [[0, 1, 3, 4, 6, 7, 9, 10], [1, 2, 4, 5, 7, 8, 10, 11]]
    assert cells.rows[0, 0].tolist() == [0, 1]
    assert int((cells.rows >= 0).sum()) == 2
    assert cells.keys.tolist() == [9 * i + 3 * j + k for i in (0, 1) for j in (0, 1) for k in (0, 1, 2)]


def test_the_order_of_cells_is_that_of_the_compressor():
    # Level by level through its stream: each level is read given the coarser ones, so a wrong order would not decode.
    _, rows = octants_of(CELLS, COARSEST)
    coarser = []
    for octants in rows:
        bits = octants.numpy().astype(bool)
        found = decode_level(encode_level(bits, coarser), len(bits), coarser)
        assert (found == bits).all()
        coarser.append(bits)


# The field


def dense_level(encoding: OctreeEncoding, level: int) -> Tensor:
    """A level's features on all corners of its grid, (channels, s + 1, s + 1, s + 1); zeros where there is no cell."""
    side = encoding.config.side(level)
    grid = torch.zeros(encoding.channels, (side + 1) ** 3, dtype=torch.float64)
    grid[:, encoding.worked_out(level + 1)[level].keys] = encoding.levels[level].detach()[..., 0]
    return grid.view(encoding.channels, side + 1, side + 1, side + 1)


def sampled(grid: Tensor, where: Tensor) -> Tensor:
    """PyTorch's own trilinear lookup of a grid on corners: (channels, n)."""
    spots = (2 * where.flip(-1) - 1).reshape(1, -1, 1, 1, 3)
    return functional.grid_sample(grid[None], spots, "bilinear", "border", align_corners=True)[0, :, :, 0, 0]


def in_cells(where: Tensor, side: int) -> Tensor:
    """Whether places are in occupied cells of the level of this side."""
    shrink = 16 // side
    coarse = CELLS.view(side, shrink, side, shrink, side, shrink).any(5).any(3).any(1)
    return coarse[cells_of(where, side)[0].long().unbind(1)]


@pytest.mark.parametrize("shown", [1, 2, 3])
def test_features_are_the_sum_of_the_levels_shown(shown: int):
    encoding = built(CELLS, COARSEST, 2)
    encoding.show_levels(shown)
    where = places()
    expected = torch.stack([sampled(dense_level(encoding, level), where) for level in range(shown)]).sum(0)
    inside = in_cells(where, SIDES[shown - 1])
    assert 0.1 < inside.double().mean() < 0.9
    torch.testing.assert_close(encoding(Points(where))[:, inside], expected[:, inside], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("shown", [1, 2, 3])
def test_features_outside_of_the_finest_shown_cells_are_zero(shown: int):
    encoding = built(CELLS, COARSEST, 2)
    encoding.show_levels(shown)
    outside = ~in_cells(places(), SIDES[shown - 1])
    assert not encoding(Points(places()))[:, outside].any()


def test_a_prefix_is_the_octree_that_ends_there():
    whole, prefix = built(CELLS, COARSEST, 2), built(CELLS.view(8, 2, 8, 2, 8, 2).any(5).any(3).any(1), COARSEST, 2)
    with torch.no_grad():
        for level in range(2):
            prefix.levels[level].copy_(whole.levels[level])
    whole.show_levels(2)
    assert torch.equal(whole(Points(places())), prefix(Points(places())))


def test_more_levels_than_there_are_show_all():
    encoding = built(CELLS, COARSEST, 2)
    whole = encoding(Points(places()))
    encoding.show_levels(9)
    assert torch.equal(encoding(Points(places())), whole)


def test_features_have_the_gradients_of_the_sum():
    encoding = built(CELLS, COARSEST, 1)
    where = places(12)
    tables = [table.detach().requires_grad_() for table in encoding.levels]

    def lookup(*values: Tensor) -> Tensor:
        return torch.func.functional_call(encoding, {f"levels.{i}": v for i, v in enumerate(values)}, (Points(where),))

    assert gradcheck(lookup, tuple(tables))


def test_a_trimmed_octree_is_that_of_the_cells_left():
    cells = shell(16)
    whole, fewer = built(cells, 2, 3), cells.clone()
    fewer[:9] = False
    parameters = list(whole.parameters())
    before = [whole.worked_out(3)[level].keys for level in range(3)]
    features = [table.detach().clone() for table in whole.levels]
    left = whole.trim(fewer)
    expected = built(fewer, 2, 3)
    assert whole.config == expected.config
    assert [id(parameter) for parameter in whole.parameters()] == list(map(id, parameters))
    for ours, theirs in zip(whole.octants, expected.octants, strict=True):
        assert torch.equal(ours, theirs)
    assert list(left) == [f"levels.{level}" for level in range(3)]
    for level, corners in enumerate(left.values()):
        assert torch.equal(before[level][corners], expected.worked_out(3)[level].keys)
        assert torch.equal(whole.levels[level], features[level][:, corners])
        assert whole.levels[level].movedim(0, 2).is_contiguous()
        assert len(corners) < len(before[level])


def test_where_cells_are_left_a_trimmed_octree_answers_as_before():
    cells = shell(16)
    octree, fewer = built(cells, 2, 3), cells.clone()
    fewer[:9] = False
    places = (fewer.nonzero() + torch.rand(int(fewer.sum()), 3, dtype=torch.float64)) / 16
    before = octree(Points(places)).detach()
    octree.trim(fewer)
    torch.testing.assert_close(octree(Points(places)), before)
    gone = ((cells & ~fewer).nonzero().double() + 0.5) / 16
    assert not octree(Points(gone)).any()


def test_an_octree_without_features_is_trimmed_too():
    fewer = shell(16)
    fewer[:9] = False
    octree = built(shell(16), 2, 0)
    assert octree.trim(fewer) == {}
    assert octree.config == built(fewer, 2, 0).config


def test_octants_are_not_trained():
    encoding = built(CELLS, COARSEST, 2)
    assert not any(octants.requires_grad for octants in encoding.octants)
    encoding(Points(places())).sum().backward()
    assert all(table.grad is not None for table in encoding.levels)


def test_a_lattice_is_its_points():
    encoding = built(CELLS, COARSEST, 2)
    axis = torch.linspace(0, 1, 5, dtype=torch.float64)
    lattice = Lattice(axis[:2], axis[1:4], axis)
    torch.testing.assert_close(encoding(lattice).flatten(1), encoding(lattice.points()))


def test_without_features_it_only_says_what_is_empty():
    encoding = built(CELLS, COARSEST, 0)
    assert encoding(Points(places())).shape == (0, len(places()))
    assert torch.equal(encoding.occupancy >= 0, CELLS)
    assert set(encoding.config.shapes()) == {f"octants.{i}" for i in range(3)}


def test_the_map_of_cells_follows_the_levels_shown():
    encoding = built(CELLS, COARSEST, 2)
    encoding.show_levels(1)
    assert encoding.occupancy.shape == (4, 4, 4)
    assert int((encoding.occupancy >= 0).sum()) == encoding.config.cells[0]


def test_every_tensor_says_its_level():
    config = octree(CELLS, COARSEST, 2)
    levels = config.grid_levels()
    assert {name: levels.get(name, 0) for name in config.shapes()} == {
        f"{kind}.{level}": level for kind in ("octants", "levels") for level in range(3)
    }


# What is wrong


@pytest.mark.parametrize("level", [0, 1, 2])
def test_octants_of_another_number_of_cells_are_refused(level: int):
    encoding = built(CELLS, COARSEST, 2)
    octants = encoding.octants[level].data
    octants[tuple((octants == 0).nonzero()[0])] = 1
    with pytest.raises(
        ValueError, match=rf"level {level} of an octree has \d+ cells, not {encoding.config.cells[level]}"
    ):
        encoding.check()


def test_octants_of_another_number_of_corners_are_refused():
    encoding = built(CELLS, COARSEST, 2)
    octants = encoding.octants[2].data
    # One cell of the finest level moves to where none was, away from the others.
    octants[tuple((octants == 1).nonzero()[0])] = 0
    octants[tuple((octants == 0).nonzero()[-1])] = 1
    with pytest.raises(ValueError, match=rf"level 2 of an octree has \d+ corners, not {encoding.config.corners[2]}"):
        encoding.check()


def test_levels_that_are_not_shown_are_not_looked_at():
    encoding = built(CELLS, COARSEST, 2)
    encoding.octants[2].data.zero_()
    encoding.show_levels(2)
    encoding.check()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"channels": -1}, "0 to 256 features"),
        ({"channels": 257}, "0 to 256 features"),
        ({"cells": ()}, "at least one level"),
        ({"cells": (8, 8)}, "cells and corners for each"),
        ({"coarsest": 0}, "from 2 to 256"),
        ({"coarsest": 7}, "from 2 to 256"),
        ({"cells": (8, 0, 8)}, "at least one occupied cell"),
        ({"corners": (27, 7, 27)}, "at least one occupied cell"),
    ],
)
def test_sizes_that_no_octree_has_are_refused(change: dict, message: str):
    good = Octree(4, 2, (8, 8, 8), (27, 27, 27))
    with pytest.raises(ValueError, match=message):
        replace(good, **change)
