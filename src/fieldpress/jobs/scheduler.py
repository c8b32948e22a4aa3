"""Jobs in worker processes, several at a time."""

import multiprocessing
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import NamedTuple

from fieldpress.errors import SourceError
from fieldpress.jobs.base import Job
from fieldpress.jobs.worker import Share, begin, execute

_POLL_SECONDS = 0.25


class JobsProgress(NamedTuple):
    """How far a set of jobs is."""

    done: int
    """Jobs that are finished, those of earlier calls included."""
    total: int
    share: float
    """Of the work of this call, in [0, 1]."""
    seconds: float
    """Since this call began."""
    phase: str = ""
    """Which part of the whole this call is."""


def run_jobs(
    jobs: Sequence[Job],
    workers: int,
    finished: int,
    watch: Callable[[JobsProgress], None],
    *,
    phase: str = "",
    fresh: bool = False,
) -> dict[str, str]:
    """Runs them all; those that are impossible do not stop the others.

    Args:
        jobs: In the order in which they begin.
        workers: How many at a time. Each is a process with one thread, however many there are, so that a budget in
            steps gives the same files.
        finished: Jobs that earlier calls did.
        watch: Called a few times a second.
        phase: What they are, for the watcher.
        fresh: A new process for each, so that the peak of its memory is its own.

    Returns:
        Why a job was impossible, by its name.

    Raises:
        SourceError: A worker died.
        KeyboardInterrupt: After Ctrl-C, when all workers have stopped; what is finished stays.
    """
    if not jobs:
        return {}
    context = multiprocessing.get_context("spawn")
    stop, reports = context.Event(), context.Queue()
    started = time.monotonic()
    work = {job.name: job.work for job in jobs}
    shares = dict.fromkeys(work, 0.0)
    failures: dict[str, str] = {}
    workers, last = min(workers, len(jobs)), 1 if fresh else None
    with ProcessPoolExecutor(workers, context, begin, (stop, reports), max_tasks_per_child=last) as pool:
        try:
            with _deaf_to_ctrl_c():
                pending = {pool.submit(execute, job): job.name for job in jobs}
            while pending:
                for future in wait(pending, _POLL_SECONDS, FIRST_COMPLETED).done:
                    name, failure = pending.pop(future), future.result()
                    shares[name] = 1.0
                    if failure is not None:
                        failures[name] = failure
                for report in _waiting(reports):
                    shares[report.name] = max(shares[report.name], report.share)
                done = finished + len(jobs) - len(pending) - len(failures)
                share = sum(work[name] * shares[name] for name in work) / sum(work.values())
                watch(JobsProgress(done, finished + len(jobs), share, time.monotonic() - started, phase))
        except BrokenProcessPool:
            at_work = [name for name in shares if shares[name] < 1.0][:workers]
            raise SourceError(
                f"a worker process died, perhaps for lack of memory, at one of these: {', '.join(at_work)}; "
                "finished runs are kept: try again with fewer --jobs"
            ) from None
        finally:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
    return failures


@contextmanager
def _deaf_to_ctrl_c() -> Iterator[None]:
    """Processes started here ignore Ctrl-C, which a terminal sends to all of them; this one hears it afterwards."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _waiting(reports: "multiprocessing.Queue[Share]") -> list[Share]:
    found: list[Share] = []
    while True:
        try:
            found.append(reports.get_nowait())
        except queue.Empty:
            return found
