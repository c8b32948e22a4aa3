"""The file: what is written comes back, and whatever else there may be in a file is refused."""

import json
import math
import re
import struct
import tracemalloc
import zlib
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from benchmarks.hostile import assemble, dissect, flipped, frame, mutate
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldpress.chunktable import MAX_ELEMENTS, MAX_LEVEL, MAX_NAME_LENGTH, MAX_TENSORS
from fieldpress.container import ELEMENTS_PER_BYTE, ELEMENTS_PER_FILE, MAGIC, Chunk, read, sizes, write
from fieldpress.errors import ConfigError, FormatError
from fieldpress.header import DICTIONARY

GRID = [["grid", [2]]]
VISIBLE = "".join(map(chr, range(0x21, 0x7F)))

FORMAT = Path(__file__).parents[1] / "FORMAT.md"

RAW = {"id": "raw", "dtype": "float16"}
VIDEO = {"id": "video", "crf": 24.0}
HEADER = {"signal": {"id": "image", "height": 4, "width": 6}, "field": {"encoding": {"id": "planes"}}}
CHUNKS = (
    Chunk("decoder", (("decoder.weight", (3, 2)), ("decoder.bias", (3,))), RAW, b"weights"),
    Chunk("planes.0", (("encoding.planes.0", (2, 4, 6)),), VIDEO, b"coarse", level=1),
    Chunk("planes.1", (("encoding.planes.1", (2, 8, 12)),), VIDEO, b"", level=1),
    Chunk("*.[2-9]", (("encoding.planes.3", (2, 8, 48)), ("encoding.planes.2", (9,))), VIDEO, b"the finest", level=3),
)
FILE = write(HEADER, CHUNKS)
LAST = len(CHUNKS[-1].data) + 4
"""Bytes of the last chunk and its check."""

names = st.from_regex(r"[a-z0-9_]{1,4}(\.[a-z0-9_]{1,4}){0,3}", fullmatch=True)
shapes = st.lists(st.integers(1, 20), min_size=1, max_size=4).map(tuple)
compressors = st.dictionaries(st.text(max_size=4), st.integers(0, 1) | st.floats(0, 1) | st.booleans(), max_size=2)


@st.composite
def segments(draw: st.DrawFn) -> list[Chunk]:
    """Chunks of one to three segments, each with one to six tensors dealt out to its chunks in any order."""
    chunks = []
    for segment in range(draw(st.integers(1, 3))):
        tensors = draw(st.lists(st.tuples(names, shapes), min_size=1, max_size=6, unique_by=lambda tensor: tensor[0]))
        while tensors:
            count = draw(st.integers(1, len(tensors)))
            compressor, data, level = draw(compressors), draw(st.binary(max_size=40)), draw(st.integers(0, MAX_LEVEL))
            label = f"{draw(st.text(alphabet=VISIBLE, max_size=4))}{len(tensors)}"
            cuts = tuple(sorted(draw(st.sets(st.integers(1, len(data) - 1), max_size=4)))) if len(data) > 1 else ()
            chunks.append(Chunk(label, tuple(tensors[:count]), compressor, data, level, segment, cuts))
            tensors = tensors[count:]
    return chunks


def tensor(name: str, *shape: int) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """The tensors of a chunk that has one."""
    return ((name, shape),)


def file_with(**changes: Any) -> bytes:
    """A file with one good chunk of three bytes, right checks, and a header changed so."""
    line = ["all", [["grid", [2, 3]]], 0, 0, 3]
    return assemble(json.dumps({"compressors": [RAW], "segments": [[line]], **changes}).encode(), [b"abc"])


def file_with_lines(*lines: Any) -> bytes:
    return file_with(segments=[list(lines)])


def file_with_line(*line: Any) -> bytes:
    return file_with_lines(list(line))


def file_with_tensors(*tensors: Any) -> bytes:
    return file_with_line("all", list(tensors), 0, 0, 3)


def refusal(file: bytes, *, partial: bool = False) -> str:
    with pytest.raises(FormatError) as caught:
        read(file, partial=partial)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 250
    return str(caught.value)


# --- what is written comes back ---


