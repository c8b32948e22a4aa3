"""The entropy coder of FORMAT.md, written from that page alone: nothing of fieldpress, and the page's own tables.

As short as can be and as slow: symbols are decoded one by one.
"""

import math
import re
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path

import numpy as np

PAGE = (Path(__file__).parents[1] / "FORMAT.md").read_text(encoding="utf-8")
TEXTS: list[str] = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)
LENGTHS = [int(number) for number in TEXTS[0].split()]
SEEDS = [[int(number) for number in part.split()] for part in re.split("laplace|gauss", TEXTS[1])[1:]]


def frequencies(weights: Sequence[int]) -> list[int]:
    found = [1 + weight * (2**24 - len(weights)) // sum(weights) for weight in weights]
    found[0] += 2**24 - sum(found)
    return found


def rung_table(rung: int, tail: int) -> tuple[list[int], int, int]:
    """Frequencies, reach and low bits."""
    b = max(0, math.ceil((rung - 43) / 3))
    f = SEEDS[tail][rung - 3 * b - 1]
    bend = f * f >> 32 if tail else 2**32
    w = [2**32]
    while w[-1]:
        w.append(w[-1] * f >> 32)
        f = f * bend >> 32
    reach = min(127, next(n for n, weight in enumerate(w) if weight < 2**18))
    weights = [w[(z + 1) // 2] for z in range(2 * reach + 1)]
    return frequencies([*weights, 2 * sum(w[reach + 1 :]) + (sum(weights) >> 13)]), reach, b


def signed(z: int) -> int:
    return (z + 1) // 2 if z % 2 else -z // 2


class Stream:
    """The range coder, and the sorts of numbers in it."""

    def __init__(self, data: bytes) -> None:
        self.data, self.position, self.span = data, 8, 2**64 - 1
        self.offset = int.from_bytes(data[:8].ljust(8, b"\0"), "big")

    def symbols(self, count: int, table: Sequence[int]) -> list[int]:
        cumulative, found = np.array([0, *accumulate(table)]), []
        for _ in range(count):
            scale = self.span >> 24
            s = int(np.searchsorted(cumulative, self.offset // scale, side="right")) - 1
            assert s < len(table)
            self.offset -= scale * int(cumulative[s])
            self.span = scale * table[s]
            if self.span < 2**32:
                more = self.data[self.position : self.position + 4].ljust(4, b"\0")
                self.offset, self.span = self.offset * 2**32 + int.from_bytes(more, "big"), self.span * 2**32
                self.position += 4
            found.append(s)
        return found

    def equal(self, count: int, choices: int) -> list[int]:
        return self.symbols(count, [2**24 // choices] * choices)

    def raw_bits(self, count: int, bits: int) -> list[int]:
        found = [0] * count
        for start in range(0, bits, 8):
            more = self.equal(count, 2 ** min(8, bits - start))
            found = [low + (high << start) for low, high in zip(found, more, strict=True)]
        return found

    def exp_golomb(self, count: int) -> list[int]:
        lengths = self.symbols(count, LENGTHS)
        low = {bits: iter(self.raw_bits(lengths.count(bits), bits)) for bits in sorted(set(lengths))}
        return [2**bits + next(low[bits]) - 1 for bits in lengths]

    def call(self, rungs: Sequence[int], tail: int) -> list[int]:
        values = [0] * len(rungs)
        for rung in sorted(set(rungs) - {0}):
            table, reach, b = rung_table(rung, tail)
            z = self.symbols(list(rungs).count(rung), table)
            excess = iter(self.exp_golomb(z.count(2 * reach + 1)))
            z = [s + next(excess) if s == 2 * reach + 1 else s for s in z]
            found = zip(z, self.raw_bits(len(z), b), strict=True)
            numbers = iter([signed(s) * 2**b + low - 2**b // 2 for s, low in found])
            values = [next(numbers) if r == rung else value for r, value in zip(rungs, values, strict=True)]
        return values

    def list(self, count: int) -> np.ndarray:
        centre = signed(self.exp_golomb(1)[0])
        if count == 1:
            return np.array([centre])
        tail, rung = divmod(self.symbols(1, frequencies([36] + [1] * 255))[0], 128)
        return centre + np.array(self.call([rung] * count, tail))

    def tensor(self, shape: Sequence[int]) -> np.ndarray:
        way, size = self.equal(1, 4)[0], math.prod(shape)
        if way == 0:
            return self.list(size).reshape(shape)
        if way == 1:
            centre, rung = self.list(shape[0]), self.list(shape[0])
            found = self.call(np.repeat(rung, size // shape[0]).tolist(), self.equal(1, 2)[0])
            return np.reshape(np.repeat(centre, size // shape[0]) + found, shape)
        if way == 2:
            (lowest,), (k,) = self.list(1), self.exp_golomb(1)
            weights = [c and (181 if c % 2 else 128) << c // 2 for c in self.list(k + 2).tolist()]
            return lowest + np.reshape(self.symbols(size, frequencies(weights)), shape)
        return self.context(*axes(shape)).reshape(shape)

    def context(self, channels: int, time: int, rows: int, columns: int) -> np.ndarray:
        count = 5 if time == 1 else 10
        centre, weight = self.list(channels), self.list(3 * count).reshape(count, 3)
        base = np.cumsum(self.list(self.exp_golomb(1)[0] + 1))
        bias, gain, tail = self.list(count), self.list(channels), self.equal(1, 2)[0]
        thresholds = sorted({1} | {2**i for i in range(1, 37)} | {3 * 2 ** (i - 1) for i in range(1, 37)})
        x = np.zeros((time + 1, channels, rows, columns), np.int64)  # slice 0 stands before the first
        m = np.zeros_like(x)
        for t in range(1, time + 1):
            for number in range(5):
                q = number + (5 if t > 1 else 0)
                cells, around = cells_of(number, rows, columns)
                a, b, c = weight[q]
                s, p, o = sums(x[t], x[t - 1], cells, around)
                prediction = np.clip((a * s + b * p + c * o + 128) >> 8, -(2**31), 2**31)
                s, p, o = sums(m[t], m[t - 1], cells, around)
                energy = 4 * s if t == 1 else 4 * p if number == 0 else 2 * s + p + o
                classes = np.minimum(np.searchsorted(thresholds, energy, side="right"), len(base) - 1)
                rungs = np.clip(base[classes] + bias[q] + gain[:, None], 1, 127)
                residual = np.reshape(self.call(rungs.ravel().tolist(), tail), rungs.shape)
                x[t][:, cells[0], cells[1]], m[t][:, cells[0], cells[1]] = prediction + residual, np.abs(residual)
        return (x[1:] + centre[:, None, None]).swapaxes(0, 1)


def sums(here: np.ndarray, before: np.ndarray, cells: np.ndarray, around: list[np.ndarray]) -> list[np.ndarray]:
    """s, p and o of each cell, (channels, cells)."""
    p = 4 * before[:, cells[0], cells[1]]
    s, o = (sum((of[:, rows, columns] for rows, columns in around), np.zeros_like(p)) for of in (here, before))
    return [s, p, o]


def axes(shape: Sequence[int]) -> Sequence[int]:
    """Channels, time, rows and columns."""
    return {2: (1, 1, *shape), 3: (shape[0], 1, *shape[1:]), 4: shape}[len(shape)]


def cells_of(number: int, rows: int, columns: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """Rows and columns of a pass's cells, and of each of their neighbours."""
    r, c = np.indices((rows, columns))
    distance = 2 if number < 3 else 1
    is_in = {
        0: (r % 4 == 0) & (c % 4 == 0),
        1: (r % 4 == 2) & (c % 4 == 2),
        2: (r % 2 == 0) & (c % 2 == 0) & (r % 4 != c % 4),
        3: (r % 2 == 1) & (c % 2 == 1),
        4: r % 2 != c % 2,
    }[number]
    cells = np.array(np.nonzero(is_in))
    corners, sides = [(-1, -1), (-1, 1), (1, -1), (1, 1)], [(0, -1), (0, 1), (-1, 0), (1, 0)]
    around = []
    for move in [] if number == 0 else corners if number % 2 else sides:
        there, mirrored = (cells + sign * distance * np.array(move)[:, None] for sign in (1, -1))
        outside = (there < 0) | (there >= np.array([[rows], [columns]]))
        around.append(np.where(outside, mirrored, there))
    return cells, around
