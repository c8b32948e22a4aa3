"""Frozen dataclasses to plain data and back, strict both ways, and the registry of named parts.

A *config* is a frozen dataclass of plain values: ``bool``, ``int``, ``float``, ``str``, ``None``, tuples, dicts with
string keys, other configs, and *parts*. A part is a config whose class is found through a :class:`Registry`
by its ``id``; in plain data it carries that id beside its own keys::

    Video(crf=24.0)  <->  {"id": "video", "crf": 24.0, ...}

Every field is written, and a missing or unknown key is an error that names it. So changing a default never
changes what an old file means.
"""

import dataclasses
import difflib
import math
import reprlib
import textwrap
import types
from collections.abc import Iterable, Iterator
from typing import Any, Generic, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from fieldpress.errors import ConfigError

Part = TypeVar("Part")
Plain = Any  # None | bool | int | float | str | list[Plain] | dict[str, Plain]

MAX_DEPTH = 16
"""Lists and tables may stand inside one another this deep; a bare value has depth 0."""

MAX_INTEGER = 2**53
"""No whole number is further from zero: up to here every JSON reader agrees on its value."""

MAX_SHOWN = 80
"""Characters of a value that a message repeats."""

MAX_REASON = 200
"""Characters of what a class says against its own values."""

_REGISTRIES: dict[type, "Registry[Any]"] = {}

_SCALARS = {int: "a whole number", float: "a number", str: "a text", bool: "true or false", type(None): "nothing"}

_BRIEF = reprlib.Repr()  # looks at a few items only, where repr would write out all of them first
_BRIEF.maxlevel, _BRIEF.maxstring, _BRIEF.maxother = 2, 60, 60


class Registry(Generic[Part]):
    """The known parts of one kind, by id; one line per part.

    The file header, the command line, the conformance tests and the documentation all read it.

    Args:
        noun: What a part is called in messages, such as ``"compressor"``.
        base: The abstract class. A config field annotated with it takes any registered part.
        parts: The classes, each with a class attribute ``id``.
    """

    def __init__(self, noun: str, base: type[Part], *parts: type[Part]) -> None:
        self.noun = noun
        self._parts: dict[str, type[Part]] = {}
        for part in parts:
            identifier: str = part.id  # pyright: ignore[reportAttributeAccessIssue]
            if identifier in self._parts:
                raise ValueError(f"two {noun} classes have the id {identifier!r}")
            self._parts[identifier] = part
        _REGISTRIES[base] = self

    def __getitem__(self, identifier: str) -> type[Part]:
        """The class with this id.

        Raises:
            ConfigError: No part has it; the message lists those that exist.
        """
        try:
            return self._parts[identifier]
        except (KeyError, TypeError):
            raise ConfigError(unknown(self.noun, identifier, self._parts)) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._parts)

    def __len__(self) -> int:
        return len(self._parts)


def shown(value: object) -> str:
    """The value for a message: one line, and short however large the value is."""
    try:
        text = _BRIEF.repr(value)
    except ValueError:  # Python writes no integer of more than 4300 digits
        return "a number of thousands of digits"
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 3]}..."


def unknown(noun: str, found: object, known: Iterable[object]) -> str:
    """The message for a name that is not among the known ones, with the nearest one suggested.

    Example:
        >>> unknown("compressor", "vidoe", ["raw", "video"])
        "unknown compressor 'vidoe'; did you mean 'video'? known: raw, video"
    """
    names = [str(name) for name in known]
    # A number is not a misspelt other one.
    close = difflib.get_close_matches(found, names, n=1) if isinstance(found, str) and not found.isdigit() else []
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"unknown {noun} {shown(found)}; {hint}known: {', '.join(names) or 'none'}"


