"""Opening files: from bytes or a path, a sequence of pictures, and a function of place."""

import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pressed import CLIP, FITTED, MIXED_PLAN, PICTURE, PUBLISHED, STILL, press

import fieldpress
from fieldpress.errors import ConfigError, FormatError, SourceError
from fieldpress.field import Lattice, Points
from fieldpress.reading import About, Decoded

FILES = {
    "fitted": press(),
    "published": press(PUBLISHED, plan=MIXED_PLAN),
    "image": press(STILL, PICTURE, MIXED_PLAN),
}


@pytest.fixture(scope="module", params=FILES)
def opened(request: pytest.FixtureRequest) -> Decoded:
    return fieldpress.open(FILES[request.param])


@pytest.fixture
def clip() -> Decoded:
    return fieldpress.open(FILES["fitted"])


# A sequence of pictures


def test_pictures_are_arrays_of_bytes_of_the_right_shape(opened: Decoded):
    picture = opened[0]
    assert picture.dtype == np.uint8
    assert picture.shape == (opened.signal.height, opened.signal.width, 3)


def test_pictures_differ_from_place_to_place(opened: Decoded):
    assert opened[0].std() > 5, "a file that shows one colour would pass every other test"


def test_it_is_as_long_as_the_signal(opened: Decoded):
    assert len(opened) == opened.signal.frames == len(list(opened))


def test_indices_and_iteration_agree(opened: Decoded):
    for index, picture in enumerate(opened):
        # One picture alone goes through products of another size, whose sums differ in the last bits.
        assert np.abs(opened[index].astype(int) - picture).max() <= 1


def test_negative_indices_count_from_the_end(clip: Decoded):
    np.testing.assert_array_equal(clip[-1], clip[4])
    np.testing.assert_array_equal(clip[-5], clip[0])


@pytest.mark.parametrize(
    "part", [slice(None), slice(1, 4, 2), slice(None, None, -1), slice(9, 10), slice(3, 1), slice(-2, None)], ids=str
)
def test_slices_are_lists_of_pictures(clip: Decoded, part: slice):
    found = clip[part]
    assert isinstance(found, list)
    expected = [clip[i] for i in range(5)][part]
    assert len(found) == len(expected)
    assert all(map(np.array_equal, found, expected))


@pytest.mark.parametrize("index", [5, -6, 10**9])
def test_there_is_nothing_beyond_the_last_picture(clip: Decoded, index: int):
    with pytest.raises(IndexError, match=rf"^picture {index} of 5$"):
        clip[index]


@pytest.mark.parametrize("index", ["2", 1.0, None, (1, 2)], ids=repr)
def test_what_is_no_index_is_named(clip: Decoded, index: Any):
    with pytest.raises(
        TypeError, match=f"^pictures have whole numbers, or slices of them; got {re.escape(repr(index))}$"
    ):
        clip[index]


def test_indices_of_numpy_will_do(clip: Decoded):
    np.testing.assert_array_equal(clip[np.int64(3)], clip[3])


def test_pictures_are_found_among_the_others(clip: Decoded):
    pictures = list(clip)
    assert pictures[3] in clip
    assert pictures[3] + 1 not in clip
    assert clip.index(pictures[3]) == clip.index(pictures[3], 2) == clip.index(pictures[3], -2) == 3
    with pytest.raises(ValueError, match="no picture is like that"):
        clip.index(pictures[3], 0, 3)
    assert [clip.count(pictures[3]), clip.count(pictures[3][1:])] == [1, 0]


def test_two_iterations_do_not_disturb_each_other(clip: Decoded):
    assert all(np.array_equal(a, b) for a, b in zip(clip, clip, strict=True))


def test_it_says_where_the_file_comes_from(clip: Decoded):
    assert clip.about == About("test", 0, 0, "cpu")
    assert clip.signal == CLIP


# A function of place


def test_at_the_centres_of_pixels_are_the_pictures(opened: Decoded):
    t, y, x = ((np.arange(n) + 0.5) / n for n in (len(opened), opened.signal.height, opened.signal.width))
    found = opened.render(t[:, None, None], y[:, None], x)
    # Points and lattices add up the same products in another order: a colour on the border of two codes takes either.
    assert np.abs(found.astype(int) - np.stack(list(opened))).max() <= 1


@pytest.mark.parametrize("shape", [(), (1,), (7,), (2, 3), (0,), (4, 0, 2)], ids=str)
def test_colours_have_the_shape_of_the_coordinates(clip: Decoded, shape: tuple[int, ...]):
    found = clip.render(0.5, np.full(shape, 0.25), 0.75)
    assert found.shape == (*shape, 3)
    assert found.dtype == np.uint8


def test_many_places_are_rendered_in_parts(clip: Decoded, monkeypatch: pytest.MonkeyPatch):
    x = np.linspace(0, 1, 1000)
    whole = clip.render(0.3, 0.6, x)
    monkeypatch.setattr("fieldpress.decoded.places_at_once", lambda field: 64)
    sizes: list[int] = []
    clip.field.register_forward_pre_hook(lambda module, arguments: sizes.append(arguments[0].shape[0]))
    parts = clip.render(0.3, 0.6, x)
    assert max(sizes) == 64
    assert np.abs(parts.astype(int) - whole).max() <= 1


