"""Integer grids coded given their neighbours: prediction and expected magnitude, all in integers.

Time slices come in order; within a slice the cells come in passes (neighbours.py), all channels together. With the sums

    s  of the four known cells around      p  of the cell in the previous slice, times 4      o  of the cells around p

a cell is predicted as (a s + b p + c o + 128) >> 8, where the integers a, b, c belong to the pass and are sent. What is
left over, the residual, is coded on the rung

    base[class] + bias[pass] + gain[channel]      (kept within 1 to 127)

where the class is the half octave of the magnitudes of the residuals around, in sixteenths: twice the sum over the
cells around, 4 times the cell in the previous slice, once the sum around that one; 4 times the cells around where there
is no previous slice, 16 times the previous cell where there is nothing around. The first slice has passes of its own,
since there a cell knows less.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fieldpress.coding.lists import read_list, write_list
from fieldpress.coding.neighbours import Pass, passes
from fieldpress.coding.rangecoder import Decoder, Encoder, Table
from fieldpress.coding.symbols import (
    MAX_MAGNITUDE,
    Integers,
    read_exp_golomb,
    read_symbols,
    write_exp_golomb,
    write_symbols,
)
from fieldpress.coding.tables import RUNGS, SHAPES, Shape
from fieldpress.errors import FormatError

LEAST_SIDE = 8
"""Pictures with a shorter side are coded without context."""
LARGEST_STRIDE = 4
WEIGHT_LIMIT = 256
"""Largest weight: 64 is a weight of 1 for the mean of four neighbours."""

# Half octaves: 1, 2, 3, 4, 6, 8, 12, ...; class 0 is a sum of zero.
_THRESHOLDS = np.array(sorted({(2 + half) << octave >> 1 for octave in range(37) for half in (0, 1)}), dtype=np.int64)
CLASSES = len(_THRESHOLDS) + 1
_PREDICTION_LIMIT = 2 * MAX_MAGNITUDE
_TWO = Table.from_weights([1, 1])


class Parameters(NamedTuple):
    """The side information: what the decoder needs besides the symbols."""

    centres: Integers
    """Per channel, subtracted before anything else."""
    weights: Integers
    """a, b, c per pass, shape (2 * passes, 3): those of the first slice, then those of all others."""
    base: Integers
    """Rung per class, up to the highest that occurs; higher ones take the last."""
    bias: Integers
    """Per pass, shape (2 * passes,)."""
    gain: Integers
    """Per channel."""
    tail: Shape


class Step(NamedTuple):
    """One pass of one slice: the unit of coding."""

    time: int
    number: int
    """Index into the parameters: pass, plus the number of passes if this is not the first slice."""
    cells: Pass


def view_with_context(shape: tuple[int, ...]) -> tuple[int, int, int, int] | None:
    """The grid as (channels, time, rows, columns); None if it has too little structure."""
    if len(shape) < 2 or min(shape[-2:]) < LEAST_SIDE:
        return None
    channels = shape[0] if len(shape) > 2 else 1
    time = shape[1] if len(shape) > 3 else 1
    return channels, time, shape[-2], shape[-1]


def pass_count(time: int, rows: int, columns: int) -> int:
    """Passes with parameters of their own: those of the first slice, and once more if others follow."""
    return len(passes(rows, columns, LARGEST_STRIDE)) * (1 if time == 1 else 2)


def steps(time: int, rows: int, columns: int) -> Iterator[Step]:
    """All steps in coding order."""
    order = passes(rows, columns, LARGEST_STRIDE)
    for slice_index in range(time):
        for number, cells in enumerate(order):
            if len(cells.cells):
                yield Step(slice_index, number + (len(order) if slice_index else 0), cells)


def neighbour_sums(slices: Integers, step: Step) -> Integers:
    """The sums s, p, o of the module's description, shape (3, channels, cells); zero where nothing is known.

    Args:
        slices: Shape (time, channels, rows * columns).
    """
    cells, around = step.cells
    sums = np.zeros((3, slices.shape[1], len(cells)), dtype=np.int64)
    sums[0] = np.take(slices[step.time], around, axis=1).sum(axis=1)
    if step.time:
        before = slices[step.time - 1]
        sums[1] = 4 * before[:, cells]
        sums[2] = np.take(before, around, axis=1).sum(axis=1)
    return sums


def predict(sums: Integers, weights: Integers) -> Integers:
    """The predicted cells, shape (channels, cells)."""
    a, b, c = weights.tolist()
    prediction = (a * sums[0] + b * sums[1] + c * sums[2] + 128) >> 8
    return np.clip(prediction, -_PREDICTION_LIMIT, _PREDICTION_LIMIT)


def classes(magnitudes: Integers, step: Step) -> NDArray[np.intp]:
    """The class of each cell, shape (channels, cells), from the residuals' magnitudes so far."""
    around, before, around_before = neighbour_sums(magnitudes, step)
    if not step.time:
        sixteenths = 4 * around
    elif not len(step.cells.around):
        sixteenths = 4 * before
    else:
        sixteenths = 2 * around + before + around_before
    return np.searchsorted(_THRESHOLDS, sixteenths, side="right")


