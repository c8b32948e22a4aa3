import json
import logging
import math
import re
import struct
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scenes import DIALECTS, Scene, Shot, View, crooked, forward, orbit, shoot, write_png, write_scene

from clips import frame_of, rgb_frame, with_orientation, write_picture
from fieldpress.errors import SourceError
from fieldpress.sources import memory
from fieldpress.sources.jpeg import end_of_jpeg
from fieldpress.sources.photos import Photo, Photos, is_photos, load_photos
from fieldpress.sources.shots import find_picture
from fieldpress.sources.still import read_still

OPEN = Scene()
CLOSED = Scene(sky=6.0)
LENSES = [dialect for dialect in DIALECTS if dialect != "blender"]
"""The dialects that can say more than a field of view."""
POINTS = np.array([[0.5, -0.25, 1.0], [2.0, 3.0, -4.0], [0.0, 0.0, 0.125], [1.0, 1.0, 1.0]])


@pytest.fixture(scope="module")
def shots() -> list[Shot]:
    """Ten transparent pictures from all around."""
    return shoot(OPEN, orbit(10))


@pytest.fixture(scope="module")
def crooked_shots() -> list[Shot]:
    """Ten opaque ones through a lens of which every number matters."""
    return shoot(CLOSED, crooked(forward(10)))


def all_of(photos: Photos) -> list[Photo]:
    return sorted([*photos.train, *photos.test], key=lambda photo: photo.name)


def names(photos: tuple[Photo, ...]) -> list[str]:
    return [Path(photo.name).stem for photo in photos]


def error_of(path: Path, **how: Any) -> str:
    with pytest.raises(SourceError) as caught:
        load_photos(path, **how)
    message = str(caught.value)
    assert "\n" not in message
    return message


def change_table(folder: Path, changes: dict[str, Any]) -> None:
    path = folder / "transforms.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def assert_tells_the_truth(photo: Photo, scene: Scene) -> None:
    """Every ray through a pixel meets the scene in the colour that is stored there, and nothing where it is clear."""
    rays = photo.camera.rays()
    hits = scene.trace(rays.origins.astype(np.float64), rays.directions.astype(np.float64))
    error = np.abs(255 * hits.colour - photo.rgb.reshape(-1, 3)).max()
    assert error < 0.501  # half a code of rounding; rays have 32 bits, so they end within 1e-6 of the point
    alpha = np.full(photo.rgb.shape[:2], 255) if photo.alpha is None else photo.alpha
    np.testing.assert_array_equal(hits.is_hit, alpha.ravel() == 255)


def changed(folder: Path, change: dict[str, Any], frame: dict[str, Any] | None = None, number: int = 0) -> Path:
    """The folder with its transforms.json changed; a value of ``None`` takes the key out."""
    path = folder / "transforms.json"
    table = json.loads(path.read_text())
    for target, changes in ((table, change), (table["frames"][number], frame or {})):
        target.update(changes)
        for key in [key for key, value in changes.items() if value is None]:
            del target[key]
    path.write_text(json.dumps(table))
    return folder


# Poses and lenses mean the same in every dialect


@pytest.mark.parametrize("dialect", DIALECTS)
def test_rays_meet_the_scene_where_the_picture_says(dialect: str, shots: list[Shot], tmp_path: Path):
    photos = load_photos(write_scene(tmp_path / "scene", dialect, shots))
    assert len(all_of(photos)) == 10
    for photo in all_of(photos):
        assert_tells_the_truth(photo, OPEN)


@pytest.mark.parametrize("dialect", LENSES)
def test_rays_through_a_distorting_lens_meet_the_scene_too(dialect: str, crooked_shots: list[Shot], tmp_path: Path):
    photos = load_photos(write_scene(tmp_path / "scene", dialect, crooked_shots))
    assert len(all_of(photos)) == 10
    for photo in all_of(photos):
        assert photo.alpha is None
        assert_tells_the_truth(photo, CLOSED)


@pytest.mark.parametrize("wrong", ["forward", "up", "distortion", "centre"])
def test_the_proof_notices_a_mistake(wrong: str, crooked_shots: list[Shot], tmp_path: Path):
    folder = write_scene(tmp_path / "scene", "nerfstudio", crooked_shots)
    table = json.loads((folder / "transforms.json").read_text())
    if wrong == "distortion":
        table["p1"], table["p2"] = table["p2"], table["p1"]
    elif wrong == "centre":
        table["cx"] += 0.5
    else:
        for frame in table["frames"]:
            flip = np.diag([-1, 1, -1, 1] if wrong == "forward" else [-1, -1, 1, 1])
            frame["transform_matrix"] = (np.array(frame["transform_matrix"]) @ flip).tolist()
    (folder / "transforms.json").write_text(json.dumps(table))
    photo = load_photos(folder).train[0]
    with pytest.raises(AssertionError):
        assert_tells_the_truth(photo, CLOSED)


@pytest.mark.parametrize(
    ("model", "lens"),
    [
        ("SIMPLE_PINHOLE", {}),
        ("PINHOLE", {"fx": 60.0}),
        ("SIMPLE_RADIAL", {"distortion": (0.1, 0.0, 0.0, 0.0)}),
        ("RADIAL", {"distortion": (0.1, -0.05, 0.0, 0.0)}),
        ("OPENCV", {"fx": 60.0, "distortion": (0.1, -0.05, 0.01, 0.02)}),
    ],
)
@pytest.mark.parametrize("dialect", ["colmap-text", "colmap-binary"])
def test_every_camera_model_of_colmap_is_understood(dialect: str, model: str, lens: dict[str, Any], tmp_path: Path):
    shots = shoot(CLOSED, forward(3, cx=30.0, cy=25.0, **lens))
    photos = load_photos(write_scene(tmp_path / "scene", dialect, shots, camera_model=model))
    for photo in all_of(photos):
        assert_tells_the_truth(photo, CLOSED)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_each_picture_may_have_a_lens_and_a_size_of_its_own(dialect: str, tmp_path: Path):
    views = orbit(4)
    other = orbit(4, height=30, width=50, fx=40.0, fy=40.0, cx=25.0, cy=15.0)
    mixed = shoot(OPEN, [*views[:2], *other[2:]])
    photos = load_photos(write_scene(tmp_path / "scene", dialect, mixed, per_frame=True))
    assert sorted(photo.rgb.shape for photo in all_of(photos)) == [(30, 50, 3)] * 2 + [(48, 64, 3)] * 2
    for photo in all_of(photos):
        assert_tells_the_truth(photo, OPEN)


