"""The training loop: a generator that callers log, draw, stop or save from in a plain ``for``.

::

    trainer = Trainer(field, rgb, plan, training, Budget(minutes=3), seed=0)
    for progress in trainer:
        print(progress.psnr, progress.bits)
    trainer.payloads            # chunk name -> bytes; the field now holds what they decode to
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import torch
from jaxtyping import UInt8
from torch import Tensor

from fieldpress.compressors.base import Compressor
from fieldpress.compressors.guides import Guide, Moment, build_guide
from fieldpress.field import Field
from fieldpress.metrics import ssim
from fieldpress.training.config import Budget, Training
from fieldpress.training.optimiser import LazyAdam
from fieldpress.training.plan import assign
from fieldpress.training.sampling import Batch, FrameSampler, PixelSampler
from fieldpress.training.start import start_field
from fieldpress.training.steering import Steering

DECODER = "decoder"
_FINAL_RATE = 1e-3
"""Learning rates end at this share of their start."""
_LEAST_ERROR = 1e-6
"""Mean squared error below which a picture counts as perfect in the psnr loss: 60 dB."""
_MOST_POINTS = 1 << 17
"""Points are trained on in parts of so many, their gradients added: a batch of a million fits in memory."""
_MOST_CODING = 0.25
"""With a budget in minutes, round trips take at most this share of the time: a slow codec is then met less often."""


class Progress(NamedTuple):
    """Where training stands after a step."""

    step: int
    share: float
    """Of the budget, in [0, 1]."""
    psnr: float
    """Of the latest batches, in dB, before rounding to 8 bits."""
    bits: float
    """Of the whole file's tensors when last written; 0 before the first round trip."""
    seconds: float
    """Training time so far, earlier runs before a resume included."""
    bpp: float
    """``bits`` for each pixel of the clip."""


class Target(NamedTuple):
    """A size that the finished file is to have."""

    bits: float
    """Of the whole file."""
    framing_bits: float
    """Of it, what is not in chunks."""


