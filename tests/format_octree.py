"""The levels of an octree, written from FORMAT.md alone: nothing of fieldpress. As short as can be, and slow."""

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

import numpy as np
from format_symbols import Stream

Place = tuple[int, ...]
Known = dict[Place, list[int]]

PARTS: list[Place] = list(itertools.product((0, 1), repeat=3))
AROUND = [move for move in itertools.product((-1, 0, 1), repeat=3) if any(move)]


def level_of(data: bytes, n: int, coarser: Sequence[np.ndarray]) -> np.ndarray:
    """The tensor of a stream."""
    counts: Counter = Counter()
    read = reader(Stream(data), counts)
    if not coarser:
        side, parents = round(n ** (1 / 3)), [(0, 0, 0)]
        for _ in range(side.bit_length() - 1):
            parents = children_of(level(parents, read))
        found = level(parents, read)
        return np.array([found.get(place, [0] * 8) for place in grid(side)], np.float32)
    side = round(len(coarser[0]) ** (1 / 3))
    parents = grid(side)
    for number, tensor in enumerate(coarser):
        ones = children_of(dict(zip(parents, tensor.tolist(), strict=True)))
        if number == 0:
            above = [{tuple(i >> up for i in one) for one in ones} for up in range(side.bit_length() + 1)]
            for coarse, fine in pairwise(reversed(above)):
                count(sorted(coarse), fine, counts)
        else:
            count(parents, set(ones), counts)
        parents = ones
    return np.array(list(level(parents, read).values()), np.float32)


def grid(side: int) -> list[Place]:
    return list(itertools.product(range(side), repeat=3))


def children_of(known: Known) -> list[Place]:
    return [child(place, c) for place, row in known.items() for c in range(8) if row[c]]


def child(place: Place, c: int) -> Place:
    return tuple(2 * i + part for i, part in zip(place, PARTS[c], strict=True))


def moved(place: Place, move: Iterable[int]) -> Place:
    return tuple(i + by for i, by in zip(place, move, strict=True))


def level(parents: Sequence[Place], column: Callable[[list[tuple]], list[int]]) -> Known:
    """All parents' children; `column` says a pass of bits from their contexts."""
    known: Known = {place: [0] * 8 for place in parents}
    for c in range(8):
        bits = column([contexts(known, place, c) for place in parents])
        for place, bit in zip(parents, bits, strict=True):
            known[place][c] = bit
    return known


def contexts(known: Known, place: Place, c: int) -> tuple:
    full, hidden, faces = [0] * 4, [0] * 4, []
    for move in AROUND:
        other = moved(child(place, c), move)
        number, parent = PARTS.index(tuple(i % 2 for i in other)), tuple(i // 2 for i in other)
        state = 0
        if parent in known:
            state = known[parent][number] if number < c else 2
        across = sum(map(abs, move))
        full[across] += state == 1
        hidden[across] += state == 2
        if across == 1:
            faces.append(state)
    towards = [2 * part - 1 for part in PARTS[c]]
    beyond = [move for move in AROUND if sum(map(abs, move)) == 1]
    beyond += [tuple(t * u for t, u in zip(towards, use, strict=True)) for use in PARTS if sum(use) > 1]
    _, f, e, v = full
    return (
        (sum(PARTS[c]), 2 * f + e, 2 * hidden[1] + hidden[2]),
        (c, *faces, e, hidden[2]),
        (c, 3 * f + 2 * e + v, *(moved(place, move) in known for move in beyond)),
    )


def count(parents: Sequence[Place], ones: set[Place], counts: Counter) -> None:
    """Counts a level that is known."""
    passes = iter(range(8))

    def column(found: list[tuple]) -> list[int]:
        c = next(passes)
        bits = [int(child(place, c) in ones) for place in parents]
        note(found, bits, counts)
        return bits

    level(parents, column)


def note(found: list[tuple], bits: list[int], counts: Counter) -> None:
    counts.update((kind, one, bit) for three, bit in zip(found, bits, strict=True) for kind, one in enumerate(three))


def reader(stream: Stream, counts: Counter) -> Callable[[list[tuple]], list[int]]:
    """Reads a pass of bits."""

    def read(found: list[tuple]) -> list[int]:
        bits: list[int] = []
        while len(bits) < len(found):
            block = found[len(bits) : len(bits) + min(max(64, len(bits)), 2**14)]
            chances = [chance(three, counts) for three in block]
            order = sorted(range(len(block)), key=chances.__getitem__)
            came = {i: stream.symbols(1, [2**24 - 256 * chances[i], 256 * chances[i]])[0] for i in order}
            new = [came[i] for i in range(len(block))]
            note(block, new, counts)
            bits += new
        return bits

    return read


def chance(three: tuple, counts: Counter) -> int:
    p = 2**15
    for kind, one in enumerate(three):
        zeros, ones = (counts[kind, one, bit] for bit in (0, 1))
        p = (65536 * ones + 4 * p) // (zeros + ones + 4)
    return rounded(p)


def rounded(p: int) -> int:
    m = min(max(min(p, 2**16 - p), 16), 2**15 - 1)
    k = m.bit_length() - 3
    near = ((m >> k) << k) + 2 ** (k - 1)
    return near if p < 2**15 else 2**16 - near


def corners_of(octants: Sequence[np.ndarray], coarsest: int) -> list[Place]:
    """The corners of a level's cells, in order, from the octants of all levels up to it."""
    cells = grid(2 ** (coarsest - 1))
    for tensor in octants:
        cells = children_of(dict(zip(cells, (tensor > 0.5).tolist(), strict=True)))
    return sorted({moved(cell, corner) for cell in cells for corner in PARTS})
