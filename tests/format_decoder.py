"""A decoder of whole files, written from FORMAT.md alone: it imports nothing of fieldpress.

The page's own listing reads the container. As short as can be: a field is asked for one place at a time.
"""

import hashlib
import itertools
import math
import re
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
from format_codes import Cells, codes_of, hashed, note, note_rows
from format_octree import Place, corners_of, level_of
from format_symbols import PAGE, Stream, axes

Table = dict[str, Any]


class Corners(NamedTuple):
    """Where cells are."""

    side: int
    places: list[Place]


class Before(NamedTuple):
    """Tensors of the same rule at lower levels, and where their cells are and those of a chunk's own."""

    tensors: list[np.ndarray]
    places: list[Corners | None]


NOTHING = Before([], [])
PYTHON: Table = {}
for beginning in ("DICTIONARY", "import"):
    exec(re.findall(rf"```python\n({beginning}.*?)```", PAGE, re.DOTALL)[0], PYTHON)


def header_of(file: bytes) -> Table:
    """What the header says."""
    end = 13 + int.from_bytes(file[9:13], "little")
    inflater = PYTHON["zlib"].decompressobj(wbits=-15, zdict=PYTHON["DICTIONARY"])
    return PYTHON["json"].loads(inflater.decompress(file[13:end]))


def tensors_of(file: bytes, segment: int = 0) -> dict[str, np.ndarray]:
    """All tensors of a segment by name."""
    found = {}
    by_rule: dict[str, Before] = {}
    for number, chunk, lines, compressor, _, data in PYTHON["chunks"](file):
        if number != segment:
            continue
        names, shapes = zip(*lines, strict=True)
        before = by_rule.setdefault(chunk.split("@")[0], Before([], []))
        before.places.extend(places_of(header_of(file), segment, name, found) for name in names)
        arrays = decode_chunk(compressor, data, shapes, before)
        before.tensors.extend(arrays)
        found |= zip(names, arrays, strict=True)
    return found


def places_of(header: Table, segment: int, name: str, known: Mapping[str, np.ndarray]) -> Corners | None:
    """Where the cells of a tensor are, if that is known."""
    name, kind, level = [*name.split("."), "", ""][:3]
    encodings = (header["fields"][segment] if "fields" in header else header)["field"]["encodings"]
    if kind != "levels" or encodings[name]["id"] != "octree":
        return None
    octants = [known.get(f"{name}.octants.{i}") for i in range(int(level) + 1)]
    if any(tensor is None for tensor in octants):
        return None
    coarsest = encodings[name]["coarsest"]
    return Corners(2 ** (coarsest + int(level)), corners_of(octants, coarsest))


def chunks_there(file: bytes) -> list[tuple[int, list[Any], bytes, bool]]:
    """Segment, chunk line, data and wholeness of all chunks of a file that is cut short, as far as they are there."""
    position = 17 + int.from_bytes(file[9:13], "little")
    check = int.from_bytes(file[position - 4 : position], "little")
    lines = [(number, line) for number, segment in enumerate(header_of(file)["segments"]) for line in segment]
    found = []
    for number, line in sorted(lines, key=lambda numbered: (numbered[1][3], numbered[0])):
        lengths, data = line[4] if isinstance(line[4], list) else [line[4]], b""
        for length in lengths:
            end = position + length
            if end + 4 > len(file):
                return [*found, (number, line, data, False)] if data else found
            check = PYTHON["zlib"].crc32(file[position:end], check)
            assert check == int.from_bytes(file[end : end + 4], "little")
            data, position = data + file[position:end], end + 4
        found.append((number, line, data, True))
    return found