@pytest.mark.parametrize("changes", [{"cx": 1e6}, {"cx": -65.0}, {"cy": 97.0}], ids=str)
def test_an_axis_far_outside_of_the_picture_is_refused(changes: dict[str, float], shots: list[Shot], tmp_path: Path):
    folder = write_scene(tmp_path / "scene", "nerfstudio", shots)
    assert "far outside of its 64x48 pixels" in error_of(changed(folder, changes))


@pytest.mark.parametrize("part", ["cameras", "images"])
@pytest.mark.parametrize("dialect", ["colmap-text", "colmap-binary"])
def test_a_model_of_colmap_without_one_of_its_files_names_it(
    dialect: str, part: str, shots: list[Shot], tmp_path: Path
):
    folder = write_scene(tmp_path / "scene", dialect, shots)
    (file,) = folder.rglob(f"{part}.txt" if dialect == "colmap-text" else f"{part}.bin")
    file.rename(file.with_stem("points3D"))
    assert f"{file.name}: is missing; the other files of a COLMAP model are there" in error_of(folder)


def test_a_frames_own_angle_counts_more_than_the_focal_length_of_all(shots: list[Shot], tmp_path: Path):
    folder = write_scene(tmp_path / "scene", "nerfstudio", shots)
    photos = load_photos(changed(folder, {"fl_x": 1.0, "fl_y": 1.0}, {"camera_angle_x": 2 * math.atan(32 / 70)}))
    assert_tells_the_truth(all_of(photos)[0], OPEN)


def test_an_axis_without_focal_length_has_that_of_the_other(shots: list[Shot], tmp_path: Path):
    folder = changed(write_scene(tmp_path / "scene", "nerfstudio", shots), {"fl_x": None})
    assert_tells_the_truth(load_photos(folder).train[0], OPEN)


def test_intrinsics_for_another_size_are_scaled(crooked_shots: list[Shot], tmp_path: Path):
    larger = {"w": 640, "h": 480, "fl_x": 660.0, "fl_y": 730.0, "cx": 295.0, "cy": 262.5}
    folder = changed(write_scene(tmp_path / "scene", "nerfstudio", crooked_shots), larger)
    for photo in load_photos(folder).train:
        assert_tells_the_truth(photo, CLOSED)


def test_intrinsics_for_another_shape_are_refused(shots: list[Shot], tmp_path: Path):
    folder = changed(write_scene(tmp_path / "scene", "nerfstudio", shots), {"w": 480, "h": 640})
    assert "'images/img_001.png': the picture is 64x48, but its intrinsics are for 480x640" in error_of(folder)


def test_a_pose_bent_by_rounding_is_straightened(shots: list[Shot], tmp_path: Path):
    folder = write_scene(tmp_path / "scene", "nerfstudio", shots)
    bent = np.array(json.loads((folder / "transforms.json").read_text())["frames"][0]["transform_matrix"])
    bent[:3, :3] *= 1.0008
    photos = load_photos(changed(folder, {}, {"transform_matrix": bent.tolist()}))
    assert_tells_the_truth(all_of(photos)[0], OPEN)


@pytest.mark.parametrize("scene", [OPEN, CLOSED], ids=["open", "closed"])
def test_light_gathered_in_the_true_field_is_the_traced_picture(scene: Scene):
    [view, *_] = orbit(1)
    origins, directions = (rays[::37] for rays in view.rays())
    step = 0.002
    depth = np.arange(step / 2, 10, step)
    points = origins[:, None] + depth[:, None] * directions[:, None]
    density, colour = scene.density_and_colour(points)
    left = np.exp(-np.cumsum(density * step, 1))  # what comes through to the end of each step
    weights = np.diff(1 - left, axis=1, prepend=0)
    hits = scene.trace(origins, directions)
    error = np.abs((weights[..., None] * colour).sum(1) - hits.colour).max(1)
    # Light comes from 1/400 of a unit below the surface on average, give or take a step, and colours change by 0.9 a
    # unit; a few rays graze an edge, where the light of two places mixes.
    assert np.mean(error < 0.9 * (1 / 400 + step)) > 0.95


# Which pictures


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_eighth_picture_by_name_is_held_out(dialect: str, shots: list[Shot], tmp_path: Path):
    photos = load_photos(write_scene(tmp_path / "scene", dialect, shots))
    assert names(photos.test) == ["img_000", "img_008"]
    assert names(photos.train) == [f"img_{index:03}" for index in (1, 2, 3, 4, 5, 6, 7, 9)]


@pytest.mark.parametrize("dialect", ["blender", "nerfstudio"])
def test_a_split_of_the_files_own_goes_first(dialect: str, shots: list[Shot], tmp_path: Path):
    photos = load_photos(write_scene(tmp_path / "scene", dialect, shots, held_out=(2, 5, 9)))
    assert names(photos.test) == ["img_002", "img_005", "img_009"]
    assert len(photos.train) == 7
    assert_tells_the_truth(photos.test[0], OPEN)


def test_validation_pictures_stand_in_where_no_test_pictures_are(shots: list[Shot], tmp_path: Path):
    folder = write_scene(tmp_path / "scene", "blender", shots, held_out=(2, 5))
    (folder / "transforms_test.json").rename(folder / "transforms_val.json")
    assert names(load_photos(folder).test) == ["img_002", "img_005"]


