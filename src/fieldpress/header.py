"""The text at the front of a file: plain data to a few bytes and back.

The text is strict JSON (RFC 8259) in UTF-8, deflated without a frame (RFC 1951) against a preset dictionary, which
holds what nearly every header says, so that a header costs little more than its numbers and the names of its tensors.
Strict means that two readers cannot disagree: no key twice, no NaN or infinity, no whole number that a
double cannot hold, no nesting beyond ``MAX_DEPTH``. All of it is checked in bounded time and memory.
"""

import json
import math
import re
import zlib
from collections import Counter
from typing import NoReturn

from fieldpress.config import MAX_DEPTH, MAX_INTEGER, Plain, shown
from fieldpress.errors import ConfigError, FormatError

MAX_HEADER_BYTES = 2**20
"""Neither the text nor its deflated form is longer."""

MAX_NUMBER_LENGTH = 32
"""Characters of one number; the shortest text of any double has at most 24."""

DICTIONARY = (
    b'"xy":[[16,16],[22,22],[30,30]],"yt":[[16,16]],"xt":[[16,16]]},"volume":{"id":"volume","levels":[{"channels":2,'
    b'"frames":600,"height":300,"width":300}],"neighbours":1,"interpolation":"nearest"}},'
    b'"decoder":{"id":"siren","width":128,"depth":3,"omega":30.0}},"about":{"preset":"nvp-l","preset":"nvp-s",'
    b'"compressors":[{"id":"raw","precision":"float32"},{"id":"raw","precision":"float16"},'
    b'{"id":"entropy","step":0.05,"unit":"absolute"},{"id":"video","codec":"x265","crf":24.0,"preset":"medium","bits":8,'
    b'"per":"tensor","layout":"yuv444","parts":{"id":"uniform","bits":8,"per":"tensor"}},{"id":"video",'
    b'"codec":"x265-intra","crf":21,"preset":"slow","bits":12,"per":"channel","layout":"tiled","segments":[[['
    b'"planes",[["planes.xy.0",[2,16,16]],["planes.xy.1",[2,22,22]],["planes.yt.0",[2,16,16]],["planes.xt.0",[2,16,16]],'
    b'["decoder.sine.0.weight",[128,1]],["decoder.sine.0.bias",[128]],["decoder.modulator.0.weight",[128,'
    b'["decoder.modulator.0.bias",[128]],["decoder.last.weight",[3,128]],'
    b'{"signal":{"id":"image","height":1080,"width":1920,"matrix":"bt601","full_range":true},"matrix":"rgb",'
    b'"full_range":true},"field":{"encodings":{"planes":{"id":"planes","channels":2,"volume":{"id":"volume",'
    b'"levels":[{"channels":1,"frames":1,"height":512,"width":768},{"channels":2,"frames":1,"height":256,"width":384}],'
    b'"decoder":{"id":"mlp","width":16,"depth":2}},"about":{"preset":"image","seed":0,"steps":500,"device":"cuda"},'
    b'"codec":"svt-av1","crf":36,"preset":"4",[["volume.levels.0",[1,1,512,768]],["volume.levels.1",[2,1,256,384]]],0,0,'
    b'["decoder",[["decoder.skip",[3,27]],["decoder.hidden.0.weight",[16,27]],["decoder.hidden.0.bias",[16]],'
    b'["decoder.hidden.1.weight",[16,16]],["decoder.hidden.1.bias",[16]],["decoder.last.weight",[3,16]],'
    b'{"signal":{"id":"video","frames":300,"height":720,"width":1280,"frame_rate":[30000,1001],"time_base":[1001,30000],'
    b'"frame_rate":[30,1],"time_base":[1,30],"timestamps":[0,1,2,"matrix":"bt2020","frame_rate":[24,1],'
    b'"time_base":[1,24],"frame_rate":[25,1],"time_base":[1,25],"timestamps":null,"matrix":"bt709","full_range":false},'
    b'"field":{"encodings":{"volume":{"id":"volume","levels":[{"channels":1,"frames":150,"height":360,"width":640},'
    b'{"channels":2,"frames":150,"height":180,"width":320}],"neighbours":3,"interpolation":"linear"}},'
    b'"decoder":{"id":"mlp","width":24,"depth":2}},"about":{"preset":"nvp-fit","seed":0,"steps":1000,"device":"cpu"},'
    b'"compressors":[{"id":"video","codec":"svt-av1","crf":46,"preset":"4","bits":10,"per":"channel","layout":"tiled",'
    b'"parts":{"id":"uniform","bits":8,"per":"channel"}},{"id":"entropy","step":0.015625,"unit":"rms"}],"segments":[[['
    b'"volume",[["volume.levels.0",[1,150,360,640]],["volume.levels.1",[2,150,180,320]]],0,0,'
    b'["decoder",[["decoder.skip",[3,27]],["decoder.hidden.0.weight",[24,27]],["decoder.hidden.0.bias",[24]],'
    b'["decoder.hidden.1.weight",[24,24]],["decoder.hidden.1.bias",[24]],'
    b'["decoder.last.weight",[3,24]],["decoder.last.bias",[3]]],1,0,]]}'
)
"""Part of the format: it stands in FORMAT.md, byte for byte, and never changes while a file of this version exists."""

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)  # a text, closed or not, or a bracket


