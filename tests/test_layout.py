"""How a scene is laid into the cube: by where its cameras stand and look."""

from collections.abc import Sequence

import numpy as np
import pytest
from scenes import View, camera_of, forward, looking_at, orbit

from fieldpress.signals.cameras import Camera
from fieldpress.signals.space import Space
from fieldpress.training.layout import space_of

LENS = {"height": 24, "width": 32, "fx": 35.0, "fy": 35.0, "cx": 16.0, "cy": 12.0}


def cameras_of(views: Sequence[View]) -> list[Camera]:
    return [camera_of(view) for view in views]


def ball_of(space: Space) -> tuple[np.ndarray, float]:
    """Middle and radius in the world."""
    assert space.contracted
    matrix = np.reshape(space.matrix, (4, 4))
    radius = 1 / matrix[0, 0]
    return -radius * matrix[:3, 3], radius


def side_by_side() -> list[View]:
    """Five cameras in a row, all looking along y exactly."""
    places = np.array([[x, -3.0, 0.5] for x in (-1.0, -0.5, 0.0, 0.5, 1.0)])
    return [View(looking_at(place, place + np.array([0.0, 1.0, 0.0])), **LENS) for place in places]


def test_an_object_is_boxed():
    assert not space_of(cameras_of(orbit(6, **LENS)), None, cut_out=True).contracted


def test_an_object_before_cameras_in_a_row_is_not_boxed():
    # Their axes meet nowhere: a box in the middle of the cameras, or miles away, would not hold it.
    assert space_of(cameras_of(side_by_side()), None, cut_out=True).contracted
    places = np.array([[x, -3.0, 0.5] for x in (-1.0, -0.5, 0.0, 0.5, 1.0)])
    targets = places * (0.999, 1, 1) + np.array([0.0, 1.0, 0.0])
    nearly = [View(looking_at(place, target), **LENS) for place, target in zip(places, targets, strict=True)]
    assert space_of(cameras_of(nearly), None, cut_out=True).contracted
    assert not space_of(cameras_of(converging(6.0)), None, cut_out=True).contracted


def test_cameras_all_around_stand_at_the_edge_of_their_ball():
    middle, radius = ball_of(space_of(cameras_of(orbit(6, radius=3.0, **LENS)), None, cut_out=False))
    assert np.abs(middle).max() < 1e-6
    assert radius == pytest.approx(3.0)


def looking_around(outward: float) -> list[View]:
    """A dozen cameras on a circle of radius 0.5, with their backs to its middle, or so far to the side."""
    angles = np.arange(12) * 2 * np.pi / 12
    ahead = [(np.cos(a), np.sin(a), 0.0) for a in angles]
    aside = [(-np.sin(a), np.cos(a), 0.0) for a in angles]
    places = 0.5 * np.array(ahead)
    targets = places + outward * np.array(ahead) + (1 - outward) * np.array(aside)
    return [View(looking_at(place, target), **LENS) for place, target in zip(places, targets, strict=True)]


def test_the_air_before_cameras_all_around_is_left_out():
    views = orbit(6, radius=3.0, **LENS)
    assert space_of(cameras_of(views), None, cut_out=False).near == pytest.approx(0.3 * 3.0)
    closer = [orbit(6, radius=1.0, **LENS)[0], *views[1:]]
    assert space_of(cameras_of(closer), None, cut_out=False).near == pytest.approx(0.5 * 1.0, rel=0.01)


@pytest.mark.parametrize("outward", [1.0, 0.5, 0.0])
def test_cameras_that_look_around_themselves_see_what_is_farther_away_than_they_are_apart(outward: float):
    middle, radius = ball_of(space_of(cameras_of(looking_around(outward)), None, cut_out=False))
    assert np.abs(middle).max() < 1e-6
    assert radius == pytest.approx(3.0)


def test_the_ball_around_cameras_reaches_to_the_median_point():
    points = np.array([[0.0, 0.0, distance] for distance in np.linspace(2.0, 6.0, 33)], np.float32)
    assert ball_of(space_of(cameras_of(looking_around(1.0)), points, cut_out=False))[1] == pytest.approx(4.0)
    few = space_of(cameras_of(looking_around(1.0)), points[:15], cut_out=False)
    assert ball_of(few)[1] == pytest.approx(3.0)


def test_the_ball_ahead_has_the_median_point_in_its_middle():
    cameras = cameras_of(side_by_side())
    depths = np.linspace(1.0, 9.0, 33)
    points = np.array([[0.0, -3.0 + depth, 0.5] for depth in depths] + [[0.0, -30.0, 0.0]] * 40, np.float32)
    middle, radius = ball_of(space_of(cameras, points, cut_out=False))  # points behind the cameras do not count
    assert radius == pytest.approx(5.0)
    assert middle == pytest.approx([0.0, 2.0, 0.5])


def test_without_points_the_middle_is_where_axes_meet():
    middle, radius = ball_of(space_of(cameras_of(converging(6.0)), None, cut_out=False))
    assert radius == pytest.approx(6.0)
    assert middle == pytest.approx([0.0, 3.0, 0.5], abs=1e-6)


def converging(distance: float) -> list[View]:
    target = np.array([0.0, -3.0 + distance, 0.5])
    places = [view.matrix[:, 3] for view in side_by_side()]
    return [View(looking_at(place, target), **LENS) for place in places]


@pytest.mark.parametrize(("distance", "expected"), [(100.0, 20.0), (None, 2.0)])
def test_axes_that_meet_too_far_off_or_nowhere_say_little(distance: float | None, expected: float):
    # The cameras are up to 1 from their middle: the ball is 2 to 20 times as far ahead.
    views = side_by_side() if distance is None else converging(distance)
    assert ball_of(space_of(cameras_of(views), None, cut_out=False))[1] == pytest.approx(expected)


def test_few_points_say_nothing():
    few = np.array([[0.0, 40.0, 0.0]] * 15, np.float32)
    cameras = cameras_of(forward(9, **LENS))
    assert space_of(cameras, few, cut_out=False) == space_of(cameras, None, cut_out=False)


def test_a_layout_moves_and_grows_with_the_world():
    views = forward(9, **LENS)
    moved = [View(np.c_[view.matrix[:, :3], 7 * view.matrix[:, 3] + 50], **LENS) for view in views]
    (middle, radius), (other, larger) = (ball_of(space_of(cameras_of(v), None, cut_out=False)) for v in (views, moved))
    assert larger == pytest.approx(7 * radius)
    assert other == pytest.approx(7 * middle + 50)
