"""A film that is cut short anywhere plays up to the cut: in pieces of 32 pictures, each checked, each bit for bit."""

import json
import struct
import tracemalloc
import zlib
from dataclasses import replace
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import torch
from benchmarks.hostile import assemble, damage, dissect, flipped, mutate
from format_decoder import beginning_of, codes_at, header_of, segment_at
from pressed import CLIP, FILM_PLAN, FITTED, joined, press

import fieldpress
from clips import moving_pictures, rgb_frame, write_clip
from fieldpress import container, sources
from fieldpress.chunktable import MAX_PIECES
from fieldpress.cli import main
from fieldpress.compressors import Compressor, Entropy, Uniform, Video
from fieldpress.compressors.base import Array
from fieldpress.container import Chunk, read, read_showable, sizes, write
from fieldpress.decoders import Head, Mlp
from fieldpress.encodings import Dense, Film, Planes, Volume
from fieldpress.encodings.levels import Level
from fieldpress.errors import ConfigError, FormatError
from fieldpress.field import FieldConfig
from fieldpress.metrics import picture_psnr
from fieldpress.outline import outline
from fieldpress.pieces import PICTURES, in_pieces
from fieldpress.presets import Recipe, recipe
from fieldpress.segments import Segment
from fieldpress.signals import Video as Clip
from fieldpress.writing import Interrupted, encode, evaluate

FRAMES = 100
"""Pieces of 32, 32 and 36 pictures."""
STEPS = [PICTURES, 2 * PICTURES]
"""What a file that is cut short may show."""
LONG = replace(CLIP, frames=FRAMES)
AV1 = Video(codec="svt-av1", crf=40, preset="12", amplitude=0.5)
HEAD_PLAN: dict[str, Compressor] = {
    "film": Video(codec="svt-av1", crf=30, preset="10", amplitude=0.7),
    "decoder": Entropy(step=1 / 256, unit="absolute"),
}
FILM = FieldConfig({"film": Film(FRAMES, 24, 32)}, Head())
VOLUME = FieldConfig({"volume": Volume((Level(1, FRAMES, 24, 32), Level(2, FRAMES, 12, 16)))}, Mlp(8, 1))
MIXED = FieldConfig({"planes": Planes(1, xy=((6, 8),), yt=((9, 8),), xt=()), **VOLUME.encodings}, Mlp(8, 1))
MIXED_PLAN: dict[str, Compressor] = {"planes": Uniform(bits=6), **FILM_PLAN}


def cut_into_pieces(file: bytes, plan: dict[str, Compressor]) -> bytes:
    """A file of one segment, as a writer would store it."""
    contents, clip = read(file), fieldpress.open(file)
    config = fieldpress.outline.outline(file).segments[0].field
    return write(contents.header, in_pieces(contents.chunks, Segment(len(clip), config), plan))


@cache
def files() -> dict[str, bytes]:
    """Clips of 100 pictures of fields whose film can be cut."""
    configs = {"film": (FILM, HEAD_PLAN), "volume": (VOLUME, FILM_PLAN), "beside planes": (MIXED, MIXED_PLAN)}
    return {name: cut_into_pieces(press(config, LONG, plan), plan) for name, (config, plan) in configs.items()}


every_file = pytest.mark.parametrize("name", ["film", "volume", "beside planes"])


def ends_of_pieces(file: bytes) -> list[int]:
    """How many bytes the file has up to the check of each piece of its last chunk."""
    (*_, last) = read(file).chunks
    start = len(file) - len(last.data) - 4 * (len(last.cuts) + 1)
    return [start + cut + 4 * number for number, cut in enumerate((*last.cuts, len(last.data)), 1)]


def shown(file: bytes) -> int | str:
    """How many pictures a file shows, or why it is refused."""
    try:
        return outline(file).signal.frames
    except FormatError as error:
        return str(error)


# Streams


def moving(shape: tuple[int, ...], seed: int = 0) -> Array:
    """Waves that move, another scene after two thirds, some noise."""
    random = np.random.default_rng(seed)
    _, t, y, x = np.indices(shape)
    waves = 0.2 * np.sin((x + 2 * t + 9 * (t > shape[1] * 2 / 3)) / 4 + y / 7)
    return (waves + random.normal(0, 0.02, shape)).astype(np.float32)


