"""A plain perceptron over the features, with a linear path beside it.

On grids that start as a picture of the signal, the linear path already gives the picture, and the network
only learns what to add: undoing the blur and the noise that the compressor leaves in the grids.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from fieldpress.decoders.perceptron import check_sizes, hidden_layers, hidden_shapes, linear_layer, normal, start_hidden
from fieldpress.interfaces import Decoder, DecoderConfig, Latent, apply_linear

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
        check_sizes("an mlp", self.width, self.depth)

    def build(self, features: int) -> "MlpDecoder":
        return MlpDecoder(self, features)

    def shapes(self, features: int) -> dict[str, tuple[int, ...]]:
        hidden = hidden_shapes(features, self.width, self.depth)
        out = 3 * self.cell**2
        return {"skip": (out, features), **hidden, "last.weight": (out, self.width), "last.bias": (out,)}


class MlpDecoder(Decoder):
    """The module of :class:`Mlp`. The last layer starts at zero, so that the linear path alone speaks at first."""

    def __init__(self, config: Mlp, features: int) -> None:
        super().__init__()
        self.cell = config.cell
        out = 3 * self.cell**2
        self.skip = nn.Parameter(normal(out, features, divisor=features**0.5))
        self.hidden = hidden_layers(features, config.width, config.depth)
        self.last = nn.Linear(config.width, out)
        start_hidden(self.hidden, SLOPE)
        nn.init.zeros_(self.last.weight)
        nn.init.constant_(self.last.bias, 0.5)

    def forward(self, latent: Latent) -> Tensor:
        first, *others = self.hidden
        # The linear path and the first layer read the features together: one pass over the grids, one product.
        weight = torch.cat([self.skip, first.weight])  # pyright: ignore[reportArgumentType, reportCallIssue]
        bias = torch.cat([self.last.bias, first.bias])  # pyright: ignore[reportArgumentType, reportCallIssue]
        mixed = latent.linear(weight, bias)
        linear, hidden = mixed[: len(self.last.bias)], mixed[len(self.last.bias) :]
        hidden = functional.leaky_relu(hidden, SLOPE)
        for layer in others:
            hidden = functional.leaky_relu_(linear_layer(layer, hidden), SLOPE)  # pyright: ignore[reportArgumentType]
        return linear + apply_linear(self.last.weight, hidden)
