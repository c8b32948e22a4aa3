"""How large the grids of a recipe are for a given source: the published sizes, or sizes fitted to it."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import ClassVar

from fieldpress.config import Registry
from fieldpress.encodings.cell_volume import CellVolume
from fieldpress.encodings.dense import Dense
from fieldpress.encodings.film import Film
from fieldpress.encodings.flow import Flow
from fieldpress.encodings.hashgrid import HashGrid
from fieldpress.encodings.levels import Level
from fieldpress.encodings.nested import Nested
from fieldpress.encodings.octree import MAX_DEPTH, Octree
from fieldpress.encodings.planes import Planes
from fieldpress.encodings.volume import Volume
from fieldpress.encodings.wide_film import WideFilm
from fieldpress.interfaces import EncodingConfig

_FLOW_PICTURES = 4
"""Pictures from one displacement to the next. Learned apart for every picture, each would be seen too rarely to get to
where it belongs: a panning clip of 48 pictures gained 3.4 dB from that in 300 steps, and 8.6 dB with 4 pictures."""

_SURVEY_CHANNELS = 4
"""Features of a corner are enough to tell full from empty."""
_SURFACES = 8
"""Cells that surfaces take, in faces of the cube; fox and flower, found in photographs, take 2 to 6."""


class Grids(ABC):
    """A rule that sizes encodings from what is known of a source."""

    id: ClassVar[str]

    @property
    def main(self) -> str:
        """The encoding that takes most of the numbers: a clip's volume, or what carries a scene's features."""
        return self.id


class ClipGrids(Grids):
    """A rule that sizes encodings from a clip's pictures, rows and columns."""

    per_pixel: ClassVar[float] = 0.0
    """Numbers in the grids per pixel of the clip, at most, as far as they grow with the clip."""

    @property
    def main(self) -> str:
        return "volume"

    @abstractmethod
    def encodings(self, frames: int, height: int, width: int, cell: int = 1) -> dict[str, EncodingConfig]:
        """The encodings by name, in feature order; with cells of ``cell`` pixels a side, if the rule has such grids."""


