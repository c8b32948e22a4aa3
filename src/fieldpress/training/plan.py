"""A plan: which compressor takes which tensor.

A plan is a table from name patterns to compressors. A pattern is a prefix of whole name parts (``volume`` takes
``volume.levels.0``) or a glob (``*.bias``); the first one that matches wins. All tensors of one rule make one chunk,
so that a codec can put many small grids into one stream.
"""

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

from fieldpress.compressors.base import Compressor
from fieldpress.errors import ConfigError

Plan = dict[str, Compressor]


def assign(plan: Mapping[str, Compressor], names: Iterable[str]) -> dict[str, list[str]]:
    """The tensors of each rule, in plan order; rules that take no tensor are left out.

    Raises:
        ConfigError: A tensor is matched by no rule.
    """
    taken: dict[str, list[str]] = {pattern: [] for pattern in plan}
    for name in names:
        for pattern in plan:
            if name.startswith(pattern + ".") or fnmatchcase(name, pattern):
                taken[pattern].append(name)
                break
        else:
            raise ConfigError(
                f"no rule of the plan takes tensor {name!r}; the plan has {', '.join(plan) or 'no rules'}"
            )
    return {pattern: names for pattern, names in taken.items() if names}
