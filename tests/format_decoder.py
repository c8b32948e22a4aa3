"""A decoder of whole files, written from FORMAT.md alone: it imports nothing of fieldpress.

The page's own listing reads the container. As short as can be: a field is asked for one place at a time.
"""

import math
import re
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import av
import numpy as np
from format_symbols import PAGE, Stream, axes

Table = dict[str, Any]

PYTHON: Table = {}
for beginning in ("DICTIONARY", "import"):
    exec(re.findall(rf"```python\n({beginning}.*?)```", PAGE, re.DOTALL)[0], PYTHON)


def header_of(file: bytes) -> Table:
    """What the header says."""
    end = 13 + int.from_bytes(file[9:13], "little")
    inflater = PYTHON["zlib"].decompressobj(wbits=-15, zdict=PYTHON["DICTIONARY"])
    return PYTHON["json"].loads(inflater.decompress(file[13:end]))


def tensors_of(file: bytes) -> dict[str, np.ndarray]:
    """All tensors by name."""
    found = {}
    for _, _, lines, compressor, _, data in PYTHON["chunks"](file):
        names, shapes = zip(*lines, strict=True)
        found |= zip(names, decode_chunk(compressor, data, shapes), strict=True)
    return found


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


def decode_chunk(compressor: Table, data: bytes, shapes: Sequence[Sequence[int]]) -> list[np.ndarray]:
    """The tensors of a chunk."""
    if compressor["id"] == "video" and is_film(shapes):
        _, time, height, width = shapes[0]
        size = math.prod(shapes[0])

        def samples(stream: bytes) -> np.ndarray:
            return np.concatenate([plane.ravel() for plane in pictures(compressor, stream, time, height, width, "420")])

        values = payload(compressor, data, 1, size + math.prod(shapes[1]), samples)
        return [values[0, :size].reshape(shapes[0]), values[0, size:].reshape(shapes[1])]
    found = []
    for shape in shapes[:-1]:
        piece, data = byte_string(data)
        found.append(decode_tensor(compressor, piece, shape))
    return [*found, decode_tensor(compressor, data, shapes[-1])]


def decode_tensor(compressor: Table, data: bytes, shape: Sequence[int]) -> np.ndarray:
    """A tensor from its own bytes."""
    kind = compressor["id"]
    if kind == "raw":
        precision = {"float32": "<f4", "float16": "<f2"}[compressor["precision"]]
        return np.frombuffer(data, precision).astype(np.float32).reshape(shape)
    if kind == "video":
        return decode_tiles(compressor, data, shape)
    stream = Stream(data)
    if kind == "entropy":
        n = int(stream.list(1)[0])
        unit = step(n, 7) if compressor["unit"] == "rms" else compressor["step"] * step(n, 0)
        return to_float32(stream.tensor(shape) * unit)
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
    return payload(compressor, data, g, math.prod(shape), samples).reshape(shape)


def payload(compressor: Table, data: bytes, g: int, size: int, samples: Callable[[bytes], np.ndarray]) -> np.ndarray:
    """The values of a video payload, in g rows; `samples` decodes its stream."""
    if compressor["amplitude"] is not None:
        h = 2 ** (compressor["bits"] - 1)
        return to_float32((samples(data).reshape(g, -1) - float(h)) * (compressor["amplitude"] / h))
    scale, data = byte_string(data)
    stream = Stream(scale)
    code, low, flat = (stream.list(g) for _ in range(3))
    indices = np.zeros((g, size // g), np.int64) if flat.all() else samples(data).reshape(g, -1).astype(np.int64)
    indices[flat != 0] = 0
    return levels(indices, code, low)


def pictures(compressor: Table, data: bytes, time: int, rows: int, columns: int, chroma: str) -> list[np.ndarray]:
    """The planes of a stream, each (time, rows, columns)."""
    units = []
    while data:
        unit, data = byte_string(data)
        units.append(unit)
    av1 = compressor["codec"] == "svt-av1"
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
    features = [READERS[config["id"]](config, name, tensors, place) for name, config in field["encodings"].items()]
    colour = DECODERS[field["decoder"]["id"]](field["decoder"], tensors, np.concatenate(features), place[0])
    return np.floor(255 * np.clip(colour, 0, 1) + 0.5).astype(np.uint8)


def read(grid: np.ndarray, place: np.ndarray, offsets: Sequence[int], linear: bool = True) -> np.ndarray:
    """A grid (channels, axes ...) at a place, one axis after the other."""
    for u, d in zip(place, offsets, strict=True):
        n = grid.shape[1]
        v = np.float32(u * np.float32(n) - np.float32(0.5))
        v = np.round(v) if abs(v - np.round(v)) < 2**-10 else v
        v = np.clip(v + d if linear else math.floor(u * n + 2**-10) + d, 0, n - 1)
        i = int(v)
        grid = grid[:, i] + np.float32(v - i) * (grid[:, min(i + 1, n - 1)] - grid[:, i])
    return grid


def read_planes(config: Table, name: str, tensors: dict[str, np.ndarray], place: np.ndarray) -> np.ndarray:
    features = []
    for plane, pair in (("xy", [1, 2]), ("yt", [0, 2]), ("xt", [0, 1])):
        grids = [tensors[f"{name}.{plane}.{i}"] for i in range(len(config[plane]))]
        features += [read(grid, place[pair], (0, 0)) for grid in grids]
    return np.concatenate(features)


def read_volume(config: Table, name: str, tensors: dict[str, np.ndarray], place: np.ndarray) -> np.ndarray:
    linear, near = config["interpolation"] == "linear", (0,) if config["neighbours"] == 1 else (-1, 0, 1)
    features = []
    for i in range(len(config["levels"])):
        cells = [read(tensors[f"{name}.levels.{i}"], place, (0, dy, dx), linear) for dy in near for dx in near]
        features.append(np.stack(cells, axis=1).ravel())
    return np.concatenate(features)


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


READERS = {"planes": read_planes, "volume": read_volume}
DECODERS = {"mlp": mlp, "siren": siren}
