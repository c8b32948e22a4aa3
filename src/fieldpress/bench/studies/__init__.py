"""Which studies there are, as data: every variation is a handful of settings in text, over one preset."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from fieldpress.bench.studies import dictionary, guidance, ideas, radiance, tucker
from fieldpress.bench.studies.base import SCENE_PRESET, Comparison, Study, Variation
from fieldpress.config import unknown
from fieldpress.errors import ConfigError

__all__ = ["NAMES", "SCENE_PRESET", "Comparison", "Study", "Variation", "studies"]

_STUDIES = {
    "guidance": guidance.study,
    "tucker": tucker.study,
    "dictionary": dictionary.study,
    "ideas": ideas.study,
    "radiance": radiance.study,
}

NAMES = (*_STUDIES, "all")
"""What :func:`studies` knows."""


def studies(name: str, only: str | None = None, *, of_scenes: bool = False) -> list[Study]:
    """The study of this name, or each of them for ``all``.

    Args:
        name: One of :data:`NAMES`.
        only: Words, separated by commas; a point in whose chart, curve and settings none of them stands is left out.
            ``*`` in a word stands for anything: ``tucker: project:``, ``learned*bits=4``.
        of_scenes: Whether the sources are posed photographs; ``all`` are those that suit them.

    Raises:
        ConfigError: There is none; the message lists those that exist.
    """
    if name not in NAMES:
        raise ConfigError(unknown("study", name, NAMES))
    found = [build() for key, build in _STUDIES.items() if name in (key, "all")]
    if name == "all":
        found = [study for study in found if study.of_scenes == of_scenes]
    elif found[0].of_scenes != of_scenes:
        needed, given = ("posed photographs", "videos")[:: 1 if found[0].of_scenes else -1]
        raise ConfigError(f"study {name} is of {needed}; the sources are {given}")
    return found if only is None else _narrowed(found, only)


def _narrowed(found: Sequence[Study], only: str) -> list[Study]:
    """The studies with the points that the words name, as far as they have any."""
    patterns = [f"*{word.strip().lower()}*" for word in only.split(",")]
    chosen = [replace(study, variations=tuple(_matching(study.variations, patterns))) for study in found]
    if not any(study.variations for study in chosen):
        curves = dict.fromkeys(variation.curve for study in found for variation in study.variations)
        raise ConfigError(f"--only {only!r} names no curve of this study; its curves are {'; '.join(curves)}")
    return [study for study in chosen if study.variations]


def _matching(variations: Sequence[Variation], patterns: Sequence[str]) -> Iterator[Variation]:
    for variation in variations:
        settings = " ".join(f"{name}={value}" for name, value in variation.settings.items())
        text = f"{variation.chart}: {variation.curve}: {settings}".lower()
        if any(fnmatchcase(text, pattern) for pattern in patterns):
            yield variation
