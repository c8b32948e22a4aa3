"""Segments of a long clip fitted in worker processes, several at a time.

Each is a job with files of its own in the folder that is the run's checkpoint: ``3`` is the checkpoint of segment 3,
``3.done`` what it came to, and ``request`` tells what was asked for. So an interrupted run goes on where each of them
stopped, and needs no more memory here than the finished file.
"""

import math
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fieldpress.errors import ConfigError, SourceError
from fieldpress.jobs import JobsProgress, Report, run_jobs
from fieldpress.saving import save
from fieldpress.training.checkpoint import load_checkpoint, save_checkpoint
from fieldpress.training.loop import Progress
from fieldpress.training.running import Interrupted, train
from fieldpress.training.segmented import Done, Segments


@dataclass(frozen=True)
class SegmentJob:
    """The fit of one segment; see :class:`fieldpress.jobs.Job`."""

    segments: Segments
    number: int
    folder: Path
    request: str

    @property
    def name(self) -> str:
        """For people, too."""
        return f"segment {self.number}"

    @property
    def work(self) -> float:
        """In pictures."""
        return self.segments.lengths[self.number]

    @property
    def done(self) -> Path:
        """Where the outcome is, once it is there."""
        return self.folder / f"{self.number}.done"

    def perform(self, report: Report) -> None:
        """Fits the segment, from its checkpoint if there is one."""

        def watch(progress: Progress) -> None:
            latest.append(progress)
            del latest[:-1]
            try:
                report(progress.share)
            except Exception as stopped:
                raise KeyboardInterrupt from stopped

        latest: list[Progress] = []
        checkpoint = self.folder / f"{self.number}"
        fit = self.segments.begin(self.number)
        if checkpoint.exists():
            fit.load_state(load_checkpoint(checkpoint, self.request))
        try:
            train(fit, checkpoint, self.request, watch)
        except Interrupted:
            return
        save_checkpoint(self.done, self.request, Done.of(fit, latest[-1]).state())
        checkpoint.unlink(missing_ok=True)


def fit_segments(
    segments: Segments,
    jobs: int,
    folder: Path,
    request: str,
    resume: bool,
    on_progress: Callable[[Progress], None] | None,
) -> list[Done]:
    """Fits all segments.

    Args:
        segments: What there is to fit; it travels to the workers.
        jobs: How many at a time, each in a process with one thread.
        folder: Of checkpoints; it is made, and left for the caller to remove.
        request: Fingerprint of what was asked for.
        resume: Go on from what is in the folder.
        on_progress: Called a few times a second; that PSNR and size are not known is told as NaN and 0.

    Raises:
        ConfigError: The checkpoint is of another run, or one in one process, or a segment is impossible.
        SourceError: The folder cannot be written, or a worker died.
        KeyboardInterrupt: After Ctrl-C, when all workers have stopped and left their checkpoints.
    """
    if resume and folder.is_file():
        raise ConfigError(f"{folder}: the checkpoint is of a run in one process; resume without --jobs")
    try:
        if not resume:
            remove(folder)
        folder.mkdir(exist_ok=True)
        made_for = folder / "request"
        if not made_for.exists():
            save(made_for, request.encode())
        # Before any worker adds to it: those that find nothing of their own there would not notice.
        if made_for.read_text() != request:
            raise ConfigError(
                f"{folder}: the checkpoint is of another run; resume with the same source, preset, budget and seed"
            )
    except OSError as error:
        raise SourceError(f"{folder}: cannot be written: {error.strerror or error}") from None
    started = time.monotonic()

    def watch(progress: JobsProgress) -> None:
        if on_progress is not None:
            steps = sum(budget.steps or 0 for budget in segments.budgets)
            told = Progress(round(steps * progress.share), progress.share, math.nan, 0.0, 0.0, 0.0)
            on_progress(told._replace(seconds=time.monotonic() - started))

    every_job = [SegmentJob(segments, number, folder, request) for number in range(len(segments.lengths))]
    waiting = [job for job in every_job if not job.done.exists()]
    failures = run_jobs(waiting, jobs, len(every_job) - len(waiting), watch)
    for name, reason in failures.items():
        raise ConfigError(f"{name}: {reason}")
    return [Done.of_state(load_checkpoint(job.done, request)) for job in every_job]


def remove(checkpoint: Path) -> None:
    """Removes a checkpoint of either kind, if there is one."""
    if checkpoint.is_dir():
        shutil.rmtree(checkpoint)
    else:
        checkpoint.unlink(missing_ok=True)
