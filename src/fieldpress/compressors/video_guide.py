"""The guide of video codecs: round trips, and a price on the bits that their pictures will take."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from fieldpress.compressors.guides import Guidance, Moment, RoundTrip
from fieldpress.compressors.pictures import axes
from fieldpress.compressors.rate import Slices
from fieldpress.compressors.transform_rate import (
    BLOCK,
    Blocks,
    Offset,
    bits,
    cells,
    cheapest,
    coefficients,
    detail,
    slopes,
)

if TYPE_CHECKING:
    from fieldpress.compressors.video import Video

_LEAST_ERROR = 1e-12
"""Mean squared error below which a channel is constant: there is nothing to save."""
_MOST_CALIBRATION = 8.0
"""Found were 0.3 to 5; more is headers of nearly empty pictures, no reason to price what little is in these."""
_CELLS_AT_ONCE = 1 << 18

Grid = Float[Tensor, "c t y x"]
"""A tensor with all four axes; a plane has one time, a matrix also one channel."""


class VideoGuide(RoundTrip):
    """A straight-through round trip, with what tensors would cost in bits (transform_rate.py) in the loss.

    A round trip shows the decoder what the codec takes; that its bits have a price makes the tensors such that there is
    less to take. Every round trip measures the codec's error, which says how coarsely it rounds, and its bytes, which
    say by how much the estimate of the bits is wrong; both are held in between.

    The price grows by 4 with every halving that ``--bpp`` or ``--size`` turn the codec by, as the square of its step
    does. At a price of 0 this is the plain round trip.

    Args:
        compressor: What will write the tensors.
        guidance: When it takes part.
        tensors: Those of one chunk.
        pictures: Their numbers, together those in the same pictures; the others have no price.
    """

    compressor: "Video"

    def __init__(
        self, compressor: "Video", guidance: Guidance, tensors: Sequence[Tensor], pictures: Sequence[Sequence[int]]
    ) -> None:
        super().__init__(compressor, guidance, tensors)
        self._pictures = pictures
        self._shapes = {number: axes(tuple(tensors[number].shape)) for group in pictures for number in group}
        """Channels, time, rows and columns, of those that have a price."""
        for number, shape in self._shapes.items():
            self.register_buffer(f"squared_{number}", torch.full((shape[0],), math.inf))
        self.calibration, self.steps = 0.0, 0
        """True bits per expected one, 0 before the first round trip; steps that had a price."""

    def trim(self, tensors: Sequence[nn.Parameter], left: Sequence[Tensor | None]) -> None:
        super().trim(tensors, left)
        self._shapes = {number: axes(tuple(tensors[number].shape)) for number in self._shapes}

    @torch.no_grad()
    def meet(self, tensors: Sequence[nn.Parameter]) -> None:
        super().meet(tensors)
        handed = self.written(tensors)
        written = {number: handed[number].reshape(shape) for number, shape in self._shapes.items()}
        for group in self._pictures:
            self._measure_errors(group)
        expected = sum(self._expected_bits(number, grid) for number, grid in written.items())
        self.calibration = min(self.bits / max(expected, 1.0), _MOST_CALIBRATION)

    def _measure_errors(self, group: Sequence[int]) -> None:
        """Of the last round trip: one for all, or one for each channel where the sample values span its range."""
        channels = [self.errors()[number].reshape(self._shapes[number]).flatten(1) for number in group]
        squares = [channel.square().sum(1) for channel in channels]
        if self.compressor.per == "tensor" or self.compressor.amplitude is not None:
            mean = torch.cat(squares).sum() / sum(channel.numel() for channel in channels)
            means = [mean.expand(len(square)) for square in squares]
        else:
            means = [square / channel.shape[1] for square, channel in zip(squares, channels, strict=True)]
        for number, mean in zip(group, means, strict=True):
            self.get_buffer(f"squared_{number}").copy_(mean.where(mean > _LEAST_ERROR, math.inf))

    def _expected_bits(self, number: int, written: Grid) -> float:
        """Of a whole tensor; of a long clip's volume, few times at once, as all predictions of it are large."""
        count, found = len(written), 0.0
        at_once = max(1, _CELLS_AT_ONCE // written[:, 0].numel())
        for start in range(0, written.shape[1], at_once):
            times = torch.arange(start, min(start + at_once, written.shape[1]), device=written.device)
            channel = torch.arange(count, device=written.device).repeat_interleave(len(times))
            rest = self._rest(number, written, channel, times.repeat(count), (0, 0))
            found += float(bits(rest, self.get_buffer(f"squared_{number}")[channel]).sum())
        return found

    def _rest(
        self, number: int, written: Grid, channel: Int[Tensor, " n"], time: Int[Tensor, " n"], offset: Offset
    ) -> Blocks:
        """What prediction leaves of some slices."""
        blocks = coefficients(written[channel, time], offset)
        if written.shape[1] == 1 or self.compressor.codec == "x265-intra":
            return detail(blocks)
        before, after = (coefficients(_beside(written, channel, time + way), offset) for way in (-1, 1))
        return cheapest(blocks, before, after, self.get_buffer(f"squared_{number}")[channel])

    @torch.no_grad()
    def learn(self, tensors: Sequence[nn.Parameter], moment: Moment) -> None:
        price = moment.bit_price * 4.0**self.halvings * self.calibration
        if not price:
            return
        self.steps += 1
        for number in self._shapes:
            self._learn(number, tensors[number], price)

    def _learn(self, number: int, tensor: nn.Parameter, price: float) -> None:
        gradient, shape = tensor.grad, self._shapes[number]
        if gradient is None:
            return
        written = (tensor - self.errors()[number]).reshape(shape)
        count = shape[0] * shape[1]
        if gradient.is_sparse:
            gradient = tensor.grad = gradient.coalesce()
            channel, time = gradient.indices()
            values = gradient.values()
        else:
            every = torch.arange(count, device=tensor.device)
            channel, time = every // shape[1], every % shape[1]
            values = gradient
        # 3 and 5 have no factor in common with a block's 8 cells: offsets take all rows, and all columns, in turn.
        offset = 3 * self.steps % BLOCK, 5 * self.steps % BLOCK
        rest = self._rest(number, written, channel, time, offset)
        slices = written[channel, time]
        steepness = cells(slopes(rest, self.get_buffer(f"squared_{number}")[channel]), slices, offset)
        # The loss of a step stands for that of the whole clip: so must the bits of the slices that it has read.
        values += price * count / len(channel) * steepness.reshape(values.shape)

    def get_extra_state(self) -> dict[str, Any]:
        return {**super().get_extra_state(), "calibration": self.calibration, "steps": self.steps}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        super().set_extra_state(state)
        self.calibration, self.steps = state["calibration"], state["steps"]


def _beside(written: Grid, channel: Int[Tensor, " n"], time: Int[Tensor, " n"]) -> Slices:
    """Slices of a volume; zero where there is none."""
    exists = (time >= 0) & (time < written.shape[1])
    return written[channel, time.clamp(0, written.shape[1] - 1)] * exists[:, None, None]