PAYLOADS: dict[str, tuple[Video, list[tuple[int, ...]]]] = {
    "film": (AV1, [(1, 70, 24, 32), (2, 70, 12, 16)]),
    "film, slower": (replace(AV1, preset="5", crf=20), [(1, 70, 24, 32), (2, 70, 12, 16)]),
    "film of its own range": (replace(AV1, amplitude=None), [(1, 40, 26, 30), (2, 40, 13, 15)]),
    "tiles of a range each": (replace(AV1, amplitude=None), [(3, 37, 17, 26)]),
    "atlas": (replace(AV1, layout="atlas", bits=8), [(2, 35, 12, 16), (1, 35, 20, 30)]),
}


@pytest.mark.parametrize("name", PAYLOADS)
def test_every_cut_of_a_stream_decodes_to_its_first_pictures_bit_for_bit(name: str):
    compressor, shapes = PAYLOADS[name]
    data = compressor.encode_all([moving(shape, seed) for seed, shape in enumerate(shapes)])
    whole = compressor.decode_all(data, shapes)
    cuts = compressor.cuts(data, shapes)
    assert [cut.slices for cut in cuts] == list(range(1, shapes[0][1] + 1))
    assert cuts[-1].bytes == len(data)
    for end, slices in cuts:
        shorter = [(shape[0], slices, *shape[2:]) for shape in shapes]
        for part, array in zip(compressor.decode_all(data[:end], shorter), whole, strict=True):
            np.testing.assert_array_equal(part, array[:, :slices])


def test_a_beginning_that_ends_anywhere_has_the_cuts_that_are_in_it():
    compressor, shapes = PAYLOADS["film of its own range"]
    data = compressor.encode_all([moving(shape) for shape in shapes])
    cuts = compressor.cuts(data, shapes)
    with pytest.raises(FormatError, match="a video payload ends early"):
        compressor.cuts(data[:2], shapes)
    for end in range(cuts[0].bytes - 9, len(data)):
        assert compressor.cuts(data[:end], shapes) == tuple(cut for cut in cuts if cut.bytes <= end)


@pytest.mark.parametrize(
    ("compressor", "shapes"),
    [
        (Video(codec="x265", preset="ultrafast"), [(1, 40, 24, 32)]),  # pictures are not stored in the order of time
        (Entropy(step=0.1), [(1, 40, 24, 32)]),
        (AV1, [(1, 40, 24, 32), (1, 40, 24, 32)]),  # two streams, one behind the other
        (AV1, [(1, 1, 24, 32)]),
        (AV1, [(1, 40, 8, 8)]),  # too small to be a stream
    ],
    ids=["hevc", "no codec", "two streams", "one picture", "no stream"],
)
def test_what_cannot_be_cut_has_no_cuts(compressor: Compressor, shapes: list[tuple[int, ...]]):
    data = compressor.encode_all([moving(shape) for shape in shapes])
    assert not compressor.can_cut(shapes)
    assert compressor.cuts(data, shapes) == ()


def test_a_constant_film_has_no_stream_to_cut():
    shapes = [(1, 40, 24, 32), (2, 40, 12, 16)]
    compressor = replace(AV1, amplitude=None)
    assert compressor.cuts(compressor.encode_all([np.full(s, 0.5, np.float32) for s in shapes]), shapes) == ()


def test_more_pictures_than_the_tensors_have_are_refused():
    data = AV1.encode(moving((1, 5, 24, 32)))
    with pytest.raises(FormatError, match="a video stream holds 5 pictures; 4 expected"):
        AV1.cuts(data, [(1, 4, 24, 32)])
    with pytest.raises(FormatError, match="empty unit"):
        AV1.cuts(b"\0", [(1, 4, 24, 32)])


# The container

