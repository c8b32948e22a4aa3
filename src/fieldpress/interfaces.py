"""What encodings and decoders are: the modules that a field is put together from, and the sizes that a file stores.

A new part is a subclass of these; see ``docs/adding-a-part.md``.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, nn

from fieldpress.places import Places
from fieldpress.queries import Query


class Encoding(nn.Module, ABC):
    """Coordinates to features, from learned grids. Grids are channels first, over (t, y, x) or a pair of these."""

    channels: int
    level_count = 1
    """How many levels there are."""
    picture_sides = (0, 0)
    """Rows and columns of the pictures whose pixels its cells hold; only of those that have cells."""

    @abstractmethod
    def forward(self, query: Query) -> Tensor:
        """Features, ``(channels, *query.shape)``."""

    def show_levels(self, count: int) -> None:
        """Answers from now on as if only the first ``count`` levels were there; nothing for encodings of one level."""
        del count

    def check(self) -> None:
        """Refuses tensors that contradict the configuration, where some of them say how others are read.

        Raises:
            ValueError: They do.
        """

    def linear(self, query: Query, weight: Float[Tensor, "out channels"]) -> Tensor:
        """``weight`` applied to the features, as ``(out, ...)`` that broadcasts against ``query.shape``.

        The caller may write into it.

        Encodings that separate over the axes of a lattice override this to do the product before broadcasting.
        """
        return apply_linear(weight, self(query))

    def linears(self, query: Query, weights: Sequence[Float[Tensor, "out channels"]]) -> list[Tensor]:
        """:meth:`linear` with each of the weights. Those that read a place once for all of them override this."""
        return [self.linear(query, weight) for weight in weights]


def apply_linear(weight: Float[Tensor, "out channels"], features: Tensor) -> Tensor:
    """One linear layer without bias along the first axis of ``features``, as a single matrix product."""
    return (weight @ features.flatten(1)).reshape(len(weight), *features.shape[1:])


class Latent:
    """The features at a query, not computed until a decoder says which linear map of them it needs."""

    def __init__(self, encodings: Mapping[str, Encoding], query: Query) -> None:
        self._encodings = encodings
        self.query = query

    def linear(self, weight: Float[Tensor, "out channels"], bias: Float[Tensor, "out"]) -> Tensor:
        """``weight @ features + bias`` at every place of the query: (out, *query.shape)."""
        return self.linears((weight, bias))[0]

    def linears(self, *layers: tuple[Float[Tensor, "out channels"], Float[Tensor, "out"]]) -> list[Tensor]:
        """:meth:`linear` with several weights and biases, which reads the features once for all of them."""
        encodings = list(self._encodings.values())
        parts = [weight.split([encoding.channels for encoding in encodings], dim=1) for weight, _ in layers]
        terms = [e.linears(self.query, weights) for e, weights in zip(encodings, zip(*parts), strict=True)]  # noqa: B905
        return [self._sum(of_layer, bias) for of_layer, (_, bias) in zip(zip(*terms), layers, strict=True)]  # noqa: B905

    def _sum(self, terms: Sequence[Tensor], bias: Float[Tensor, "out"]) -> Tensor:
        total = bias.reshape(-1, *[1] * len(self.query.shape))
        # Small terms first: they broadcast against each other before they meet a full-size one.
        if len(terms) == 1 and _is_whole(terms[0], (len(bias), *self.query.shape)) and not torch.is_grad_enabled():
            return terms[0].add_(total)  # a pass over memory that has not been touched yet costs as much as the layer
        for term in sorted(terms, key=torch.Tensor.numel):
            total = total + term
        return total.expand(len(bias), *self.query.shape)


def _is_whole(values: Tensor, shape: tuple[int, ...]) -> bool:
    """Whether each value of this shape is a number of its own."""
    return values.shape == shape and 0 not in values.stride()


class Decoder(nn.Module, ABC):
    """Features to channels."""

    cell = 1
    """Pixels along a side of what it paints at a place: above 1 it gives all pixels of a cell of the encodings at once,
    row by row and of each its colours, and the field interpolates between pixels (:mod:`fieldpress.painting`)."""

    @abstractmethod
    def forward(self, latent: Latent) -> Tensor:
        """Channels at every place of the query, ``(out, *query.shape)``; pictures have RGB in [0, 1]."""


class EncodingConfig(ABC):
    """The sizes of an encoding; stored in the file header. Concrete classes are frozen dataclasses."""

    id: ClassVar[str]
    name: ClassVar[str] = ""
    """What fields call it, if not by its id."""
    cell: ClassVar[int] = 1
    """Pixels along a side of what it gives at a place; above 1, only centres of such cells can be asked for."""

    @property
    def picture_sides(self) -> tuple[int, int]:
        """Rows and columns of the pictures whose pixels its cells hold; only of those that have cells."""
        return 0, 0

    @abstractmethod
    def build(self) -> Encoding:
        """The module with freshly initialised grids."""

    @abstractmethod
    def features(self) -> int:
        """Channels that the encoding gives."""

    @abstractmethod
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Every grid by name, without allocating any."""

    def grid_levels(self) -> dict[str, int]:
        """The level of every grid that is not at level 0: without those of a level and above, the field is coarser."""
        return {}

    def lists(self) -> frozenset[str]:
        """Grids whose cells lie in a list, along their second axis."""
        return frozenset()

    def places(self, grid: str, tensors: Mapping[str, Tensor | NDArray[np.float32]]) -> Places | None:
        """Where the cells of a grid are, if it has them in a list, and other tensors say where they are.

        Args:
            grid: Its name.
            tensors: Those that are known, by name.
        """
        del grid, tensors
        return None

    def slices(self) -> dict[str, int]:
        """How many slices of time each grid has of which slice i of n alone answers the time (i + 0.5) / n."""
        return {}


class DecoderConfig(ABC):
    """The sizes of a decoder; stored in the file header. Concrete classes are frozen dataclasses."""

    id: ClassVar[str]
    cell: ClassVar[int] = 1
    """That of the encodings which it goes with."""
    alone: ClassVar[str] = ""
    """The id of the one encoding that it goes with, if it goes with no other."""

    @abstractmethod
    def build(self, features: int) -> Decoder:
        """The network with fresh weights, for this many feature channels."""

    @abstractmethod
    def shapes(self, features: int) -> dict[str, tuple[int, ...]]:
        """Every weight by name, without allocating any."""
