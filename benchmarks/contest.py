"""Two trainers on one machine, fairly: they take turns in short slices, so both meet the same noise.

A trainer takes part by answering :class:`Contender`. Time counts only while it is that trainer's turn.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from clips import Picture


@dataclass(frozen=True)
class Outcome:
    """What a trained model is worth.

    `pictures` is every picture decoded at the size that `bits` counts; `decode_seconds` is how long that took.
    """

    bits: int
    pictures: Sequence[Picture]
    decode_seconds: float


class Contender(Protocol):
    """A trainer that can be stopped after every slice of its time."""

    def advance(self, seconds: float) -> int:
        """Train for about this long, to the end of a step. Returns the pixels that the steps' losses looked at."""
        ...

    def finish(self) -> Outcome:
        """Compress what was trained, and decode all of it."""
        ...


class StepwiseContender:
    """A contender around a trainer that is iterated, one step a turn, such as `fieldpress.training.loop.Trainer`.

    Args:
        steps: Iterated anew in every slice, to go on where it stopped. It must judge its budget by the time spent
            training, not by the clock on the wall: between two slices the other contender runs.
        pixels_per_step: How many pixels the loss of one step looks at.
        finish: What :meth:`Contender.finish` does.
    """

    def __init__(self, steps: Iterable[object], pixels_per_step: int, finish: Callable[[], Outcome]) -> None:
        self._steps = steps
        self._pixels_per_step = pixels_per_step
        self.finish = finish

    def advance(self, seconds: float) -> int:
        pixels = 0
        end = time.perf_counter() + seconds
        for _ in self._steps:
            pixels += self._pixels_per_step
            if time.perf_counter() >= end:
                break
        return pixels


@dataclass
class Tally:
    """Pixels and seconds of each of a contender's slices."""

    pixels: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def pixels_per_second(self) -> float:
        return sum(self.pixels) / sum(self.seconds)


def alternate(contenders: dict[str, Contender], slices: int, slice_seconds: float) -> dict[str, Tally]:
    """Give every contender `slices` turns of `slice_seconds`, the first of each round changing places."""
    tallies = {name: Tally() for name in contenders}
    for turn in range(slices):
        order = list(contenders) if turn % 2 == 0 else list(reversed(contenders))
        for name in order:
            began = time.perf_counter()
            tallies[name].pixels.append(contenders[name].advance(slice_seconds))
            tallies[name].seconds.append(time.perf_counter() - began)
    return tallies