RAW = {"id": "raw", "precision": "float32"}
PIECES = Chunk("film", (("film", (1, 6, 2, 2)),), RAW, b"one, two and three", cuts=(4, 9))
FIRST = Chunk("head", (("head", (3,)),), RAW, b"head")
FILE = write({"signal": 1}, [FIRST, PIECES])
PIECE_ENDS = [len(FILE) - 22, len(FILE) - 13, len(FILE)]


def test_pieces_come_back_as_they_were_given():
    assert read(FILE).chunks == (FIRST, PIECES)
    assert json.loads(dissect(FILE).text)["segments"][0][1][4] == [4, 5, 9]
    assert dissect(FILE).payloads == [b"head", b"one,", b" two ", b"and three"]
    assert read(assemble(dissect(FILE).text, dissect(FILE).payloads)) == read(FILE)


def test_each_piece_is_checked_from_the_check_in_front_of_it():
    covered = FILE[: 13 + int.from_bytes(FILE[9:13], "little")]
    position = len(covered) + 4
    for piece in dissect(FILE).payloads:
        covered += piece
        position += len(piece) + 4
        assert FILE[position - 4 : position] == struct.pack("<I", zlib.crc32(covered))
    assert position == len(FILE)


def test_the_sizes_count_every_check():
    assert sum(size.bytes for size in sizes(FILE)) == len(FILE)
    assert sizes(FILE)[-1] == ("film", 18 + 3 * 4)
    assert container.level_ends(FILE) == (len(FILE),)


def test_a_partial_read_gives_the_pieces_that_are_there_and_says_so():
    for length in range(PIECE_ENDS[0] - 8, len(FILE)):
        contents = read(FILE[:length], partial=True)
        there = sum(end <= length for end in PIECE_ENDS)
        assert contents.chunks == (FIRST,)
        assert (contents.levels, contents.whole_segments, contents.complete) == (0, 0, False)
        if not there:
            assert contents.begun is None
        else:
            data, cuts = (b"one,", ()) if there == 1 else (b"one, two ", (4,))
            assert contents.begun == replace(PIECES, data=data, cuts=cuts, whole=False)


def test_a_chunk_with_others_behind_it_is_not_begun():
    """Its segment lacks more than its end, so nothing of it can be shown."""
    file = write({"signal": 1}, [PIECES, FIRST])
    for length in range(len(file)):
        try:
            assert read(file[:length], partial=True).begun is None
        except FormatError:
            assert length < sum(size.bytes for size in sizes(file)[:2])


def test_a_chunk_of_a_finer_level_is_not_begun():
    file = write({"signal": 1}, [FIRST, replace(PIECES, level=1)])
    for length in range(PIECE_ENDS[0], len(file)):
        assert read(file[:length], partial=True).begun is None


def test_a_chunk_of_too_many_numbers_for_what_is_there_is_not_begun():
    shape = (1, 2**6, 2**10, 3 * 2**8)  # half as many again as 2**25: it takes 128 bytes to claim them
    large = replace(PIECES, tensors=(("film", shape),), data=bytes(100), cuts=(1,))
    file = write({"signal": 1}, [large])
    least = (3 * 2**24 - container.ELEMENTS_PER_FILE) // container.ELEMENTS_PER_BYTE
    header = sum(size.bytes for size in sizes(file)[:2])
    for length in range(header + 5, len(file)):
        assert (read(file[:length], partial=True).begun is not None) == (length >= least)
    assert header + 5 < least < len(file)
    with pytest.raises(FormatError, match=f"and its first pictures end at byte {least}$"):
        read_showable(file[: least - 1])


@pytest.mark.parametrize("partial", [False, True])
def test_every_flipped_bit_of_a_piece_is_found(partial: bool):
    for damaged in flipped(FILE):
        with pytest.raises(FormatError):
            read(damaged, partial=partial)


def file_of_lengths(length: Any, *pieces: bytes) -> bytes:
    line = ["all", [["grid", [2, 3]]], 0, 0, length]
    return assemble(json.dumps({"compressors": [RAW], "segments": [[line]]}).encode(), pieces)


