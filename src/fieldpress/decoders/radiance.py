"""Density and view-dependent colour from the features of a place.

The density is one linear reading of the features, so that it costs nothing beside them and interpolates as they do.
The colour comes from a small perceptron that also sees from where one looks, as spherical harmonics. Source: the
decoder of VQAD (Takikawa et al. 2022), features and direction through one hidden layer; here density is kept apart from
the direction, so that a place is equally solid from all sides.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from fieldpress.decoders.perceptron import check_sizes, hidden_layers, hidden_shapes, linear_layer, normal, start_hidden
from fieldpress.field import Points
from fieldpress.interfaces import Decoder, DecoderConfig, Latent

_START_DENSITY = -5.0
"""Bias of the density before softplus: a fresh field is a thin fog, through which every ray sees all of the scene."""


@dataclass(frozen=True)
class RadianceMlp(DecoderConfig):
    """Perceptron over features and view direction."""

    id: ClassVar[str] = "radiance"

    width: int = 48
    """Units of each hidden layer."""
    depth: int = 1
    """Hidden layers, at least 1."""

    def __post_init__(self) -> None:
        check_sizes("a radiance", self.width, self.depth)

    def build(self, features: int) -> "RadianceDecoder":
        return RadianceDecoder(self, features)

    def shapes(self, features: int) -> dict[str, tuple[int, ...]]:
        hidden = hidden_shapes(features, self.width, self.depth)
        own = {"view": (self.width, HARMONICS), "density.weight": (1, features), "density.bias": (1,)}
        return {**own, **hidden, "last.weight": (3, self.width), "last.bias": (3,)}


class RadianceDecoder(Decoder):
    """The module of :class:`RadianceMlp`. Gives (4, n): red, green and blue in [0, 1], and density.

    Points without directions have no colour: for them it gives the density alone, (1, n).

    A density is absorption per 1/128 of the side of the unit cube.
    """

    def __init__(self, config: RadianceMlp, features: int) -> None:
        super().__init__()
        self.density = nn.Linear(features, 1)
        self.view = nn.Parameter(normal(config.width, HARMONICS, divisor=HARMONICS**0.5))
        self.hidden = hidden_layers(features, config.width, config.depth)
        self.last = nn.Linear(config.width, 3)
        start_hidden(self.hidden)
        nn.init.ones_(self.density.weight)
        nn.init.constant_(self.density.bias, _START_DENSITY)
        nn.init.zeros_(self.last.bias)

    def forward(self, latent: Latent) -> Tensor:
        assert isinstance(latent.query, Points), "a radiance decoder answers for points"
        if latent.query.directions is None:
            return functional.softplus(latent.linear(self.density.weight, self.density.bias))
        first = self.hidden[0]
        weight = torch.cat([self.density.weight, first.weight])  # pyright: ignore[reportArgumentType, reportCallIssue]
        bias = torch.cat([self.density.bias, first.bias])  # pyright: ignore[reportArgumentType, reportCallIssue]
        mixed = latent.linear(weight, bias)
        colours = self._colours(mixed[1:] + self.view @ harmonics(latent.query.directions))
        return torch.cat([colours, functional.softplus(mixed[:1])])

    def density_readings(self, features: Float[Tensor, "features n"]) -> Float[Tensor, "n"]:
        """What a density is the softplus of: linear in the features, so it can be interpolated in their place."""
        return (self.density.weight @ features + self.density.bias)[0]

    def colours(self, features: Float[Tensor, "features n"], directions: Float[Tensor, "n 3"]) -> Float[Tensor, "3 n"]:
        """Colours alone, of places with these features seen from these directions. No gradients."""
        first = self.hidden[0]
        assert isinstance(first, nn.Linear)
        view = self.view.clone()
        view[:, 0] += first.bias  # the first harmonic is 1
        return self._colours((first.weight @ features).addmm_(view, harmonics(directions)))

    def _colours(self, mixed: Float[Tensor, "width n"]) -> Float[Tensor, "3 n"]:
        """From what goes into the first rectifier, which is overwritten."""
        hidden = mixed.relu_()
        for layer in list(self.hidden)[1:]:
            hidden = linear_layer(layer, hidden).relu_()  # pyright: ignore[reportArgumentType]
        return torch.sigmoid(linear_layer(self.last, hidden))


HARMONICS = 9


def harmonics(directions: Float[Tensor, "n 3"]) -> Float[Tensor, "9 n"]:
    """Real spherical harmonics up to degree 2, scaled to a mean square of 1 each.

    Source: Sloan, "Efficient spherical harmonic evaluation", 2013.
    """
    x, y, z = directions.T
    root3, root5, root15 = 3**0.5, 5**0.5, 15**0.5
    return torch.stack(
        [
            torch.ones_like(x),
            root3 * y,
            root3 * z,
            root3 * x,
            root15 * x * y,
            root15 * y * z,
            root5 / 2 * (3 * z * z - 1),
            root15 * x * z,
            root15 / 2 * (x * x - y * y),
        ]
    )
