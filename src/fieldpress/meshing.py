"""A surface of a scene: marching tetrahedra over its density, coloured as seen from outside.

::

    density at the centres of the finest cells ── marching tetrahedra ──> triangles in the cube
    triangles ── out of the cube into the world ──> far ones left out ── colours from the field ──> mesh

Each cube of eight neighbouring centres is cut into six tetrahedra around one of its diagonals, the same one everywhere,
so that neighbours agree on every edge and the surface has no holes. Source: Payne and Toga 1990; Kuhn's cut of a cube.
"""

import math
from itertools import permutations, product
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray

from fieldpress.camera_paths import surroundings
from fieldpress.encodings.octree import octree_of
from fieldpress.errors import ConfigError
from fieldpress.field import Field, Points
from fieldpress.pictures import to_bytes
from fieldpress.rendering import UNIT
from fieldpress.signals.radiance import Radiance
from fieldpress.signals.space import Space

_ABSORBED = 0.5
"""The surface is where one cell of the finest level absorbs this share of the light that crosses it."""
_REACH = 8.0
"""What is farther from the middle of the scene than this many of its cameras' distances is left out."""
_PLACES = 1 << 16
"""Asked of the field at a time."""
_BINARY = np.uint8


class Mesh(NamedTuple):
    """Triangles in the world."""

    vertices: NDArray[np.float32]
    """(vertices, 3)."""
    faces: NDArray[np.int32]
    """(faces, 3): numbers of vertices, counter-clockwise seen from outside."""
    colours: NDArray[np.uint8]
    """(vertices, 3), red, green and blue."""


def mesh(field: Field, signal: Radiance, device: torch.device | str = "cpu") -> Mesh:
    """The surface of a scene, as fine as the levels that the field shows now.

    Raises:
        ConfigError: There is none.
    """
    octree = octree_of(field)
    side = octree.config.side(octree.shown - 1)
    grid = _densities(field, octree.occupancy, side)
    level = -math.log1p(-_ABSORBED) * side / UNIT
    places, edges, faces = marching_tetrahedra(grid, level)
    places = (places - 0.5) / side  # the grid has a border of nothing: its place 1 is the first cell's centre
    world = to_world(signal.space, places)
    around = surroundings(signal)
    near = np.linalg.norm(world - around.focus, axis=1) < _REACH * around.distance
    used, faces = _only(faces[near[faces].all(1)], len(places))
    if not len(faces):
        raise ConfigError("this scene has no surface: nothing in it is dense enough; train longer or use more levels")
    if np.linalg.det(np.reshape(signal.space.matrix, (4, 4))) < 0:  # the cube is a mirror image of the world
        faces = faces[:, ::-1]
    world = world[used]
    full = np.where(grid.reshape(-1)[edges[used]] > level, edges[used], -1).max(1)
    inside = (np.stack(np.unravel_index(full, grid.shape), 1) - 0.5) / side
    colours = _colours(field, octree.occupancy, places[used], inside, -_normals(world, faces), device)
    return Mesh(world.astype(np.float32), faces.astype(np.int32), colours)


def marching_tetrahedra(
    values: Float[NDArray, "a b c"], level: float
) -> tuple[Float[NDArray, "vertices 3"], Int[NDArray, "vertices 2"], Int[NDArray, "faces 3"]]:
    """The surface on which values on a grid, linear in between, are at a level.

    It is closed where it does not meet the border of the grid.

    Args:
        values: At the whole-numbered places of the grid.
        level: Values above are inside.

    Returns:
        The vertices in units of the grid; the two places of the grid between which each lies, flat numbers; and the
        triangles, counter-clockwise seen from outside.

    Example:
        One full place among empty ones, with an edge to each of 14 neighbours:

        >>> values = np.zeros((3, 3, 3))
        >>> values[1, 1, 1] = 1.0
        >>> [len(part) for part in marching_tetrahedra(values, 0.5)]
        [14, 14, 24]
    """
    inside = values > level
    steps = np.array([[i, j, k] for i, j, k in product((0, 1), repeat=3)])
    strides = np.array([values.shape[1] * values.shape[2], values.shape[2], 1])
    code = np.zeros([max(0, side - 1) for side in values.shape], _BINARY)
    for number, (i, j, k) in enumerate(steps):
        a, b, c = code.shape
        code |= inside[i : i + a, j : j + b, k : k + c].astype(_BINARY) << _BINARY(number)
    cubes = np.argwhere((code != 0) & (code != 255))
    codes = code[tuple(cubes.T)]
    corners = (cubes @ strides)[:, None] + steps @ strides  # flat numbers of each cube's eight places
    pieces = [np.empty((0, 3, 2), np.int64)]
    for tetrahedron in _TETRAHEDRA:
        for full, triangles in _triangles(steps[list(tetrahedron)]).items():
            wanted = sum(1 << tetrahedron[i] for i in full)
            found = corners[(codes & sum(1 << i for i in tetrahedron)) == wanted]
            for triangle in triangles:
                ends = np.array([[tetrahedron[i] for i in edge] for edge in triangle])
                pieces.append(found[:, ends])
    ends = np.sort(np.concatenate(pieces), axis=2)
    edges, numbers = np.unique(ends.reshape(-1, 2), axis=0, return_inverse=True)
    first, second = (values.reshape(-1)[edges[:, i]].astype(np.float64) for i in (0, 1))
    share = ((level - first) / np.where(second == first, 1.0, second - first))[:, None]
    places = [np.stack(np.unravel_index(edges[:, i], values.shape), 1) for i in (0, 1)]
    return places[0] * (1 - share) + places[1] * share, edges, numbers.reshape(-1, 3)


