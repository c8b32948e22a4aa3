"""Meshes as files: PLY and OBJ with the colours of corners, STL with triangles alone."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from fieldpress.meshing import Mesh


def ply(surface: Mesh) -> bytes:
    """A mesh as a binary PLY file.

    Source: Turk, "The PLY Polygon File Format", 1994.
    """
    header = (
        "ply\nformat binary_little_endian 1.0\n"
        f"element vertex {len(surface.vertices)}\n"
        "property float x\nproperty float y\nproperty float z\n"
        "property uchar red\nproperty uchar green\nproperty uchar blue\n"
        f"element face {len(surface.faces)}\n"
        "property list uchar int vertex_indices\nend_header\n"
    )
    vertices = np.empty(len(surface.vertices), [("place", "<f4", 3), ("colour", "u1", 3)])
    vertices["place"], vertices["colour"] = surface.vertices, surface.colours
    faces = np.empty(len(surface.faces), [("count", "u1"), ("vertices", "<i4", 3)])
    faces["count"], faces["vertices"] = 3, surface.faces
    return header.encode() + vertices.tobytes() + faces.tobytes()


def obj(surface: Mesh) -> bytes:
    """A mesh as an OBJ file: text, colours in [0, 1] behind the coordinates, as most programs read them.

    Source: Wavefront Technologies, "Object Files (.obj)", 1992; the colours are a custom that came later.
    """
    corners = np.concatenate([surface.vertices, surface.colours / np.float32(255)], 1)
    lines = ["v {:.9g} {:.9g} {:.9g} {:.4g} {:.4g} {:.4g}".format(*row) for row in corners.tolist()]
    lines += ["f {} {} {}".format(*row) for row in (surface.faces + 1).tolist()]
    return ("\n".join(lines) + "\n").encode()


def stl(surface: Mesh) -> bytes:
    """A mesh as a binary STL file: three corners and a normal of each triangle; no colours.

    Source: 3D Systems, "StereoLithography Interface Specification", 1988.
    """
    corners = surface.vertices[surface.faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    triangles = np.zeros(len(corners), [("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
    triangles["normal"] = normals / np.where(lengths > 0, lengths, 1)
    triangles["corners"] = corners
    return bytes(80) + np.uint32(len(corners)).astype("<u4").tobytes() + triangles.tobytes()


WRITERS: Mapping[str, Callable[[Mesh], bytes]] = MappingProxyType({".ply": ply, ".obj": obj, ".stl": stl})
"""By the endings of files, in lower case."""
