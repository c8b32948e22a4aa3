"""What a worker process does: one job after the other, on one thread.

Everything heavy is imported inside the functions, after :func:`begin` has said how many threads there are.
"""

import os
import signal
import threading
import time
from multiprocessing import parent_process
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Event
from typing import NamedTuple

from fieldpress.jobs.base import Job

_REPORT_SECONDS = 0.5


class Share(NamedTuple):
    """How far a job is."""

    name: str
    share: float
    """In [0, 1]."""


class _Stopped(Exception):
    """All jobs were stopped."""


class _Line:
    """What connects this process to the one that started it."""

    stop: Event
    reports: "Queue[Share]"


def begin(stop: Event, reports: "Queue[Share]") -> None:
    """Prepares this process.

    Args:
        stop: Ends the job in hand where it next reports, and those to come at once.
        reports: Takes how far the job is.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends Ctrl-C to all: the parent says what follows from it
    os.environ.update({"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"})
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _Line.stop, _Line.reports = stop, reports

    import torch

    torch.set_num_threads(1)


def execute(job: Job) -> str | None:
    """Does a job.

    Returns:
        Why it is impossible; ``None`` when it is done, or stopped.
    """
    from fieldpress.errors import FieldpressError

    due = 0.0

    def report(share: float, /) -> None:
        nonlocal due
        if _Line.stop.is_set():
            raise _Stopped
        if time.monotonic() >= due:
            due = time.monotonic() + _REPORT_SECONDS
            _Line.reports.put(Share(job.name, share))

    try:
        if _Line.stop.is_set():
            raise _Stopped
        job.perform(report)
    except _Stopped:
        return None
    except FieldpressError as error:
        return str(error)
    return None


def _end_with_parent() -> None:
    """A parent that was killed cannot say stop: its workers would wait for work for ever."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
