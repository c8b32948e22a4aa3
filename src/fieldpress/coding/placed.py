"""Codes of scattered cells in a range-coded stream: marks by their signs, codes by their hints (scattered.py).

The score of a mark (scores.py) is the sum of its signs, each times a weight, over 64. The score of a code is a constant
of the code, plus the product of its point and a sum of the hints, each times a vector of weights, over 2**18. Constants
and weights belong to the group and are sent.
"""

from typing import NamedTuple

import numpy as np

from fieldpress.coding.chances import read_bits
from fieldpress.coding.lists import read_list
from fieldpress.coding.marks import Entries
from fieldpress.coding.rangecoder import Decoder
from fieldpress.coding.scattered import SIGNS, Points, Scattered, Signs, Walk, relative_points
from fieldpress.coding.scores import chances_of, read_scored
from fieldpress.coding.symbols import Integers
from fieldpress.errors import FormatError

SIGN_SHIFT, HINT_SHIFT = 6, 18
SIGN_LIMIT, HINT_LIMIT = 1 << 12, 1 << 10
"""Largest weights."""
COARSEST = 6
"""Logarithm of the largest unit of constants."""
_CONSTANT_LIMIT = 1 << 12
_MOST_ENTRIES, _MOST_CHANNELS, _MOST_HINTS = 1 << 8, 1 << 4, 1 << 7
"""So that all products are integers below 2**53."""
MOST_SCORES = 1 << 23
"""Of all codes of a group together: marks times entries."""


class Parameters(NamedTuple):
    """The side information of a group."""

    signs: Integers
    """Weights of signs."""
    unit: int
    """Logarithm of that of the constants."""
    constants: Integers
    """Of the codes, in this unit."""
    hints: Integers
    """Weights of hints, shape (channels, hints)."""


def can_place(entries: Entries, level: Scattered) -> bool:
    """Whether codes into these entries can be coded so."""
    count, width = entries.shape
    return count <= _MOST_ENTRIES and width <= _MOST_CHANNELS and level.hints(width) <= _MOST_HINTS


def read_placed(coder: Decoder, entries: Entries, level: Scattered) -> Integers:
    """The next codes of a stream.

    Raises:
        FormatError: The stream is damaged.
    """
    most = int(read_list(coder, 1)[0])
    if not 0 <= most < len(entries):
        raise FormatError(f"codes of a dictionary are damaged: {most} is none of {len(entries)}")
    parameters = _read_parameters(coder, len(entries), entries.shape[1], level.hints(entries.shape[1]))
    points, walk = relative_points(entries, most), Walk(level, entries.shape[1])
    codes, scores = np.full(len(level.corners), most, dtype=np.int64), 0
    for cells in level.passes:
        marks = read_bits(coder, chances_of(mark_scores(walk.signs(cells), parameters.signs)))
        walk.mark(cells, marks)
        marked = cells[marks]
        scores += len(marked) * len(entries)
        if scores > MOST_SCORES:
            raise FormatError("codes of a dictionary are damaged: too many have a mark")
        codes[marked] = read_scored(coder, code_scores(walk.hints(marked), points, parameters))
        walk.place(marked, points[codes[marked]])
    return codes


def mark_scores(signs: Signs, weights: Integers) -> Integers:
    """Shape (cells,)."""
    return (weights @ signs.astype(np.int64)) >> SIGN_SHIFT


def code_scores(hints: Points, points: Points, parameters: Parameters) -> Integers:
    """Shape (cells, entries)."""
    wanted = (parameters.hints @ hints.astype(np.int64)).T.astype(np.float64)
    # In floats, but of integers below 2**53: exact in any order of addition, so the same on every machine.
    products = (wanted @ points.T.astype(np.float64)).astype(np.int64)
    return (parameters.constants << parameters.unit) + (products >> HINT_SHIFT)


def _read_parameters(coder: Decoder, entries: int, channels: int, hints: int) -> Parameters:
    signs, unit = read_list(coder, SIGNS), int(read_list(coder, 1)[0])
    constants, weights = read_list(coder, entries), read_list(coder, channels * hints)
    limited = ((signs, SIGN_LIMIT), (constants, _CONSTANT_LIMIT), (weights, HINT_LIMIT))
    if not 0 <= unit <= COARSEST or any(np.abs(values).max() > limit for values, limit in limited):
        raise FormatError("codes of a dictionary are damaged: what they are told from is out of range")
    return Parameters(signs, unit, constants, weights.reshape(channels, hints))
