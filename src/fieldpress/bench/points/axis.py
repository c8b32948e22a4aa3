"""The quality axis of a preset: which setting turns size against quality, and values that span a curve."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from fieldpress.bench.codecs.codec import Scale
from fieldpress.compressors import Dictionary, Entropy, Uniform, Video
from fieldpress.compressors.base import Compressor
from fieldpress.errors import ConfigError
from fieldpress.presets import Recipe


class Setting(NamedTuple):
    """A preset at one quality."""

    scale: str
    """What is turned, such as ``crf``."""
    value: float
    recipe: Recipe
    flags: tuple[str, ...]
    """That make it of the preset on the command line."""


def settings(chosen: Recipe, points: int, values: Sequence[float] = ()) -> list[Setting]:
    """The preset at so many qualities, fine to coarse, chosen so that most clips lie between 28 and 38 dB.

    Args:
        chosen: The preset.
        points: How many.
        values: These qualities instead.

    Raises:
        ConfigError: The preset has no quality to turn, or does not take a value.
    """
    rule = chosen.features_rule
    compressor: Any = chosen.plan[rule]
    scale = _scale(compressor)
    if scale is None:
        raise ConfigError(f"preset {chosen.name} has no quality to turn: {rule} is given to {compressor.id}")
    found: list[Setting] = []
    for value in values or scale.spread(points):
        number = int(value) if float(value).is_integer() and scale.whole else float(value)
        try:
            turned = replace(compressor, **{scale.name: number})
        except (ConfigError, ValueError) as error:
            raise ConfigError(f"preset {chosen.name}: {error}") from None
        plan = {**chosen.plan, rule: turned}
        found.append(
            Setting(scale.name, value, replace(chosen, plan=plan), (f"--plan.{rule}.{scale.name}", f"{value:g}"))
        )
    return found


def _scale(compressor: Compressor) -> Scale | None:
    """The setting of a compressor that turns its quality, and the values that a curve takes."""
    match compressor:
        case Video(codec="svt-av1" | "svt-av1-screen"):
            return Scale("crf", 26, 60, 1, 63)
        case Video():
            return Scale("crf", 18, 42, 0, 51)
        case Uniform():
            return Scale("bits", 6, 3, 16, 1)
        case Dictionary():
            return Scale("bits", 8, 2, 12, 1)
        case Entropy(step=step):
            return Scale("step", step / 4, step * 4, step / 64, step * 64, geometric=True, whole=False)
    return None
