"""Codes of a dictionary as one range-coded stream: as plain integers, as ranks given their neighbours, marked, placed.

Codes have no order of their own, but their entries are points in space. So the entry of a cell is predicted from those
of its neighbours, as grids are (context.py: passes within a slice, the slice before, weights that are sent), and the
code is sent as its *rank*: how many entries lie nearer to the one predicted. Where neighbours are alike most ranks are
small, and how small the ranks around a cell are says how small its own will be: they are one more grid of integers.

Where most cells have one and the same code, as in a scene most corners have, first comes which have another
(marks.py), then only those. Where cells lie scattered in space, both are told from what is around them (placed.py).

Everything the decoder computes is integer arithmetic: entries are first rounded to 13 bits.
"""

import numpy as np
from numpy.typing import NDArray

from fieldpress.coding.context import (
    WEIGHT_LIMIT,
    neighbour_sums,
    pass_count,
    predict,
    steps,
    view_with_context,
)
from fieldpress.coding.contextfit import View, fit_weights
from fieldpress.coding.integers import decode_integers, encode_integers, read_integers, write_integers
from fieldpress.coding.lists import read_list, write_list
from fieldpress.coding.marks import Entries, Groups, commonest, read_marks, write_marks
from fieldpress.coding.placed import MOST_SCORES, can_place, read_placed
from fieldpress.coding.placedfit import write_placed
from fieldpress.coding.points import POINT_BITS, points_of
from fieldpress.coding.rangecoder import Decoder, decoder, encoder
from fieldpress.coding.scattered import Scattered
from fieldpress.coding.symbols import Integers, unzigzag, zigzag
from fieldpress.errors import FormatError

MOST_RANKED = 1 << 12
"""Entries of the largest dictionary whose codes are sent as ranks."""

_ORDERED_PER_CELL = 64
"""Orders of all entries around each are the square of their number: at most so many times the cells."""
_PREDICTION_LIMIT = 1 << (POINT_BITS + 1)
_PLAIN, _RANKED, _MARKED, _PLACED = range(4)
_BLOCK = 1 << 20


def encode_codes(codes: Integers, entries: Entries, before: Groups | None = None) -> bytes:
    """The shortest stream of these codes.

    Args:
        codes: From 0 to the number of entries - 1, shape (rows, columns) or (time, rows, columns).
        entries: As the decoder has them, shape (entries, features).
        before: Groups of other channels of the same cells, which the decoder has by then; none if None.
    """
    before = before or Groups(codes.size)
    streams = [encode_integers(codes[None], (np.array([_PLAIN]),)), _encode_marked(codes, before)]
    if _can_rank(codes.shape, len(entries)):
        streams.append(_encode_ranked(codes, entries))
    if isinstance(before, Scattered) and _pays_to_place(codes, entries, before):
        streams.append(_encode_placed(codes, entries, before))
    return min(streams, key=len)


def decode_codes(data: bytes, shape: tuple[int, ...], entries: Entries, before: Groups | None = None) -> Integers:
    """The codes of :func:`encode_codes`, given their shape, the same entries and the same groups before.

    Raises:
        FormatError: The stream is damaged.
    """
    before = before or Groups(int(np.prod(shape)))
    coder = decoder(data)
    way = int(read_list(coder, 1)[0])
    if way == _PLAIN:
        return _in_range(read_integers(coder, (1, *shape)).reshape(shape), len(entries))
    if way == _MARKED:
        return _in_range(_read_marked(coder, shape, before), len(entries))
    if way == _PLACED and isinstance(before, Scattered) and can_place(entries, before):
        return read_placed(coder, entries, before).reshape(shape)
    if way != _RANKED or not _can_rank(shape, len(entries)):
        raise FormatError(f"codes of a dictionary are damaged: {way} is no way to code {shape} of them")
    view = view_with_context((1, *shape))
    assert view is not None
    lists = (1, entries.shape[1], 3 * pass_count(*view[1:]))
    ranks, (_, centres, weights) = decode_integers(data, (1, *shape), lists)
    if np.abs(centres).max() > _PREDICTION_LIMIT or np.abs(weights).max() > WEIGHT_LIMIT:
        raise FormatError("codes of a dictionary are damaged: what predicts them is out of range")
    ranks = _in_range(zigzag(ranks), len(entries)).reshape(view[1], -1)
    return _from_ranks(ranks, view, points_of(entries) - centres, weights.reshape(-1, 3)).reshape(shape)


def _pays_to_place(codes: Integers, entries: Entries, before: Scattered) -> bool:
    marks = int(np.count_nonzero(codes != commonest(codes)))
    return 0 < marks * len(entries) <= MOST_SCORES and can_place(entries, before)


