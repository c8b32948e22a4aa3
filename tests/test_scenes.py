"""What cameras see of a scene: the true field gives back the photographs, and a file's field what a plain sum gives."""

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from octrees import BALL, BOX, drawn_tensors, looking_in, scene_field, scene_file, shell
from scenes import DIALECTS, Scene, Shot, View, camera_of, crooked, forward, orbit, shoot, write_scene

import fieldpress
from fieldpress.encodings.octree import octree_of
from fieldpress.errors import ConfigError
from fieldpress.field import Points
from fieldpress.rendering import UNIT, Occupancy, bins_for, composite, lay, sample
from fieldpress.scenes import SceneRenderer
from fieldpress.signals import Radiance
from fieldpress.signals.cameras import Camera, Lens, Pose
from fieldpress.signals.space import Space
from fieldpress.sources.photos import load_photos
from fieldpress.training.layout import space_of

# The true field, through our loader, space, sampling and sums, is the photograph

OPEN, CLOSED = Scene(), Scene(sky=5.0)
SIZE = {"height": 24, "width": 32, "fx": 35.0, "fy": 35.0, "cx": 16.0, "cy": 12.0}
KINDS = {
    "object": (OPEN, orbit(4, **SIZE)),
    "room": (CLOSED, orbit(4, **SIZE)),
    "forward": (CLOSED, forward(4, **SIZE)),
}
ONE_CELL = Occupancy.of(torch.zeros(1, 1, 1, dtype=torch.int32))
BINS = 2048
"""Of a path: a surface is met up to a bin too late."""
COLOUR_SLOPE = 0.9
"""The most by which a colour of these scenes changes in a unit of length."""
SMOOTH = 0.25
"""Pixels are compared whose neighbours are all hit, at depths that differ by so much at most: those off silhouettes."""


def world_of(space: Space, places: np.ndarray) -> np.ndarray:
    """Places of the cube, (n, 3), in the world: the inverse of what the documentation of the space says."""
    inverse = np.linalg.inv(np.array(space.matrix).reshape(4, 4))
    if space.contracted:
        mapped = 4 * (places - 0.5)
        length = np.linalg.norm(mapped, axis=1, keepdims=True)
        far = np.maximum(length, 1e-9)
        places = np.where(length > 1, mapped / far / (2 - np.minimum(far, 2 - 1e-9)), mapped)
    found = np.concatenate([places, np.ones((len(places), 1))], 1) @ inverse.T
    return found[:, :3] / found[:, 3:]


def off_silhouettes(shot: Shot) -> np.ndarray:
    """Bool, flat: pixels all of whose neighbours meet the same surface."""
    depth = np.pad(shot.depth, 1, mode="edge")
    around = np.stack(
        [depth[i : i + shot.depth.shape[0], j : j + shot.depth.shape[1]] for i in range(3) for j in range(3)]
    )
    with np.errstate(invalid="ignore"):  # infinity less infinity
        return (np.isfinite(around).all(0) & (np.ptp(around, axis=0) < SMOOTH)).ravel()


class Truth(NamedTuple):
    """What pixels show of the true field."""

    colours: np.ndarray
    """(pixels, 3), in 8-bit steps."""
    opacity: np.ndarray
    bin_lengths: np.ndarray
    """In the world, of the bin in which the surface was met."""


