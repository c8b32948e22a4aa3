"""Shapes: distances from meshes, closed or not; what a file of one decodes to, from every prefix; and its mesh."""

import builtins
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pressed import PICTURE, STILL, press

import fieldpress
from fieldpress import cli
from fieldpress.compressors import Raw
from fieldpress.config import to_plain
from fieldpress.container import read, write
from fieldpress.decoders import DistanceMlp, Mlp
from fieldpress.encodings import Planes
from fieldpress.encodings.octree import octants_of, octree_of
from fieldpress.errors import ConfigError, FormatError, SourceError
from fieldpress.field import FieldConfig, Points
from fieldpress.presets import Recipe, recipe
from fieldpress.report import Report
from fieldpress.shapes import Distances, mesh_of, trace
from fieldpress.signals.shape import Shape
from fieldpress.sources import mesh as mesh_source
from fieldpress.sources.mesh import FILLED, load_mesh, triangles_in_cube
from fieldpress.sources.triangles import Triangles, squared_distances
from fieldpress.sources.views import visible
from fieldpress.subjects import Solid, load_subject
from fieldpress.training.shape import ShapeObjective

Mesh = tuple[np.ndarray, np.ndarray]
STEPS = 150
RADIUS, TUBE = 0.3, 0.14
"""Of the torus that most tests know."""


# Meshes


def torus(rings: int = 48, sides: int = 24) -> Mesh:
    """Around the z axis."""
    u, v = np.meshgrid(np.arange(rings), np.arange(sides), indexing="ij")
    a, b = 2 * np.pi * u / rings, 2 * np.pi * v / sides
    across = RADIUS + TUBE * np.cos(b)
    vertices = np.stack([across * np.cos(a), across * np.sin(a), TUBE * np.sin(b)], -1).reshape(-1, 3)
    u1, v1 = (u + 1) % rings, (v + 1) % sides
    quads = np.stack([u * sides + v, u1 * sides + v, u1 * sides + v1, u * sides + v1], -1).reshape(-1, 4)
    return vertices, np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])


def box(low: float = 0.0, high: float = 1.0) -> Mesh:
    """A cube of twelve triangles."""
    vertices = np.array([[x, y, z] for x in (low, high) for y in (low, high) for z in (low, high)])
    quads = np.array([[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]])
    return vertices, np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])


def obj_text(mesh: Mesh) -> str:
    lines = [f"v {x:.9g} {y:.9g} {z:.9g}" for x, y, z in mesh[0]]
    return "\n".join([*lines, *(f"f {a + 1} {b + 1} {c + 1}" for a, b, c in mesh[1])]) + "\n"


def ply_text(mesh: Mesh) -> str:
    head = ["ply", "format ascii 1.0", f"element vertex {len(mesh[0])}", *(f"property float {x}" for x in "xyz")]
    head += [f"element face {len(mesh[1])}", "property list uchar int vertex_indices", "end_header"]
    lines = [f"{x:.9g} {y:.9g} {z:.9g}" for x, y, z in mesh[0]]
    return "\n".join([*head, *lines, *(f"3 {a} {b} {c}" for a, b, c in mesh[1])]) + "\n"


def stl_text(mesh: Mesh) -> str:
    lines = ["solid made"]
    for face in mesh[1]:
        corners = [f"vertex {x:.9g} {y:.9g} {z:.9g}" for x, y, z in mesh[0][face]]
        lines += ["facet normal 0 0 0", "outer loop", *corners, "endloop", "endfacet"]
    return "\n".join([*lines, "endsolid made"]) + "\n"


TEXTS: dict[str, Callable[[Mesh], str]] = {".obj": obj_text, ".ply": ply_text, ".stl": stl_text}


def written(folder: Path, mesh: Mesh, suffix: str = ".ply") -> Path:
    path = folder / f"made{suffix}"
    path.write_text(TEXTS[suffix](mesh))
    return path


def torus_distance(places: np.ndarray) -> np.ndarray:
    """Of the smooth torus; that of flat triangles is within 0.002 of it."""
    return np.hypot(np.hypot(places[:, 0], places[:, 1]) - RADIUS, places[:, 2]) - TUBE


