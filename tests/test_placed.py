"""Codes of cells that lie scattered in space: told from those around them, whatever is known of them."""

from collections.abc import Sequence
from unittest.mock import patch

import format_decoder
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from octrees import PLAN, drawn_tensors, octree, planned, scene_field, scene_file, shell, waving_tensors

from fieldpress import container
from fieldpress.coding import rangecoder, scores
from fieldpress.coding.codes import decode_codes, encode_codes
from fieldpress.coding.lists import write_list
from fieldpress.coding.marks import Groups
from fieldpress.coding.placed import MOST_SCORES, can_place, read_placed
from fieldpress.coding.placedfit import write_placed
from fieldpress.coding.rangecoder import decoder, encoder
from fieldpress.coding.scattered import Scattered
from fieldpress.compressors import Array, Dictionary, Known
from fieldpress.encodings.octree import OctreeEncoding, lay_out
from fieldpress.errors import FormatError
from fieldpress.places import Places
from fieldpress.reading import decode
from fieldpress.tensors import decode_chunks

CONFIG = scene_field(shell(16), channels=4)
LEARNED = Dictionary(bits=3, groups=2)


def places_of(side: int, count: int, seed: int = 0) -> Places:
    """Some corners of a grid, in order."""
    chosen = np.sort(np.random.default_rng(seed).choice((side + 1) ** 3, count, replace=False))
    return Places(side, np.stack(np.unravel_index(chosen, (side + 1,) * 3), 1).astype(np.int16))


def drawn(places: Places, groups: int, entries: int = 8, seed: int = 0) -> tuple[np.ndarray, list[np.ndarray]]:
    """Entries (groups, entries, 2), and codes of each group: busy on one side of a plane, and much the same there."""
    random = np.random.default_rng(seed)
    table = random.normal(size=(groups, entries, 2)).astype(np.float32)
    table[:, 0] = 0
    # In every group the entries lie along one direction, and so does what a cell is near another.
    table[..., 1] *= 0.1
    busy = random.random(len(places.corners)) < np.where(places.corners.sum(1) < places.side, 0.8, 0.02)
    wanted = np.sin(places.corners.sum(1) / places.side * 7) + 0.1 * random.normal(size=len(busy))
    codes = [np.where(busy, np.abs(each[:, 0] - wanted[:, None])[:, 1:].argmin(1) + 1, 0) for each in table]
    return table, [code[:, None] for code in codes]


def level_of(places: Places, coarser: Places | None = None, seed: int = 0) -> Scattered:
    """Cells of which no group is known, above them the whole of a coarser level."""
    if coarser is None:
        return Scattered(places)
    above = Scattered(coarser)
    table, codes = drawn(coarser, 3, seed=seed)
    for entries, code in zip(table, codes, strict=True):
        above.add(code, entries)
    return Scattered(places, above)


def placed(codes: np.ndarray, entries: np.ndarray, level: Scattered) -> bytes:
    coder = encoder()
    write_placed(coder, codes.ravel(), entries, level)
    return coder.finish()


@pytest.mark.parametrize("layered", [False, True])
@pytest.mark.parametrize("count", [8, 9, 300, 4000])
def test_codes_come_back(count: int, layered: bool):
    places = places_of(32, count)
    table, codes = drawn(places, 3)
    ours, theirs = (level_of(places, places_of(16, 700) if layered else None) for _ in range(2))
    for entries, code in zip(table, codes, strict=True):
        if not np.ptp(code):
            continue
        found = read_placed(decoder(placed(code, entries, ours)), entries, theirs)
        np.testing.assert_array_equal(found, code.ravel())
        for level in (ours, theirs):
            level.add(code, entries)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 8), st.integers(1, 5), st.floats(0, 1))
def test_any_codes_come_back(seed: int, bits: int, width: int, share: float):
    random = np.random.default_rng(seed)
    places = places_of(6, int(random.integers(2, 300)), seed)
    level = Scattered(places)
    for _ in range(2):
        entries = (random.normal(size=(1 << bits, width)) * 10.0 ** random.integers(-30, 30)).astype(np.float32)
        marked = random.random(len(places.corners)) < share
        codes = np.where(marked, random.integers(0, 1 << bits, len(marked)), 0)
        if np.ptp(codes):
            found = read_placed(decoder(placed(codes, entries, level)), entries, level)
            np.testing.assert_array_equal(found, codes)
        level.add(codes, entries)


def test_the_python_coder_gives_the_same():
    places = places_of(16, 1000)
    table, codes = drawn(places, 1)
    data = placed(codes[0], table[0], Scattered(places))
    with patch.object(rangecoder, "_constriction", None):
        assert placed(codes[0], table[0], Scattered(places)) == data
        np.testing.assert_array_equal(read_placed(decoder(data), table[0], Scattered(places)), codes[0].ravel())