@pytest.mark.parametrize(
    ("length", "reason"),
    [
        ([], f"all is in 0 pieces; expected 2 to {MAX_PIECES}, or a length"),
        ([3], f"all is in 1 pieces; expected 2 to {MAX_PIECES}, or a length"),
        ([1] * (MAX_PIECES + 1), f"all is in {MAX_PIECES + 1} pieces; expected 2 to {MAX_PIECES}"),
        ([3, 0], "all: the length of a piece is 0; expected a whole number from 1"),
        ([4, -1], "all: the length of a piece is -1; expected a whole number from 1"),
        ([1, 2.0], "all: the length of a piece is 2.0; expected a whole number"),
        ([1, True], "all: the length of a piece is True; expected a whole number"),
        ([1, None], "all: the length of a piece is None; expected a whole number"),
        ([1, [2]], "all: the length of a piece is [2]; expected a whole number"),
        ([1, 2**53 + 1], "allowed is ±2**53"),
        ([1, 2**53], "the file is cut short"),
        ([1, 3], "the file is cut short"),
        ([1, 1], "the file has 1 bytes after its end"),
        ([2, 1], "all is damaged"),
        ({}, "all: the length is {}; expected a whole number from 0"),
        ("12", "all: the length is '12'; expected a whole number from 0"),
    ],
    ids=str,
)
def test_lengths_that_no_writer_writes_are_refused(length: Any, reason: str):
    with pytest.raises(FormatError) as caught:
        read(file_of_lengths(length, b"a", b"bc"))
    assert reason in str(caught.value)
    assert len(str(caught.value)) < 250


def test_as_many_pieces_as_are_allowed_are_read():
    chunk = replace(PIECES, data=bytes(MAX_PIECES), cuts=tuple(range(1, MAX_PIECES)))
    file = write({}, [chunk])
    assert read(file).chunks == (chunk,)
    with pytest.raises(ConfigError, match="pieces; expected 2 to"):
        write({}, [replace(chunk, data=bytes(MAX_PIECES + 1), cuts=tuple(range(1, MAX_PIECES + 1)))])


@pytest.mark.parametrize("cuts", [(0,), (18,), (19,), (5, 5), (9, 4), (-1,)], ids=str)
def test_cuts_outside_of_the_data_are_not_written(cuts: tuple[int, ...]):
    with pytest.raises(ConfigError, match="this cannot be written: film: the length of a piece is"):
        write({}, [FIRST, replace(PIECES, cuts=cuts)])


def test_claims_of_pieces_take_little_memory():
    file = file_of_lengths([2**53] * MAX_PIECES, b"a")
    tracemalloc.start()
    for partial in (False, True):
        with pytest.raises(FormatError):
            read_showable(file) if partial else read(file)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * 2**20  # some copies of a header of 70 kB as Python lists


def test_mutated_files_with_right_checks_are_read_or_refused():
    seen = set()
    for seed in range(300):
        try:
            read(mutate(FILE, Random(seed)), partial=True)
            seen.add("read")
        except FormatError:
            seen.add("refused")
    assert seen == {"read", "refused"}


# What is written


@every_file
def test_the_film_comes_last_and_in_pieces_of_32_pictures(name: str):
    file = files()[name]
    *others, film = read(file).chunks
    assert film.name in ("film", "volume")
    assert not any(chunk.cuts for chunk in others)
    assert len(film.cuts) == 2


def test_a_piece_takes_about_seven_bytes():
    for file in files().values():
        contents = read(file)
        plain = write(contents.header, [replace(chunk, cuts=()) for chunk in contents.chunks])
        assert len(file) - len(plain) <= 3 * 8  # three lengths in place of one, and two checks more


@pytest.mark.parametrize(("frames", "pieces"), [(63, 1), (64, 2), (95, 2), (96, 3)])
def test_the_last_piece_has_what_is_left(frames: int, pieces: int):
    config = FieldConfig({"film": Film(frames, 24, 32)}, Head())
    file = cut_into_pieces(press(config, replace(CLIP, frames=frames), HEAD_PLAN), HEAD_PLAN)
    film = next(chunk for chunk in read(file).chunks if chunk.name == "film")
    assert len(film.cuts) == pieces - 1
    assert read(file).chunks[0 if pieces == 1 else -1] == film, "a film of one piece stays where the plan has it"


