"""Where a start can put content: the channels of a field's grids, and the features that show them."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from fieldpress.encodings.keyframes import PLANE_AXES, KeyframesEncoding
from fieldpress.encodings.volume import VolumeEncoding
from fieldpress.field import Field
from fieldpress.interfaces import Encoding
from fieldpress.training.colours import PEAK
from fieldpress.training.projection import Axis, along_both, axis

_NOTHING = 1e-4
"""A peak below this, in colours from 0 to 1, is a fortieth of a code value: there is nothing to show."""
_FARTHEST = 1e-6
"""Shares of a picture below this are not worth a pass over the slices of a volume."""


@dataclass
class Site:
    """One channel of a grid, and the number of the feature that reads it in place."""

    grid: Tensor
    """A view into the parameter: (rows, columns) or (t, y, x)."""
    column: int
    scale: float = 1.0
    """What the content was multiplied by."""

    def normalise(self) -> None:
        """Scales the content to a peak of ``PEAK``; numbers all near zero become exactly zero."""
        peak = float(self.grid.abs().max())
        if peak < _NOTHING:
            self.grid.zero_()
        else:
            self.scale = PEAK / peak
            self.grid *= self.scale

    def fill(self, content: Float[Tensor, "rows columns"]) -> None:
        """Makes a plane read as much like the content as it can, in the sense of least squares."""
        sizes = zip(content.shape, self.grid.shape, strict=True)
        rows, columns = (axis(samples, cells, content.device).fit for samples, cells in sizes)
        self.grid.copy_(along_both(content, rows, columns))


class Slices:
    """A site of a volume, written and read picture by picture.

    Args:
        site: Its content is cleared.
        size: Pictures, rows and columns of the clip.
        nearest: Whether the volume is read at the nearest cell.
    """

    def __init__(self, site: Site, size: tuple[int, int, int], nearest: bool) -> None:
        self.site = site
        self.cells = (site.grid.shape[1], site.grid.shape[2])
        self._time, self._rows, self._columns = (
            axis(samples, cells, site.grid.device, nearest=nearest)
            for samples, cells in zip(size, site.grid.shape, strict=True)
        )
        site.grid.zero_()

    def clear(self) -> None:
        """Back to nothing."""
        self.site.grid.zero_()

    def add(self, t: int, picture: Float[Tensor, "h w"]) -> None:
        """Adds a picture; after all of them the volume reads as much like the clip as it can."""
        self.add_cells(t, along_both(picture, self._rows.fit, self._columns.fit))

    def add_cells(self, t: int, cells: Float[Tensor, "y x"]) -> None:
        """Adds a picture that already has the volume's rows and columns."""
        if self._time.fit is None:
            self.site.grid[t] += cells
            return
        shares = self._time.fit[:, t]
        (times,) = (shares.abs() > _FARTHEST).nonzero(as_tuple=True)
        self.site.grid[times] += shares[times, None, None] * cells

    def read(self, t: int) -> Float[Tensor, "h w"]:
        """What the field reads at the pixels of a picture, before :meth:`Site.normalise`."""
        return along_both(self._cells(t, self._time), self._rows.read, self._columns.read)

    def _cells(self, t: int, time: Axis) -> Float[Tensor, "y x"]:
        if time.read is None:
            return self.site.grid[t]
        (times,) = time.read[t].nonzero(as_tuple=True)
        return torch.einsum("t,tyx->yx", time.read[t, times], self.site.grid[times])


@dataclass(frozen=True)
class Sites:
    """Of a field: those of its first volume in feature order, and of its first keyframes, finest level first."""

    volume: list[Site]
    nearest: bool
    planes: dict[str, list[Site]]
    """By plane: xy, yt, xt."""


def sites(field: Field) -> Sites:
    """All sites of a field; those of other encodings, or of a second volume, are left out."""
    volume: list[Site] = []
    planes: dict[str, list[Site]] = {}
    nearest, column = False, 0
    for encoding in field.encodings.values():
        if isinstance(encoding, VolumeEncoding) and not volume:
            volume = list(_of_volume(encoding, column))
            nearest = encoding.config.interpolation == "nearest"
        elif (keyframes := _keyframes(encoding)) is not None and not planes:
            planes = _of_keyframes(keyframes, column)
        column += encoding.channels
    return Sites(volume, nearest, planes)


def _of_volume(volume: VolumeEncoding, column: int) -> Iterator[Site]:
    cells = volume.config.neighbours**2
    for grid in volume.levels:
        for channel in grid.detach():
            yield Site(channel, column + cells // 2)
            column += cells


def _keyframes(encoding: Encoding) -> KeyframesEncoding | None:
    """Keyframes, also those behind a flow: it displaces nothing at the start."""
    return next((module for module in encoding.modules() if isinstance(module, KeyframesEncoding)), None)


def _of_keyframes(keyframes: KeyframesEncoding, column: int) -> dict[str, list[Site]]:
    found: dict[str, list[Site]] = {}
    for plane in PLANE_AXES:
        levels = []
        for level in keyframes.levels(plane):
            # A level that reads a part of a nested table shows what the finest level put there.
            if level.stride == 1:
                levels.append([Site(channel, column + i) for i, channel in enumerate(level.table.detach())])
            column += len(level.table)
        levels.sort(key=lambda level: -level[0].grid.numel())
        found[plane] = [site for level in levels for site in level]
    return found
