"""Fitting a long clip segment by segment: each is a fit of its own, and only one is in memory at a time."""

import logging
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

from fieldpress.compressors.base import Compressor
from fieldpress.config import from_plain, to_plain
from fieldpress.errors import ConfigError
from fieldpress.field import FieldConfig
from fieldpress.progress import drawn, portion
from fieldpress.training.chunks import Target
from fieldpress.training.config import Budget
from fieldpress.training.fit import Fit, Fitted
from fieldpress.training.loop import Progress

_LOG = logging.getLogger("fieldpress")

Maker = Callable[[int, Budget, Target | None], Fit]
"""Makes the fit of a segment, by its number, for its share of the budget and of the size asked for."""


class Done(NamedTuple):
    """A segment that is finished."""

    fitted: Fitted
    steps: int
    seconds: float
    bits: float

    @staticmethod
    def of(fit: Fit, progress: Progress) -> "Done":
        """What the fit of a segment has come to, given the last it told."""
        [fitted] = fit.fitted
        # As a checkpoint gives it back, which writes a quality of 30 as 30.0: resumed runs write the same file.
        return Done.of_state(Done(fitted, fit.steps, progress.seconds, progress.bits).state())

    def state(self) -> dict[str, Any]:
        """As plain values, for :meth:`of_state`."""
        config, rules, payloads = self.fitted
        return {
            "config": to_plain(config),
            "rules": {rule: to_plain(compressor) for rule, compressor in rules.items()},
            "payloads": dict(payloads),
            "figures": [self.steps, self.seconds, self.bits],
        }

    @staticmethod
    def of_state(state: dict[str, Any]) -> "Done":
        """What :meth:`state` was taken of."""
        config: FieldConfig = from_plain(FieldConfig, state["config"], "segment")
        rules: dict[str, Compressor] = {
            rule: from_plain(Compressor, plain, rule) for rule, plain in state["rules"].items()
        }
        return Done(Fitted(config, rules, state["payloads"]), *state["figures"])


@dataclass(frozen=True)
class Segments:
    """Fits that are to be made, one for each segment.

    Each gets the part of the budget, and of the size asked for, that its pictures are of all; at least one step.
    It travels to other processes if ``maker`` does.

    Args:
        lengths: Pictures of each segment, in the order of time.
        maker: Makes the fit of a segment, and reads what that needs.
        budget: Of everything.
        target: The size of the whole file; None leaves it to the plan's settings.
        jobs: How many are fitted at a time, by which minutes are dealt out.
    """

    lengths: tuple[int, ...]
    maker: Maker
    budget: Budget
    target: Target | None
    jobs: int = 1

    @property
    def budgets(self) -> list[Budget]:
        """Of each segment."""
        return shares_of(self.budget, self.lengths, self.jobs)

    def begin(self, number: int) -> Fit:
        """The fit of a segment.

        Raises:
            ConfigError: It is impossible.
            SourceError: The source has changed.
        """
        budget, target = self.budgets[number], self.target
        if target is not None:
            share = self.lengths[number] / sum(self.lengths)
            target = Target(target.bits * share, target.framing_bits * share)
        try:
            return self.maker(number, budget, target)
        except ConfigError as error:
            if number == 0 or target is None:
                raise
            # After all that was done for the segments before it, a black one that cannot be so large is no reason to
            # give up; writing says how far the file is from the size asked for.
            _LOG.warning("segment %d: %s; going on with the preset's own quality there", number, error)
            return self.maker(number, budget, None)


class SegmentedFit(Fit):
    """One segment after the other."""

    def __init__(self, segments: Segments) -> None:
        self.segments = segments
        self.done: list[Done] = []
        """Those that are finished, in the order of time."""
        self._running: Fit | None = None

    def __iter__(self) -> Iterator[Progress]:
        while len(self.done) < len(self.segments.lengths):
            if self._running is None:
                self._running = self.segments.begin(len(self.done))
            progress = None
            for progress in drawn(self._running, partial(portion, *self._portion)):
                yield self._overall(progress)
            assert progress is not None, "a fit tells at least that it has ended"
            self.done.append(Done.of(self._running, progress))
            self._running = None

    @property
    def _portion(self) -> tuple[float, float]:
        """Where the segment at work begins and ends in the progress of all."""
        lengths, number = self.segments.lengths, len(self.done)
        return sum(lengths[:number]) / sum(lengths), sum(lengths[: number + 1]) / sum(lengths)

    def _overall(self, progress: Progress) -> Progress:
        """The progress of all, given that of the segment at work; bits per pixel are those of the pictures so far."""
        number, lengths = len(self.done), self.segments.lengths
        before, own, total = sum(lengths[:number]), lengths[number], sum(lengths)
        bits = progress.bits + sum(done.bits for done in self.done)
        pixels = progress.bits / progress.bpp * (before + own) / own if progress.bpp else 0.0
        return progress._replace(
            step=progress.step + sum(done.steps for done in self.done),
            share=(before + own * progress.share) / total,
            bits=bits,
            seconds=progress.seconds + sum(done.seconds for done in self.done),
            bpp=bits / pixels if pixels else 0.0,
        )

    @property
    def fitted(self) -> list[Fitted]:
        return [done.fitted for done in self.done]

    @property
    def steps(self) -> int:
        return sum(done.steps for done in self.done) + (0 if self._running is None else self._running.steps)

    def state(self) -> dict[str, Any]:
        running = None if self._running is None else self._running.state()
        return {"done": [done.state() for done in self.done], "running": running}

    def load_state(self, state: dict[str, Any]) -> None:
        self.done = [Done.of_state(one) for one in state["done"]]
        self._running = None
        if state["running"] is not None:
            self._running = self.segments.begin(len(self.done))
            self._running.load_state(state["running"])


def shares_of(budget: Budget, lengths: Sequence[int], jobs: int = 1) -> list[Budget]:
    """A budget dealt out by length; steps are whole, and everyone gets one. Minutes are those of so many at a time.

    Example:
        >>> [part.steps for part in shares_of(Budget(steps=10), [150, 150, 149])]
        [3, 4, 3]
        >>> [part.minutes for part in shares_of(Budget(minutes=6), [150, 150, 150], jobs=2)]
        [3.0, 3.0, 3.0]
    """
    total = sum(lengths)
    if budget.steps is None:
        rounds = math.ceil(len(lengths) / jobs)
        each = (budget.minutes or 1) * len(lengths) / rounds
        return [replace(budget, minutes=each * length / total) for length in lengths]
    ends = [round(budget.steps * end / total) for end in accumulate(lengths, initial=0)]
    return [replace(budget, steps=max(1, end - start)) for start, end in pairwise(ends)]
