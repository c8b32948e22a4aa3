"""Where a field is asked: a list of places, or a lattice of them. What the axes mean is said in ``field.py``."""

from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Points:
    """A list of places: ``coordinates`` is (n, 3), each row (t, y, x) in [0, 1]; in space (x, y, z)."""

    coordinates: Float[Tensor, "n 3"]
    directions: Float[Tensor, "n 3"] | None = None
    """Directions of length 1 from which the places are seen, for signals whose colours depend on them."""
    found: dict[object, list[Tensor]] = field(default_factory=dict, compare=False, repr=False)
    """What encodings remember of the places, each under its own key: tensors whose first axis is that of the places."""

    def to(self, dtype: torch.dtype) -> "Points":
        """The same in numbers of another kind."""
        directions = None if self.directions is None else self.directions.to(dtype)
        return Points(self.coordinates.to(dtype), directions, self.found)

    def part(self, chosen: Tensor, directions: Float[Tensor, "n 3"] | None) -> "Points":
        """Some of the places, seen from these directions; what was found out of them is kept."""
        found = {key: [tensor[chosen] for tensor in tensors] for key, tensors in self.found.items()}
        return Points(self.coordinates[chosen], directions, found)

    @property
    def shape(self) -> tuple[int, ...]:
        """``(n,)``."""
        return (len(self.coordinates),)

    def axis(self, index: int) -> Float[Tensor, "n"]:
        """Coordinate ``index`` (0 is t, 1 is y, 2 is x) of every point."""
        return self.coordinates[:, index]


@dataclass(frozen=True)
class Lattice:
    """All combinations of three coordinate vectors: pictures ``t``, rows ``y``, columns ``x``, each in [0, 1].

    They are best on the CPU, even if the field is not: what they are like decides how a grid is read, and a GPU that is
    asked for that has to be waited for.
    """

    t: Float[Tensor, "t"]
    y: Float[Tensor, "y"]
    x: Float[Tensor, "x"]

    def to(self, dtype: torch.dtype) -> "Lattice":
        """The same in numbers of another kind."""
        return Lattice(self.t.to(dtype), self.y.to(dtype), self.x.to(dtype))

    @property
    def shape(self) -> tuple[int, ...]:
        """``(len(t), len(y), len(x))``."""
        return (len(self.t), len(self.y), len(self.x))

    def axis(self, index: int) -> Tensor:
        """Coordinate ``index``, shaped to broadcast against :attr:`shape`."""
        shape = [1, 1, 1]
        shape[index] = -1
        return (self.t, self.y, self.x)[index].reshape(shape)

    def points(self, device: torch.device | None = None) -> Points:
        """The same places as a list, the last axis fastest; on another device, if one is named."""
        return Points(torch.cartesian_prod(*(axis.to(device) for axis in (self.t, self.y, self.x))))


Query = Points | Lattice
