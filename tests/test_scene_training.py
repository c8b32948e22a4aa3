"""Scenes from photographs: the survey that finds where things are, training, and runs that are stopped."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import torch
from octrees import BOX, built, shell
from scenes import Scene, Shot, View, camera_of, forward, looking_at, orbit, shoot, write_scene
from small_scenes import PRESETS, SCENE, STEPS, photographs, small, small_views

import fieldpress
from clips import moving_pictures, rgb_frame, write_clip
from fieldpress.compressors import Dictionary, Entropy, Raw, Uniform
from fieldpress.decoders import RadianceMlp
from fieldpress.encodings.corners import cells_of
from fieldpress.encodings.octree import all_cells, octree_of
from fieldpress.errors import ConfigError
from fieldpress.field import Field, FieldConfig, Points
from fieldpress.presets import recipe
from fieldpress.rendering import UNIT
from fieldpress.scenes import SceneRenderer
from fieldpress.signals import Radiance
from fieldpress.signals.space import Space
from fieldpress.sources.photos import Photo, Photos, load_photos
from fieldpress.subjects.scene import Scene as Subject
from fieldpress.training.checkpoint import checkpoint_path
from fieldpress.training.chunks import Chunks
from fieldpress.training.config import Budget
from fieldpress.training.layout import space_of
from fieldpress.training.rays import PhotoRays
from fieldpress.training.scene import SceneObjective, Sight
from fieldpress.training.survey import Survey, carry_over, put_octants
from fieldpress.training.teaching import teach
from fieldpress.training.trimming import _spared, _spread, closed, shown_cells
from fieldpress.writing import Interrupted, encode, evaluate


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)  # sums in one order, so that files are the same on every run


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return photographs(tmp_path_factory.mktemp("scene") / "photographs")


@pytest.fixture(scope="module")
def encoded(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, fieldpress.Report]]:
    """A file of each preset and its report, made once."""
    made: dict[str, tuple[Path, fieldpress.Report]] = {}

    def make(name: str) -> tuple[Path, fieldpress.Report]:
        if name not in made:
            out = tmp_path_factory.mktemp("files") / f"{name}.fpr"
            made[name] = out, encode(source, out, small(name), steps=STEPS, device="cpu")
        return made[name]

    return make


def rays_of(photos: tuple[Photo, ...]) -> PhotoRays:
    return PhotoRays(
        [photo.camera for photo in photos],
        [photo.rgb for photo in photos],
        [photo.alpha for photo in photos],
        torch.device("cpu"),
    )


def rays_through(shots: list[Shot]) -> PhotoRays:
    """The pixels of generated pictures."""
    return PhotoRays(
        [camera_of(shot.view) for shot in shots],
        [shot.rgba[..., :3] for shot in shots],
        [shot.rgba[..., 3] for shot in shots],
        torch.device("cpu"),
    )


# Pixels


def test_pixels_of_photographs_of_several_sizes_are_numbered_through(tmp_path: Path):
    shots = [*shoot(SCENE, small_views(2)), *shoot(SCENE, orbit(2, height=6, width=9, cx=4.5, cy=3.0, fx=9.0, fy=9.0))]
    named = [shot._replace(name=f"img_{index}") for index, shot in enumerate(shots)]
    folder = write_scene(tmp_path / "scene", "nerfstudio", named, per_frame=True)
    loaded = load_photos(folder)
    photos = tuple(sorted([*loaded.train, *loaded.test], key=lambda photo: photo.name))
    rays = rays_of(photos)
    assert len(rays) == 2 * 16 * 20 + 2 * 6 * 9
    batch = rays.at(torch.arange(len(rays)))
    expected = [photo.camera.rays() for photo in photos]
    np.testing.assert_allclose(batch.origins.numpy(), np.concatenate([r.origins for r in expected]), atol=1e-6)
    np.testing.assert_allclose(batch.directions.numpy(), np.concatenate([r.directions for r in expected]), atol=1e-6)
    colours = np.concatenate([photo.rgb.reshape(-1, 3) for photo in photos])
    np.testing.assert_allclose(batch.colours.numpy(), colours / 255, atol=1e-6)
    alphas = np.concatenate([photo.alpha.ravel() for photo in photos if photo.alpha is not None])
    np.testing.assert_allclose(batch.opacity.numpy(), alphas / 255, atol=1e-6)


def test_opaque_photographs_are_opaque():
    camera = camera_of(small_views(1)[0])
    rays = PhotoRays([camera], [np.zeros((16, 20, 3), np.uint8)], [None], torch.device("cpu"))
    assert bool((rays.draw(50, torch.Generator().manual_seed(0)).opacity == 1).all())


# The survey


def surveyed(scene: Scene, steps: int, levels: tuple[int, int] = (2, 4)) -> tuple[Survey, torch.Tensor]:
    """A finished survey, and the places in the cube where rays of the photographs meet the scene."""
    shots = shoot(scene, small_views(16))
    cameras = [camera_of(shot.view) for shot in shots]
    space = space_of(cameras, None, True)
    rays = rays_through(shots)
    torch.manual_seed(0)
    training = replace(recipe("radiance-vq").training, batch_pixels=256)
    survey = Survey(rays, space, levels, 4, RadianceMlp(16), training, Budget(steps=steps), seed=0)
    for _ in survey.steps(lambda: 0.0):
        pass
    met = []
    for shot in shots:
        origins, directions = shot.view.rays()
        hit = np.isfinite(shot.depth).ravel()
        points = origins[hit] + (shot.depth.ravel()[hit, None] + 1e-3) * directions[hit]
        met.append(
            points @ np.array(space.matrix).reshape(4, 4)[:3, :3].T + np.array(space.matrix).reshape(4, 4)[:3, 3]
        )
    return survey, torch.from_numpy(np.concatenate(met))


@pytest.fixture(scope="module")
def survey() -> tuple[Survey, torch.Tensor]:
    return surveyed(SCENE, 150)


def test_a_survey_keeps_the_cells_with_surfaces(survey: tuple[Survey, torch.Tensor]):
    found, met = survey
    occupied = octree_of(found.field).occupancy >= 0
    inside = ((met >= 0) & (met <= 1)).all(1)
    assert inside.double().mean() > 0.99
    kept = occupied[cells_of(met[inside], 16)[0].long().unbind(1)]
    assert kept.double().mean() > 0.99


def test_a_survey_drops_most_of_what_is_empty(survey: tuple[Survey, torch.Tensor]):
    found, met = survey
    occupied = octree_of(found.field).occupancy >= 0
    surfaces = torch.zeros_like(occupied)
    surfaces[cells_of(met.clamp(0, 1), 16)[0].long().unbind(1)] = True
    assert occupied.sum() < 0.45 * occupied.numel()
    # Cells with surfaces, and at most a few around each.
    assert occupied.sum() < 5 * surfaces.sum()


def test_a_survey_ends_with_the_octree_of_its_cells(survey: tuple[Survey, torch.Tensor]):
    found, _ = survey
    octree = octree_of(found.field)
    octree.check()
    assert found.config.encodings["octree"] == octree.config
    assert [octree.config.side(level) for level in range(len(octree.config.cells))] == [4, 8, 16]


@pytest.mark.parametrize(("coarsest", "full"), [(1, 4), (2, 4), (3, 8)])
def test_a_survey_begins_on_a_grid_fine_enough_and_has_the_coarser_levels_all_the_same(
    coarsest: int, full: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("fieldpress.training.survey._LOOKS", 0)  # else it has what several pictures look at
    # Four rounds, one for each of the finest levels; what is empty is dropped after the first of them.
    rays = rays_through(shoot(SCENE, small_views(2)))
    training = replace(recipe("radiance-vq").training, batch_pixels=16)
    survey = Survey(rays, BOX, (coarsest, 5), 2, RadianceMlp(4), training, Budget(steps=1), seed=0)
    octree = octree_of(survey.field)
    assert octree.config.coarsest == coarsest
    assert len(octree.occupancy) == full
    assert (octree.occupancy >= 0).all()
    for _ in survey.steps(lambda: 0.0):
        pass
    assert [octree_of(survey.field).config.side(level) for level in range(6 - coarsest)] == [
        2**level for level in range(coarsest, 6)
    ]


def test_a_survey_looks_around_for_what_its_few_steps_have_missed(survey: tuple[Survey, torch.Tensor]):
    found, met = survey
    octree = octree_of(found.field)
    sight = Sight(octree, octree.level_count)
    seen = torch.zeros_like(sight.densities)
    found._look_around(sight, seen)
    surfaces = octree.occupancy[cells_of(met.clamp(0, 1), 16)[0].long().unbind(1)].unique()
    assert (seen[surfaces[surfaces >= 0].long()] > 0.01).double().mean() > 0.9
    assert float(seen.max()) <= 1
    assert not torch.equal(seen, torch.ones_like(seen))


def test_what_fewer_than_three_pictures_look_at_is_left_out():
    away = np.array([0.5, 0.0, 3.0])
    views = [*small_views(7), View(looking_at(away, 3 * away), 16, 20, 22.0, 22.0, 10.0, 8.0)]
    rays = rays_through(shoot(SCENE, views))  # the last one looks away from the others
    matrix = np.diag([1 / 16, 1 / 16, 1 / 16, 1.0])
    matrix[:3, 3] = 0.5
    space = Space(tuple(matrix.ravel().tolist()), False, 0.0)
    training = replace(recipe("radiance-vq").training, batch_pixels=16)
    survey = Survey(rays, space, (2, 7), 2, RadianceMlp(4), training, Budget(steps=1), seed=0)
    occupied = octree_of(survey.field).occupancy >= 0
    side = len(occupied)
    centres = ((all_cells(side).numpy() + 0.5) / side - 0.5) * 16
    looks = np.sum([sees(view, centres) for view in views], axis=0)
    flat = occupied.numpy().ravel()
    assert flat[looks >= 5].all()
    assert flat[looks >= 3].mean() > 0.9
    assert flat[looks == 0].mean() < 0.15  # cells are larger than their centres
    assert flat[(looks == 1) & (centres[:, 2] > 4)].mean() < 0.05
    assert ((looks == 1) & (centres[:, 2] > 4)).sum() > 20


def sees(view: View, points: np.ndarray) -> np.ndarray:
    """Which points are in a camera's picture."""
    camera = camera_of(view)
    rotation, position = np.array(camera.pose.rotation), np.array(camera.pose.position)
    local = (points - position) @ rotation
    ahead = (points - position) @ camera.forward
    with np.errstate(divide="ignore", invalid="ignore"):
        x, y = np.abs(local[:, 0] / ahead), np.abs(local[:, 1] / ahead)
    lens = camera.lens
    return (ahead > 0) & (x < lens.width / 2 / lens.fx) & (y < lens.height / 2 / lens.fy)