class Trainer:
    """Fits a field to a clip and writes its tensors.

    Args:
        field: Trained in place; on the same device as ``rgb``.
        rgb: The clip.
        plan: Compressors by name pattern.
        training: Settings.
        budget: When to stop.
        seed: Of everything drawn at random.
        target: The size that the file is to have; None leaves it to the plan's settings.

    Raises:
        ConfigError: The plan does not cover the field, the start does not suit it, or the size cannot be reached.
    """

    def __init__(
        self,
        field: Field,
        rgb: UInt8[Tensor, "t h w 3"],
        plan: Mapping[str, Compressor],
        training: Training,
        budget: Budget,
        seed: int,
        target: Target | None = None,
    ) -> None:
        self.field, self.training, self.budget = field, training, budget
        self._pixels = rgb[..., 0].numel()
        tensors = field.tensors()
        self.chunks = assign(plan, tensors)
        self._tensors = {chunk: [tensors[name] for name in names] for chunk, names in self.chunks.items()}
        self.guides: dict[str, Guide] = {
            chunk: build_guide(plan[chunk], training.guidance, group) for chunk, group in self._tensors.items()
        }
        for guide in self.guides.values():
            guide.to(rgb.device)
        self.payloads: dict[str, bytes] = {}
        self._generator = torch.Generator().manual_seed(seed)
        sampler = FrameSampler if training.sampling == "frames" else PixelSampler
        self._sampler = sampler(rgb, training.batch_pixels, self._generator)
        self._optimiser = LazyAdam(self._parameter_groups())
        self.step, self._seconds, self._error = 0, 0.0, 0.0
        self.coding_seconds, self._step_seconds = 0.0, 0.0
        """Time in compressors so far; time of the latest step."""
        start_field(field, rgb, training.start)
        self._steering: Steering | None = None
        if target is not None:
            self._steering = Steering(*target, self.guides, self._tensors, self._grid_chunks(), self._pixels)
            self._steering.prepare(started=training.start != "random")

    def _parameter_groups(self) -> list[dict[str, Any]]:
        training = self.training
        decoder = {
            "params": list(self.field.decoder.parameters()),
            "rate": training.decoder_rate,
            "weight_decay": training.weight_decay,
        }
        blockwise = training.grid_update == "blockwise"
        grids = {
            "params": [p for encoding in self.field.encodings.values() for p in encoding.parameters()],
            "rate": training.grid_rate,
            "weight_decay": training.weight_decay,
            "blockwise": blockwise,
            "betas": (0.8, 0.95) if blockwise else (0.9, 0.99),
        }
        return [decoder, grids, *(group for guide in self.guides.values() for group in guide.learners())]

    def __iter__(self) -> Iterator[Progress]:
        started = time.monotonic() - self._seconds
        while True:
            self._seconds = time.monotonic() - started
            share = self.budget.share(self.step, self._seconds)
            if share >= 1.0:
                break
            self._write_due(share)
            began = time.monotonic()
            mean_squared_error = self._train_step(share)
            self._step_seconds = time.monotonic() - began
            self.step += 1
            weight = max(0.02, 1 / self.step)
            self._error += weight * (mean_squared_error - self._error)
            self._seconds = time.monotonic() - started
            yield self._progress(share)
        self._settle_grids()
        for chunk in self.guides:
            self._settle(chunk)
        yield self._progress(1.0)

    def _progress(self, share: float) -> Progress:
        psnr = -10 * math.log10(self._error + 1e-12)
        return Progress(self.step, share, psnr, self.bits, self._seconds, self.bits / self._pixels)

    @property
    def compressors(self) -> dict[str, Compressor]:
        """Of each chunk: the plan's, at the quality they were steered to."""
        return {chunk: guide.compressor for chunk, guide in self.guides.items()}

    @property
    def pixels_per_step(self) -> int:
        """How many pixels the loss of one step looks at."""
        return self._sampler.pixels

    @property
    def bits(self) -> float:
        """Of all chunks when last written."""
        return sum(guide.bits for guide in self.guides.values())

    def _write_due(self, share: float) -> None:
        """Settles the grids when their time has come, else does the round trips that are due."""
        guidance = self.training.guidance
        if guidance.kind != "none" and share >= guidance.settle:
            self._settle_grids()
        met = set()
        for chunk, guide in self.guides.items():
            if chunk in self.payloads or not guide.is_due(share):
                continue
            if self.budget.minutes is not None and self.coding_seconds > _MOST_CODING * self._seconds > 0:
                continue
            self._timed(lambda guide=guide, chunk=chunk: guide.advance(self._tensors[chunk], share))
            met.add(chunk)
        # Once for all grids, whose sizes are then those of one dial; and never for grids that have settled.
        if self._steering is not None and met.intersection(self._grid_chunks()):
            self._steering.follow()

    def _grid_chunks(self) -> list[str]:
        """The chunks without a tensor of the decoder."""
        return [chunk for chunk, names in self.chunks.items() if not any(n.startswith(DECODER + ".") for n in names)]

    def _settle_grids(self) -> None:
        grids = [chunk for chunk in self._grid_chunks() if chunk not in self.payloads]
        if grids and self._steering is not None:
            self._timed(self._steering.search)
        for chunk in grids:
            self._settle(chunk)

    def _settle(self, chunk: str) -> None:
        if chunk in self.payloads:
            return
        self.payloads[chunk] = self._timed(lambda: self.guides[chunk].settle(self._tensors[chunk]))
        for tensor in self._tensors[chunk]:
            tensor.requires_grad_(False)
            tensor.grad = None

    def _timed(self, work: Callable[[], Any]) -> Any:
        started = time.monotonic()
        result = work()
        self.coding_seconds += time.monotonic() - started
        return result

    def _train_step(self, share: float) -> float:
        """One gradient step; returns the mean squared error of the batch."""
        decay = _FINAL_RATE + (1 - _FINAL_RATE) * 0.5 * (1 + math.cos(math.pi * share))
        for group in self._optimiser.param_groups:
            group["lr"] = group["rate"] * decay
            if group["blockwise"]:
                # Each step goes its part of the way, so that grids travel as far in a short run as in a long one, and
                # in a long clip as in a short one: every change of a grid costs bits.
                group["lr"] *= self.budget.pace(self._step_seconds) * self._pixels / self._sampler.pixels
        batch = self._sampler.draw()
        self._optimiser.zero_grad(set_to_none=True)
        mean_squared_error = 0.0
        for part in batch.parts(_MOST_POINTS):
            share_of_batch = part.target.numel() / batch.target.numel()
            distortion, squared = self._distortion(part)
            (share_of_batch * distortion).backward()
            mean_squared_error += share_of_batch * squared
        moment = Moment(share, self.training.rate_weight / self._pixels)
        guided = [(guide, self._tensors[chunk]) for chunk, guide in self.guides.items() if chunk not in self.payloads]
        for guide, tensors in guided:
            penalty = guide.penalty(tensors)
            if penalty is not None:
                penalty.backward()
            guide.learn(tensors, moment)
        self._optimiser.step()
        for guide, tensors in guided:
            guide.show(tensors, moment)
        return mean_squared_error

    def _distortion(self, batch: Batch) -> tuple[Tensor, float]:
        """The loss of a batch as the preset has it, and its mean squared error."""
        with torch.autocast("cuda", torch.bfloat16, enabled=batch.target.is_cuda):
            output = self.field.planar(batch.query).float()
        error = output - batch.target
        squared = error.square().mean()
        if self.training.loss == "l2":
            return squared, squared.item()
        if self.training.loss == "psnr":
            pictures = error.square().mean((0, 2, 3))
            return pictures.add(_LEAST_ERROR).log().mean(), squared.item()
        pictures = (output.movedim(0, 1), batch.target.movedim(0, 1))
        return 0.7 * error.abs().mean() + 0.3 * (1 - ssim(*pictures)), squared.item()

    def state(self) -> dict[str, Any]:
        """Everything a resumed run needs, as tensors and plain values; for :meth:`load_state`."""
        return {
            "step": self.step,
            "seconds": self._seconds,
            "coding_seconds": self.coding_seconds,
            "error": self._error,
            "field": self.field.state_dict(),
            "guides": {chunk: guide.state_dict() for chunk, guide in self.guides.items()},
            "payloads": dict(self.payloads),
            "optimiser": self._optimiser.state_dict(),
            "generator": self._generator.get_state(),
            "queue": self._sampler.state(),
            "dial": self._steering.dial if self._steering is not None else 0.0,
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Goes on exactly where :meth:`state` was taken."""
        self.step, self._seconds = state["step"], state["seconds"]
        self.coding_seconds, self._error = state["coding_seconds"], state["error"]
        self.field.load_state_dict(state["field"])
        for chunk, guide in self.guides.items():
            guide.load_state_dict(state["guides"][chunk])
        self.payloads = dict(state["payloads"])
        for chunk in self.payloads:
            for tensor in self._tensors[chunk]:
                tensor.requires_grad_(False)
        self._optimiser.load_state_dict(state["optimiser"])
        self._generator.set_state(state["generator"])
        self._sampler.load_state(state["queue"])
        if self._steering is not None:
            self._steering.dial = state["dial"]  # the guides have loaded what it did to them