def picture_of_the_truth(scene: Scene, space: Space, camera: Camera, pixels: np.ndarray) -> Truth:
    """The true field through the sampling and the sums of the renderer."""
    origins, directions = (torch.from_numpy(values[pixels]) for values in camera.rays())
    path = lay(space, origins, directions)
    samples = sample(path, BINS, ONE_CELL)
    density, colours = scene.density_and_colour(world_of(space, samples.places.double().numpy()), density=1e6)
    values = torch.from_numpy(colours.T).float()
    seen = composite(values, torch.from_numpy(density).float(), samples, len(pixels))
    met = torch.zeros(len(pixels)).index_add_(0, samples.rays, seen.weights * samples.shares)
    rays = torch.arange(len(pixels))
    ends = [path.distances((met + half / BINS).clamp(0, 1), rays).numpy() for half in (-0.5, 0.5)]
    return Truth(255 * seen.colours.numpy(), seen.opacity.numpy(), ends[1] - ends[0])


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_of_the_true_field_is_the_photograph(tmp_path: Path, kind: str, dialect: str):
    scene, views = KINDS[kind]
    shots = shoot(scene, views if dialect == "blender" else crooked_as(views))
    photos = load_photos(write_scene(tmp_path / "scene", dialect, shots))
    space = space_of([photo.camera for photo in photos.train], None, kind == "object")
    assert space.contracted == (kind != "object")
    random = np.random.default_rng(0)
    for shot, photo in zip(shots, sorted([*photos.train, *photos.test], key=lambda photo: photo.name), strict=True):
        pixels = random.choice(np.flatnonzero(off_silhouettes(shot)), 30)
        truth = picture_of_the_truth(scene, space, photo.camera, pixels)
        assert truth.opacity.min() > 0.999
        error = np.abs(truth.colours - photo.rgb.reshape(-1, 3)[pixels]).max(1)
        # Half a code of rounding, a bin of colour, and a twentieth of a code for single precision.
        assert (error < 0.55 + 255 * COLOUR_SLOPE * truth.bin_lengths).all()
        assert np.median(error) < 2.5


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_true_field_is_clear_where_the_photograph_is(tmp_path: Path, dialect: str):
    shots = shoot(OPEN, orbit(3, **SIZE))
    photos = load_photos(write_scene(tmp_path / "scene", dialect, shots))
    space = space_of([photo.camera for photo in photos.train], None, True)
    for photo in [*photos.train, *photos.test]:
        assert photo.alpha is not None
        clear = np.flatnonzero(photo.alpha == 0)[::5]
        assert not picture_of_the_truth(OPEN, space, photo.camera, clear).opacity.any()


def crooked_as(views: list[View]) -> list[View]:
    """Through a lens of which every number matters, for these small pictures."""
    bent = (0.12, -0.05, 0.01, -0.02)
    return [replace(view, fx=33.0, fy=36.5, cx=14.75, cy=13.125, distortion=bent) for view in views]


def test_the_comparison_would_see_a_pixel_of_shift():
    # The colours of neighbouring pixels differ: otherwise the tests above could not tell half a pixel from none.
    (shot,) = shoot(CLOSED, orbit(1, **SIZE))
    smooth = off_silhouettes(shot).reshape(24, 32)[:, :-1]
    change = np.abs(np.diff(shot.rgba[..., :3].astype(int), axis=1)).max(-1)[smooth]
    assert np.quantile(change, 0.75) > 4


# The renderer

OCCUPIED = shell(16)


def decoded(space: Space = BOX, seed: int = 0) -> fieldpress.Decoded:
    """A scene of drawn numbers."""
    config = scene_field(OCCUPIED)
    tensors = drawn_tensors(config, OCCUPIED, seed)
    tensors["decoder.density.bias"] -= 1.5  # thin enough that rays see several cells, and that some cells are empty
    return fieldpress.open(scene_file(config, tensors, looking_in(space)))


def plainly(scene: fieldpress.Decoded, index: int) -> torch.Tensor:
    """What a camera sees, without anything left out; (rays, 3)."""
    signal = scene.signal
    assert isinstance(signal, Radiance)
    origins, directions = map(torch.from_numpy, signal.camera(index).rays())
    octree = octree_of(scene.field)
    cells = octree.occupancy
    samples = sample(lay(signal.space, origins, directions), bins_for(len(cells)), Occupancy.of(cells))
    with torch.inference_mode():
        values = scene.field.planar(Points(samples.places, directions[samples.rays]))
    seen = composite(values[:3], values[3], samples, len(origins))
    return seen.colours + (1 - seen.opacity[:, None]) * torch.tensor(signal.background)


@pytest.mark.parametrize("space", [BOX, BALL], ids=["box", "ball"])
@pytest.mark.parametrize("index", [0, 1])
def test_a_picture_is_the_plain_sum_along_its_rays(space: Space, index: int):
    scene = decoded(space)
    expected = plainly(scene, index).reshape(18, 22, 3)
    assert expected.std((0, 1)).max() > 0.01  # there is something to see
    # Samples and cells that add next to nothing are left out: less than a code each, a few on a ray.
    error = np.abs(scene[index] - 255 * expected.numpy())
    assert error.max() < 8
    assert error.mean() < 1


