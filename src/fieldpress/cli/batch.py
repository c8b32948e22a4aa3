"""What commands that make many files in a folder share: progress, Ctrl-C and how to go on, failures, exit status."""

import shlex
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from fieldpress.cli.progress import jobs_display
from fieldpress.cli.text import complain, one_line, say
from fieldpress.errors import ConfigError

if TYPE_CHECKING:
    from fieldpress.bench.outcome import Outcome
    from fieldpress.jobs import JobsProgress

_IMPOSSIBLE = 2


def run_batch(
    words: Sequence[str],
    title: str,
    part: str,
    out: str | None,
    make: "Callable[[str, str, Callable[[JobsProgress], None]], Outcome]",
) -> int:
    """Makes the files, watched and interruptible; returns the exit status.

    Args:
        words: The command line after the program's name.
        title: Of the progress.
        part: What one of the many is called.
        out: The folder, as far as one is named.
        make: Does it, given the folder, the whole command line, and what shows the progress.

    Raises:
        FieldpressError: No folder is named, or as ``make``.
        KeyboardInterrupt: It was stopped, which is said already.
    """
    if out is None:
        raise ConfigError(f"--out is missing; name the folder for the {words[0]}")
    again = shlex.join(["fieldpress", *words])
    try:
        with jobs_display(title) as show:
            outcome = make(out, again, show)
    except KeyboardInterrupt:
        complain(f"stopped; what is finished stays in {out}; go on with: {again}")
        raise
    for name, reason in outcome.failures.items():
        complain(f"error: {part} {name}: {reason}")
    if outcome.page is not None:
        say(one_line(str(outcome.page)))
    return _IMPOSSIBLE if outcome.failures else 0