@settings(deadline=None)  # a busy machine is no defect
@given(st.dictionaries(names, compressors, max_size=3), segments())
def test_what_is_written_is_read(header: dict[str, Any], chunks: list[Chunk]) -> None:
    contents = read(write(header, chunks))
    ordered = tuple(sorted(chunks, key=lambda chunk: (chunk.level, chunk.segment)))
    count = len({chunk.segment for chunk in chunks})
    assert contents == (header, ordered, ordered[-1].level + 1, count, count, True, None)
    assert repr(contents.chunks) == repr(ordered)  # the text tells 1, 1.0 and True apart


@settings(deadline=None)
@given(segments())
def test_the_sizes_add_up_to_the_file(chunks: list[Chunk]) -> None:
    file = write(HEADER, chunks)
    assert sum(size.bytes for size in sizes(file)) == len(file)


def test_the_sizes_name_each_chunk() -> None:
    found = {size.part: size.bytes for size in sizes(FILE)}
    assert list(found)[2:] == [chunk.name for chunk in CHUNKS]
    assert found["planes.0"] == len(b"coarse") + 4
    several = write(HEADER, [*CHUNKS, Chunk("decoder", tensor("decoder.weight", 3, 2), RAW, b"", segment=1)])
    assert sizes(several)[3] == ("segment 1: decoder", 4)


def test_a_file_is_the_same_from_any_kind_of_bytes() -> None:
    assert read(bytearray(FILE)) == read(memoryview(b"x" + FILE)[1:]) == read(FILE)


def test_chunks_are_ordered_by_level_and_else_as_they_were_given() -> None:
    assert write(HEADER, reversed(CHUNKS)) == write(HEADER, [CHUNKS[0], CHUNKS[2], CHUNKS[1], CHUNKS[3]])


def test_equal_compressors_are_written_once() -> None:
    assert json.loads(dissect(FILE).text)["compressors"] == [RAW, VIDEO]


def test_tensors_stay_in_the_order_in_which_they_were_given() -> None:
    tensors = (("b", (1,)), ("a", (1,)), ("c", (1,)))
    assert read(write(HEADER, [Chunk("all", tensors, RAW, b"")])).chunks[0].tensors == tensors


def test_two_segments_may_name_their_chunks_and_tensors_alike() -> None:
    chunks = tuple(Chunk("all", tensor("grid", 2), RAW, b"", segment=segment) for segment in range(2))
    assert read(write(HEADER, chunks)).chunks == chunks


def test_a_chunk_may_hold_thousands_of_tensors() -> None:
    tensors = tuple((f"octree.{number}", (2, 3)) for number in range(MAX_TENSORS))
    chunk = Chunk("octree", tensors, RAW, bytes(10))
    assert read(write(HEADER, [chunk])).chunks == (chunk,)


def test_the_framing_of_a_typical_video_is_small() -> None:
    sides = {"frames": 132, "height": 90, "width": 160}
    levels = [{"channels": 1, "frames": 132, "height": 180, "width": 320}, {"channels": 2, **sides}]
    volume = {"id": "volume", "levels": levels, "neighbours": 3, "interpolation": "linear"}
    rate = {"frame_rate": [24, 1], "time_base": [1, 24], "timestamps": None}
    colour = {"matrix": "bt709", "full_range": False}
    header = {
        "signal": {"id": "video", "frames": 132, "height": 180, "width": 320, **rate, **colour},
        "field": {"encodings": {"volume": volume}, "decoder": {"id": "mlp", "width": 24, "depth": 2}},
        "about": {"preset": "nvp-fit", "seed": 0, "steps": 1234, "device": "cpu"},
    }
    layers = {"hidden.0": (24, 27), "hidden.1": (24, 24), "last": (3, 24)}
    decoder = [("decoder.skip", (3, 27))]
    for layer, shape in layers.items():
        decoder += [(f"decoder.{layer}.weight", shape), (f"decoder.{layer}.bias", shape[:1])]
    grids = tuple((f"volume.levels.{i}", tuple(level.values())) for i, level in enumerate(levels))
    quality = {"codec": "svt-av1", "crf": 46, "preset": "4", "bits": 10}
    parts = {"id": "uniform", "bits": 8, "per": "channel"}
    video = {"id": "video", **quality, "per": "channel", "layout": "tiled", "parts": parts}
    entropy = {"id": "entropy", "step": 0.015625, "unit": "rms"}
    chunks = [Chunk("volume", grids, video, bytes(61_234)), Chunk("decoder", tuple(decoder), entropy, bytes(1_423))]
    file = write(header, chunks)
    assert len(file) - sum(len(chunk.data) for chunk in chunks) < 140  # 95 measured; another zlib may do worse