NOT_CUT: dict[str, tuple[FieldConfig, dict[str, Compressor]]] = {
    "a volume of fewer slices than pictures": (
        FieldConfig({"volume": Volume((Level(1, 90, 24, 32),))}, Mlp(4, 1)),
        FILM_PLAN,
    ),
    "a compressor that cannot be cut": (VOLUME, {**FILM_PLAN, "volume": Entropy(step=0.1)}),
    "corners, of which a picture needs four": (
        FieldConfig({"dense": Dense(1, FRAMES - 1)}, Mlp(4, 1)),
        {**FILM_PLAN, "dense": AV1},
    ),
}


@pytest.mark.parametrize("name", NOT_CUT)
def test_a_film_whose_beginning_is_not_that_of_the_clip_stays_whole(name: str):
    config, plan = NOT_CUT[name]
    shapes = config.shapes()
    chunks = [
        Chunk(rule, tuple((name, shape) for name, shape in shapes.items() if name.startswith(rule)), {}, b"1")
        for rule in plan
        if rule == "decoder" or rule in config.encodings
    ]
    assert in_pieces(chunks, Segment(FRAMES, config), plan) == chunks


def test_of_two_films_the_larger_one_is_cut():
    config = FieldConfig({"volume": Volume((Level(1, 70, 24, 32),) * 2)}, Mlp(4, 1))
    plan = {"volume.levels.0": AV1, "volume.levels.1": replace(AV1, crf=20), "decoder": FILM_PLAN["decoder"]}
    small, large = (plan[f"volume.levels.{i}"].encode(moving((1, 70, 24, 32))) for i in (0, 1))
    chunks = [
        Chunk("volume.levels.1", (("volume.levels.1", (1, 70, 24, 32)),), {}, large),
        Chunk("volume.levels.0", (("volume.levels.0", (1, 70, 24, 32)),), {}, small),
    ]
    assert len(small) < len(large)
    first, second = in_pieces(chunks, Segment(70, config), plan)
    assert (first.name, first.cuts, second.name, len(second.cuts)) == ("volume.levels.0", (), "volume.levels.1", 1)


# What is read


@every_file
def test_a_file_cut_anywhere_shows_its_first_pictures_or_says_how_many_bytes_they_take(name: str):
    file = files()[name]
    ends = ends_of_pieces(file)
    header = sum(size.bytes for size in sizes(file)[:2])
    for length in range(len(file)):
        found = shown(file[:length])
        if length >= ends[0]:
            assert found == STEPS[sum(end <= length for end in ends) - 1]
        elif length >= header:
            told = f"the file is cut short: it has {length} of {len(file)} bytes"
            assert found == f"{told}, and its first pictures end at byte {ends[0]}"
        else:
            assert isinstance(found, str)
    assert shown(file) == FRAMES


@every_file
def test_pictures_of_a_cut_file_are_those_of_the_whole_one_bit_for_bit(name: str):
    file = files()[name]
    whole = fieldpress.open(file)
    for end, count in zip(ends_of_pieces(file), STEPS, strict=False):
        clip = fieldpress.open(file[:end])
        assert len(clip) == clip.signal.frames == count
        for index in (0, 1, 17, count - 2, count - 1):
            np.testing.assert_array_equal(clip[index], whole[index])
        with pytest.raises(IndexError):
            clip[count]


def test_all_pictures_of_a_cut_file_in_one_go():
    file = files()["volume"]
    clip, whole = fieldpress.open(file[: ends_of_pieces(file)[0]]), fieldpress.open(file)
    found = np.stack(list(clip))
    assert len(found) == PICTURES
    # Other pictures are rendered beside them, and sums of another order differ in their last bits.
    assert np.abs(found.astype(int) - np.stack(whole[:PICTURES])).max() <= 1
    np.testing.assert_array_equal(clip[-1], whole[PICTURES - 1])