def rungs(found: NDArray[np.intp], parameters: Parameters, number: int) -> NDArray[np.uint8]:
    """The rung of each cell, shape (channels, cells)."""
    base = parameters.base[np.minimum(found, len(parameters.base) - 1)]
    index = base + parameters.bias[number] + parameters.gain[:, None]
    return np.clip(index, 1, RUNGS - 1).astype(np.uint8)


def write_parameters(coder: Encoder, parameters: Parameters) -> None:
    """Append the side information."""
    write_list(coder, parameters.centres)
    write_list(coder, parameters.weights.ravel())
    write_exp_golomb(coder, np.array([len(parameters.base) - 1]))
    write_list(coder, np.diff(parameters.base, prepend=0))
    write_list(coder, parameters.bias)
    write_list(coder, parameters.gain)
    coder.encode(np.array([SHAPES.index(parameters.tail)], dtype=np.int32), _TWO)


def read_parameters(coder: Decoder, channels: int, numbers: int) -> Parameters:
    """The side information of a grid with this many channels and passes."""
    centres = read_list(coder, channels)
    weights = read_list(coder, 3 * numbers).reshape(numbers, 3)
    if np.abs(weights).max() > WEIGHT_LIMIT:
        raise FormatError(f"a context model is damaged: it has a weight beyond {WEIGHT_LIMIT}")
    count = int(read_exp_golomb(coder, 1)[0]) + 1
    if count > CLASSES:
        raise FormatError(f"a context model has {count} classes; at most {CLASSES} exist")
    base = np.cumsum(read_list(coder, count))
    bias, gain = read_list(coder, numbers), read_list(coder, channels)
    tail = SHAPES[int(coder.decode(1, _TWO)[0])]
    return Parameters(centres, weights, base, bias, gain, tail)


def read_context(coder: Decoder, shape: tuple[int, ...]) -> Integers:
    """The next grid of this shape.

    Raises:
        FormatError: The stream is damaged, or the shape has no neighbours to speak of.
    """
    view = view_with_context(shape)
    if view is None:
        raise FormatError(f"an entropy-coded grid is damaged: shape {shape} is never coded with context")
    channels, time, rows, columns = view
    parameters = read_parameters(coder, channels, pass_count(time, rows, columns))
    values = np.zeros((time, channels, rows * columns), dtype=np.int64)
    magnitudes = np.zeros_like(values)
    for step in steps(time, rows, columns):
        residual = read_symbols(coder, rungs(classes(magnitudes, step), parameters, step.number), parameters.tail)
        prediction = predict(neighbour_sums(values, step), parameters.weights[step.number])
        magnitudes[step.time][:, step.cells.cells] = np.abs(residual)
        values[step.time][:, step.cells.cells] = prediction + residual
    values += parameters.centres[:, None]
    return values.swapaxes(0, 1).reshape(shape)


def write_residuals(
    coder: Encoder, residuals: Integers, found: NDArray[np.intp], parameters: Parameters, order: Iterator[Step]
) -> None:
    """Append residuals, whose classes are known, both of shape (time, channels, rows * columns)."""
    for step in order:
        cells = step.cells.cells
        chosen = rungs(found[step.time][:, cells], parameters, step.number)
        write_symbols(coder, residuals[step.time][:, cells], chosen, parameters.tail)