def test_validation_pictures_are_passed_over_where_test_pictures_are(shots: list[Shot], tmp_path: Path):
    folder = write_scene(tmp_path / "scene", "blender", shots, held_out=(2, 5))
    other = write_scene(tmp_path / "other", "blender", shots, held_out=(3,))
    (other / "transforms_test.json").rename(folder / "transforms_val.json")
    assert names(load_photos(folder).test) == ["img_002", "img_005"]


@pytest.mark.parametrize("before", ["./images/", ".\\images\\", "{folder}/images/", "images/../images/"])
def test_names_in_lists_need_not_be_written_as_in_frames(before: str, shots: list[Shot], tmp_path: Path):
    folder = write_scene(tmp_path / "scene", "nerfstudio", shots)
    named = [f"{before.format(folder=folder)}img_{index:03}.png" for index in range(10)]
    change_table(folder, {"train_filenames": named[:7], "test_filenames": named[8:9]})
    photos = load_photos(folder)
    assert names(photos.train) == [f"img_{index:03}" for index in range(7)]
    assert names(photos.test) == ["img_008"]


def test_a_list_of_what_is_held_out_is_enough(shots: list[Shot], tmp_path: Path):
    folder = write_scene(tmp_path / "scene", "nerfstudio", shots)
    change_table(folder, {"test_filenames": ["images/img_004.png", "images/img_005.png"]})
    assert names(load_photos(folder).test) == ["img_004", "img_005"]
    assert len(load_photos(folder).train) == 8


def test_a_list_that_names_no_frame_is_refused(shots: list[Shot], tmp_path: Path):
    folder = write_scene(tmp_path / "scene", "nerfstudio", shots)
    change_table(folder, {"test_filenames": ["elsewhere/img_004.png"]})
    assert "'test_filenames' names none of its frames (the first: 'elsewhere/img_004.png')" in error_of(folder)


def test_a_list_that_holds_out_everything_is_refused(shots: list[Shot], tmp_path: Path):
    folder = write_scene(tmp_path / "scene", "nerfstudio", shots)
    change_table(folder, {"test_filenames": [f"images/{shot.name}.png" for shot in shots]})
    assert "holds out all of its 10 frames, so none is left to learn from" in error_of(folder)


def test_masks_are_said_not_to_be_used(shots: list[Shot], tmp_path: Path, caplog: pytest.LogCaptureFixture):
    folder = write_scene(tmp_path / "scene", "nerfstudio", shots)
    load_photos(folder)
    assert "mask" not in caplog.text
    frames = json.loads((folder / "transforms.json").read_text())["frames"]
    change_table(folder, {"frames": [frame | {"mask_path": "masks/1.png"} for frame in frames]})
    load_photos(folder)
    assert "masks ('mask_path') are not used" in caplog.text


def test_fields_of_view_may_be_in_degrees(shots: list[Shot], tmp_path: Path):
    folder = write_scene(tmp_path / "scene", "instant-ngp", shots)
    lens = load_photos(folder).train[0].camera.lens
    table = json.loads((folder / "transforms.json").read_text())
    kept = {key: value for key, value in table.items() if not key.startswith(("fl_", "camera_angle"))}
    degrees = math.degrees(2 * math.atan(lens.width / 2 / lens.fx))
    (folder / "transforms.json").write_text(json.dumps(kept | {"x_fov": degrees}))
    assert load_photos(folder).train[0].camera.lens.fx == pytest.approx(lens.fx)


@pytest.mark.parametrize("moved", ["sparse/1", "colmap/sparse/0"])
@pytest.mark.parametrize("pictures", ["images", "input", "images_2"])
def test_a_model_of_colmap_is_found_where_tools_leave_it(moved: str, pictures: str, shots: list[Shot], tmp_path: Path):
    folder = write_scene(tmp_path / "scene", "colmap-binary", shots)
    assert len(all_of(load_photos(folder / "sparse"))) == 10
    (folder / "images").rename(folder / pictures)
    (folder / moved).parent.mkdir(parents=True, exist_ok=True)
    (folder / "sparse" / "0").rename(folder / moved)
    assert len(all_of(load_photos(folder))) == 10


def test_a_model_of_colmap_of_undistorted_pictures_is_found(shots: list[Shot], tmp_path: Path):
    folder = write_scene(tmp_path / "scene" / "dense", "colmap-binary", shots)
    for file in (folder / "sparse" / "0").iterdir():
        file.rename(folder / "sparse" / file.name)
    assert len(all_of(load_photos(folder.parent))) == 10


def test_the_json_file_itself_may_be_named(shots: list[Shot], tmp_path: Path):
    folder = write_scene(tmp_path / "scene", "nerfstudio", shots)
    photos = load_photos(folder / "transforms.json")
    assert names(all_of(photos)) == [shot.name for shot in shots]
    assert photos.name == "scene"


def test_the_folder_of_the_model_itself_may_be_named(shots: list[Shot], tmp_path: Path):
    folder = write_scene(tmp_path / "scene", "colmap-binary", shots)
    assert len(all_of(load_photos(folder / "sparse" / "0"))) == 10


@pytest.mark.parametrize("dialect", DIALECTS)
def test_posed_photographs_are_told_from_a_folder_of_pictures(dialect: str, shots: list[Shot], tmp_path: Path):
    folder = write_scene(tmp_path / "scene", dialect, shots)
    assert is_photos(folder)
    assert not is_photos(folder / "images")
    assert not is_photos(next(folder.rglob("*.png")))
    assert not is_photos(tmp_path / "nowhere")


def test_a_json_file_is_taken_for_posed_photographs(tmp_path: Path):
    (tmp_path / "cameras.json").write_text("{}")
    assert is_photos(tmp_path / "cameras.json")


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".JPEG", ".webp"])
def test_a_missing_extension_is_found(dialect: str, suffix: str, shots: list[Shot], tmp_path: Path):
    folder = write_scene(tmp_path / "scene", dialect, shots[:3], with_extension=False, suffix=suffix)
    assert len(all_of(load_photos(folder))) == 3