@pytest.mark.parametrize("hole", [1, 2])
def test_holes_of_a_surface_are_closed_and_nothing_else(hole: int):
    plane = torch.zeros(16, 16, 16, dtype=torch.bool)
    plane[7, 3:13, 3:13] = True
    torn = plane.clone()
    torn[7, 5 : 5 + hole, 8 : 8 + hole] = False
    assert torch.equal(closed(torn), plane)
    assert torch.equal(closed(plane), plane)


@pytest.mark.parametrize("name", ["radiance-hash", "radiance-dense"])
def test_a_field_of_other_features_begins_with_what_the_survey_shows(name: str, survey: tuple[Survey, torch.Tensor]):
    found = survey[0]
    config = replace(recipe(name), grids=replace(recipe(name).scene_grids, coarsest=2, finest=4)).scene_field(
        found.config.encodings["octree"]  # pyright: ignore[reportArgumentType]
    )
    torch.manual_seed(0)
    field = config.build()
    put_octants(octree_of(field), list(octree_of(found.field).octants))
    cells = (octree_of(field).occupancy >= 0).nonzero()
    directions = torch.nn.functional.normalize(torch.randn(len(cells), 3))
    query = Points((cells + torch.rand(len(cells), 3)) / 16, directions)

    def seen(one: Field) -> tuple[torch.Tensor, torch.Tensor]:
        """What the cells absorb, and their colours as far as they do."""
        with torch.no_grad():
            values, wanted = one.planar(query), found.field.planar(query)
        absorbed, rightly = (1 - torch.exp(-densities * UNIT / 16) for densities in (values[3], wanted[3]))
        return (absorbed - rightly).square().mean(), (rightly * (values[:3] - wanted[:3]).square()).mean()

    fresh = seen(field)
    teach(found.field, field, torch.Generator().manual_seed(1))
    absorbed, colours = (float(after / before) for after, before in zip(seen(field), fresh, strict=True))
    assert absorbed < 0.05
    assert colours < 0.6


