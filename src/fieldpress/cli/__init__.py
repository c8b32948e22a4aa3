"""The command line: ``fieldpress encode``, ``decode``, ``render``, ``view`` and the other commands."""

import sys
from collections.abc import Sequence

from fieldpress.cli.stopping import Stoppable
from fieldpress.devices import let_threads_sleep
from fieldpress.streams import patient_stderr


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and returns its exit status: 0, 2 after a complaint of one line, 130 or 143 when stopped.

    Args:
        arguments: Without the program's name; those of this process by default, which then has nothing else to do.
    """
    let_threads_sleep()

    def command() -> int:
        from fieldpress.cli.commands import run  # which takes a while, and can be stopped, too

        return run(sys.argv[1:] if arguments is None else arguments)

    with patient_stderr():
        return Stoppable(ends_process=arguments is None).run(command)
