"""The encoder's half of placed codes: side information fitted to one group.

Floats are welcome here: what they lead to is rounded and sent, and the decoder never repeats the calculation.
"""

import itertools

import numpy as np
from numpy.typing import NDArray

from fieldpress.coding.chances import Bits, write_bits
from fieldpress.coding.lists import cost_in_bits, write_list
from fieldpress.coding.marks import Entries, commonest
from fieldpress.coding.placed import (
    COARSEST,
    HINT_LIMIT,
    HINT_SHIFT,
    SIGN_LIMIT,
    SIGN_SHIFT,
    Parameters,
    code_scores,
    mark_scores,
)
from fieldpress.coding.rangecoder import Encoder
from fieldpress.coding.scattered import Points, Scattered, Signs, Walk, relative_points
from fieldpress.coding.scores import OCTAVE, chances_of, write_scored
from fieldpress.coding.symbols import Integers

_SAMPLE = 1 << 13
_ROUNDS = 12
_LONGEST_STEP = 4.0
_CLOSE = 1e-2
"""Change of the weights below which they are found."""
_PRIOR_COUNT = 0.3
_FAR = 30.0

Floats = NDArray[np.float64]


def write_placed(coder: Encoder, codes: Integers, entries: Entries, level: Scattered) -> None:
    """Append the codes of all cells, for which :func:`can_place` holds.

    Args:
        codes: Not all the same.
        entries: Shape (entries, channels of the group).
        level: The cells, with the groups before.
    """
    most = commonest(codes)
    marks, points = codes != most, relative_points(entries, most)
    told = _told(codes, points, level)
    found = _fit_to(told, codes, points, level)
    for values in (np.array([most]), found.signs, np.array([found.unit]), found.constants, found.hints.ravel()):
        write_list(coder, values)
    for cells, (signs, hints) in zip(level.passes, told, strict=True):
        write_bits(coder, marks[cells], chances_of(mark_scores(signs, found.signs)))
        write_scored(coder, codes[cells[marks[cells]]], code_scores(hints, points, found))


def _told(codes: Integers, points: Points, level: Scattered) -> list[tuple[Signs, Points]]:
    """Signs of all cells and hints of those with a mark, pass by pass."""
    walk, told = Walk(level, points.shape[1]), []
    marks = codes != commonest(codes)
    for cells in level.passes:
        marked = cells[marks[cells]]
        signs = walk.signs(cells)
        walk.mark(cells, marks[cells])
        told.append((signs, walk.hints(marked)))
        walk.place(marked, points[codes[marked]])
    return told


def _fit_to(told: list[tuple[Signs, Points]], codes: Integers, points: Points, level: Scattered) -> Parameters:
    signs, hints = (np.concatenate(parts, axis=1) for parts in zip(*told, strict=True))
    ordered = codes[np.concatenate(level.passes)]
    marks = ordered != commonest(codes)
    return _fit(signs, marks, points, hints, ordered[marks])


def _fit(signs: Signs, marks: Bits, points: Points, hints: Points, codes: Integers) -> Parameters:
    """Maximum likelihood, with weights that are held back where little says what they should be.

    Args:
        signs: Shape (signs, cells).
        marks: Shape (cells,).
        points: Shape (entries, channels).
        hints: Shape (hints, cells with a mark).
        codes: Shape (cells with a mark,).
    """
    of_signs = _fit_signs(signs, marks)
    return _cheapest(of_signs, *_fit_hints(points, hints, codes), points, hints, codes)