@pytest.mark.parametrize("dialect", DIALECTS)
def test_pictures_that_are_not_there_are_left_out_with_one_warning(
    dialect: str, shots: list[Shot], tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    folder = write_scene(tmp_path / "scene", dialect, shots, absent=3)
    with caplog.at_level(logging.WARNING, "fieldpress"):
        photos = load_photos(folder)
    assert names(all_of(photos)) == [shot.name for shot in shots]
    [record] = caplog.records
    assert "3 of 13 pictures listed are not there" in record.getMessage()
    assert "gone_" in record.getMessage()


@pytest.mark.parametrize("dialect", ["blender", "instant-ngp", "nerfstudio"])
@pytest.mark.parametrize("again", ["the same pose", "another pose", "another way to write its path"])
def test_a_picture_that_is_listed_twice_counts_once(
    dialect: str, again: str, shots: list[Shot], tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    folder = write_scene(tmp_path / "scene", dialect, shots)
    once = load_photos(folder)
    for path in folder.glob("transforms*.json"):
        table = json.loads(path.read_text())
        repeated = json.loads(json.dumps(table["frames"]))
        for number, frame in enumerate(repeated):
            if again == "another pose":
                frame["transform_matrix"] = table["frames"][number - 1]["transform_matrix"]
            if again == "another way to write its path":
                frame["file_path"] = f"{folder.resolve()}/{frame['file_path']}"
        path.write_text(json.dumps(table | {"frames": table["frames"] + repeated}))
    with caplog.at_level(logging.WARNING, "fieldpress"):
        twice = load_photos(folder)
    [record] = caplog.records
    assert "10 repeated entries are left out: a picture counts once, as listed first" in record.getMessage()
    assert "\n" not in record.getMessage()
    for part in ("train", "test"):
        cameras = [[photo.camera for photo in getattr(photos, part)] for photos in (once, twice)]
        assert cameras[0] == cameras[1]
        assert names(getattr(once, part)) == names(getattr(twice, part))


def test_a_picture_listed_to_learn_from_and_to_test_with_is_held_out(
    shots: list[Shot], tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    folder = write_scene(tmp_path / "scene", "nerfstudio", shots)
    names_listed = [frame["file_path"] for frame in json.loads((folder / "transforms.json").read_text())["frames"]]
    changed(folder, {"train_filenames": names_listed, "test_filenames": names_listed[:2]})
    with caplog.at_level(logging.WARNING, "fieldpress"):
        photos = load_photos(folder)
    assert (len(photos.train), len(photos.test)) == (8, 2)
    assert not set(names(photos.train)) & set(names(photos.test))
    assert "2 repeated entries are left out" in caplog.text


@pytest.mark.parametrize("before", ["/home/someone/scene", "C:\\Users\\someone\\scene", "\\\\server\\share"])
def test_absolute_paths_of_another_machine_are_found_by_their_last_part(before: str, shots: list[Shot], tmp_path: Path):
    folder = write_scene(tmp_path / "scene", "instant-ngp", shots, absolute=before)
    assert len(all_of(load_photos(folder))) == 10


def test_absolute_paths_of_this_machine_are_followed(shots: list[Shot], tmp_path: Path):
    stored = write_scene(tmp_path / "stored", "nerfstudio", shots, absolute=str(tmp_path / "stored"))
    (tmp_path / "list").mkdir()
    (stored / "transforms.json").rename(tmp_path / "list" / "transforms.json")
    assert len(all_of(load_photos(tmp_path / "list"))) == 10


@pytest.mark.parametrize("before", ["/home/someone/lego", "C:\\lego", "data/lego", "../lego"])
@pytest.mark.parametrize("stored", ["train", "images", "images/train", ""])
def test_pictures_are_found_by_ever_fewer_parts_of_their_path(before: str, stored: str, tmp_path: Path):
    (tmp_path / stored).mkdir(parents=True, exist_ok=True)
    (tmp_path / stored / "r_0.png").touch()
    assert find_picture(f"{before}/train/r_0", [tmp_path]) == tmp_path / stored / "r_0.png"
    assert find_picture(f"{before}/train/r_1", [tmp_path]) is None


def test_of_files_of_one_name_the_one_in_the_listed_folder_is_taken(tmp_path: Path):
    for folder in ("left", "right", "images"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "1.png").touch()
    assert find_picture("/there/right/1.png", [tmp_path]) == tmp_path / "right" / "1.png"


def test_backslashes_in_relative_paths_are_understood(tmp_path: Path):
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.jpg").touch()
    assert find_picture("images\\a", [tmp_path]) == tmp_path / "images" / "a.jpg"


@pytest.mark.parametrize("listed", ["", "/", ".", "..", "no\0name", "\udc80", "x" * 5000, "images"])
def test_a_name_that_no_picture_can_have_is_not_found(listed: str, tmp_path: Path):
    (tmp_path / "images").mkdir()
    assert find_picture(listed, [tmp_path]) is None


# Points


@pytest.mark.parametrize("dialect", DIALECTS)
def test_points_come_along(dialect: str, shots: list[Shot], tmp_path: Path):
    found = load_photos(write_scene(tmp_path / "scene", dialect, shots, points=POINTS)).points
    assert found is not None
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, POINTS.astype(np.float32))


@pytest.mark.parametrize("dialect", DIALECTS)
def test_there_may_be_no_points(dialect: str, shots: list[Shot], tmp_path: Path):
    assert load_photos(write_scene(tmp_path / "scene", dialect, shots)).points is None
    assert load_photos(write_scene(tmp_path / "none", dialect, shots, points=np.empty((0, 3)))).points is None


def test_points_may_be_stored_column_by_column(shots: list[Shot], tmp_path: Path):
    found = load_photos(write_scene(tmp_path / "scene", "nerfstudio", shots, points=np.asfortranarray(POINTS))).points
    np.testing.assert_array_equal(found, POINTS.astype(np.float32))


@pytest.mark.parametrize("dialect", ["nerfstudio", "colmap-text", "colmap-binary"])
def test_a_point_that_is_nowhere_is_refused(dialect: str, shots: list[Shot], tmp_path: Path):
    wrong = POINTS.copy()
    wrong[2, 1] = np.nan
    assert "point 2 is at [0.0, nan, 0.125]" in error_of(write_scene(tmp_path / "s", dialect, shots, points=wrong))


def ply(kind: str, places: np.ndarray) -> bytes:
    """A .ply file of points with colours, after an element that is not of interest."""
    head = (
        f"ply\nformat {kind} 1.0\ncomment made up\nelement camera 1\nproperty int id\nelement vertex {len(places)}\n"
        "property uchar red\nproperty float x\nproperty double y\nproperty float32 z\n"
        "element face 0\nproperty list uchar int vertex_indices\nend_header\n"
    ).encode()
    if kind == "ascii":
        return head + b"7\n" + "".join(f"255 {x} {y} {z}\n" for x, y, z in places.tolist()).encode()
    order = "<" if kind == "binary_little_endian" else ">"
    rows = np.zeros(len(places), [("red", "u1"), ("x", f"{order}f4"), ("y", f"{order}f8"), ("z", f"{order}f4")])
    rows["x"], rows["y"], rows["z"] = places.T
    return head + b"\0" * 4 + rows.tobytes()


PLY_KINDS = ("ascii", "binary_little_endian", "binary_big_endian")


@pytest.mark.parametrize("kind", PLY_KINDS)
def test_points_of_nerfstudio_come_along(kind: str, shots: list[Shot], tmp_path: Path):
    folder = write_scene(tmp_path / "scene", "nerfstudio", shots)
    change_table(folder, {"ply_file_path": "sparse_pc.ply"})
    assert load_photos(folder).points is None  # the file is not there
    (folder / "sparse_pc.ply").write_bytes(ply(kind, POINTS))
    np.testing.assert_array_equal(load_photos(folder).points, POINTS.astype(np.float32))
    (folder / "sparse_pc.ply").write_bytes(ply(kind, POINTS[:0]))
    assert load_photos(folder).points is None


@pytest.mark.parametrize("kind", PLY_KINDS)
def test_a_hostile_file_of_points_is_refused(kind: str, shots: list[Shot], tmp_path: Path):
    folder = write_scene(tmp_path / "scene", "nerfstudio", shots[:3])
    change_table(folder, {"ply_file_path": "sparse_pc.ply"})
    path, good = folder / "sparse_pc.ply", ply(kind, POINTS)
    for size in range(0, len(good) - 8, 7):
        path.write_bytes(good[:size])
        assert "sparse_pc.ply: " in error_of(folder)
    for before, after in [
        *((b"vertex 4", wrong) for wrong in (b"vertex 99999999999", b"vertex -1", b"vertex 5", b"corner 4")),
        *((b"float x", wrong) for wrong in (b"float y", b"half x", b"list int int x")),
        *((b"camera 1", wrong) for wrong in (b"camera 9999999", b"camera one")),
        *((b"int id", b"list int int id"), (b"comment", b"junk"), (kind.encode(), b"middle_endian")),
    ]:
        path.write_bytes(good.replace(before, after))
        assert "sparse_pc.ply: is no .ply file with points: " in error_of(folder)


def test_a_hostile_array_of_points_is_refused(shots: list[Shot], tmp_path: Path):
    folder = write_scene(tmp_path / "scene", "nerfstudio", shots)
    path = folder / "points3d.npy"
    for array in (np.zeros((4, 2)), np.zeros(3), np.zeros((2, 3), np.int32), np.full((1, 3), None, object)):
        np.save(path, array)
        assert "expected floats of shape (points, 3)" in error_of(folder)
    np.save(path, POINTS)
    good = path.read_bytes()
    path.write_bytes(good[:-1])
    assert "ends after 95 of 96 bytes" in error_of(folder)
    path.write_bytes(good.replace(b"(4, 3)", b"(9999999999999, 3)")[:200])
    assert "points3d.npy" in error_of(folder)
    for junk in (b"", b"junk", good[:20], good[:10] + b"(" * 118):
        path.write_bytes(junk)
        assert "is not a NumPy file" in error_of(folder)


# Pixels


def test_colours_under_transparency_are_kept_as_stored(shots: list[Shot], tmp_path: Path):
    rgba = np.random.default_rng(1).integers(0, 256, (6, 8, 4), dtype=np.uint8)
    rgb, alpha = read_still(write_png(tmp_path / "a.png", rgba, "rgba"))
    np.testing.assert_array_equal(rgb, rgba[..., :3])
    np.testing.assert_array_equal(alpha, rgba[..., 3])


def test_transparency_that_hides_nothing_is_none(tmp_path: Path):
    rgba = np.full((6, 8, 4), 255, np.uint8)
    assert read_still(write_png(tmp_path / "a.png", rgba, "rgba")).alpha is None


@pytest.mark.parametrize("channels", [3, 4])
def test_deep_pictures_are_rounded_to_8_bits(channels: int, tmp_path: Path):
    deep = np.random.default_rng(2).integers(0, 65536, (6, 8, channels), dtype=np.uint16)
    stored = frame_of([deep.byteswap().reshape(6, -1)], {3: "rgb48be", 4: "rgba64be"}[channels], 6, 8)
    rgb, alpha = read_still(write_picture(tmp_path / "a.png", stored, "png"))
    expected = np.rint(deep / 257)
    np.testing.assert_array_equal(rgb, expected[..., :3])
    assert (alpha is None) == (channels == 3)
    if alpha is not None:
        np.testing.assert_array_equal(alpha, expected[..., 3])


@pytest.mark.parametrize(("pixel_format", "channels"), [("gray", 1), ("ya8", 2)])
def test_grey_pictures_are_read(pixel_format: str, channels: int, tmp_path: Path):
    samples = np.random.default_rng(3).integers(0, 256, (6, 8, channels), dtype=np.uint8)
    stored = frame_of([samples.reshape(6, -1)], pixel_format, 6, 8)
    rgb, alpha = read_still(write_picture(tmp_path / "a.png", stored, "png"))
    np.testing.assert_array_equal(rgb, samples[..., :1].repeat(3, -1))
    assert (alpha is None) == (channels == 1)
    if alpha is not None:
        np.testing.assert_array_equal(alpha, samples[..., 1])


def test_an_orientation_is_not_followed(tmp_path: Path):
    picture = np.random.default_rng(4).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    plain = write_png(tmp_path / "a.png", picture, "rgb24")
    rgb, _ = read_still(with_orientation(plain, tmp_path / "b.png", 6))
    np.testing.assert_array_equal(rgb, picture)


def test_jpegs_are_read(tmp_path: Path):
    grey = np.full((16, 16, 3), 120, np.uint8)
    frame = rgb_frame(grey).reformat(format="yuvj444p")
    rgb, _ = read_still(write_picture(tmp_path / "a.jpg", frame, "mjpeg"))
    assert np.abs(rgb.astype(int) - 120).max() <= 2  # lossy


def test_a_picture_that_is_too_large_is_refused(tmp_path: Path):
    path = write_png(tmp_path / "a.png", np.zeros((2, 20_000, 3), np.uint8), "rgb24")
    with pytest.raises(SourceError, match=r"a\.png: is 20000x2; at most 16384"):
        read_still(path)


def test_a_picture_that_does_not_fit_in_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = write_png(tmp_path / "a.png", np.zeros((6, 8, 3), np.uint8), "rgb24")
    monkeypatch.setattr(memory, "available_memory", lambda: 100)
    with pytest.raises(SourceError, match=r"a\.png: needs .* GB"):
        read_still(path)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.99])