# --- the layout, read a second way ---


def test_the_bytes_are_laid_out_as_the_format_says() -> None:
    (length,) = struct.unpack("<I", FILE[9:13])
    assert FILE[:9] == b"\x89FPR\r\n\x1a\n\x01"
    position, covered = 13 + length, FILE[: 13 + length]
    for data in (b"", *(chunk.data for chunk in CHUNKS)):
        assert FILE[position : position + len(data)] == data
        position, covered = position + len(data), covered + data
        assert FILE[position : position + 4] == struct.pack("<I", zlib.crc32(covered))
        position += 4
    assert position == len(FILE)


def test_a_chunk_can_be_checked_from_the_check_in_front_of_it() -> None:
    before, data, after = FILE[-LAST - 4 : -LAST], FILE[-LAST:-4], FILE[-4:]
    assert data == CHUNKS[-1].data
    assert zlib.crc32(data, int.from_bytes(before, "little")) == int.from_bytes(after, "little")


def test_the_second_writer_writes_the_same() -> None:
    anatomy = dissect(FILE)
    assert read(assemble(anatomy.text, anatomy.payloads)) == read(FILE)


def block(language: str, start: str) -> str:
    """The block of FORMAT.md in this language that starts so."""
    (text,) = re.findall(rf"```{language}\n({start}.*?)```", FORMAT.read_text(encoding="utf-8"), re.DOTALL)
    return text


def test_the_reader_in_the_format_reads_the_same() -> None:
    names: dict[str, Any] = {"DICTIONARY": DICTIONARY}
    exec(block("python", "import"), names)
    second = Chunk("decoder", tensor("decoder.weight", 5), VIDEO, b"another", level=2, segment=1, cuts=(2, 3))
    file = write(HEADER, [second, *CHUNKS])
    found = [
        Chunk(name, tuple((name, tuple(shape)) for name, shape in tensors), compressor, data, level, segment)
        for segment, name, tensors, compressor, level, data in names["chunks"](file)
    ]
    assert found == [replace(chunk, cuts=()) for chunk in read(file).chunks]


def test_the_example_in_the_format_holds_what_the_format_says() -> None:
    file = bytes.fromhex(block("hex", ""))
    text = dissect(file).text
    assert json.loads(text) == json.loads(block("json", ""))
    assert f"file of {len(file)} bytes with two chunks. Its stored header has {sizes(file)[1].bytes - 8} bytes" in (
        FORMAT.read_text(encoding="utf-8")
    )
    assert {chunk.name: chunk.data.hex(" ") for chunk in read(file).chunks} == {
        "decoder": "00 3c 00 38 00 34 00 30 00 2c 00 28",
        "planes": "66 69 6e 65",
    }


# --- damage ---


@pytest.mark.parametrize("partial", [False, True])
def test_every_flipped_bit_is_found(partial: bool) -> None:
    for damaged in flipped(FILE):
        with pytest.raises(FormatError):
            read(damaged, partial=partial)


def test_a_file_that_is_cut_anywhere_is_refused() -> None:
    for length in range(len(FILE)):
        refusal(FILE[:length])
    assert f"it has {len(FILE) - 1} of {len(FILE)} bytes" in refusal(FILE[:-1])


def test_a_file_that_is_cut_behind_its_header_gives_its_whole_chunks() -> None:
    ends = [len(FILE) - sum(len(chunk.data) + 4 for chunk in CHUNKS[number:]) for number in range(len(CHUNKS) + 1)]
    for length in range(ends[0]):
        refusal(FILE[:length], partial=True)
    for length in range(ends[0], len(FILE)):
        contents = read(FILE[:length], partial=True)
        whole = sum(end <= length for end in ends[1:])
        segments = 0 if CHUNKS[whole].level == CHUNKS[0].level else 1
        assert contents == (HEADER, CHUNKS[:whole], CHUNKS[whole].level, 1, segments, False, None)


def test_a_partial_read_of_a_whole_file_is_complete() -> None:
    assert read(FILE, partial=True) == read(FILE)


