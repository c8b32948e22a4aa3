"""A head for films with a network beside it that the package ships: what a codec does to pictures, and how to mend it.

::

    150 features ──┬── the 54 of the cells next to it ───────────────────────────┬── weights ──> 12 numbers ──> RGB
                   └── network: 32 neurons, 32 neurons, in units of the noise ───┘

The network has learned on films of other clips (``benchmarks/postfilter.py``), and a file holds none of it. Its last
layer is the head's: weights for its neurons stand beside those for the film, and the file has the differences to the
shipped ones, found with all others by least squares. So a clip that it knows nothing of takes little of it, and at the
cost of a few bytes never loses.

Errors of a film are larger the more coarsely it is coded. The network reads the film, and gives what to add, in units
of that: a number of the file, the only one that is not found by least squares.
"""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from fieldpress.decoders.head import PAINTED, Head, HeadDecoder, plain_weight, widened
from fieldpress.encodings.film import CHANNELS, FEATURES
from fieldpress.encodings.wide_film import WideFilm
from fieldpress.interfaces import Latent

NEURONS = 32
"""Of both layers: as many as fill the vectors of a CPU."""
WINDOW = CHANNELS * WideFilm.neighbours**2
"""Features of a wide film."""
WEIGHTS = "postfilter.f2"
"""Beside this module: the network's numbers in its order, as little-endian float16."""
_SLOPE = 0.1
_LOUDNESS = 2.0
"""Of what weights for neurons are multiplied with, in units of the noise: so a step of a weight is as fine as it has to
be, and no finer."""
_QUIETEST, _LOUDEST = -14.0, 0.0
_NOISE_UNIT = 0.25
"""The noise is a whole multiple of this, which the coarsest steps of a head's weights can still say."""


class Network(NamedTuple):
    """Layers of neurons over a film's cells. Input is in units of four times the noise, output of the noise."""

    first: Float[Tensor, "neurons window"]
    first_bias: Float[Tensor, "neurons"]
    second: Float[Tensor, "neurons neurons"]
    second_bias: Float[Tensor, "neurons"]
    last: Float[Tensor, "12 neurons"]

    def neurons(self, first: Float[Tensor, "*places neurons"]) -> Float[Tensor, "*places neurons"]:
        """What the last layer reads, from what the first gives, bias included. Without gradients it uses that up."""
        spare = not torch.is_grad_enabled()
        hidden = functional.leaky_relu(first, _SLOPE, inplace=spare)
        second = functional.linear(hidden, self.second, self.second_bias)
        return functional.leaky_relu(second, _SLOPE, inplace=spare)


_SHAPES = ((NEURONS, WINDOW), (NEURONS,), (NEURONS, NEURONS), (NEURONS,), (PAINTED, NEURONS))


@cache
def shipped() -> Network:
    """The network of the package."""
    numbers = np.frombuffer(files("fieldpress.decoders").joinpath(WEIGHTS).read_bytes(), "<f2").astype(np.float32)
    parts = torch.from_numpy(numbers).split([int(np.prod(shape)) for shape in _SHAPES])
    return Network(*(part.reshape(shape) for part, shape in zip(parts, _SHAPES, strict=True)))


@dataclass(frozen=True)
class Postfilter(Head):
    """A head over a wide film's cells and the neurons of the shipped network."""

    id: ClassVar[str] = "postfilter"
    alone: ClassVar[str] = "wide-film"
    reads: ClassVar[int] = WINDOW

    def build(self, features: int) -> "PostfilterDecoder":
        self._check(features)
        return PostfilterDecoder()

    def shapes(self, features: int) -> dict[str, tuple[int, ...]]:
        weight = (PAINTED, FEATURES + NEURONS)
        return {**super().shapes(features), "weight": weight, "noise": (1,)}


class PostfilterDecoder(HeadDecoder):
    """The module of :class:`Postfilter`.

    Attributes:
        noise: (1,), binary logarithm of the root mean square error of the film's luma.
    """

    def __init__(self) -> None:
        super().__init__(FEATURES + NEURONS)
        self.noise = nn.Parameter(torch.full((1,), -7.0))
        for name, part in shipped()._asdict().items():
            self.register_buffer(f"_{name}", part, persistent=False)

    def base(self) -> Float[Tensor, "12 inputs"]:
        return torch.cat([plain_weight().to(self.weight), self._network().last / _LOUDNESS], 1)

    def inputs(self, latent: Latent) -> Float[Tensor, "inputs *query"]:
        near = widened(torch.eye(FEATURES).to(self.weight), WideFilm.neighbours)
        near, neurons = self._read(latent, near, self.weight.new_zeros(FEATURES))
        return torch.cat([near, self._loudness() * neurons.movedim(-1, 0)])

    @property
    def expectation(self) -> nn.Parameter:
        return self.noise

    def expect(self, error: float) -> None:
        noise = 0.5 * np.log2(max(error, 4.0**_QUIETEST))
        with torch.no_grad():
            self.noise.fill_(round(noise / _NOISE_UNIT) * _NOISE_UNIT)

    def forward(self, latent: Latent) -> Tensor:
        weight, bias = self.in_rgb(self.weight + self.base()), self.in_rgb(self.bias[:, None]).flatten() + 0.5
        painted, neurons = self._read(latent, widened(weight[:, :FEATURES], WideFilm.neighbours), bias)
        last = self._loudness() * weight[:, FEATURES:]
        rows = torch.addmm(painted.movedim(0, -1).flatten(0, -2), neurons.flatten(0, -2), last.T)
        return rows.unflatten(0, painted.shape[1:]).movedim(-1, 0)

    def _read(
        self, latent: Latent, near: Float[Tensor, "out window"], bias: Float[Tensor, "out"]
    ) -> tuple[Float[Tensor, "out *query"], Float[Tensor, "*query neurons"]]:
        """A linear layer over the cells next to a place, and what the network's neurons say."""
        network = self._network()
        first = network.first / (4 * self._noise())
        near_by, far = latent.linears((near, bias), (first, network.first_bias))
        return near_by, network.neurons(far.movedim(0, -1))

    def _noise(self) -> Float[Tensor, "1"]:
        return self.noise.clamp(_QUIETEST, _LOUDEST).exp2()

    def _loudness(self) -> Float[Tensor, "1"]:
        return _LOUDNESS * self._noise()

    def _network(self) -> Network:
        return Network(*(self.get_buffer(f"_{name}") for name in Network._fields))
