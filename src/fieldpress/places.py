"""Where the cells of a tensor are that has them in a list.

The corners of an octree's cells are such a list: in the tensor they are a row of numbers, in which neighbours in space
lie far apart. Who knows the octree knows their places, and a coder that is told them can tell a cell from those around.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Places(NamedTuple):
    """Corners of a cubic grid, no two the same."""

    side: int
    """Cells along a side: coordinates of corners are 0 to that."""
    corners: NDArray[np.int16]
    """Shape (cells of the tensor, 3)."""
