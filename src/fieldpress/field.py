"""A field: coordinates in [0, 1] to channels, as a decoder network over learned feature grids.

Coordinates are (t, y, x): cell ``i`` of ``n`` has its centre at ``(i + 0.5) / n`` on every axis, in pictures and in
grids alike, so nothing is ever shifted by half a cell.

A field answers two kinds of query with the same numbers:

* :class:`Points`, any list of coordinates;
* :class:`Lattice`, one coordinate vector per axis. Pictures are lattices, and on a lattice most of the work is
  separable: a plane over (y, x) is read once for all times, interpolation along an axis is done once per axis,
  and a linear layer over a plane's features is applied before they are broadcast to all pixels.

Features run along the first axis, so that a layer is one matrix product over all pixels at once::

    Points(n)            features (channels, n)             -> (n, 3)
    Lattice(t, y, x)     features (channels, t|1, y|1, x|1) -> (t, y, x, 3)
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fieldpress.interfaces import Decoder, DecoderConfig, Encoding, EncodingConfig, Latent
from fieldpress.painting import crowding, paint
from fieldpress.places import Places
from fieldpress.queries import Lattice, Points, Query

MAX_FEATURES = 4096
"""Channels of all encodings together; a decoder's first layer is as wide, and so is its memory for each pixel."""


class Field(nn.Module):
    """``decoder(encodings(coordinates))``: channels at any place.

    Tensors are named ``<encoding>.<grid>`` and ``decoder.<layer>``; the names are part of the file format.

    Args:
        encodings: Encodings by name; their features are concatenated in this order.
        decoder: The network over the concatenated features.
    """

    def __init__(self, encodings: Mapping[str, Encoding], decoder: Decoder) -> None:
        super().__init__()
        for name, encoding in encodings.items():
            self.add_module(name, encoding)
        self._names = tuple(encodings)
        self.decoder = decoder

    @property
    def encodings(self) -> dict[str, Encoding]:
        """The encodings by name, in feature order."""
        return {name: getattr(self, name) for name in self._names}

    def forward(self, query: Query) -> Tensor:
        """Channels at every place of the query, in numbers of any kind: ``(*query.shape, out)``."""
        own = next(self.parameters(), None)
        return self.planar(query if own is None else query.to(own.dtype)).movedim(0, -1)

    def planar(self, query: Query) -> Tensor:
        """As :meth:`forward`, channels first: ``(out, *query.shape)``, the order in which they are computed."""
        if self.decoder.cell == 1:
            return self._decoded(query)
        return paint(self._decoded, query, self._sides, self.decoder.cell)

    def crowding(self, shown: tuple[int, int]) -> float:
        """How much more work a place takes in a picture with these sides than in one of the field's own size."""
        return crowding(self._sides, shown, self.decoder.cell) if self.decoder.cell > 1 else 1.0

    @property
    def _sides(self) -> tuple[int, int]:
        """Rows and columns of the pictures whose cells are painted."""
        return next(encoding.picture_sides for encoding in self.encodings.values() if any(encoding.picture_sides))

    def _decoded(self, query: Query) -> Tensor:
        return self.decoder(Latent(self.encodings, query))

    @property
    def level_count(self) -> int:
        """Of the encoding with the most levels."""
        return max(encoding.level_count for encoding in self.encodings.values())

    def show_levels(self, count: int) -> None:
        """Answers from now on as if only the first ``count`` levels, at least one, were there."""
        for encoding in self.encodings.values():
            encoding.show_levels(count)

    def check(self) -> None:
        """Refuses tensors that contradict the configuration.

        Raises:
            ValueError: They do.
        """
        for encoding in self.encodings.values():
            encoding.check()

    @property
    def width(self) -> int:
        """Numbers that the widest layer gives for each place."""
        return max(side for parameter in self.decoder.parameters() for side in parameter.shape)

    def tensors(self) -> dict[str, nn.Parameter]:
        """Everything that is learned, by name, in file order."""
        return dict(self.named_parameters())

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """What torch moves a module to a device with: a tensor that was left out takes no memory there either."""

        def moved(tensor: Tensor) -> Tensor:
            absent = tensor.numel() > 1 and not any(tensor.stride())
            return fn(tensor[(0,) * tensor.ndim]).expand(tensor.shape) if absent else fn(tensor)

        return super()._apply(moved, recurse)