@pytest.mark.parametrize("partial", [False, True])
def test_bytes_after_the_end_are_refused(partial: bool) -> None:
    assert refusal(FILE + b"\x00", partial=partial) == "the file has 1 bytes after its end"
    assert "after its end" in refusal(FILE + FILE, partial=partial)


def test_a_chunk_from_another_file_of_the_same_header_is_found() -> None:
    """Each chunk has its own check with it; only a running sum notices the exchange."""
    other = write(HEADER, [replace(CHUNKS[0], data=b"WEIGHTS"), *CHUNKS[1:]])
    assert len(other) == len(FILE)
    end = len(FILE) - sum(len(chunk.data) + 4 for chunk in CHUNKS[1:])
    assert "planes.0 is damaged" in refusal(FILE[:end] + other[end:])


def test_a_damaged_chunk_is_named() -> None:
    damaged = FILE.replace(b"coarse", b"course")
    assert refusal(damaged).startswith("planes.0 is damaged")


# --- what no writer writes ---


@pytest.mark.parametrize(
    "file", [b"", b"\x89FP", b"\x89PNG\r\n\x1a\n" + bytes(40), MAGIC.replace(b"\r", b"") + bytes(40)]
)
def test_what_is_no_such_file_is_said_to_be_none(file: bytes) -> None:
    assert refusal(file).startswith("this is not a fieldpress file: it starts with b'")


def test_another_version_is_named_with_the_known_one() -> None:
    anatomy = dissect(FILE)
    found = refusal(assemble(anatomy.text, anatomy.payloads, version=7))
    assert found == "this is a file of version 7; known is version 1: update fieldpress"


def test_a_header_longer_than_the_file_is_refused() -> None:
    assert "cut short within its header" in refusal(MAGIC + struct.pack("<BI", 1, 2**32 - 1) + bytes(100))


