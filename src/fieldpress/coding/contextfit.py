"""The encoder's half of context coding: side information fitted to one grid.

Floats are welcome here: what they lead to is rounded and sent, and the decoder never repeats the calculation.
"""

import numpy as np
from numpy.typing import NDArray

from fieldpress.coding.context import (
    CLASSES,
    WEIGHT_LIMIT,
    Parameters,
    classes,
    neighbour_sums,
    pass_count,
    predict,
    rungs,
    steps,
    view_with_context,
    write_parameters,
    write_residuals,
)
from fieldpress.coding.lists import nearest_rung, table_cost
from fieldpress.coding.rangecoder import Encoder
from fieldpress.coding.symbols import Integers
from fieldpress.coding.tables import RUNGS_PER_OCTAVE, SHAPES, Shape

View = tuple[int, int, int, int]

_WEIGHTS_COST = 20.0
"""Bits that a pass's prediction has to save before it is used: about what its weights cost."""
_PRIOR_COUNT = 2.0
_ROUNDS = 8
_SAMPLE = 1 << 16


def write_context(coder: Encoder, values: Integers) -> None:
    """Append a grid for which :func:`view_with_context` is not None."""
    view = view_with_context(values.shape)
    assert view is not None
    grid = values.reshape(view[0], view[1], -1).swapaxes(0, 1)
    centres = np.rint(grid.mean(axis=(0, 2))).astype(np.int64)
    centres[np.abs(centres) <= grid.std(axis=(0, 2)) / 4] = 0
    grid = np.ascontiguousarray(grid - centres[:, None])
    weights = fit_weights(grid, view)
    residuals = np.empty_like(grid)
    for step in steps(*view[1:]):
        cells = step.cells.cells
        prediction = predict(neighbour_sums(grid, step), weights[step.number])
        residuals[step.time][:, cells] = grid[step.time][:, cells] - prediction
    found, sums, counts = _magnitudes_by_class(residuals, view)
    base, bias, gain = _fit_rungs(sums, counts)
    parameters = Parameters(centres, weights, base, bias, gain, "laplace")
    parameters = parameters._replace(tail=_best_tail(residuals, found, parameters, view))
    write_parameters(coder, parameters)
    write_residuals(coder, residuals, found, parameters, steps(*view[1:]))


def fit_weights(grid: Integers, view: View) -> Integers:
    """Least squares per pass, kept where it pays for itself."""
    numbers = pass_count(*view[1:])
    gram, moment = np.zeros((numbers, 3, 3)), np.zeros((numbers, 3))
    energy, count = np.zeros(numbers), np.zeros(numbers)
    for step in steps(*view[1:]):
        target = grid[step.time][:, step.cells.cells].ravel().astype(np.float64)
        sums = neighbour_sums(grid, step).reshape(3, -1) / 4.0
        gram[step.number] += sums @ sums.T
        moment[step.number] += sums @ target
        energy[step.number] += target @ target
        count[step.number] += len(target)
    weights = np.zeros((numbers, 3), dtype=np.int64)
    for number in range(numbers):
        ridge = np.eye(3) * (1e-6 * np.trace(gram[number]) + 1e-9)
        exact = np.linalg.solve(gram[number] + ridge, moment[number])
        rounded = np.clip(np.rint(64 * exact), -WEIGHT_LIMIT, WEIGHT_LIMIT)
        solution = rounded / 64
        left = energy[number] - 2 * solution @ moment[number] + solution @ gram[number] @ solution
        # Rounding to integers leaves an error of 1/12 however good the prediction is.
        rounding = count[number] / 12 + 1e-9
        saved = count[number] / 2 * np.log2((energy[number] + rounding) / (max(left, 0.0) + rounding))
        if saved > _WEIGHTS_COST:
            weights[number] = rounded.astype(np.int64)
    return weights


def _magnitudes_by_class(residuals: Integers, view: View) -> tuple[NDArray[np.intp], NDArray, NDArray]:
    """Each cell's class; sums and counts of the magnitudes, shape (classes, passes, channels)."""
    channels, numbers = view[0], pass_count(*view[1:])
    magnitudes = np.abs(residuals)
    found = np.empty(residuals.shape, dtype=np.intp)
    sums, counts = np.zeros((numbers, CLASSES * channels)), np.zeros((numbers, CLASSES * channels))
    for step in steps(*view[1:]):
        cells = step.cells.cells
        here = classes(magnitudes, step)
        found[step.time][:, cells] = here
        index = (here * channels + np.arange(channels)[:, None]).ravel()
        counts[step.number] += np.bincount(index, minlength=CLASSES * channels)
        weights = magnitudes[step.time][:, cells].ravel()
        sums[step.number] += np.bincount(index, weights, minlength=CLASSES * channels)
    sums, counts = (table.reshape(numbers, CLASSES, channels).swapaxes(0, 1) for table in (sums, counts))
    return found, sums, counts


def _fit_rungs(sums: NDArray, counts: NDArray) -> tuple[Integers, Integers, Integers]:
    """Mean magnitude = base[class] * bias[pass] * gain[channel], by turns the best of each for Laplace residuals."""
    highest = int(np.flatnonzero(counts.sum(axis=(1, 2)))[-1])
    sums, counts = sums[: highest + 1], counts[: highest + 1]
    prior = 2.0 ** ((np.arange(highest + 1) - 8) / 2)  # class k is a mean magnitude of about 2**(k / 2) sixteenths
    factors = [prior.copy(), np.ones(sums.shape[1]), np.ones(sums.shape[2])]
    for _ in range(_ROUNDS):
        for axis, factor in enumerate(factors):
            others = tuple(other for other in range(3) if other != axis)
            mean = np.einsum("i,j,k->ijk", *factors) / np.moveaxis(factor[:, None, None], 0, axis)
            total = (sums / mean).sum(axis=others)
            count = counts.sum(axis=others)
            expected = prior if axis == 0 else np.ones(len(factor))
            factor[:] = np.maximum((total + _PRIOR_COUNT * expected) / (count + _PRIOR_COUNT), 1e-4)
    bias, gain = (np.rint(RUNGS_PER_OCTAVE * np.log2(factor)).astype(np.int64) for factor in factors[1:])
    return nearest_rung(factors[0]), bias, gain


def _best_tail(residuals: Integers, found: NDArray[np.intp], parameters: Parameters, view: View) -> Shape:
    """The shape that codes a sample of the steps in fewer bits."""
    cost = dict.fromkeys(SHAPES, 0.0)
    seen = 0
    for step in steps(*view[1:]):
        cells = step.cells.cells
        values = residuals[step.time][:, cells]
        chosen = rungs(found[step.time][:, cells], parameters, step.number)
        for index in np.unique(chosen).tolist():
            for shape in SHAPES:
                cost[shape] += table_cost(values[chosen == index], shape, index)
        seen += values.size
        if seen > _SAMPLE:
            break
    return min(SHAPES, key=cost.__getitem__)
