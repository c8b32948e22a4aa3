"""How large the grids of a recipe are for a given clip: the published sizes, or sizes fitted to the clip."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from fieldpress.config import Registry
from fieldpress.encodings.planes import Planes
from fieldpress.encodings.volume import Level, Volume
from fieldpress.field import EncodingConfig


class Grids(ABC):
    """A rule that sizes encodings from a clip's pictures, rows and columns."""

    id: ClassVar[str]

    per_pixel: ClassVar[float] = 0.0
    """Numbers in the grids per pixel of the clip, at most, as far as they grow with the clip."""

    @abstractmethod
    def encodings(self, frames: int, height: int, width: int) -> dict[str, EncodingConfig]:
        """The encodings by name, in feature order."""


@dataclass(frozen=True)
class FittedGrids(Grids):
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

    def encodings(self, frames: int, height: int, width: int) -> dict[str, EncodingConfig]:
        shrink = (self.parameters_per_pixel / 1.5) ** 0.5
        rows, columns = max(1, round(height * shrink)), max(1, round(width * shrink))
        volume = Volume(levels=(Level(1, frames, rows, columns), Level(2, frames, -(-rows // 2), -(-columns // 2))))
        if not self.plane_features:
            return {"volume": volume}
        t, y, x = (max(1, -(-side // 8)) for side in (frames, height, width))
        return {"planes": Planes(self.plane_features, xy=((y, x),), yt=((t, x),), xt=((t, y),)), "volume": volume}


@dataclass(frozen=True)
class NvpGrids(Grids):
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

    def encodings(self, frames: int, height: int, width: int) -> dict[str, EncodingConfig]:
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


GRIDS = Registry("grids", Grids, FittedGrids, NvpGrids)