def test_a_picture_that_is_cut_off_is_refused(suffix: str, share: float, tmp_path: Path):
    noise = np.random.default_rng(5).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    frame = rgb_frame(noise) if suffix == ".png" else rgb_frame(noise).reformat(format="yuvj444p")
    path = write_picture(tmp_path / f"a{suffix}", frame, {".png": "png", ".jpg": "mjpeg"}[suffix])
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(SourceError, match=r"is not a picture that can be read, or is damaged|its end is missing"):
        read_still(path)


def test_a_jpeg_with_more_after_its_end_is_whole(tmp_path: Path):
    frame = rgb_frame(np.full((16, 16, 3), 120, np.uint8)).reformat(format="yuvj444p")
    path = write_picture(tmp_path / "a.jpg", frame, "mjpeg")
    path.write_bytes(path.read_bytes() + b"\xff\xda a film")
    assert read_still(path).rgb.shape == (16, 16, 3)


def test_the_end_of_a_thumbnail_is_not_that_of_its_jpeg(tmp_path: Path):
    frame = rgb_frame(np.full((16, 16, 3), 120, np.uint8)).reformat(format="yuvj444p")
    data = write_picture(tmp_path / "a.jpg", frame, "mjpeg").read_bytes()
    thumbnail = b"\xff\xe1" + struct.pack(">H", len(data) + 2) + data
    whole = data[:2] + thumbnail + data[2:]
    assert end_of_jpeg(whole + b"and more") == len(whole)
    assert end_of_jpeg(whole[:-2]) is None


