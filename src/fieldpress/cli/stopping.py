"""Ctrl-C during training."""

import signal
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fieldpress.training.loop import Progress


class StopBetweenSteps:
    """Lets the training step in hand end before Ctrl-C stops the run, so that it resumes exactly.

    A second Ctrl-C does not wait. This takes over after the first step and steps back when training ends: before and
    after there is nothing to keep, and grids that are coded before the first step may take minutes.
    """

    def __init__(self) -> None:
        self._asked = False
        self._before: Any = None

    def __enter__(self) -> "StopBetweenSteps":
        return self

    def check(self, progress: "Progress") -> None:
        """Stops here if that was asked for.

        Raises:
            KeyboardInterrupt: Ctrl-C was pressed during the step.
        """
        if self._asked and progress.share < 1:
            raise KeyboardInterrupt
        if progress.share >= 1:
            self._step_back()
        elif progress.step and self._before is None and threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._ask)

    def __exit__(self, *_: object) -> None:
        self._step_back()

    def _ask(self, *_: object) -> None:
        self._asked = True
        self._step_back()

    def _step_back(self) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
            self._before = None
