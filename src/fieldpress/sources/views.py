"""What a camera sees of triangles: the reference that pictures of a shape's field are compared with."""

import numpy as np
from numpy.typing import NDArray

from fieldpress.signals.cameras import Camera

_MOST_PAIRS = 1 << 22
"""Pairs of a triangle and a pixel of the box around it that are looked at together."""


def visible(corners: NDArray[np.float64], camera: Camera) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The pixels at whose centres there is something, and the directions of the surfaces nearest to the camera there.

    Args:
        corners: Of triangles, (triangles, 3 corners, 3 coordinates), all before the camera.
        camera: With a straight lens.

    Returns:
        Numbers of pixels, row by row, and unit vectors towards the camera's side of the surface.
    """
    height, width = camera.lens.height, camera.lens.width
    local = (corners - np.array(camera.pose.position)) @ camera.pose.rotation
    columns, rows = camera.lens.pixels(local)
    inverse = -1 / local[..., 2]
    first = np.stack([np.ceil(rows.min(1) - 0.5), np.ceil(columns.min(1) - 0.5)], 1).astype(np.int64)
    last = np.stack([np.floor(rows.max(1) - 0.5), np.floor(columns.max(1) - 0.5)], 1).astype(np.int64)
    first, last = first.clip(0), np.minimum(last, [height - 1, width - 1])
    sizes = (last - first + 1).clip(0)
    counts = sizes[:, 0] * sizes[:, 1]
    nearest, owner = np.zeros(height * width), np.full(height * width, -1)
    ends = np.cumsum(counts)
    start = 0
    while start < len(corners):
        done = int(ends[start - 1]) if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, done + _MOST_PAIRS, side="right")))
        t = np.repeat(np.arange(start, stop), counts[start:stop])
        within = np.arange(len(t)) - np.repeat(ends[start:stop] - counts[start:stop] - done, counts[start:stop])
        row, column = first[t, 0] + within // sizes[t, 1], first[t, 1] + within % sizes[t, 1]
        shares = _shares(columns[t], rows[t], column + 0.5, row + 0.5)
        seen = (shares >= 0).all(1)
        t, pixels = t[seen], (row * width + column)[seen]
        near = (shares[seen] * inverse[t]).sum(1)
        order = np.lexsort((near, pixels))
        t, pixels, near = t[order], pixels[order], near[order]
        best = np.append(pixels[1:] != pixels[:-1], True)[: len(pixels)]
        t, pixels, near = t[best], pixels[best], near[best]
        closer = near > nearest[pixels]
        nearest[pixels[closer]], owner[pixels[closer]] = near[closer], t[closer]
        start = stop
    pixels = (owner >= 0).nonzero()[0]
    a, b, c = corners[owner[pixels]].swapaxes(0, 1)
    normals = np.cross(b - a, c - a)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    away = np.einsum("ij,ij->i", normals, a - np.array(camera.pose.position)) > 0
    return pixels, np.where(away[:, None], -normals, normals)


def _shares(
    columns: NDArray[np.float64], rows: NDArray[np.float64], x: NDArray[np.float64], y: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Barycentric coordinates of places in one triangle each; below 0 everywhere in one without an area."""
    area = (columns[:, 1] - columns[:, 0]) * (rows[:, 2] - rows[:, 0])
    area -= (columns[:, 2] - columns[:, 0]) * (rows[:, 1] - rows[:, 0])
    shares = np.empty(columns.shape)
    for i in range(3):
        j, k = (i + 1) % 3, (i + 2) % 3
        shares[:, i] = (columns[:, j] - x) * (rows[:, k] - y) - (columns[:, k] - x) * (rows[:, j] - y)
    return np.where(area[:, None] == 0, -1.0, shares / np.where(area == 0, 1.0, area)[:, None])
