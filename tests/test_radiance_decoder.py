"""The decoder of scenes: density that all directions share, colour that they do not."""

import math
from dataclasses import replace

import pytest
import torch
from drawn import filled
from torch import Tensor

from fieldpress.decoders import RadianceMlp
from fieldpress.decoders.radiance import HARMONICS, harmonics
from fieldpress.encodings import Dense
from fieldpress.field import Field, FieldConfig, Points

CONFIG = FieldConfig({"dense": Dense(3, 4)}, RadianceMlp(width=5, depth=2))


def sphere(steps: int = 12) -> tuple[Tensor, Tensor]:
    """Directions and weights that integrate polynomials of low degree over the sphere exactly, weights summing to 1.

    Midpoints in azimuth, and in z the Gauss-Legendre nodes, here three of them: exact up to degree 5.
    """
    nodes = torch.tensor([-math.sqrt(0.6), 0.0, math.sqrt(0.6)], dtype=torch.float64)
    shares = torch.tensor([5, 8, 5], dtype=torch.float64) / 18
    angles = (torch.arange(steps, dtype=torch.float64) + 0.5) * (2 * math.pi / steps)
    z, angle = torch.cartesian_prod(nodes, angles).T
    flat = (1 - z * z).sqrt()
    directions = torch.stack([flat * angle.cos(), flat * angle.sin(), z], 1)
    return directions, shares.repeat_interleave(steps) / steps


def drawn_field(config: FieldConfig = CONFIG) -> Field:
    """In float64, every number drawn."""
    field = config.build().double()
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for tensor in field.parameters():
            tensor.copy_(torch.randn(tensor.shape, generator=generator))
    return field


def points(count: int = 30) -> tuple[Tensor, Tensor]:
    """Places and directions."""
    generator = torch.Generator().manual_seed(6)
    places = torch.rand(count, 3, generator=generator, dtype=torch.float64)
    directions = torch.randn(count, 3, generator=generator, dtype=torch.float64)
    return places, directions / directions.norm(dim=1, keepdim=True)


def test_harmonics_are_orthonormal():
    directions, weights = sphere()
    values = harmonics(directions)
    # Products have degree 4 at most, so the quadrature is exact but for rounding.
    torch.testing.assert_close((values * weights) @ values.T, torch.eye(HARMONICS, dtype=torch.float64))


def test_harmonics_come_by_degree():
    directions, _ = points()
    values = harmonics(directions)
    even = [0, 4, 5, 6, 7, 8]  # degrees 0 and 2 do not change when one looks the other way, degree 1 does
    signs = torch.tensor([1.0 if i in even else -1.0 for i in range(HARMONICS)], dtype=torch.float64)
    torch.testing.assert_close(harmonics(-directions), values * signs[:, None])


def test_without_directions_there_is_density_alone():
    places, directions = points()
    field = drawn_field()
    density = field.planar(Points(places))
    assert density.shape == (1, len(places))
    torch.testing.assert_close(field.planar(Points(places, directions))[3:], density)


def test_density_is_not_negative_and_colours_are_in_range():
    values = drawn_field().planar(Points(*points()))
    assert (values[3] > 0).all()
    assert ((values[:3] > 0) & (values[:3] < 1)).all()


def test_density_does_not_depend_on_the_direction_and_colour_does():
    places, directions = points()
    field = drawn_field()
    one, other = field.planar(Points(places, directions)), field.planar(Points(places, directions.flip(0)))
    assert torch.equal(one[3], other[3])
    assert ((one[:3] - other[:3]).abs() > 1e-3).any(0).all()


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_values_by_hand(depth: int):
    field = drawn_field(replace(CONFIG, decoder=RadianceMlp(width=5, depth=depth)))
    place, direction = (values[0] for values in points())
    tensors = {name.removeprefix("decoder."): tensor.detach() for name, tensor in field.tensors().items()}
    features = field.encodings["dense"](Points(place[None]))[:, 0].detach()
    hidden = tensors["view"] @ harmonics(direction[None])[:, 0]
    state = features
    for layer in range(depth):
        state = (
            tensors[f"hidden.{layer}.weight"] @ state + tensors[f"hidden.{layer}.bias"] + (hidden if not layer else 0)
        )
        state = torch.where(state > 0, state, 0)
    colour = 1 / (1 + torch.exp(-(tensors["last.weight"] @ state + tensors["last.bias"])))
    density = torch.log1p(torch.exp(tensors["density.weight"] @ features + tensors["density.bias"]))
    found = field.planar(Points(place[None], direction[None]))[:, 0]
    torch.testing.assert_close(found, torch.cat([colour, density]))


def test_gradients():
    field = drawn_field()
    names = list(field.tensors())
    values = tuple(value.detach().requires_grad_() for value in field.tensors().values())
    places, directions = points(4)

    def look(*given: Tensor) -> Tensor:
        return torch.func.functional_call(field, dict(zip(names, given, strict=True)), (Points(places, directions),))

    assert torch.autograd.gradcheck(look, values)


def test_a_fresh_field_is_a_thin_fog():
    torch.manual_seed(0)
    density = CONFIG.build().planar(Points(points(500)[0].float())).detach()
    assert 0 < float(density.min()) <= float(density.max()) < 0.02  # softplus(-5) is 0.0067


def test_shapes_are_those_of_the_module():
    field = CONFIG.build()
    assert {name: tuple(tensor.shape) for name, tensor in field.tensors().items()} == CONFIG.shapes()


@pytest.mark.parametrize(("width", "depth"), [(0, 1), (4097, 1), (4, 0), (4, 17)])
def test_sizes_that_it_does_not_have_are_refused(width: int, depth: int):
    with pytest.raises(ValueError, match="a radiance decoder has"):
        RadianceMlp(width, depth)


def test_features_of_several_encodings_are_read_side_by_side():
    grid = filled(Dense(3, 4))
    places, directions = points()
    field = drawn_field(FieldConfig({"dense": Dense(2, 4), "dense2": Dense(1, 4)}, RadianceMlp(width=5, depth=1)))
    with torch.no_grad():
        field.get_parameter("dense.grid").copy_(grid.grid[:2])
        field.get_parameter("dense2.grid").copy_(grid.grid[2:])
    joined = drawn_field(FieldConfig({"dense": Dense(3, 4)}, RadianceMlp(width=5, depth=1)))
    with torch.no_grad():
        for name, tensor in joined.tensors().items():
            tensor.copy_(grid.grid if name == "dense.grid" else field.get_parameter(name))
    torch.testing.assert_close(field(Points(places, directions)), joined(Points(places, directions)))
