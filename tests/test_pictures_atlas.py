"""Atlases: where tiles lie, what the gaps cost, and tensors that come back from one stream."""

import math
import time
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldpress.coding.parts import PartReader
from fieldpress.compressors import Entropy, Uniform, Video
from fieldpress.compressors.atlas import (
    LEAST_TILE,
    MOST_SAMPLES,
    MOST_SAMPLES_PER_NUMBER,
    Atlas,
    Piece,
    atlas,
    pieces,
)
from fieldpress.errors import FormatError
from fieldpress.grids import KeyframeGrids, NvpGrids

CODECS: dict[str, dict[str, Any]] = {
    "svt-av1": {"codec": "svt-av1", "preset": "12"},
    "x265-intra": {"codec": "x265-intra", "preset": "ultrafast"},
}
FAST = CODECS["svt-av1"]
every_codec = pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
PYRAMID = [(2, 12, 20), (2, 23, 40), (2, 45, 80), (2, 9, 20), (2, 17, 40), (2, 33, 80)]

sides = st.integers(LEAST_TILE, 200)
planes = st.lists(st.tuples(st.integers(1, 4), sides, sides), min_size=1, max_size=12)


def made(shapes: list[tuple[int, ...]]) -> Atlas:
    """The atlas of shapes that do make one."""
    found = atlas(shapes)
    assert found is not None
    return found


