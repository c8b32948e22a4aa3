"""Wrong files with right checksums, so that what is wrong reaches the decoders behind the container.

:func:`assemble` is a second writer of the container, made from FORMAT.md and without any check of what it is given;
the tests build their hostile files with it, and the fuzzer mutates through it.
"""

import json
import struct
import zlib
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from random import Random
from typing import Any

from fieldpress.container import MAGIC, VERSION
from fieldpress.header import DICTIONARY, inflate

VALUES: tuple[Any, ...] = (
    *(0, 1, 2, 3, 7, 8, 255, 256, 65_535, 2**24, 2**31 - 1, 2**31, 2**32, 2**53, -1, -(2**31)),
    *(0.0, 0.5, 1.5, -1.0, 1e-30, 1e30, 1e308, 5e-324),
    *(True, False, None, "", "id", "\u0000", "x" * 1000, "../../../etc/passwd", [], {}, [[]], [0] * 1000),
)
"""What a number, text or table is replaced with."""


@dataclass
class Anatomy:
    """A file taken apart: its header, still as text, and the bytes of its chunks, in the order of the file.

    A chunk that is stored in pieces is as many payloads.
    """

    text: bytes
    payloads: list[bytes]


def assemble(text: bytes, payloads: Sequence[bytes], version: int = VERSION) -> bytes:
    """A file with right checks, whatever the header says.

    Args:
        text: The header before it is deflated: JSON or anything else.
        payloads: The bytes of each chunk, or of each piece of one, in the order of the file.
        version: What the version byte says.
    """
    return frame(deflate(text), payloads, version)


def deflate(text: bytes) -> bytes:
    """The text as raw deflate against the format's preset dictionary."""
    deflater = zlib.compressobj(level=9, wbits=-15, zdict=DICTIONARY)
    return deflater.compress(text) + deflater.flush()


def frame(header: bytes, payloads: Sequence[bytes], version: int = VERSION) -> bytes:
    """A file around a header that is deflated already, or that is no deflate stream at all."""
    file = MAGIC + struct.pack("<BI", version, len(header)) + header
    check = zlib.crc32(file)
    file += struct.pack("<I", check)
    for payload in payloads:
        check = zlib.crc32(payload, check)
        file += payload + struct.pack("<I", check)
    return file


def dissect(file: bytes) -> Anatomy:
    """The parts of a good file, such that ``assemble(text, payloads)`` reads the same."""
    (length,) = struct.unpack_from("<I", file, 9)
    text = inflate(file[13 : 13 + length])
    position, payloads = 13 + length + 4, []
    for length in (length for line in _lines(json.loads(text)) for length in _lengths(line)):
        payloads.append(file[position : position + length])
        position += length + 4
    return Anatomy(text, payloads)


def flipped(file: bytes) -> Iterator[bytes]:
    """The file with one bit wrong, each in turn; checksums are left as they are."""
    for position in range(len(file)):
        for bit in range(8):
            wrong = bytearray(file)
            wrong[position] ^= 1 << bit
            yield bytes(wrong)


def mutate(file: bytes, random: Random) -> bytes:
    """A good file with one to three things wrong, and (nearly always) every checksum right.

    Chunks are changed, cut, lengthened and exchanged, with the lengths in the header kept true to them; tensors change
    places within their chunk or move to another; numbers, texts and tables of the header are replaced, removed and
    doubled; and the text of the header itself is damaged.

    Args:
        file: A file that decodes.
        random: Where the choices come from: the same state gives the same mutation.
    """
    anatomy = dissect(file)
    plain = json.loads(anatomy.text)
    lines = _lines(plain)
    places = [(line, piece) for line in lines for piece, _ in enumerate(_lengths(line))]
    """Of each payload: its line of the chunk table, and which of its pieces it is."""
    for _ in range(random.randint(1, 3)):
        kind = random.choices(("bytes", "exchange", "tensors", "value", "structure"), (6, 1, 1, 4, 2))[0]
        number, other = random.randrange(len(places)), random.randrange(len(places))
        if kind == "bytes":
            anatomy.payloads[number] = damage(anatomy.payloads[number], random)
        elif kind == "exchange":
            first, second = anatomy.payloads[number], anatomy.payloads[other]
            anatomy.payloads[number], anatomy.payloads[other] = second, first
        elif kind == "tensors":
            _move_tensor(places[number][0], places[other][0], random)
        else:
            _change(plain, kind, random)
    for (line, piece), payload in zip(places, anatomy.payloads, strict=True):
        if len(line) == 5 and not isinstance(line[4], list):
            line[4] = len(payload)
        elif len(line) == 5 and piece < len(line[4]) and random.random() < 0.9:
            line[4][piece] = len(payload)
    text = json.dumps(plain, ensure_ascii=False, separators=(",", ":")).encode()
    if random.random() < 0.05:
        text = damage(text, random)
    file = assemble(text, anatomy.payloads)
    return damage(file, random) if random.random() < 0.05 else file


