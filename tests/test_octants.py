"""Octants: levels of an octree in context, alone, in one chunk and level by level."""

import itertools

import numpy as np
import pytest
from format_decoder import Before, decode_chunk

from fieldpress.coding.adaptive import Adaptive
from fieldpress.coding.octree import can_follow, encode_level, grid_side
from fieldpress.coding.rangecoder import decoder, encoder
from fieldpress.compressors import Array, Known, Octants, Uniform
from fieldpress.config import to_plain
from fieldpress.errors import ConfigError, FormatError


def surfaces(side: int) -> np.ndarray:
    """Shells of two spheres and a plane, two cells thick, with bumps; bool (side, side, side)."""
    i, j, k = (np.indices((side,) * 3) + 0.5) / side
    bumps = 0.02 * np.sin(17 * i + 3 * k) * np.sin(13 * j) * np.sin(11 * k + 5 * i)
    spheres = [((0.35, 0.4, 0.45), 0.22), ((0.75, 0.65, 0.6), 0.15)]
    distances = [np.sqrt((i - x) ** 2 + (j - y) ** 2 + (k - z) ** 2) - radius for (x, y, z), radius in spheres]
    distance = np.minimum.reduce([*distances, k - 0.12 + 0.08 * i]) + bumps
    return np.asarray(np.abs(distance) < 1 / side)


def octree(occupied: np.ndarray, coarsest: int) -> list[Array]:
    """The tensors of an octree whose coarsest parents are a grid of this side, cell by cell, as the format says."""
    grids = [occupied]
    while (half := len(grids[0]) // 2) > coarsest:
        grids.insert(0, np.asarray(grids[0].reshape(half, 2, half, 2, half, 2).any(axis=(1, 3, 5))))
    levels, parents = [], list(itertools.product(range(coarsest), repeat=3))
    for grid in grids:
        children = [
            [(2 * i + di, 2 * j + dj, 2 * k + dk) for di in (0, 1) for dj in (0, 1) for dk in (0, 1)]
            for i, j, k in parents
        ]
        levels.append(np.array([[grid[cell] for cell in row] for row in children], np.float32))
        parents = [cell for row in children for cell in row if grid[cell]]
    return levels


def order_zero_bits(levels: list[Array]) -> float:
    """What an ideal coder of 8-bit octets needs that knows how often each occurs, and nothing else."""
    octets = np.concatenate([level @ (1 << np.arange(8)) for level in levels])
    _, counts = np.unique(octets, return_counts=True)
    return float(-(counts * np.log2(counts / counts.sum())).sum())


def in_levels(levels: list[Array]) -> list[bytes]:
    """A chunk for each."""
    return [Octants().encode_after([level], Known(levels[:i])) for i, level in enumerate(levels)]


def assert_equal(found: list[Array], expected: list[Array]) -> None:
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other, strict=True)


OCTREE = octree(surfaces(32), 4)
SHAPES = [level.shape for level in OCTREE]


# Round trips


@pytest.mark.parametrize("coarsest", [1, 2, 8, 16])
def test_levels_come_back_each_given_the_coarser_ones(coarsest: int):
    levels = octree(surfaces(32), coarsest)
    for i, data in enumerate(in_levels(levels)):
        assert_equal(Octants().decode_after(data, [levels[i].shape], Known(levels[:i])), [levels[i]])


def test_levels_in_one_chunk_are_coded_as_they_are_in_several():
    compressor = Octants()
    together = compressor.encode_all(OCTREE)
    assert_equal(compressor.decode_all(together, SHAPES), OCTREE)
    # All but the last have their length in front: a byte, or two from 128 on.
    alone = in_levels(OCTREE)
    assert len(together) == sum(map(len, alone)) + sum(1 + (len(data) >= 128) for data in alone[:-1])


def test_a_chunk_may_hold_several_of_the_finer_levels():
    data = Octants().encode_after(OCTREE[1:], Known(OCTREE[:1]))
    assert_equal(Octants().decode_after(data, SHAPES[1:], Known(OCTREE[:1])), OCTREE[1:])


@pytest.mark.parametrize("share", [0.0, 0.003, 0.5, 1.0])
def test_any_occupancy_comes_back(share: float):
    occupied = np.random.default_rng(0).random((16, 16, 16)) < share
    levels = octree(occupied, 8)
    assert_equal(Octants().decode_all(Octants().encode_all(levels), [level.shape for level in levels]), levels)


