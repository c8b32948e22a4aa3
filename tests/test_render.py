"""Scenes on the command line: films and surfaces of them, their levels, and what is refused."""

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pressed import press
from scene_files import BOX, QUALITIES, distance, scene_file, signal_of, small_orbit
from scenes import Scene, View, camera_of, colour_at, forward, looking_at, orbit, shoot, write_scene

from fieldpress import container
from fieldpress.camera_paths import PATHS, camera_path, default_path, focus_of, looking, sized, surroundings, through
from fieldpress.cli import main
from fieldpress.cli.depth import codes, grey
from fieldpress.cli.timing import view_timing
from fieldpress.errors import ConfigError
from fieldpress.meshfiles import ply
from fieldpress.meshing import marching_tetrahedra, mesh, to_world
from fieldpress.reading import decode
from fieldpress.rendering import lay
from fieldpress.signals.cameras import Lens, Pose
from fieldpress.signals.space import Space
from fieldpress.training.layout import space_of

Refused = Callable[..., str]

SMALL = {"height": 24, "width": 32, "fx": 35.0, "fy": 35.0, "cx": 16.0, "cy": 12.0}


@pytest.fixture(scope="module")
def data() -> bytes:
    return scene_file()


@pytest.fixture(autouse=True)
def _file(data: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("scene.fpr").write_bytes(data)


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Refused:
    """Runs a command that is to fail: status 2, one line, and no new file."""

    def call(line: str) -> str:
        before = sorted(tmp_path.rglob("*"))
        assert main(line.split()) == 2
        out, err = capsys.readouterr()
        assert (out, err.count("\n")) == ("", 1)
        assert sorted(tmp_path.rglob("*")) == before
        return err.removeprefix("fieldpress: error: ").rstrip("\n")

    return call


def pictures_of(path: Path, pixel_format: str = "rgb24") -> list[NDArray[np.uint8]]:
    with av.open(str(path)) as file:
        return [frame.to_ndarray(format=pixel_format) for frame in file.decode(video=0)]


# decode


def test_the_pictures_of_a_scene_are_those_its_cameras_took(data: bytes):
    for shot, picture in zip(shoot(Scene(), small_orbit()), decode(data), strict=True):
        alpha = shot.rgba[..., 3:] / 255
        error = np.abs(picture - (shot.rgba[..., :3] * alpha + 255 * (1 - alpha)))
        # Cells are as wide as two pixels, so that edges are soft; a pose that is off by a pixel has 15 codes more.
        assert error.mean() < 12


def test_decode_writes_a_picture_for_each_camera():
    assert main(["decode", "scene.fpr", "pictures"]) == 0
    assert [path.name for path in sorted(Path("pictures").iterdir())] == ["0000.png", "0001.png", "0002.png"]
    assert np.array_equal(pictures_of(Path("pictures/0001.png"))[0], decode(Path("scene.fpr").read_bytes())[1])


def test_decode_writes_a_film_of_thirty_pictures_a_second():
    assert main(["decode", "scene.fpr", "a.mp4"]) == 0
    with av.open("a.mp4") as file:
        assert file.streams.video[0].average_rate == Fraction(30)
        assert len(list(file.decode(video=0))) == 3


def test_cameras_have_thirty_pictures_a_second_whichever_are_shown():
    assert view_timing(signal_of(small_orbit()), [Fraction(0), Fraction(2)]).rate == 30


def test_fewer_levels_are_a_coarser_picture(data: bytes):
    assert main(["decode", "scene.fpr", "a.png", "--frames", "0", "--levels", "1"]) == 0
    assert np.array_equal(pictures_of(Path("a.png"))[0], decode(data, levels=1)[0])
    assert not np.array_equal(decode(data, levels=1)[0], decode(data)[0])


def test_a_file_that_is_cut_short_decodes_to_its_last_whole_level(data: bytes, capsys: pytest.CaptureFixture[str]):
    Path("cut.fpr").write_bytes(data[: container.level_ends(data)[1] + 7])
    assert main(["decode", "cut.fpr", "a.png", "--frames", "0"]) == 0
    size = f"{container.level_ends(data)[1] + 7:,}"
    told = f"fieldpress: cut.fpr is cut short: it has {size} bytes; going on with 2 of its 3 levels\n"
    assert capsys.readouterr().err == told
    assert np.array_equal(pictures_of(Path("a.png"))[0], decode(data, levels=2)[0])


def test_a_file_without_a_whole_level_shows_nothing(data: bytes, refused: Refused):
    end = container.level_ends(data)[0]
    Path("cut.fpr").write_bytes(data[: end - 1])
    told = f"cut.fpr: the file is cut short: it has {end - 1} of {len(data)} bytes"
    assert refused("decode cut.fpr a.png") == f"{told}, and its first level ends at byte {end}"


def test_the_header_alone_tells_where_the_levels_end(data: bytes, capsys: pytest.CaptureFixture[str]):
    # So a client that reads ranges of a file on a server knows what to ask for.
    parts = container.sizes(data)
    Path("head.fpr").write_bytes(data[: sum(part.bytes for part in parts[: container.OWN_PARTS])])
    assert main(["info", "head.fpr", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [level["bytes"] for level in told["levels"]] == list(container.level_ends(data))
    assert told["whole_bytes"] == len(data)
    assert main(["info", "head.fpr"]) == 0
    assert f"of {len(data):,} bytes are there, nothing to show yet\n" in capsys.readouterr().out


@pytest.mark.parametrize("out", ["a.mp4", "a.mkv", "a.y4m", "-"])
def test_cameras_of_two_sizes_make_no_film(refused: Refused, out: str):
    tall = View(small_orbit(1)[0].matrix, 32, 24, 35.0, 35.0, 12.0, 16.0)
    Path("mixed.fpr").write_bytes(scene_file([*small_orbit(2), tall]))
    message = refused(f"decode mixed.fpr {out}")
    assert message.startswith(
        "the cameras of the scene see pictures of 2 sizes, such as 24 x 32 and 32 x 24, and a film"
    )
    assert main(["decode", "mixed.fpr", "pictures"]) == 0


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("decode scene.fpr a.mp4 --levels 4", "--levels is 4; the file has 3"),
        ("decode scene.fpr a.mp4 --levels 0", "--levels is 0; the file has 3"),
        ("decode scene.fpr a.mp4 --time-scale 2", "use fieldpress render"),
        ("render scene.fpr", "OUT is missing"),
        ("render scene.fpr a.mp4 --path spirale", "unknown path 'spirale'; did you mean 'spiral'?"),
        ("render scene.fpr a.mp4 --path none.json", "none.json: cannot be read: No such file or directory"),
        ("render scene.fpr a.mp4 --size 32", "--size is '32'; expected columns x rows, such as 320x180"),
        ("render scene.fpr a.mp4 --size 32x99999", "--size is '32x99999'; expected 1 to 16384"),
        ("render scene.fpr a.mp4 --frames 0", "--frames is 0"),
        ("render scene.fpr a.mp4 --fps 0", "--fps is 0"),
        ("render scene.fpr a.mp4 --levels 9", "--levels is 9; the file has 3"),
        ("render scene.fpr a.png --frames 2", "one of the 2 pictures: use --frames 1, or name a folder"),
        ("render scene.fpr a.mp4 --depth= --frames 2", "OUT is an empty name"),
        ("render scene.fpr a.mp4 --depth a.png --frames 2", "a.png: one .png holds one of the 2 pictures"),
        ("render scene.fpr a.mp4 --depth a.mp4", "OUT, --depth and --mesh are the same file"),
        ("render scene.fpr a.mp4 --depth b --depth-scale 0", "--depth-scale is 0"),
        ("render scene.fpr a.mp4 --depth-scale 10", "--depth-scale is of the pictures of --depth"),
        ("render scene.fpr --mesh b.ply --path spiral", "--path is of pictures; name OUT or --depth for them"),
        ("render scene.fpr --mesh b.ply --size 9x9", "--size is of pictures; name OUT or --depth for them"),
        ("render scene.fpr --mesh b.ply --fps 30", "--fps is of pictures; name OUT or --depth for them"),
        ("render scene.fpr a --depth a/0000.png", "0000.png would be in the folder a, an output"),
        ("render scene.fpr a/b.mp4 --depth a", "b.mp4 would be in the folder a, an output"),
        ("render scene.fpr a.mp4 --mesh b.obj", "--mesh is 'b.obj'; name a .ply file"),
        ("render scene.fpr none/a.mp4", "the folder"),
        ("render clip.fpr a.mp4", "clip.fpr holds no scene; use fieldpress decode"),
        ("view clip.fpr", "clip.fpr holds no scene; use fieldpress decode"),
        ("view scene.fpr --port 70000", "--port is 70000; expected 0 to 65535"),
    ],
)
def test_it_refuses_in_one_line(refused: Refused, line: str, says: str):
    Path("clip.fpr").write_bytes(press())
    assert says in refused(line)


# info


def test_info_tells_the_bytes_and_the_quality_of_every_level(data: bytes, capsys: pytest.CaptureFixture[str]):
    assert main(["info", "scene.fpr", "--json"]) == 0
    about = json.loads(capsys.readouterr().out)
    assert [level["psnr_rgb"] for level in about["levels"]] == list(QUALITIES)
    assert [level["level"] for level in about["levels"]] == [1, 2, 3]
    assert about["levels"][-1]["bytes"] == about["bytes"] == len(data)
    assert about["bpp"] == 8 * len(data) / 12_000
    for level in about["levels"]:  # so many bytes are enough, and one less is not
        assert container.read(data[: level["bytes"]], partial=True).levels == level["level"]
        assert container.read(data[: level["bytes"] - 1], partial=True).levels == level["level"] - 1


def test_info_shows_the_scene_and_its_levels(capsys: pytest.CaptureFixture[str]):
    assert main(["info", "scene.fpr"]) == 0
    out = capsys.readouterr().out
    assert "holds    a scene seen by 3 cameras of 32 x 24, 12,000 pixels in the source" in out
    assert "24.25 dB" in out


def test_info_tells_what_is_there_of_a_file_that_is_cut_short(data: bytes, capsys: pytest.CaptureFixture[str]):
    end = container.level_ends(data)[1]
    Path("cut.fpr").write_bytes(data[: end + 7])
    assert main(["info", "cut.fpr"]) == 0
    assert f"{end + 7:,} of {len(data):,} bytes are there, 2 of its 3 levels" in capsys.readouterr().out
    assert main(["info", "cut.fpr", "--json"]) == 0
    about = json.loads(capsys.readouterr().out)
    assert (about["bytes"], about["whole_bytes"], len(about["levels"])) == (end + 7, len(data), 3)


# encode


def test_the_flags_of_posed_photographs_are_those_of_their_preset(capsys: pytest.CaptureFixture[str]):
    write_scene(Path("photos"), "nerfstudio", shoot(Scene(), orbit(10, **SMALL)))
    grids = "--grids.coarsest 2 --grids.finest 3 --plan.octree.bits 4"
    assert main(f"encode photos a.fpr --steps 3 --device cpu {grids}".split()) == 0
    header = container.read(Path("a.fpr").read_bytes()).header
    assert header["about"]["preset"] == "radiance-vq"
    assert len(header["field"]["encodings"]["octree"]["cells"]) == 2
    capsys.readouterr()
    assert main(["encode", "photos", "--help"]) == 0
    assert "--grids.finest" in capsys.readouterr().out


# Paths


SPACES = {
    "cameras": (orbit(8, **SMALL), False),
    "spiral": (forward(8, **SMALL), False),
    "orbit": (orbit(8, **SMALL), True),
}


@pytest.mark.parametrize("name", SPACES)
def test_a_scene_is_filmed_as_its_cameras_stand(name: str):
    views, alpha = SPACES[name]
    space = space_of([camera_of(view) for view in views], None, alpha)
    assert default_path(signal_of(views, space)) == name


@pytest.mark.parametrize("name", PATHS)
def test_a_path_has_as_many_cameras_as_asked_for(name: str):
    for count in (1, 2, 7):
        assert len(camera_path(signal_of(small_orbit()), name, count)) == count


@pytest.mark.parametrize("name", PATHS)
def test_one_camera_is_enough_for_a_path(name: str):
    assert len(camera_path(signal_of(small_orbit(1)), name, 5)) == 5


def test_the_focus_is_the_point_that_lies_in_the_middle_of_the_cube():
    for views, alpha in SPACES.values():
        space = space_of([camera_of(view) for view in views], None, alpha)
        middle = np.append(focus_of(space), 1) @ np.reshape(space.matrix, (4, 4)).T
        assert np.allclose(middle[:3] / middle[3], 0 if space.contracted else 0.5)


def test_an_orbit_looks_at_the_middle_from_one_height():
    signal = signal_of(small_orbit(6))
    cameras, around = camera_path(signal, "orbit", 9), surroundings(signal)
    for camera in cameras:
        towards = around.focus - np.array(camera.pose.position)
        assert np.allclose(towards / np.linalg.norm(towards), camera.forward)
    heights = [np.array(camera.pose.position) @ around.up for camera in cameras]
    assert np.ptp(heights) < 1e-9


def test_a_path_through_cameras_begins_and_ends_at_them_and_passes_all():
    poses = [camera_of(view).pose for view in small_orbit(4)]
    fine = through(poses, 3001, 3.0)
    places = np.array([pose.position for pose in fine])
    assert np.allclose(fine[0].matrix, poses[0].matrix)
    assert np.allclose(fine[-1].matrix, poses[-1].matrix)
    for pose in poses:
        index = np.linalg.norm(places - pose.position, axis=1).argmin()
        assert np.allclose(fine[index].matrix, pose.matrix, atol=5e-3)  # a step of the path


def test_a_path_through_cameras_does_not_jump():
    poses = [camera_of(view).pose for view in small_orbit(5)]
    steps = np.diff([pose.matrix.ravel() for pose in through(poses, 200, 3.0)], axis=0)
    lengths = np.linalg.norm(steps, axis=1)
    assert lengths.max() < 3 * np.median(lengths)


def test_a_turn_goes_the_short_way_around():
    turns = [Pose((0, 0, 0), (0, 0, angle)) for angle in (3.0, -3.0)]  # 0.28 radians apart
    middle = through(turns, 3, 1.0)[1]
    assert abs(middle.turn[2]) == pytest.approx(np.pi)


def test_a_larger_picture_shows_the_same_and_another_shape_a_part():
    lens = Lens(24, 32, 35.0, 35.0, 16.0, 12.0, (0.1,))
    assert sized(lens, (48, 64)) == Lens(48, 64, 70.0, 70.0, 32.0, 24.0)
    assert sized(lens, (24, 24)) == Lens(24, 24, 35.0, 35.0, 12.0, 12.0)


# render


def test_a_film_has_the_size_the_rate_and_the_pictures_asked_for():
    assert main(["render", "scene.fpr", "a.mkv", "--frames", "4", "--size", "20x16", "--fps", "12.5"]) == 0
    with av.open("a.mkv") as file:
        assert file.streams.video[0].average_rate == Fraction(25, 2)
    film = pictures_of(Path("a.mkv"))
    assert [picture.shape for picture in film] == [(16, 20, 3)] * 4
    assert not np.array_equal(film[0], film[2])


def test_a_single_picture_is_the_first_of_the_path(data: bytes):
    assert main(["render", "scene.fpr", "a.png", "--path", "cameras"]) == 0
    assert np.array_equal(pictures_of(Path("a.png"))[0], decode(data)[0])


def test_fewer_levels_make_a_coarser_film(data: bytes):
    assert main(["render", "scene.fpr", "a.png", "--path", "cameras", "--levels", "1"]) == 0
    assert np.array_equal(pictures_of(Path("a.png"))[0], decode(data, levels=1)[0])


def test_a_transforms_json_is_a_path(data: bytes):
    write_scene(Path("photos"), "blender", shoot(Scene(), small_orbit()))
    assert main(["render", "scene.fpr", "out", "--path", "photos/transforms_train.json"]) == 0
    for number, picture in enumerate(decode(data)):
        # The pose of the file is rounded to a millionth.
        assert np.abs(pictures_of(Path(f"out/{number:04}.png"))[0].astype(int) - picture).max() <= 1


def test_a_file_of_cameras_needs_no_names_and_has_no_parts(data: bytes):
    write_scene(Path("photos"), "nerfstudio", shoot(Scene(), small_orbit()), held_out=(1,))
    table = json.loads(Path("photos/transforms.json").read_text())
    assert main(["render", "scene.fpr", "all", "--path", "photos/transforms.json"]) == 0
    for frame in table["frames"]:
        del frame["file_path"]
    Path("poses.json").write_text(json.dumps(table))
    assert main(["render", "scene.fpr", "nameless", "--path", "poses.json"]) == 0
    for folder in ("all", "nameless"):
        shown = [pictures_of(path)[0] for path in sorted(Path(folder).iterdir())]
        assert len(shown) == len(decode(data))
        for picture, own in zip(shown, decode(data), strict=True):
            assert np.abs(picture.astype(int) - own).max() <= 1


def test_a_camera_that_is_no_table_is_refused(data: bytes, refused: Refused):
    write_scene(Path("photos"), "nerfstudio", shoot(Scene(), small_orbit()))
    table = json.loads(Path("photos/transforms.json").read_text())
    Path("poses.json").write_text(json.dumps({**table, "frames": [table["frames"][0], 5]}))
    assert "frame 1" in refused("render scene.fpr out --path poses.json")


def camera_path_file(**changed: object) -> None:
    camera = {"camera_to_world": np.append(small_orbit()[0].matrix, [0, 0, 0, 1]).tolist(), "fov": 37.85, **changed}
    table = {"render_width": 32, "render_height": 24, "camera_path": [camera, camera]}
    Path("path.json").write_text(json.dumps(table))


def test_a_camera_path_of_a_viewer_is_a_path(data: bytes):
    camera_path_file(fov=2 * np.degrees(np.arctan(12 / 35)))
    assert main(["render", "scene.fpr", "out", "--path", "path.json"]) == 0
    assert np.abs(pictures_of(Path("out/0001.png"))[0].astype(int) - decode(data)[0]).max() <= 1


def test_a_camera_path_may_say_how_fast_it_goes(data: bytes):
    camera_path_file(fov=50.0)
    table = json.loads(Path("path.json").read_text())
    Path("path.json").write_text(json.dumps({**table, "fps": 10}))
    for flags, rate in ([], 10), (["--fps", "25"], 25):
        assert main(["render", "scene.fpr", "a.mkv", "--path", "path.json", "--force", *flags]) == 0
        with av.open("a.mkv") as film:
            assert film.streams.video[0].average_rate == rate


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"fov": 0}, "camera 0: 'fov' is 0; expected degrees"),
        ({"camera_to_world": [1, 2]}, "camera 0: 'camera_to_world' is [1, 2]; expected 16 numbers"),
        ({"camera_to_world": (2 * np.eye(4)).tolist()}, "path.json: camera 0: "),
    ],
)
def test_a_camera_path_that_is_none_is_refused(refused: Refused, changed: dict[str, object], says: str):
    camera_path_file(**changed)
    assert says in refused("render scene.fpr out --path path.json")


