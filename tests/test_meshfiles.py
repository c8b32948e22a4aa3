"""Meshes as files."""

from pathlib import Path

import numpy as np
import pytest

from fieldpress.meshfiles import WRITERS, obj, stl
from fieldpress.meshing import Mesh
from fieldpress.sources.mesh import load_mesh

TETRAHEDRON = Mesh(
    np.array([[0, 0, 0], [2, 0, 0], [0, 3, 0], [0, 0, 4.5]], np.float32),
    np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]], np.int32),
    np.array([[0, 51, 255]] * 4, np.uint8),
)


@pytest.mark.parametrize("suffix", WRITERS)
def test_a_mesh_comes_back(tmp_path: Path, suffix: str):
    pytest.importorskip("trimesh", reason="reading meshes takes the extra shape")
    path = tmp_path / f"mesh{suffix}"
    path.write_bytes(WRITERS[suffix](TETRAHEDRON))
    found = load_mesh(path)
    triangles = [mesh.vertices[mesh.faces].astype(float) for mesh in (found, TETRAHEDRON)]
    # The same triangles, each turned as before, whatever their order and where each begins.
    ours, theirs = (
        {frozenset((*map(tuple, np.stack([t, np.roll(t, -1, 0)], 1).reshape(3, 6).tolist()),)) for t in m}
        for m in triangles
    )
    assert ours == theirs


def test_an_obj_file_has_the_colours_of_corners():
    lines = obj(TETRAHEDRON).decode().splitlines()
    assert lines[:2] == ["v 0 0 0 0 0.2 1", "v 2 0 0 0 0.2 1"]
    assert lines[4:] == ["f 1 3 2", "f 1 2 4", "f 1 4 3", "f 2 3 4"]


def test_an_stl_file_has_normals_of_length_1():
    data = stl(TETRAHEDRON)
    assert len(data) == 80 + 4 + 4 * 50
    first = np.frombuffer(data, "<f4", 3, 84)
    np.testing.assert_array_equal(first, [0, 0, -1])  # seen from below


def test_a_triangle_without_an_area_has_no_normal():
    flat = TETRAHEDRON._replace(faces=np.array([[0, 1, 1]], np.int32))
    np.testing.assert_array_equal(np.frombuffer(stl(flat), "<f4", 3, 84), 0)
