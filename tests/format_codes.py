"""The codes of a dictionary, written from FORMAT.md alone: nothing of fieldpress. As short as can be, and slow."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from format_octree import reader
from format_symbols import Stream, cells_of, sums


def hashed(group: int, cells: Sequence[int], k: int) -> np.ndarray:
    """Random codes."""
    column, row, *time = reversed(np.indices(cells, dtype=object))
    return np.array(
        (column ^ row * 2654435761 ^ sum(t * 805459861 for t in time) ^ group * 3674653429) % k, dtype=np.int64
    )


def codes_of(
    data: bytes, cells: Sequence[int], entries: np.ndarray, e: int, before: Sequence[np.ndarray] = ()
) -> np.ndarray:
    """Codes; `entries` are those of the group, (channels, entries), all below 2^e; those of other groups `before`."""
    stream = Stream(data)
    way = stream.list(1)[0]
    if way == 0:
        return stream.tensor((1, *cells))[0]
    if way == 2:
        return marked(stream, int(np.prod(cells)), before).reshape(cells)
    time, rows, columns = [1, *cells][-3:]
    count = 5 if time == 1 else 10
    centre, weight = stream.list(len(entries)), stream.list(3 * count).reshape(count, 3)
    signed = stream.tensor((1, *cells)).reshape(time, rows, columns)
    ranks = np.where(signed > 0, 2 * signed - 1, -2 * signed)
    points = np.rint(entries.astype(float) * 2.0 ** (12 - e)).astype(np.int64) - centre[:, None]
    codes = np.zeros((time, rows, columns), np.int64)
    x = np.zeros((time + 1, len(entries), rows, columns), np.int64)  # slice 0 stands before the first
    for t in range(time):
        for number in range(5):
            where, around = cells_of(number, rows, columns)
            a, b, c = weight[number + (5 if t else 0)]
            s, p, o = sums(x[t + 1], x[t], where, around)
            prediction = np.clip((a * s + b * p + c * o + 128) >> 8, -(2**13), 2**13)
            for (row, column), target in zip(where.T, prediction.T, strict=True):
                i = min(range(points.shape[1]), key=lambda j: distance(points[:, j], target))
                order = sorted(range(points.shape[1]), key=lambda j: distance(points[:, j], points[:, i]))
                codes[t, row, column] = order[ranks[t, row, column]]
                x[t + 1, :, row, column] = points[:, codes[t, row, column]]
    return codes.reshape(cells)


def marked(stream: Stream, n: int, before: Sequence[np.ndarray]) -> np.ndarray:
    codes, marks, read = np.full(n, stream.list(1)[0]), [0] * n, reader(stream, Counter())
    active = [
        min(7, sum(int(group[i] != np.bincount(group).argmax()) for group in map(np.ravel, before))) for i in range(n)
    ]
    for number in range(5):
        half = 16 >> number
        now = range(half if number else 0, n, 2 * half if number else 16)
        beside = {i: (i - half, i + half if i + half < n else i - half) if number else () for i in now}
        found = [((active[i], number == 0), (active[i], sum(marks[j] for j in beside[i]), number)) for i in now]
        for i, mark in zip(now, read(found), strict=True):
            marks[i] = mark
    if any(marks):
        codes[np.array(marks) == 1] = stream.tensor((1, sum(marks), 1)).ravel()
    return codes


def distance(one: np.ndarray, other: np.ndarray) -> int:
    return sum((a - b) ** 2 for a, b in zip(one.tolist(), other.tolist(), strict=True))
