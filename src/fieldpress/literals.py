"""What the text of a value means, and how a place in a tree of settings is written: ``--plan.volume.crf 40``.

Texts are read as strictly as a file's header is, by :func:`fieldpress.config.from_plain`: a wrong one gives one line.
"""

import types
from typing import Any, Union, get_args, get_origin

from fieldpress.config import Plain, from_plain
from fieldpress.errors import ConfigError

Path = tuple[str, ...]
"""Names from the root of a tree of settings down to one of them."""


def flag_of(path: Path) -> str:
    """The flag of a field: ``--training.batch-pixels``."""
    return "--" + ".".join(path).replace("_", "-")


def value(flag: str, kind: Any, text: str | None) -> Any:
    """What the text of a flag means.

    Raises:
        ConfigError: It is missing, or none of ``kind``.
    """
    if kind is bool:
        if text is not None:
            raise ConfigError(f"{flag} takes no value, got {text!r}")
        return True
    if text is None:
        raise ConfigError(f"{flag} needs a value")
    return from_plain(kind, plain(kind, text), flag)


def plain(kind: Any, text: str) -> Plain:
    """Plain data for a value of a type; a text that means none of them stays a text, for ``from_plain`` to refuse.

    Example:
        >>> plain(tuple[int, int] | None, "3,4")
        [3, 4]
    """
    choices = get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)
    if type(None) in choices and text.lower() == "none":
        return None
    for choice in choices:
        if choice in (int, float):
            try:
                return choice(text)
            except ValueError:
                continue
        if choice is bool and text.lower() in ("true", "false"):
            return text.lower() == "true"
        if get_origin(choice) is tuple:
            return [plain(get_args(choice)[0], part) for part in text.split(",")]
    return text
