"""A study's runs: one file and one record each, whose names say what they are and whose hash says of what exactly."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fieldpress.bench.clips import Clip
from fieldpress.bench.kept import are_numbers, name_of, read_kept
from fieldpress.bench.studies import Study, Variation
from fieldpress.config import to_plain, unknown
from fieldpress.errors import ConfigError
from fieldpress.field import FieldConfig
from fieldpress.grids import SceneGrids
from fieldpress.presets import Recipe, recipe
from fieldpress.settings import changed, exchange_parts, known_flags, settings_of
from fieldpress.training.config import Budget

RUNS = "runs"
"""The folder of files and records inside that of the study."""


@dataclass(frozen=True)
class Run:
    """One encode."""

    study: str
    variation: Variation
    recipe: Recipe
    clip: Clip
    budget: Budget
    seed: int
    device: str

    @property
    def name(self) -> str:
        """Of its file, without suffix; see :func:`fieldpress.bench.kept.name_of`."""
        what = f"{self.facts['compressor']} {self.variation.curve} {self.point}"
        asked = [to_plain(self.recipe), to_plain(self.budget), self.clip.sha256, self.seed, self.device]
        return name_of(f"{Path(self.clip.name).stem} {what} seed {self.seed}", asked)

    @property
    def expected_field(self) -> FieldConfig:
        """The field, as far as it is known before training.

        Raises:
            ConfigError: The grids do not suit the source.
        """
        if isinstance(self.recipe.grids, SceneGrids):
            return self.recipe.scene_field(self.recipe.grids.expected())
        return self.recipe.field(self.clip.frames, self.clip.height, self.clip.width)

    @property
    def facts(self) -> dict[str, Any]:
        """What tells a run from others, as rows of results have it; ``None`` where it does not apply."""
        guidance, features = self.recipe.training.guidance, to_plain(self.recipe.plan[self.recipe.features_rule])
        tuned = features.get("codes") == "kmeans" and guidance.kind != "none"
        return {
            "compressor": features["id"],
            "guide": guidance.kind,
            "every": None if guidance.kind == "none" else guidance.every,
            "init": self.recipe.training.start,
            "codes": "kmeans, tuned" if tuned else features.get("codes"),
            "bits": features["bits"] if features["id"] in ("uniform", "dictionary") else None,
            "ranks": features.get("ranks", features.get("rank")),
            "crf": features.get("crf"),
        }

    @property
    def point(self) -> str:
        """What sets the size of the file, in words: ``crf 24``."""
        if self.variation.point is not None:
            return self.variation.point
        facts = self.facts
        name = next((name for name in ("crf", "ranks", "bits") if facts[name] is not None), None)
        return "" if name is None else f"{name} {shown_fact(facts[name])}"


def shown_fact(value: Any) -> str:
    """A fact for people.

    Example:
        >>> shown_fact(24.0), shown_fact([8, 0.5]), shown_fact(None)
        ('24', '8, 0.5', '')
    """
    if value is None:
        return ""
    if isinstance(value, list):
        return ", ".join(map(shown_fact, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def with_settings(base: Recipe, settings: Mapping[str, str]) -> Recipe:
    """The recipe with some settings changed, as flags of the command line would.

    Raises:
        ConfigError: A name or a value is unknown, or the values do not go together.
    """
    flags = {f"--{name}": text for name, text in settings.items()}
    known = known_flags(exchange_parts(settings_of(base), flags))
    for flag in flags:
        if flag not in known:
            raise ConfigError(unknown("setting", flag, known))
    return changed(base, flags)


def plan_runs(study: Study, clips: list[Clip], budget: Budget, seeds: int, device: str) -> list[Run]:
    """Every variation for every clip and seed, seed by seed, so that a stopped study has whole ones.

    Raises:
        ConfigError: A variation is impossible, here or for one of the clips.
    """
    recipes = [with_settings(recipe(study.preset), variation.settings) for variation in study.variations]
    return [
        Run(study.name, variation, chosen, clip, _part(budget, variation.budget_share), seed, device)
        for seed in range(seeds)
        for clip in clips
        for variation, chosen in zip(study.variations, recipes, strict=True)
    ]


def _part(budget: Budget, share: float) -> Budget:
    if budget.steps is not None:
        return Budget(steps=max(1, round(budget.steps * share)))
    return Budget(minutes=(budget.minutes or 0) * share)


def read_record(folder: Path, name: str) -> dict[str, Any] | None:
    """What a finished run left behind; ``None`` if it is not finished.

    Raises:
        SourceError: The record cannot be read.
    """
    path = folder / RUNS / f"{name}.json"
    return read_kept(path, path.with_suffix(".fpr"), _suits)


def _suits(record: dict[str, Any], size: int) -> bool:
    figures = ("bytes", "bpp", "psnr_rgb", "psnr_y", "ssim", "encode_seconds")
    return record["report"]["bytes"] == size and are_numbers(record["report"], figures)