def pack(plain: Plain) -> bytes:
    """The data as deflated text, in the order in which it is given.

    Raises:
        ConfigError: It is not plain data, or :func:`unpack` would not give it back as it is.

    Example:
        >>> unpack(pack({"signal": {"id": "image"}}))
        {'signal': {'id': 'image'}}
    """
    try:
        text = json.dumps(plain, allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
        deflater = zlib.compressobj(level=9, wbits=-zlib.MAX_WBITS, memLevel=9, zdict=DICTIONARY)
        data = deflater.compress(text) + deflater.flush()
        faithful = unpack(data) == plain
    except (FormatError, TypeError, ValueError, RecursionError) as error:
        raise ConfigError(f"the header cannot be written: {error}") from error
    if not faithful:
        raise ConfigError("the header cannot be written: it holds more than lists, texts, numbers and tables of them")
    return data


def unpack(data: bytes | memoryview) -> Plain:
    """What :func:`pack` wrote.

    Raises:
        FormatError: The bytes do not inflate, or not to strict JSON, or to more than ``MAX_HEADER_BYTES``.
    """
    return parse(inflate(data))


def inflate(data: bytes | memoryview) -> bytes:
    """The text, still as bytes. At most ``MAX_HEADER_BYTES`` + 1 of them are ever made.

    Raises:
        FormatError: The bytes are not exactly one deflate stream, or hold more than is allowed.
    """
    if len(data) > MAX_HEADER_BYTES:
        raise FormatError(f"the header has {len(data)} bytes; at most {MAX_HEADER_BYTES} are allowed")
    inflater = zlib.decompressobj(wbits=-zlib.MAX_WBITS, zdict=DICTIONARY)
    try:
        text = inflater.decompress(data, MAX_HEADER_BYTES + 1)
    except zlib.error:
        raise FormatError("the header is damaged: it does not inflate") from None
    if len(text) > MAX_HEADER_BYTES:
        raise FormatError(f"the header inflates to more than {MAX_HEADER_BYTES} bytes")
    if not inflater.eof:
        raise FormatError("the header is damaged: its deflate stream does not end")
    if inflater.unused_data:
        raise FormatError(f"the header has {len(inflater.unused_data)} bytes after the end of its deflate stream")
    return text


def parse(text: bytes) -> Plain:
    """Plain data from strict JSON.

    Raises:
        FormatError: The text is not strict JSON; the message says in what.
    """
    try:
        characters = text.decode("utf-8")
        _check_depth(characters)
        plain = json.loads(
            characters, parse_int=_integer, parse_float=_number, parse_constant=_constant, object_pairs_hook=_table
        )
        json.dumps(plain, ensure_ascii=False).encode("utf-8")  # an escaped half of a surrogate pair fails here
    except UnicodeError:
        raise FormatError("the header is not UTF-8 text") from None
    except json.JSONDecodeError as error:
        raise FormatError(f"the header is not JSON: {error}") from None
    return plain


def _check_depth(characters: str) -> None:
    """Before parsing, since a parser works by recursion, which hostile text could exhaust."""
    depth = 0
    for token in _TOKEN.finditer(characters):
        bracket = token.group()
        depth += (bracket in "[{") - (bracket in "]}")
        if depth > MAX_DEPTH:
            raise FormatError(f"the header is nested more than {MAX_DEPTH} deep")


def _integer(digits: str) -> int:
    if len(digits) > MAX_NUMBER_LENGTH or abs(int(digits)) > MAX_INTEGER:
        raise FormatError(f"the header has the whole number {shown(digits)}; allowed is ±2**53")
    return int(digits)


def _number(digits: str) -> float:
    if len(digits) > MAX_NUMBER_LENGTH or not math.isfinite(float(digits)):
        raise FormatError(f"the header has the number {shown(digits)}, which no double holds")
    return float(digits)


def _constant(name: str) -> NoReturn:
    raise FormatError(f"the header has the number {name}, which JSON does not know")


def _table(pairs: list[tuple[str, Plain]]) -> dict[str, Plain]:
    table = dict(pairs)
    if len(table) < len(pairs):
        [(twice, _)] = Counter(name for name, _ in pairs).most_common(1)
        raise FormatError(f"the header has the key {shown(twice)} twice in one table")
    return table
