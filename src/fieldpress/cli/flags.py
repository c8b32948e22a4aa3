"""Words and flags of a command line to a command, a frozen dataclass; tyro writes the help page from the same class.

Fields of a command marked ``Positional`` are words, in their order, the last one a ``tuple`` where it takes all that
are left; ``bool`` ones are switches; all others are flags that take a value. Flags stand anywhere on the line, as
``--flag value`` or ``--flag=value``; ``--`` ends them. Values are read as strictly as a file's header is, by
:func:`fieldpress.config.from_plain`: a wrong one gives one line.
"""

import dataclasses
import difflib
import sys
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, NamedTuple, TypeVar, get_args, get_origin, get_type_hints

import tyro

from fieldpress.errors import ConfigError
from fieldpress.literals import flag_of, value

Command = TypeVar("Command")

_HELP = ("--help", "-h")


class Line(NamedTuple):
    """What stands on a command line, not understood yet."""

    words: list[str]
    flags: dict[str, str | None]
    """Text by flag, in the order of the line. ``None`` for a switch or a missing value."""
    wants_help: bool


def split(arguments: Iterable[str], switches: Iterable[str]) -> Line:
    """Words and flags. Every flag but the switches takes the next argument, unless that begins with ``--``.

    Raises:
        ConfigError: A flag stands there twice.

    Example:
        >>> split(["--force", "a.mp4", "--steps", "20", "b.fpr"], ["--force"])
        Line(words=['a.mp4', 'b.fpr'], flags={'--force': None, '--steps': '20'}, wants_help=False)
    """
    line = Line([], {}, False)
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        if argument == "--":
            line.words.extend(rest)
            break
        if argument in _HELP:
            line = line._replace(wants_help=True)
        elif not argument.startswith("-") or argument == "-":
            line.words.append(argument)
        else:
            flag, given, text = argument.partition("=")
            flag = flag.replace("_", "-")
            if flag in line.flags:
                raise ConfigError(f"{flag} is given twice; give it once")
            takes_next = not given and flag not in switches and rest and not rest[0].startswith("--")
            line.flags[flag] = text if given else rest.pop(0) if takes_next else None
    return line


def kinds(command: type) -> dict[str, Any]:
    """The flags of a command, and the type of each one's value."""
    words = _words(command)
    return {flag_of((name,)): kind for name, kind in _hints(command).items() if name not in words}


def switches(command: type) -> list[str]:
    """The flags of a command that take no value."""
    return [flag for flag, kind in kinds(command).items() if kind is bool]


def parse(command: type[Command], arguments: Sequence[str]) -> Command:
    """The command that a line asks for; shows the help page and exits where it asks for that.

    Raises:
        ConfigError: A word is missing or too many, a flag is unknown or given twice, or a value is not one of its type.
    """
    line = split(arguments, switches(command))
    if line.wants_help:
        show_help(command)
    check_known(line.flags, kinds(command))
    return fill(command, line)


def check_known(flags: Iterable[str], known: Iterable[str]) -> None:
    """Refuses a flag that is not among the known ones, with the nearest one suggested.

    Raises:
        ConfigError: There is one.
    """
    known = [*known, *_HELP]
    for flag in flags:
        if flag not in known:
            close = difflib.get_close_matches(flag, known, n=1)
            raise ConfigError(
                f"unknown flag {flag!r}; {f'did you mean {close[0]!r}?' if close else '--help lists all'}"
            )


def fill(command: type[Command], line: Line) -> Command:
    """The command with the words and its own flags of a line; other flags are passed over.

    Raises:
        ConfigError: A word is missing or too many, or a value is not one of its type.
    """
    hints, words = _hints(command), _words(command)
    needed = [name for name, needed in words.items() if needed]
    if len(line.words) < len(needed):
        raise ConfigError(f"{_shown(needed[len(line.words)], hints)} is missing; usage: {usage(command)}")
    values: dict[str, Any] = dict(zip(words, line.words, strict=False))
    last = [*words][-1] if words else ""
    if last in values and _takes_many(hints[last]):
        values[last] = tuple(line.words[len(words) - 1 :])
    elif len(line.words) > len(words):
        raise ConfigError(f"{line.words[len(words)]!r} is one word too many; usage: {usage(command)}")
    for name, kind in hints.items():
        flag = flag_of((name,))
        if flag in line.flags:
            values[name] = value(flag, kind, line.flags[flag])
    return command(**values)


def usage(command: type) -> str:
    """The line in short: ``fieldpress decode FILE OUT [flags]``."""
    hints = _hints(command)
    words = [_shown(name, hints) if needed else f"[{name.upper()}]" for name, needed in _words(command).items()]
    return " ".join(["fieldpress", command.__name__.lower(), *words, "[flags]"])


def show_help(command: type, **defaults: Any) -> None:
    """Shows the help page of a command and exits.

    Args:
        command: Its docstrings are the texts.
        defaults: Of fields that have none.
    """
    if sys.stdout is None:
        raise SystemExit(0)
    missing = dict.fromkeys((name for name, needed in _words(command).items() if needed), tyro.MISSING)
    tyro.cli(
        command,
        prog=f"fieldpress {command.__name__.lower()}",
        args=["--help"],
        default=command(**missing, **defaults),
        config=(tyro.conf.FlagCreatePairsOff,),
    )


def _words(command: type) -> dict[str, bool]:
    """The positional fields, and whether each is needed."""
    hints = get_type_hints(command, include_extras=True)
    return {
        field.name: field.default is dataclasses.MISSING
        for field in dataclasses.fields(command)
        if get_origin(hints[field.name]) is Annotated and tyro.conf.Positional in get_args(hints[field.name])
    }


def _takes_many(kind: Any) -> bool:
    return get_origin(kind) is tuple


def _shown(name: str, hints: dict[str, Any]) -> str:
    """A word in a usage line: ``SOURCE``, or ``SOURCE...`` where there may be several."""
    return f"{name.upper().removesuffix('S')}..." if _takes_many(hints[name]) else name.upper()


def _hints(command: type) -> dict[str, Any]:
    hints = get_type_hints(command)
    return {field.name: hints[field.name] for field in dataclasses.fields(command)}
