"""Nested planes: which cells a level reads, where these stand, and what a shared table gives and saves."""

import math
from typing import Any

import pytest
import tents
import torch
from drawn import filled
from torch.func import functional_call

from fieldpress.config import from_plain, to_plain
from fieldpress.encodings import Nested, Planes
from fieldpress.errors import ConfigError
from fieldpress.field import Lattice, Points
from fieldpress.grids import KeyframeGrids
from fieldpress.interfaces import EncodingConfig
from fieldpress.interpolation import taps
from fieldpress.presets import recipe
from fieldpress.training.plan import assign

CONFIG = Nested(2, 3, xy=(9, 12), yt=(5, 12), xt=(5, 9))
AXES = {"xy": [1, 2], "yt": [0, 2], "xt": [0, 1]}


def places() -> torch.Tensor:
    """Anywhere in the cube, corners included; the prime 97 keeps them off the centres, which would attract them."""
    drawn = torch.randint(98, (60, 3), generator=torch.Generator().manual_seed(4)).double() / 97
    return torch.cat([drawn, torch.cartesian_prod(*[torch.tensor([0.0, 1.0], dtype=torch.float64)] * 3)])


def test_every_level_is_a_sum_of_tents_over_its_own_cells():
    nested, points = filled(CONFIG), places()
    expected = [
        torch.stack([tents.read(nested.get_parameter(plane), 2**level, *place) for place in points[:, axes].tolist()])
        for plane, axes in AXES.items()
        for level in range(3)
    ]
    torch.testing.assert_close(nested(Points(points)).T, torch.cat(expected, 1), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("size", [1, 2, 7, 8, 180, 1001])
@pytest.mark.parametrize("level", [0, 1, 3])
def test_a_cell_that_a_level_reads_stays_where_the_table_has_it(size: int, level: int):
    cells = torch.arange(0, size, 2**level)
    found = taps((cells + 0.5) / size, size, stride=2**level)
    assert found.whole
    assert torch.equal(found.lower, torch.arange(len(cells)))


def test_behind_the_last_cell_of_a_level_its_value_holds():
    # Level 1 of ten cells reads 0, 2, 4, 6, 8, and the last centre of these is at 8.5 tenths.
    found = taps(torch.tensor([0.85, 0.9, 0.95, 1.0]), 10, stride=2)
    assert found.whole
    assert found.lower.tolist() == [4, 4, 4, 4]


def test_one_level_of_nested_planes_is_one_level_of_planes():
    nested = filled(Nested(2, 1, xy=(9, 12), yt=(5, 12), xt=(5, 9)))
    planes = Planes(2, xy=((9, 12),), yt=((5, 12),), xt=((5, 9),)).build().double()
    planes.load_state_dict({f"{plane}.0": table for plane, table in nested.state_dict().items()})
    assert torch.equal(nested(Points(places())), planes(Points(places())))


def test_a_level_beyond_the_table_is_its_first_cell_everywhere():
    nested = filled(Nested(1, 5, xy=(9, 12), yt=(5, 12), xt=(5, 9)))
    values = nested(Points(places()))[4]  # level 4 of xy: every sixteenth cell
    torch.testing.assert_close(values, nested.get_parameter("xy")[0, 0, 0].expand(len(values)))


QUERIES: dict[str, Lattice | Points] = {
    "points": Points(places()[:6]),
    "aligned lattice": Lattice(*((torch.arange(n).double() + 0.5) / n for n in (3, 5, 6))),
    "other lattice": Lattice(*((torch.arange(n).double() + 0.5) / n for n in (2, 4, 3))),
}


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
@pytest.mark.parametrize("plane", AXES)
def test_the_gradient_of_a_table_is_that_of_finite_differences(query: Lattice | Points, plane: str):
    nested = filled(Nested(1, 2, xy=(5, 6), yt=(3, 6), xt=(3, 5)))
    table = nested.get_parameter(plane).detach().clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda table: functional_call(nested, {plane: table}, (query,)), table)


def test_levels_take_no_numbers_of_their_own():
    few, many = (Nested(2, levels, xy=(9, 12), yt=(5, 12), xt=(5, 9)) for levels in (1, 4))
    assert few.shapes() == many.shapes()
    assert many.features() == 4 * few.features()


def test_the_switch_of_the_grids_replaces_planes_of_the_same_finest_level():
    separate, shared = (KeyframeGrids(nested=nested).encodings(132, 180, 320) for nested in (False, True))
    assert list(separate) == ["planes", "volume"]
    assert list(shared) == ["nested", "volume"]
    tables = {plane: shape for plane, shape in separate["planes"].shapes().items() if plane.endswith(".2")}
    assert shared["nested"].shapes() == {plane[:2]: shape for plane, shape in tables.items()}
    assert shared["nested"].features() == separate["planes"].features()


def test_the_plan_of_the_studies_takes_them():
    chosen = recipe("nvp-mini")
    tensors = {f"nested.{name}": math.prod(shape) for name, shape in CONFIG.shapes().items()}
    taken = {rule: chunk.tensors for rule, chunk in assign(chosen.plan, tensors).items()}
    assert taken == {"nested": tuple(tensors)}
    assert chosen.plan["nested"] == chosen.plan["planes"]


@pytest.mark.parametrize(
    "change", [{"channels": 0}, {"levels": 0}, {"levels": 17}, {"xy": [0, 4]}, {"yt": [4, 0]}, {"xt": [-1, 4]}], ids=str
)
def test_impossible_sizes_are_refused(change: dict[str, Any]):
    with pytest.raises(ConfigError):
        from_plain(EncodingConfig, to_plain(CONFIG) | change, "field.encodings")