def test_a_header_that_does_not_inflate_is_refused() -> None:
    assert refusal(frame(b"\xff\xff", [])) == "the header is damaged: it does not inflate"


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        (assemble(b"[]", []), "the header is []; expected a table"),
        (assemble(b"{}", []), "header.compressors is None; expected a list"),
        (file_with(compressors={}), "header.compressors is {}; expected a list"),
        (file_with(segments=None), "header.segments is None; expected a list"),
        (file_with(segments=[]), "the file has no chunks"),
        (file_with(segments=[[]]), "segment 0 is []; expected a list of chunks"),
        (file_with(segments=[{}]), "segment 0 is {}; expected a list of chunks"),
        (file_with_lines({}), "a chunk is {}; expected [name, tensors, compressor, level, length]"),
        (file_with_line("all", GRID, 0, 0), "; expected [name, tensors, compressor, level, length]"),
        (file_with_line("all", GRID, 0, 0, 3, 0), "; expected [name, tensors, compressor, level, length]"),
        (file_with_line(1, GRID, 0, 0, 3), "a chunk has the name 1; expected up to 128 of ASCII's ! to ~"),
        (file_with_line("", GRID, 0, 0, 3), "a chunk has the name ''"),
        (file_with_line("two words", GRID, 0, 0, 3), "a chunk has the name 'two words'"),
        (file_with_line("all\n", GRID, 0, 0, 3), "a chunk has the name 'all\\n'"),
        (file_with_line("\x1b[2J", GRID, 0, 0, 3), "a chunk has the name '\\x1b[2J'"),
        (file_with_line("größe", GRID, 0, 0, 3), "a chunk has the name 'größe'"),
        (file_with_line("x" * (MAX_NAME_LENGTH + 1), GRID, 0, 0, 3), "a chunk has the name 'xxx"),
        (file_with_line("all", GRID, 1, 0, 3), "all: the compressor is 1; expected a whole number from 0 to 0"),
        (file_with_line("all", GRID, -1, 0, 3), "all: the compressor is -1; expected a whole number"),
        (file_with_line("all", GRID, None, 0, 3), "all: the compressor is None; expected a whole number"),
        (file_with_line("all", GRID, 0, -1, 3), "all: the level is -1; expected a whole number from 0 to 255"),
        (file_with_line("all", GRID, 0, 256, 3), "all: the level is 256; expected a whole number from 0 to 255"),
        (file_with_line("all", GRID, 0, 0, -1), "all: the length is -1; expected a whole number from 0"),
        (file_with_line("all", GRID, 0, 0, 3.0), "all: the length is 3.0; expected a whole number from 0"),
        (file_with_line("all", GRID, 0, 0, 2**53), "the file is cut short"),
        (file_with_line("all", GRID, 0, 0, 4), "the file is cut short"),
        (file_with_line("all", GRID, 0, 0, 2), "the file has 1 bytes after its end"),
        (file_with_line("all", {}, 0, 0, 3), "all: the tensors are {}; expected a list of at least one"),
        (file_with_tensors(), "all: the tensors are []; expected a list of at least one"),
        (file_with_tensors("grid"), "all: a tensor is 'grid'; expected [name, shape]"),
        (file_with_tensors(["grid"]), "all: a tensor is ['grid']; expected [name, shape]"),
        (file_with_tensors(["grid", 2, 3]), "all: a tensor is ['grid', 2, 3]; expected [name, shape]"),
        (file_with_tensors([1, [2]]), "all: a tensor has the name 1; expected dotted words"),
        (file_with_tensors(["", [2]]), "all: a tensor has the name ''"),
        (file_with_tensors(["Grid", [2]]), "all: a tensor has the name 'Grid'"),
        (file_with_tensors(["grid\n", [2]]), "all: a tensor has the name 'grid\\n'"),
        (file_with_tensors(["grid..a", [2]]), "all: a tensor has the name 'grid..a'"),
        (file_with_tensors(["../grid", [2]]), "all: a tensor has the name '../grid'"),
        (file_with_tensors(["x" * (MAX_NAME_LENGTH + 1), [2]]), "all: a tensor has the name 'xxx"),
        (file_with_tensors(["grid", 2]), "grid: the shape is 2; expected 1 to 4 axes"),
        (file_with_tensors(["grid", []]), "grid: the shape is []; expected 1 to 4 axes"),
        (file_with_tensors(["grid", [1, 1, 1, 1, 1]]), "grid: the shape is [1, 1, 1, 1, 1]; expected 1 to 4 axes"),
        (file_with_tensors(["grid", [0]]), "grid: an axis is 0; expected a whole number from 1"),
        (file_with_tensors(["grid", [-1, -1]]), "grid: an axis is -1; expected a whole number from 1"),
        (file_with_tensors(["grid", [2.0]]), "grid: an axis is 2.0; expected a whole number"),
        (file_with_tensors(["grid", [True]]), "grid: an axis is True; expected a whole number"),
        (file_with_tensors(["grid", [2**53]]), f"grid: an axis is {2**53}; expected a whole number"),
        (file_with_tensors(["a", [1]], ["b", [0]]), "b: an axis is 0; expected a whole number from 1"),
        (file_with_tensors(["grid", [MAX_ELEMENTS, 2]]), f"segment 0 has more than {MAX_ELEMENTS} numbers"),
        (file_with_tensors(["a", [MAX_ELEMENTS]], ["b", [1]]), f"segment 0 has more than {MAX_ELEMENTS} numbers"),
        (file_with_tensors(["grid", [2]], ["grid", [2]]), "segment 0 has two tensors of the same name"),
        (
            file_with_lines(["a", GRID, 0, 0, 0], ["b", GRID, 0, 0, 3]),
            "segment 0 has two tensors of the same name",
        ),
        (
            file_with_lines(["a", [["a", [2]]], 0, 0, 0], ["a", [["b", [2]]], 0, 0, 3]),
            "segment 0 has two chunks of the same name",
        ),
        (
            file_with_lines(["a", [["a", [2]]], 0, 1, 0], ["b", [["b", [2]]], 0, 0, 3]),
            "segment 0 has a coarse level after a finer one",
        ),
        (file_with_tensors(*GRID * (MAX_TENSORS + 1)), f"all has more than {MAX_TENSORS} tensors"),
        (
            file_with_lines(["a", GRID * MAX_TENSORS, 0, 0, 0], ["b", GRID, 0, 0, 3]),
            f"the file has more than {MAX_TENSORS} tensors",
        ),
        (
            file_with(segments=[[["all", GRID, 0, 0, 0]]] * (MAX_TENSORS + 1)),
            f"the file has more than {MAX_TENSORS} tensors",
        ),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_a_header_that_no_writer_writes_is_refused(file: bytes, reason: str) -> None:
    assert reason in refusal(file)


