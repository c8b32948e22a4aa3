"""A folder of training figures: ``metrics.jsonl``, and the same as TensorBoard events."""

import json
import math
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fieldpress.errors import ConfigError, SourceError

if TYPE_CHECKING:
    from fieldpress.report import Report
    from fieldpress.training.loop import Progress

METRICS = "metrics.jsonl"
_POINTS = 200
"""Entries of a whole run, at most; the last step has one in any case."""


class TrainingLog:
    """Writes the figures of a run. The folder is made with the first entry, so that a refused run leaves none.

    Args:
        folder: Where to.
        resumes: Go on in the ``metrics.jsonl`` that is there, instead of writing it anew.

    Raises:
        SourceError: The folder cannot be made or written to.
        ConfigError: TensorBoard is not installed.
    """

    def __init__(self, folder: Path, resumes: bool) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise ConfigError('--log needs TensorBoard: pip install "fieldpress[log]"') from None
        _check_folder(folder)
        self._folder, self._resumes = folder, resumes
        self._open_events = SummaryWriter
        self._events: Any = None
        self._usual_hook = threading.excepthook
        self._failure: OSError | None = None
        self._due = self._share = 0.0
        self._try = 1
        """A PSNR is reached by trying; all tries but the first say which they are."""

    def step(self, progress: "Progress") -> None:
        """Takes the figures after a training step.

        Raises:
            SourceError: The folder cannot be written to.
        """
        if progress.share < self._share:
            self._try, self._due = self._try + 1, 0.0
        self._share = progress.share
        if progress.share < min(self._due, 1.0):
            return
        self._due = progress.share + 1 / _POINTS
        scalars = {} if math.isnan(progress.psnr) else {"quality/psnr": progress.psnr}
        if progress.bpp:
            scalars["rate/bpp"] = progress.bpp
        tries = {"try": self._try} if self._try > 1 else {}
        self._add(progress.step, {**tries, "share": progress.share, "seconds": progress.seconds}, scalars)

    def finish(self, report: "Report") -> None:
        """Takes the figures of the finished file.

        Raises:
            SourceError: The folder cannot be written to.
        """
        scalars = {"file/psnr": report.psnr_rgb, "file/ssim": report.ssim, "file/bpp": report.bpp}
        self._add(report.steps, {}, scalars)

    def close(self) -> None:
        """Writes out what TensorBoard's writer still holds.

        Raises:
            SourceError: The folder cannot be written to.
        """
        try:
            if self._events is not None:
                self._events.close()
        except OSError as error:
            self._failure = error
        finally:
            threading.excepthook = self._usual_hook
        self._check()

    def _check(self) -> None:
        """What TensorBoard's thread met with."""
        if self._failure is not None:
            failure, self._failure = self._failure, None  # told once
            raise self._refusal(failure)

    def _refusal(self, error: OSError) -> SourceError:
        return SourceError(f"--log {self._folder}: cannot be written: {error.strerror or error}")

    def _hear(self, met: threading.ExceptHookArgs) -> None:
        if isinstance(met.exc_value, OSError):
            self._failure = met.exc_value  # that of TensorBoard's thread would be a traceback
        else:
            self._usual_hook(met)

    def _add(self, step: int, more: dict[str, float], scalars: dict[str, float]) -> None:
        self._check()
        try:
            events = self._events or self._begin()
            with open(self._folder / METRICS, "a", encoding="utf-8") as lines:
                lines.write(json.dumps({"step": step, **more, **scalars}) + "\n")
            for tag, scalar in scalars.items():
                events.add_scalar(tag, scalar, step)
        except OSError as error:
            raise self._refusal(error) from None

    def _begin(self) -> Any:
        self._folder.mkdir(exist_ok=True)
        if not self._resumes:
            (self._folder / METRICS).write_text("")
        threading.excepthook = self._hear
        self._events = self._open_events(str(self._folder))
        return self._events


def _check_folder(folder: Path) -> None:
    try:
        if folder.exists() and not folder.is_dir():
            raise SourceError(f"--log {folder}: is a file; name a folder")
        place = folder if folder.exists() else folder.absolute().parent
        if not place.is_dir():
            raise SourceError(f"--log {folder}: the folder {place} does not exist")
        if not os.access(place, os.W_OK | os.X_OK):
            raise SourceError(f"--log {folder}: the folder {place} is not writable")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SourceError(f"--log {str(folder)!r}: cannot be written: {reason}") from None
