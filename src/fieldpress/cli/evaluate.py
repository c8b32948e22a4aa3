"""``fieldpress eval``: flags to a call of :func:`fieldpress.writing.evaluate`."""

from dataclasses import dataclass
from typing import Annotated

import tyro
from tyro.conf import arg

from fieldpress.cli import flags
from fieldpress.cli.opening import opened
from fieldpress.cli.progress import activity
from fieldpress.cli.text import figures, one_line, say


@dataclass(frozen=True)
class Eval:
    """Measure how close a file's pictures are to a source.

    Example: fieldpress eval clip.fpr clip.mp4
    """

    file: Annotated[str, tyro.conf.Positional, arg(metavar="FILE")]
    """A file that fieldpress wrote."""
    source: Annotated[str, tyro.conf.Positional, arg(metavar="SOURCE")]
    """What it was made from, or another source with as many pictures of the same size."""
    device: Annotated[str, arg(metavar="auto|cpu|cuda")] = "auto"
    """Where to compute; auto takes CUDA where there is one."""
    json: bool = False
    """As JSON, with the keys of a report."""


def run(arguments: list[str]) -> int:
    """Measures a file against a source; returns the exit status.

    Raises:
        FieldpressError: As :func:`fieldpress.writing.evaluate`, or the command line is wrong.
    """
    command = flags.parse(Eval, arguments)

    from fieldpress import writing

    with activity("decoding and measuring"):
        report = writing.evaluate(command.file, command.source, command.device)
    with opened(command.file, command.device, None) as file:
        file.tell_what_is_left()
    if command.json:
        say(report.to_json())
        return 0
    say(one_line(f"{command.file} against {command.source}"))
    say(figures(report))
    return 0