def damage(data: bytes, random: Random) -> bytes:
    """The bytes with one run of them flipped, set, removed, doubled, inserted or cut off."""
    start = random.randrange(len(data) + 1)
    end = min(len(data), start + random.choice((1, 1, 1, 2, 4, 8, 64, 1024)))
    before, run, after = data[:start], data[start:end], data[end:]
    kind = random.choice(("flip", "flip", "noise", "zeros", "ones", "remove", "double", "insert", "cut"))
    if kind == "flip":
        run = bytes(byte ^ (1 << random.randrange(8)) for byte in run)
    elif kind in ("noise", "insert"):
        run = random.randbytes(len(run)) + (run if kind == "insert" else b"")
    elif kind in ("zeros", "ones"):
        run = (b"\x00" if kind == "zeros" else b"\xff") * len(run)
    elif kind == "double":
        run += run
    return before if kind == "cut" else before + after if kind == "remove" else before + run + after


def _move_tensor(source: list[Any], target: list[Any], random: Random) -> None:
    """Takes a tensor out of one line of the chunk table and puts it anywhere in another or the same."""
    if not all(len(line) == 5 and isinstance(line[1], list) for line in (source, target)) or not source[1]:
        return  # an earlier mutation was here
    tensor = source[1].pop(random.randrange(len(source[1])))
    target[1].insert(random.randint(0, len(target[1])), tensor)


def _change(plain: Any, kind: str, random: Random) -> None:
    """Replaces a value somewhere in the header, or removes, doubles or moves one."""
    places = _places(plain)
    if not places:
        return
    holder, key = random.choice(places)
    old = holder[key]
    if kind == "value":
        near = (old - 1, old + 1, old * 2, -old) if type(old) in (int, float) else ()
        holder[key] = deepcopy(random.choice((*near, *near, *VALUES)))
    elif random.random() < 0.4:
        del holder[key]
    elif isinstance(holder, list):
        holder.insert(key, deepcopy(random.choice((old, *VALUES))))
    else:
        elsewhere, name = random.choice(places)
        holder[random.choice((key + "x", "id"))] = deepcopy(elsewhere[name])


def _lengths(line: list[Any]) -> list[int]:
    """Of a good line of the chunk table: the lengths of its pieces, one if it has none."""
    return line[4] if isinstance(line[4], list) else [line[4]]


def _places(plain: Any) -> list[tuple[Any, Any]]:
    """Every (list or table, index or key) in the data."""
    places: list[tuple[Any, Any]] = []
    waiting = [plain]
    while waiting:
        holder = waiting.pop()
        keys = list(holder) if isinstance(holder, dict) else range(len(holder))
        places += [(holder, key) for key in keys]
        waiting += [holder[key] for key in keys if isinstance(holder[key], dict | list)]
    return places


def _lines(plain: Any) -> list[list[Any]]:
    """The lines of the chunk table, in the order of the chunks in the file."""
    numbered = [(line[3], number, line) for number, segment in enumerate(plain["segments"]) for line in segment]
    return [line for _, _, line in sorted(numbered, key=lambda item: item[:2])]