def _fit_signs(signs: Signs, marks: Bits) -> Integers:
    """Newton's method on a logistic regression; of marks and of cells without one a sample each."""
    parts = [np.flatnonzero(marks == value) for value in (False, True)]
    apart = [max(1, len(part) // _SAMPLE) for part in parts]
    chosen = [part[::step] for part, step in zip(parts, apart, strict=True)]
    weight = np.repeat(np.array(apart, dtype=np.float64), [len(part) for part in chosen])
    known, wanted = signs[:, np.concatenate(chosen)] / 16, np.repeat([0.0, 1.0], [len(part) for part in chosen])
    ridge = np.ones(len(signs))
    found = np.zeros(len(signs))
    for _ in range(_ROUNDS):
        chance = 1 / (1 + np.exp(-np.clip(found @ known, -_FAR, _FAR)))
        slope = known @ (weight * (chance - wanted)) + ridge * found
        bend = (known * (weight * chance * (1 - chance))) @ known.T + np.diag(ridge)
        step = np.linalg.solve(bend, slope)
        found -= step * min(1.0, _LONGEST_STEP / max(_CLOSE, np.abs(step).max()))
        if np.abs(step).max() < _CLOSE:
            break
    return _rounded(found * OCTAVE / np.log(2) * (1 << SIGN_SHIFT) / 16, SIGN_LIMIT)


def _fit_hints(points: Points, hints: Points, codes: Integers) -> tuple[Floats, Integers]:
    """Constants, in scores, and weights: by turns the best of each for the other, on a sample of the cells."""
    chosen = slice(None, None, max(1, len(codes) // _SAMPLE))
    share = len(codes) / len(codes[chosen])
    size = [max(1.0, float(np.sqrt(np.square(each.astype(np.float64)).mean()))) for each in (points[codes], hints)]
    entries, known, wanted = points / size[0], hints[:, chosen] / size[1], codes[chosen]
    counts = share * np.bincount(wanted, minlength=len(points))
    constants, weights = np.log(counts + _PRIOR_COUNT), np.zeros((entries.shape[1], len(known)))
    for _ in range(_ROUNDS):
        logits = constants[:, None] + entries @ (weights @ known)
        shares = np.exp(logits - logits.max(axis=0))
        shares /= shares.sum(axis=0)
        mean = entries.T @ shares
        slope = weights - share * (entries[wanted].T - mean) @ known.T
        bend = np.empty((*weights.shape, *weights.shape))
        for i, j in itertools.product(range(len(mean)), repeat=2):
            spread = (entries[:, i] * entries[:, j]) @ shares - mean[i] * mean[j]
            bend[i, :, j] = share * (known * spread) @ known.T
        step = np.linalg.solve(bend.reshape(weights.size, -1) + np.eye(weights.size), slope.ravel())
        weights -= step.reshape(weights.shape) * min(1.0, _LONGEST_STEP / max(_CLOSE, np.abs(step).max()))
        constants += np.log(counts + _PRIOR_COUNT) - np.log(share * shares.sum(axis=1) + _PRIOR_COUNT)
        if np.abs(step).max() < _CLOSE:
            break
    unit = OCTAVE / np.log(2)
    return constants * unit, _rounded(weights * unit * (1 << HINT_SHIFT) / (size[0] * size[1]), HINT_LIMIT)


def _cheapest(
    signs: Integers, constants: Floats, weights: Integers, points: Points, hints: Points, codes: Integers
) -> Parameters:
    """With constants in that unit in which they and the codes take the fewest bits."""
    chosen = slice(None, None, max(1, len(codes) // _SAMPLE))
    share = len(codes) / len(codes[chosen])
    found: list[tuple[float, Parameters]] = []
    for unit in range(COARSEST + 1):
        rounded = np.rint((constants - np.median(constants)) / (1 << unit)).astype(np.int64)
        trial = Parameters(signs, unit, rounded, weights)
        scores = code_scores(hints[:, chosen], points, trial) / OCTAVE
        bits = np.log2(np.exp2(scores - scores.max(axis=1, keepdims=True)).sum(axis=1)) + scores.max(axis=1)
        spent = share * float((bits - scores[np.arange(len(scores)), codes[chosen]]).sum())
        found.append((spent + cost_in_bits(rounded), trial))
    return min(found, key=lambda each: each[0])[1]


def _rounded(values: Floats, limit: int) -> Integers:
    return np.clip(np.rint(values), -limit, limit).astype(np.int64)