def test_damaged_pictures_are_left_out_only_on_demand(
    shots: list[Shot], tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    folder = write_scene(tmp_path / "scene", "nerfstudio", shots)
    (folder / "images" / "img_003.png").write_bytes(b"no picture")
    message = error_of(folder)
    assert "9 of 10 pictures are good; use them with --force" in message
    assert "img_003.png" in message
    with caplog.at_level(logging.WARNING, "fieldpress"):
        assert len(load_photos(folder, force=True).train) == 7
    assert "9 of 10 pictures are good" in caplog.text


# What no scene can be learned from


def test_a_path_that_is_not_there_is_refused(tmp_path: Path):
    assert "there is no such file or folder" in error_of(tmp_path / "nowhere")


def test_a_folder_without_poses_is_refused(shots: list[Shot], tmp_path: Path):
    folder = write_scene(tmp_path / "scene", "nerfstudio", shots)
    assert "has no poses: expected a transforms.json or a COLMAP model" in error_of(folder / "images")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_list_of_pictures_that_are_all_gone_is_refused(dialect: str, shots: list[Shot], tmp_path: Path):
    folder = write_scene(tmp_path / "scene", dialect, shots)
    for picture in folder.rglob("*.png"):
        picture.unlink()
    assert "none of the 10 pictures listed is there (the first: '" in error_of(folder)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_single_photograph_is_refused(dialect: str, shots: list[Shot], tmp_path: Path):
    assert "has one photograph only" in error_of(write_scene(tmp_path / "scene", dialect, shots[:1]))


def test_two_photographs_leave_too_few_to_learn_from(shots: list[Shot], tmp_path: Path):
    folder = write_scene(tmp_path / "scene", "nerfstudio", shots[:2])
    assert "has 1 of 2 photographs to learn from; at least 2 are needed" in error_of(folder)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_cameras_that_all_stand_in_one_point_are_refused(dialect: str, tmp_path: Path):
    views = [View(np.concatenate([view.matrix[:, :3], [[3.0], [0.5], [0.2]]], 1)) for view in orbit(4)]
    folder = write_scene(tmp_path / "scene", dialect, shoot(OPEN, views))
    assert "all its cameras stand in one point" in error_of(folder)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_pose_that_is_no_rotation_is_refused_by_name(dialect: str, shots: list[Shot], tmp_path: Path):
    matrix = shots[4].view.matrix.copy()
    matrix[:, :3] *= 1.01
    view = View(matrix)
    wrong = [*shots[:4], shots[4]._replace(view=view), *shots[5:]]
    folder = write_scene(tmp_path / "scene", dialect, wrong)
    if dialect == "colmap-text":
        _longer_quaternion(folder / "sparse" / "0" / "images.txt")
    elif dialect == "colmap-binary":
        _longer_quaternion_in_bytes(folder / "sparse" / "0" / "images.bin")
    message = error_of(folder)
    assert "img_004" in message
    assert "its pose is no rotation" in message


def _longer_quaternion(path: Path) -> None:
    lines = path.read_text().splitlines()
    number = next(number for number, line in enumerate(lines) if "img_004" in line)
    words = lines[number].split()
    lines[number] = " ".join([words[0], *(str(1.01 * float(word)) for word in words[1:5]), *words[5:]])
    path.write_text("\n".join([*lines, ""]))


def _longer_quaternion_in_bytes(path: Path) -> None:
    data = bytearray(path.read_bytes())
    start = data.index(b"img_004") - 4 - 7 * 8
    struct.pack_into("<4d", data, start, *(1.01 * number for number in struct.unpack_from("<4d", data, start)))
    path.write_bytes(data)


def test_a_transposed_pose_is_refused(shots: list[Shot], tmp_path: Path):
    folder = write_scene(tmp_path / "scene", "nerfstudio", shots)
    table = json.loads((folder / "transforms.json").read_text())
    matrix = np.array(table["frames"][3]["transform_matrix"]).T.tolist()
    message = error_of(changed(folder, {}, {"transform_matrix": matrix}, 3))
    assert "transforms.json: frame 3 ('images/img_003.png'): the last row of its pose is not 0, 0, 0, 1" in message


# Hostile and mistaken files


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fl_x": None, "fl_y": None}, "it has no intrinsics: neither 'fl_x' nor 'camera_angle_x'"),
        ({"camera_model": "OPENCV_FISHEYE"}, "camera model 'OPENCV_FISHEYE' is not supported; known: OPENCV, "),
        ({"camera_model": 3}, "camera model 3 is not supported"),
        ({"is_fisheye": True}, "'is_fisheye' is True, which is not supported"),
        ({"k4": 0.1}, "'k4' is 0.1, which is not supported"),
        ({"fl_x": "70"}, "'fl_x' is '70'; expected a number"),
        ({"fl_x": True}, "'fl_x' is True; expected a number"),
        ({"fl_x": 0}, "'fl_x' is 0; expected a number above 0"),
        ({"fl_x": math.nan}, "'fl_x' is nan; expected a number"),
        ({"fl_x": 10**400}, "expected a number"),
        ({"camera_angle_x": 4.0, "fl_x": None}, "'camera_angle_x' is 4; expected a number above 0 and below 3.1416"),
        ({"w": -64}, "'w' is -64; expected a number above 0"),
        ({"cx": math.inf}, "'cx' is inf; expected a number"),
        ({"k1": 1e5}, "expected up to five numbers"),
        ({"k1": -5.0}, "cannot be undone at the edge of the picture"),
        ({"frames": []}, "lists no pictures"),
        ({"frames": {"a": 1}}, "lists no pictures"),
        ({"frames": [3]}, "frame 0 has no 'file_path'"),
        ({"frames": [{"file_path": 3}]}, "frame 0 has no 'file_path'"),
        ({"train_filenames": 3}, "3 is no list of file names"),
        ({"train_filenames": [3]}, "[3] is no list of file names"),
    ],
)
def test_a_wrong_value_for_all_frames_is_refused(change: dict[str, Any], message: str, shots: list[Shot], tmp_path):
    folder = write_scene(tmp_path / "scene", "nerfstudio", shots)
    assert message in error_of(changed(folder, change))


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (None, "it has no 'transform_matrix'"),
        ([[1, 0], [0, 1]], "a pose is a matrix of 3 x 4 or 4 x 4 finite numbers"),
        ([[1, 0, 0], [0]], "expected a matrix of 4 x 4 numbers"),
        ({"a": 1}, "expected a matrix of 4 x 4 numbers"),
        ([["x"] * 4] * 4, "expected a matrix of 4 x 4 numbers"),
        ([[10**400] * 4] * 4, "expected a matrix of 4 x 4 numbers"),
        ([[math.nan] * 4] * 4, "finite numbers"),
        ([[0.0] * 4] * 3 + [[0, 0, 0, 1]], "its pose is no rotation: it scales by 0 to 0"),
        ([[1, 0, 0, 1e30], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]], "expected smaller numbers"),
    ],
)
def test_a_wrong_pose_is_refused_with_its_frame(matrix: Any, message: str, shots: list[Shot], tmp_path: Path):
    folder = write_scene(tmp_path / "scene", "instant-ngp", shots)
    found = error_of(changed(folder, {}, {"transform_matrix": matrix}, 2))
    assert "transforms.json: frame 2 ('images/img_002.png'): " in found
    assert message in found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "is not JSON"),
        (b"{", "is not JSON"),
        (b"\xff\xfe{}", "is not JSON"),
        (b"[" * 100_000, "is not JSON: it is nested too deeply"),
        (b'{"frames": ' + b"9" * 5000 + b"}", "is not JSON"),
        (b"[]", "lists no pictures"),
        (b"3", "lists no pictures"),
    ],
)
def test_a_file_that_is_no_list_of_frames_is_refused(text: bytes, message: str, tmp_path: Path):
    (tmp_path / "transforms.json").write_bytes(text)
    assert message in error_of(tmp_path)


