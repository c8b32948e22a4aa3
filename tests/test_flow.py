"""Flow: keyframes read at displaced places, the gradient that the displacement gets, and what it must survive."""

from typing import Any

import pytest
import tents
import torch
from torch.func import functional_call

from fieldpress.config import from_plain, to_plain
from fieldpress.encodings import Flow, Nested, Planes, Volume
from fieldpress.encodings.flow import FlowEncoding
from fieldpress.encodings.levels import Level
from fieldpress.errors import ConfigError
from fieldpress.field import Lattice, Points
from fieldpress.grids import KeyframeGrids
from fieldpress.interfaces import Encoding, EncodingConfig
from fieldpress.presets import recipe
from fieldpress.training.plan import assign

CELLS = (3, 2, 4)
PLANES = Planes(2, xy=((3, 5), (6, 9)), yt=((4, 6),), xt=((4, 5),))
NESTED = Nested(1, 3, xy=(6, 9), yt=(3, 9), xt=(3, 6))
CONFIGS = {"planes": Flow(CELLS, PLANES), "nested": Flow(CELLS, NESTED)}
XY = {"planes": 4, "nested": 3}
"""Features of the xy plane, which come first."""

every_config = pytest.mark.parametrize("name", CONFIGS)


def centres(count: int) -> torch.Tensor:
    return (torch.arange(count, dtype=torch.float64) + 0.5) / count


LATTICE = Lattice(centres(4), centres(7), centres(8))


def built(config: EncodingConfig) -> Any:
    """The encoding in float64, every number but a displacement drawn."""
    encoding = config.build().double()
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, tensor in encoding.named_parameters():
            if not name.startswith("motion"):
                tensor.copy_(torch.randn(tensor.shape, generator=generator, dtype=torch.float64))
    return encoding


def displaced(name: str, motion: torch.Tensor) -> FlowEncoding:
    """A flow by these displacements, ``(2, times, rows, columns)`` or what broadcasts to it."""
    flow = built(CONFIGS[name])
    with torch.no_grad():
        flow.motion.levels[0].copy_(motion)
    return flow


def random_motion(size: float = 0.4) -> torch.Tensor:
    generator = torch.Generator().manual_seed(5)
    return size * torch.randn(2, *CELLS, generator=generator, dtype=torch.float64)


def places(count: int = 60) -> torch.Tensor:
    """Anywhere in the cube; the prime 97 keeps them off the centres, which would attract them."""
    return torch.randint(98, (count, 3), generator=torch.Generator().manual_seed(4)).double() / 97


def keyframes(name: str) -> Encoding:
    """What the flow displaces, with the same numbers."""
    return built(CONFIGS[name]).get_submodule(name)


@every_config
def test_without_a_displacement_it_is_the_keyframes(name: str):
    flow = built(CONFIGS[name])
    torch.testing.assert_close(flow(Points(places())), keyframes(name)(Points(places())), rtol=1e-9, atol=1e-9)


@every_config
def test_a_displacement_by_half_a_cell_reads_the_xy_plane_half_a_cell_further_on(name: str):
    flow = displaced(name, torch.tensor([0.5, -0.5]).double().reshape(2, 1, 1, 1))
    rows, columns = CELLS[1:]
    moved = places() + torch.tensor([0, 0.5 / rows, -0.5 / columns])  # partly outside: edges clamp
    expected = keyframes(name)(Points(moved))[: XY[name]]
    torch.testing.assert_close(flow(Points(places()))[: XY[name]], expected, rtol=1e-9, atol=1e-9)


@every_config
def test_the_planes_over_time_stay_where_they_are(name: str):
    moved, still = displaced(name, random_motion())(LATTICE), keyframes(name)(LATTICE)
    assert torch.equal(moved[XY[name] :], still[XY[name] :])
    assert not torch.allclose(moved[: XY[name]], still[: XY[name]])


@every_config
def test_every_place_goes_its_own_way(name: str):
    flow = displaced(name, random_motion())
    motion = Volume((Level(2, *CELLS),), neighbours=1).build().double().requires_grad_(False)
    motion.load_state_dict({"levels.0": random_motion()})
    tables = {key: tensor.detach() for key, tensor in keyframes(name).named_parameters()}
    levels = [(tables["xy.0"], 1), (tables["xy.1"], 1)] if name == "planes" else [(tables["xy"], s) for s in (1, 2, 4)]
    for place in places(12):
        down, right = motion(Points(place[None]))[:, 0] / torch.tensor(CELLS[1:])
        y, x = (place[1] + down).item(), (place[2] + right).item()
        expected = torch.cat([tents.read(table, stride, y, x) for table, stride in levels])
        torch.testing.assert_close(flow(Points(place[None]))[: XY[name], 0], expected, rtol=1e-9, atol=1e-9)


@every_config
def test_a_linear_layer_is_the_same_before_and_after(name: str):
    flow = displaced(name, random_motion())
    weight = torch.randn(3, flow.channels, generator=torch.Generator().manual_seed(6), dtype=torch.float64)
    expected = torch.einsum("of,f...->o...", weight, flow(LATTICE))
    torch.testing.assert_close(flow.linear(LATTICE, weight).expand_as(expected), expected, rtol=1e-9, atol=1e-9)


# Gradients