def test_a_survey_of_one_step_keeps_something():
    found, _ = surveyed(SCENE, 1)
    octree_of(found.field).check()


def test_features_are_carried_over_where_both_octrees_have_a_corner():
    cells = shell(16)
    fewer = cells.clone()
    fewer[:8] = False
    before, after = built(cells, 2, 3), built(fewer, 2, 3)
    level = 2
    old, new = (octree.worked_out(level + 1)[level].keys.tolist() for octree in (before, after))
    carry_over(before, after)
    features = after.levels[level].detach()[..., 0]
    for number, key in enumerate(new):
        assert torch.equal(features[:, number], before.levels[level].detach()[:, old.index(key), 0])


def test_features_of_new_corners_and_levels_are_zero():
    cells = shell(16)
    before, after = built(cells.view(8, 2, 8, 2, 8, 2).any(5).any(3).any(1), 2, 3), built(torch.ones_like(cells), 2, 3)
    old, new = (set(octree.worked_out(2)[1].keys.tolist()) for octree in (before, after))
    carry_over(before, after)
    known = torch.tensor([key in old for key in after.worked_out(2)[1].keys.tolist()])
    assert old < new
    assert not after.levels[1].detach()[:, ~known].any()
    assert not after.levels[2].detach().any()


def test_octants_are_put_as_they_are():
    cells = shell(16)
    octree = built(cells, 2, 1)
    again = octree.config.build().double()
    put_octants(again, list(octree.octants))
    assert torch.equal(again.occupancy, octree.occupancy)


