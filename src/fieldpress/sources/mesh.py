"""A closed mesh from an .obj, .ply or .stl file.

Reading the formats is trimesh's part (extra ``shape``); whether what was read encloses anything is found out here.
"""

import io
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fieldpress.errors import SourceError
from fieldpress.sources.triangles import Triangles

SUFFIXES = (".obj", ".ply", ".stl")
MAX_FILE_BYTES = 1 << 29
"""A larger file is refused before it is read."""
MAX_FACES = 1 << 21
"""The most triangles of a mesh."""
_MAX_MAGNITUDE = 1e9
"""Of a coordinate."""
_LEAST_VOLUME = 1e-7
"""What a mesh encloses, in cubes around it, to count as enclosing anything."""
FILLED = 0.9
"""Of the cube's sides that the longest side of a mesh takes."""


class Mesh(NamedTuple):
    """A closed surface."""

    name: str
    """Of the source, for people."""
    vertices: NDArray[np.float64]
    """Shape (vertices, 3), each place once."""
    faces: NDArray[np.int64]
    """Shape (faces, 3)."""

    @property
    def centre(self) -> tuple[float, float, float]:
        """The middle of the box around it."""
        x, y, z = ((self.vertices.min(0) + self.vertices.max(0)) / 2).tolist()
        return (x, y, z)

    @property
    def side(self) -> float:
        """Of the cube in which its field lives, in its own units."""
        return float(np.ptp(self.vertices, axis=0).max()) / FILLED


def is_mesh(path: str | os.PathLike[str]) -> bool:
    """Whether a path is that of a mesh, going by its name."""
    return Path(path).suffix.lower() in SUFFIXES


def load_mesh(path: str | os.PathLike[str]) -> Mesh:
    """A closed mesh.

    Raises:
        SourceError: It cannot be read, has no faces, or is not closed.
    """
    name, data = os.fspath(path), _read(Path(path))
    vertices, faces = _parse(name, Path(path).suffix.lower()[1:], data)
    if not len(faces):
        raise SourceError(f"{name}: the mesh is empty: it has no faces")
    if len(faces) > MAX_FACES:
        raise SourceError(f"{name}: has {len(faces)} faces; at most {MAX_FACES}: simplify the mesh")
    if faces.min() < 0 or faces.max() >= len(vertices):
        raise SourceError(f"{name}: is damaged: a face has a corner that is not there")
    if not np.abs(vertices[faces]).max() < _MAX_MAGNITUDE:  # so that not-a-number is refused too
        raise SourceError(f"{name}: is damaged: a corner is no finite place")
    # Files that give each triangle corners of its own, or each texture, name a place several times.
    vertices, numbers = np.unique(vertices[faces].reshape(-1, 3) + 0.0, axis=0, return_inverse=True)
    faces = numbers.reshape(-1, 3)
    faces = faces[(faces != np.roll(faces, 1, axis=1)).all(1)]
    _check_closed(name, vertices, faces)
    return Mesh(name, vertices, faces)


def triangles_in_cube(mesh: Mesh, centre: tuple[float, float, float], side: float) -> Triangles:
    """The surface where the cube around ``centre`` is [0, 1] along each axis."""
    return Triangles((mesh.vertices - np.array(centre)) / side + 0.5, mesh.faces)


def _read(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise SourceError(f"{path}: has {size} bytes; a mesh may have {MAX_FILE_BYTES}: simplify it")
        return path.read_bytes()
    except (OSError, ValueError) as error:
        raise SourceError(f"{os.fspath(path)!r}: cannot be read: {getattr(error, 'strerror', None) or error}") from None


def _parse(name: str, kind: str, data: bytes) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Vertices and faces of a file; triangles where it has polygons."""
    try:
        import trimesh
    except ImportError:
        raise SourceError(f'{name}: reading meshes needs trimesh: pip install "fieldpress[shape]"') from None
    try:
        # From bytes, not from the path: materials and pictures that a file names are not looked for.
        mesh = trimesh.load_mesh(io.BytesIO(data), file_type=kind, process=False)
        faces = np.asarray(getattr(mesh, "faces", np.empty((0, 3))), np.int64).reshape(-1, 3)
        return np.asarray(mesh.vertices, np.float64).reshape(-1, 3), faces
    except Exception as error:  # its readers raise whatever they stumble on
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise SourceError(f"{name}: cannot be read as .{kind}: {reason}") from None


def _check_closed(name: str, vertices: NDArray[np.float64], faces: NDArray[np.int64]) -> None:
    """Refuse what has no inside."""
    edges = np.sort(faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    _, counts = np.unique(edges[:, 0] * len(vertices) + edges[:, 1], return_counts=True)
    open_edges = int((counts % 2).sum())
    if open_edges:
        raise SourceError(f"{name}: the mesh is not closed: {open_edges} edges border on one face only; close it")
    size = np.ptp(vertices, axis=0).max() if len(vertices) else 0.0
    a, b, c = ((vertices[faces] - vertices[:1]) / (size or 1.0)).swapaxes(0, 1)
    if not abs(np.einsum("ij,ij->i", a, np.cross(b, c)).sum()) / 6 > _LEAST_VOLUME:
        raise SourceError(f"{name}: the mesh encloses nothing: it is flat, or its faces cancel each other out")
