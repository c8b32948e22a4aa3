"""The training loop: a generator that callers log, draw, stop or save from in a plain ``for``.

::

    objective = ClipObjective(rgb, training, seed=0)
    trainer = Trainer(field, objective, plan, training, Budget(minutes=3))
    for progress in trainer:
        print(progress.psnr, progress.bits)
    trainer.payloads            # chunk name -> bytes; the field now holds what they decode to
"""

import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property, partial
from typing import Any, NamedTuple

from fieldpress.compressors.base import Compressor
from fieldpress.compressors.guides import Moment
from fieldpress.config import to_plain
from fieldpress.field import Field, FieldConfig
from fieldpress.progress import portion
from fieldpress.training.chunks import Chunks, Target
from fieldpress.training.config import Budget, Training
from fieldpress.training.objective import Objective
from fieldpress.training.optimiser import LazyAdam

_FINAL_RATE = 1e-3
"""Learning rates end at this share of their start."""


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


class Trainer:
    """Fits a field to a source and writes its tensors.

    Args:
        field: Trained in place; on the same device as the objective.
        objective: What it is fitted to.
        plan: Compressors by name pattern.
        training: Settings.
        budget: When to stop.
        target: The size that the file is to have; None leaves it to the plan's settings.
        config: Of the field, whose tensors have levels or lie scattered; None for one all of whose are plain. What
            is cut off the field in training is cut off this too.

    Raises:
        ConfigError: The plan does not cover the field, the start does not suit it, or the size cannot be reached.
    """

    def __init__(
        self,
        field: Field,
        objective: Objective,
        plan: Mapping[str, Compressor],
        training: Training,
        budget: Budget,
        target: Target | None = None,
        config: FieldConfig | None = None,
    ) -> None:
        self.field, self.training, self.budget, self.config = field, training, budget, config
        self._objective = objective
        self.chunks = Chunks(field, plan, training.guidance, budget, config)
        self._groups = self._parameter_groups()
        self._trimmed = False
        self._before: dict[str, Any] | None = None
        """The state before the field is trimmed, while it is."""
        self.step, self._seconds, self._error = 0, 0.0, 0.0
        self._step_seconds = 0.0
        """Time of the latest step."""
        objective.start(field)
        if target is not None:
            self.chunks.steer(target, objective.pixels, started=training.start != "random")

    @cached_property
    def _optimiser(self) -> LazyAdam:
        """Made for the first step: torch's optimisers take a second or more to import, and a film needs none."""
        return LazyAdam(self._groups)

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
        return [decoder, grids, *self.chunks.learners]

    def __iter__(self) -> Iterator[Progress]:
        started = time.monotonic() - self._seconds
        if self._fresh:
            yield Progress(0, 0.0, math.nan, 0.0, self._seconds, 0.0)  # coding the grids may take minutes
        while True:
            self._seconds = time.monotonic() - started
            share = self.budget.share(self.step, self._seconds)
            if share < 1.0:
                self._write_due(share)
            if share >= 1.0 or self.chunks.complete:
                break
            began = time.monotonic()
            mean_squared_error = self._train_step(share)
            self._step_seconds = time.monotonic() - began
            self.step += 1
            weight = max(0.02, 1 / self.step)
            self._error += weight * (mean_squared_error - self._error)
            self._seconds = time.monotonic() - started
            yield self._progress(share)
        self._settle()
        self.chunks.finish()
        self._seconds = time.monotonic() - started
        yield self._progress(1.0)

    def _progress(self, share: float) -> Progress:
        psnr, bits = -10 * math.log10(self._error + 1e-12), self.chunks.bits
        return Progress(self.step, share, psnr, bits, self._seconds, bits / self._objective.pixels)

    @property
    def _fresh(self) -> bool:
        """Whether grids that are coded first are not coded yet: the field, however large, is as it was made."""
        return self.training.guidance.settles_first and not self.step and not self.chunks.payloads

    @property
    def payloads(self) -> dict[str, bytes]:
        """What is written so far, by chunk: after training, everything."""
        return self.chunks.payloads

    @property
    def rules(self) -> dict[str, Compressor]:
        """Of each rule of the plan that has tensors: its compressor, at the quality it was steered to."""
        return self.chunks.rules

    @property
    def pixels_per_step(self) -> int:
        """How many pixels the loss of one step looks at."""
        return self._objective.pixels_per_step

    def _write_due(self, share: float) -> None:
        if self.chunks.settles(share):
            self._settle()
        if due := self.chunks.due(share, self._seconds):
            before = self._objective.error_ahead(self.field) if self.step else None
            self.chunks.meet(due, share)
            after = self._objective.error_ahead(self.field) if before else None
            if before and after:
                # What is thrown back within a step is shown within a step, though the error is one of many batches.
                self._error *= after / before

    def _settle(self) -> None:
        """Writes the grids, and finds the decoder where that can be done; twice if its bits were not foreseen."""
        first = self._fresh
        if self.training.rate_weight and not self._trimmed and self.chunks.can_trim:
            self._trim()
        self.chunks.settle_grids(self._seconds)
        self._complete_decoder()
        if first and self.training.start == "source" and self.chunks.misses():
            self._objective.start(self.field)
            self.chunks.reopen()
            self.chunks.settle_grids(self._seconds)
            self._complete_decoder()

    def _trim(self) -> None:
        """Cuts off the field what nobody will miss."""
        self._before = self.state()
        share = self.budget.share(self.step, self._seconds)
        with portion(share, share):  # who listens sees time go by
            trimmed = self._objective.trim(self.field)
        if trimmed is not None:
            assert self.config is not None, "what can be trimmed has levels"
            self.config = replace(self.config, encodings=self.config.encodings | trimmed.encodings)
            self.chunks.trim(self.config, trimmed.left)
            tensors = self.field.tensors()
            moved = {tensors[name]: cells for name, cells in trimmed.left.items()}
            self._groups = self._parameter_groups()
            self._optimiser = self._optimiser.trimmed(self._groups, moved)
        self._trimmed = True
        self._before = None

    def _complete_decoder(self) -> None:
        if not self.chunks.complete:  # it may be, in a resumed run
            error = self.chunks.complete_decoder(partial(self._objective.complete, self.field))
            self._error = self._error if error is None else error

    def _train_step(self, share: float) -> float:
        """One gradient step; returns the mean squared error of the batch."""
        decay = _FINAL_RATE + (1 - _FINAL_RATE) * 0.5 * (1 + math.cos(math.pi * share))
        for group in self._optimiser.param_groups:
            group["lr"] = group["rate"] * decay
            if group["blockwise"]:
                # Each step goes its part of the way, so that grids travel as far in a short run as in a long one, and
                # in a long clip as in a short one: every change of a grid costs bits.
                steps_per_pass = self._objective.pixels / self._objective.pixels_per_step
                group["lr"] *= self.budget.pace(self._step_seconds) * steps_per_pass
        self._optimiser.zero_grad(set_to_none=True)
        mean_squared_error = self._objective.descend(self.field, share)
        moment = Moment(share, self.training.rate_weight / self._objective.pixels, self._curvature)
        self.chunks.add_penalties()
        self.chunks.learn(moment)
        self._optimiser.step()
        self.chunks.show(moment)
        return mean_squared_error

    @property
    def _curvature(self) -> float:
        """For :class:`Moment`, where the loss is a mean of squared errors: a gradient is twice the mean of error times
        slope, a curvature twice the mean of the squared slope (Gauss-Newton)."""
        return self._objective.pixels_per_step / (2 * self._error) if self._error else 0.0

    def state(self) -> dict[str, Any]:
        """Everything a resumed run needs, as tensors and plain values; for :meth:`load_state`."""
        if self._before is not None:  # an interrupt struck when the field was half trimmed
            return self._before
        return {
            "config": to_plain(self.config) if self.config is not None else None,
            "step": self.step,
            "seconds": self._seconds,
            "error": self._error,
            "trimmed": self._trimmed,
            "field": None if self._fresh else self.field.state_dict(),
            "chunks": self.chunks.state(),
            "optimiser": self._optimiser.state_dict() if self.step else None,
            "objective": self._objective.state(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Goes on exactly where :meth:`state` was taken, with a field of the configuration that it had then."""
        self.step, self._seconds, self._error = state["step"], state["seconds"], state["error"]
        self._trimmed = state["trimmed"]
        if state["field"] is not None:
            self.field.load_state_dict(state["field"])
        self.chunks.load_state(state["chunks"])
        if state["optimiser"] is not None:
            self._optimiser.load_state_dict(state["optimiser"])
        self._objective.load_state(state["objective"])