def beginning_of(file: bytes) -> tuple[int, list[dict[str, np.ndarray]]]:
    """How many pictures a cut clip of one level shows, and the tensors of each segment that shows them."""
    header, there, shown, found = header_of(file), chunks_there(file), 0, []
    fields = header.get("fields", [{"frames": header["signal"]["frames"], "field": header.get("field")}])
    for number, (segment, field) in enumerate(zip(header["segments"], fields, strict=True)):
        own = [chunk for chunk in there if chunk[0] == number]
        if len(own) < len(segment):
            break
        tensors, k = {}, field["frames"]
        for _, (_, lines, index, _, _), data, whole in own:
            names, shapes = zip(*lines, strict=True)
            compressor = header["compressors"][index]
            if whole:
                arrays = decode_chunk(compressor, data, shapes)
            else:
                encodings = {field["field"]["encodings"][name.split(".")[0]]["id"] for name in names}
                assert encodings <= {"film", "wide-film", "volume", "cell-volume"}
                assert {shape[1] for shape in shapes} == {k}
                k, arrays = decode_beginning(compressor, data, shapes)
            tensors |= zip(names, arrays, strict=True)
        if k:
            shown += k
            found.append(tensors)
    return shown, found


def decode_beginning(compressor: Table, data: bytes, shapes: Sequence[Sequence[int]]) -> tuple[int, list[np.ndarray]]:
    """The pictures of a payload of which only the beginning is there, and tensors made as long as the whole ones."""
    rest, k = data if compressor["amplitude"] is not None else byte_string(data)[1], 0
    while any(byte < 128 for byte in rest[:9]):
        length, inside = varint(rest)
        if length > len(inside):
            break
        k, rest = k + 1, inside[length:]
    end = len(data) - len(rest)
    if not k:
        return 0, []
    shorter = decode_chunk(compressor, data[:end], [[shape[0], k, *shape[2:]] for shape in shapes])
    times = [np.minimum(np.arange(shape[1]), k - 1) for shape in shapes]
    return k, [array[:, time] for array, time in zip(shorter, times, strict=True)]


def segment_at(header: Table, t: np.float32, shown: int | None = None) -> tuple[int, np.float32]:
    """The segment that shows a time, and the time there; of a file that shows fewer pictures if it is cut short."""
    v = float(t) * (shown or header["signal"]["frames"])
    k = math.floor(v) + 0.5
    v = k if abs(v - k) < 2**-8 else v
    start, number = 0, 0
    while number + 1 < len(header["fields"]) and start + header["fields"][number]["frames"] <= v:
        start += header["fields"][number]["frames"]
        number += 1
    return number, np.float32(min(max((v - start) / header["fields"][number]["frames"], 0), 1))


# --- compressors ---


LARGEST = float(np.finfo(np.float32).max)


def to_float32(values: np.ndarray) -> np.ndarray:
    return np.clip(values, -LARGEST, LARGEST).astype(np.float32)


