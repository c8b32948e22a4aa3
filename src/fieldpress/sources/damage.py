"""Pictures of a source that are damaged: refused, or left out and said so."""

import logging
from collections.abc import Sequence
from pathlib import Path

from fieldpress.errors import SourceError

_LOG = logging.getLogger("fieldpress")


def check_damage(path: Path, good: int, damaged: Sequence[str], force: bool) -> None:
    """Refuses a source with damaged pictures, unless these are to be left out and others remain: then it warns.

    Args:
        path: The source.
        good: How many pictures are not damaged.
        damaged: What is wrong with each of the others.
        force: Leave them out.

    Raises:
        SourceError: It says how many are good, and what is wrong with the first that is not.
    """
    if not damaged:
        return
    told, first = f"{path}: {good} of {good + len(damaged)} pictures are good", f"(the first bad one: {damaged[0]})"
    if not good:
        raise SourceError(f"{told} {first}")
    if not force:
        raise SourceError(f"{told}; use them with --force {first}")
    _LOG.warning("%s %s", told, first)