def test_a_huge_json_file_is_refused_before_it_is_parsed(tmp_path: Path):
    with (tmp_path / "transforms.json").open("wb") as file:
        file.truncate(1 << 34)  # a hole: takes no room on the disk
    assert "is larger than 32 MiB" in error_of(tmp_path)


def test_a_name_with_line_breaks_stays_in_one_line(shots: list[Shot], tmp_path: Path):
    folder = write_scene(tmp_path / "scene", "nerfstudio", shots)
    assert "img\\nimg" in error_of(changed(folder, {}, {"file_path": "img\nimg", "transform_matrix": None}))


@pytest.mark.parametrize("dialect", ["colmap-text", "colmap-binary"])
def test_a_camera_model_that_is_not_supported_is_refused_by_name(dialect: str, shots: list[Shot], tmp_path: Path):
    folder = write_scene(tmp_path / "scene", dialect, shots, camera_model="OPENCV_FISHEYE")
    message = error_of(folder)
    assert "camera 10: camera model OPENCV_FISHEYE is not supported; known: SIMPLE_PINHOLE, PINHOLE, " in message


@pytest.mark.parametrize("part", ["cameras", "images", "points3D"])
def test_a_binary_model_that_is_cut_off_anywhere_is_refused(part: str, shots: list[Shot], tmp_path: Path):
    folder = write_scene(tmp_path / "scene", "colmap-binary", shots[:3], points=POINTS)
    path = folder / "sparse" / "0" / f"{part}.bin"
    data = path.read_bytes()
    for length in range(0, len(data), 7):
        path.write_bytes(data[:length])
        message = error_of(folder)
        assert f"{part}.bin" in message
        assert re.search("ends|end:", message)