def smooth(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Slow waves, a size of its own for each tensor."""
    waves = np.sin(np.indices(shape) / 9 + seed).sum(axis=0)
    return (waves * 2.0 ** -(seed % 3)).astype(np.float32)


def pyramid() -> list[np.ndarray]:
    return [smooth(shape, seed) for seed, shape in enumerate(PYRAMID)]


def planes_of(encodings: dict[str, Any]) -> list[tuple[int, ...]]:
    return list(encodings["planes"].shapes().values())


# Where tiles lie


def test_tiles_stand_on_shelves_tall_ones_first():
    found = made([(1, 10, 24), (2, 24, 30), (1, 16, 16)])
    # Cells 16 x 24, twice 24 x 32, 16 x 16: 2176 samples, so the limits are 48, 56, 64, ... Shelves of 48 give 64 x 40,
    # of 56 give 64 x 56, of 64 give 40 x 64: the least area twice, and the first of them is taken.
    assert found.sides == (64, 40)
    assert [(tile.top, tile.left) for tile in found.tiles] == [(48, 0), (0, 0), (24, 0), (48, 24)]
    assert [(tile.height, tile.width) for tile in found.tiles] == [(16, 24), (24, 40), (24, 40), (16, 16)]


@settings(max_examples=60, deadline=None)
@given(planes)
def test_cells_cover_the_picture_without_overlap(shapes):
    found = atlas(shapes)
    if found is None:
        return
    covered = np.zeros((1, *found.sides), np.uint8)
    for tile in found.tiles:
        assert tile.rows <= tile.height
        assert tile.columns <= tile.width
        assert tile.top % 8 == tile.left % 8 == 0
        covered[tile.cell] += 1
    assert covered.max() == 1
    assert covered.sum() == sum(tile.height * tile.width for tile in found.tiles)


@settings(max_examples=60, deadline=None)
@given(planes)
def test_an_atlas_stays_in_proportion_to_its_tensors(shapes):
    for piece in pieces(shapes):
        if piece.atlas is not None:
            numbers = sum(math.prod(shapes[number]) for number in piece.tensors)
            assert math.prod(piece.atlas.sides) <= MOST_SAMPLES_PER_NUMBER * numbers


@settings(max_examples=60, deadline=None)
@given(planes)
def test_samples_come_back_from_their_tiles(shapes):
    found = atlas(shapes)
    if found is not None:
        samples = np.arange(sum(found.sizes)).astype(np.uint16)
        (plane,) = found.to_planes(samples)
        np.testing.assert_array_equal(found.from_planes(plane.ravel()), samples)


def test_a_tile_is_continued_at_its_edges_up_to_the_next_one():
    found = made([(1, 30, 30), (1, 9, 9)])
    samples = np.concatenate([np.full(900, 7), np.full(81, 9)]).astype(np.uint16)
    plane = found.to_planes(samples)[0]
    assert [set(plane[tile.cell].ravel().tolist()) for tile in found.tiles] == [{7}, {9}]


@pytest.mark.parametrize(
    "encodings",
    [KeyframeGrids().encodings(132, 180, 320), NvpGrids(2).encodings(600, 1080, 1920)],
    ids=["nvp-mini", "nvp-s"],
)
def test_a_pyramid_of_planes_leaves_a_fifth_of_its_pictures_empty_at_most(encodings):
    shapes = planes_of(encodings)
    found = [piece.atlas for piece in pieces(shapes)]
    pictures = sum(math.prod(one.sides) for one in found if one is not None)
    assert None not in found
    assert sum(map(math.prod, shapes)) > 0.8 * pictures


# Which tensors share one


def groups(shapes: list[tuple[int, ...]]) -> list[tuple[tuple[int, ...], bool]]:
    return [(piece.tensors, piece.atlas is not None) for piece in pieces(shapes)]


def test_tensors_of_the_same_time_share_an_atlas():
    shapes = [(2, 30, 30), (2, 7, 30, 30), (40, 40), (1, 1, 9, 9), (1, 7, 16, 16)]
    assert groups(shapes) == [((0, 2, 3), True), ((1, 4), True)]


def test_vectors_and_what_is_too_small_or_too_long_are_by_themselves():
    shapes = [(40,), (2, 30, 30), (2, 7, 30), (2, 30, 4097), (1, 30, 30)]
    assert groups(shapes) == [((0,), False), ((1, 4), True), ((2,), False), ((3,), False)]


def test_tensors_whose_atlas_would_be_mostly_gaps_are_by_themselves():
    assert groups([(1, 8, 4000), (1, 4000, 8)]) == [((0,), False), ((1,), False)]


def test_a_full_atlas_is_followed_by_another():
    shapes = [(4, 1443, 1443)] * 3
    assert 2 * 4 * 1448**2 < MOST_SAMPLES < 3 * 4 * 1448**2
    assert groups(shapes) == [((0, 1), True), ((2,), True)]


def test_every_tensor_is_in_one_piece():
    shapes = [(9,), *PYRAMID, (2, 3, 24, 24), (5, 5)]
    numbers = [number for piece in pieces(shapes) for number in piece.tensors]
    assert sorted(numbers) == list(range(len(shapes)))
    assert all(a.tensors[0] < b.tensors[0] for a, b in pairwise(pieces(shapes)))


def test_very_many_tiny_tiles_are_placed_in_bounded_time():
    began = time.process_time()
    assert isinstance(pieces([(2**18, 8, 8)])[0], Piece)
    assert time.process_time() - began < 30  # about 1 s here; a packing that compares tiles with each other takes hours


# Coded


@pytest.mark.parametrize("per", ["channel", "tensor"])
@every_codec
def test_a_pyramid_comes_back_near_from_one_stream(codec, per):
    compressor = Video(layout="atlas", per=per, crf=12, **codec)
    arrays = pyramid()
    decoded = compressor.decode_all(compressor.encode_all(arrays), PYRAMID)
    for array, found in zip(arrays, decoded, strict=True):
        assert found.shape == array.shape
        assert found.dtype == np.float32
        # A low crf is near transparent; the values of the largest tensors go from -3 to 3.
        assert np.sqrt(np.mean(np.square(found - array))) < 0.03


@every_codec
def test_an_atlas_costs_less_than_a_stream_for_each_level(codec):
    tiled, together = (Video(layout=layout, crf=40, **codec) for layout in ("tiled", "atlas"))
    assert len(together.encode_all(pyramid())) < 0.7 * len(tiled.encode_all(pyramid()))


def test_with_one_range_every_tensor_gets_the_same_error_and_with_one_each_its_share():
    arrays = [smooth((1, 64, 64), 0), 0.01 * smooth((1, 64, 64), 0)]
    arrays = [array + 0.1 * array.std() * np.random.default_rng(0).normal(size=array.shape) for array in arrays]
    arrays = [array.astype(np.float32) for array in arrays]

    def errors(per: Any) -> list[float]:
        compressor = Video(layout="atlas", per=per, crf=20, **FAST)
        decoded = compressor.decode_all(compressor.encode_all(arrays), [array.shape for array in arrays])
        return [float(np.std(found - array)) for array, found in zip(arrays, decoded, strict=True)]

    each, shared = errors("channel"), errors("tensor")
    # The tensors are the same but for a factor of 100, and so are their errors where each has its own range.
    assert 50 < each[0] / each[1] < 200
    assert shared[1] > 3 * each[1]


def test_a_constant_channel_stays_exact_beside_others():
    arrays = pyramid()
    arrays[1][0] = 0.25
    compressor = Video(layout="atlas", crf=50, **FAST)
    # The step is relative to the number itself: 2**-23 of it at least, rounded to eighths.
    np.testing.assert_allclose(compressor.decode_all(compressor.encode_all(arrays), PYRAMID)[1][0], 0.25, rtol=1e-6)


def test_volumes_of_the_same_time_are_one_film():
    shapes = [(2, 5, 17, 30), (1, 5, 9, 15)]
    compressor = Video(layout="atlas", crf=12, **FAST)
    arrays = [smooth(shape, seed) for seed, shape in enumerate(shapes)]
    for array, found in zip(arrays, compressor.decode_all(compressor.encode_all(arrays), shapes), strict=True):
        assert np.sqrt(np.mean(np.square(found - array))) < 0.05  # as above


def test_what_makes_no_picture_goes_to_the_inner_compressor():
    compressor = Video(layout="atlas", parts=Entropy(), **FAST)
    arrays = [smooth((2, 30, 30), 0), smooth((50,), 1)]
    reader = PartReader(compressor.encode_all(arrays), "a chunk")
    reader.string()
    assert reader.rest() == Entropy().encode(arrays[1])


def test_one_tensor_is_coded_as_a_chunk_of_its_own():
    compressor, array = Video(layout="atlas", **FAST), smooth((2, 30, 30), 0)
    assert compressor.encode(array) == compressor.encode_all([array])


# Damage


def chunk() -> tuple[Video, bytes]:
    compressor = Video(layout="atlas", crf=40, parts=Uniform(), **FAST)
    return compressor, compressor.encode_all(pyramid())


def test_bytes_for_other_shapes_are_refused():
    compressor = Video(layout="atlas", amplitude=4.0, **FAST)
    data = compressor.encode_all([smooth((2, 40, 52), 0)])
    with pytest.raises(FormatError, match="expected"):
        compressor.decode_all(data, [(3, 40, 52)])


@pytest.mark.parametrize("cut", [1, 40, 200])
def test_truncated_bytes_are_refused(cut: int):
    compressor, data = chunk()
    with pytest.raises(FormatError):
        compressor.decode_all(data[:-cut], PYRAMID)


def test_flipped_bits_are_refused_or_keep_the_shapes():
    compressor, data = chunk()
    for position in np.random.default_rng(0).integers(0, 8 * len(data), 60).tolist():
        flipped = bytearray(data)
        flipped[position // 8] ^= 1 << position % 8
        try:
            decoded = compressor.decode_all(bytes(flipped), PYRAMID)
        except FormatError:
            continue
        assert [array.shape for array in decoded] == PYRAMID
        assert all(np.isfinite(array).all() for array in decoded)