def test_where_nothing_is_there_is_background():
    away = looking_in()
    away = replace(away, stands=(replace(away.stands[0], pose=Pose((0.0, 0.0, -3.0), (0.0, 0.0, 0.0))),))
    config = scene_field(OCCUPIED)
    picture = fieldpress.open(scene_file(config, drawn_tensors(config, OCCUPIED), away))[0]
    assert (picture == np.rint(255 * np.array(away.background))).all()


def test_a_camera_looks_along_its_own_axis_and_distances_are_those_of_the_world():
    # A wall that fills the far half of the box (z < 0), seen from z = 2: it begins 2 units away, along the axis.
    cells = torch.zeros(16, 16, 16, dtype=torch.bool)
    cells[:, :, :8] = True
    config = scene_field(cells)
    tensors = drawn_tensors(config, cells)
    tensors["decoder.density.weight"][:] = 0
    tensors["decoder.density.bias"][:] = 40.0
    scene = fieldpress.open(scene_file(config, tensors))
    assert isinstance(scene.signal, Radiance)
    camera = Camera(Lens(9, 9, 30.0, 30.0, 4.5, 4.5), Pose((0.0, 0.0, 2.0), (0.0, 0.0, 0.0)))
    _, distances = SceneRenderer(scene.field, scene.signal).picture(camera)
    rays = camera.rays()
    expected = 2 / -rays.directions[:, 2].reshape(9, 9)
    # The first sample of the wall is up to a bin behind its surface: 2 units in 64 bins, and a little for slanted rays.
    assert ((distances.numpy() >= expected - 1e-4) & (distances.numpy() < expected + 0.035)).all()


def test_rays_are_rendered_the_same_alone_and_together():
    scene = decoded()
    assert isinstance(scene.signal, Radiance)
    renderer = SceneRenderer(scene.field, scene.signal)
    origins, directions = map(torch.from_numpy, scene.signal.camera(0).rays())
    together = renderer.see(origins, directions)
    alone = renderer.see(origins[200:201], directions[200:201])
    for one, all_of_them in zip(alone, together, strict=True):
        torch.testing.assert_close(one[0], all_of_them[200], rtol=1e-4, atol=1e-5)


def test_a_camera_with_no_ray_in_reach_of_the_field_is_no_error():
    scene = decoded()
    assert isinstance(scene.signal, Radiance)
    seen = SceneRenderer(scene.field, scene.signal).see(torch.zeros(0, 3), torch.zeros(0, 3))
    assert seen.colours.shape == (0, 3)


# Views


def test_a_crop_is_the_part_of_the_picture():
    scene = decoded()
    part = next(scene.pictures(scene.view(slice(1, 2), crop=(5, 3, 9, 7))))
    whole = scene[1][3:10, 5:14]
    assert part.shape == (7, 9, 3)
    assert np.abs(part.astype(int) - whole).max() <= 1  # the same rays, added up in another order


def test_a_larger_picture_shows_the_same_rays_at_three_times_the_pixels():
    scene = decoded()
    large = next(scene.pictures(scene.view(slice(0, 1), scale=3.0)))
    assert large.shape == (54, 66, 3)
    assert np.abs(large[1::3, 1::3].astype(int) - scene[0]).max() <= 1  # centres of every third pixel are those of old


def test_cameras_have_no_moments_between_them():
    with pytest.raises(ConfigError, match="--time-scale"):
        decoded().view(time_scale=2.0)


def test_cameras_may_have_lenses_of_their_own():
    signal = looking_in()
    wide = Lens(6, 30, 20.0, 20.0, 15.0, 3.0)
    stands = (signal.stands[0], replace(signal.stands[1], lens=1))
    signal = replace(signal, lenses=(*signal.lenses, wide), stands=stands)
    config = scene_field(OCCUPIED)
    scene = fieldpress.open(scene_file(config, drawn_tensors(config, OCCUPIED), signal))
    assert [picture.shape for picture in scene] == [(18, 22, 3), (6, 30, 3)]


# The signal


