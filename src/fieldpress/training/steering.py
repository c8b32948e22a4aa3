"""Reaching a size: one dial turns the quality of all grid compressors until the file has the bits asked for.

The dial counts halvings of the bits (:meth:`Compressor.coarser`). Before training it is set by trial, so that a size
which cannot be reached is refused there. It follows every round trip, as training changes what the grids cost, and
is set by trial once more when they settle.
"""

import math
from collections.abc import Mapping, Sequence

from torch import nn

from fieldpress.compressors.base import FAR
from fieldpress.compressors.guides import Guide
from fieldpress.errors import ConfigError
from fieldpress.progress import portion

TOLERANCE = 0.05
"""How far a file may be from the size asked for, as a share of it."""
_CLOSE = 0.01
"""Where trials end."""
_PATIENCE, _NEAR = 6, 0.02
"""After so many trials this is close enough: a slow codec takes long for each."""
_FINEST = 0.01
"""Halvings: sizes on either side of the one asked for that are no further apart are as near as it gets."""
_TRIALS = 16
_LARGEST_TURN = 1.0
"""Halvings by which a round trip turns the dial at most."""
_UNSURE = 1.4
"""A codec at little effort, which the range is found with, takes up to a quarter less or more at its best."""
_MOST_BITS = 16
"""Of a number in a grid that starts at random: finer than that no compressor is asked to be."""

Tensors = Mapping[str, Sequence[nn.Parameter]]


class Steering:
    """Turns the dial of the grids' guides towards a number of bits.

    Args:
        target_bits: Of the whole file.
        framing_bits: Of the file without its chunks.
        guides: Of all chunks, by name.
        tensors: Theirs.
        grids: The chunks that hold grids; those whose compressor has a quality are turned.
        pixels: Of the clip, to speak of bits per pixel.
    """

    def __init__(
        self,
        target_bits: float,
        framing_bits: float,
        guides: Mapping[str, Guide],
        tensors: Tensors,
        grids: Sequence[str],
        pixels: int,
    ) -> None:
        steered = [name for name in grids if guides[name].compressor.coarser(0.0) is not None]
        self.target_bits, self.framing_bits, self.pixels = target_bits, framing_bits, pixels
        self.dial = 0.0
        self._assumed: float = 0.0
        self._known: float | None = None
        """Bits of what is not turned: as the latest search took them to be, and as they turned out."""
        self._grids = {name: (guides[name], tensors[name]) for name in steered}
        self._others = {name: (guides[name], tensors[name]) for name in guides if name not in steered}

    def prepare(self, started: bool) -> None:
        """Before training: refuses a size out of reach.

        Args:
            started: The grids show the source already, and what they cost now says something; the dial is then set.

        Raises:
            ConfigError: The message gives the range.
        """
        if started:
            if abs(self.search() - 1) <= TOLERANCE:
                return
            found = self.dial
            least, most, unsure = self._size(FAR), self._size(-FAR), _UNSURE
            self._turn(found)
        else:
            least = self._other_bits()
            most = least + _MOST_BITS * sum(t.numel() for _, group in self._grids.values() for t in group)
            unsure = 1.0
        if not least / unsure < self.target_bits < most * unsure:
            raise ConfigError(
                f"a file of {self._told(self.target_bits)} is out of reach: with this source this preset gives about "
                f"{self._told(least)} to {self._told(most)}"
            )

    def _told(self, bits: float) -> str:
        return f"{bits / self.pixels:.3g} bpp ({bits / 8:,.0f} bytes)"

    def misses(self, bits: Mapping[str, float]) -> bool:
        """Whether a file is off its size because what is not turned came out otherwise than the search took it to be.

        Args:
            bits: Of all chunks, as they are written. A further search takes what is not turned to be that large.
        """
        self._known = self.framing_bits + sum(bits[name] for name in self._others)
        grown, surplus = self._known - self._assumed, self.framing_bits + sum(bits.values()) - self.target_bits
        return min(abs(grown), abs(surplus)) > TOLERANCE / 2 * self.target_bits

    def follow(self) -> None:
        """Turns the dial by what the latest round trips say."""
        sizes = [guide.bits for guide, _ in self._grids.values()]
        if all(sizes):
            turn = math.log2(sum(sizes) / self._grid_bits())
            self._turn(self.dial + min(max(turn, -_LARGEST_TURN), _LARGEST_TURN))

    def search(self) -> float:
        """Turns the dial until what would be written now has the size asked for, or comes nearest to it.

        Returns:
            The size over the one asked for.
        """
        self._assumed = self._other_bits()
        larger: dict[float, float] = {}
        smaller: dict[float, float] = {}
        tried: dict[float, float] = {}
        dial = self.dial
        for trial in range(_TRIALS):
            with portion(1 - 2.0**-trial, 1 - 2.0 ** -(trial + 1)):  # nobody knows how many there will be
                surplus = math.log2(self._size(dial) / self.target_bits)
            (larger if surplus > 0 else smaller)[dial] = surplus
            tried = larger | smaller
            if min(abs(2**one - 1) for one in tried.values()) <= (_CLOSE if len(tried) < _PATIENCE else _NEAR):
                break
            if larger and smaller and abs(min(smaller) - max(larger)) <= _FINEST:
                break
            following = _next_dial(larger, smaller)
            if not (larger and smaller) and len(set(tried.values())) < len(tried):
                following = math.copysign(FAR, surplus)  # the size no longer follows: only the end is left to try
            if abs(following) > FAR or following in larger or following in smaller:
                break
            dial = following
        best = min(tried, key=lambda dial: abs(tried[dial]))
        self._turn(best)
        return 2 ** tried[best]

    def _turn(self, dial: float) -> None:
        for guide, _ in self._grids.values():
            guide.coarsen(dial - self.dial)
        self.dial = dial

    def _size(self, dial: float) -> float:
        """Bits of the whole file, were it written now."""
        self._turn(dial)
        return self._other_bits() + sum(guide.size(tensors) for guide, tensors in self._grids.values())

    def _other_bits(self) -> float:
        if self._known is not None:
            return self._known
        return self.framing_bits + sum(guide.size(tensors) for guide, tensors in self._others.values())

    def _grid_bits(self) -> float:
        """What is left for the grids; at least a bit, so that there is a direction to turn to."""
        return max(1.0, self.target_bits - self._other_bits())


def _next_dial(larger: Mapping[float, float], smaller: Mapping[float, float]) -> float:
    """Where to look next, given the logarithmic surplus at the dials tried on either side.

    Interpolation and halving by turns: sizes follow the dial unevenly, and where it is coarsest not even steadily.

    Example:
        >>> _next_dial({0.0: 1.5}, {}), _next_dial({0.0: 1.0}, {4.0: -3.0})
        (1.5, 1.0)
    """
    tried = len(larger) + len(smaller)
    if not (larger and smaller):
        dial, surplus = max(larger.items()) if larger else min(smaller.items())
        # Near the end of a scale the bits hardly follow the dial, so later turns are a whole halving at least.
        return dial + (surplus if tried == 1 else math.copysign(max(1.0, abs(surplus)), surplus))
    (low, above), (high, below) = max(larger.items()), min(smaller.items())
    share = above / (above - below) if tried % 2 == 0 else 0.5
    return low + min(max(share, 0.1), 0.9) * (high - low)