def test_depth_is_the_distance_along_each_ray_in_thousandths():
    assert main(["render", "scene.fpr", "--depth", "d.png", "--path", "cameras"]) == 0
    found = pictures_of(Path("d.png"), "gray16le")[0].astype(np.float64) / 1000
    shot = shoot(Scene(), small_orbit())[0]
    inside = np.isfinite(shot.depth)
    # A cell is 0.1 wide, and what is seen at edges lies between front and back.
    assert np.median(np.abs(found[inside] - shot.depth[inside])) < 0.1
    assert (found[~inside] == 0).mean() > 0.5


def test_a_film_of_depth_is_grey_and_as_long_as_that_of_colours():
    assert main(["render", "scene.fpr", "a.mkv", "--depth", "d.mkv", "--frames", "3"]) == 0
    film = pictures_of(Path("d.mkv"))
    assert len(film) == 3
    assert all(np.ptp(picture.astype(int), axis=2).max() == 0 for picture in film)


def test_codes_of_depth_keep_nothing_apart_from_near():
    found = codes(np.array([0, 1e-5, 2.5, 1e9], np.float32), 1000.0)
    assert found.tolist() == [0, 1, 2500, 65535]
    shades = grey(np.array([[0, 1e-5, 3.0, 1e9]], np.float32), 3.0)
    assert shades[0, :, 0].tolist() == [0, 255, 128, 0]