def step(code: int, m: int) -> float:
    return (2**m + code % 2**m) * 2.0 ** (code // 2**m - m)


def varint(data: bytes) -> tuple[int, bytes]:
    last = next(i for i, byte in enumerate(data) if byte < 128)
    return sum((byte & 127) << 7 * i for i, byte in enumerate(data[: last + 1])), data[last + 1 :]


def byte_string(data: bytes) -> tuple[bytes, bytes]:
    length, data = varint(data)
    return data[:length], data[length:]


def is_film(shapes: Sequence[Sequence[int]]) -> bool:
    if len(shapes) != 2 or len(shapes[0]) != 4:
        return False
    c, t, rows, columns = shapes[0]
    return c == 1 and min(rows, columns) >= 24 and list(shapes[1]) == [2, t, (rows + 1) // 2, (columns + 1) // 2]


def decode_chunk(
    compressor: Table, data: bytes, shapes: Sequence[Sequence[int]], before: Before = NOTHING
) -> list[np.ndarray]:
    """The tensors of a chunk."""
    if compressor["id"] == "video" and is_film(shapes):
        _, time, height, width = shapes[0]
        size = math.prod(shapes[0])

        def samples(stream: bytes) -> np.ndarray:
            return np.concatenate([plane.ravel() for plane in pictures(compressor, stream, time, height, width, "420")])

        values = payload(compressor, data, [size + math.prod(shapes[1])], samples)
        return [values[:size].reshape(shapes[0]), values[size:].reshape(shapes[1])]
    if compressor["id"] == "video" and compressor["layout"] == "atlas":
        return decode_atlases(compressor, data, shapes)
    found = []
    for shape in shapes[:-1]:
        piece, data = byte_string(data)
        found.append(decode_tensor(compressor, piece, shape, Before([*before.tensors, *found], before.places)))
    last = Before([*before.tensors, *found], before.places)
    return [*found, decode_tensor(compressor, data, shapes[-1], last)]


def decode_tensor(compressor: Table, data: bytes, shape: Sequence[int], before: Before = NOTHING) -> np.ndarray:
    """A tensor from its own bytes, and, of an octree, those before it."""
    kind = compressor["id"]
    if kind == "raw":
        precision = {"float32": "<f4", "float16": "<f2"}[compressor["precision"]]
        return np.frombuffer(data, precision).astype(np.float32).reshape(shape)
    if kind == "video":
        return decode_tiles(compressor, data, shape)
    if kind == "dictionary":
        return decode_dictionary(compressor, data, shape, before)
    if kind == "tucker":
        return decode_tucker(compressor, data, shape)
    if kind == "lowrank":
        ranks = [compressor["rank"], *(1.0 for _ in shape[1:])]
        inner = {**compressor, "ranks": ranks, "id": "tucker"} if len(shape) > 2 else compressor["parts"]
        return decode_tensor(inner, data, shape)
    if kind == "octants":
        way, data = varint(data) if len(shape) == 2 and shape[1] == 8 else (0, data)
        return level_of(data, shape[0], before.tensors) if way else decode_tensor(compressor["parts"], data, shape)
    stream = Stream(data)
    if kind == "entropy":
        g = shape[0] if compressor["unit"] == "channel" and len(shape) > 1 else 1
        absolute = compressor["unit"] == "absolute"
        n = stream.list(g).tolist()
        units = [[compressor["step"] * step(one, 0) if absolute else step(one, 7)] for one in n]
        return to_float32(stream.tensor(shape).reshape(g, -1) * np.array(units)).reshape(shape)
    g = shape[0] if compressor["per"] == "channel" and len(shape) > 1 else 1
    code, low = stream.list(g), stream.list(g)
    return levels(stream.tensor(shape).reshape(g, -1), code, low).reshape(shape)


def levels(indices: np.ndarray, code: np.ndarray, low: np.ndarray) -> np.ndarray:
    """Values of rows of level indices."""
    return to_float32((indices + low[:, None] / 8) * np.array([[step(c, 4)] for c in code.tolist()]))


def decode_tiles(compressor: Table, data: bytes, shape: Sequence[int]) -> np.ndarray:
    if len(shape) == 1:
        return decode_tensor(compressor["parts"], data, shape)
    channels, time, rows, columns = axes(shape)
    p = 3 if compressor["layout"] == "yuv444" and channels == 3 else 1
    n = channels // p
    ways = [(n // a * rows, a * columns, a) for a in range(1, n + 1) if n % a == 0]
    height, width, a = min(ways, key=lambda way: Fraction(max(way[:2]), min(way[:2])))
    if min(height, width) < 24:
        return decode_tensor(compressor["parts"], data, shape)

    def samples(stream: bytes) -> np.ndarray:
        planes = pictures(compressor, stream, time, height, width, "444" if p == 3 else "grey")
        return np.stack(planes).reshape(p, time, n // a, rows, a, columns).transpose(0, 2, 4, 1, 3, 5).ravel()

    g = channels if compressor["per"] == "channel" else 1
    return payload(compressor, data, [math.prod(shape) // g] * g, samples).reshape(shape)


def decode_atlases(compressor: Table, data: bytes, shapes: Sequence[Sequence[int]]) -> list[np.ndarray]:
    groups: list[list[int]] = []
    latest: dict[int, list[int]] = {}
    for i, shape in enumerate(shapes):
        if not makes_cells(shape):
            groups.append([i])
            continue
        time = axes(shape)[1]
        if time not in latest or area(cells_of([shapes[j] for j in [*latest[time], i]])) > 2**24:
            latest[time] = []
            groups.append(latest[time])
        latest[time].append(i)
    parts: list[list[int]] = []
    for group in groups:
        parts += [group] if is_atlas([shapes[i] for i in group]) else [[i] for i in group]
    found: dict[int, np.ndarray] = {}
    for number, part in enumerate(parts):
        piece, data = byte_string(data) if number < len(parts) - 1 else (data, b"")
        members = [shapes[i] for i in part]
        if is_atlas(members):
            found |= zip(part, decode_atlas(compressor, piece, members), strict=True)
        else:
            found[part[0]] = decode_tiles(compressor, piece, members[0])
    return [found[i] for i in range(len(shapes))]


def makes_cells(shape: Sequence[int]) -> bool:
    return len(shape) > 1 and all(8 <= side <= 4096 for side in shape[-2:]) and area(cells_of([shape])) <= 2**24


def cells_of(shapes: Sequence[Sequence[int]]) -> list[tuple[int, int]]:
    return [(-(-s[-2] // 8) * 8, -(-s[-1] // 8) * 8) for s in shapes for _ in range(axes(s)[0])]


def area(cells: Sequence[tuple[int, int]]) -> int:
    return sum(height * width for height, width in cells)


def is_atlas(shapes: Sequence[Sequence[int]]) -> bool:
    if not makes_cells(shapes[0]):
        return False
    sides = shelves(cells_of(shapes))[0]
    return min(sides) >= 24 and math.prod(sides) <= 4 * sum(math.prod(shape) // axes(shape)[1] for shape in shapes)


def shelves(cells: list[tuple[int, int]]) -> tuple[tuple[int, int], list[tuple[int, int]]]:
    """Height and width of the picture, and top and left of each cell."""
    m = max(max(width for _, width in cells), math.isqrt(area(cells) - 1) + 1)
    ways = []
    for n in range(8, 17):
        limit = -(-m * n // 64) * 8
        top, left, bottom, right, places = 0, 0, 0, 0, {}
        for i in sorted(range(len(cells)), key=lambda i: (-cells[i][0], -cells[i][1], i)):
            height, width = cells[i]
            if left + width > limit or not places:
                top, left, bottom = bottom, 0, bottom + height
            places[i] = top, left
            left += width
            right = max(right, left)
        ways.append(((bottom, right), [places[i] for i in range(len(cells))]))
    return min(ways, key=lambda way: math.prod(way[0]))


def decode_atlas(compressor: Table, data: bytes, shapes: Sequence[Sequence[int]]) -> list[np.ndarray]:
    sides, places = shelves(cells_of(shapes))
    channels = [axes(shape)[1:] for shape in shapes for _ in range(axes(shape)[0])]

    def samples(stream: bytes) -> np.ndarray:
        (plane,) = pictures(compressor, stream, channels[0][0], *sides, "grey")
        corners = zip(places, channels, strict=True)
        return np.concatenate([plane[:, y : y + r, x : x + c].ravel() for (y, x), (_, r, c) in corners])

    sizes = [math.prod(channel) for channel in channels]
    values = payload(compressor, data, sizes if compressor["per"] == "channel" else [sum(sizes)], samples)
    ends = np.cumsum([math.prod(shape) for shape in shapes])[:-1]
    return [part.reshape(shape) for part, shape in zip(np.split(values, ends), shapes, strict=True)]


def payload(compressor: Table, data: bytes, rows: list[int], samples: Callable[[bytes], np.ndarray]) -> np.ndarray:
    """The values of a video payload, flat, from rows of so many numbers; `samples` decodes its stream."""
    if compressor["amplitude"] is not None:
        h = 2 ** (compressor["bits"] - 1)
        return to_float32((samples(data) - float(h)) * (compressor["amplitude"] / h))
    scale, data = byte_string(data)
    stream = Stream(scale)
    code, low, flat = (stream.list(len(rows)) for _ in range(3))
    indices = np.zeros(sum(rows), np.int64) if flat.all() else samples(data).astype(np.int64)
    parts = np.split(indices, np.cumsum(rows)[:-1])
    return np.concatenate(
        [levels(part * (flat[i] == 0), code[i : i + 1], low[i : i + 1])[0] for i, part in enumerate(parts)]
    )


def decode_tucker(compressor: Table, data: bytes, shape: Sequence[int]) -> np.ndarray:
    parts, ranks = compressor["parts"], compressor["ranks"]
    listed = ranks if isinstance(ranks, list) else [ranks] * (len(shape) - 1)
    named = [1.0] * (len(shape) - len(listed)) + listed
    core = [r if isinstance(r, int) else max(1, math.floor(r * n + 0.5)) for r, n in zip(named, shape, strict=True)]
    cut = [axis for axis in range(len(shape)) if core[axis] < shape[axis]]
    if len(shape) == 1 or math.prod(core) + sum(core[axis] * shape[axis] for axis in cut) >= math.prod(shape):
        return decode_tensor(parts, data, shape)
    way, data = varint(data)
    if way == 0:
        return decode_tensor(parts, data, shape)
    rows = {}
    for axis in cut:
        piece, data = byte_string(data)
        factor = decode_tensor(parts, piece, (core[axis], shape[axis])).astype(float)
        for x in factor:
            if x.any():
                scale = 2.0 ** (15 - above(x))
                t = sum(round(number * scale) ** 2 for number in x.tolist())
                x *= scale / 2 ** (t.bit_length() // 2)
        rows[axis] = factor
    a = decode_tensor(parts, data, core).astype(float)
    for axis in reversed(cut):
        k = core[axis].bit_length()
        f = (48 - k) // 2
        scale = 2.0 ** (52 - k - f - above(a))
        left, right = np.rint(a * scale).astype(np.int64), np.rint(rows[axis] * 2.0**f).astype(np.int64)
        a = np.moveaxis(np.tensordot(left, right, (axis, 0)), -1, axis) / scale / 2.0**f
    return to_float32(a)


def cells_before(compressor: Table, channels: int, before: Before) -> Cells | None:
    """What is known of a tensor's cells ahead of its first group, if they have places."""
    own = [*before.places, *[None] * len(before.tensors), None][len(before.tensors)]
    if own is None:
        return None
    for tensor, other in reversed(list(zip(before.tensors, before.places, strict=False))):
        if other and 2 * other.side == own.side and len(tensor) == channels:
            coarser = Cells(other.places, [], [], None)
            for part in groups_of(compressor, channels):
                rows = tensor[part].reshape(part.stop - part.start, -1).T
                note_rows(coarser, rows, above(rows))
            return Cells(own.places, [], [], coarser)
    return Cells(own.places, [], [], None)


def groups_of(compressor: Table, channels: int) -> list[slice]:
    n = min(compressor["groups"], channels)
    return [slice(-(-g * channels // n), -(-(g + 1) * channels // n)) for g in range(n)]


def decode_dictionary(compressor: Table, data: bytes, shape: Sequence[int], before: Before) -> np.ndarray:
    channels, cells, k = shape[0], shape[1:], 2 ** compressor["bits"]
    if len(shape) < 3 or math.prod(cells) < k:
        return decode_tensor(compressor["parts"], data, shape)
    piece, data = byte_string(data)
    entries = decode_tensor(compressor["entries"], piece, (channels, k))
    found, known, placed = [], [], cells_before(compressor, channels, before)
    groups = groups_of(compressor, channels)
    for g, part in enumerate(groups):
        group = entries[part]
        if compressor["codes"] == "random" and data:
            assert data == b"\1"
            places = before.places[len(before.tensors)]
            assert places is not None
            codes = np.array([[z ^ y * 2654435761 ^ x * 805459861 ^ g * 3674653429] for x, y, z in places.places]) % k
        elif compressor["codes"] == "random":
            codes = hashed(g, cells, k)
        else:
            piece, data = byte_string(data) if g < len(groups) - 1 else (data, b"")
            codes = codes_of(piece, cells, group, above(group), known, placed)
            known.append(codes)
            if placed:
                note(placed, group.T, above(group), codes.ravel().tolist())
        found.append(group[:, codes])
    return np.concatenate(found)


def above(numbers: np.ndarray) -> int:
    """The least e with all magnitudes below 2^e; 0 for zeros."""
    return math.frexp(float(np.abs(numbers).max()))[1]


def pictures(compressor: Table, data: bytes, time: int, rows: int, columns: int, chroma: str) -> list[np.ndarray]:
    """The planes of a stream, each (time, rows, columns)."""
    units = []
    while data:
        unit, data = byte_string(data)
        units.append(unit)
    av1 = compressor["codec"].startswith("svt-av1")
    context: Any = av.CodecContext.create("libdav1d" if av1 else "hevc", "r")
    annex_b = b"".join(b"\0\0\0\1" + unit for unit in units)
    packets = [av.Packet(unit) for unit in units] if av1 else [*context.parse(annex_b), *context.parse(None)]
    frames = [frame for packet in [*packets, None] for frame in context.decode(packet)]
    assert len(frames) == time
    planes = []
    for number in range(1 if chroma == "grey" else 3):
        half = 2 if chroma == "420" and number else 1
        kind = np.uint8 if compressor["bits"] == 8 else np.uint16
        lines = [np.frombuffer(f.planes[number], kind).reshape(f.planes[number].height, -1) for f in frames]
        planes.append(np.stack([line[: -(-rows // half), : -(-columns // half)] for line in lines]))
    return planes


# --- fields ---


def codes_at(field: Table, tensors: dict[str, np.ndarray], t: float, y: float, x: float) -> np.ndarray:
    """The 8-bit colour at a place."""
    place = np.array([t, y, x], np.float32)
    if field["decoder"]["id"] in PAINTERS:
        return codes_of_colour(painted(field, tensors, place))
    colour = DECODERS[field["decoder"]["id"]](field["decoder"], tensors, features_at(field, tensors, place), place[0])
    return codes_of_colour(colour)


def features_at(field: Table, tensors: dict[str, np.ndarray], place: np.ndarray) -> np.ndarray:
    found = [READERS[config["id"]](config, name, tensors, place) for name, config in field["encodings"].items()]
    return np.concatenate(found)


def painted(field: Table, tensors: dict[str, np.ndarray], place: np.ndarray) -> np.ndarray:
    """The colour at a place, between the pixels around it, each from its cell."""
    sides = next(filter(None, map(sides_of, field["encodings"].values())))
    pixels = np.zeros((3, *sides), np.float32)
    for r, c in itertools.product(*(cells_near(u, n) for u, n in zip(place[1:], sides, strict=True))):
        centre = np.array([place[0], (2 * r + 1) / sides[0], (2 * c + 1) / sides[1]], np.float32)
        cell = PAINTERS[field["decoder"]["id"]](field, tensors, features_at(field, tensors, centre))
        rows, columns = (min(2, side - 2 * first) for side, first in zip(sides, (r, c), strict=True))
        pixels[:, 2 * r : 2 * r + 2, 2 * c : 2 * c + 2] = np.moveaxis(cell, -1, 0)[:, :rows, :columns]
    return read(pixels, place[1:], (0, 0))


def cells_near(u: np.float32, n: int) -> set[int]:
    """Along an axis, the cells of all pixels that a place may be read from."""
    return {min(max(math.floor(u * n - 0.5) + d, 0), n - 1) // 2 for d in (-1, 0, 1, 2)}


def sides_of(config: Table) -> tuple[int, int] | None:
    if config["id"] == "cell-volume":
        config = config["levels"][0]
    return (config["height"], config["width"]) if "height" in config else None


def codes_of_colour(colour: np.ndarray) -> np.ndarray:
    return np.floor(255 * np.clip(colour, 0, 1) + 0.5).astype(np.uint8)


def read(
    grid: np.ndarray, place: np.ndarray, offsets: Sequence[int], linear: bool = True, k: int = 0, snap: bool = True
) -> np.ndarray:
    """A grid (channels, axes ...) at a place, one axis after the other; of nested planes level k."""
    for u, d in zip(place, offsets, strict=True):
        v = np.float32(u * np.float32(grid.shape[1]) - np.float32(0.5)) / np.float32(2**k)
        grid = grid[:, :: 2**k]
        n = grid.shape[1]
        v = np.round(v) if snap and abs(v - np.round(v)) < 2**-10 else v
        v = np.clip(v + d if linear else math.floor(u * n + 2**-10) + d, 0, n - 1)
        i = int(v)
        grid = grid[:, i] + np.float32(v - i) * (grid[:, min(i + 1, n - 1)] - grid[:, i])
    return grid


def read_planes(
    config: Table, name: str, tensors: dict[str, np.ndarray], place: np.ndarray, moved: np.ndarray | None = None
) -> np.ndarray:
    features = []
    for plane, pair in (("xy", [1, 2]), ("yt", [0, 2]), ("xt", [0, 1])):
        if config["id"] == "nested":
            levels = [(tensors[f"{name}.{plane}"], k) for k in range(config["levels"])]
        else:
            levels = [(tensors[f"{name}.{plane}.{i}"], 0) for i in range(len(config[plane]))]
        still = moved is None or plane != "xy"
        spot = place[pair] if still else moved
        features += [read(grid, spot, (0, 0), k=k, snap=still) for grid, k in levels]
    return np.concatenate(features)


def read_flow(config: Table, name: str, tensors: dict[str, np.ndarray], place: np.ndarray) -> np.ndarray:
    d = read(tensors[f"{name}.motion.levels.0"], place, (0, 0, 0))
    moved = place[1:] + d / np.array(config["cells"][1:], np.float32)
    inner = config["keyframes"]
    return read_planes(inner, f"{name}.{inner['id']}", tensors, place, moved)


def read_volume(config: Table, name: str, tensors: dict[str, np.ndarray], place: np.ndarray) -> np.ndarray:
    linear, near = config["interpolation"] == "linear", (0,) if config["neighbours"] == 1 else (-1, 0, 1)
    features = []
    for i in range(len(config["levels"])):
        cells = [read(tensors[f"{name}.levels.{i}"], place, (0, dy, dx), linear) for dy in near for dx in near]
        features.append(np.stack(cells, axis=1).ravel())
    return np.concatenate(features)


def read_cell_volume(config: Table, name: str, tensors: dict[str, np.ndarray], place: np.ndarray) -> np.ndarray:
    features = []
    for i, level in enumerate(config["levels"]):
        spot, offsets = place.copy(), []
        for axis, side in ((1, "height"), (2, "width")):
            n, m = config["levels"][0][side], level[side]
            half = -(-n // 2)
            if m > half:
                spot[axis] -= 0.5 / m
            elif m == half:
                spot[axis] *= n / (2 * m)
            offsets.append((-1, 0, 1, 2) if m > half else (-1, 0, 1))
        cells = [read(tensors[f"{name}.levels.{i}"], spot, (0, dy, dx)) for dy in offsets[0] for dx in offsets[1]]
        features.append(np.stack(cells, axis=1).ravel())
    return np.concatenate(features)


def read_film(config: Table, name: str, tensors: dict[str, np.ndarray], place: np.ndarray) -> np.ndarray:
    """The features of the cell whose centre is at a place."""
    reach = {"film": 1, "wide-film": 2}[config["id"]]
    luma, chroma = (read(tensors[f"{name}.{grid}"], place[:1], (0,)) for grid in ("luma", "chroma"))
    luma = np.pad(luma[0], [(0, side % 2) for side in luma.shape[1:]], mode="edge")
    channels = np.stack([*(luma[p::2, q::2] for p in (0, 1) for q in (0, 1)), *chroma])
    r, c = (round(float(u * side - 1) / 2) for u, side in zip(place[1:], sides_of(config) or (), strict=True))
    around = np.pad(channels, [(0, 0), (reach, reach), (reach, reach)], mode="edge")
    return around[:, r : r + 2 * reach + 1, c : c + 2 * reach + 1].ravel()


NETWORK = Path(__file__).parents[1] / "src/fieldpress/decoders/postfilter.f2"
NETWORK_SHA256 = "d78042b3b754a1fc9780b79830b42beef88c0cbad51c993f849165ee6aefaaf9"


def neurons(features: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """The 32 numbers that the shipped network says of a cell."""
    data = NETWORK.read_bytes()
    assert hashlib.sha256(data).hexdigest() == NETWORK_SHA256
    numbers = np.frombuffer(data, "<f2").astype(np.float32)
    u, v, w, z = np.split(numbers[:5888], [4800, 4832, 5856])
    loudness = np.exp2(np.clip(noise, -14, 0))
    hidden = u.reshape(32, 150) @ features / (4 * loudness) + v
    hidden = w.reshape(32, 32) @ np.maximum(hidden, hidden / 10) + z
    return 2 * loudness * np.maximum(hidden, hidden / 10)


def head(field: Table, tensors: dict[str, np.ndarray], f: np.ndarray) -> np.ndarray:
    base = np.zeros((12, 6, 3, 3), np.float32)  # row, channel, row offset + 1, column offset + 1
    for p, q, k in [(0, 0, 0), (0, 1, 1), (1, 0, 2), (1, 1, 3)]:
        base[k, k, 1, 1] = 1
        b, a = 2 * p - 1, 2 * q - 1
        for row, channel in [(4 + k, 4), (8 + k, 5)]:
            for i, j, number in [(0, 0, 9 / 16), (0, a, 3 / 16), (b, 0, 3 / 16), (b, a, 1 / 16)]:
                base[row, channel, 1 + i, 1 + j] = number
    base = base.reshape(12, 54)
    if field["decoder"]["id"] == "postfilter":
        last = np.frombuffer(NETWORK.read_bytes(), "<f2")[5888:].astype(np.float32).reshape(12, 32)
        base = np.concatenate([base, last / 2], axis=1)
        f = np.concatenate([f.reshape(6, 5, 5)[:, 1:4, 1:4].ravel(), neurons(f, tensors["decoder.noise"])])
    n = (tensors["decoder.weight"] + base) @ f + tensors["decoder.bias"]
    return (n.reshape(3, 4).T @ tensors["decoder.colours"].T + 0.5).reshape(2, 2, 3)


def cell_mlp(field: Table, tensors: dict[str, np.ndarray], f: np.ndarray) -> np.ndarray:
    return mlp(field["decoder"], tensors, f, np.float32(0)).reshape(2, 2, 3)


def mlp(config: Table, tensors: dict[str, np.ndarray], f: np.ndarray, t: np.float32) -> np.ndarray:
    h = f
    for i in range(config["depth"]):
        h = leaky(layer(tensors, f"hidden.{i}", h))
    return tensors["decoder.skip"] @ f + layer(tensors, "last", h)


def siren(config: Table, tensors: dict[str, np.ndarray], f: np.ndarray, t: np.float32) -> np.ndarray:
    m, z = np.zeros(0, np.float32), np.array([t])
    for i in range(config["depth"]):
        m = leaky(layer(tensors, f"modulator.{i}", np.concatenate([m, f])))
        z = np.sin((1 if i else config["omega"]) * layer(tensors, f"sine.{i}", z)) * m
    return layer(tensors, "last", z) / 2 + 0.5


def layer(tensors: dict[str, np.ndarray], name: str, v: np.ndarray) -> np.ndarray:
    return tensors[f"decoder.{name}.weight"] @ v + tensors[f"decoder.{name}.bias"]


def leaky(v: np.ndarray) -> np.ndarray:
    return np.where(v > 0, v, v / 100)


READERS = {
    "planes": read_planes,
    "nested": read_planes,
    "flow": read_flow,
    "volume": read_volume,
    "cell-volume": read_cell_volume,
    "film": read_film,
    "wide-film": read_film,
}
DECODERS = {"mlp": mlp, "siren": siren}
PAINTERS = {"head": head, "postfilter": head, "cell-mlp": cell_mlp}
"""Of a cell: rows, columns and colours of its pixels."""
