"""A perceptron that paints cells: the four pixels of a cell in one go, at a quarter of the places.

All else is that of :mod:`fieldpress.decoders.mlp`: a linear path beside the network, and three numbers for a pixel.
"""

from dataclasses import dataclass
from typing import ClassVar

from fieldpress.decoders.mlp import Mlp
from fieldpress.encodings.film import CELL


@dataclass(frozen=True)
class CellMlp(Mlp):
    """Perceptron with LeakyReLU, and a linear path from the features to the output, for cells of 2 x 2 pixels."""

    id: ClassVar[str] = "cell-mlp"
    cell: ClassVar[int] = CELL