# The objective


def objective_and_field(seed: int = 0) -> tuple[SceneObjective, Any]:
    rays = rays_through(shoot(SCENE, small_views(4)))
    octree = built(shell(16), 2, 4, torch.float32)
    field = FieldConfig({"octree": octree.config}, RadianceMlp(8)).build()
    put_octants(octree_of(field), list(octree.octants))
    objective = SceneObjective(rays, BOX, 4 * 320, 64, seed)
    objective.start(field)
    return objective, field


def test_a_step_leaves_the_gradients_of_one_prefix_and_shows_all_levels():
    objective, field = objective_and_field()
    touched = set()
    for _ in range(25):
        field.zero_grad(set_to_none=True)
        objective.descend(field, 0.5)
        octree = octree_of(field)
        with_gradients = [level for level, table in enumerate(octree.levels) if table.grad is not None]
        assert with_gradients == list(range(len(with_gradients)))
        assert octree.shown == 3
        touched.add(len(with_gradients))
    assert touched == {1, 2, 3}


def test_an_objective_goes_on_where_its_state_was_taken():
    (one, field), (other, same) = objective_and_field(), objective_and_field(seed=5)
    same.load_state_dict(field.state_dict())
    for _ in range(3):
        one.descend(field, 0.5)
    other.load_state(one.state())
    assert [one.descend(field, 0.5) for _ in range(4)] == [other.descend(same, 0.5) for _ in range(4)]


# Trimming


def test_cells_that_no_photograph_shows_are_not_missed(survey: tuple[Survey, torch.Tensor]):
    found = survey[0]
    shots = shoot(SCENE, small_views(16))
    cameras = [camera_of(shot.view) for shot in shots]
    space = space_of(cameras, None, True)
    field = found.config.build()
    field.load_state_dict(found.field.state_dict())
    octree = octree_of(field)
    signal = Radiance.seen_by(tuple(cameras), space, (1.0, 1.0, 1.0), 320)

    def pictures() -> torch.Tensor:
        renderer = SceneRenderer(field, signal)
        return torch.stack([renderer.picture(camera)[0] for camera in cameras]).float()

    before, there = pictures(), octree.occupancy >= 0
    shown = shown_cells(field, space, rays_through(shots))
    assert not bool((shown & ~there).any())
    assert 0 < shown.sum() < 0.8 * there.sum()
    octree.trim(shown)
    assert (pictures() - before).square().mean() < 3.0
    octree.trim(shown & torch.rand(16, 16, 16, generator=torch.Generator().manual_seed(0)).gt(0.1))
    assert (pictures() - before).square().mean() > 10.0  # that much is not for free


def test_samples_are_spared_that_are_faint_and_add_up_to_little():
    rays = torch.tensor([0, 0, 0, 0, 2, 2, 3])
    weights = torch.tensor([0.5, 0.03, 0.01, 0.04, 0.02, 0.9, 0.001])
    assert _spared(rays, weights).tolist() == [False, True, True, False, True, False, True]
    fog = torch.full((40,), 0.02)
    assert 5 <= int(_spared(torch.zeros(40, dtype=torch.long), fog).sum()) <= 7
    assert len(_spared(rays[:0], weights[:0])) == 0


