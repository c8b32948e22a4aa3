"""Views: any range, scale, rate and part; all of them are the same function, asked at other places."""

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from pressed import CLIP, MIXED_PLAN, PUBLISHED, press

import fieldpress
from fieldpress.decoders import Head, Mlp
from fieldpress.encodings import Film, Planes
from fieldpress.errors import ConfigError
from fieldpress.field import Field, FieldConfig, Query
from fieldpress.reading import Decoded
from fieldpress.signals import Video
from fieldpress.views import centres, places_at_once, to_bytes, view


@pytest.fixture(scope="module", params=["fitted", "published"])
def clip(request: pytest.FixtureRequest) -> Decoded:
    """5 pictures of 24 x 32."""
    return fieldpress.open(press() if request.param == "fitted" else press(PUBLISHED, plan=MIXED_PLAN))


def shown(clip: Decoded, **part: Any) -> np.ndarray:
    return np.stack(list(clip.pictures(clip.view(**part))))


def rendered(clip: Decoded, times: list[float], rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """The same places by way of single points; times in pictures."""
    t = (np.array(times) + 0.5) / len(clip)
    return clip.render(t[:, None, None], rows[:, None], columns)


def pixel_centres(count: int, size: int | None = None, start: int = 0) -> np.ndarray:
    return (np.arange(start, start + count) + 0.5) / (size or count)


def assert_within_a_code(found: np.ndarray, expected: np.ndarray) -> None:
    """Colours on the border of two codes may fall to either: sums in another order differ in the last bits."""
    assert found.shape == expected.shape
    assert np.abs(found.astype(int) - expected).max() <= 1


# Scale


@pytest.mark.parametrize("scale", [0.5, 1.0, 1.5, 2.0, 3.3])
def test_a_scale_asks_at_the_centres_of_larger_or_smaller_pixels(clip: Decoded, scale: float):
    height, width = round(24 * scale), round(32 * scale)
    expected = rendered(clip, [2], pixel_centres(height), pixel_centres(width))
    assert_within_a_code(shown(clip, frames=slice(2, 3), scale=scale), expected)


def test_no_scale_is_small_enough_for_a_picture_without_pixels(clip: Decoded):
    assert shown(clip, scale=0.001).shape == (5, 1, 1, 3)


# Crop


@pytest.mark.parametrize("crop", [(0, 0, 32, 24), (3, 5, 10, 7), (31, 23, 1, 1), (0, 12, 32, 1)], ids=str)
def test_a_crop_is_that_part_of_the_whole(clip: Decoded, crop: tuple[int, int, int, int]):
    x, y, width, height = crop
    assert_within_a_code(shown(clip, crop=crop), shown(clip)[:, y : y + height, x : x + width])


@pytest.mark.parametrize("scale", [2.0, 1.5, 0.5])
def test_a_scaled_crop_is_that_part_of_the_scaled_whole(clip: Decoded, scale: float):
    found, whole = shown(clip, crop=(4, 8, 12, 10), scale=scale), shown(clip, scale=scale)
    top, left = round(8 * scale), round(4 * scale)
    assert_within_a_code(found, whole[:, top : top + found.shape[1], left : left + found.shape[2]])


def test_a_scaled_crop_at_the_far_edge_stays_inside(clip: Decoded):
    assert_within_a_code(shown(clip, crop=(31, 23, 1, 1), scale=0.1), shown(clip, scale=0.1)[:, -1:, -1:])


# Frames and rate

FRAME_RANGES = [
    *(slice(None), slice(1, 4), slice(0, 5, 2), slice(-2, None), slice(4, 99)),
    *(slice(None, None, -1), slice(4, 0, -2), slice(1, None, -1)),
]


@pytest.mark.parametrize("frames", FRAME_RANGES, ids=str)
def test_a_range_is_those_pictures(clip: Decoded, frames: slice):
    np.testing.assert_array_equal(shown(clip, frames=frames), shown(clip)[frames])


def test_a_doubled_rate_stands_evenly_over_the_same_time(clip: Decoded):
    assert clip.view(time_scale=2.0).positions[:4] == (Fraction(-1, 4), Fraction(1, 4), Fraction(3, 4), Fraction(5, 4))
    times = [-0.25 + 0.5 * k for k in range(10)]
    assert_within_a_code(shown(clip, time_scale=2.0), rendered(clip, times, pixel_centres(24), pixel_centres(32)))


@pytest.mark.parametrize("time_scale", [0.5, 2.0])
def test_backwards_at_another_rate_are_the_same_moments(time_scale: float):
    forwards, backwards = (view(CLIP, slice(None, None, step), time_scale=time_scale).positions for step in (1, -1))
    assert backwards == tuple(4 - position for position in forwards)


def test_a_range_with_a_step_at_another_rate_keeps_its_place():
    positions = view(CLIP, slice(1, 5, 2), time_scale=2.0).positions
    assert positions == (Fraction(1, 2), Fraction(3, 2), Fraction(5, 2), Fraction(7, 2))


@pytest.mark.parametrize("time_scale", [1e-9, 0.0004, 0.1, 0.3, 0.5, 0.7, 1.0, 1.25, 2.0, 2.5, 50.0])
@pytest.mark.parametrize("frames", [1, 2, 3, 5, 1001])
def test_a_rate_never_leaves_the_clip(frames: int, time_scale: float):
    shown = view(Video(frames, 1, 1, (25, 1), (1, 25), None, "rgb", True), time_scale=time_scale)
    times = shown.lattice(slice(None), slice(None)).t
    assert len(times) >= 1
    assert 0 < times.min() <= times.max() <= 1
    assert abs(len(times) - max(1.0, frames * time_scale)) <= 0.5 + 1e-3 * frames


# How it is rendered


def counted(field: Field) -> list[int]:
    """How many places each call of the field is asked for."""
    sizes: list[int] = []
    original = field.planar

    def planar(query: Query) -> torch.Tensor:
        sizes.append(int(np.prod(query.shape)))
        return original(query)

    field.planar = planar  # pyright: ignore[reportAttributeAccessIssue]
    return sizes


def test_one_picture_renders_no_other(clip: Decoded):
    sizes = counted(clip.field)
    clip[3]
    assert sum(sizes) == 24 * 32


def test_a_crop_renders_no_more_than_itself(clip: Decoded):
    sizes = counted(clip.field)
    shown(clip, frames=slice(0, 2), crop=(1, 2, 5, 6))
    assert sum(sizes) == 2 * 5 * 6


def test_pictures_are_rendered_as_they_are_asked_for():
    signal = Video(20, 400, 400, (25, 1), (1, 25), None, "rgb", True)
    field = FieldConfig({"planes": Planes(1, ((2, 2),), (), ())}, Mlp(2, 1)).build()
    sizes = counted(field)
    pictures = view(signal).render(field)
    next(pictures)
    assert sum(sizes) == 400 * 400


def test_a_large_picture_is_rendered_in_bands_and_a_wide_field_in_smaller_ones():
    signal = Video(1, 1000, 1000, (25, 1), (1, 25), None, "rgb", True)
    most = {}
    for width in (4, 2048):
        field = FieldConfig({"planes": Planes(1, ((2, 2),), (), ())}, Mlp(width, 1)).build()
        sizes = counted(field)
        (picture,) = view(signal, crop=(0, 0, 1000, 200)).render(field)
        assert picture.shape == (200, 1000, 3)
        assert sum(sizes) == 200_000
        most[width] = max(sizes)
    assert most[4] <= 1 << 17
    assert most[2048] * 2048 <= 1 << 25


def test_small_pictures_are_rendered_together(clip: Decoded):
    sizes = counted(clip.field)
    shown(clip)
    assert sizes == [5 * 24 * 32]


def test_colours_become_the_nearest_code_and_are_clipped():
    colours = torch.tensor([-1.0, 0.0, 0.4 / 255, 0.6 / 255, 127.5 / 255, 1.0, 7.0, math.inf, -math.inf, math.nan])
    assert to_bytes(colours).tolist() == [0, 0, 0, 1, 128, 255, 255, 255, 0, 0]


def test_centres_lie_half_a_cell_inside():
    assert centres(4, 1, 2).tolist() == [0.375, 0.625]


# Views that show nothing


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ({"frames": slice(5, None)}, "selects no picture; the file has 5"),
        ({"frames": slice(3, 3)}, "selects no picture"),
        ({"frames": slice(0, 3, -1)}, "selects no picture"),
        ({"frames": slice(None, None, 0)}, "selects no picture"),
        ({"scale": 0.0}, "--scale is above 0"),
        ({"scale": -1.0}, "--scale is above 0"),
        ({"scale": float("nan")}, "--scale is above 0"),
        ({"scale": float("inf")}, "--scale is above 0"),
        ({"scale": 1e308}, "--scale is above 0"),
        ({"scale": 1000.0}, "at most 100000 of side 16384"),
        ({"time_scale": 0.0}, "--time-scale is above 0"),
        ({"time_scale": float("nan")}, "--time-scale is above 0"),
        ({"time_scale": float("inf")}, "--time-scale is above 0"),
        ({"time_scale": 50_000.0}, "at most 100000 of side 16384"),
        ({"crop": (0, 0, 0, 5)}, "leaves the picture, which is 32 x 24"),
        ({"crop": (30, 0, 3, 5)}, "leaves the picture"),
        ({"crop": (-1, 0, 3, 5)}, "leaves the picture"),
        ({"crop": (0, 20, 3, 5)}, "leaves the picture"),
    ],
    ids=str,
)
def test_a_view_that_cannot_be_is_refused_in_one_line(part: dict[str, Any], message: str):
    with pytest.raises(ConfigError, match=message) as caught:
        view(CLIP, **part)
    assert "\n" not in str(caught.value)


def test_many_threads_share_what_a_wide_layer_may_take():
    wide = FieldConfig({"planes": Planes(2, ((2, 2),), (), ())}, Mlp(4096, 1)).build()
    assert places_at_once(wide, threads=64) * 64 * 4096 <= 2**27
    assert places_at_once(wide, threads=4) == places_at_once(wide)


def test_places_that_take_cells_of_their_own_are_asked_in_smaller_parts():
    field = FieldConfig({"film": Film(1, 400, 600)}, Head()).build()
    assert field.crowding((400, 600)) == field.crowding((800, 1200)) == 1
    assert field.crowding((200, 300)) == 4
    assert field.crowding((40, 60)) == field.crowding((4, 6)) == 16
    assert places_at_once(field, crowding=16) == places_at_once(field) // 16