def to_plain(value: Any) -> Plain:
    """Plain data, ready for JSON, that :func:`from_plain` turns back into an equal value.

    Raises:
        ConfigError: A number is not finite or is a whole number beyond ``±MAX_INTEGER``.
        TypeError: The value, or one inside it, is not of a type that a config may hold.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        plain = {field.name: to_plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
        identifier = _identifier(type(value))
        return plain if identifier is None else {"id": identifier, **plain}
    if isinstance(value, list | tuple):
        return [to_plain(item) for item in value]
    if isinstance(value, dict) and all(type(key) is str for key in value):
        return {key: to_plain(item) for key, item in value.items()}
    if isinstance(value, int | float) and not _in_range(value):
        raise ConfigError(f"{shown(value)} cannot be stored; expected a finite number, if whole within ±2**53")
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"{type(value).__name__} is not plain data")


def from_plain(kind: Any, plain: Plain, where: str) -> Any:
    """A value of type ``kind`` from plain data. The data may come from anywhere and be of any shape.

    Args:
        kind: A config class, a part's abstract class, or a type built from plain ones.
        plain: What JSON gave. Numbers are taken as they are, but for a whole number where a ``float`` belongs.
        where: The name of this value in messages, such as ``"header.signal"``.

    Raises:
        ConfigError: A key is missing or unknown, a value has the wrong type, or the data is nested deeper
            than ``MAX_DEPTH``; the message names the place.
        TypeError: ``kind`` holds something that is not plain, such as ``list`` or ``complex``.

    Example:
        >>> from_plain(tuple[float, ...], [1, 2.5], "weights")
        (1.0, 2.5)
    """
    if _deeper_than(MAX_DEPTH, plain):
        raise ConfigError(f"{where} is nested more than {MAX_DEPTH} deep")
    return _from(kind, plain, where)


def _from(kind: Any, plain: Plain, where: str) -> Any:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return _from_union(arguments, plain, where)
    if origin is Literal:
        for choice in arguments:
            if type(choice) is type(plain) and choice == plain:
                return choice
        raise ConfigError(f"{where} is {shown(plain)}; expected one of {', '.join(map(repr, arguments))}")
    if origin is tuple:
        return _from_sequence(arguments, plain, where)
    if origin is dict and arguments[0] is str:
        if not isinstance(plain, dict) or not all(type(key) is str for key in plain):
            raise _wrong(where, plain, "a table")
        return {key: _from(arguments[1], item, f"{where}[{shown(key)}]") for key, item in plain.items()}
    if kind in _REGISTRIES:
        return _from_part(_REGISTRIES[kind], plain, where)
    if dataclasses.is_dataclass(kind):
        return _from_table(kind, plain, where)
    return _from_scalar(kind, plain, where)


def _from_union(choices: tuple[Any, ...], plain: Plain, where: str) -> Any:
    if plain is None and type(None) in choices:
        return None
    choices = tuple(choice for choice in choices if choice is not type(None))
    if len(choices) == 1:  # so that the message goes as deep as the mistake
        return _from(choices[0], plain, where)
    for choice in choices:
        try:
            return _from(choice, plain, where)
        except ConfigError:
            continue
    raise _wrong(where, plain, " or ".join(_described(choice) for choice in choices))


def _from_sequence(kinds: tuple[Any, ...], plain: Plain, where: str) -> tuple[Any, ...]:
    if not isinstance(plain, list | tuple):
        raise _wrong(where, plain, "a list")
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        kinds = (kinds[0],) * len(plain)
    if len(kinds) != len(plain):
        raise ConfigError(f"{where} has {len(plain)} items; expected {len(kinds)}")
    return tuple(_from(kind, item, f"{where}[{i}]") for i, (kind, item) in enumerate(zip(kinds, plain, strict=True)))


def _from_part(registry: Registry[Any], plain: Plain, where: str) -> Any:
    if not isinstance(plain, dict) or type(plain.get("id")) is not str:
        raise _wrong(where, plain, f"a {registry.noun} with an id")
    try:
        part = registry[plain["id"]]
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None
    return _from_table(part, plain, where)


def _from_table(kind: Any, plain: Plain, where: str) -> Any:
    if not isinstance(plain, dict):
        raise _wrong(where, plain, "a table")
    hints = get_type_hints(kind)
    names = [field.name for field in dataclasses.fields(kind)]
    identifier = _identifier(kind)
    expected = names if identifier is None else ["id", *names]
    for key in plain:
        if key not in expected:
            raise ConfigError(f"{where}: {unknown('key', key, expected)}")
    for name in expected:
        if name not in plain:
            raise ConfigError(f"{where}: key {name!r} is missing")
    if identifier is not None and plain["id"] != identifier:
        raise ConfigError(f"{where}.id is {shown(plain['id'])}; expected {identifier!r}")
    values = {name: _from(hints[name], plain[name], f"{where}.{name}") for name in names}
    try:
        return kind(**values)
    except (ConfigError, ValueError, ArithmeticError) as error:
        reason = textwrap.shorten(str(error), MAX_REASON, placeholder="...")  # it may repeat values
        raise ConfigError(f"{where}: {reason}") from None


def _from_scalar(kind: Any, plain: Plain, where: str) -> Any:
    if kind not in _SCALARS:
        raise TypeError(f"{where} has the type {kind}, which is not plain data")
    if type(plain) not in ((int, float) if kind is float else (kind,)):
        raise _wrong(where, plain, _SCALARS[kind])
    if isinstance(plain, int | float) and not _in_range(plain):
        raise _wrong(where, plain, "a finite number" if kind is float else "a whole number within ±2**53")
    return kind(plain) if kind is float else plain


def _identifier(kind: type) -> str | None:
    """The id that stands beside the fields of this class in plain data, if it is a part."""
    identifier = getattr(kind, "id", None)
    is_field = any(field.name == "id" for field in dataclasses.fields(kind))
    return identifier if isinstance(identifier, str) and not is_field else None


def _in_range(number: float) -> bool:
    return math.isfinite(number) if isinstance(number, float) else abs(number) <= MAX_INTEGER


def _deeper_than(depth: int, plain: Plain) -> bool:
    """Layer by layer and not by recursion, which hostile data could exhaust."""
    layer = [plain]
    for _ in range(depth + 1):
        layer = [
            child
            for item in layer
            if isinstance(item, list | tuple | dict)
            for child in (item.values() if isinstance(item, dict) else item)
        ]
    return bool(layer)


def _described(kind: Any) -> str:
    if kind in _REGISTRIES:
        return f"a {_REGISTRIES[kind].noun}"
    if get_origin(kind) is tuple:
        return "a list"
    return _SCALARS.get(kind) or getattr(kind, "__name__", str(kind))


def _wrong(where: str, found: object, expected: str) -> ConfigError:
    return ConfigError(f"{where} is {shown(found)}; expected {expected}")