@pytest.mark.parametrize(("part", "noun"), [("cameras", "cameras"), ("images", "pictures"), ("points3D", "points")])
def test_a_huge_count_is_refused_before_anything_is_made_for_it(
    part: str, noun: str, shots: list[Shot], tmp_path: Path
):
    folder = write_scene(tmp_path / "scene", "colmap-binary", shots[:3], points=POINTS)
    path = folder / "sparse" / "0" / f"{part}.bin"
    path.write_bytes(struct.pack("<Q", 2**63) + path.read_bytes()[8:])
    assert f"says that it has {2**63} {noun}, but ends before" in error_of(folder)


def test_damaged_bytes_of_a_binary_model_give_an_error_of_ours_or_a_scene(shots: list[Shot], tmp_path: Path):
    folder = write_scene(tmp_path / "scene", "colmap-binary", shots[:3], points=POINTS)
    random = np.random.default_rng(6)
    for part in ("cameras", "images", "points3D"):
        path = folder / "sparse" / "0" / f"{part}.bin"
        data = path.read_bytes()
        for _ in range(60):
            damaged = bytearray(data)
            damaged[random.integers(len(data))] ^= int(random.integers(1, 256))
            path.write_bytes(damaged)
            with suppress(SourceError):
                load_photos(folder)
        path.write_bytes(data)


@pytest.mark.parametrize(
    ("part", "text", "message"),
    [
        (
            "cameras",
            "1 PINHOLE 64 48 70 70 32\n",
            "cameras.txt: line 1 is '1 PINHOLE 64 48 70 70 32'; expected a camera",
        ),
        ("cameras", "# no\n\n1 PINHOLE\n", "cameras.txt: line 3 is '1 PINHOLE'; expected a camera"),
        ("cameras", "10 PINHOLE 0 48 70 70 32 24\n", "its pictures are 0x48"),
        ("cameras", f"10 PINHOLE 1{'0' * 400} 48 70 70 32 24\n", "its pictures are 1000"),
        ("cameras", "10 PINHOLE 64 48 nan 70 32 24\n", "its parameters are ['nan', '70', '32', '24']"),
        ("cameras", "10 PINHOLE 64 48 -70 70 32 24\n", "its parameters are ['-70', '70', '32', '24']"),
        ("cameras", "\udc80\0", "expected a camera"),
        ("cameras", "", "has no camera 10"),
        ("images", "", "lists no pictures"),
        ("images", "1 1 0 0 0 1 2 3 10\n\n", "expected a picture's pose"),
        ("images", "1 1 0 0 0 1 2 three 10 a.png\n\n", "expected a picture's pose"),
        ("images", "1 nan 0 0 0 1 2 3 10 a.png\n\n", "its pose is no rotation: the quaternion has the length nan"),
        ("images", "1 0 0 0 0 1 2 3 10 a.png\n\n", "its pose is no rotation: the quaternion has the length 0"),
        ("images", "1 1 0 0 0 inf 2 3 10 a.png\n\n", "finite, smaller numbers"),
        ("images", "1 1 0 0 0 1 2 3 10 a.png\n2 1 0 0 0 1 2 3 10 b.png\n", "line 2 is '2 1 0 0 0 1 2 3 10 b.png'"),
        ("points3D", "1 2 3\n", "points3D.txt: line 1 is '1 2 3'; expected a point"),
        ("points3D", "1 2 x 3 4\n", "expected a point"),
    ],
)
def test_a_wrong_line_of_a_text_model_is_refused(part: str, text: str, message: str, shots: list[Shot], tmp_path: Path):
    folder = write_scene(tmp_path / "scene", "colmap-text", shots, points=POINTS)
    (folder / "sparse" / "0" / f"{part}.txt").write_bytes(text.encode("utf-8", "surrogateescape"))
    assert message in error_of(folder)


def test_a_last_picture_without_its_second_line_is_taken(shots: list[Shot], tmp_path: Path):
    folder = write_scene(tmp_path / "scene", "colmap-text", shots)
    path = folder / "sparse" / "0" / "images.txt"
    path.write_text(path.read_text().rstrip())
    assert len(all_of(load_photos(folder))) == 10


def test_names_in_a_text_model_may_have_spaces(shots: list[Shot], tmp_path: Path):
    spaced = [shot._replace(name=shot.name.replace("_", " of ")) for shot in shots[:3]]
    photos = load_photos(write_scene(tmp_path / "scene", "colmap-text", spaced))
    assert [photo.name for photo in all_of(photos)] == ["img of 000.png", "img of 001.png", "img of 002.png"]