def test_what_is_around_says_much():
    """Of cells that are busy on one side of a plane, in three groups that are much alike."""
    places = places_of(32, 8000)
    table, codes = drawn(places, 3)
    scattered, listed = Scattered(places), Groups(len(places.corners))
    sizes = []
    for entries, code in zip(table, codes, strict=True):
        sizes.append([len(encode_codes(code, entries, before)) for before in (scattered, listed)])
        for before in (scattered, listed):
            before.add(code, entries)
    (first, first_listed), (second, second_listed), _ = sizes
    assert first < 0.8 * first_listed  # neighbours
    assert second < 0.65 * second_listed  # and the group before


def test_the_coarser_level_says_much():
    fine, coarse = places_of(32, 4000), places_of(16, 4913)
    table, codes = drawn(fine, 1)
    alone, below = (len(placed(codes[0], table[0], level)) for level in (Scattered(fine), level_of(fine, coarse)))
    assert below < 0.9 * alone


def test_cells_without_places_are_coded_as_before():
    _, codes = drawn(places_of(16, 1000), 1)
    entries = np.eye(8, 2, dtype=np.float32)
    data = encode_codes(codes[0], entries)
    np.testing.assert_array_equal(decode_codes(data, codes[0].shape, entries, Scattered(places_of(16, 1000))), codes[0])


def test_placed_codes_without_places_are_damaged():
    places = places_of(32, 4000)
    table, codes = drawn(places, 1)
    data = encode_codes(codes[0], table[0], Scattered(places))
    with pytest.raises(FormatError, match="3 is no way"):
        decode_codes(data, codes[0].shape, table[0])


def stream(*lists: Sequence[int]) -> bytes:
    coder = encoder()
    for values in lists:
        write_list(coder, np.array(values))
    return coder.finish()


@pytest.mark.parametrize(
    "lists",
    [
        ([8],),
        ([-1],),
        ([0], [5000] + [0] * 9),
        ([0], [0] * 10, [7]),
        ([0], [0] * 10, [-1]),
        ([0], [0] * 10, [0], [0] * 7 + [5000]),
        ([0], [0] * 10, [0], [0] * 8, [0] * 7 + [-2000]),
    ],
    ids=str,
)
def test_parameters_out_of_range_are_damaged(lists: tuple[Sequence[int], ...]):
    places, entries = places_of(8, 50), np.eye(8, 2, dtype=np.float32)
    with pytest.raises(FormatError, match="damaged"):
        read_placed(decoder(stream(*lists)), entries, Scattered(places))


def test_more_marks_than_anyone_writes_are_damaged(monkeypatch: pytest.MonkeyPatch):
    places = places_of(16, 1000)
    table, codes = drawn(places, 1)
    data = placed(codes[0], table[0], Scattered(places))
    monkeypatch.setattr("fieldpress.coding.placed.MOST_SCORES", 8 * np.count_nonzero(codes[0]))
    read_placed(decoder(data), table[0], Scattered(places))
    monkeypatch.setattr("fieldpress.coding.placed.MOST_SCORES", 8 * np.count_nonzero(codes[0]) - 1)
    with pytest.raises(FormatError, match="too many"):
        read_placed(decoder(data), table[0], Scattered(places))
    assert MOST_SCORES >= 1 << 23  # codes in files that there are


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_codes_or_refused(data: bytes):
    places, entries = places_of(8, 100), np.random.default_rng(0).normal(size=(8, 3)).astype(np.float32)
    try:
        found = read_placed(decoder(data), entries, Scattered(places))
    except FormatError:
        return
    assert found.shape == (100,)
    assert 0 <= found.min() <= found.max() < 8


def test_large_dictionaries_and_wide_groups_are_coded_otherwise():
    level = Scattered(places_of(8, 100))
    assert can_place(np.zeros((256, 16), np.float32), level)
    assert not can_place(np.zeros((512, 16), np.float32), level)
    assert not can_place(np.zeros((256, 17), np.float32), level)
    for _ in range(7):
        level.add(np.zeros(100, dtype=np.int64), np.zeros((2, 16), np.float32))
    assert not can_place(np.zeros((256, 16), np.float32), level)  # 112 and 32 hints


def test_no_table_depends_on_how_a_number_is_rounded():
    """So that a decoder that takes logarithms and powers a little differently has the same integers."""
    from fieldpress.coding import scattered

    odds = 2.0 ** (np.arange(-256, 257) / 16)
    exact = [
        (65536 * odds / (1 + odds), scores._CHANCES),
        (2.0 ** (20 + np.arange(16) / 16), scores._SHARES),
        (16 * np.log2(1 + np.arange(len(scattered._LEVELS))), scattered._LEVELS),
    ]
    for values, table in exact:
        assert np.abs(values - table).max() < 0.5 - 1e-5
        np.testing.assert_array_equal(np.rint(values), table)
    # Levels are looked up for all counts that can be: 26 cells with a closeness of 50 together, in seven groups.
    assert len(scattered._LEVELS) > 50 * 7


