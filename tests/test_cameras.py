import math
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scenes import View, camera_of, crooked, orbit, undistorted

from fieldpress.signals.cameras import Camera, Lens, Pose
from fieldpress.signals.pose import rotation_vector

STRAIGHT = Lens(48, 64, 70.0, 60.0, 30.0, 25.0)
PHONE = Lens(48, 64, 70.0, 60.0, 30.0, 25.0, (0.12, -0.05, 0.01, -0.02, 0.03))
NUMBERS = st.floats(-3, 3, allow_nan=False)


def turned(axis: str, angle: float) -> np.ndarray:
    """Counterclockwise, seen from the tip of the axis."""
    c, s = math.cos(angle), math.sin(angle)
    return np.array({
        "x": [[1, 0, 0], [0, c, -s], [0, s, c]],
        "y": [[c, 0, s], [0, 1, 0], [-s, 0, c]],
        "z": [[c, -s, 0], [s, c, 0], [0, 0, 1]],
    }[axis])  # fmt: skip


def with_position(rotation: np.ndarray, position: tuple[float, float, float] = (1.0, 2.0, 3.0)) -> np.ndarray:
    return np.concatenate([rotation, np.array(position)[:, None]], 1)


# Lenses


def test_the_middle_of_the_axis_looks_straight_ahead():
    assert STRAIGHT.directions(np.array(30.0), np.array(25.0)).tolist() == [0, 0, -1]


def test_right_in_the_picture_is_x_and_down_is_minus_y():
    direction = STRAIGHT.directions(np.array(30.0 + 7.0), np.array(25.0 + 12.0))
    np.testing.assert_allclose(direction, [0.1, -0.2, -1], rtol=1e-15)


def test_distortion_is_opencvs_worked_by_hand():
    # x = 0.5, y = 0.25, so r2 = 0.3125; every coefficient in its place.
    k1, k2, p1, p2, k3 = PHONE.distortion
    radial = 1 + k1 * 0.3125 + k2 * 0.3125**2 + k3 * 0.3125**3
    x = 0.5 * radial + 2 * p1 * 0.125 + p2 * (0.3125 + 0.5)
    y = 0.25 * radial + p1 * (0.3125 + 0.125) + 2 * p2 * 0.125
    columns, rows = PHONE.pixels(np.array([0.5, -0.25, -1.0]))
    assert columns == pytest.approx(70 * x + 30, rel=1e-14)
    assert rows == pytest.approx(60 * y + 25, rel=1e-14)


def test_undistortion_agrees_with_opencvs_fixed_point_iteration():
    distortion = (0.12, -0.05, 0.01, -0.02)
    lens = Lens(48, 64, 70.0, 60.0, 30.0, 25.0, distortion)
    rows, columns = np.mgrid[:48, :64].reshape(2, -1) + 0.5
    x, y = undistorted((columns - 30) / 70, (rows - 25) / 60, distortion)
    # Both are iterated to their end; Newton's stops below 1e-10.
    np.testing.assert_allclose(lens.directions(columns, rows)[:, :2], np.stack([x, -y], 1), atol=1e-9)


@pytest.mark.parametrize("lens", [STRAIGHT, PHONE], ids=["straight", "distorted"])
def test_pixels_undoes_directions(lens: Lens):
    rows, columns = np.mgrid[:48, :64].reshape(2, -1) + 0.5
    found_columns, found_rows = lens.pixels(lens.directions(columns, rows) * 7)
    np.testing.assert_allclose(found_columns, columns, atol=1e-7)  # Newton's 1e-10 times the focal length
    np.testing.assert_allclose(found_rows, rows, atol=1e-7)


def test_a_lens_that_cannot_be_undone_warns_of_nothing():
    lens = Lens(48, 64, 1e-60, 1e-60, 30.0, 25.0, (900.0, -900.0, 90.0, -90.0, 900.0))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert lens.directions(*np.meshgrid(np.arange(64.0), np.arange(48.0))).shape == (48, 64, 3)


def test_a_scaled_lens_sees_the_same_through_the_same_place():
    small = PHONE.scaled(24, 16)
    assert (small.height, small.width) == (24, 16)
    ours = small.directions(np.array(4.0), np.array(12.0))
    np.testing.assert_allclose(ours, PHONE.directions(np.array(16.0), np.array(24.0)), rtol=1e-12)


def test_a_cropped_lens_sees_the_same_through_the_same_pixel():
    part = PHONE.cropped(top=10, left=20, height=5, width=6)
    assert (part.height, part.width) == (5, 6)
    ours = part.directions(np.array(3.5), np.array(2.5))
    np.testing.assert_allclose(ours, PHONE.directions(np.array(23.5), np.array(12.5)), rtol=1e-12)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"height": 0}, "height is 0"),
        ({"width": 20_000}, "width is 20000"),
        ({"fx": 0.0}, "focal lengths are 0 and 60"),
        ({"fy": math.nan}, "focal lengths are 70 and nan"),
        ({"cx": math.inf}, "meets the picture at inf"),
        ({"distortion": (0.1,) * 6}, "up to five numbers"),
        ({"distortion": (math.nan,)}, "distortion is"),
    ],
)
def test_a_lens_that_cannot_be_is_refused(change: dict, message: str):
    numbers = {"height": 48, "width": 64, "fx": 70.0, "fy": 60.0, "cx": 30.0, "cy": 25.0}
    with pytest.raises(ValueError, match=message):
        Lens(**{**numbers, **change})