def _encode_placed(codes: Integers, entries: Entries, before: Scattered) -> bytes:
    coder = encoder()
    write_list(coder, np.array([_PLACED]))
    write_placed(coder, codes.ravel(), entries, before)
    return coder.finish()


def _encode_marked(codes: Integers, before: Groups) -> bytes:
    coder, flat, most = encoder(), codes.ravel(), commonest(codes)
    marks = flat != most
    write_list(coder, np.array([_MARKED]))
    write_list(coder, np.array([most]))
    write_marks(coder, marks, before.active)
    if marks.any():
        write_integers(coder, flat[marks][None, :, None])
    return coder.finish()


def _read_marked(coder: Decoder, shape: tuple[int, ...], before: Groups) -> Integers:
    codes = np.full(int(np.prod(shape)), read_list(coder, 1)[0])
    marks = read_marks(coder, before.active)
    if marks.any():
        codes[marks] = read_integers(coder, (1, int(marks.sum()), 1)).ravel()
    return codes.reshape(shape)


def _from_ranks(ranks: Integers, view: View, points: Integers, weights: Integers) -> Integers:
    order = _orders(points)
    codes = np.empty_like(ranks)
    grid = np.zeros((view[1], points.shape[1], ranks.shape[1]), dtype=np.int64)
    for step in steps(*view[1:]):
        cells = step.cells.cells
        near = _nearest(predict(neighbour_sums(grid, step), weights[step.number]), points)
        found = order[near, ranks[step.time, cells]].astype(np.int64)
        codes[step.time, cells] = found
        grid[step.time][:, cells] = points[found].T
    return codes


def _in_range(codes: Integers, count: int) -> Integers:
    if codes.min() < 0 or codes.max() >= count:
        raise FormatError(f"codes of a dictionary are damaged: one is outside 0 to {count - 1}")
    return codes


def _can_rank(shape: tuple[int, ...], count: int) -> bool:
    fits = count <= MOST_RANKED and count * count <= _ORDERED_PER_CELL * int(np.prod(shape))
    return fits and view_with_context((1, *shape)) is not None


def _encode_ranked(codes: Integers, entries: Entries) -> bytes:
    points = points_of(entries)
    view = view_with_context((1, *codes.shape))
    assert view is not None
    flat = codes.reshape(view[1], -1)
    grid = points[flat].swapaxes(1, 2)
    centres = np.rint(grid.mean(axis=(0, 2))).astype(np.int64)
    points = points - centres
    grid = np.ascontiguousarray(grid - centres[:, None])
    weights = fit_weights(grid, (grid.shape[1], *view[1:]))
    order = _orders(points)
    rank_of = np.empty_like(order)
    np.put_along_axis(rank_of, order, np.arange(len(order), dtype=order.dtype)[None], axis=1)
    ranks = np.empty(flat.shape, dtype=np.int64)
    for step in steps(*view[1:]):
        cells = step.cells.cells
        near = _nearest(predict(neighbour_sums(grid, step), weights[step.number]), points)
        ranks[step.time, cells] = rank_of[near, flat[step.time, cells]]
    signed = unzigzag(ranks).reshape(1, *codes.shape)
    return encode_integers(signed, (np.array([_RANKED]), centres, weights.ravel()))


def _orders(points: Integers) -> NDArray[np.uint16]:
    """For each entry all of them, the nearest first, of equally near ones the first."""
    count = len(points)
    order = np.empty((count, count), dtype=np.uint16)
    block = max(1, _BLOCK // count)
    for start in range(0, count, block):
        order[start : start + block] = np.argsort(_distances(points[start : start + block], points), 1, kind="stable")
    return order


def _nearest(predictions: Integers, points: Integers) -> NDArray[np.intp]:
    predictions = np.clip(predictions, -_PREDICTION_LIMIT, _PREDICTION_LIMIT).T
    found = np.empty(len(predictions), dtype=np.intp)
    block = max(1, _BLOCK // len(points))
    for start in range(0, len(predictions), block):
        found[start : start + block] = _distances(predictions[start : start + block], points).argmin(axis=1)
    return found


def _distances(some: Integers, points: Integers) -> NDArray[np.float64]:
    """Squared distances less the squares of ``some``, shape (some, points).

    In floats, but of integers far below 2**53: exact in any order of addition, so the same on every machine.
    """
    others = points.astype(np.float64)
    return np.square(others).sum(axis=1) - some.astype(np.float64) @ (2 * others).T