def test_a_small_file_claims_no_gigabytes() -> None:
    assert "claims more numbers than" in refusal(file_with_tensors(["grid", [2**14, 2**13]]))
    several = [[f"grid.{number}", [2**13, 2**10]] for number in range(16)]
    assert "claims more numbers than" in refusal(file_with_tensors(*several))


def test_a_field_of_135_million_numbers_passes() -> None:
    shape = (2, 600, 340, 331)
    assert math.prod(shape) > 135_000_000
    chunk = Chunk("volume", tensor("volume.levels.0", *shape), RAW, bytes(10_000))
    assert read(write(HEADER, [chunk])).chunks == (chunk,)


def test_the_bound_on_numbers_counts_all_tensors_that_are_there() -> None:
    bytes_that_matter = range(50, 150, 5)  # the file has about a hundred
    outcomes = set()
    for length in bytes_that_matter:
        total = ELEMENTS_PER_FILE + ELEMENTS_PER_BYTE * length
        lines = [["a", [["a", [total - 9]], ["b", [4]]], 0, 0, 0], ["c", [["c", [5]]], 0, 1, 0]]
        text = json.dumps({"compressors": [RAW], "segments": [lines]}).encode()
        file = assemble(text, [b"", b""])
        outcomes.add(length > len(file))
        if length > len(file):
            assert "claims more numbers" in refusal(file)
        else:
            assert len(read(file).chunks) == 2
    assert outcomes == {True, False}


@pytest.mark.parametrize(
    "segment",
    [
        [["all", [["grid", [2**7] * 4]], 0, 0, 2**50]] * 20_000,
        [["all", [["grid", [2**7] * 4]] * 40_000, 0, 0, 2**50]],
    ],
    ids=["chunks", "tensors"],
)
def test_a_hostile_header_takes_little_memory(segment: list[Any]) -> None:
    file = file_with(segments=[segment])
    tracemalloc.start()
    try:
        refusal(file)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 32 * 2**20  # a megabyte of JSON as Python lists; the tensors would be 40 TB


def test_mutated_files_with_right_checks_are_read_or_refused() -> None:
    outcomes = {"read": 0, "refused": 0}
    for seed in range(300):
        try:
            read(mutate(FILE, Random(seed)))
            outcomes["read"] += 1
        except FormatError:
            outcomes["refused"] += 1
    assert min(outcomes.values()) > 50  # or the mutations are too tame, or too wild to reach what lies behind


# --- what cannot be written ---


@pytest.mark.parametrize(
    ("header", "chunks", "reason"),
    [
        ({"segments": []}, CHUNKS, "the header key 'segments' belongs to the container"),
        ({"compressors": []}, CHUNKS, "the header key 'compressors' belongs to the container"),
        ({1: 2}, CHUNKS, "the header cannot be written"),
        (HEADER, [], "the file has no chunks"),
        (HEADER, [CHUNKS[0], CHUNKS[0]], "segment 0 has two tensors of the same name"),
        (HEADER, [CHUNKS[0], replace(CHUNKS[1], name="decoder")], "segment 0 has two chunks of the same name"),
        (HEADER, [replace(CHUNKS[0], segment=1)], "segments must count from 0 without gaps; found [1]"),
        (HEADER, [replace(CHUNKS[0], segment=-1)], "segments must count from 0 without gaps; found [-1]"),
        (HEADER, [replace(CHUNKS[0], name="a b")], "a chunk has the name 'a b'"),
        (HEADER, [replace(CHUNKS[0], tensors=())], "decoder: the tensors are []; expected a list of at least one"),
        (HEADER, [replace(CHUNKS[0], tensors=tensor("A", 2))], "decoder: a tensor has the name 'A'"),
        (HEADER, [replace(CHUNKS[0], tensors=tensor("a"))], "a: the shape is []; expected 1 to 4 axes"),
        (HEADER, [replace(CHUNKS[0], tensors=tensor("a", 2**28))], "the file claims more numbers than"),
        (HEADER, [replace(CHUNKS[0], level=MAX_LEVEL + 1)], "decoder: the level is 256"),
        (HEADER, [replace(CHUNKS[0], compressor=object())], "the header cannot be written"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_what_could_not_be_read_is_not_written(header: dict[str, Any], chunks: list[Chunk], reason: str) -> None:
    with pytest.raises(ConfigError) as caught:
        write(header, chunks)
    assert reason in str(caught.value)
