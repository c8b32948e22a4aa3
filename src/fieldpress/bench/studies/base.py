"""What a study is: which runs it consists of, and which questions they answer, as data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

PRESET = "nvp-mini"
"""What variations on videos start from ..."""
SCENE_PRESET = "radiance-vq"
"""... and those on photographs."""

Settings = Mapping[str, str]
"""Text by dotted name, as flags of ``fieldpress encode`` without their dashes; parts first by their ids."""


@dataclass(frozen=True)
class Variation:
    """One point of one curve."""

    chart: str
    """Curves of one chart are compared with each other."""
    curve: str
    """What the points of a curve have in common, in words."""
    settings: Settings
    budget_share: float = 1.0
    """Of the budget of a run."""
    point: str | None = None
    """What sets the size of the file, in words, where that is no setting of a compressor."""
    varies: str | None = None
    """The curve of which this is one point with round trips more or less often; shown in a chart of its own."""


@dataclass(frozen=True)
class Comparison:
    """A question that a study answers: how one curve of a chart stands to another."""

    chart: str
    curve: str
    base: str
    speed: bool = False
    """Whether to tell how soon the curve's training was where that of the base ended."""


@dataclass(frozen=True)
class Study:
    """A set of variations and the questions they answer."""

    name: str
    title: str
    about: str
    """A paragraph for a stranger: what is compared, and what is held equal."""
    variations: tuple[Variation, ...]
    comparisons: tuple[Comparison, ...]
    preset: str = PRESET
    """What every variation starts from."""
    of_scenes: bool = False
    """Whether its sources are posed photographs, not videos."""


def against(variations: Sequence[Variation], base: str, *, speed: bool = False) -> tuple[Comparison, ...]:
    """Every curve against one of its chart."""
    curves = dict.fromkeys((variation.chart, variation.curve) for variation in variations)
    return tuple(Comparison(chart, curve, base, speed) for chart, curve in curves if curve != base)
