"""A head for films: all four pixels of a cell from the cells around it, in one linear step at half the resolution.

::

    54 features ── weights ──> 12 numbers: pixels of (y, u, v) ── colours ──> RGB

What a film leaves to mend is colour at half resolution: how a clip's colours follow its edges. The weights are found by
least squares, and are differences to those that show the film as it is, so that a file holds only what they gain.
What a network adds to that is in :mod:`fieldpress.decoders.postfilter`.
"""

from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from fieldpress.encodings.film import CELL, CHANNELS, FEATURES, NEIGHBOURS
from fieldpress.interfaces import Decoder, DecoderConfig, Latent

PAINTED = 3 * CELL * CELL
"""Numbers for a cell: brightness of its pixels, row by row, then two colour differences of each."""


_AS_IT_IS = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
"""Colours. Not ``torch.eye``, which loads torch's compiler where only shapes are built."""


@dataclass(frozen=True)
class Head(DecoderConfig):
    """A linear layer over a film's cells, and the film's colours."""

    id: ClassVar[str] = "head"
    cell: ClassVar[int] = CELL
    alone: ClassVar[str] = "film"
    reads: ClassVar[int] = FEATURES
    """Features of the film that it goes with."""

    def build(self, features: int) -> "HeadDecoder":
        self._check(features)
        return HeadDecoder()

    def shapes(self, features: int) -> dict[str, tuple[int, ...]]:
        self._check(features)
        return {"colours": (3, 3), "weight": (PAINTED, FEATURES), "bias": (PAINTED,)}

    def _check(self, features: int) -> None:
        if features != self.reads:
            raise ValueError(f"a {self.id} reads one film, which has {self.reads} features, not {features}")


class HeadDecoder(Decoder):
    """The module of :class:`Head`.

    Attributes:
        colours: (3, 3), from a film's (y, u, v) to RGB around 0.5.
        weight: (12, inputs), added to :meth:`base`.
        bias: (12,).
    """

    cell = CELL

    def __init__(self, inputs: int = FEATURES) -> None:
        super().__init__()
        self.colours = nn.Parameter(torch.tensor(_AS_IT_IS))
        self.weight = nn.Parameter(torch.zeros(PAINTED, inputs))
        self.bias = nn.Parameter(torch.zeros(PAINTED))

    def base(self) -> Float[Tensor, "12 inputs"]:
        """The weights of a head that has learned nothing of its clip."""
        return plain_weight().to(self.weight)

    def inputs(self, latent: Latent) -> Float[Tensor, "inputs *query"]:
        """What the weights are multiplied with."""
        return latent.linear(torch.eye(FEATURES).to(self.weight), self.weight.new_zeros(FEATURES))

    @property
    def expectation(self) -> nn.Parameter | None:
        """What :meth:`expect` sets, if anything."""
        return None

    def expect(self, error: float) -> None:
        """Takes up how large the film's errors are: the mean squared error of its luma."""

    def forward(self, latent: Latent) -> Tensor:
        return latent.linear(self.in_rgb(self.weight + self.base()), self.in_rgb(self.bias[:, None]).flatten() + 0.5)

    def in_rgb(self, painted: Float[Tensor, "12 n"]) -> Float[Tensor, "12 n"]:
        """As :func:`in_rgb`, with its colours."""
        return in_rgb(self.colours, painted)


def in_rgb(colours: Float[Tensor, "3 3"], painted: Float[Tensor, "12 n"]) -> Float[Tensor, "12 n"]:
    """Weights of (y, u, v), colour by colour, as weights of RGB, pixel by pixel: mixed here, not in every cell."""
    return (colours @ painted.reshape(3, -1)).reshape(3, CELL**2, -1).movedim(0, 1).reshape(painted.shape)


def widened(weight: Float[Tensor, "out 54"], neighbours: int) -> Float[Tensor, "out features"]:
    """Weights of the cells next to a place, among those of a film that reads so many along a side."""
    kernel = weight.reshape(-1, CHANNELS, NEIGHBOURS, NEIGHBOURS)
    return functional.pad(kernel, ((neighbours - NEIGHBOURS) // 2,) * 4).flatten(1)


@cache
def plain_weight() -> Float[Tensor, "12 54"]:
    """What shows a film as it is: brightness by itself, colour interpolated linearly between the centres of cells."""
    weight = np.zeros((3, CELL, CELL, CHANNELS, NEIGHBOURS, NEIGHBOURS), np.float32)
    for p in range(CELL):
        for q in range(CELL):
            weight[0, p, q, p * CELL + q, 1, 1] = 1
            # A pixel's centre is a quarter of a cell away from that of its cell.
            down, across = 2 * p, 2 * q
            for colour in (1, 2):
                kernel = weight[colour, p, q, CELL * CELL + colour - 1]
                kernel[1, 1], kernel[1, across], kernel[down, 1], kernel[down, across] = 0.5625, 0.1875, 0.1875, 0.0625
    return torch.from_numpy(weight.reshape(PAINTED, FEATURES))
