"""Standard error that nobody may read any more, and standard streams that are closed.

What a command says about its work is no reason to give the work up: on a pipe that was closed, a full disk or a
terminal that has gone, it goes on in silence. What it was asked to print is another matter (``cli/text.py``).
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

_DESCRIPTORS = (0, 1, 2)


class Patient:
    """A text stream whose errors pass; the first one ends it.

    Args:
        stream: What is written to; nothing if None.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream or open(os.devnull, "w")  # noqa: SIM115  # which lives as long as this

    def write(self, text: str) -> int:
        """Writes what can be written."""
        try:
            self._stream.write(text)
        except OSError:
            self._end()
        return len(text)

    def flush(self) -> None:
        """Hands on what can be handed on."""
        try:
            self._stream.flush()
        except OSError:
            self._end()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _end(self) -> None:
        """Python flushes the stream once more when it exits: let that go nowhere, and all that follows."""
        with suppress(OSError, ValueError):
            silence(self._stream.fileno())


@contextmanager
def patient_stderr() -> Iterator[None]:
    """Has standard error forgive, and descriptors of closed streams taken, so that no file that is opened gets one."""
    for descriptor in _DESCRIPTORS:
        try:
            os.fstat(descriptor)
        except OSError:
            silence(descriptor)
    before = sys.stderr
    sys.stderr = Patient(before)
    try:
        yield
    finally:
        sys.stderr = before


def silence(descriptor: int) -> None:
    """Whatever is written there goes nowhere from now on."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    if nowhere != descriptor:
        os.dup2(nowhere, descriptor)
        os.close(nowhere)
