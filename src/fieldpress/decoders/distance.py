"""The signed distance from a surface, from the features of a place, through a small perceptron.

Source: NGLOD (Takikawa et al. 2021): summed features through one hidden layer. Here a linear path stands beside it, so
that what the features say interpolates as they do, and the perceptron bends it.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from fieldpress.decoders.mlp import linear_layer
from fieldpress.field import Decoder, DecoderConfig, Latent, apply_linear

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
        if not (1 <= self.width <= 4096 and 1 <= self.depth <= 16):
            raise ValueError(f"a distance decoder has a width of 1 to 4096 and a depth of 1 to 16, got {self}")

    def build(self, features: int) -> "DistanceDecoder":
        return DistanceDecoder(self, features)

    def shapes(self, features: int) -> dict[str, tuple[int, ...]]:
        sizes = [features] + [self.width] * self.depth
        hidden = {
            f"hidden.{i}.{name}": shape
            for i, (fan_in, fan_out) in enumerate(pairwise(sizes))
            for name, shape in (("weight", (fan_out, fan_in)), ("bias", (fan_out,)))
        }
        return {"skip": (1, features), **hidden, "last.weight": (1, self.width), "last.bias": (1,)}


class DistanceDecoder(Decoder):
    """The module of :class:`DistanceMlp`. Gives (1, ...): distances in sides of the unit cube, negative inside."""

    def __init__(self, config: DistanceMlp, features: int) -> None:
        super().__init__()
        sizes = [features] + [config.width] * config.depth
        self.skip = nn.Parameter(torch.randn(1, features) / features**0.5)
        self.hidden = nn.ModuleList(nn.Linear(i, o) for i, o in pairwise(sizes))
        self.last = nn.Linear(config.width, 1)
        for layer in self.hidden:
            nn.init.kaiming_normal_(layer.weight)  # pyright: ignore[reportArgumentType]
            nn.init.zeros_(layer.bias)  # pyright: ignore[reportArgumentType]
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
