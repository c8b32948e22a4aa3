"""The commands by name, and what becomes of their errors."""

from collections.abc import Sequence
from importlib import import_module

from fieldpress import __version__
from fieldpress.cli.text import complain, drop_output, flush, say
from fieldpress.config import unknown
from fieldpress.errors import ConfigError, FieldpressError

COMMANDS = {
    "encode": ("encode", "fit a video, an image, posed photographs or a mesh into one small file"),
    "decode": ("decode", "turn a file back into pictures, or a shape into a mesh"),
    "render": ("render", "film a scene from a path of cameras"),
    "view": ("view", "look at a scene in the browser"),
    "info": ("info", "what a file holds, and where its bytes go"),
    "eval": ("evaluate", "how close a file's pictures are to a source"),
    "presets": ("presets", "list the presets"),
    "study": ("study", "encode clips in many ways, and write a page that says what each bought"),
    "bench": ("bench", "measure presets against real codecs, and write a page of curves"),
}
"""Module and purpose by name. A module is loaded when its command is called: most load torch."""

_HELP = """fieldpress: videos, images, scenes and shapes as small files that hold a neural field

  fieldpress encode clip.mp4 clip.fpr --minutes 3
  fieldpress decode clip.fpr clip_decoded.mp4
  fieldpress encode photos/ scene.fpr
  fieldpress render scene.fpr scene.mp4

commands:
{commands}

`fieldpress COMMAND --help` lists the flags of one; they may stand anywhere. `fieldpress --version` is {version}."""

_BAD_REQUEST = 2


def run(arguments: Sequence[str]) -> int:
    """Runs a command and returns its exit status: 0, or 2 after a complaint of one line.

    Args:
        arguments: Without the program's name.

    Raises:
        KeyboardInterrupt: It was stopped.
    """
    try:
        status = dispatch(list(arguments))
        flush()
        return status
    except FieldpressError as error:
        complain(f"error: {error}")
        return _BAD_REQUEST
    except BrokenPipeError:
        drop_output()
        return 0
    except Exception as error:
        if not _is_out_of_memory(error):
            raise
        complain("error: out of memory; use a smaller clip or fewer parameters, or close other programs")
        return _BAD_REQUEST


def dispatch(arguments: list[str]) -> int:
    """Runs a command and returns its exit status.

    Raises:
        FieldpressError: The command line is wrong, or as the command.
    """
    name, rest = _command(arguments)
    if name in (None, "-h", "--help"):
        width = max(map(len, COMMANDS))
        commands = "\n".join(f"  {name:{width}}  {purpose}" for name, (_, purpose) in COMMANDS.items())
        say(_HELP.format(commands=commands, version=__version__))
        return 0
    if name == "--version":
        say(f"fieldpress {__version__}")
        return 0
    if name not in COMMANDS:
        raise ConfigError(unknown("command", name, COMMANDS))
    module, _ = COMMANDS[name]
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
        at = next((i for i, argument in enumerate(arguments) if argument in COMMANDS), 0)
    return arguments[at], arguments[:at] + arguments[at + 1 :]


def _is_out_of_memory(error: Exception) -> bool:
    """Also torch's ways to say so: a RuntimeError, of CUDA's libraries too, and an own class on a GPU."""
    said = ("allocate memory", "out of memory", "_ALLOC_FAILED")
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(words in str(error) for words in said)
    )