QUERIES: dict[str, Lattice | Points] = {
    "points": Points(places(6)),
    "lattice": Lattice(centres(2), centres(3), centres(4)),
}


@every_config
@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
@pytest.mark.parametrize("tensor", ["motion.levels.0", "xy"])
def test_the_gradient_is_that_of_finite_differences(name: str, query: Lattice | Points, tensor: str):
    flow = displaced(name, random_motion(0.2))
    parameter = next(key for key, _ in flow.named_parameters() if tensor in key)
    start = flow.get_parameter(parameter).detach().clone().requires_grad_()
    # Times one: gradcheck wants a dense gradient, and a leaf of the motion would have a sparse one.
    assert torch.autograd.gradcheck(lambda grid: functional_call(flow, {parameter: grid * 1}, (query,)), start)


@every_config
def test_a_displacement_of_zero_has_a_gradient_where_pixels_and_cells_coincide(name: str):
    # There the keyframes are read without interpolating, which alone would hide the slope.
    flow = built(CONFIGS[name])
    flow(Lattice(centres(3), centres(6), centres(9))).square().sum().backward()
    assert (flow.motion.levels[0].grad.to_dense() != 0).all()


def test_a_step_on_one_picture_touches_the_displacements_around_its_time():
    flow = displaced("planes", random_motion())
    flow(Lattice(centres(3)[:1], centres(6), centres(9))).sum().backward()
    assert flow.motion.levels[0].grad.coalesce().indices()[1].unique().tolist() == [0]


def test_a_shift_is_found_from_pictures_alone():
    # A smooth picture, seen half a motion cell further to the right; start at no displacement.
    flow = built(Flow((1, 1, 4), Planes(1, xy=((8, 24),), yt=(), xt=())))
    picture = torch.sin(torch.arange(24) / 3).double().expand(1, 8, 24)
    with torch.no_grad():
        flow.get_parameter("planes.xy.0").copy_(picture)
    query = Lattice(centres(1), centres(8), centres(24)[5:19])
    target = torch.sin(torch.arange(5, 19).double() / 3 + 1)  # one cell of motion is six of the plane: 3 / 6 = 0.5
    motion = flow.motion.levels[0]
    optimiser = torch.optim.Adam([motion], lr=0.05)
    for _ in range(60):
        optimiser.zero_grad()
        loss = (flow(query) - target).square().mean()
        loss.backward()
        motion.grad = motion.grad.to_dense()
        optimiser.step()
    # Interpolation of the sine makes the best shift differ a little from place to place.
    torch.testing.assert_close(motion[1, 0, 0, 1:3].detach(), torch.full((2,), 0.5).double(), rtol=0, atol=0.05)


# What it must survive


@pytest.mark.parametrize("size", [1e6, 3e38])
@every_config
def test_displacements_beyond_all_measure_read_the_edges(name: str, size: float):
    flow = built(CONFIGS[name]).float()
    with torch.no_grad():
        flow.motion.levels[0].copy_(size * torch.sign(random_motion()))
    single = Lattice(LATTICE.t.float(), LATTICE.y.float(), LATTICE.x.float())
    assert flow(single).isfinite().all()


@pytest.mark.parametrize(
    "change",
    [
        {"cells": [0, 1, 1]},
        {"keyframes": to_plain(Volume((Level(1, 1, 1, 1),)))},
        {"keyframes": to_plain(Planes(1, xy=(), yt=((2, 2),), xt=()))},
        {"keyframes": to_plain(CONFIGS["planes"])},
    ],
    ids=["no cells", "a volume", "no xy plane", "a flow"],
)
def test_what_cannot_be_displaced_is_refused(change: dict[str, Any]):
    with pytest.raises(ConfigError):
        from_plain(EncodingConfig, to_plain(CONFIGS["planes"]) | change, "field.encodings")


# The switch


@pytest.mark.parametrize("nested", [False, True])
def test_the_switch_of_the_grids_puts_a_flow_around_the_planes(nested: bool):
    plain, moved = (KeyframeGrids(nested=nested, flow=side).encodings(33, 180, 320) for side in (0, 16))
    assert list(moved) == ["flow", "volume"]
    flow = moved["flow"]
    assert isinstance(flow, Flow)
    assert flow.keyframes == plain["nested" if nested else "planes"]
    assert flow.cells == (9, 12, 20)  # 33 / 4 and 180 / 16 rounded up


@pytest.mark.parametrize("wrong", [{"flow": -1}, {"flow": 16, "plane_features": 0}], ids=str)
def test_a_flow_of_nothing_is_refused(wrong: dict[str, Any]):
    with pytest.raises(ConfigError, match="flow"):
        from_plain(KeyframeGrids, to_plain(KeyframeGrids()) | wrong, "grids")


@every_config
def test_the_plan_of_the_studies_takes_it(name: str):
    chosen = recipe("nvp-mini")
    tensors = [f"flow.{tensor}" for tensor in CONFIGS[name].shapes()]
    found = assign(chosen.plan, tensors)
    taken = {rule: list(chunk.tensors) for rule, chunk in found.items()}
    assert taken == {"flow.motion": ["flow.motion.levels.0"], "flow": tensors[1:]}
    assert chosen.plan["flow"] == chosen.plan["planes"]
