"""K-means in NumPy: Lloyd's iterations on a sample of the rows, then the nearest entry for every row.

No random numbers: the first entries are rows spread evenly over the sample's order along its strongest axis, and an
entry that no row uses is revived beside the one that errs most. So encoding is deterministic.
"""

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float32]
Codes = NDArray[np.int64]

_SAMPLE_PER_ENTRY = 64
_LEAST_SAMPLE = 1 << 14
_ITERATIONS = 16
_BLOCK = 1 << 22
"""Distances computed at a time: 16 MB of them."""


def kmeans(rows: Rows, count: int) -> tuple[Rows, Codes]:
    """A dictionary of rows, and for each row its nearest entry.

    Args:
        rows: Finite, shape (rows, features).
        count: Entries of the dictionary, at most as many as rows.

    Returns:
        Entries, shape (count, features), in order along the strongest axis, and codes, shape (rows,). Entries that no
        row uses equal the first one in use.

    Example:
        >>> entries, codes = kmeans(np.array([[5.0], [1.0], [5.0], [1.0]], np.float32), 2)
        >>> entries.tolist(), codes.tolist()
        ([[1.0], [5.0]], [1, 0, 1, 0])
    """
    # Least numbers are zeros to the search below, greatest ones would overflow it.
    scale = float(np.abs(rows).max()) or 1.0
    unit = (rows / np.float64(scale)).astype(np.float32)
    sample = _sample(unit, max(_LEAST_SAMPLE, _SAMPLE_PER_ENTRY * count))
    entries = sample[_order(sample)[_spread(len(sample), count)]].copy()
    for _ in range(_ITERATIONS):
        codes = nearest(sample, entries)
        entries = revived(means(sample, codes, count), *usage(sample, codes, entries))
    entries = entries[_order(entries)]
    codes = nearest(unit, entries)
    entries = means(unit, codes, count)
    used = np.bincount(codes, minlength=count) > 0
    entries[~used] = entries[np.argmax(used)]
    return (entries * np.float64(scale)).astype(np.float32), codes


def nearest(rows: Rows, entries: Rows) -> Codes:
    """The entry nearest to each row, the first one of several."""
    codes = np.empty(len(rows), dtype=np.int64)
    half_squares = np.square(entries).sum(axis=1) / 2
    block = max(1, _BLOCK // len(entries))
    for start in range(0, len(rows), block):
        closeness = rows[start : start + block] @ entries.T
        closeness -= half_squares
        codes[start : start + block] = closeness.argmax(axis=1)
    return codes


def means(rows: Rows, codes: Codes, count: int) -> Rows:
    """The mean of the rows with each code, shape (count, features); zero for a code that no row has."""
    rows_of = np.maximum(np.bincount(codes, minlength=count), 1)
    return np.stack([np.bincount(codes, feature, count) / rows_of for feature in rows.T], axis=1).astype(np.float32)


def usage(rows: Rows, codes: Codes, entries: Rows) -> tuple[Codes, NDArray[np.float64]]:
    """How many rows have each code, and the sum of their squared errors."""
    errors = np.square(rows - entries[codes]).sum(axis=1)
    sums = np.bincount(codes, errors, len(entries)).astype(np.float64)
    return np.bincount(codes, minlength=len(entries)), sums


def revived(entries: Rows, counts: Codes, errors: NDArray[np.float64]) -> Rows:
    """Entries with the unused ones moved beside those that err most, a part of their mean error away.

    Args:
        entries: Shape (entries, features).
        counts, errors: Of :func:`usage`.
    """
    dead = np.flatnonzero(counts == 0)
    worst = np.argsort(-errors, kind="stable")[: len(dead)]
    worst = worst[errors[worst] > 0]
    dead = dead[: len(worst)]
    deviation = np.sqrt(errors[worst] / counts[worst] / entries.shape[1])
    # Apart along a diagonal of alternating signs: features are about as often alike as opposed.
    signs = 1 - 2 * ((dead[:, None] >> np.arange(entries.shape[1]) % 16) & 1)
    entries = entries.copy()
    entries[dead] = entries[worst] + deviation[:, None] * signs
    return entries


def _sample(rows: Rows, size: int) -> Rows:
    return rows if len(rows) <= size else rows[np.linspace(0, len(rows) - 1, size).astype(np.int64)]


def _spread(length: int, count: int) -> Codes:
    return (np.arange(count) * length + length // 2) // count


def _order(rows: Rows) -> Codes:
    """Order along the strongest axis, its sign fixed by its largest component."""
    centred = rows.astype(np.float64) - rows.mean(axis=0)
    axis = np.linalg.eigh(centred.T @ centred)[1][:, -1]
    axis *= np.sign(axis[np.argmax(np.abs(axis))]) or 1.0
    return np.argsort(centred @ axis, kind="stable")
