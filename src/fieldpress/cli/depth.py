"""Distances as pictures: 16-bit PNG files to measure in, or a grey film to look at.

Distances are along each pixel's ray, in the units of the scene; 0 is where nothing is seen.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldpress.sinks.png import png, png_names
from fieldpress.sinks.whole import whole_file, whole_folder

Distances = NDArray[np.float32]


def codes(distances: Distances, per_unit: float) -> NDArray[np.uint16]:
    """16-bit codes of distances: 0 where nothing is, else 1 to 65535; what is farther than that has 65535.

    Example:
        >>> codes(np.array([0.0, 1.234, 900.0], np.float32), 1000.0)
        array([    0,  1234, 65535], dtype=uint16)
    """
    counted = np.clip(np.rint(distances.astype(np.float64) * per_unit), 1, 65535)
    return np.where(distances > 0, counted, 0).astype(np.uint16)


def grey(distances: Distances, half: float) -> NDArray[np.uint8]:
    """Near is bright, far is dark, (rows, columns, 3): code 128 at the distance ``half``, 0 where nothing is."""
    shade = np.rint(255 / (1 + distances / half)).astype(np.uint8)
    return np.repeat(np.where(distances > 0, shade, 0).astype(np.uint8)[..., None], 3, axis=2)


class Spool:
    """Arrays of one shape and kind that wait in a temporary file until another output is written."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - close() ends it
        self._shapes: list[tuple[tuple[int, ...], np.dtype[Any]]] = []

    def add(self, array: NDArray[Any]) -> None:
        """Puts one at the end."""
        self._file.write(np.ascontiguousarray(array).data)
        self._shapes.append((array.shape, array.dtype))

    def __iter__(self) -> Iterator[NDArray[Any]]:
        self._file.seek(0)
        for shape, kind in self._shapes:
            data = self._file.read(int(np.prod(shape)) * kind.itemsize)
            yield np.frombuffer(data, kind).reshape(shape)

    def close(self) -> None:
        """Gives the file back."""
        self._file.close()


def write_depth_pictures(out: Path, is_folder: bool, pictures: Iterator[NDArray[np.uint16]], count: int) -> None:
    """One 16-bit PNG file, or a folder of ``0000.png``, ``0001.png`` and so on.

    Raises:
        SourceError: It cannot be written.
    """
    if not is_folder:
        with whole_file(out) as path:
            path.write_bytes(b"".join(png(picture) for picture in pictures))
        return
    with whole_folder(out) as folder:
        for name, picture in zip(png_names(count), pictures, strict=True):
            (folder / name).write_bytes(png(picture))
