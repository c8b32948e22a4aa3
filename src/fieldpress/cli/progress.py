"""How far a command is, on standard error: a bar on a terminal, a line now and then elsewhere."""

import math
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn

from fieldpress.cli.text import duration, one_line

if TYPE_CHECKING:
    from fieldpress.jobs import JobsProgress
    from fieldpress.training.loop import Progress as Training

Item = TypeVar("Item")

_LINE_SECONDS = 10.0
"""Between lines where there is no terminal."""
_TELLING = 0.005
"""Share of the budget before which the time left is anybody's guess."""
_MEASURING = "decoding the file again, to measure it"


def training_display(source: str) -> "AbstractContextManager[Callable[[Training], None]]":
    """Shows a training run; call what it gives after every step."""
    return _training_bar(source) if _draws() else _training_lines()


def jobs_display(name: str) -> "AbstractContextManager[Callable[[JobsProgress], None]]":
    """Shows the jobs of a study or a bench under a name; call what it gives now and then."""
    return _jobs_bar(name) if _draws() else _jobs_lines(name)


@contextmanager
def activity(text: str) -> Iterator[None]:
    """Shows on a terminal that something goes on of which nobody knows how long it takes."""
    if not _draws():
        yield
        return
    with _bar(SpinnerColumn(), TextColumn("{task.description}", markup=False)) as bar:
        bar.add_task(one_line(text), total=None)
        yield


def counted(items: Iterable[Item], count: int, text: str) -> Iterator[Item]:
    """The items, with a bar on a terminal."""
    if not _draws():
        yield from items
        return
    with _bar(TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn()) as bar:
        yield from bar.track(items, total=count, description=one_line(text))


@contextmanager
def _training_bar(source: str) -> "Iterator[Callable[[Training], None]]":
    text = TextColumn("{task.description}", markup=False)
    with _bar(text, BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[figures]}", markup=False)) as bar:
        task = bar.add_task(one_line(f"reading {source}"), total=None, figures="")

        def show(step: "Training") -> None:
            nonlocal task
            done = step.share >= 1
            if done or bar.tasks[0].description == _MEASURING:  # the second is a run that tries again
                bar.remove_task(task)
                task = bar.add_task(_MEASURING if done else _doing(step), total=None, figures="")
            if not done:
                bar.update(task, description=_doing(step), total=1.0, completed=step.share, figures=_figures(step))

        yield show


@contextmanager
def _training_lines() -> "Iterator[Callable[[Training], None]]":
    console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    due = 0.0

    def show(step: "Training") -> None:
        nonlocal due
        if step.share < 1 and time.monotonic() < due:
            return
        due = time.monotonic() + _LINE_SECONDS
        console.print(f"{step.share:4.0%}  {_doing(step)}  {_figures(step)}")
        if step.share >= 1:
            console.print(_MEASURING)

    yield show


@contextmanager
def _jobs_bar(name: str) -> "Iterator[Callable[[JobsProgress], None]]":
    text = TextColumn("{task.description}", markup=False)
    with _bar(text, BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[figures]}", markup=False)) as bar:
        task = bar.add_task(one_line(name), total=None, figures="")

        def show(jobs: "JobsProgress") -> None:
            bar.update(task, total=1.0, completed=jobs.share, figures=_runs(jobs))

        yield show


@contextmanager
def _jobs_lines(name: str) -> "Iterator[Callable[[JobsProgress], None]]":
    console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    due, told = 0.0, -1

    def show(jobs: "JobsProgress") -> None:
        nonlocal due, told
        if jobs.done < jobs.total and (jobs.done == told or time.monotonic() < due):
            return
        due, told = time.monotonic() + _LINE_SECONDS, jobs.done
        console.print(f"{one_line(name)}: {_runs(jobs)}")

    yield show


def _runs(jobs: "JobsProgress") -> str:
    left = duration(jobs.seconds * (1 / jobs.share - 1)) if jobs.share > _TELLING else "?"
    return f"{f'{jobs.phase}  ' if jobs.phase else ''}{jobs.done} of {jobs.total} runs  {left} left"


def _doing(step: "Training") -> str:
    """A film is coded as a whole, without steps; so are segments in other processes, of which no more is known."""
    return f"step {step.step}" if step.step else "coding"


def _figures(step: "Training") -> str:
    """PSNR, once there is one; estimated size, from the first round trip on; and the time left."""
    left = duration(step.seconds * (1 / step.share - 1)) if step.share > _TELLING else "?"
    size = f"{step.bpp:.4f} bpp" if step.bpp else "? bpp"
    return f"{left} left" if math.isnan(step.psnr) else f"{step.psnr:.2f} dB  {size}  {left} left"


def _draws() -> bool:
    console = Console(stderr=True)
    return console.is_terminal and not console.is_dumb_terminal


def _bar(*columns: "TextColumn | BarColumn | SpinnerColumn | TaskProgressColumn | MofNCompleteColumn") -> Progress:
    # Standard output stays as it is: it may be a pipe that takes pictures.
    return Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False)