def anywhere(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-0.6, 0.6, (count, 3))


# Distances


def test_the_nearest_point_of_a_triangle_is_inside_it_on_a_side_or_a_corner():
    triangle = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]])
    places = np.array([[0.2, 0.2, 3.0], [0.5, -2.0, 0.0], [-3.0, -4.0, 0.0], [1.0, 1.0, 0.0]])
    found = squared_distances(places, np.broadcast_to(triangle, (4, 3, 3)))
    np.testing.assert_allclose(found, [9.0, 4.0, 25.0, 0.5])


def test_a_triangle_without_an_area_is_a_line():
    line = np.array([[[0.0, 0, 0], [1, 0, 0], [0.5, 0, 0]]])
    np.testing.assert_allclose(squared_distances(np.array([[2.0, 0.0, 0.0]]), line), [1.0])


def test_distances_are_the_least_over_all_triangles():
    triangles, places = Triangles(*torus(12, 8)), anywhere(200)
    corners = triangles.corners
    everything = [squared_distances(np.repeat(place[None], len(corners), 0), corners).min() for place in places]
    np.testing.assert_allclose(triangles.distances(places), np.sqrt(everything), atol=1e-12)


def test_signed_distances_are_those_of_the_smooth_surface_but_for_its_facets():
    found, places = Triangles(*torus()), anywhere(2000)
    assert np.abs(found.signed_distances(places) - torus_distance(places)).max() < 0.003


def test_the_sign_does_not_depend_on_which_way_faces_are_turned():
    vertices, faces = torus()
    turned = np.where((np.arange(len(faces)) % 2 == 0)[:, None], faces, faces[:, ::-1])
    places = anywhere(500)
    np.testing.assert_array_equal(Triangles(vertices, turned).inside(places), Triangles(vertices, faces).inside(places))


def test_no_ray_slips_between_triangles():
    # Places right below vertices and edges of the faces above them.
    places = np.array([[x, y, 0.5] for x in (0.0, 0.25, 0.5, 0.75) for y in (0.0, 0.25, 0.5, 0.75)])
    assert Triangles(*box(-1.0, 1.0)).inside(places).all()
    assert not Triangles(*box(-1.0, 1.0)).inside(places - [0, 0, 3.0]).any()


def test_memory_is_bounded_where_every_triangle_is_equally_near(monkeypatch: pytest.MonkeyPatch):
    from fieldpress.sources import triangles as module

    monkeypatch.setattr(module, "_MOST_PAIRS", 64)
    vertices, faces = torus(12, 8)
    expected = np.abs(Triangles(vertices, faces).signed_distances(anywhere(40)))
    np.testing.assert_allclose(Triangles(vertices, faces).distances(anywhere(40)), expected)


def test_places_on_the_surface_are_spread_by_area():
    places = Triangles(*box()).sample(6000, np.random.default_rng(0))
    on_each = [int(np.isclose(places[:, axis], side).sum()) for axis in range(3) for side in (0.0, 1.0)]
    assert sum(on_each) >= 6000, "one on an edge counts twice"
    assert all(abs(count - 1000) < 150 for count in on_each), "five standard deviations"


def test_every_cell_that_the_surface_runs_through_is_touched():
    vertices, faces = torus()
    triangles = Triangles(vertices + 0.5, faces)
    cells = triangles.touched(4)
    on = (triangles.sample(20_000, np.random.default_rng(0)) * 16).astype(int)
    assert cells[tuple(on.T)].all()
    assert cells.mean() < 0.4, "cells far from it are not"


# Sources


@pytest.mark.parametrize("suffix", TEXTS)
def test_every_format_gives_the_same_closed_mesh(tmp_path: Path, suffix: str):
    mesh = load_mesh(written(tmp_path, torus(12, 8), suffix))
    assert (mesh.vertices.shape, mesh.faces.shape) == ((96, 3), (192, 3))


