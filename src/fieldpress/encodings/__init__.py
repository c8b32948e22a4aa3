"""Encodings: coordinates to features, from learned grids. One file and one registry line each."""

from fieldpress.config import Registry
from fieldpress.encodings.cell_volume import CellVolume
from fieldpress.encodings.dense import Dense
from fieldpress.encodings.film import Film
from fieldpress.encodings.flow import Flow
from fieldpress.encodings.hashgrid import HashGrid
from fieldpress.encodings.nested import Nested
from fieldpress.encodings.octree import Octree
from fieldpress.encodings.planes import Planes
from fieldpress.encodings.volume import Volume
from fieldpress.encodings.wide_film import WideFilm
from fieldpress.interfaces import EncodingConfig

ENCODINGS = Registry(
    "encoding", EncodingConfig, Planes, Volume, Nested, Flow, Octree, HashGrid, Dense, Film, WideFilm, CellVolume
)

__all__ = [
    "ENCODINGS",
    "CellVolume",
    "Dense",
    "Film",
    "Flow",
    "HashGrid",
    "Nested",
    "Octree",
    "Planes",
    "Volume",
    "WideFilm",
]
