"""What compressors that round to multiples of a step have in common, and their guide (rounding.py) needs to know."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fieldpress.compressors.base import Array, Compressor, Shape

if TYPE_CHECKING:
    from torch import Tensor

    from fieldpress.compressors.guides import Guidance, Guide

Steps = NDArray[np.float64]
"""One step for a tensor, or one for each of its channels (first axis)."""


class Stepped(Compressor):
    """Rounds each tensor, or each channel of it, to multiples of a step."""

    @abstractmethod
    def steps(self, array: Array) -> Steps:
        """The steps it would choose; 0 where any would do."""

    @abstractmethod
    def encode_steps(self, array: Array, steps: Steps | None) -> bytes:
        """As :meth:`encode`, with the steps nearest to these that the file can express; None for its own choice."""

    @abstractmethod
    def learns_steps(self, shape: Shape) -> bool:
        """Whether the file says what the steps of such a tensor are, so that they can be anything."""

    def encode(self, array: Array) -> bytes:
        return self.encode_steps(array, None)

    def special_guide(self, guidance: "Guidance", tensors: "Sequence[Tensor]") -> "Guide":
        from fieldpress.compressors.rounding import Rounding

        return Rounding(self, guidance, tensors)