def test_a_scene_keeps_each_lens_once_and_poses_to_a_millionth():
    cameras = tuple(camera_of(view) for view in [*orbit(3), *crooked(orbit(2))])
    signal = Radiance.seen_by(cameras, BOX, (0.0, 0.0, 0.0), 100)
    assert len(signal.lenses) == 2
    assert [stand.lens for stand in signal.stands] == [0, 0, 0, 1, 1]
    for index, camera in enumerate(cameras):
        found = signal.camera(index)
        assert found.lens == camera.lens
        # Rotation vectors to a millionth of a radian: no pixel moves by more than 1e-4.
        np.testing.assert_allclose(found.pose.matrix, camera.pose.matrix, rtol=0, atol=2e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stands": ()}, "1 to 100000 cameras"),
        ({"lenses": ()}, "and their lenses"),
        ({"stands": (replace(looking_in().stands[0], lens=1),)}, "a lens that is not there"),
        ({"stands": (replace(looking_in().stands[0], lens=-1),)}, "a lens that is not there"),
        ({"background": (0.0, 0.0, 1.01)}, "the background is"),
        ({"background": (0.0, float("nan"), 1.0)}, "the background is"),
        ({"observed": 0}, "observed is 0"),
    ],
    ids=str,
)
def test_a_scene_that_makes_no_sense_is_refused(change: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=message):
        replace(looking_in(), **change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"matrix": BOX.matrix[:15]}, "16 numbers"),
        ({"matrix": (float("nan"), *BOX.matrix[1:])}, "16 numbers"),
        ({"matrix": (float("inf"), *BOX.matrix[1:])}, "16 numbers"),
        ({"near": -0.1}, "near is -0.1"),
        ({"near": float("nan")}, "near is nan"),
        ({"matrix": (*BOX.matrix[:14], 1.0, 1.0)}, "ends with .* expected 0, 0, 0, 1"),
        ({"contracted": True, "matrix": (*BOX.matrix[:15], 2.0)}, "ends with .* expected 0, 0, 0, 1"),
    ],
    ids=str,
)
def test_a_space_that_makes_no_sense_is_refused(change: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=message):
        replace(BOX, **change)


def rendered_at(shift: float, scale: float) -> torch.Tensor:
    """The same picture of a scene whose world has another zero and another unit."""
    scene = decoded()
    signal = scene.signal
    assert isinstance(signal, Radiance)
    matrix = np.array(signal.space.matrix).reshape(4, 4)
    matrix[:3, :3] /= scale
    matrix[:3, 3] -= matrix[:3, :3] @ np.full(3, shift)
    camera = signal.camera(1)
    x, y, z = (value * scale + shift for value in camera.pose.position)
    moved = Camera(camera.lens, Pose((x, y, z), camera.pose.turn))
    space = Space(tuple(matrix.ravel().tolist()), False, 0.0)
    there = Radiance.seen_by((moved,), space, signal.background, signal.observed)
    return SceneRenderer(scene.field, there).picture(there.camera(0))[0]


def test_a_scene_may_be_far_from_the_zero_of_its_world_and_of_any_size():
    here = rendered_at(0.0, 1.0)
    assert (rendered_at(4.5e6, 1.0).int() - here.int()).abs().max() <= 1
    assert (rendered_at(0.0, 1e-6).int() - here.int()).abs().max() <= 1
    assert (rendered_at(0.0, 1e6).int() - here.int()).abs().max() <= 1


@pytest.mark.parametrize("contracted", [False, True])
def test_a_space_that_is_flat_shows_something_all_the_same(contracted: bool):
    # A hostile header may say so: no number is too bad for a picture.
    flat = Space((0.0,) * 15 + (1.0,), contracted, 0.0)
    assert decoded(flat)[0].shape == (18, 22, 3)


def test_lengths_are_counted_in_parts_of_the_cube():
    # What the format promises: a density of 1 absorbs 1 in 1/128 of the cube's side.
    path = lay(BOX, torch.tensor([[0.0, 0.0, -3.0]]), torch.tensor([[0.0, 0.0, 1.0]]))
    samples = sample(path, 64, ONE_CELL)
    assert UNIT == 128
    torch.testing.assert_close(samples.lengths, torch.full((64,), 2.0))