def test_fog_is_not_lost_sample_by_sample():
    rays = torch.randint(100, (5000,), generator=torch.Generator().manual_seed(0)).sort().values
    weights = 0.03 * torch.rand(5000, generator=torch.Generator().manual_seed(1))
    lost = torch.zeros(100).index_add_(0, rays, weights * _spared(rays, weights))
    assert 0.1 < lost.min() <= lost.max() <= 0.15 + 1e-6


def test_pixels_that_look_are_spread_over_columns_and_pictures():
    assert _spread(100, 100).tolist() == list(range(100))
    looking = _spread(1920 * 1080 * 64, 1 << 18)
    assert int(looking.min()) >= 0
    assert int(looking.max()) < 1920 * 1080 * 64
    for places, bins in ((looking % 1920, 1920), (looking // 1920 % 1080, 1080), (looking // (1920 * 1080), 64)):
        counts = torch.bincount(places, minlength=bins).float()
        assert counts.min() > 0.5 * counts.mean()
        assert counts.max() < 1.5 * counts.mean()


def test_where_nothing_is_shown_all_cells_are_left():
    _, field = objective_and_field()
    octree = octree_of(field)
    with torch.no_grad():
        for parameter in field.decoder.parameters():
            parameter.zero_()
        for level in octree.levels:
            level.zero_()
        next(p for name, p in field.decoder.named_parameters() if name.endswith("bias")).fill_(-50.0)
    assert torch.equal(shown_cells(field, BOX, rays_through(shoot(SCENE, small_views(2)))), octree.occupancy >= 0)


def test_an_objective_goes_on_with_a_trimmed_field():
    objective, field = objective_and_field()
    fewer = shell(16)
    fewer[:9] = False
    with patch("fieldpress.training.scene.shown_cells", return_value=fewer):
        trimmed = objective.trim(field)
    octree = octree_of(field)
    assert torch.equal(octree.occupancy >= 0, fewer)
    assert trimmed.encodings == {"octree": octree.config}
    assert {name: len(left) for name, left in trimmed.left.items()} == {
        f"octree.levels.{level}": count for level, count in enumerate(octree.config.corners)
    }
    for _ in range(10):
        assert np.isfinite(objective.descend(field, 0.5))
    again, _ = objective_and_field()
    again.start(field)
    again.load_state(objective.state())
    assert again.descend(field, 0.5) == objective.descend(field, 0.5)


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("price", [0.0, 1e-9])
def test_only_where_bits_have_a_price_cells_are_cut_off(name: str, price: float, source: Path, tmp_path: Path):
    chosen = small(name)
    chosen = replace(chosen, training=replace(chosen.training, rate_weight=price))
    with patch("fieldpress.training.scene.shown_cells", wraps=shown_cells) as looked:
        encode(source, tmp_path / "a.fpr", chosen, steps=STEPS, device="cpu")
    assert looked.call_count == (1 if price else 0)
    fieldpress.open(tmp_path / "a.fpr")


# Files


@pytest.mark.parametrize("name", PRESETS)
def test_the_report_is_what_the_file_decodes_to(name: str, source: Path, encoded: Callable[..., Any]):
    out, report = encoded(name)
    again = evaluate(out, source, device="cpu")
    assert report.bytes == out.stat().st_size == sum(chunk.bytes for chunk in report.chunks)
    for figure in ("bytes", "bpp", "psnr_rgb", "ssim", "frames", "height", "width", "steps", "preset"):
        assert getattr(again, figure) == getattr(report, figure)
    assert report.bpp == 8 * report.bytes / (10 * 16 * 20)  # all photographs, those held out too
    assert (report.steps, report.preset, report.frames) == (STEPS, name, 2)


@pytest.mark.parametrize("name", PRESETS)
def test_the_pictures_are_those_held_out(name: str, source: Path, encoded: Callable[..., Any]):
    scene = fieldpress.open(encoded(name)[0])
    held_out = load_photos(source).test
    assert [photo.name for photo in held_out] == ["images/img_000.png", "images/img_008.png"]
    assert [picture.shape for picture in scene] == [photo.rgb.shape for photo in held_out]


def test_training_makes_pictures_better(source: Path, tmp_path: Path, encoded: Callable[..., Any]):
    longer = encode(source, tmp_path / "out.fpr", small("radiance-vq"), steps=6 * STEPS, device="cpu")
    assert longer.psnr_rgb > encoded("radiance-vq")[1].psnr_rgb + 2
    assert longer.psnr_rgb > 17


def test_photographs_that_all_look_the_same_way_are_learned(tmp_path: Path):
    # Laid out as the frustum of a camera they ended at 10 dB: the fog before the cameras never cleared.
    shots = shoot(Scene(sky=5.0), forward(16, height=24, width=32, fx=35.0, fy=35.0, cx=16.0, cy=12.0))
    preset = small("radiance-octree")
    preset = replace(preset, grids=replace(preset.grids, coarsest=4, finest=5))
    report = encode(write_scene(tmp_path / "scene", "nerfstudio", shots), tmp_path / "out.fpr", preset, steps=150)
    assert report.psnr_rgb > 13


def test_a_clear_pixel_does_not_make_an_object_of_a_scene():
    shots = shoot(Scene(), small_views(6))
    clear = [np.mean(shot.rgba[..., 3] < 128) for shot in shots]
    assert min(clear) > 0.1

    def space(alphas: list[np.ndarray | None]) -> Space:
        photos = [
            Photo(camera_of(shot.view), shot.rgba[..., :3], alpha, shot.name)
            for shot, alpha in zip(shots, alphas, strict=True)
        ]
        return Subject(Photos(tuple(photos), (), None, "scene")).signal.space

    opaque = np.full_like(shots[0].rgba[..., 3], 255)
    nearly = opaque.copy()
    nearly[3, 4] = 0
    assert not space([shot.rgba[..., 3] for shot in shots]).contracted
    assert space([nearly] * 6).contracted
    assert space([None] * 6).contracted
    assert space([shots[0].rgba[..., 3], shots[1].rgba[..., 3], *[None] * 4]).contracted


@pytest.mark.parametrize("setting", ["start=tucker", "sampling=frames", "loss=psnr", "precision=mixed"])
def test_what_only_clips_have_a_use_for_is_refused_before_training(setting: str, source: Path, tmp_path: Path):
    name, value = setting.split("=")
    chosen = replace(
        small("radiance-vq"),
        training=replace(
            small("radiance-vq").training, **{name: value}, **({"sampling": "frames"} if name == "loss" else {})
        ),
    )
    with pytest.raises(ConfigError, match="which is for clips; of posed photographs it is"):
        encode(source, tmp_path / "a.fpr", chosen, steps=10**9)


def test_every_level_of_a_hash_grid_is_trained(encoded: Callable[..., Any]):
    tensors = fieldpress.open(encoded("radiance-hash")[0]).field.tensors()
    sizes = {name: float(tensor.abs().max()) for name, tensor in tensors.items() if name.startswith("hashgrid.")}
    assert len(sizes) == 5
    # They start below 1e-4; a step of Adam moves a number by up to 0.02.
    assert min(sizes.values()) > 1e-3, sizes


@pytest.mark.parametrize("name", PRESETS)
def test_the_same_seed_gives_the_same_bytes(name: str, source: Path, tmp_path: Path, encoded: Callable[..., Any]):
    encode(source, tmp_path / "again.fpr", small(name), steps=STEPS, device="cpu")
    assert (tmp_path / "again.fpr").read_bytes() == encoded(name)[0].read_bytes()


def test_another_seed_gives_other_bytes(source: Path, tmp_path: Path, encoded: Callable[..., Any]):
    encode(source, tmp_path / "other.fpr", small("radiance-vq"), steps=STEPS, seed=1, device="cpu")
    assert (tmp_path / "other.fpr").read_bytes() != encoded("radiance-vq")[0].read_bytes()


def test_progress_counts_through_survey_and_training(source: Path, tmp_path: Path):
    told = []
    encode(source, tmp_path / "a.fpr", small("radiance-vq"), steps=STEPS, device="cpu", on_progress=told.append)
    assert [progress.step for progress in told] == [*range(1, STEPS + 1), STEPS]
    shares = [progress.share for progress in told]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert all(earlier.seconds <= later.seconds for earlier, later in pairwise(told))


def test_progress_goes_on_while_rays_look_for_what_is_shown(source: Path, tmp_path: Path):
    told = []
    with patch("fieldpress.training.trimming._TOGETHER", 1000):
        encode(source, tmp_path / "a.fpr", small("radiance-vq"), steps=STEPS, device="cpu", on_progress=told.append)
    steps = [progress.step for progress in told]
    again = [after for before, after in pairwise(steps[:-1]) if after == before]
    assert len(again) == 2  # in three parts
    assert len(set(again)) == 1
    assert [p.share for p in told] == sorted(p.share for p in told)


# Runs that are stopped


def interrupt_at(step: int) -> Callable[[Any], None]:
    def stop(progress: Any) -> None:
        if progress.step == step:
            raise KeyboardInterrupt

    return stop


@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("radiance-vq", 1),  # in the first round of the survey
        ("radiance-vq", 4),  # in its second
        ("radiance-vq", 6),  # at its end
        ("radiance-vq", 7),  # after the first step of training
        ("radiance-vq", 14),  # under guidance
        ("radiance-vq", STEPS),  # after the grids have settled
        ("radiance-hash", 4),
        ("radiance-hash", 14),
        ("radiance-hash", STEPS),
        ("radiance-dense", 14),
        ("radiance-octree", 14),
    ],
)
def test_a_stopped_run_goes_on_to_the_same_file(
    name: str, step: int, source: Path, tmp_path: Path, encoded: Callable[..., Any]
):
    out = tmp_path / "broken.fpr"
    with pytest.raises(Interrupted):
        encode(source, out, small(name), steps=STEPS, device="cpu", on_progress=interrupt_at(step))
    assert not out.exists()
    steps: list[int] = []
    torch.manual_seed(99)  # another process
    encode(source, out, small(name), steps=STEPS, device="cpu", resume=True, on_progress=lambda p: steps.append(p.step))
    assert steps[0] <= step + 1  # a survey begins its round anew
    assert steps[0] > 1 or step < 3
    assert out.read_bytes() == encoded(name)[0].read_bytes()
    assert not checkpoint_path(out).exists()


