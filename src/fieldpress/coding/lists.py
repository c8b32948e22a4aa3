"""Short lists of integers (side information, biases) in a range-coded stream, and the choice of their table.

A list is its centre (Exp-Golomb of the zigzag), then, if it is longer than one, its tail shape and rung (one symbol)
and the differences from the centre. On rung 0 nothing follows. A list of zeros costs about five bits.
"""

import numpy as np
from numpy.typing import NDArray

from fieldpress.coding.rangecoder import Decoder, Encoder, Table
from fieldpress.coding.symbols import (
    Integers,
    read_exp_golomb,
    read_symbols,
    unzigzag,
    write_exp_golomb,
    write_symbols,
    zigzag,
)
from fieldpress.coding.tables import RUNGS, RUNGS_PER_OCTAVE, SHAPES, Shape, rung

# Rung 0 is an eighth of all lists. Symbol 128 (gauss on rung 0) means the same as symbol 0 and is not written.
_SHAPE_AND_RUNG = Table.from_weights([36] + [1] * (len(SHAPES) * RUNGS - 1))
_SAMPLE = 1 << 16
_ESCAPE_BITS = 6.0


def write_list(coder: Encoder, values: Integers) -> None:
    """Append at least one integer of magnitude up to 2**30."""
    centre = int(np.sort(values)[len(values) // 2])
    if len(values) > 1 and cost_in_bits(values) <= cost_in_bits(values - centre) + 2 * np.log2(1 + abs(centre)):
        centre = 0
    differences = values - centre
    write_exp_golomb(coder, zigzag(np.array([centre])))
    if len(values) > 1:
        shape, index = best_table(differences)
        coder.encode(np.array([SHAPES.index(shape) * RUNGS + index], dtype=np.int32), _SHAPE_AND_RUNG)
        write_symbols(coder, differences, np.full(len(values), index, dtype=np.uint8), shape)


def read_list(coder: Decoder, count: int) -> Integers:
    """The next list, of this length.

    Raises:
        FormatError: The stream is damaged.
    """
    centre = unzigzag(read_exp_golomb(coder, 1))
    if count == 1:
        return centre
    shape, index = divmod(int(coder.decode(1, _SHAPE_AND_RUNG)[0]), RUNGS)
    return centre + read_symbols(coder, np.full(count, index, dtype=np.uint8), SHAPES[shape])


def nearest_rung(mean_magnitude: NDArray[np.float64]) -> NDArray[np.int64]:
    """The rung for integers of this mean magnitude, 1 to 127; encoder side only, since it works in floats."""
    octave = np.log2(np.maximum(mean_magnitude, 2.0**-10)) + 10
    return np.clip(np.rint(octave * RUNGS_PER_OCTAVE).astype(np.int64) + 1, 1, RUNGS - 1)


def best_table(values: Integers) -> tuple[Shape, int]:
    """The shape and rung that code these integers, all with one table, in the fewest bits."""
    return min(_candidates(values))[1:]


def cost_in_bits(values: Integers) -> float:
    """What these integers cost with the best single table, in bits; estimated on a sample of long arrays."""
    return min(_candidates(values))[0]


def _candidates(values: Integers) -> list[tuple[float, Shape, int]]:
    values = np.ravel(values)
    if not values.any():
        return [(0.0, "laplace", 0)]
    sample = values[:: max(1, len(values) // _SAMPLE)]
    share = len(values) / len(sample)
    centre = int(nearest_rung(np.abs(values).mean()))
    near = range(max(1, centre - 3), min(RUNGS, centre + 4))
    return [(share * table_cost(sample, shape, index), shape, index) for shape in SHAPES for index in near]


def table_cost(values: Integers, shape: Shape, index: int) -> float:
    """Bits that these integers cost on one rung, 1 to 127; that of escapes and low bits included."""
    chosen = rung(index, shape)
    high = (values + ((1 << chosen.low_bits) >> 1)) >> chosen.low_bits
    symbols = np.minimum(zigzag(high), chosen.escape)
    beyond = np.abs(high[symbols == chosen.escape]) - chosen.reach
    escapes = float(np.sum(_ESCAPE_BITS + np.log2(beyond))) if beyond.size else 0.0
    return float(np.sum(chosen.table.bits[symbols])) + escapes + len(values) * chosen.low_bits
