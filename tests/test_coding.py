"""Bytes and integers: parts, the range coder, static tables, integer grids, steps and video streams."""

import contextlib
import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldpress.coding import nal, rangecoder
from fieldpress.coding.frames import StreamFormat, decode_pictures, encode_pictures
from fieldpress.coding.integers import decode_integers, encode_integers
from fieldpress.coding.lists import best_table, cost_in_bits, nearest_rung, read_list, write_list
from fieldpress.coding.neighbours import passes
from fieldpress.coding.parts import PartReader, PartWriter
from fieldpress.coding.rangecoder import (
    TOTAL,
    ConstrictionDecoder,
    ConstrictionEncoder,
    PythonDecoder,
    PythonEncoder,
    Table,
    decoder,
    encoder,
)
from fieldpress.coding.steps import code_not_below, from_levels, step_of, to_levels
from fieldpress.coding.symbols import MAX_MAGNITUDE, read_symbols, unzigzag, write_symbols, zigzag
from fieldpress.coding.tables import RUNGS, SHAPES, WIDEST_TABLE, rung
from fieldpress.errors import ConfigError, FormatError

has_constriction = pytest.mark.skipif(
    rangecoder._constriction is None, reason="constriction has no wheel for this platform; its tests run elsewhere"
)


def laplace(scale: float, shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.rint(np.random.default_rng(seed).laplace(0, scale, shape)).astype(np.int64)


def smooth(shape: tuple[int, ...], amplitude: float = 40, seed: int = 0) -> np.ndarray:
    """A moving pattern with a little noise: neighbours in space and time tell most of it."""
    time, row, column = np.indices(shape[-3:])
    pattern = np.sin(row / 5 + time / 3) * np.cos(column / 7 - time / 4)
    noise = np.random.default_rng(seed).normal(0, 1, shape)
    return np.rint(amplitude * pattern + noise).astype(np.int64)


# The first examples build tables, which takes longer than hypothesis' deadline for one example.
patient = settings(deadline=None)

# Parts


@given(st.integers(0, 2**63 - 1))
def test_a_varint_reads_back(number: int):
    writer = PartWriter()
    writer.varint(number)
    assert PartReader(writer.finish(), "test").varint() == number


def test_parts_read_back_in_order():
    writer = PartWriter()
    writer.string(b"abc")
    writer.rest(b"rest")
    reader = PartReader(writer.finish(), "test")
    assert (reader.string(), reader.rest()) == (b"abc", b"rest")
    reader.end()


@pytest.mark.parametrize(
    ("data", "read"),
    [
        (b"", lambda reader: reader.varint()),
        (b"\xff" * 12, lambda reader: reader.varint()),
        (b"\x05abcd", lambda reader: reader.string()),
        (b"\xff\xff\xff\xff\xff\xff\xff\xff\x7f", lambda reader: reader.string()),
        (b"\x09", lambda reader: reader.varint(limit=8)),
        (b"a", lambda reader: reader.end()),
    ],
    ids=[
        "empty",
        "endless varint",
        "short string",
        "huge string",
        "over the limit",
        "rest",
    ],
)
def test_damaged_parts_are_refused(data: bytes, read):
    with pytest.raises(FormatError, match="test"):
        read(PartReader(data, "test"))


# The range coder

tables = st.lists(st.integers(0, 10**9), min_size=2, max_size=40).filter(any).map(Table.from_weights)


@st.composite
def messages(draw) -> list[tuple[Table, np.ndarray]]:
    runs = []
    for _ in range(draw(st.integers(0, 8))):
        table = draw(tables)
        symbols = draw(st.lists(st.integers(0, len(table.frequencies) - 1), max_size=30))
        runs.append((table, np.array(symbols, dtype=np.int32)))
    return runs


def written(coder: rangecoder.Encoder, message) -> bytes:
    for table, symbols in message:
        coder.encode(symbols, table)
    return coder.finish()


@has_constriction
@patient
@given(messages())
def test_both_encoders_write_the_same_bytes(message):
    assert written(PythonEncoder(), message) == written(ConstrictionEncoder(), message)


@pytest.mark.parametrize("decoder", [PythonDecoder, pytest.param(ConstrictionDecoder, marks=has_constriction)])
@patient
@given(message=messages())
def test_both_decoders_read_what_was_written(decoder, message):
    coder = decoder(written(PythonEncoder(), message))
    for table, symbols in message:
        np.testing.assert_array_equal(coder.decode(len(symbols), table), symbols)


@has_constriction
@patient
@given(data=st.binary(max_size=60), table=tables)
def test_both_decoders_agree_on_garbage(data: bytes, table: Table):
    def outcome(coder: rangecoder.Decoder):
        try:
            return coder.decode(50, table).tolist()
        except FormatError:
            return "refused"

    assert outcome(PythonDecoder(data)) == outcome(ConstrictionDecoder(data))


@has_constriction
def test_carries_run_through_many_words():
    # The middle third of an exact third is as near to a carry as it gets: every word waits for the next.
    table = Table([TOTAL // 3 + 1, TOTAL // 3, TOTAL // 3])
    message = [(table, np.array([1] * 2000 + last, dtype=np.int32)) for last in ([0], [2], [1, 0, 2])]
    for run in message:
        assert written(PythonEncoder(), [run]) == written(ConstrictionEncoder(), [run])


def test_a_stream_worked_by_hand():
    # Half, then a quarter of the rest's first half: the interval is [0.5, 0.625), and 0.5 is the byte 0x80.
    table = Table.from_weights([1, 1])
    assert written(PythonEncoder(), [(table, np.array([1, 0, 0]))]) == b"\x80"


def test_symbols_that_stand_first_cost_nothing():
    assert written(PythonEncoder(), [(Table.from_weights([1, 3]), np.zeros(1000, dtype=np.int32))]) == b""


def test_the_coder_costs_at_most_a_byte_over_the_entropy():
    table = Table.from_weights([50, 30, 15, 5])
    symbols = np.random.default_rng(0).choice(4, 5000, p=[0.5, 0.3, 0.15, 0.05]).astype(np.int32)
    ideal = table.bits[symbols].sum() / 8
    # A byte either way: the stream may end on any number in its last interval, and takes the shortest.
    assert len(written(rangecoder.encoder(), [(table, symbols)])) == pytest.approx(ideal, abs=1)


@pytest.mark.parametrize("frequencies", [[TOTAL], [TOTAL, 0], [TOTAL, 1], [-1, TOTAL + 1], [1] * 5000])
def test_impossible_tables_are_refused(frequencies: list[int]):
    with pytest.raises(ValueError, match="a table needs"):
        Table(frequencies)


# Static tables


def test_the_tables_never_change():
    # A table is part of the format: another digest here means that old files decode to other numbers.
    digest = hashlib.sha256()
    for shape in SHAPES:
        for index in range(1, RUNGS):
            chosen = rung(index, shape)
            digest.update(repr((chosen.reach, chosen.low_bits, chosen.table.frequencies)).encode())
    assert digest.hexdigest()[:16] == "6cd7a9a574777c5b"


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("index", [13, 25, 31, 37, WIDEST_TABLE])
def test_a_rung_has_the_mean_magnitude_it_is_named_by(shape, index: int):
    chosen = rung(index, shape)
    magnitude = np.abs(unzigzag(np.arange(2 * chosen.reach + 1)))
    frequencies = np.array(chosen.table.frequencies[:-1])
    # The tail beyond the reach, at most 127 where the mean is 16, is left out here: 1 % of the mean for Laplace.
    assert (magnitude * frequencies).sum() / frequencies.sum() == pytest.approx(2 ** ((index - 1) / 3 - 10), rel=0.02)


@patient
@given(st.lists(st.integers(-MAX_MAGNITUDE, MAX_MAGNITUDE), min_size=1, max_size=40), st.data())
def test_symbols_read_back_on_any_rung(values: list[int], data):
    rungs = np.array(
        data.draw(st.lists(st.integers(1, RUNGS - 1), min_size=len(values), max_size=len(values))), np.uint8
    )
    shape = data.draw(st.sampled_from(SHAPES))
    coder = encoder()
    write_symbols(coder, np.array(values), rungs, shape)
    assert read_symbols(decoder(coder.finish()), rungs, shape).tolist() == values


def test_zigzag_orders_by_magnitude():
    assert zigzag(np.array([0, 1, -1, 2, -2])).tolist() == [0, 1, 2, 3, 4]


@patient
@given(st.lists(st.integers(-MAX_MAGNITUDE, MAX_MAGNITUDE), min_size=1, max_size=40))
def test_a_list_reads_back(values: list[int]):
    coder = rangecoder.encoder()
    write_list(coder, np.array(values))
    assert read_list(rangecoder.decoder(coder.finish()), len(values)).tolist() == values


@pytest.mark.parametrize("scale", [0.2, 1.0, 30.0, 5000.0])
def test_the_best_table_costs_within_a_percent_of_the_model(scale: float):
    values = laplace(scale, (50000,))
    counts = np.unique(values, return_counts=True)[1]
    if scale < 100:
        reference = -(counts * np.log2(counts / counts.sum())).sum()
    else:
        reference = len(values) * np.log2(2 * np.e * scale)
    assert cost_in_bits(values) == pytest.approx(reference, rel=0.01)
    assert best_table(values)[0] == "laplace" or scale < 1


def test_the_nearest_rung_of_its_own_mean_magnitude():
    assert nearest_rung(2.0 ** ((np.arange(1, RUNGS) - 1) / 3 - 10)).tolist() == list(range(1, RUNGS))


# Integer grids


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (5, 5), (8, 9), (1, 7), (2, 3), (30, 17)])
def test_passes_visit_every_cell_once_and_know_their_neighbours(rows: int, columns: int):
    known: set[int] = set()
    for step in passes(rows, columns, 4):
        assert known.issuperset(step.around.ravel().tolist())
        assert known.isdisjoint(step.cells.tolist())
        known.update(step.cells.tolist())
    assert known == set(range(rows * columns))


grids = {
    "vector": laplace(3, (30,)),
    "matrix with rows of different size": laplace(1, (16, 20)) * np.geomspace(1, 300, 16).astype(int)[:, None],
    "two values": np.random.default_rng(0).integers(0, 2, (40, 30)) * 7 - 3,
    "plane": smooth((3, 1, 20, 23))[:, 0],
    "volume": smooth((2, 5, 20, 23)),
    "offset channels": smooth((2, 5, 20, 23)) + np.array([1000, -70000])[:, None, None, None],
    "one cell": np.array([-5]),
    "thin volume": smooth((2, 5, 1, 40)),
    "largest": np.full((2, 9, 9), MAX_MAGNITUDE) * np.array([1, -1])[:, None, None],
    "zeros": np.zeros((3, 4, 10, 10), np.int64),
}


@pytest.mark.parametrize("name", grids)
def test_a_grid_reads_back(name: str):
    values, _ = decode_integers(encode_integers(grids[name]), grids[name].shape)
    np.testing.assert_array_equal(values, grids[name])


@pytest.mark.parametrize("name", grids)
def test_the_plain_coder_writes_and_reads_the_same_grid(name: str, monkeypatch: pytest.MonkeyPatch):
    data = encode_integers(grids[name])
    monkeypatch.setattr(rangecoder, "_constriction", None)
    assert encode_integers(grids[name]) == data
    np.testing.assert_array_equal(decode_integers(data, grids[name].shape)[0], grids[name])


def test_side_lists_share_the_stream():
    values, (first, second) = decode_integers(
        encode_integers(grids["plane"], (np.array([5]), np.array([1, 2, 3]))), grids["plane"].shape, (1, 3)
    )
    np.testing.assert_array_equal(values, grids["plane"])
    assert (first.tolist(), second.tolist()) == ([5], [1, 2, 3])


def test_a_grid_of_zeros_is_empty():
    assert encode_integers(grids["zeros"]) == b""


def test_a_bias_vector_costs_a_few_bytes_over_its_entropy():
    entropy = 30 * np.log2(2 * np.e * 3) / 8  # Laplace of scale 3, rounded to integers
    assert len(encode_integers(laplace(3, (30,)))) <= entropy + 5


def test_two_values_cost_a_bit_each():
    assert len(encode_integers(grids["two values"])) <= grids["two values"].size / 8 + 12


def test_context_saves_a_third_of_a_smooth_volume():
    volume = smooth((1, 20, 40, 40))
    # Noise of deviation 1 has log2(sqrt(2 pi e)) = 2.05 bits; what neighbours don't tell may cost half as much again.
    assert len(encode_integers(volume)) < 1.5 * 2.05 / 8 * volume.size < cost_in_bits(volume) / 8 / 1.5


@pytest.mark.parametrize("name", ["vector", "plane", "volume", "two values"])
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_a_damaged_grid_is_refused_or_keeps_its_shape(name: str, data):
    stream = bytearray(encode_integers(grids[name]))
    stream[data.draw(st.integers(0, len(stream) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        values, _ = decode_integers(bytes(stream), grids[name].shape)
    except FormatError:
        return
    assert values.shape == grids[name].shape
    assert np.abs(values).max() <= MAX_MAGNITUDE


@patient
@given(st.binary(max_size=80), st.sampled_from([(7,), (9, 9), (2, 9, 9), (2, 3, 9, 9)]))
def test_garbage_is_refused_or_becomes_a_grid(data: bytes, shape):
    with contextlib.suppress(FormatError):
        assert decode_integers(data, shape)[0].shape == shape


# Steps


@given(st.floats(1e-40, 1e38), st.integers(0, 10))
def test_a_step_code_is_the_next_step_up(step: float, mantissa_bits: int):
    code = code_not_below(step, mantissa_bits)
    assert step_of(code - 1, mantissa_bits) < step <= step_of(code, mantissa_bits)


@pytest.mark.parametrize("code", [-10000, 10000])
def test_impossible_steps_are_refused(code: int):
    with pytest.raises(FormatError, match="exponent"):
        step_of(code, 4)


@pytest.mark.parametrize("count", [2, 16, 256, 65536])
def test_levels_err_by_half_a_step(count: int):
    rows = np.random.default_rng(0).normal(5, 3, (4, 100)).astype(np.float32)
    levels = to_levels(rows, count)
    assert levels.indices.min() >= 0
    assert levels.indices.max() < count
    half = np.array([step_of(code, 4) for code in levels.codes.tolist()])[:, None] / 2
    rounding = 2.0**-23 * np.abs(rows)  # float32 itself
    assert (np.abs(from_levels(levels).astype(np.float64) - rows) <= half + rounding).all()


# Video streams


def test_nal_units_join_into_pictures():
    parameters, picture, other, suffix = b"\x40\x01p", b"\x26\x01a", b"\x02\x01b", b"\x50\x01s"
    code = nal.START_CODE
    assert nal.split(code + parameters + b"\0\0\1" + picture) == [parameters, picture]
    assert nal.access_units([parameters, picture, suffix, other]) == [
        code + parameters + code + picture + code + suffix,
        code + other,
    ]
    assert nal.needed([parameters, picture, suffix, parameters, other]) == [parameters, picture, other]


formats = {
    "x265 gray": StreamFormat("x265", 8, 5, "none", 24, 40),
    "x265 12 bits": StreamFormat("x265", 12, 5, "none", 32, 32),
    "x265 yuv444": StreamFormat("x265", 10, 3, "444", 64, 64),
    "x265-intra": StreamFormat("x265-intra", 10, 3, "none", 40, 64),
    "x265 yuv420": StreamFormat("x265", 10, 3, "420", 48, 64),
    "svt-av1": StreamFormat("svt-av1", 10, 5, "none", 64, 72),
    "svt-av1 yuv420": StreamFormat("svt-av1", 10, 5, "420", 64, 72),
}


def planes_of(stream: StreamFormat) -> list[np.ndarray]:
    middle = 2 ** (stream.bits - 1)
    planes = (smooth(shape, amplitude=middle / 2) + smooth(shape, amplitude=0.4) for shape in stream.shapes)
    return [(plane + middle).astype(np.uint16) for plane in planes]


def decoded_planes(data: bytes, stream: StreamFormat) -> list[np.ndarray]:
    planes = [np.empty(shape, np.uint16) for shape in stream.shapes]
    decode_pictures(data, stream, planes)
    return planes


@pytest.mark.parametrize("name", formats)
def test_pictures_come_back_near(name: str):
    stream = formats[name]
    planes = planes_of(stream)
    crf, preset = (20, "12") if stream.codec == "svt-av1" else (12, "veryfast")
    decoded = decoded_planes(encode_pictures(planes, stream, crf, preset), stream)
    squares = [np.square(after.astype(float) - before).ravel() for after, before in zip(decoded, planes, strict=True)]
    error = np.sqrt(np.mean(np.concatenate(squares)))
    # Both settings are near transparent: 40 dB and more on a signal that spans half of the range.
    assert error < 0.01 * 2**stream.bits


@pytest.mark.parametrize("name", ["x265 gray", "svt-av1 yuv420"])
def test_a_corner_of_pictures_comes_back_as_what_samples_stand_for(name: str):
    stream = formats[name]
    data = encode_pictures(planes_of(stream), stream, 30, "12" if stream.codec == "svt-av1" else "veryfast")
    values = np.random.default_rng(0).normal(size=2**stream.bits)
    corners = [np.empty((pictures, rows - 7, columns - 3)) for pictures, rows, columns in stream.shapes]
    decode_pictures(data, stream, corners, values)
    for corner, plane in zip(corners, decoded_planes(data, stream), strict=True):
        np.testing.assert_array_equal(corner, values[plane[:, :-7, :-3]])


@pytest.mark.parametrize("name", formats)
def test_encoding_pictures_twice_gives_the_same_bytes(name: str):
    stream = formats[name]
    preset = "12" if stream.codec == "svt-av1" else "veryfast"
    first, second = (encode_pictures(planes_of(stream), stream, 30, preset) for _ in range(2))
    assert first == second


def test_a_stream_of_other_pictures_is_refused():
    stream = formats["x265 gray"]
    data = encode_pictures(planes_of(stream), stream, 30, "ultrafast")
    for other in (
        stream._replace(pictures=4),
        stream._replace(pictures=6),
        stream._replace(rows=40),
        stream._replace(columns=24),
        stream._replace(bits=10),
        stream._replace(chroma="444"),
    ):
        with pytest.raises(FormatError, match="video stream"):
            decoded_planes(data, other)


def test_a_stream_for_huge_pictures_is_refused_before_they_are_allocated():
    big = StreamFormat("x265", 8, 1, "none", 512, 512)
    data = encode_pictures([np.zeros(shape, np.uint16) for shape in big.shapes], big, 30, "ultrafast")
    with pytest.raises(FormatError, match="video stream"):
        decoded_planes(data, big._replace(rows=64, columns=64))


def test_pictures_that_an_encoder_refuses_are_a_bad_request():
    deep = StreamFormat("svt-av1", 12, 1, "none", 64, 64)
    with pytest.raises(ConfigError, match="svt-av1 cannot encode 64x64"):
        encode_pictures([np.zeros(shape, np.uint16) for shape in deep.shapes], deep, 30, "12")


def test_a_stream_that_decodes_otherwise_is_never_returned(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(nal, "needed", lambda units: units[:-2])
    stream = formats["x265 gray"]
    with pytest.raises(ConfigError, match="does not decode to its own pictures"):
        encode_pictures(planes_of(stream), stream, 30, "ultrafast")