def test_moments_between_pictures_are_those_of_the_whole_clip_but_for_the_last():
    file = files()["film"]
    clip, whole = fieldpress.open(file[: ends_of_pieces(file)[0]]), fieldpress.open(file)
    ours = list(clip.pictures(clip.view(slice(20, None), time_scale=2.0)))
    theirs = list(whole.pictures(whole.view(slice(20, PICTURES), time_scale=2.0)))
    assert np.abs(np.stack(ours[:-1]).astype(int) - theirs[:-1]).max() <= 1
    np.testing.assert_array_equal(ours[-1], clip[-1])  # there is no next picture to blend with


def test_times_are_cut_with_the_pictures():
    times = tuple(i * i for i in range(FRAMES))
    contents = read(files()["film"])
    header = {**contents.header, "signal": {**contents.header["signal"], "timestamps": list(times)}}
    file = write(header, contents.chunks)
    clip = fieldpress.open(file[: ends_of_pieces(file)[1]])
    assert isinstance(clip.signal, Clip)
    assert clip.signal.timestamps == times[: STEPS[1]]


@every_file
def test_a_decoder_written_from_the_format_alone_shows_as_much(name: str):
    file = files()[name]
    random = np.random.default_rng(1)
    for end in ends_of_pieces(file)[:2]:
        data = file[: end + 3]
        clip = fieldpress.open(data)
        count, (tensors,) = beginning_of(data)
        assert count == len(clip)
        own = {name.removeprefix("segments.0."): tensor for name, tensor in clip.field.tensors().items()}
        for tensor, values in own.items():
            np.testing.assert_array_equal(tensors[tensor], values.numpy(), err_msg=tensor)
        header = header_of(data)
        header["fields"] = [{"frames": FRAMES, "field": header["field"]}]
        for t, y, x in random.random((12, 3)).astype(np.float32):
            number, time = segment_at(header, t, count)
            assert number == 0
            theirs = codes_at(header["field"], tensors, float(time), y, x)
            assert np.abs(theirs.astype(int) - clip.render(t, y, x)).max() <= 1  # what FORMAT.md allows


def test_the_golden_file_shows_its_first_pictures():
    path = Path(__file__).parent / "golden" / "v1" / "pieces.fpr"
    file = path.read_bytes()
    clip = fieldpress.open(file[: ends_of_pieces(file)[0]])
    with np.load(path.with_suffix(".npz"), allow_pickle=False) as stored:
        assert np.abs(np.stack(list(clip)).astype(int) - stored["pictures"][:PICTURES]).max() <= 1
        luma = clip.field.tensors()["segments.0.film.luma"].numpy()
        np.testing.assert_array_equal(luma[:, :PICTURES], stored["film.luma"][:, :PICTURES])


# Several segments


@cache
def segmented() -> bytes:
    """Segments of 100, 5 and 100 pictures."""
    return joined([files()["volume"], press(FITTED), files()["film"]])


def test_the_pictures_of_a_begun_segment_follow_those_of_the_whole_ones():
    file = segmented()
    found = [shown(file[:length]) for length in [*range(0, len(file), 9), len(file)]]
    counts = [count for count in found if isinstance(count, int)]
    assert sorted({*counts}) == [32, 64, 100, 105, 137, 169, 205]
    assert counts == sorted(counts)
    assert found[-len(counts) :] == counts, "what once was enough is never too little"


def test_pictures_of_several_segments_are_those_of_the_whole_file():
    file = segmented()
    whole = fieldpress.open(file)
    for count in (64, 137):
        length = next(length for length in range(0, len(file), 9) if shown(file[:length]) == count)
        clip = fieldpress.open(file[:length])
        for index in {0, 31, 63, min(count - 1, 99), min(count - 1, 102), count - 1}:
            np.testing.assert_array_equal(clip[index], whole[index])


# Lies


def lying(file: bytes, change: Any) -> bytes:
    """The first piece of a file whose header was changed, and every check right."""
    anatomy = dissect(file)
    header = json.loads(anatomy.text)
    change(header)
    changed = assemble(json.dumps(header).encode(), anatomy.payloads)
    return changed[: len(changed) - 4 - len(anatomy.payloads[-1])]


