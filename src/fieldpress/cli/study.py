"""``fieldpress study``: flags to a call of :func:`fieldpress.bench.study.run_study`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import tyro
from tyro.conf import arg

from fieldpress.bench.outcome import Outcome
from fieldpress.bench.study import run_study
from fieldpress.cli import flags
from fieldpress.cli.batch import run_batch

if TYPE_CHECKING:
    from fieldpress.jobs import JobsProgress


@dataclass(frozen=True)
class Study:
    """Encode clips in many ways that differ in one thing at a time, and write a page that says what that bought.

    Example: fieldpress study guidance clip.mp4 --out guidance --minutes-per-run 2 --seeds 3

    NAME is guidance (with each kind of it and without), tucker (ranks and starts), dictionary (codes and bits), ideas
    (one switch at a time), radiance (ways to store a scene, of posed photographs), or all that suit the sources. The
    folder gets a file and a report for each run, results.json, table.md and index.html. The same command goes on where
    it was stopped.
    """

    name: Annotated[str, tyro.conf.Positional, arg(metavar="NAME")]
    """guidance, tucker, dictionary, ideas, radiance or all."""
    sources: Annotated[tuple[str, ...], tyro.conf.Positional, arg(metavar="SOURCE...")]
    """Videos and folders of images, or posed photographs."""
    out: Annotated[str | None, arg(metavar="DIR")] = None
    """The folder for everything; needed."""
    minutes_per_run: Annotated[float | None, arg(metavar="M")] = None
    """Train each run that long; the preset's 3 minutes otherwise, of scenes 5."""
    steps: Annotated[int | None, arg(metavar="N")] = None
    """Train each run that many steps instead."""
    only: Annotated[str | None, arg(metavar="WORDS")] = None
    """Make only the curves that hold one of these words, separated by commas; without it later, the others follow."""
    seeds: Annotated[int, arg(metavar="K")] = 1
    """How often each run is made, with seeds 0, 1, 2 and so on."""
    jobs: Annotated[int, arg(metavar="J")] = 1
    """Runs at a time, each in a process with one thread."""
    device: Annotated[str, arg(metavar="auto|cpu|cuda")] = "auto"
    """Where to train; auto takes CUDA where there is one."""


def run(arguments: list[str]) -> int:
    """Runs a study; returns the exit status.

    Raises:
        FieldpressError: As :func:`fieldpress.bench.study.run_study`, or the command line is wrong.
    """
    command = flags.parse(Study, arguments)

    def make(out: str, again: str, show: "Callable[[JobsProgress], None]") -> Outcome:
        return run_study(
            command.name,
            command.sources,
            out,
            minutes=command.minutes_per_run,
            steps=command.steps,
            only=command.only,
            seeds=command.seeds,
            jobs=command.jobs,
            device=command.device,
            command=again,
            on_progress=show,
        )

    return run_batch(["study", *arguments], f"study {command.name}", "run", command.out, make)