# Surfaces


def a_ball(side: int = 24, radius: float = 8.0) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    middle = side / 2 - 0.7
    grid = np.stack(np.meshgrid(*[np.arange(side) - middle] * 3, indexing="ij"), -1)
    return radius - np.linalg.norm(grid, axis=-1), np.full(3, middle)


def test_a_ball_has_a_closed_surface_around_its_volume():
    values, middle = a_ball()
    places, _, faces = marching_tetrahedra(values, 0.0)
    a, b, c = (places[faces[:, i]] - middle for i in range(3))
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    assert set(np.unique(edges, axis=0, return_counts=True)[1]) == {2}
    assert len(places) - len(faces) // 2 == 2  # Euler: vertices - edges + faces, three edges for two faces
    # Flat triangles between places of a ball lie inside it, by half a percent here; positive if they face outward.
    assert np.sum(a * np.cross(b, c)) / 6 == pytest.approx(4 / 3 * np.pi * 8**3, rel=0.01)


def test_every_vertex_lies_where_the_values_cross_the_level():
    places, edges, _ = marching_tetrahedra(a_ball()[0], 0.3)
    values = a_ball()[0].reshape(-1)
    first, second = values[edges[:, 0]], values[edges[:, 1]]
    assert ((first > 0.3) != (second > 0.3)).all()
    assert np.linalg.norm(places - a_ball()[1], axis=1) == pytest.approx(7.7, abs=0.1)  # a grid's cell bends so much


