"""Points in the world that a source of poses brings along."""

import warnings
from pathlib import Path
from tokenize import TokenError

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from fieldpress.errors import SourceError

MAX_POINTS = 10_000_000
"""The most points that are read."""

_JUNK = (ValueError, SyntaxError, TokenError, TypeError, RecursionError, MemoryError)
"""What NumPy's reader of headers raises."""


def read_points(path: Path) -> NDArray[np.float32] | None:
    """Points from a ``.npy`` file of shape (points, 3), or ``None`` where it holds no points.

    Only plain numbers are read, and no more than the file has bytes for.

    Raises:
        SourceError: It holds something else.
    """
    try:
        with path.open("rb") as file:
            version = npy.read_magic(file)
            header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about files of Python 2, which are read all the same
                shape, is_column_major, kind = header(file)
            if len(shape) != 2 or shape[1] != 3 or kind.kind != "f" or not 0 <= shape[0] <= MAX_POINTS:
                raise SourceError(f"{path}: has {kind} of shape {shape}; expected floats of shape (points, 3)")
            wanted = 3 * shape[0] * kind.itemsize
            data = file.read(wanted)
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error.strerror or error}") from error
    except _JUNK as error:
        raise SourceError(f"{path}: is not a NumPy file that can be read") from error
    if len(data) < wanted:
        raise SourceError(f"{path}: ends after {len(data)} of {wanted} bytes of points")
    numbers = np.frombuffer(data, kind)
    return checked_points(path, numbers.reshape(3, -1).T if is_column_major else numbers.reshape(-1, 3))


def checked_points(path: Path, points: NDArray[np.floating]) -> NDArray[np.float32] | None:
    """The points as the rest of the package wants them; ``None`` for none.

    Raises:
        SourceError: One of them is nowhere.
    """
    with np.errstate(over="ignore"):
        result = np.ascontiguousarray(points, np.float32)
    if not np.isfinite(result).all():
        first = int(np.argmin(np.isfinite(result).all(1)))
        raise SourceError(f"{path}: point {first} is at {[float(value) for value in points[first]]}")
    return result if len(result) else None
