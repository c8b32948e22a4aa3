"""The header's text: plain data to a few bytes and back, and nothing that two readers could understand differently."""

import ast
import json
import re
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import pytest
from benchmarks.hostile import deflate
from hypothesis import given
from hypothesis import strategies as st

from fieldpress.config import MAX_DEPTH, MAX_INTEGER
from fieldpress.errors import ConfigError, FormatError
from fieldpress.header import DICTIONARY, MAX_HEADER_BYTES, inflate, pack, parse, unpack

FORMAT = Path(__file__).parents[1] / "FORMAT.md"

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-MAX_INTEGER, MAX_INTEGER)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
plain_data = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


@given(plain_data)
def test_plain_data_survives(plain: Any) -> None:
    found = unpack(pack(plain))
    assert (found, repr(found)) == (plain, repr(plain))  # the text tells 1, 1.0 and True apart, and 0.0 from -0.0


@given(plain_data)
def test_an_inflater_without_preset_dictionaries_reads_it_behind_a_stored_block(plain: Any) -> None:
    length = len(DICTIONARY).to_bytes(2, "little")
    stored = b"\x00" + length + bytes(255 - byte for byte in length) + DICTIONARY
    text = zlib.decompress(stored + pack(plain), wbits=-15)[len(DICTIONARY) :]
    assert text == json.dumps(plain, ensure_ascii=False, separators=(",", ":")).encode()


def test_the_dictionary_stands_in_the_format_byte_for_byte() -> None:
    (block,) = re.findall(r"```python\n(DICTIONARY = .*?)```", FORMAT.read_text(encoding="utf-8"), re.DOTALL)
    assert ast.literal_eval(block.removeprefix("DICTIONARY = ")) == DICTIONARY
    assert f"{len(DICTIONARY)} bytes with the CRC-32 `{zlib.crc32(DICTIONARY):08x}`" in FORMAT.read_text("utf-8")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[1,]", "not JSON"),
        ("{} {}", "not JSON"),
        ("{'a':1}", "not JSON"),
        ("[01]", "not JSON"),
        ("[.5]", "not JSON"),
        ("[1]//", "not JSON"),
        ('"\n"', "not JSON"),
        ("\ufeff{}", "not JSON"),
        ("[١]", "not JSON"),  # a digit, but not an ASCII one
        ("[NaN]", "the number NaN, which JSON does not know"),
        ("[-Infinity]", "the number -Infinity, which JSON does not know"),
        ("[1e309]", "the number '1e309', which no double holds"),
        ("[0." + "1" * 100_000 + "]", "which no double holds"),
        (f"[{MAX_INTEGER + 1}]", "the whole number '9007199254740993'"),
        ("[-" + "9" * 100_000 + "]", "the whole number '-999"),
        ('{"a":1,"b":2,"a":3}', "the key 'a' twice"),
        ('[{"a":{"b":1,"b":1}}]', "the key 'b' twice"),
        (r'["\ud800"]', "not UTF-8"),
        (r'{"\udfff":1}', "not UTF-8"),
        ("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), f"nested more than {MAX_DEPTH} deep"),
        ("[" * 100_000, f"nested more than {MAX_DEPTH} deep"),
        ('{"a":' * 100_000, f"nested more than {MAX_DEPTH} deep"),
    ],
    ids=lambda text: text[:24],
)
def test_what_is_not_strict_json_is_refused(text: str, reason: str) -> None:
    with pytest.raises(FormatError) as caught:
        parse(text.encode())
    assert reason in str(caught.value)
    assert len(str(caught.value)) < 200
    assert "\n" not in str(caught.value)


def test_bytes_that_are_not_utf8_are_refused() -> None:
    with pytest.raises(FormatError, match="not UTF-8"):
        parse(b'["\xed\xa0\x80"]')


def test_brackets_in_texts_are_not_nesting() -> None:
    text = json.dumps(["[" * 100, '"' + "{" * 100, "\\" * 3 + "[" * 100])
    assert parse(text.encode()) == json.loads(text)


@pytest.mark.parametrize("unit", [b'"', b'\\"', b'"\\', b"\\", b'"a":', b"[],", b'{"a":1},'])
def test_any_text_of_the_greatest_length_is_read_in_linear_time(unit: bytes) -> None:
    """By the suite's time limit: a parser that goes back over a megabyte for each byte of it needs hours."""
    with pytest.raises(FormatError):
        parse((b'["' + unit * MAX_HEADER_BYTES)[:MAX_HEADER_BYTES])


def test_a_table_of_the_greatest_length_with_one_key_twice_is_refused_in_linear_time() -> None:
    keys = ",".join(f'"{number}":1' for number in range(100_000))
    with pytest.raises(FormatError, match="the key '99999' twice"):
        parse(f'{{{keys},"99999":1}}'.encode())


@pytest.mark.parametrize("length", [MAX_HEADER_BYTES + 1, 10**8])
def test_a_bomb_is_refused_before_it_unfolds(length: int) -> None:
    bomb = deflate(b" " * length)
    tracemalloc.start()
    try:
        with pytest.raises(FormatError, match=f"inflates to more than {MAX_HEADER_BYTES} bytes"):
            inflate(bomb)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 3 * MAX_HEADER_BYTES  # the text, and zlib's list of blocks while it joins them


def test_a_text_of_the_greatest_length_inflates() -> None:
    assert inflate(deflate(b" " * MAX_HEADER_BYTES)) == b" " * MAX_HEADER_BYTES


def test_a_header_that_is_too_long_when_deflated_is_refused_unread() -> None:
    empty_blocks = b"\x00\x00\x00\xff\xff" * (MAX_HEADER_BYTES // 5 + 1)  # inflate to nothing, for ever
    with pytest.raises(FormatError, match="bytes; at most"):
        inflate(empty_blocks)


def test_a_deflate_stream_must_end_exactly_at_the_end() -> None:
    good = deflate(b"{}")
    for wrong in (b"", good[:-1], good + b"\x00", good + good, b"\xff" * 8):
        with pytest.raises(FormatError, match="header"):
            inflate(wrong)


@pytest.mark.parametrize(
    "header",
    [
        {1: 2},
        {"a": (1, 2)},
        {"a": b"bytes"},
        {"a": float("nan")},
        {"a": MAX_INTEGER + 1},
        {"a": "\ud800"},
        {"a": "x" * MAX_HEADER_BYTES},
        ["x"] * MAX_HEADER_BYTES,
    ],
    ids=lambda header: repr(header)[:30],
)
def test_what_would_not_come_back_the_same_is_not_packed(header: Any) -> None:
    with pytest.raises(ConfigError, match="the header cannot be written"):
        pack(header)