def test_a_run_that_is_stopped_while_it_is_trimmed_goes_on_to_the_same_file(
    source: Path, tmp_path: Path, encoded: Callable[..., Any]
):
    out = tmp_path / "broken.fpr"
    with patch.object(Chunks, "trim", side_effect=KeyboardInterrupt), pytest.raises(Interrupted):
        encode(source, out, small("radiance-vq"), steps=STEPS, device="cpu")
    encode(source, out, small("radiance-vq"), steps=STEPS, device="cpu", resume=True)
    assert out.read_bytes() == encoded("radiance-vq")[0].read_bytes()


@pytest.mark.parametrize("name", ["radiance-vq", "radiance-octree"])
@pytest.mark.parametrize("chunk", ["octree.octants", "octree@1", "octree@2"])
def test_a_run_that_is_stopped_while_its_grids_are_written_is_not_trimmed_again(
    chunk: str, name: str, source: Path, tmp_path: Path
):
    chosen = small(name)
    coarse = (
        Dictionary(bits=6, groups=4, rate=0.1, entries=Entropy(step=1.0)) if name == "radiance-vq" else Raw("float16")
    )
    training = replace(chosen.training, rate_weight=1e-5)
    chosen = replace(chosen, plan={**chosen.plan, "octree": coarse}, training=training)
    whole, broken = tmp_path / "whole.fpr", tmp_path / "broken.fpr"
    encode(source, whole, chosen, steps=STEPS, device="cpu")
    settle = Chunks._settle

    def strike(self: Chunks, name: str, heard: bool = False) -> None:
        if name == chunk:
            raise KeyboardInterrupt
        settle(self, name, heard)

    with patch.object(Chunks, "_settle", strike), pytest.raises(Interrupted):
        encode(source, broken, chosen, steps=STEPS, device="cpu")
    with patch("fieldpress.training.scene.shown_cells", side_effect=AssertionError):
        encode(source, broken, chosen, steps=STEPS, device="cpu", resume=True)
    assert broken.read_bytes() == whole.read_bytes()