def lines(header: dict[str, Any]) -> list[Any]:
    return header["segments"][0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda h: lines(h)[-1].__setitem__(2, lines(h)[0][2]), "its first picture does not end in them"),
        (lambda h: lines(h)[-1][1][0][1].__setitem__(1, 99), "tensor 'volume.levels.0' has shape"),
        (lambda h: lines(h)[-1].__setitem__(2, 7), "the compressor is 7"),
        (lambda h: h["compressors"][1].update(codec="x265", preset="slow"), "its first picture does not end in them"),
        (lambda h: h["compressors"][1].update(amplitude=None), "its first picture does not end in them"),
        (lambda h: h["signal"].update(frames=99), "its first picture does not end in them"),
    ],
    ids=["another compressor", "a shape", "no compressor", "another codec", "a scale", "another length"],
)
def test_headers_that_lie_about_what_is_begun_are_refused(change: Any, message: str):
    file = files()["volume"]
    assert read(file).chunks[-1].compressor == json.loads(dissect(file).text)["compressors"][1]
    with pytest.raises(FormatError, match=message):
        fieldpress.open(lying(file, change))[0]


def outcome(file: bytes) -> str:
    """Looks at the first and the last picture; anything but a FormatError fails the test."""
    try:
        clip = fieldpress.open(file)
        for index in {0, len(clip) - 1}:
            assert clip[index].shape == (24, 32, 3) or clip.signal != LONG
        return "decoded"
    except FormatError:
        return "refused"


def test_damaged_pieces_under_right_checks_decode_or_are_refused():
    random, seen = Random(3), set()
    for _ in range(60):
        anatomy = dissect(files()["volume"])
        anatomy.payloads[1] = damage(anatomy.payloads[1], random)
        header = json.loads(anatomy.text)
        lines(header)[-1][4][0] = len(anatomy.payloads[1])
        file = assemble(json.dumps(header).encode(), anatomy.payloads)
        seen.add(outcome(file[: len(file) - 4 - len(anatomy.payloads[-1])]))
    assert seen == {"decoded", "refused"}