def test_a_mesh_fills_the_cube_but_for_a_margin(tmp_path: Path):
    mesh = load_mesh(written(tmp_path, (torus()[0] * 7 + [5, -2, 1], torus()[1])))
    corners = triangles_in_cube(mesh, mesh.centre, mesh.side).corners.reshape(-1, 3)
    assert np.ptp(corners, axis=0).max() == pytest.approx(FILLED)
    np.testing.assert_allclose((corners.min(0) + corners.max(0)) / 2, 0.5)


def holed(mesh: Mesh) -> Mesh:
    return mesh[0], mesh[1][1:]


BAD: dict[str, tuple[Mesh, str]] = {
    "empty": ((torus()[0], np.empty((0, 3), int)), "is empty: it has no faces"),
    "open": (holed(torus()), "is not closed: 3 edges border on one face only"),
    "flat": ((box()[0] * [1, 1, 0], box()[1]), "encloses nothing"),
    "without a place": ((box()[0] * np.nan, box()[1]), "no finite place"),
    "without a corner": ((box()[0], box()[1] + 3), "a corner that is not there|cannot be read"),
}


@pytest.mark.parametrize("bad", BAD)
def test_a_mesh_that_encloses_nothing_is_refused_in_one_line_before_training(tmp_path: Path, bad: str):
    mesh, reason = BAD[bad]
    with pytest.raises(SourceError, match=reason) as caught:
        fieldpress.encode(written(tmp_path, mesh), tmp_path / "out.fpr", steps=1)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out.fpr").exists()


@pytest.mark.parametrize("suffix", TEXTS)
@pytest.mark.parametrize("content", [b"", b"\0" * 200, b"ply\nformat ascii 1.0\nelement vertex 99999999999\n"])
def test_bytes_that_are_no_mesh_are_refused(tmp_path: Path, suffix: str, content: bytes):
    (tmp_path / f"bad{suffix}").write_bytes(content)
    with pytest.raises(SourceError) as caught:
        load_mesh(tmp_path / f"bad{suffix}")
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_refused(tmp_path: Path):
    with pytest.raises(SourceError, match="cannot be read: No such file"):
        load_subject(tmp_path / "nothing.obj")


def test_what_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = written(tmp_path, torus(12, 8))
    monkeypatch.setattr(mesh_source, "MAX_FACES", 100)
    with pytest.raises(SourceError, match="has 192 faces; at most 100"):
        load_mesh(path)
    monkeypatch.setattr(mesh_source, "MAX_FILE_BYTES", 100)
    with pytest.raises(SourceError, match="a mesh may have 100"):
        load_mesh(path)