def test_nothing_has_no_surface():
    assert [len(part) for part in marching_tetrahedra(np.zeros((4, 5, 6)), 0.5)] == [0, 0, 0]


def test_the_cube_is_laid_back_into_the_world():
    random = np.random.default_rng(0)
    for views, alpha in SPACES.values():
        cameras = [camera_of(view) for view in views]
        space = space_of(cameras, None, alpha)
        rays = cameras[0].rays(random.uniform(0, 32, 50), random.uniform(0, 24, 50))
        path = lay(space, torch.from_numpy(rays.origins), torch.from_numpy(rays.directions))
        shares = torch.rand(50, 1) * 0.6 + 0.2
        in_cube = torch.cat(path.at(shares), 1).double().numpy()
        far = path.distances(shares[:, 0], torch.arange(50)).double().numpy()
        expected = rays.origins + far[:, None] * rays.directions
        assert np.allclose(to_world(space, in_cube), expected, rtol=1e-3, atol=1e-3)


def test_the_surface_of_a_scene_is_where_it_is_and_has_its_colours(data: bytes):
    decoded = decode(data)
    found = mesh(decoded.field, signal_of(small_orbit()))
    # Half of a cell, 0.1 wide, that is, and a cell at edges; where balls touch the slab, clefts are filled.
    assert np.quantile(np.abs(distance(Scene(), found.vertices.astype(np.float64))), 0.98) < 0.1
    a, b, c = (found.vertices[found.faces[:, i]].astype(np.float64) for i in range(3))
    normals = np.cross(b - a, c - a)
    outside = a + 0.05 * normals / np.linalg.norm(normals, axis=1, keepdims=True)
    assert (distance(Scene(), outside) > distance(Scene(), a)).mean() > 0.98
    assert np.abs(found.colours / 255 - colour_at(found.vertices)).mean() < 0.05


