"""Ctrl-C and SIGTERM: what a command does when it is asked to stop, and the exit status that shells expect then."""

import signal
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fieldpress.training.loop import Progress

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_INTERRUPTED = 128 + signal.SIGINT


class Stoppable:
    """Runs a command that Ctrl-C and SIGTERM stop.

    Of several SIGTERMs the first counts: ``timeout`` sends two. A signal that the process was told to ignore, as in the
    background of a shell, stays ignored.

    Args:
        ends_process: Whether the process ends after the command. Then a further Ctrl-C is ignored: it would come while
            Python takes itself apart, which takes a moment once torch is loaded, and end the process by the signal.
    """

    def __init__(self, *, ends_process: bool) -> None:
        self._ends_process = ends_process
        self._stopped_by: int | None = None
        self._before: dict[int, Any] = {}

    def run(self, command: Callable[[], int]) -> int:
        """Runs a command and returns its exit status: its own, 130 after Ctrl-C or 143 after SIGTERM."""
        try:
            self._take_signals()
            status = command()
        except KeyboardInterrupt:
            return self._status or _INTERRUPTED
        except Exception:
            if self._status is None:
                raise
            return self._status  # a module in C may turn what stops its import into another error
        finally:
            for number, before in self._before.items():
                signal.signal(number, signal.SIG_IGN if self._ends_process else before)
        return status if status == 0 else self._status or status

    @property
    def _status(self) -> int | None:
        return None if self._stopped_by is None else 128 + self._stopped_by

    def _stop(self, number: int, _: object) -> None:
        if number == signal.SIGTERM and self._stopped_by is not None:
            return
        self._stopped_by = number
        raise KeyboardInterrupt

    def _take_signals(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        for number in _SIGNALS:
            before = signal.getsignal(number)
            if before not in (signal.SIG_IGN, None):
                self._before[number] = before
                signal.signal(number, self._stop)


class StopBetweenSteps:
    """Lets the training step in hand end before Ctrl-C or SIGTERM stops the run, so that it resumes exactly.

    A second Ctrl-C does not wait. This takes over after the first step and steps back when training ends: before and
    after there is nothing to keep, and grids that are coded before the first step may take minutes.
    """

    def __init__(self) -> None:
        self._asked: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "StopBetweenSteps":
        return self

    def check(self, progress: "Progress") -> None:
        """Stops here if that was asked for.

        Raises:
            KeyboardInterrupt: It was, during the step.
        """
        if self._asked is not None and progress.share < 1:
            self._step_back()
            handler = signal.getsignal(self._asked)
            if callable(handler):
                handler(self._asked, None)
            raise KeyboardInterrupt
        if progress.share >= 1:
            self._step_back()
        elif progress.step and not self._before and threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._ask) for number in _SIGNALS}

    def __exit__(self, *_: object) -> None:
        self._step_back()

    def _ask(self, number: int, _: object) -> None:
        self._asked = number
        if number == signal.SIGINT:
            self._step_back()

    def _step_back(self) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)
        self._before = {}
