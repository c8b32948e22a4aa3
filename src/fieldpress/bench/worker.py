"""What a worker process does: one encode after the other, on one thread.

Everything heavy is imported inside the functions, after :func:`begin` has said how many threads there are.
"""

import os
import threading
import time
from dataclasses import dataclass
from multiprocessing import parent_process
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from fieldpress.bench.runs import Run
    from fieldpress.training.loop import Progress

_REPORT_SECONDS = 0.5


@dataclass(frozen=True)
class Task:
    """A run and where its file goes; the record goes beside it."""

    run: "Run"
    file: Path


class Share(NamedTuple):
    """How far a run is."""

    name: str
    share: float
    """Of its training budget."""


class _Stopped(Exception):
    """The study was stopped."""


class _Line:
    """What connects this process to the one that started it."""

    stop: Event
    reports: "Queue[Share]"


def begin(stop: Event, reports: "Queue[Share]") -> None:
    """Prepares this process.

    Args:
        stop: Ends the run in hand between two steps, and those to come at once.
        reports: Takes how far the run is.
    """
    os.environ.update({"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"})
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _Line.stop, _Line.reports = stop, reports

    import torch

    torch.set_num_threads(1)


def execute(task: Task) -> str | None:
    """Encodes; leaves the file and its record, or neither.

    Returns:
        Why the run is impossible; ``None`` when it is done, or stopped.
    """
    import json
    from dataclasses import asdict
    from tempfile import TemporaryDirectory

    import fieldpress
    from fieldpress.bench.traincurve import TrainingCurve
    from fieldpress.config import to_plain
    from fieldpress.errors import FieldpressError
    from fieldpress.saving import save

    run, curve = task.run, TrainingCurve()
    due = 0.0

    def watch(progress: "Progress") -> None:
        nonlocal due
        if _Line.stop.is_set():
            raise _Stopped
        curve.add(progress)
        if time.monotonic() >= due:
            due = time.monotonic() + _REPORT_SECONDS
            _Line.reports.put(Share(run.name, progress.share))

    try:
        if _Line.stop.is_set():
            raise _Stopped
        with TemporaryDirectory(prefix="fieldpress-") as folder:
            out = Path(folder) / "run.fpr"
            budget = run.budget
            report = fieldpress.encode(
                run.clip.path,
                out,
                run.recipe,
                minutes=budget.minutes,
                steps=budget.steps,
                seed=run.seed,
                device=run.device,
                on_progress=watch,
            )
            save(task.file, out.read_bytes())
        record = {
            "variation": asdict(run.variation),
            "recipe": to_plain(run.recipe),
            "report": asdict(report),
            "curve": curve.to_plain(),
        }
        save(task.file.with_suffix(".json"), json.dumps(record).encode())
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
