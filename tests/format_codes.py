"""The codes of a dictionary, written from FORMAT.md alone: nothing of fieldpress. As short as can be, and slow."""

import math
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from itertools import product
from typing import NamedTuple

import numpy as np
from format_octree import AROUND, Place, moved, reader, rounded
from format_symbols import Stream, cells_of, sums


class Cells(NamedTuple):
    """Cells that have places, and what is known of them group by group."""

    places: Sequence[Place]
    marks: list[dict[Place, int]]
    points: list[dict[Place, np.ndarray]]
    coarser: "Cells | None"


def hashed(group: int, cells: Sequence[int], k: int) -> np.ndarray:
    """Random codes."""
    column, row, *time = reversed(np.indices(cells, dtype=object))
    return np.array(
        (column ^ row * 2654435761 ^ sum(t * 805459861 for t in time) ^ group * 3674653429) % k, dtype=np.int64
    )


def codes_of(
    data: bytes,
    cells: Sequence[int],
    entries: np.ndarray,
    e: int,
    before: Sequence[np.ndarray] = (),
    placed: Cells | None = None,
) -> np.ndarray:
    """Codes; `entries` are those of the group, (channels, entries), all below 2^e; those of other groups `before`."""
    stream = Stream(data)
    way = stream.list(1)[0]
    if way == 0:
        return stream.tensor((1, *cells))[0]
    if way == 3:
        return scored(stream, entries, e, placed).reshape(cells)
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


# --- placed codes ---


def points(rows: np.ndarray, e: int, of: int) -> np.ndarray:
    """Of rows of features or of entries, (rows, channels), less that of one."""
    found = np.rint(rows.astype(float) * 2.0 ** (12 - e)).astype(np.int64)
    return found - found[of]


def note(cells: Cells, rows: np.ndarray, e: int, codes: Sequence[int]) -> None:
    """One more group of cells with places, from their codes into rows."""
    counted = Counter(codes)
    most = min(code for code, times in counted.items() if times == max(counted.values()))
    found = points(rows, e, most)
    cells.marks.append({place: int(code != most) for place, code in zip(cells.places, codes, strict=True)})
    cells.points.append({place: found[code] for place, code in zip(cells.places, codes, strict=True)})


def note_rows(cells: Cells, rows: np.ndarray, e: int) -> None:
    """One more group of cells with places, from their features."""
    keys = list(map(tuple, rows.tolist()))
    counted = Counter(keys)
    most = next(i for i, key in enumerate(keys) if counted[key] == max(counted.values()))
    found = points(rows, e, most)
    cells.marks.append({place: int(key != keys[most]) for place, key in zip(cells.places, keys, strict=True)})
    cells.points.append(dict(zip(cells.places, found, strict=True)))


def marks_at(cells: Cells, place: Place) -> int:
    return min(7, sum(group.get(place, 0) for group in cells.marks))


def between(place: Place) -> list[tuple[int, Place]]:
    found = []
    for corner in product((0, 1), repeat=3):
        weight = math.prod(1 if x % 2 else 2 * (1 - a) for x, a in zip(place, corner, strict=True))
        found.append((weight, tuple(x // 2 + a for x, a in zip(place, corner, strict=True))))
    return found


def scored(stream: Stream, entries: np.ndarray, e: int, cells: Cells) -> np.ndarray:
    width, k = entries.shape
    most = stream.list(1)[0]
    count = sum(len(group[cells.places[0]]) for group in cells.points) + 2 * width
    of_signs, unit = stream.list(10), int(stream.list(1)[0])
    constants, of_hints = stream.list(k), stream.list(width * count).reshape(width, count)
    own, here, shown = points(entries.T, e, most), {}, {}
    codes = dict.fromkeys(cells.places, int(most))
    for odd in [(0, 0, 0), (1, 1, 1), (1, 1, 0), (1, 0, 1), (0, 1, 1), (1, 0, 0), (0, 1, 0), (0, 0, 1)]:
        now = [place for place in cells.places if tuple(x % 2 for x in place) == odd]
        scores = [int(of_signs @ signs(cells, here, place)) >> 6 for place in now]
        chances = []
        for score in scores:
            odds = 2 ** (min(max(score, -256), 256) / 16)
            chances.append(round(65536 * odds / (1 + odds)))
        marked = []
        for place, mark in zip(now, bits_of(stream, chances), strict=True):
            here[place] = mark
            if mark:
                marked.append(place)
        rows = [
            shares(constants * 2**unit + ((own @ (of_hints @ hints(cells, here, shown, p, width))) >> 18))
            for p in marked
        ]
        for start in range(0, len(marked), 2**20 // k):
            block = slice(start, start + 2**20 // k)
            for place, code in zip(marked[block], symbols_of(stream, rows[block]), strict=True):
                codes[place] = code
        shown |= {place: own[codes[place]] for place in marked}
    return np.array(list(codes.values()))


def signs(cells: Cells, here: dict[Place, int], place: Place) -> np.ndarray:
    around = [(4 - sum(map(abs, move)), moved(place, move)) for move in AROUND]
    n = [
        1,
        sum(close * here.get(other, 0) for close, other in around),
        sum(close * (other in here) for close, other in around),
        sum(close * marks_at(cells, other) for close, other in around),
        marks_at(cells, place),
        0,
        0,
        *[group[place] for group in cells.marks[:-4:-1]],
    ]
    if cells.coarser:
        middle = tuple((x + 1) // 2 for x in place)
        n[5] = sum(weight * marks_at(cells.coarser, other) for weight, other in between(place))
        n[6] = sum(marks_at(cells.coarser, moved(middle, move)) for move in [(0, 0, 0), *AROUND])
    return np.array([round(16 * math.log2(1 + count)) for count in [*n, 0, 0, 0][:10]])


def hints(cells: Cells, here: dict[Place, int], shown: dict[Place, np.ndarray], place: Place, width: int) -> np.ndarray:
    total, weight, above = np.zeros(width, np.int64), 0, np.zeros(width, np.int64)
    for move in AROUND:
        other, close = moved(place, move), 4 - sum(map(abs, move))
        if other in shown:
            total, weight = total + close * shown[other], weight + close
    if cells.coarser:
        group = cells.coarser.points[len(cells.points)]
        above = sum((w * group[other] for w, other in between(place) if other in group), above) // 8
    return np.concatenate([*(group[place] for group in cells.points), total // max(1, weight), above])


def shares(scores: np.ndarray) -> list[int]:
    found = []
    for below in (max(scores) - scores).tolist():
        octaves = math.ceil(Fraction(below, 16))
        found.append((round(2 ** (20 + (16 * octaves - below) / 16)) >> min(octaves, 21)) + 1)
    return found


def bits_of(stream: Stream, chances: Sequence[int]) -> list[int]:
    close = [rounded(chance) for chance in chances]
    order = sorted(range(len(close)), key=close.__getitem__)
    came = {i: stream.symbols(1, [2**24 - 256 * close[i], 256 * close[i]])[0] for i in order}
    return [came[i] for i in range(len(close))]


def symbols_of(stream: Stream, rows: Sequence[list[int]]) -> list[int]:
    found = [0] * len(rows)
    while rows and len(rows[0]) > 1:
        half = len(rows[0]) // 2
        bits = bits_of(stream, [65536 * sum(row[half:]) // sum(row) for row in rows])
        rows = [row[half:] if bit else row[:half] for row, bit in zip(rows, bits, strict=True)]
        found = [2 * code + bit for code, bit in zip(found, bits, strict=True)]
    return found
