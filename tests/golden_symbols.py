"""The symbols of a file: all integers that its range coder and its video codec give, before any becomes a number.

They are taken down as they are decoded, chunk by chunk in the order of the file: by fieldpress, or by the decoder that
is written from FORMAT.md alone.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import format_decoder
import format_symbols
import numpy as np

from fieldpress import container
from fieldpress.coding import rangecoder
from fieldpress.compressors import Compressor, Video
from fieldpress.config import from_plain
from fieldpress.outline import outline
from fieldpress.tensors import Before


class Notes:
    """Takes down symbols, stream by stream. One that is begun anew, its first symbols known, counts once."""

    def __init__(self) -> None:
        self._sum = hashlib.md5(usedforsecurity=False)
        self._stream: bytes | None = None
        self._symbols: list[np.ndarray] = []
        self._empty = True

    def begin(self, stream: bytes | None) -> None:
        """Symbols that follow are of this stream; None is one that nobody reads twice."""
        if stream is None or stream != self._stream:
            for symbols in self._symbols:
                self._sum.update(symbols.astype("<i8").tobytes())
                self._empty = False
        self._stream, self._symbols = stream, []

    def md5(self) -> str | None:
        """Of all of them as signed 64-bit integers, little-endian; None if there are none."""
        self.begin(None)
        return None if self._empty else self._sum.hexdigest()

    @contextmanager
    def of_coder(self, coder: Any, method: str) -> Iterator[None]:
        """Takes down what a method of a range coder gives."""
        start, read = coder.__init__, getattr(coder, method)

        def started(new: Any, data: bytes) -> None:
            self.begin(data)
            start(new, data)

        def noted(*arguments: Any) -> Any:
            symbols = read(*arguments)
            self._symbols.append(np.array(symbols))
            return symbols

        with patch.object(coder, "__init__", started), patch.object(coder, method, noted):
            yield

    def of_codec(self, function: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
        """The function, its samples taken down."""

        def noted(*arguments: Any) -> np.ndarray:
            samples = function(*arguments)
            self.begin(None)
            self._symbols.append(samples)
            return samples

        return noted


_pictures = Video._pictures


def samples_of_pictures(video: Video, reader: Any, layout: Any, values: Any = None) -> np.ndarray:
    """The samples themselves, not what they stand for: nothing here looks at that."""
    del values
    return _pictures(video, reader, layout)


def by_fieldpress(file: bytes, *, constriction: bool) -> dict[str, str]:
    """The MD5 of the symbols of every chunk that has some, by segment and name.

    Args:
        file: A file.
        constriction: Decode with constriction; else with the range coder in Python.
    """
    coder = rangecoder.ConstrictionDecoder if constriction else rangecoder.PythonDecoder
    installed = rangecoder._constriction if constriction else None
    found: dict[str, str] = {}
    before = {number: Before(segment.field.places) for number, segment in enumerate(outline(file).segments)}
    for chunk in container.read(file).chunks:
        notes = Notes()
        names, shapes = zip(*chunk.tensors, strict=True)
        known = before[chunk.segment].known(chunk.rule, names)
        compressor = from_plain(Compressor, chunk.compressor, chunk.name)
        with (
            patch.object(rangecoder, "_constriction", installed),
            patch.object(Video, "_pictures", notes.of_codec(samples_of_pictures)),
            notes.of_coder(coder, "decode"),
        ):
            arrays = compressor.decode_after(chunk.data, shapes, known)
        before[chunk.segment].add(chunk.rule, names, arrays)
        if (md5 := notes.md5()) is not None:
            found[f"{chunk.segment} {chunk.name}"] = md5
    return found


def by_the_format_alone(file: bytes) -> tuple[dict[str, str], dict[str, np.ndarray]]:
    """The same from the decoder that imports nothing of fieldpress, and all tensors, named as fieldpress names them."""
    payload, several = format_decoder.payload, "fields" in format_decoder.header_of(file)
    found: dict[str, str] = {}
    tensors: dict[str, np.ndarray] = {}
    before: dict[tuple[int, str], format_decoder.Before] = {}
    header = format_decoder.header_of(file)
    for segment, name, lines, compressor, _, data in format_decoder.PYTHON["chunks"](file):
        notes = Notes()
        known = before.setdefault((segment, name.split("@")[0]), format_decoder.Before([], []))
        prefix = f"segments.{segment}." if several else ""
        own = {other.removeprefix(prefix): array for other, array in tensors.items() if other.startswith(prefix)}
        known.places.extend(format_decoder.places_of(header, segment, tensor, own) for tensor, _ in lines)

        def noted(compressor: Any, data: bytes, rows: list[int], samples: Any, notes: Notes = notes) -> np.ndarray:
            return payload(compressor, data, rows, notes.of_codec(samples))

        with patch.object(format_decoder, "payload", noted), notes.of_coder(format_symbols.Stream, "symbols"):
            arrays = format_decoder.decode_chunk(compressor, data, [shape for _, shape in lines], known)
        known.tensors.extend(arrays)
        tensors.update(zip((prefix + tensor for tensor, _ in lines), arrays, strict=True))
        if (md5 := notes.md5()) is not None:
            found[f"{segment} {name}"] = md5
    return found, tensors