def test_mutated_and_cut_files_decode_or_are_refused():
    seen = set()
    for number in range(150):
        random = Random(f"{number}")
        file = mutate(files()["film"], random)
        seen.add(outcome(file[: random.randint(len(file) // 2, len(file))]))
    assert seen == {"decoded", "refused"}


# From a source


def quick(name: str) -> Recipe:
    """A preset with a quick codec."""
    chosen = recipe(name)
    rule = "film" if name == "rate" else "volume"
    codec = chosen.plan[rule]
    assert isinstance(codec, Video)
    return replace(chosen, plan={**chosen.plan, rule: replace(codec, preset="12")})


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pictures = [rgb_frame(picture) for picture in moving_pictures(70, 24, 32)]
    return write_clip(tmp_path_factory.mktemp("source") / "clip.mkv", pictures, "ffv1", "bgr0")


Written = tuple[Path, fieldpress.Report]


@pytest.fixture(scope="module", params=["rate", "nvp-fit"])
def written(source: Path, request: pytest.FixtureRequest) -> Written:
    """A file of 32 and 38 pictures."""
    torch.set_num_threads(1)
    out = source.parent / f"{request.param}.fpr"
    return out, encode(source, out, quick(request.param), steps=3, device="cpu")


def test_what_encode_writes_can_be_cut(written: Written):
    out, report = written
    file = out.read_bytes()
    whole = fieldpress.open(file)
    first, last = ends_of_pieces(file)
    assert last == len(file) == report.bytes == sum(chunk.bytes for chunk in report.chunks)
    counts = [shown(file[:length]) for length in range(len(file))]
    assert [isinstance(count, int) for count in counts] == [length >= first for length in range(len(file))]
    assert {*counts[first:]} == {PICTURES}
    clip = fieldpress.open(file[: (first + last) // 2])
    for index in range(0, PICTURES, 5):
        np.testing.assert_array_equal(clip[index], whole[index])


def test_a_cut_file_is_measured_against_the_first_pictures(written: Written, source: Path, tmp_path: Path):
    out, _ = written
    cut = tmp_path / "cut.fpr"
    cut.write_bytes(out.read_bytes()[:-1])
    report = evaluate(cut, source)
    pairs = zip(sources.load(source).rgb, fieldpress.open(out)[:PICTURES], strict=False)
    expected = np.mean([picture_psnr(a, b) for a, b in pairs])
    assert report.psnr_rgb == pytest.approx(expected, abs=1e-3)  # rendered in groups, some codes fall to the other side
    assert (report.frames, report.bytes) == (PICTURES, cut.stat().st_size)
    assert report.bpp == pytest.approx(8 * report.bytes / (PICTURES * 24 * 32))


def test_the_command_line_says_what_is_there(written: Written, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out, report = written
    cut, folder = tmp_path / "cut.fpr", tmp_path / "frames"
    cut.write_bytes(out.read_bytes()[:-1])
    left = "the first 32 of its 70 pictures"
    assert main(["decode", str(cut), str(folder), "--frames", "-2:"]) == 0
    told = f"cut.fpr is cut short: it has {report.bytes - 1:,} bytes; going on with {left}\n"
    assert capsys.readouterr().err.endswith(told)
    assert len(list(folder.iterdir())) == 2
    assert main(["info", str(cut)]) == 0
    assert f"{report.bytes - 1:,} of {report.bytes:,} bytes are there, {left}" in capsys.readouterr().out
    assert main(["info", "--json", str(cut)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["whole_bytes"] == report.bytes == sum(chunk["bytes"] for chunk in found["chunks"])
    assert found["bpp"] == pytest.approx(8 * (report.bytes - 1) / (32 * 24 * 32))  # of the pictures that are there
    first = ends_of_pieces(out.read_bytes())[0]
    cut.write_bytes(out.read_bytes()[: first - 1])
    assert main(["decode", str(cut), str(folder), "--force"]) == 2
    assert f"and its first pictures end at byte {first}\n" in capsys.readouterr().err


def test_a_size_is_reached_with_its_pieces(source: Path, tmp_path: Path):
    report = encode(source, tmp_path / "a.fpr", quick("rate"), steps=3, device="cpu", size=2000)
    assert report.bytes == pytest.approx(2000, rel=0.05)
    assert read((tmp_path / "a.fpr").read_bytes()).chunks[-1].cuts


def test_segments_are_cut_into_pieces_and_an_interrupted_run_goes_on_to_the_same_file(tmp_path: Path):
    clip = write_clip(tmp_path / "a.mkv", [rgb_frame(p) for p in moving_pictures(130, 24, 32)], "ffv1", "bgr0")
    chosen = replace(quick("nvp-fit"), segment=65)
    encode(clip, tmp_path / "a.fpr", chosen, steps=6, device="cpu")
    file = (tmp_path / "a.fpr").read_bytes()
    assert [bool(chunk.cuts) for chunk in read(file).chunks] == [False, True] * 2
    assert {*map(shown, (file[:n] for n in range(len(file) // 2, len(file), 7)))} <= {32, 65, 97}
    assert shown(file[:-1]) == 97

    def stop(progress: Any) -> None:
        if progress.step == 4 and progress.share < 1:
            raise KeyboardInterrupt

    out = tmp_path / "b.fpr"
    with pytest.raises(Interrupted):
        encode(clip, out, chosen, steps=6, device="cpu", on_progress=stop)
    encode(clip, out, chosen, steps=6, device="cpu", resume=True)
    assert out.read_bytes() == file


def test_what_a_file_takes_besides_its_chunks_is_foreseen_to_a_few_bytes(source: Path, tmp_path: Path):
    from fieldpress.assembly import framing_bytes
    from fieldpress.reading import About
    from fieldpress.subjects import load_subject

    subject, chosen = load_subject(source), quick("rate")
    out = tmp_path / "a.fpr"
    encode(source, out, chosen, steps=3, device="cpu")
    file = out.read_bytes()
    framing = len(file) - sum(len(chunk.data) for chunk in read(file).chunks)
    foreseen = framing_bytes(subject.signal, subject.segments_for(chosen), chosen, About(chosen.name, 0, 0, "cpu"))
    assert abs(framing - foreseen) <= 12  # digits of lengths, and settings that are found later