@dataclass(frozen=True)
class FittedGrids(ClipGrids):
    """One volume in two levels, sized from the clip like the planes of a 4:2:0 film.

    The first level has one channel, the second two channels at half the rows and columns. At 1.5 parameters per pixel
    the first level has the clip's own resolution; below that both shrink in rows and columns alike.
    """

    id: ClassVar[str] = "fitted"
    per_pixel: ClassVar[float] = 1.5

    parameters_per_pixel: float = 1.5
    """Numbers in the grids per pixel of the clip, up to 1.5."""
    plane_features: int = 0
    """Features of three additional keyframe planes at an eighth of the clip's resolution; 0 leaves them out."""

    def __post_init__(self) -> None:
        if not 0 < self.parameters_per_pixel <= 1.5:
            raise ValueError(f"parameters_per_pixel is above 0 and at most 1.5, got {self.parameters_per_pixel}")
        if not 0 <= self.plane_features <= 64:
            raise ValueError(f"plane_features is 0 to 64, got {self.plane_features}")

    def encodings(self, frames: int, height: int, width: int, cell: int = 1) -> dict[str, EncodingConfig]:
        shrink = (self.parameters_per_pixel / 1.5) ** 0.5
        rows, columns = max(1, round(height * shrink)), max(1, round(width * shrink))
        levels = (Level(1, frames, rows, columns), Level(2, frames, -(-rows // 2), -(-columns // 2)))
        volume = Volume(levels) if cell == 1 else CellVolume(levels)
        if not self.plane_features:
            return {"volume": volume}
        t, y, x = (max(1, -(-side // 8)) for side in (frames, height, width))
        return {"planes": Planes(self.plane_features, xy=((y, x),), yt=((t, x),), xt=((t, y),)), "volume": volume}


@dataclass(frozen=True)
class FilmGrids(ClipGrids):
    """A film of the clip's own size: brightness for every pixel, colour for every four."""

    id: ClassVar[str] = "film"
    per_pixel: ClassVar[float] = 1.5

    @property
    def main(self) -> str:
        return "film"

    def encodings(self, frames: int, height: int, width: int, cell: int = 1) -> dict[str, EncodingConfig]:
        return {"film": Film(frames, height, width)}


@dataclass(frozen=True)
class WideFilmGrids(FilmGrids):
    """A film that is read more widely, as the decoder ``postfilter`` needs it."""

    id: ClassVar[str] = "wide-film"

    def encodings(self, frames: int, height: int, width: int, cell: int = 1) -> dict[str, EncodingConfig]:
        return {"film": WideFilm(frames, height, width)}


@dataclass(frozen=True)
class KeyframeGrids(ClipGrids):
    """The grids of NVP, sized from the clip: three rectangular pyramids of keyframe planes, and one volume.

    The finest planes have the clip's own sides, each level below half of them. The volume has a cell for a square of
    pixels in every picture; together with its features, that square sets how many numbers there are::

        132 x 180 x 320, volume_features 4, parameters_per_pixel 1/16  ->  cells of 8 x 8: volume 4 x 132 x 23 x 40
    """

    id: ClassVar[str] = "keyframes"
    per_pixel: ClassVar[float] = 4.0

    parameters_per_pixel: float = 0.0625
    """Numbers in the volume per pixel of the clip, up to 4; rounded so that a cell is a whole number of pixels wide."""
    volume_features: int = 4
    """Features of a cell of the volume; 0 leaves it out."""
    plane_features: int = 4
    """Features of a cell of each plane and level; 0 leaves the planes out."""
    plane_levels: int = 3
    """Levels of the planes, the finest with the clip's own sides."""
    nested: bool = False
    """One table for each plane, of which every level reads a part, in place of a grid for each level."""
    flow: int = 0
    """Pixels from one learned displacement of the xy planes to the next, in rows and columns; 0 displaces nothing.
    In time there is one for every fourth picture. Coarse is good: they then travel further."""

    def __post_init__(self) -> None:
        if not 0 < self.parameters_per_pixel <= self.per_pixel:
            raise ValueError(f"parameters_per_pixel is above 0 and at most 4, got {self.parameters_per_pixel}")
        if not (0 <= self.plane_features <= 64 and 0 <= self.volume_features <= 64):
            raise ValueError("plane_features and volume_features are 0 to 64")
        if not self.plane_features and not self.volume_features:
            raise ValueError("a field needs planes or a volume; both have 0 features")
        if not 1 <= self.plane_levels <= 16:
            raise ValueError(f"plane_levels is 1 to 16, got {self.plane_levels}")
        if self.flow < 0:
            raise ValueError(f"flow is a number of pixels, or 0 for none, got {self.flow}")
        if self.flow and not self.plane_features:
            raise ValueError("a flow displaces planes; give plane_features too")

    def encodings(self, frames: int, height: int, width: int, cell: int = 1) -> dict[str, EncodingConfig]:
        encodings: dict[str, EncodingConfig] = {}
        if self.plane_features:
            keyframes = self._keyframes(frames, height, width)
            if self.flow:
                cells = (-(-frames // _FLOW_PICTURES), -(-height // self.flow), -(-width // self.flow))
                keyframes = Flow(cells, keyframes)
            encodings[keyframes.id] = keyframes
        if self.volume_features:
            cell = max(1, round((self.volume_features / self.parameters_per_pixel) ** 0.5))
            level = Level(self.volume_features, frames, -(-height // cell), -(-width // cell))
            encodings["volume"] = Volume((level,))
        return encodings

    def _keyframes(self, frames: int, height: int, width: int) -> EncodingConfig:
        if self.nested:
            tables = (height, width), (frames, width), (frames, height)
            return Nested(self.plane_features, self.plane_levels, *tables)
        shrinks = [2**level for level in reversed(range(self.plane_levels))]
        t, y, x = ([-(-side // shrink) for shrink in shrinks] for side in (frames, height, width))
        xy, yt, xt = (tuple(zip(rows, columns, strict=True)) for rows, columns in ((y, x), (t, x), (t, y)))
        return Planes(self.plane_features, xy, yt, xt)


@dataclass(frozen=True)
class NvpGrids(ClipGrids):
    """The grids of NVP exactly as published (Kim et al., NeurIPS 2022), whatever the clip's size.

    Three square pyramids of 16 levels, sides 16 to 1443, and a volume of T x 300 x 300 read at the nearest cell with
    its 3 x 3 neighbours.
    """

    id: ClassVar[str] = "nvp"

    features: int = 2
    """Features of each cell: 2 (S) or 4 (L)."""

    def __post_init__(self) -> None:
        if not 1 <= self.features <= 64:
            raise ValueError(f"features is 1 to 64, got {self.features}")

    def encodings(self, frames: int, height: int, width: int, cell: int = 1) -> dict[str, EncodingConfig]:
        del height, width
        sides = tuple((side, side) for side in pyramid_sides())
        planes = Planes(self.features, xy=sides, yt=sides, xt=sides)
        volume = Volume((Level(self.features, frames, 300, 300),), neighbours=3, interpolation="nearest")
        return {"planes": planes, "volume": volume}


def pyramid_sides(levels: int = 16, base: int = 16, growth: float = 1.35) -> list[int]:
    """Sides of NVP's planes, coarse first.

    Example:
        >>> pyramid_sides(4)
        [16, 22, 30, 40]
    """
    return [math.ceil(base * growth**level) for level in range(levels)]


@dataclass(frozen=True)
class SceneGrids(Grids):
    """A rule that sizes encodings from the octree that a survey of the scene has found."""

    coarsest: int = 4
    """Logarithm of the cells along a side of the octree's first level."""
    finest: int = 8
    """... and of its last one."""
    channels: int = 16
    """Features of a corner, at each level."""

    def __post_init__(self) -> None:
        if not 1 <= self.coarsest <= self.finest <= MAX_DEPTH:
            raise ValueError(f"coarsest and finest are {self.coarsest} and {self.finest}; expected 1 to {MAX_DEPTH}")
        if not 1 <= self.channels <= 64:
            raise ValueError(f"channels is {self.channels}; expected 1 to 64")

    @abstractmethod
    def encodings(self, octree: Octree) -> dict[str, EncodingConfig]:
        """The encodings by name, in feature order; ``octree`` has :attr:`survey_channels` features."""

    @property
    def survey_channels(self) -> int:
        """Features of a corner during the survey."""
        return _SURVEY_CHANNELS

    def expected(self) -> Octree:
        """An octree of surfaces all over the cube: what a plan and the memory have to suit before there is one."""
        sides = [2**level for level in range(self.coarsest, self.finest + 1)]
        cells = tuple(min(side**3, _SURFACES * side**2) for side in sides)
        corners = tuple(min((side + 1) ** 3, 2 * _SURFACES * side**2) for side in sides)
        return Octree(self.survey_channels, self.coarsest, cells, corners)


@dataclass(frozen=True)
class OctreeGrids(SceneGrids):
    """Features on the corners of the octree's cells, levels summed: NGLOD's and VQAD's."""

    id: ClassVar[str] = "octree"

    @property
    def survey_channels(self) -> int:
        return min(self.channels, _SURVEY_CHANNELS)  # they are carried over

    def encodings(self, octree: Octree) -> dict[str, EncodingConfig]:
        return {"octree": replace(octree, channels=self.channels)}


@dataclass(frozen=True)
class HashGrids(SceneGrids):
    """A multiresolution hash grid, and an octree that says what is empty."""

    id: ClassVar[str] = "hashgrid"

    coarsest: int = 5
    """Logarithm of the cells along a side of the octree's first level, and of the hash grid's."""
    channels: int = 2
    """Features of a corner, at each level."""
    levels: int = 8
    """Of the hash grid, from the octree's coarsest to twice its finest side."""
    table_bits: int = 15
    """Logarithm of the rows of a level's table."""

    def encodings(self, octree: Octree) -> dict[str, EncodingConfig]:
        low, high = 2.0**self.coarsest, 2.0 ** (self.finest + 1)
        steps = max(1, self.levels - 1)
        sides = tuple(round(low * (high / low) ** (level / steps)) for level in range(self.levels))
        return {"octree": replace(octree, channels=0), "hashgrid": HashGrid(self.channels, sides, self.table_bits)}


@dataclass(frozen=True)
class DenseGrids(SceneGrids):
    """One full grid, and an octree that says what is empty."""

    id: ClassVar[str] = "dense"

    channels: int = 8
    """Features of a corner."""
    side: int = 96
    """Cells along a side of the full grid."""

    def encodings(self, octree: Octree) -> dict[str, EncodingConfig]:
        return {"octree": replace(octree, channels=0), "dense": Dense(self.channels, self.side)}


GRIDS = Registry(
    "grids", Grids, FilmGrids, WideFilmGrids, FittedGrids, KeyframeGrids, NvpGrids, OctreeGrids, HashGrids, DenseGrids
)