# Octrees


def test_an_octree_says_where_its_corners_are():
    known = drawn_tensors(CONFIG, shell(16))
    field = CONFIG.build(known)
    encoding = field.encodings["octree"]
    assert isinstance(encoding, OctreeEncoding)
    for level, cells in enumerate(encoding.worked_out(encoding.level_count)):
        places = CONFIG.places(f"octree.levels.{level}", known)
        assert places is not None
        side = encoding.config.side(level)
        assert places.side == side
        keys = places.corners.astype(int) @ np.array([(side + 1) ** 2, side + 1, 1])
        np.testing.assert_array_equal(keys, cells.keys)


@pytest.mark.parametrize("missing", ["octree.octants.0", "octree.octants.2"])
def test_without_all_octants_up_to_it_a_level_has_no_places(missing: str):
    known = drawn_tensors(CONFIG, shell(16))
    del known[missing]
    assert CONFIG.places("octree.levels.2", known) is None
    assert (CONFIG.places("octree.levels.1", known) is None) == (missing == "octree.octants.0")


def test_nothing_else_has_places():
    known = drawn_tensors(CONFIG, shell(16))
    assert CONFIG.places("octree.octants.1", known) is None
    assert CONFIG.places("decoder.layers.0.weight", known) is None
    assert CONFIG.places("levels.1", known) is None


def test_octants_that_contradict_the_sizes_give_no_places():
    known = drawn_tensors(CONFIG, shell(16))
    known["octree.octants.1"] = 1 - known["octree.octants.1"]
    assert CONFIG.places("octree.levels.1", known) is None


def test_a_scene_is_smaller_for_it_and_comes_back_as_written_from_the_format_alone():
    values = waving_tensors(CONFIG, shell(16))
    file = scene_file(CONFIG, values, plan=planned(LEARNED))
    chunks = container.read(file).chunks
    found = decode_chunks(chunks, CONFIG.places)
    for name, array in format_decoder.tensors_of(file).items():
        np.testing.assert_array_equal(array, found[name], name)
    alone = sum(len(LEARNED.encode(values[f"octree.levels.{i}"])) for i in range(3))
    assert 0.2 * alone < sum(len(chunk.data) for chunk in chunks if chunk.rule == "octree") < 0.8 * alone
    decode(file)


def test_random_codes_follow_from_places_as_written_in_the_format_alone():
    plan = planned(Dictionary(bits=3, groups=2, codes="random"))
    file = scene_file(CONFIG, drawn_tensors(CONFIG, shell(16)), plan=plan)
    found = decode_chunks(container.read(file).chunks, CONFIG.places)
    for name, array in format_decoder.tensors_of(file).items():
        np.testing.assert_array_equal(array, found[name], name)
    assert all(len(np.unique(found[f"octree.levels.{i}"], axis=1)[0]) == 8 for i in range(3))


def test_a_plan_that_has_octants_last_is_coded_without_places():
    plan = {"octree.levels.*": LEARNED, **PLAN}
    file = scene_file(CONFIG, waving_tensors(CONFIG, shell(16)), plan=plan)
    chunks = container.read(file).chunks
    found = decode_chunks(chunks, CONFIG.places)
    assert all(CONFIG.places(name, {}) is None for name in found)
    for name, array in decode_chunks(chunks).items():
        np.testing.assert_array_equal(array, found[name], name)


def several() -> tuple[list[Array], Known]:
    """Levels of an octree that share a chunk."""
    values = waving_tensors(CONFIG, shell(16))
    names = [f"octree.levels.{i}" for i in range(3)]
    return [values[name] for name in names], Known((), tuple(CONFIG.places(name, values) for name in names))


def test_levels_of_one_chunk_know_those_before():
    arrays, known = several()
    data = LEARNED.encode_after(arrays, known)
    shapes = [array.shape for array in arrays]
    together = LEARNED.decode_after(data, shapes, known)
    for array, single in zip(together, LEARNED.decode_all(LEARNED.encode_all(arrays), shapes), strict=True):
        np.testing.assert_array_equal(array, single)
    assert len(data) < 0.8 * len(LEARNED.encode_all(arrays))
    apart = sum(
        len(LEARNED.encode_after([array], Known((), known.places[i : i + 1]))) for i, array in enumerate(arrays)
    )
    assert len(data) < apart + 2  # lengths of two pieces; the levels before are worth more


def test_corners_are_those_that_lookups_use():
    config = octree(shell(16), 2, 3)
    cells = torch.tensor([[0, 0, 0], [3, 3, 3]])
    assert len(lay_out(cells, torch.zeros(2), 4).keys) == 16
    assert config.places("levels.9", {}) is None
