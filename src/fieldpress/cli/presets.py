"""``fieldpress presets``: the presets, one a line."""

from dataclasses import dataclass

from fieldpress.cli import flags
from fieldpress.cli.text import columns, say


@dataclass(frozen=True)
class Presets:
    """List the presets, one a line. `fieldpress encode --help PRESET` shows all settings of one."""


def run(arguments: list[str]) -> int:
    """Lists the presets; returns the exit status.

    Raises:
        ConfigError: The command line is wrong.
    """
    flags.parse(Presets, arguments)

    from fieldpress.presets import PRESETS

    say(columns([[recipe.name, recipe.about] for recipe in PRESETS.values()]))
    return 0
