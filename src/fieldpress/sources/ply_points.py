"""Points in the world from a ``.ply`` file, as nerfstudio keeps them beside its ``transforms.json``.

Text and binary are read; of everything in it, the places of its vertices alone. Source: Greg Turk, "The PLY Polygon
File Format", 1994.
"""

from collections import deque
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fieldpress.config import shown
from fieldpress.errors import SourceError
from fieldpress.sources.points import MAX_POINTS, checked_points

_FORMATS = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}
"""Order of bytes by name."""
_KINDS = {
    **{"char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4"},
    **{"int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2", "int32": "i4", "uint32": "u4"},
    **{"float": "f4", "double": "f8", "float32": "f4", "float64": "f8"},
}
_MAX_LINE, _MAX_HEADER_LINES = 1000, 1000


class _Element(NamedTuple):
    name: str
    rows: int
    properties: list[tuple[str, str]]
    """Names and kinds; a list's kind is empty."""

    def kind(self, order: str) -> np.dtype:
        return np.dtype([(name, order + kind) for name, kind in self.properties])


def read_ply_points(path: Path) -> NDArray[np.float32] | None:
    """The vertices of a file, (points, 3), or ``None`` where it has none.

    Raises:
        SourceError: It cannot be read, or is damaged: one line that says which.
    """
    try:
        with path.open("rb") as file:
            order, elements = _header(file)
            places = _vertices(file, order, elements)
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise SourceError(f"{path}: is no .ply file with points: {error}") from None
    return checked_points(path, places)


def _header(file: BinaryIO) -> tuple[str, list[_Element]]:
    """Order of bytes, empty for text, and what follows."""
    if file.readline(_MAX_LINE).strip() != b"ply":
        raise ValueError("it does not begin with 'ply'")
    order, elements = None, []
    for _ in range(_MAX_HEADER_LINES):
        match file.readline(_MAX_LINE).decode("ascii", "replace").split():
            case ["format", name, _] if name in _FORMATS:
                order = _FORMATS[name]
            case ["element", name, count] if count.isdecimal() and int(count) <= MAX_POINTS:
                elements.append(_Element(name, int(count), []))
            case ["property", "list", _, _, name] if elements:
                elements[-1].properties.append((name, ""))
            case ["property", kind, name] if elements and kind in _KINDS:
                elements[-1].properties.append((name, _KINDS[kind]))
            case ["comment" | "obj_info", *_]:
                pass
            case ["end_header"] if order is not None:
                return order, elements
            case words:
                raise ValueError(f"its header has the line {shown(' '.join(words))}")
    raise ValueError("its header does not end")


def _vertices(file: BinaryIO, order: str, elements: list[_Element]) -> NDArray[np.float64]:
    for element in elements:
        if any(not kind for _, kind in element.properties):
            raise ValueError(f"a list comes before or with its vertices, in {shown(element.name)}")
        if element.name == "vertex":
            break
        if order:
            file.seek(element.rows * element.kind(order).itemsize, 1)
        else:
            deque(_lines(file, element.rows), maxlen=0)
    else:
        raise ValueError("it has no vertices")
    names = [name for name, _ in element.properties]
    if not {"x", "y", "z"} <= set(names) or len(set(names)) < len(names):
        raise ValueError("its vertices have no x, y and z")
    if not order:
        lines = (line.split() for line in _lines(file, element.rows))
        columns = [names.index(axis) for axis in "xyz"]
        rows = [[float(words[column]) for column in columns] for words in lines if len(words) == len(names)]
        places = np.array(rows, np.float64).reshape(-1, 3)
    else:
        kind = element.kind(order)
        data = file.read(element.rows * kind.itemsize)
        table = np.frombuffer(data[: len(data) // kind.itemsize * kind.itemsize], kind)
        places = np.stack([table[axis].astype(np.float64) for axis in "xyz"], 1)
    if len(places) < element.rows:
        raise ValueError(f"it ends after {len(places)} of {element.rows} vertices")
    return places


def _lines(file: BinaryIO, count: int) -> Iterator[bytes]:
    """The next so many lines, fewer at the end of the file."""
    return islice(iter(lambda: file.readline(_MAX_LINE), b""), count)
