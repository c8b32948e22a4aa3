"""The signed distance from a surface, from the features of a place, through a small perceptron.

Source: NGLOD (Takikawa et al. 2021): summed features through one hidden layer. Here a linear path stands beside it, so
that what the features say interpolates as they do, and the perceptron bends it.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from fieldpress.decoders.perceptron import check_sizes, hidden_layers, hidden_shapes, linear_layer, normal, start_hidden
from fieldpress.interfaces import Decoder, DecoderConfig, Latent, apply_linear

UNIT = 16.0
"""The network speaks in this part of the cube's side, in which distances near a surface are numbers near 1."""


@dataclass(frozen=True)
class DistanceMlp(DecoderConfig):
    """Perceptron from features to one signed distance, with a linear path beside it."""

    id: ClassVar[str] = "distance"

    width: int = 24
    """Units of each hidden layer."""
    depth: int = 1
    """Hidden layers, at least 1."""

    def __post_init__(self) -> None:
        check_sizes("a distance", self.width, self.depth)

    def build(self, features: int) -> "DistanceDecoder":
        return DistanceDecoder(self, features)

    def shapes(self, features: int) -> dict[str, tuple[int, ...]]:
        hidden = hidden_shapes(features, self.width, self.depth)
        return {"skip": (1, features), **hidden, "last.weight": (1, self.width), "last.bias": (1,)}


class DistanceDecoder(Decoder):
    """The module of :class:`DistanceMlp`. Gives (1, ...): distances in sides of the unit cube, negative inside."""

    def __init__(self, config: DistanceMlp, features: int) -> None:
        super().__init__()
        self.skip = nn.Parameter(normal(1, features, divisor=features**0.5))
        self.hidden = hidden_layers(features, config.width, config.depth)
        self.last = nn.Linear(config.width, 1)
        start_hidden(self.hidden)
        nn.init.zeros_(self.last.bias)

    def forward(self, latent: Latent) -> Tensor:
        first, *others = self.hidden
        weight = torch.cat([self.skip, first.weight])  # pyright: ignore[reportArgumentType, reportCallIssue]
        bias = torch.cat([self.last.bias, first.bias])  # pyright: ignore[reportArgumentType, reportCallIssue]
        mixed = latent.linear(weight, bias)
        hidden = functional.relu(mixed[1:])
        for layer in others:
            hidden = functional.relu(linear_layer(layer, hidden))  # pyright: ignore[reportArgumentType]
        return (mixed[:1] + apply_linear(self.last.weight, hidden)) / UNIT
