"""One dense grid in space: the plainest field of features there is, and the one that finds out what is where."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from fieldpress.encodings.corners import at_corners, cells_of, corner_weights, interpolate
from fieldpress.field import Points, Query
from fieldpress.interfaces import Encoding, EncodingConfig

MAX_SIDE = 256


@dataclass(frozen=True)
class Dense(EncodingConfig):
    """Features on the corners of ``side`` x ``side`` x ``side`` cells, read trilinearly."""

    id: ClassVar[str] = "dense"

    channels: int
    """Features of a corner."""
    side: int
    """Cells along each coordinate, 1 to 256."""

    def __post_init__(self) -> None:
        if not (1 <= self.channels <= 256 and 1 <= self.side <= MAX_SIDE):
            raise ValueError(f"a dense grid has 1 to 256 channels and 1 to {MAX_SIDE} cells along a side, got {self}")

    def build(self) -> "DenseEncoding":
        return DenseEncoding(self)

    def features(self) -> int:
        return self.channels

    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {"grid": (self.channels, *[self.side + 1] * 3)}


class DenseEncoding(Encoding):
    """The module of :class:`Dense`."""

    def __init__(self, config: Dense) -> None:
        super().__init__()
        self.config = config
        self.channels = config.channels
        corners = (config.side + 1) ** 3
        # Laid out corner by corner, as it is read; its shape has channels first all the same.
        table = torch.empty(corners, config.channels).uniform_(-1e-2, 1e-2)
        self.grid = nn.Parameter(table.T.unflatten(1, [config.side + 1] * 3))

    def forward(self, query: Query) -> Tensor:
        places = query if isinstance(query, Points) else query.points(self.grid.device)
        cells, inside = cells_of(places.coordinates, self.config.side)
        strides = cells.new_tensor([(self.config.side + 1) ** 2, self.config.side + 1, 1])
        index = at_corners(cells * strides, (cells + 1) * strides, torch.add)
        features = interpolate(self.grid.flatten(1).T, index, corner_weights(inside))
        return features.T.reshape(self.channels, *query.shape)