def test_a_scene_whose_grids_are_coded_first_goes_on_after_a_stop(source: Path, tmp_path: Path):
    chosen = small("radiance-octree")
    training = replace(chosen.training, guidance=replace(chosen.training.guidance, kind="project", settle=0.0))
    chosen = replace(chosen, training=training)
    encode(source, tmp_path / "whole.fpr", chosen, steps=STEPS, device="cpu")
    broken = tmp_path / "broken.fpr"
    with patch.object(Chunks, "_settle", side_effect=KeyboardInterrupt), pytest.raises(Interrupted):
        encode(source, broken, chosen, steps=STEPS, device="cpu")
    encode(source, broken, chosen, steps=STEPS, device="cpu", resume=True)
    assert broken.read_bytes() == (tmp_path / "whole.fpr").read_bytes()


@pytest.mark.parametrize("kind", ["round-trip", "special", "proximal"])
def test_octants_and_features_of_one_rule_stay_as_they_are(kind: Any, source: Path, tmp_path: Path):
    chosen = small("radiance-octree")
    guidance = replace(chosen.training.guidance, kind=kind, settle=0.8)
    training = replace(chosen.training, rate_weight=1e-9, guidance=guidance)
    chosen = replace(chosen, plan={"*": Uniform(bits=8)}, training=training)
    with patch("fieldpress.training.scene.shown_cells", side_effect=AssertionError):
        encode(source, tmp_path / "a.fpr", chosen, steps=STEPS, device="cpu")
    fieldpress.open(tmp_path / "a.fpr")