def test_places_may_be_tensors_of_any_kind(clip: Decoded):
    places = [torch.tensor([0.25, 0.5], dtype=torch.float64, requires_grad=True)] * 3
    found = clip.render(*places)
    assert np.array_equal(found, clip.render(*[[0.25, 0.5]] * 3))
    line = torch.linspace(0, 1, 5)
    for query in (Points(torch.rand(4, 3)), Lattice(line[:1], line, line)):
        doubled = (
            Points(query.coordinates.double())
            if isinstance(query, Points)
            else Lattice(query.t.double(), query.y.double(), query.x.double())
        )
        assert torch.equal(clip.field(doubled), clip.field(query))


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ((-0.1, 0.5, 0.5), r"coordinates lie in \[0, 1\]"),
        ((0.5, 1.1, 0.5), r"coordinates lie in \[0, 1\]"),
        ((0.5, 0.5, float("nan")), r"coordinates lie in \[0, 1\]"),
        (([0.1, 0.2], [0.1, 0.2, 0.3], 0.5), "do not broadcast"),
        (("here", 0.5, 0.5), "render: t is 'here'; expected numbers"),
        (([[0.1], [0.1, 0.2]], 0.5, 0.5), "render: t is .*; expected numbers"),
    ],
    ids=str,
)
def test_places_that_are_none_are_refused_in_one_line(clip: Decoded, place: tuple[Any, Any, Any], message: str):
    with pytest.raises(ConfigError, match=message) as caught:
        clip.render(*place)
    assert "\n" not in str(caught.value)


# Opening


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_bytes_of_any_kind_are_opened(kind: Any):
    assert len(fieldpress.open(kind(FILES["fitted"]))) == 5


def test_a_path_is_opened(tmp_path: Path):
    (tmp_path / "clip.fpr").write_bytes(FILES["fitted"])
    for path in (tmp_path / "clip.fpr", str(tmp_path / "clip.fpr")):
        np.testing.assert_array_equal(fieldpress.open(path)[2], fieldpress.open(FILES["fitted"])[2])


@pytest.mark.parametrize("device", ["tpu", "", *([] if torch.cuda.is_available() else ["cuda", "cuda:1"])])
def test_a_device_that_is_not_here_is_refused(device: str):
    with pytest.raises(ConfigError, match="device"):
        fieldpress.open(FILES["fitted"], device)


def test_opening_renders_nothing(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("fieldpress.field.Field.planar", lambda *_: pytest.fail("rendered"))
    fieldpress.open(FILES["fitted"])


def test_a_damaged_file_is_named(tmp_path: Path):
    (tmp_path / "clip.fpr").write_bytes(FILES["fitted"][:-1])
    with pytest.raises(FormatError, match=r"clip\.fpr: the file is cut short"):
        fieldpress.open(tmp_path / "clip.fpr")


def test_what_is_no_file_is_a_source_error_in_one_line(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")  # reading it would wait for ever
    (tmp_path / "clip.fpr").write_bytes(b"")
    for path in ("missing.fpr", ".", "pipe", "no\0name", "clip.fpr/inside"):
        with pytest.raises(SourceError) as caught:
            fieldpress.open(os.path.join(tmp_path, path))
        assert "\n" not in str(caught.value)


def test_a_file_larger_than_any_is_not_read(tmp_path: Path):
    with open(tmp_path / "huge.fpr", "wb") as file:
        file.truncate(2**32 + 1)  # takes no room on the disk
    with pytest.raises(SourceError, match="has at most 4294967296"):
        fieldpress.open(tmp_path / "huge.fpr")


def test_decoding_is_pure():
    for file in FILES.values():
        first, second = fieldpress.open(file).field.tensors(), fieldpress.open(file).field.tensors()
        assert all(np.array_equal(first[name], second[name]) for name in first)


def test_a_decoded_field_learns_nothing(clip: Decoded):
    assert not any(tensor.requires_grad for tensor in clip.field.parameters())
    assert clip.field.tensors().keys() == FITTED.shapes().keys()


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"frames": 3}, "frames is 3; expected a slice"),
        ({"scale": "2"}, "scale is '2'"),
        ({"time_scale": None}, "time_scale is"),
        ({"crop": (1, 2, 3)}, "expected (x, y, width, height)"),
        ({"crop": (1.5, 2, 3, 4)}, "crop is 1.5; expected a whole number"),
        ({"crop": ()}, "expected (x, y, width, height)"),
    ],
    ids=str,
)
def test_a_view_of_nonsense_is_refused_in_one_line(clip: Decoded, wrong: dict[str, Any], says: str):
    with pytest.raises(ConfigError, match=re.escape(says)):
        clip.view(**wrong)


def test_a_view_takes_numbers_of_numpy(clip: Decoded):
    part = clip.view(scale=np.float32(2), time_scale=np.float32(2), crop=np.array([0, 0, 4, 4]))  # pyright: ignore[reportArgumentType]
    assert (len(part.positions), part.height, part.width) == (10, 8, 8)  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"source": None}, "source is None; expected a path"),
        ({"source": b"", "device": torch.device("cpu")}, "device is"),
        ({"source": b"", "levels": "2"}, "levels is '2'"),
    ],
    ids=str,
)
def test_opening_nonsense_is_refused_in_one_line(wrong: dict[str, Any], says: str):
    with pytest.raises(ConfigError, match=re.escape(says)):
        fieldpress.open(**wrong)
