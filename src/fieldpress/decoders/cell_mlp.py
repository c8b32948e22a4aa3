"""A perceptron that paints cells: the four pixels of a cell in one go, at a quarter of the places.

As :mod:`fieldpress.decoders.mlp`, with a linear path beside the network, and with three numbers for each pixel of a
cell instead of three.
"""

from dataclasses import dataclass
from typing import ClassVar

from fieldpress.decoders.mlp import Mlp


@dataclass(frozen=True)
class CellMlp(Mlp):
    """Perceptron with LeakyReLU, and a linear path from the features to the output, for cells of 2 x 2 pixels."""

    id: ClassVar[str] = "cell-mlp"
    cell: ClassVar[int] = 2