def test_an_occupied_cell_may_have_no_children():
    levels = [np.zeros((1, 8), np.float32), np.zeros((3, 8), np.float32)]
    levels[0][0, [1, 4, 6]] = 1
    levels[1][1, 5] = 1
    assert_equal(Octants().decode_all(Octants().encode_all(levels), [(1, 8), (3, 8)]), levels)


def test_the_order_is_that_of_the_format():
    """One cell of a grid of side 8, at (5, 0, 3): in binary 101, 000, 011."""
    occupied = np.zeros((8, 8, 8), bool)
    occupied[5, 0, 3] = True
    coarse, fine = octree(occupied, 2)
    assert np.argwhere(coarse).tolist() == [[4, 1]]  # parent (1, 0, 0) of the 2 x 2 x 2; its child (0, 0, 1)
    assert np.argwhere(fine).tolist() == [[0, 5]]  # child (1, 0, 1) of the one occupied cell
    data = in_levels([coarse, fine])
    assert_equal(Octants().decode_after(data[1], [(1, 8)], Known([coarse])), [fine])


# What is no octree


NOT_NEXT = {
    "floats": OCTREE[1] * 0.5,
    "a row too few": OCTREE[1][:-1],
    "a row too many": np.concatenate([OCTREE[1], OCTREE[1][:1]]),
    "an octree of its own": OCTREE[0],
    "two levels on": OCTREE[2],
    "more axes": OCTREE[1][:, None],
    "another width": np.ascontiguousarray(OCTREE[1][:, :7]),
}


@pytest.mark.parametrize("name", NOT_NEXT)
def test_what_is_not_the_next_level_goes_to_the_parts(name: str):
    array = NOT_NEXT[name]
    data = Octants().encode_after([array], Known(OCTREE[:1]))
    expected = Uniform().encode(array)
    assert data == (b"\0" + expected if array.shape[1:] == (8,) else expected)
    (found,) = Octants().decode_after(data, [array.shape], Known(OCTREE[:1]))
    np.testing.assert_array_equal(found, Uniform().decode(expected, array.shape))


@pytest.mark.parametrize("rows", [2, 27, 65])
def test_a_first_level_that_is_no_grid_goes_to_the_parts(rows: int):
    array = np.ones((rows, 8), np.float32)
    data = Octants().encode(array)
    assert data[0] == 0
    np.testing.assert_array_equal(Octants().decode(data, array.shape), array)


def test_a_number_that_is_not_finite_is_refused():
    with pytest.raises(ConfigError, match="1 of 8 values are not finite"):
        Octants().encode(np.array([[0, 1, np.nan, 0, 0, 0, 0, 1]], np.float32))


def test_sides_of_grids_are_powers_of_two_up_to_128():
    assert [grid_side(side**3) for side in (1, 2, 3, 8, 127, 128, 256)] == [1, 2, None, 8, None, 128, None]
    assert grid_side(9) is None


def test_the_finest_side_is_512():
    single = np.zeros((1, 8), bool)
    single[0, 3] = True
    assert can_follow([single] * 8, 1)  # the ninth level has children of side 512
    assert not can_follow([single] * 9, 1)


# Size


@pytest.mark.parametrize(("side", "share"), [(32, 0.7), (64, 0.5)])
def test_surfaces_take_far_fewer_bits_than_octets_without_context(side: int, share: float):
    # Measured: 1.06 bits a cell against 1.59 at side 32, which has few cells to learn from; 0.68 against 1.45 at 64.
    levels = octree(surfaces(side), 8)
    assert 8 * sum(map(len, in_levels(levels))) < share * order_zero_bits(levels)


def test_a_level_is_cheaper_given_the_coarser_ones_than_a_grid_of_all_of_it():
    fine, coarse = octree(surfaces(64), 32), octree(surfaces(64), 8)
    # The coarsest level of a fine grid is an octree of its own: what is empty costs next to nothing.
    assert len(in_levels(fine)[0]) < 1.02 * sum(map(len, in_levels(coarse)))


def test_emptiness_is_nearly_free():
    assert len(Octants().encode(np.zeros((32**3, 8), np.float32))) <= 2


def test_fullness_costs_a_few_bytes_a_level():
    assert len(Octants().encode(np.ones((16**3, 8), np.float32))) <= 5 * 10  # measured: 45


# Hostile bytes


def decode_or_refuse(data: bytes, level: int) -> None:
    try:
        (found,) = Octants().decode_after(data, [SHAPES[level]], Known(OCTREE[:level]))
    except FormatError:
        return
    assert found.shape == SHAPES[level]
    assert found.dtype == np.float32
    assert np.isfinite(found).all()