_TETRAHEDRA = tuple((0, 1 << order[0], (1 << order[0]) | (1 << order[1]), 7) for order in permutations((0, 1, 2)))
"""Kuhn's cut: along the edges of a cube from corner 0 to corner 7, in all six ways."""

Edge = tuple[int, int]


def _triangles(corners: Int[NDArray, "4 3"]) -> dict[tuple[int, ...], list[tuple[Edge, Edge, Edge]]]:
    """For every choice of full corners of a tetrahedron the triangles between these and the others, by their edges."""
    table: dict[tuple[int, ...], list[tuple[Edge, Edge, Edge]]] = {}
    for chosen in product((False, True), repeat=4):
        full, empty = [i for i in range(4) if chosen[i]], [i for i in range(4) if not chosen[i]]
        if not full or not empty:
            continue
        if len(full) == 2:
            (a, b), (c, d) = full, empty
            found = [((a, c), (a, d), (b, d)), ((a, c), (b, d), (b, c))]
        else:
            (one,), rest = (full, empty) if len(full) == 1 else (empty, full)
            found = [((one, rest[0]), (one, rest[1]), (one, rest[2]))]
        outward = corners[empty].mean(0) - corners[full].mean(0)
        table[tuple(full)] = [_turned(triangle, corners, outward) for triangle in found]
    return table


def _turned(
    triangle: tuple[Edge, Edge, Edge], corners: Int[NDArray, "4 3"], outward: NDArray[np.float64]
) -> tuple[Edge, Edge, Edge]:
    """The triangle, counter-clockwise seen from where ``outward`` points; wherever on its edges its corners lie."""
    a, b, c = (corners[list(edge)].mean(0) for edge in triangle)
    return triangle if np.cross(b - a, c - a) @ outward > 0 else (triangle[0], triangle[2], triangle[1])


def to_world(space: Space, places: Float[NDArray, "n 3"]) -> Float[NDArray, "n 3"]:
    """Places of the cube in the world; those that stand for infinity are very far.

    Example:
        >>> space = Space((2.0, 0, 0, 0, 0, 2.0, 0, 0, 0, 0, 2.0, 0, 0, 0, 0, 1.0), False, 0.0)
        >>> to_world(space, np.array([[0.5, 0.0, 1.0]]))
        array([[0.25, 0.  , 0.5 ]])
    """
    if space.contracted:
        places = (places - 0.5) * 4
        radius = np.linalg.norm(places, axis=1, keepdims=True)
        places = places / np.where(radius > 1, radius * np.maximum(2 - radius, 1e-6), 1.0)
    back = np.linalg.inv(np.reshape(space.matrix, (4, 4)))
    return places @ back[:3, :3].T + back[:3, 3]


def _densities(field: Field, rows: torch.Tensor, side: int) -> Float[NDArray, "s+2 s+2 s+2"]:
    """At the centres of occupied cells; 0 elsewhere, and on a border around all."""
    cells = (rows >= 0).nonzero()
    grid = torch.zeros((side + 2,) * 3)
    with torch.inference_mode():
        for part in cells.split(_PLACES):
            density = field.planar(Points((part + 0.5) / side))[0]
            grid[tuple((part + 1).cpu().unbind(1))] = density.float().cpu()
    return grid.numpy()


def _colours(
    field: Field,
    rows: torch.Tensor,
    places: Float[NDArray, "n 3"],
    inside: Float[NDArray, "n 3"],
    directions: Float[NDArray, "n 3"],
    device: torch.device | str,
) -> NDArray[np.uint8]:
    """Of places seen along directions in the world; where a cell is empty, of the full place beside it."""
    side = len(rows)
    cells = np.clip((places * side).astype(int), 0, side - 1)
    occupied = (rows >= 0).cpu().numpy()[tuple(cells.T)]
    asked = torch.from_numpy(np.where(occupied[:, None], places, inside).astype(np.float32))
    seen = torch.from_numpy(directions.astype(np.float32))
    parts = []
    with torch.inference_mode():
        for first in range(0, len(asked), _PLACES):
            part = slice(first, first + _PLACES)
            values = field.planar(Points(asked[part].to(device), seen[part].to(device)))
            parts.append(to_bytes(values[:3].T).cpu())
    return torch.cat(parts).numpy()


def _normals(vertices: Float[NDArray, "n 3"], faces: Int[NDArray, "m 3"]) -> Float[NDArray, "n 3"]:
    """Of length 1, outward; mean of those of the triangles at each vertex, weighted by their areas."""
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    across = np.cross(b - a, c - a)
    normals = np.zeros_like(vertices)
    for i in range(3):
        np.add.at(normals, faces[:, i], across)
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)


def _only(faces: Int[NDArray, "m 3"], count: int) -> tuple[Int[NDArray, "n"], Int[NDArray, "m 3"]]:
    """The vertices that faces use, and the faces by the numbers of these."""
    used = np.unique(faces)
    numbers = np.zeros(count, np.int64)
    numbers[used] = np.arange(len(used))
    return used, numbers[faces]