def test_a_run_that_is_stopped_twice_in_the_survey_goes_on_to_the_same_file(
    source: Path, tmp_path: Path, encoded: Callable[..., Any]
):
    out = tmp_path / "broken.fpr"
    for step in (3, 5):
        with pytest.raises(Interrupted):
            encode(
                source,
                out,
                small("radiance-vq"),
                steps=STEPS,
                device="cpu",
                resume=True,
                on_progress=interrupt_at(step),
            )
    encode(source, out, small("radiance-vq"), steps=STEPS, device="cpu", resume=True)
    assert out.read_bytes() == encoded("radiance-vq")[0].read_bytes()


def test_a_checkpoint_of_other_photographs_is_refused(source: Path, tmp_path: Path):
    out = tmp_path / "out.fpr"
    with pytest.raises(Interrupted):
        encode(source, out, small("radiance-vq"), steps=STEPS, device="cpu", on_progress=interrupt_at(3))
    other = photographs(tmp_path / "other", scene=Scene(balls=((0.0, 0.0, 0.1, 0.5),)))
    with pytest.raises(ConfigError, match="the checkpoint is of another run"):
        encode(other, out, small("radiance-vq"), steps=STEPS, device="cpu", resume=True)


# What does not fit


def test_a_preset_for_clips_is_refused_for_photographs(source: Path, tmp_path: Path):
    with pytest.raises(ConfigError, match=r"preset nvp-fit is for videos and pictures$"):
        encode(source, tmp_path / "out.fpr", "nvp-fit", steps=STEPS)


def test_a_preset_for_photographs_is_refused_for_a_clip(tmp_path: Path):
    pictures = [rgb_frame(picture) for picture in moving_pictures(2, 32, 40)]
    clip = write_clip(tmp_path / "clip.mkv", pictures, "ffv1", "bgr0")
    for name in ("radiance-vq", "shape"):
        with pytest.raises(ConfigError, match=f"preset {name} is not for videos and pictures$"):
            encode(clip, tmp_path / "out.fpr", name, steps=STEPS)


@pytest.mark.parametrize("name", ["radiance-hash", "radiance-dense"])
def test_a_scene_is_steered_to_a_size(source: Path, tmp_path: Path, name: str):
    wanted = round(0.8 * encode(source, tmp_path / "free.fpr", small(name), steps=STEPS).bytes)
    report = encode(source, tmp_path / "out.fpr", small(name), steps=STEPS, size=wanted)
    assert report.bytes == pytest.approx(wanted, rel=0.05)


@pytest.mark.parametrize("request_", [{"size": 5000}, {"bpp": 0.5}], ids=str)
def test_a_scene_of_codes_is_not_steered_and_says_so_before_the_survey(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request_: dict[str, Any]
):
    monkeypatch.setattr(Survey, "__init__", lambda *_: pytest.fail("the survey began"))
    refusal = "--bpp and --size cannot turn preset radiance-vq: its octree is given to dictionary and octants"
    with pytest.raises(ConfigError, match=refusal):
        encode(source, tmp_path / "out.fpr", small("radiance-vq"), steps=STEPS, **request_)


def test_a_clip_is_no_reference_for_a_scene(tmp_path: Path, encoded: Callable[..., Any]):
    clip = write_clip(tmp_path / "clip.mkv", [rgb_frame(p) for p in moving_pictures(2, 16, 20)], "ffv1", "bgr0")
    with pytest.raises(ConfigError, match="are not of one kind"):
        evaluate(encoded("radiance-vq")[0], clip)
