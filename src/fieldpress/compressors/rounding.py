"""The guide of compressors that round to steps: noise, then rounding, with learned steps and a price on bits.

Rounding has no gradient. Uniform noise of a step's width does the decoder network the same harm on average, so training
begins with that; noise then gives way to the real error, and ends as nothing but rounding::

    seen = written + step * noise    ->    seen = written + (rounded - written)

Either way the gradient found on the seen values is taken for that of the written ones. Two more gradients come
with it: that of a step, which pays for its error in distortion and is paid in bits; and that of the bits
themselves (rate.py), times their price. Of a volume, a training step reads few slices; their bits stand for those of
all, as the step's loss stands for that of the whole clip. Beside that, steps follow the compressor's own choice where
it grows.

Sources: noise in place of rounding, Ballé et al. (ICLR 2017); noise that turns into rounding, Agustsson and Theis
(NeurIPS 2020); learned steps, Esser et al. (ICLR 2020).
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from fieldpress.compressors.base import joined
from fieldpress.compressors.guides import Guidance, Guide, Moment, array_of, trim_beside, zeros_beside
from fieldpress.compressors.rate import Slices, expected_bits, fit_prediction
from fieldpress.compressors.stepped import Stepped

_STEP_RATE = 0.01
"""Learning rate of the logarithm (base 2) of a step."""
_UNKNOWN = -8.0
"""That logarithm as long as a tensor is zero: small enough for what biases and weights become."""
_NOISE_ALONE, _NO_NOISE = 0.4, 0.8
"""Shares of the time until the grids settle: up to the first there is noise alone, from the second there is none."""


class _Cells(NamedTuple):
    """The part of a tensor that a training step has read, as slices."""

    channel: Int[Tensor, "n"]
    """Of each slice."""
    time: Int[Tensor, "n"] | None
    """Of each slice of a volume; None for the whole of any other tensor."""

    @property
    def place(self) -> tuple[Tensor, ...]:
        """Of the slices in the tensor, as an index."""
        return () if self.time is None else (self.channel, self.time)


class Rounding(Guide):
    """Noise that becomes rounding. See the module's description."""

    compressor: Stepped

    def __init__(self, compressor: Stepped, guidance: Guidance, tensors: Sequence[Tensor]) -> None:
        super().__init__(compressor, guidance)
        self.errors = zeros_beside(self, "error", tensors)
        shapes = [tuple(tensor.shape) for tensor in tensors]
        counts = [len(compressor.steps(np.zeros(shape, np.float32))) for shape in shapes]
        self.logarithms = nn.ParameterList(torch.full((count,), _UNKNOWN) for count in counts)
        """Of the steps, to base 2 ..."""
        self.chosen = nn.ParameterList(
            nn.Parameter(torch.full((count,), -math.inf), requires_grad=False) for count in counts
        )
        """... and of the largest that the compressor would have chosen at a round trip; minus infinity before any."""
        self.register_buffer("weights", torch.zeros(len(tensors), 3))
        self.began, self.calibration = -1.0, 0.0
        """Share of the budget at which guidance began; true bits per expected one. Before: -1 and 0."""
        self._generator = torch.Generator().manual_seed(0)
        self._learning = [compressor.learns_steps(shape) for shape in shapes]
        self._read: list[_Cells | None] = [None] * len(tensors)

    def learners(self) -> list[dict[str, Any]]:
        return [{"params": list(self.logarithms), "rate": _STEP_RATE}]

    def written(self, tensors: Sequence[nn.Parameter]) -> list[Tensor]:
        return [tensor.detach() - error for tensor, error in zip(tensors, self.errors(), strict=True)]

    def trim(self, tensors: Sequence[nn.Parameter], left: Sequence[Tensor | None]) -> None:
        trim_beside(self, "error", left)

    def advance(self, tensors: Sequence[nn.Parameter], share: float) -> None:
        self.began = share if self.began < 0 else self.began
        super().advance(tensors, share)

    @torch.no_grad()
    def meet(self, tensors: Sequence[nn.Parameter]) -> None:
        """Measures how many bytes the tensors take and how their cells predict each other.

        Steps are at first what the compressor would choose. From then on they are learned, and follow its choice where
        that grows: grids that begin as next to nothing grow a hundred times before they are what they will be.
        """
        written = self.written(tensors)
        for logarithm, before, value in zip(self.logarithms, self.chosen, written, strict=True):
            steps = self.compressor.steps(array_of(value))  # 0 where any would do: of zeros, for one
            now = torch.from_numpy(np.log2(steps, where=steps > 0, out=np.full_like(steps, -np.inf))).to(before)
            grown = logarithm + (now - before).clamp_min_(0)
            logarithm.copy_(torch.where(before.isfinite(), grown, torch.where(now.isfinite(), now, logarithm)))
            before.copy_(now.maximum(before))
        self.bits = self.size(tensors)
        expected = 0.0
        for number, value in enumerate(written):
            cells = _whole(value)
            here, before = self._slices(number, value, cells), self._slices(number, value, cells, -1)
            weights = fit_prediction(here, before)
            self.get_buffer("weights")[number] = weights
            expected += float(expected_bits(here, before, weights.tolist()).sum())
            self._read[number] = cells
        self.calibration = self.bits / max(expected, 1.0)

    @torch.no_grad()
    def learn(self, tensors: Sequence[nn.Parameter], moment: Moment) -> None:
        if self.began < 0:
            return
        for number, (tensor, weights) in enumerate(zip(tensors, self.get_buffer("weights").tolist(), strict=True)):
            if tensor.grad is not None:
                self._learn(number, tensor, weights, moment.bit_price * self.calibration)

    def _learn(self, number: int, tensor: nn.Parameter, weights: Sequence[float], price: float) -> None:
        gradient, error = tensor.grad, self.errors()[number]
        assert gradient is not None
        if gradient.is_sparse:
            gradient = tensor.grad = gradient.coalesce()
            cells = _Cells(*gradient.indices())
            values, error = gradient.values(), error[cells.place]
            # The loss of a step stands for that of the whole clip: so must the bits of the slices that it has read.
            price *= tensor.shape[0] * tensor.shape[1] / len(cells.channel)
        else:
            cells, values = _whole(tensor), gradient
        self._read[number] = cells
        of_steps = _as_slices(values * error).sum((1, 2)) * math.log(2)
        if price:
            written = tensor.detach() - self.errors()[number]
            of_cells, of_logarithms = self._bit_gradients(number, written, cells, weights)
            values += price * of_cells.reshape(values.shape)
            of_steps += price * of_logarithms
        if self._learning[number]:
            logarithm = self.logarithms[number]
            group = cells.channel if len(logarithm) > 1 else torch.zeros_like(cells.channel)
            logarithm.grad = torch.zeros_like(logarithm).index_add_(0, group, of_steps)

    def _bit_gradients(
        self, number: int, written: Tensor, cells: _Cells, weights: Sequence[float]
    ) -> tuple[Tensor, Tensor]:
        """How the bits of the slices, and of those after them, grow with each cell and with the steps' logarithms."""
        with torch.enable_grad():
            here = self._slices(number, written, cells).requires_grad_()
            bits = expected_bits(here, self._slices(number, written, cells, -1), weights).sum()
            if cells.time is not None and any(weights[1:]):
                after = self._slices(number, written, cells, +1)
                exists = cells.time + 1 < written.shape[1]
                bits = bits + expected_bits(after, here, weights)[exists].sum()
            (gradient,) = torch.autograd.grad(bits, here)
        steps = self._steps(number, cells.channel)
        return gradient / steps, -math.log(2) * (gradient * here.detach()).sum((1, 2))

    @torch.no_grad()
    def show(self, tensors: Sequence[nn.Parameter], moment: Moment) -> None:
        """New noise, or new rounding errors, where the step has read."""
        for number, (tensor, cells) in enumerate(zip(tensors, self._read, strict=True)):
            if cells is None or self.began < 0:
                continue
            error = self.errors()[number]
            written = tensor[cells.place] - error[cells.place]
            steps = self._steps(number, cells.channel)
            exact = _as_slices(written) / steps
            changed = (steps * self._errors_of(exact, moment.share)).reshape(written.shape)
            tensor[cells.place], error[cells.place] = written + changed, changed
            self._read[number] = None

    def _errors_of(self, exact: Slices, share: float) -> Slices:
        """What the decoder sees beside the exact values, in steps."""
        guided = (share - self.began) / max(self.guidance.settle - self.began, 1e-9)
        rounding = min(1.0, max(0.0, (guided - _NOISE_ALONE) / (_NO_NOISE - _NOISE_ALONE)))
        errors = torch.zeros_like(exact)
        if rounding < 1:
            noise = torch.rand(exact.shape, generator=self._generator).to(exact.device, non_blocking=True)
            errors += (1 - rounding) * (noise - 0.5)
        if rounding > 0:
            errors += rounding * (exact.round() - exact)
        return errors

    def _slices(self, number: int, written: Tensor, cells: _Cells, later: int = 0) -> Slices:
        """Cells in steps, or the cells so many slices later; zero where there is no such slice."""
        steps = self._steps(number, cells.channel)
        if cells.time is None:
            slices = _as_slices(written) / steps
            return torch.zeros_like(slices) if later else slices
        time = cells.time + later
        exists = (time >= 0) & (time < written.shape[1])
        found = written[cells.channel, time.clamp(0, written.shape[1] - 1)]
        return found * exists[:, None, None] / steps

    def _steps(self, number: int, channel: Int[Tensor, "n"]) -> Float[Tensor, "n 1 1"]:
        logarithm = self.logarithms[number].detach()
        return torch.exp2(logarithm[channel] if len(logarithm) > 1 else logarithm.expand(len(channel)))[:, None, None]

    @torch.no_grad()
    def settle(self, tensors: Sequence[nn.Parameter]) -> bytes:
        if self.began < 0:
            return super().settle(tensors)
        data = self._encode(self.written(tensors))
        self.bits = 8.0 * len(data)
        for tensor, value in zip(tensors, self.compressor.decode_all(data, [t.shape for t in tensors]), strict=True):
            tensor.copy_(torch.from_numpy(value))
        return data

    @torch.no_grad()
    def coarsen(self, halvings: float) -> None:
        super().coarsen(halvings)
        for logarithm, chosen in zip(self.logarithms, self.chosen, strict=True):
            logarithm += halvings
            chosen += halvings

    def size(self, tensors: Sequence[nn.Parameter]) -> float:
        return super().size(tensors) if self.began < 0 else 8.0 * len(self._encode(self.written(tensors)))

    def _encode(self, written: Sequence[Tensor]) -> bytes:
        steps = [torch.exp2(logarithm.detach()).double().cpu().numpy() for logarithm in self.logarithms]
        pairs = zip(written, steps, strict=True)
        return joined([self.compressor.encode_steps(array_of(value), step) for value, step in pairs])

    def get_extra_state(self) -> dict[str, Any]:
        own = {"began": self.began, "calibration": self.calibration, "noise": self._generator.get_state()}
        return {**super().get_extra_state(), **own}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        super().set_extra_state(state)  # coarsens the logarithms, too, but their own state is loaded after this
        self.began, self.calibration = state["began"], state["calibration"]
        self._generator.set_state(state["noise"])


def _as_slices(tensor: Tensor) -> Slices:
    """Grids as all their pictures, a matrix as its rows, a vector as one row."""
    if tensor.ndim < 3:
        return tensor.reshape(1 if tensor.ndim == 1 else len(tensor), 1, -1)
    return tensor.reshape(-1, *tensor.shape[-2:])


def _whole(tensor: Tensor) -> _Cells:
    """All slices of a tensor."""
    channels = 1 if tensor.ndim == 1 else len(tensor)
    times = tensor.shape[1] if tensor.ndim == 4 else 1
    channel = torch.arange(channels, device=tensor.device).repeat_interleave(times)
    return _Cells(channel, torch.arange(times, device=tensor.device).repeat(channels) if tensor.ndim == 4 else None)
