"""A plain perceptron over the features, with a linear path beside it.

On grids that start as a picture of the signal, the linear path already gives the picture, and the network
only learns what to add: undoing the blur and the noise that the compressor leaves in the grids.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from fieldpress.field import Decoder, DecoderConfig, Latent, apply_linear

SLOPE = 0.01
"""Of the LeakyReLU below zero."""


@dataclass(frozen=True)
class Mlp(DecoderConfig):
    """Perceptron with LeakyReLU, and a linear path from the features to the output."""

    id: ClassVar[str] = "mlp"

    width: int = 24
    """Units of each hidden layer."""
    depth: int = 2
    """Hidden layers, at least 1."""

    def __post_init__(self) -> None:
        if not (1 <= self.width <= 4096 and 1 <= self.depth <= 16):
            raise ValueError(f"an mlp decoder has a width of 1 to 4096 and a depth of 1 to 16, got {self}")

    def build(self, features: int) -> "MlpDecoder":
        return MlpDecoder(self, features)

    def shapes(self, features: int) -> dict[str, tuple[int, ...]]:
        sizes = [features] + [self.width] * self.depth
        hidden = {
            f"hidden.{i}.{name}": shape
            for i, (fan_in, fan_out) in enumerate(pairwise(sizes))
            for name, shape in (("weight", (fan_out, fan_in)), ("bias", (fan_out,)))
        }
        return {"skip": (3, features), **hidden, "last.weight": (3, self.width), "last.bias": (3,)}


class MlpDecoder(Decoder):
    """The module of :class:`Mlp`. The last layer starts at zero, so that the linear path alone speaks at first."""

    def __init__(self, config: Mlp, features: int) -> None:
        super().__init__()
        sizes = [features] + [config.width] * config.depth
        self.skip = nn.Parameter(torch.randn(3, features) / features**0.5)
        self.hidden = nn.ModuleList(nn.Linear(i, o) for i, o in pairwise(sizes))
        self.last = nn.Linear(config.width, 3)
        for layer in self.hidden:
            nn.init.kaiming_normal_(layer.weight, a=SLOPE)  # pyright: ignore[reportArgumentType]
            nn.init.zeros_(layer.bias)  # pyright: ignore[reportArgumentType]
        nn.init.zeros_(self.last.weight)
        nn.init.constant_(self.last.bias, 0.5)

    def forward(self, latent: Latent) -> Tensor:
        first, *others = self.hidden
        # The linear path and the first layer read the features together: one pass over the grids, one product.
        weight = torch.cat([self.skip, first.weight])  # pyright: ignore[reportArgumentType, reportCallIssue]
        bias = torch.cat([self.last.bias, first.bias])  # pyright: ignore[reportArgumentType, reportCallIssue]
        mixed = latent.linear(weight, bias)
        linear, hidden = mixed.split([3, len(bias) - 3])
        hidden = functional.leaky_relu(hidden, SLOPE)
        for layer in others:
            hidden = functional.leaky_relu(linear_layer(layer, hidden), SLOPE)  # pyright: ignore[reportArgumentType]
        return linear + apply_linear(self.last.weight, hidden)


def linear_layer(layer: nn.Linear, features: Tensor) -> Tensor:
    """``layer`` along the first axis, bias included, as one matrix product."""
    flat = torch.addmm(layer.bias[:, None], layer.weight, features.flatten(1))
    return flat.reshape(len(flat), *features.shape[1:])
