"""Decoders against the same arithmetic written out, place by place."""

from types import SimpleNamespace

import pytest
import torch
from torch.nn.functional import leaky_relu

from fieldpress.config import from_plain, to_plain
from fieldpress.decoders import Mlp, Siren
from fieldpress.encodings import Planes
from fieldpress.errors import ConfigError
from fieldpress.field import FieldConfig, Lattice, Points
from fieldpress.interfaces import DecoderConfig

POINTS = Points(torch.rand(40, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1)))
PLANES = Planes(2, xy=((5, 7),), yt=((3, 7),), xt=((3, 5),))


def case(decoder: DecoderConfig) -> SimpleNamespace:
    """A field of this decoder with all numbers drawn, the features it sees at the points, and its tensors."""
    torch.manual_seed(2)
    field = FieldConfig({"planes": PLANES}, decoder).build().double()
    with torch.no_grad():
        for tensor in field.parameters():
            tensor.normal_()
        features = field.encodings["planes"](POINTS).T
    weights = {name.removeprefix("decoder."): tensor.detach() for name, tensor in field.tensors().items()}
    return SimpleNamespace(field=field, features=features, weights=weights)


def layer(weights: dict[str, torch.Tensor], name: str, values: torch.Tensor) -> torch.Tensor:
    return values @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_an_mlp_is_a_perceptron_with_a_linear_path_beside_it(depth: int):
    made = case(Mlp(width=6, depth=depth))
    hidden = made.features
    for i in range(depth):
        hidden = leaky_relu(layer(made.weights, f"hidden.{i}", hidden), 0.01)
    expected = layer(made.weights, "last", hidden) + made.features @ made.weights["skip"].T
    torch.testing.assert_close(made.field(POINTS), expected)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_a_siren_is_a_sine_network_over_time_modulated_by_the_features(depth: int):
    made = case(Siren(width=6, depth=depth, omega=20.0))
    wave, state = POINTS.coordinates[:, :1], made.features[:, :0]
    for i in range(depth):
        state = leaky_relu(layer(made.weights, f"modulator.{i}", torch.cat([state, made.features], 1)), 0.01)
        wave = torch.sin((1.0 if i else 20.0) * layer(made.weights, f"sine.{i}", wave)) * state
    expected = layer(made.weights, "last", wave) / 2 + 0.5  # the network speaks in [-1, 1]
    torch.testing.assert_close(made.field(POINTS), expected)


def test_a_fresh_mlp_says_what_its_linear_path_says():
    field = FieldConfig({"planes": PLANES}, Mlp()).build().double()
    features = field.encodings["planes"](POINTS).T
    expected = features @ field.decoder.get_parameter("skip").T + 0.5
    torch.testing.assert_close(field(POINTS), expected)


def test_the_first_sine_of_a_siren_is_computed_once_a_picture(monkeypatch: pytest.MonkeyPatch):
    sizes, sine = [], torch.sin
    monkeypatch.setattr(torch, "sin", lambda values: sizes.append(values.numel()) or sine(values))
    field = FieldConfig({"planes": PLANES}, Siren(width=8, depth=2)).build()
    field(Lattice(torch.rand(3), torch.rand(20), torch.rand(30)))
    assert sizes == [8 * 3, 8 * 3 * 20 * 30]


@pytest.mark.parametrize("decoder", [Mlp(7, 2), Siren(7, 2)], ids=lambda config: config.id)
def test_a_fresh_decoder_learns_from_every_weight(decoder: DecoderConfig):
    torch.manual_seed(0)
    field = FieldConfig({"planes": PLANES}, decoder).build().double()
    with torch.no_grad():
        field.decoder.get_parameter("last.weight").normal_()  # an mlp's begins at zero, and lets no gradient through
    field(POINTS).square().sum().backward()
    assert all(tensor.grad is not None and tensor.grad.any() for tensor in field.decoder.parameters())


@pytest.mark.parametrize(
    ("config", "change"),
    [
        (Mlp(), {"width": 0}),
        (Mlp(), {"width": 10**6}),
        (Mlp(), {"depth": 0}),
        (Mlp(), {"depth": 10**9}),
        (Siren(), {"width": 10**9}),
        (Siren(), {"depth": 10**9}),
        (Siren(), {"depth": 2.0}),
        (Siren(), {"omega": 0.0}),
        (Siren(), {"omega": 1e300}),
    ],
    ids=str,
)
def test_impossible_sizes_are_refused(config: DecoderConfig, change: dict[str, object]):
    with pytest.raises(ConfigError):
        from_plain(DecoderConfig, to_plain(config) | change, "field.decoder")
