"""Keyframe planes: multi-resolution features over pairs of axes.

Source: the "latent keyframes" of NVP (Kim et al., NeurIPS 2022): three pyramids of dense 2-D grids over (y, x),
(t, y) and (t, x), read bilinearly and concatenated in the order xy, yt, xt. NVP's pyramids are square and the same for
every clip; here each level has its own sides, so that they can be fitted to the clip.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from fieldpress.encodings.interpolation import Taps, resample, taps
from fieldpress.field import Encoding, EncodingConfig, Lattice, Query, apply_linear

Side = tuple[int, int]

PLANE_AXES = {"xy": (1, 2), "yt": (0, 2), "xt": (0, 1)}
"""Plane to the axes of its rows and columns. NVP's names: ``yt`` runs over (t, column), ``xt`` over (t, row)."""


@dataclass(frozen=True)
class Planes(EncodingConfig):
    """Three pyramids of planes, one grid per level, named ``xy.0``, ``xy.1``, … coarse first."""

    id: ClassVar[str] = "planes"

    channels: int
    """Features of each level of each plane."""
    xy: tuple[Side, ...]
    """(rows, columns) of each level of the plane over (y, x)."""
    yt: tuple[Side, ...]
    """(times, columns) of each level of the plane over (t, x)."""
    xt: tuple[Side, ...]
    """(times, rows) of each level of the plane over (t, y)."""

    def __post_init__(self) -> None:
        sides = [side for plane in (self.xy, self.yt, self.xt) for level in plane for side in level]
        if self.channels < 1 or min(sides, default=0) < 1:
            raise ValueError("planes need at least one channel, one level and one cell a side")

    def build(self) -> "PlanesEncoding":
        return PlanesEncoding(self)

    def features(self) -> int:
        return self.channels * len(self.shapes())

    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {
            f"{plane}.{i}": (self.channels, *side)
            for plane in PLANE_AXES
            for i, side in enumerate(getattr(self, plane))
        }


class PlanesEncoding(Encoding):
    """The module of :class:`Planes`. Features are ordered by plane (xy, yt, xt), level, channel."""

    def __init__(self, config: Planes) -> None:
        super().__init__()
        for plane in PLANE_AXES:
            levels = [torch.empty(config.channels, *side).uniform_(-1e-4, 1e-4) for side in getattr(config, plane)]
            self.add_module(plane, nn.ParameterList(levels))
        self.channels = config.features()

    def forward(self, query: Query) -> Tensor:
        planes = [self._features(plane, query) for plane in PLANE_AXES if len(getattr(self, plane))]
        return torch.cat([features.expand(-1, *query.shape) for features in planes])

    def linear(self, query: Query, weight: Float[Tensor, "out channels"]) -> Tensor:
        # Per plane, so that on a lattice the product runs over the plane's two axes only.
        total: Tensor | None = None
        start = 0
        for plane in PLANE_AXES:
            if not len(getattr(self, plane)):
                continue
            features = self._features(plane, query)
            term = apply_linear(weight[:, start : start + len(features)], features)
            start += len(features)
            total = term if total is None else total + term
        assert total is not None  # Planes have at least one level
        return total

    def _features(self, plane: str, query: Query) -> Tensor:
        """All levels of one plane; on a lattice with length 1 along the axis the plane does not have."""
        row_axis, column_axis = PLANE_AXES[plane]
        rows, columns = query.axis(row_axis).flatten(), query.axis(column_axis).flatten()
        levels = []
        for grid in getattr(self, plane):
            row, column = taps(rows, grid.shape[1]), taps(columns, grid.shape[2])
            if isinstance(query, Lattice):
                levels.append(resample(resample(grid, 1, row), 2, column))
            else:
                levels.append(_bilinear(grid, row, column))
        features = torch.cat(levels)
        if isinstance(query, Lattice):
            (missing,) = {0, 1, 2} - {row_axis, column_axis}
            features = features.unsqueeze(1 + missing)
        return features


def _bilinear(grid: Float[Tensor, "c y x"], rows: Taps, columns: Taps) -> Float[Tensor, "c n"]:
    flat, width = grid.flatten(1), grid.shape[2]

    def along_columns(row: Tensor) -> Tensor:
        low = flat.index_select(1, row * width + columns.lower)
        if columns.share is None:
            return low
        return torch.lerp(low, flat.index_select(1, row * width + columns.upper), columns.share)

    low = along_columns(rows.lower)
    return low if rows.share is None else torch.lerp(low, along_columns(rows.upper), rows.share)
