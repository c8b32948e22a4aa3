"""A plan: which compressor takes which tensor.

A plan is a table from name patterns to compressors. A pattern is a prefix of whole name parts (``volume`` takes
``volume.levels.0``) or a glob (``*.bias``); the first one that matches wins. All tensors of one rule make one chunk,
so that a codec can put many small grids into one stream; where an encoding has levels, those of one rule and level do.
"""

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import NamedTuple

from fieldpress.compressors.base import Compressor
from fieldpress.errors import ConfigError


class Assigned(NamedTuple):
    """The tensors of one chunk."""

    rule: str
    """The pattern of the plan that took them."""
    level: int
    """Coarse levels come first in the file."""
    tensors: tuple[str, ...]
    """Their names."""
    coarser: tuple[str, ...]
    """The chunks of the same rule at coarser levels, coarsest first."""


def assign(
    plan: Mapping[str, Compressor], names: Iterable[str], levels: Mapping[str, int] = MappingProxyType({})
) -> dict[str, Assigned]:
    """The chunks by name: that of the rule, with ``@`` and the level behind it above level 0.

    They are in plan order, and by level within a rule; rules that take no tensor are left out.

    Args:
        plan: Compressors by pattern.
        names: Of the tensors.
        levels: Of those that are not at level 0.

    Raises:
        ConfigError: A tensor is matched by no rule.
    """
    taken: dict[str, dict[int, list[str]]] = {pattern: {} for pattern in plan}
    for name in names:
        for pattern in plan:
            if name.startswith(pattern + ".") or fnmatchcase(name, pattern):
                taken[pattern].setdefault(levels.get(name, 0), []).append(name)
                break
        else:
            raise ConfigError(
                f"no rule of the plan takes tensor {name!r}; the plan has {', '.join(plan) or 'no rules'}"
            )
    chunks: dict[str, Assigned] = {}
    for rule, by_level in taken.items():
        coarser: tuple[str, ...] = ()
        for level in sorted(by_level):
            chunk = f"{rule}@{level}" if level else rule
            chunks[chunk] = Assigned(rule, level, tuple(by_level[level]), coarser)
            coarser += (chunk,)
    return chunks