def test_a_mirrored_cube_has_its_surface_the_right_way_out(data: bytes):
    matrix = (-np.reshape(BOX.matrix, (4, 4))[0] + [0, 0, 0, 1]).tolist() + list(BOX.matrix[4:])
    turned = signal_of(small_orbit(), Space(tuple(matrix), False, 0.0))
    found = mesh(decode(data).field, turned)
    a, b, c = (found.vertices[found.faces[:, i]].astype(np.float64) for i in range(3))
    assert np.sum(a * np.cross(b, c)) > 0


def test_a_mesh_is_written_as_binary_ply(data: bytes):
    assert main(["render", "scene.fpr", "--mesh", "a.ply"]) == 0
    written = Path("a.ply").read_bytes()
    assert written.startswith(b"ply\nformat binary_little_endian 1.0\nelement vertex ")
    found = mesh(decode(data).field, signal_of(small_orbit()))
    header, body = written.split(b"end_header\n", 1)
    assert len(body) == 15 * len(found.vertices) + 13 * len(found.faces)
    assert f"element face {len(found.faces)}".encode() in header
    assert written == ply(found)


def test_a_scene_of_air_has_no_surface(data: bytes):
    decoded = decode(data)
    with torch.no_grad():
        decoded.field.decoder.density.bias -= 50  # pyright: ignore[reportAttributeAccessIssue, reportOperatorIssue]
    with pytest.raises(ConfigError, match="this scene has no surface"):
        mesh(decoded.field, signal_of(small_orbit()))


def test_a_camera_looks_where_it_is_pointed():
    place, target = np.array([1.0, 2.0, 3.0]), np.array([0.5, -1.0, 0.0])
    assert np.allclose(looking(place, target, np.array([0, 0, 1.0])).matrix, looking_at(place, target))
