"""The command line: ``fieldpress encode``, ``decode``, ``render``, ``view`` and the other commands."""

import sys
from collections.abc import Sequence
from importlib import import_module

from fieldpress import __version__
from fieldpress.cli.text import INTERRUPTED, complain, drop_output, flush, say
from fieldpress.config import unknown
from fieldpress.devices import let_threads_sleep
from fieldpress.errors import ConfigError, FieldpressError

_COMMANDS = {
    "encode": ("encode", "fit a video, an image or posed photographs into one small file"),
    "decode": ("decode", "turn a file back into pictures"),
    "render": ("render", "film a scene from a path of cameras"),
    "view": ("view", "look at a scene in the browser"),
    "info": ("info", "what a file holds, and where its bytes go"),
    "eval": ("evaluate", "how close a file's pictures are to a source"),
    "presets": ("presets", "list the presets"),
    "study": ("study", "encode clips in many ways, and write a page that says what each bought"),
    "bench": ("bench", "measure presets against real codecs, and write a page of curves"),
}
"""Module and purpose by name. A module is loaded when its command is called: most load torch."""

_HELP = """fieldpress: videos, images and scenes as small files that hold a neural field

  fieldpress encode clip.mp4 clip.fpr --minutes 3
  fieldpress decode clip.fpr clip_decoded.mp4
  fieldpress encode photos/ scene.fpr
  fieldpress render scene.fpr scene.mp4

commands:
{commands}

`fieldpress COMMAND --help` lists the flags of one; they may stand anywhere. `fieldpress --version` is {version}."""

_BAD_REQUEST = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and returns its exit status: 0, 2 after a complaint of one line, or 130 after Ctrl-C.

    Args:
        arguments: Without the program's name; those of this process by default.
    """
    let_threads_sleep()
    try:
        status = _run(list(sys.argv[1:] if arguments is None else arguments))
        flush()
        return status
    except FieldpressError as error:
        complain(f"error: {error}")
        return _BAD_REQUEST
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        drop_output()
        return 0
    except Exception as error:
        if not _is_out_of_memory(error):
            raise
        complain("error: out of memory; use a smaller clip or fewer parameters, or close other programs")
        return _BAD_REQUEST


def _run(arguments: list[str]) -> int:
    name, rest = _command(arguments)
    if name in (None, "-h", "--help"):
        width = max(map(len, _COMMANDS))
        commands = "\n".join(f"  {name:{width}}  {purpose}" for name, (_, purpose) in _COMMANDS.items())
        say(_HELP.format(commands=commands, version=__version__))
        return 0
    if name == "--version":
        say(f"fieldpress {__version__}")
        return 0
    if name not in _COMMANDS:
        raise ConfigError(unknown("command", name, _COMMANDS))
    module, _ = _COMMANDS[name]
    try:
        return import_module(f"fieldpress.cli.{module}").run(rest)
    except SystemExit:  # after a help page
        return 0


def _command(arguments: list[str]) -> tuple[str | None, list[str]]:
    """The command and everything else; flags may stand before it."""
    if not arguments:
        return None, []
    at = 0
    if arguments[0].startswith("-"):
        at = next((i for i, argument in enumerate(arguments) if argument in _COMMANDS), 0)
    return arguments[at], arguments[:at] + arguments[at + 1 :]


def _is_out_of_memory(error: Exception) -> bool:
    """Also torch's ways to say so: an own class on a GPU, a RuntimeError on a CPU."""
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or (isinstance(error, RuntimeError) and "allocate memory" in str(error))
    )