@dataclass(frozen=True)
class FieldConfig:
    """What a file stores of a field: enough to build it and to load its tensors."""

    encodings: dict[str, EncodingConfig]
    """By name, in feature order: the encoding's own name or its id, with a number behind it where there are several."""
    decoder: DecoderConfig

    def __post_init__(self) -> None:
        for name, config in self.encodings.items():
            expected = config.name or config.id
            if not re.fullmatch(f"{expected}[0-9]*", name):
                raise ValueError(f"an encoding is named {name[:80]!r}; expected {expected!r}, a number may follow")
        features = sum(config.features() for config in self.encodings.values())
        if not 1 <= features <= MAX_FEATURES:
            raise ValueError(f"the encodings of a field give 1 to {MAX_FEATURES} features, not {features}")
        self._check_cells()
        self.decoder.shapes(features)  # raises what it has against so many features

    def _check_cells(self) -> None:
        """Refuses encodings whose cells are not the decoder's; those without cells answer anywhere."""
        decoder, found = self.decoder, [config.id for config in self.encodings.values()]
        if decoder.alone and found != [decoder.alone]:
            raise ValueError(f"a {decoder.id} reads one {decoder.alone} and nothing else, not {_listed(found)}")
        painted = [name for name, config in self.encodings.items() if config.cell > 1]
        if decoder.cell > 1 and not painted:
            raise ValueError(f"a {decoder.id} paints cells, which {_listed(found)} have none of; an mlp does without")
        for name in painted:
            cell = self.encodings[name].cell
            if cell != decoder.cell:
                cells = f"{cell} and {decoder.cell} pixels a side"
                raise ValueError(
                    f"encoding {name} and decoder {decoder.id} do not go together: their cells have {cells}"
                )
        if len({self.encodings[name].picture_sides for name in painted}) > 1:
            raise ValueError(f"the cells of encodings {_listed(painted)} are of pictures of several sizes")

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Every tensor by name, in file order, without allocating any."""
        features = sum(config.features() for config in self.encodings.values())
        grids = {f"{name}.{grid}": s for name, config in self.encodings.items() for grid, s in config.shapes().items()}
        return grids | {f"decoder.{name}": shape for name, shape in self.decoder.shapes(features).items()}

    def tensor_levels(self) -> dict[str, int]:
        """The level of every tensor that is not at level 0."""
        of_encodings = {name: config.grid_levels() for name, config in self.encodings.items()}
        return {f"{name}.{grid}": level for name, grids in of_encodings.items() for grid, level in grids.items()}

    def places(self, tensor: str, known: Mapping[str, Tensor | NDArray[np.float32]]) -> Places | None:
        """Where the cells of a tensor are, if it has them in a list, and others say where they are.

        Args:
            tensor: Its name.
            known: The others, by name.
        """
        name, _, grid = tensor.partition(".")
        if name not in self.encodings:
            return None
        own = {other.removeprefix(f"{name}."): array for other, array in known.items() if other.startswith(f"{name}.")}
        return self.encodings[name].places(grid, own)

    def lists(self) -> frozenset[str]:
        """Tensors whose cells lie in a list, along their second axis."""
        of_encodings = {name: config.lists() for name, config in self.encodings.items()}
        return frozenset(f"{name}.{grid}" for name, grids in of_encodings.items() for grid in grids)

    def slices(self) -> dict[str, int]:
        """How many slices of time each tensor has of which slice i of n alone answers the time (i + 0.5) / n."""
        of_encodings = {name: config.slices() for name, config in self.encodings.items()}
        return {f"{name}.{grid}": count for name, grids in of_encodings.items() for grid, count in grids.items()}

    @property
    def level_count(self) -> int:
        """How many levels there are; 1 for a field that is not layered."""
        return 1 + max(self.tensor_levels().values(), default=0)

    def build(self, tensors: Mapping[str, NDArray[np.float32]] | None = None) -> Field:
        """The field, with fresh tensors or with these, which it takes over without a copy.

        Tensors of finer levels may be left out, for a field that is then told not to show them; they take no memory.
        """
        with torch.device("cpu" if tensors is None else "meta"):
            encodings = {name: config.build() for name, config in self.encodings.items()}
            field = Field(encodings, self.decoder.build(sum(config.features() for config in self.encodings.values())))
        if tensors is not None:
            loaded = {name: torch.from_numpy(array) for name, array in tensors.items()}
            absent = {name: torch.zeros(()).expand(s) for name, s in self.shapes().items() if name not in tensors}
            field.load_state_dict(loaded | absent, strict=True, assign=True)
        return field


def _listed(names: Sequence[str]) -> str:
    return " and ".join(names)[:80]


__all__ = [
    "Field",
    "FieldConfig",
    "Lattice",
    "Points",
    "Query",
]