def test_without_trimesh_the_message_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    imported = builtins.__import__

    def without(name: str, *rest: Any, **named: Any) -> Any:
        if name == "trimesh":
            raise ImportError
        return imported(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(SourceError, match=r'pip install "fieldpress\[shape\]"'):
        load_mesh(written(tmp_path, box()))


@pytest.mark.parametrize("name", ["nvp-fit", "radiance-hash", "radiance-vq"])
def test_presets_for_other_sources_are_refused(tmp_path: Path, name: str):
    with pytest.raises(ConfigError, match="is not for meshes"):
        fieldpress.encode(written(tmp_path, box()), tmp_path / "out.fpr", name, steps=1)


# The decoder and the field


def test_the_distance_decoder_is_a_perceptron_with_a_linear_path_beside_it():
    torch.manual_seed(0)
    field = FieldConfig({"planes": Planes(2, ((5, 7),), ((3, 7),), ((3, 5),))}, DistanceMlp(6, 2)).build().double()
    points = Points(torch.rand(40, 3, dtype=torch.float64))
    weights = {name.removeprefix("decoder."): tensor.detach() for name, tensor in field.tensors().items()}
    features = field.encodings["planes"](points).T
    hidden = features
    for i in range(2):
        hidden = torch.relu(hidden @ weights[f"hidden.{i}.weight"].T + weights[f"hidden.{i}.bias"])
    expected = features @ weights["skip"].T + hidden @ weights["last.weight"].T + weights["last.bias"]
    torch.testing.assert_close(field(points), expected / 16)


@pytest.mark.parametrize("change", [{"width": 0}, {"depth": 0}, {"width": 10**6}, {"depth": 17}])
def test_impossible_decoders_are_refused(change: dict[str, int]):
    with pytest.raises(ValueError, match="a distance decoder has"):
        replace(DistanceMlp(), **change)


def drawn_field() -> Any:
    """A field over an octree of sides 4 and 8, the finer level around one corner, with drawn numbers."""
    occupied = torch.zeros(8, 8, 8, dtype=torch.bool)
    occupied[:3, :3, :3] = True
    bare, rows = octants_of(occupied, 2, full=True)
    torch.manual_seed(1)
    field = FieldConfig({"octree": replace(bare, channels=2)}, DistanceMlp(4)).build()
    octree = octree_of(field)
    for parameter, values in zip(octree.octants, rows, strict=True):
        parameter.data.copy_(values)
    for level in octree.levels:
        level.data.normal_()
    return field


def test_the_coarsest_level_fills_the_cube():
    assert octree_of(drawn_field()).config.cells[0] == 64


@torch.inference_mode()
def test_a_place_is_answered_by_the_finest_level_with_a_cell_there():
    field, places = drawn_field(), torch.rand(300, 3)
    values, fine = Distances(field).at(places)
    whole = field(Points(places))[:, 0]
    field.show_levels(1)
    coarse = field(Points(places))[:, 0]
    expected = ((places * 8).long() < 4).all(1)  # the children of every cell that has one of the occupied ones
    near = ((places * 8).long() < 3).all(1)
    assert torch.equal(fine, near)
    assert (near & expected).any()
    torch.testing.assert_close(values, torch.where(near, whole, coarse))


def test_asking_leaves_the_shown_levels_as_they_were():
    field = drawn_field()
    Distances(field).at(torch.rand(10, 3))
    assert octree_of(field).shown == 2


# Pictures


class Ball(Distances):
    """A ball in place of a field."""

    def __init__(self, radius: float = 0.3) -> None:
        self.side, self.device, self.radius = 32, "cpu", radius

    def at(self, places: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        values = (places - 0.5).norm(dim=1) - self.radius
        return values, values.abs() < 0.06


def test_rays_end_on_the_surface():
    camera = Shape((0, 0, 0), 1.0, 4, 24, 24, ()).camera(1)
    rays = camera.rays()
    hits = trace(Ball(), torch.from_numpy(rays.origins), torch.from_numpy(rays.directions))
    assert ((hits.places - 0.5).norm(dim=1) - 0.3).abs().max() < 1e-3, "a secant is that good on a curve"
    origins, directions = torch.from_numpy(rays.origins).double() - 0.5, torch.from_numpy(rays.directions).double()
    closest = (origins - (origins * directions).sum(1)[:, None] * directions).norm(dim=1)
    assert torch.equal(torch.sort(hits.rays).values, (closest < 0.3).nonzero()[:, 0])


def test_normals_point_away_from_the_middle_of_a_ball():
    places = torch.nn.functional.normalize(torch.randn(50, 3), dim=1) * 0.3 + 0.5
    assert ((Ball().normals(places) * (places - 0.5) / 0.3).sum(1) > 0.999).all()


def test_a_ray_that_misses_the_cube_meets_nothing():
    hits = trace(Ball(), torch.tensor([[2.0, 2.0, 2.0]]), torch.tensor([[1.0, 0.0, 0.0]]))
    assert len(hits.rays) == 0


def test_cameras_stand_around_the_cube_and_see_all_of_it():
    shape = Shape((0, 0, 0), 1.0, 8, 30, 40, ())
    for camera in map(shape.camera, range(8)):
        to_middle = 0.5 - np.array(camera.pose.position)
        np.testing.assert_allclose(camera.forward, to_middle / np.linalg.norm(to_middle), atol=1e-9)
        assert camera.pose.rotation[1, 1] > 0, "up is up"
    assert shape.camera(0).pose.position[2] > 2
    assert shape.camera(2).pose.position[0] > 2


def test_the_reference_shows_the_nearest_face():
    camera = Shape((0, 0, 0), 1.0, 4, 32, 32, ()).camera(0)
    vertices, faces = box(0.2, 0.8)
    pixels, normals = visible(Triangles(vertices, faces).corners, camera)
    middle = normals[list(pixels).index(16 * 32 + 16)]
    assert tuple(np.abs(middle).round(6)) in {(0.0, 0.0, 1.0), (0.0, 1.0, 0.0)}
    assert {tuple(normal) for normal in normals.round(6) + 0.0} <= {(0.0, 0.0, 1.0), (0.0, 1.0, 0.0)}
    rays = camera.rays()
    lit = trace(Ball(), torch.from_numpy(rays.origins), torch.from_numpy(rays.directions)).rays.numpy()
    assert set(lit) <= set(pixels), "the ball of radius 0.3 is inside the box"


# Whole


def small() -> Recipe:
    """The preset with an octree of sides 4, 8 and 16, and small batches."""
    chosen = recipe("shape")
    guidance = replace(chosen.training.guidance, every=0.2)
    training = replace(chosen.training, batch_pixels=2048, grid_rate=1e-2, decoder_rate=1e-2, guidance=guidance)
    return replace(chosen, grids=replace(chosen.scene_grids, coarsest=2, finest=4), training=training)


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    """Three pictures of 48 pixels a side, and fewer places to learn and to judge by."""
    sizes = {"_SHAPE_SIDE": 48, "_SHAPE_CAMERAS": 3, "_SHAPE_PLACES": 8000, "_JUDGED_PLACES": 8192}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in sizes.items():
            patch.setattr(f"fieldpress.subjects.solid.{name}", value)
        yield


@pytest.fixture(scope="module")
def encoded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Report]:
    """A mesh, its file, and what the report says."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("shape")
    source = written(folder, (torus()[0] * 10 + [3, 0, 0], torus()[1]))
    report = fieldpress.encode(source, folder / "out.fpr", small(), steps=STEPS, device="cpu")
    return source, folder / "out.fpr", report


def test_a_decoded_shape_is_like_its_mesh(encoded: tuple[Path, Path, Report]):
    report = encoded[2]
    assert report.iou is not None
    assert report.chamfer is not None
    assert report.iou > 0.93, "0.97 when this was written"
    assert report.chamfer < 0.008, "a cell of the finest level is 0.07 of the longest side"
    assert report.psnr_rgb > 17


def test_only_shapes_have_a_likeness(encoded: tuple[Path, Path, Report]):
    subject = Solid(load_mesh(encoded[0]))
    assert subject.likeness(fieldpress.open(encoded[1])).iou == encoded[2].iou
    with pytest.raises(ConfigError, match="holds no shape"):
        mesh_of(fieldpress.open(press(STILL, PICTURE, {"*": Raw()})))


def test_the_mesh_comes_back_closed_and_where_it_was(encoded: tuple[Path, Path, Report]):
    vertices, faces = mesh_of(fieldpress.open(encoded[1]))
    edges = np.sort(faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    assert (np.unique(edges, axis=0, return_counts=True)[1] == 2).all()
    away = np.abs(torus_distance((vertices - [3, 0, 0]) / 10))
    assert away.mean() < 0.01, "of a torus that is 0.88 wide"


def test_every_level_makes_it_better(encoded: tuple[Path, Path, Report]):
    decoded = fieldpress.open(encoded[1])
    assert isinstance(decoded.signal, Shape)
    assert len(decoded.signal.levels_psnr) == 3
    subject = Solid(load_mesh(encoded[0]))
    found = [subject.likeness(fieldpress.open(encoded[1].read_bytes(), levels=n)).iou for n in (1, 2, 3)]
    assert all(more > less for less, more in pairwise(found)), found


def test_a_file_cut_anywhere_decodes_to_its_last_whole_level(encoded: tuple[Path, Path, Report]):
    from fieldpress import container

    data = encoded[1].read_bytes()
    for levels, end in enumerate(container.level_ends(data)[:-1], 1):
        cut, whole = fieldpress.open(data[: end + 5]), fieldpress.open(data, levels=levels)
        assert cut.levels == levels
        np.testing.assert_array_equal(cut[0], whole[0])


def test_the_same_steps_give_the_same_file(encoded: tuple[Path, Path, Report], tmp_path: Path):
    for name in ("one", "two"):
        fieldpress.encode(encoded[0], tmp_path / name, small(), steps=4, device="cpu")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_another_mesh_measures_worse(encoded: tuple[Path, Path, Report], tmp_path: Path):
    decoded = fieldpress.open(encoded[1])
    other = Solid(load_mesh(written(tmp_path, (box(-3, 3)[0] + [3, 0, 0], box()[1]))))
    assert other.likeness(decoded).iou < 0.6
    assert other.likeness(decoded).chamfer > 0.03


def test_the_command_line_writes_a_mesh_and_pictures(
    encoded: tuple[Path, Path, Report], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    file = str(encoded[1])
    assert cli.main(["decode", file, str(tmp_path / "back.ply")]) == 0
    assert len(load_mesh(tmp_path / "back.ply").faces) == len(mesh_of(fieldpress.open(file))[1])
    assert cli.main(["decode", file, str(tmp_path / "back.OBJ")]) == 0
    assert len(load_mesh(tmp_path / "back.OBJ").faces) == len(mesh_of(fieldpress.open(file))[1])
    assert cli.main(["decode", file, str(tmp_path / "film.mp4"), "--levels", "2"]) == 0
    assert (tmp_path / "film.mp4").stat().st_size > 500
    assert cli.main(["decode", file, str(tmp_path / "back.ply")]) == 2
    assert "exists already" in capsys.readouterr().err
    assert cli.main(["decode", file, str(tmp_path / "other.ply"), "--scale", "2"]) == 2
    assert "a .ply file is a mesh" in capsys.readouterr().err
    assert cli.main(["info", file]) == 0
    assert "a shape seen by 3 cameras of 48 x 48" in capsys.readouterr().out


def lied(data: bytes, part: str, value: Any) -> bytes:
    contents = read(data)
    header = {**contents.header, part: value(contents.header[part])}
    return write(header, contents.chunks)


@pytest.mark.parametrize(
    ("part", "lie"),
    [
        ("signal", {"side": 0.0}),
        ("signal", {"side": 1e300}),
        ("signal", {"frames": 0}),
        ("signal", {"height": 10**6}),
        ("signal", {"centre": [0.0, 1e15, 0.0]}),
        ("field", {"decoder": to_plain(Mlp())}),
        ("signal", {"id": "image", "height": 4, "width": 4, "matrix": "rgb", "full_range": True}),
    ],
    ids=str,
)
def test_headers_that_lie_are_refused(encoded: tuple[Path, Path, Report], part: str, lie: dict[str, Any]):
    change = (lambda _: lie) if "id" in lie else (lambda plain: plain | lie)
    with pytest.raises(FormatError):
        fieldpress.open(lied(encoded[1].read_bytes(), part, change))


def test_an_objective_goes_on_where_it_stopped():
    field = drawn_field()
    octree = octree_of(field)
    rows = [parameter.data.clone() for parameter in octree.octants]
    places = torch.rand(200, 3)
    made = [ShapeObjective(places, places[:, 0] - 0.5, rows, 100, 32, 5) for _ in range(2)]
    for objective in made:
        objective.start(field)
    made[0].descend(field, 0.0)
    made[1].load_state(made[0].state())
    assert made[0].descend(field, 0.1) == made[1].descend(field, 0.1)


def test_a_decoded_shape_is_a_sequence_of_pictures(encoded: tuple[Path, Path, Report]):
    decoded = fieldpress.open(encoded[1])
    with pytest.raises(ConfigError, match="a shape has no colour at a place"):
        decoded.render(0.5, 0.5, 0.5)
    assert decoded[0].shape == (48, 48, 3)
    assert len(list(decoded)) == 3
    assert (decoded[0] == 255).all(-1).mean() > 0.3, "white around it"
    part = decoded.view(slice(1, 2), scale=0.5, crop=(0, 0, 24, 24))
    assert next(decoded.pictures(part)).shape == (12, 12, 3)