@pytest.mark.parametrize("level", [0, 2])
def test_damaged_bytes_are_refused_or_keep_the_shape(level: int):
    data = in_levels(OCTREE)[level]
    random = np.random.default_rng(0)
    for position in random.integers(0, 8 * len(data), 20).tolist():
        flipped = bytearray(data)
        flipped[position // 8] ^= 1 << position % 8
        decode_or_refuse(bytes(flipped), level)
    for length in (0, 1, 2, len(data) // 2, len(data) - 1):
        decode_or_refuse(data[:length], level)
        decode_or_refuse(b"\1" + random.bytes(length), level)


@pytest.mark.parametrize(
    ("shape", "coarser", "message"),
    [
        ((27, 8), [], "27 cells cannot be its level 0"),
        ((2**24, 8), [], "16777216 cells cannot be its level 0"),
        ((SHAPES[1][0] + 1, 8), OCTREE[:1], f"{SHAPES[1][0] + 1} cells cannot be its level 1"),
        (SHAPES[1], [OCTREE[0] * 0.5], "what is coarser than it is no octree"),
        (SHAPES[1], [OCTREE[0][0]], "what is coarser than it is no octree"),
        (SHAPES[2], [OCTREE[1]], "cannot be its level 1"),
    ],
)
def test_a_level_that_does_not_follow_is_refused(shape, coarser, message: str):
    with pytest.raises(FormatError, match=message):
        Octants().decode_after(b"\1\2\3", [shape], Known(coarser))


def test_a_way_that_is_not_known_is_refused():
    with pytest.raises(FormatError, match="a level of an octree is damaged: it holds 2"):
        Octants().decode(b"\2\0", (1, 8))


# The format


@pytest.mark.parametrize("coarsest", [1, 4, 8])
def test_a_decoder_written_from_the_format_alone_gives_the_same_levels(coarsest: int):
    levels = octree(surfaces(16), coarsest)
    plain = to_plain(Octants())
    for i, data in enumerate(in_levels(levels)):
        assert_equal(decode_chunk(plain, data, [levels[i].shape], Before(levels[:i], [])), [levels[i]])
    assert_equal(decode_chunk(plain, Octants().encode_all(levels), [level.shape for level in levels]), levels)


def test_streams_stay_what_they_are():
    """A change of these bytes is a change of the format."""
    i, j, k = np.indices((8, 8, 8)) - 4
    ball = octree(np.abs(i * i + j * j + k * k - 9) < 5, 2)
    assert [data.hex() for data in in_levels(ball)] == [
        "01fe9b974c57a3ff03f0",
        "0110eff60b33da3db2be966c369b844c881c139e04660264905182efcc3ebdd5c82e582f5af326e9cea6",
    ]


# Bits in context


def test_a_chance_is_learned_behind_each_block():
    contexts, bits = np.zeros((1, 4096), np.int32), np.ones(4096, bool)
    coder = encoder()
    Adaptive([1]).write(coder, contexts, bits)
    # The first block of 64 costs a bit each, and the next is already coded at 66/68.
    assert 8 <= len(coder.finish()) <= 17


def test_bits_cost_what_they_are_worth():
    random = np.random.default_rng(0)
    contexts = random.integers(0, 3, (1, 30000)).astype(np.int32)
    chances = np.array([0.02, 0.3, 0.9])[contexts[0]]
    bits = random.random(30000) < chances
    coder = encoder()
    Adaptive([3]).write(coder, contexts, bits)
    data = coder.finish()
    ideal = -np.log2(np.where(bits, chances, 1 - chances)).sum() / 8
    assert len(data) < 1.015 * ideal  # learning, and chances of three significant bits
    np.testing.assert_array_equal(Adaptive([3]).read(decoder(data), contexts), bits)


def test_a_specific_context_counts_once_it_was_met_and_a_general_one_before():
    general, specific = np.zeros(64, np.int32), np.arange(64, dtype=np.int32)
    seen = Adaptive([1, 64])
    seen.learn(np.stack([general, specific]), np.ones(64, bool))
    unseen = encoder()
    seen.write(unseen, np.array([[0] * 8, [63] * 8], np.int32), np.ones(8, bool))
    assert len(unseen.finish()) <= 1  # 8 bits that are nearly sure


def test_levels_are_counted_whether_they_are_read_or_known():
    """A stream read level by level is that of a decoder that has the coarser ones from elsewhere."""
    levels = [level.astype(bool) for level in OCTREE]
    assert [b"\1" + encode_level(level, levels[:i]) for i, level in enumerate(levels)] == in_levels(OCTREE)
