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
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

from fieldpress.compressors.base import Compressor
from fieldpress.compressors.guides import Guide, Moment, Unguided, Written, array_of, build_guide
from fieldpress.field import Field
from fieldpress.training.config import Budget, Training
from fieldpress.training.effort import in_time
from fieldpress.training.objective import Objective
from fieldpress.training.optimiser import LazyAdam
from fieldpress.training.plan import assign
from fieldpress.training.steering import Steering

DECODER = "decoder"
_FINAL_RATE = 1e-3
"""Learning rates end at this share of their start."""
_MOST_CODING = 0.25
"""With a budget in minutes, round trips take at most this share of the time: a slow codec is then met less often."""

_MOST_CODING_ONCE = 0.6
"""... and grids that are coded once, before training, this share."""
_TRIALS_OF_A_SEARCH = 6
"""Encodes that a search for a size usually takes."""


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
    """Fits a field to a source and writes its tensors.

    Args:
        field: Trained in place; on the same device as the objective.
        objective: What it is fitted to.
        plan: Compressors by name pattern.
        training: Settings.
        budget: When to stop.
        target: The size that the file is to have; None leaves it to the plan's settings.
        levels: Of the tensors that are not at level 0; each level of a rule is a chunk of its own.

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
        levels: Mapping[str, int] | None = None,
    ) -> None:
        self.field, self.training, self.budget = field, training, budget
        self._objective, self._plan = objective, plan
        tensors = field.tensors()
        self.chunks = assign(plan, tensors, levels or {})
        self._tensors = {name: [tensors[t] for t in chunk.tensors] for name, chunk in self.chunks.items()}
        self.guides: dict[str, Guide] = {}
        for name, chunk in self.chunks.items():
            self.guides[name] = build_guide(plan[chunk.rule], training.guidance, self._tensors[name])
            self.guides[name].coarser = [t for other in chunk.coarser for t in self._tensors[other]]
        for guide in self.guides.values():
            guide.to(objective.device)
        self.payloads: dict[str, bytes] = {}
        self._complete = False
        """Nothing is left to train, though there is budget."""
        self._groups = self._parameter_groups()
        self.step, self._seconds, self._error = 0, 0.0, 0.0
        self.coding_seconds, self._step_seconds = 0.0, 0.0
        """Time in compressors so far; time of the latest step."""
        objective.start(field)
        self._steering: Steering | None = None
        if target is not None:
            self._steering = Steering(*target, self.guides, self._tensors, self._grid_chunks(), self._objective.pixels)
            if training.guidance.settles_first:
                self._hasten()
            self._steering.prepare(started=training.start != "random")

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
        return [decoder, grids, *(group for guide in self.guides.values() for group in guide.learners())]

    def __iter__(self) -> Iterator[Progress]:
        started = time.monotonic() - self._seconds
        if not self.step and not self.payloads and self.training.guidance.settles_first:
            yield Progress(0, 0.0, math.nan, 0.0, self._seconds, 0.0)  # coding the grids may take minutes
        while True:
            self._seconds = time.monotonic() - started
            share = self.budget.share(self.step, self._seconds)
            if share < 1.0:
                self._write_due(share)
            if share >= 1.0 or self._complete:
                break
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
        return Progress(self.step, share, psnr, self.bits, self._seconds, self.bits / self._objective.pixels)

    @property
    def rules(self) -> dict[str, Compressor]:
        """Of each rule of the plan that has tensors: its compressor, at the quality it was steered to."""
        return {chunk.rule: self.guides[name].compressor for name, chunk in self.chunks.items()}

    @property
    def pixels_per_step(self) -> int:
        """How many pixels the loss of one step looks at."""
        return self._objective.pixels_per_step

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
        return [
            name
            for name, chunk in self.chunks.items()
            if not any(tensor.startswith(DECODER + ".") for tensor in chunk.tensors)
        ]

    def _settle_grids(self) -> None:
        grids = [chunk for chunk in self._grid_chunks() if chunk not in self.payloads]
        if grids and self.training.guidance.settles_first:
            self._timed(lambda: self._suit_effort(grids))
        if grids and self._steering is not None:
            self._timed(self._steering.search)
        for chunk in grids:
            self._settle(chunk)
        if not self._complete:  # also where a resumed run finds the grids settled
            self._complete_decoder()

    def _hasten(self) -> None:
        """The first search for a size is at the least effort: it only has to come near."""
        for name in self._grid_chunks():
            quicker = self.guides[name].compressor.quicker()
            if quicker:
                self.guides[name].exchange(quicker[-1][1])

    def _suit_effort(self, grids: Sequence[str]) -> None:
        """For grids that are coded once, before the first step: at an effort that leaves some of a budget in minutes.

        A budget in steps leaves them at the plan's effort, so that the bytes are the same on every run.
        """
        trials = 1 if self._steering is None else _TRIALS_OF_A_SEARCH
        for name in grids:
            guide, wanted = self.guides[name], self._plan[self.chunks[name].rule]
            if not wanted.quicker():
                continue
            turned = (wanted.coarser(guide.halvings) if guide.halvings else None) or wanted
            if self.budget.minutes is not None:
                seconds = _MOST_CODING_ONCE * (60 * self.budget.minutes - self._seconds) / (trials * len(grids))
                arrays = [array_of(value) for value in guide.written(self._tensors[name])]
                turned = in_time(turned, arrays, seconds)
            if turned != guide.compressor:
                guide.exchange(turned)

    def _complete_decoder(self) -> None:
        fresh = self._fresh_guides()
        decoder = [Written(guide, self._tensors[name]) for name, guide in fresh.items()]
        error = self._objective.complete(self.field, self.bits - sum(self.guides[name].bits for name in fresh), decoder)
        if error is not None:
            self.guides |= fresh
            self._complete, self._error = True, error

    def _fresh_guides(self) -> dict[str, Guide]:
        """For a decoder that is found in closed form: what training told its guides is of other values."""
        grids, guidance = self._grid_chunks(), self.training.guidance
        return {
            name: Unguided(self._plan[chunk.rule], guidance) for name, chunk in self.chunks.items() if name not in grids
        }

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
                steps_per_pass = self._objective.pixels / self._objective.pixels_per_step
                group["lr"] *= self.budget.pace(self._step_seconds) * steps_per_pass
        self._optimiser.zero_grad(set_to_none=True)
        mean_squared_error = self._objective.descend(self.field, share)
        moment = Moment(share, self.training.rate_weight / self._objective.pixels)
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

    def state(self) -> dict[str, Any]:
        """Everything a resumed run needs, as tensors and plain values; for :meth:`load_state`."""
        return {
            "step": self.step,
            "seconds": self._seconds,
            "coding_seconds": self.coding_seconds,
            "error": self._error,
            "complete": self._complete,
            "field": self.field.state_dict(),
            "guides": {chunk: guide.state_dict() for chunk, guide in self.guides.items()},
            "payloads": dict(self.payloads),
            "optimiser": self._optimiser.state_dict() if self.step else None,
            "objective": self._objective.state(),
            "dial": self._steering.dial if self._steering is not None else 0.0,
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Goes on exactly where :meth:`state` was taken."""
        self.step, self._seconds = state["step"], state["seconds"]
        self.coding_seconds, self._error = state["coding_seconds"], state["error"]
        self._complete = state["complete"]
        if self._complete:
            self.guides |= self._fresh_guides()
        self.field.load_state_dict(state["field"])
        for chunk, guide in self.guides.items():
            guide.load_state_dict(state["guides"][chunk])
        self.payloads = dict(state["payloads"])
        for chunk in self.payloads:
            for tensor in self._tensors[chunk]:
                tensor.requires_grad_(False)
        if state["optimiser"] is not None:
            self._optimiser.load_state_dict(state["optimiser"])
        self._objective.load_state(state["objective"])
        if self._steering is not None:
            self._steering.dial = state["dial"]  # the guides have loaded what it did to them
