"""What a renderer asks of a field: tables made once answer as the field does."""

import pytest
import torch
from octrees import drawn_tensors, scene_field, shell
from torch import Tensor

from fieldpress.encodings import Dense
from fieldpress.encodings.octree import octree_of
from fieldpress.field import Field, Points
from fieldpress.shading import PlainShader, SummedShader, places_of, shader_of, summed

OCCUPIED = shell(16)


def drawn_field(*others: Dense) -> Field:
    """An octree of three levels, drawn."""
    config = scene_field(OCCUPIED, *others, channels=5)
    return config.build(drawn_tensors(config, OCCUPIED))


def asked(field: Field, count: int = 500) -> tuple[Tensor, Tensor, Tensor]:
    """Places in cells of the finest level shown, the numbers of these cells, and directions."""
    octree, generator = octree_of(field), torch.Generator().manual_seed(2)
    rows = octree.occupancy
    places = places_of(rows)
    cells = torch.randint(len(places), (count,), generator=generator)
    inside = 0.01 + 0.98 * torch.rand(count, 3, generator=generator)
    directions = torch.nn.functional.normalize(torch.randn(count, 3, generator=generator), dim=1)
    return (places[cells] + inside) / len(rows), cells, directions


every_depth = pytest.mark.parametrize("levels", [1, 2, 3])


@every_depth
@torch.no_grad()
def test_tables_answer_as_the_field_does(levels: int):
    field = drawn_field()
    field.show_levels(levels)
    shader = shader_of(field)
    assert isinstance(shader, SummedShader)
    places, cells, directions = asked(field)
    expected = field.planar(Points(places, directions))
    answer = shader.answer(places, cells)
    # Single precision, added up in another order.
    torch.testing.assert_close(answer.densities, expected[3], rtol=1e-5, atol=1e-5)
    chosen = torch.arange(0, 500, 3)
    torch.testing.assert_close(answer.colours(chosen, directions[chosen]), expected[:3, chosen], rtol=1e-5, atol=1e-5)


@every_depth
@torch.no_grad()
def test_tables_know_the_greatest_density_of_a_cell(levels: int):
    field = drawn_field()
    field.show_levels(levels)
    found = shader_of(field).greatest()
    assert found.std() > 0.05
    torch.testing.assert_close(found, PlainShader(field).greatest(), rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_features_are_summed_on_corners():
    field = drawn_field()
    octree = octree_of(field)
    tables = summed(octree)
    finest = octree.worked_out(3)[-1]
    side = len(finest.rows)
    # A hair inside of a cell, next to its first corner.
    places = (places_of(finest.rows) + 1e-4) / side
    torch.testing.assert_close(tables[finest.corners[:, 0].long()], octree(Points(places)).T, rtol=0, atol=1e-2)


@torch.no_grad()
def test_cells_that_are_not_kept_lose_their_numbers():
    field = drawn_field()
    places, cells, directions = asked(field)
    everything, some = shader_of(field), shader_of(field)
    kept = torch.arange(1, len(some.places), 2)
    some.keep(kept)
    odd = cells % 2 == 1
    expected, answer = everything.answer(places[odd], cells[odd]), some.answer(places[odd], cells[odd] // 2)
    assert torch.equal(answer.densities, expected.densities)
    numbers = torch.arange(int(odd.sum()))
    assert torch.equal(answer.colours(numbers, directions[odd]), expected.colours(numbers, directions[odd]))


@torch.no_grad()
def test_fields_of_several_encodings_are_asked_place_by_place():
    field = drawn_field(Dense(2, 6))
    shader = shader_of(field)
    assert isinstance(shader, PlainShader)
    places, cells, directions = asked(field)
    expected = field.planar(Points(places, directions))
    answer = shader.answer(places, cells)
    torch.testing.assert_close(answer.densities, expected[3])
    torch.testing.assert_close(answer.colours(torch.arange(500), directions), expected[:3])
