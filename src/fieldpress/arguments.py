"""Arguments of calls from Python, held against their annotations: a wrong one gives one line, as a wrong flag does."""

from typing import Any, get_args

import numpy as np

from fieldpress.config import from_plain


def argument(name: str, kind: Any, given: Any) -> Any:
    """The value of an argument; a NumPy scalar becomes a number of Python's own.

    Args:
        name: Of the argument, for the message.
        kind: ``bool``, ``int``, ``float`` or ``str``, perhaps ``| None``. A whole number is a ``float``, too; a
            ``bool`` is nothing else.
        given: What the caller gave. Ranges are not looked at.

    Raises:
        ConfigError: It is of another type.

    Example:
        >>> argument("steps", int | None, "3")
        Traceback (most recent call last):
        fieldpress.errors.ConfigError: steps is '3'; expected a whole number
    """
    value = given.item() if isinstance(given, np.generic) else given
    kinds = get_args(kind) or (kind,)
    if type(value) in kinds or (type(value) is int and float in kinds):
        return value
    return from_plain(kind, value, name)