# Poses


@given(st.tuples(NUMBERS, NUMBERS, NUMBERS))
def test_a_turn_survives_the_way_through_its_matrix(turn: tuple[float, float, float]):
    angle = math.hypot(*turn)
    expected = np.array(turn)
    if angle > math.pi:  # the same rotation the short way round
        expected = expected / angle * (angle - 2 * math.pi)
    found = rotation_vector(Pose((0.0, 0.0, 0.0), turn).rotation)
    # Half turns have two answers; a sine below 1e-12 counts as no turn.
    assert min(np.abs(found - expected).max(), np.abs(found + expected).max() + (math.pi - angle) ** 2) < 1e-7


@pytest.mark.parametrize("axis", "xyz")
@pytest.mark.parametrize("angle", [0.0, 1e-7, 0.5, math.pi / 2, 3.0, math.pi, -3.0])
def test_a_matrix_survives_the_way_through_a_pose(axis: str, angle: float):
    matrix = with_position(turned(axis, angle))
    np.testing.assert_allclose(Pose.of(matrix).matrix, matrix, atol=1e-12)


def test_the_fourth_row_makes_no_difference():
    matrix = with_position(turned("y", 0.3))
    assert Pose.of([*matrix.tolist(), [0, 0, 0, 1]]) == Pose.of(matrix)


def test_a_matrix_that_rounding_bent_becomes_the_nearest_rotation():
    rotation = turned("x", 0.4) @ turned("z", 1.1)
    # A symmetric stretch moves no rotation: the nearest one to R(1 + S) is R.
    stretch = np.array([[1.0005, 0.0002, 0], [0.0002, 0.9997, 0], [0, 0, 1.0001]])
    np.testing.assert_allclose(Pose.of(with_position(rotation @ stretch)).rotation, rotation, atol=1e-12)


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (with_position(1.01 * np.eye(3)), "scales by 1.01 to 1.01"),
        (with_position(np.diag([1.0, 1.0, -1.0])), "it mirrors"),
        (with_position(np.zeros((3, 3))), "scales by 0 to 0"),
        (with_position(np.full((3, 3), 1e200)), "no rotation"),
        (np.concatenate([with_position(np.eye(3)), [[0, 0, 0, 1]]]).T, "is it transposed"),
        (np.eye(3), "3 x 4 or 4 x 4"),
        (with_position(np.eye(3), (math.nan, 0.0, 0.0)), "finite numbers"),
        (with_position(np.eye(3), (1e10, 0.0, 0.0)), "expected smaller numbers"),
    ],
)
def test_a_matrix_that_is_no_pose_is_refused(matrix: np.ndarray, message: str):
    with pytest.raises(ValueError, match=message):
        Pose.of(matrix)


def test_a_rounded_pose_is_shorter_and_near():
    pose = Pose((1 / 3, 2 / 3, 0.0), (0.1234567890123, 0.0, 0.0)).rounded(4)
    assert pose == Pose((0.3333, 0.6667, 0.0), (0.123457, 0.0, 0.0))


# Cameras


def test_rays_come_row_by_row_through_pixel_centres():
    camera = Camera(STRAIGHT, Pose.of(with_position(turned("z", 0.7) @ turned("x", 1.2))))
    rays = camera.rays()
    number = 5 * 64 + 9  # row 5, column 9
    one = camera.rays(np.array([9.5]), np.array([5.5]))
    np.testing.assert_array_equal(rays.directions[number], one.directions[0])
    assert (rays.origins.dtype, rays.directions.dtype) == (np.float64, np.float32)
    assert rays.origins[number].tolist() == [1, 2, 3]


def test_a_turned_camera_looks_where_the_matrix_says():
    # Turned up by a quarter about x, it looks along +y with the sky's side of the picture towards +z.
    camera = Camera(STRAIGHT, Pose.of(with_position(turned("x", math.pi / 2))))
    np.testing.assert_allclose(camera.forward, [0, 1, 0], atol=1e-12)
    above = camera.rays(np.array([30.0]), np.array([0.0])).directions[0]
    assert above[2] > 0.1


@pytest.mark.parametrize("view", crooked(orbit(3)), ids=range(3))
def test_rays_agree_with_those_worked_out_in_plain_numpy(view: View):
    origins, directions = view.rays()
    rays = camera_of(view).rays()
    np.testing.assert_allclose(rays.origins, origins, atol=1e-6)  # rounded to 32 bits
    np.testing.assert_allclose(rays.directions, directions, atol=1e-6)
