"""Which runs a study consists of, as data: every variation is a handful of settings in text, over one preset."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from fieldpress.compressors import COMPRESSORS
from fieldpress.compressors.base import Compressor
from fieldpress.config import unknown
from fieldpress.errors import ConfigError

PRESET = "nvp-mini"
"""What variations on videos start from ..."""
SCENE_PRESET = "radiance-vq"
"""... and those on photographs."""
CRFS = (24, 30, 36, 42)
RANKS = (0.25, 0.4, 0.6)
EVERY = {"video": 0.05, "tucker": 0.02}
"""Share of the budget between round trips: a truncation is cheaper than a codec."""
OTHER_EVERIES = (0.01, 0.1, 0.2)
DICTIONARY_BITS = (2, 4, 6, 8, 10, 12)
UNIFORM_BITS = (2, 3, 4, 6, 8)
SCENE_BITS = (3, 4, 6, 8)
SCENE_RANDOM_BITS = (4, 8, 12)
SCENE_RANKS = (2, 4, 8)
HASH_BITS = (11, 13, 15)

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


_GUIDES = {
    "none": "no guidance",
    "project": "project",
    "round-trip": "round trip",
    "proximal": "proximal",
    "special": "special",
}


_RULES = ("plan.volume", "plan.planes")


def _grids(compressor: str | None = None, rules: Sequence[str] = _RULES, /, **fields: str | float) -> dict[str, str]:
    """Settings that hand the grids of some rules to a compressor, or change the one they have."""
    settings: dict[str, str] = {}
    for rule in rules:
        settings |= {} if compressor is None else {rule: compressor}
        settings |= {f"{rule}.{name}": str(value) for name, value in fields.items()}
    return settings


def _guided(kind: str, every: float = EVERY["video"], **times: float) -> dict[str, str]:
    settings = {"training.guidance.kind": kind}
    if kind == "none":
        return settings
    times = {"every": every, **times}
    return settings | {f"training.guidance.{name}": str(share) for name, share in times.items()}


def _guide_kinds(compressor: str) -> list[str]:
    """Every kind of guidance; special only where the compressor has one."""
    has_special = COMPRESSORS[compressor].special_guide is not Compressor.special_guide
    return [kind for kind in _GUIDES if kind != "special" or has_special]


def _guidance() -> Study:
    points = {
        "video": [_grids(crf=crf) for crf in CRFS],
        "tucker": [_grids("tucker", ranks=ranks) for ranks in RANKS],
    }
    charts = {"video": "Video codec (x265)", "tucker": "Tucker"}
    variations: list[Variation] = []
    for compressor, chart in charts.items():
        for kind in _guide_kinds(compressor):
            curve = _GUIDES[kind]
            guided = _guided(kind, EVERY[compressor])
            variations += [Variation(chart, curve, {**point, **guided}) for point in points[compressor]]
            if kind != "none":
                middle = points[compressor][1]
                variations += [
                    Variation(chart, f"{curve}, every {every:g}", {**middle, **_guided(kind, every)}, varies=curve)
                    for every in OTHER_EVERIES
                ]
    return Study(
        "guidance",
        "Does it help to meet the compressor during training?",
        "Each file holds the same neural field, trained for the same budget from the same start, and differs in "
        "when the compressor of its feature grids is met. Without guidance that is only at the end. With it, the grids "
        "are compressed for real every so often during training and the decoder network learns from what comes back: "
        "<i>project</i> overwrites the grids by their round trip, the published way; <i>round trip</i> also remembers "
        "what rounding took, so that nothing learned is lost to it; <i>proximal</i> leaves the grids free and pulls "
        "them towards their round trip.",
        tuple(variations),
        tuple(_against(variations, "no guidance")),
    )


def _tucker() -> Study:
    chart = "Start and ranks"
    ranks = (*RANKS, 0.8)
    starts = (("random start", "random", 1.0), ("start from the clip's Tucker decomposition", "tucker", 1.0))
    halved = ("the same in half the budget", "tucker", 0.5)
    variations = [
        Variation(
            chart,
            curve,
            {**_grids("tucker", ranks=share), **_guided("project", EVERY["tucker"]), "training.start": start},
            budget,
        )
        for curve, start, budget in (*starts, halved)
        for share in ranks
    ]
    return Study(
        "tucker",
        "Does it help to start from the clip itself?",
        "Each file holds the same neural field, whose feature grids are stored as a Tucker decomposition: a small core "
        "and a factor matrix for each axis. The ranks set its size. The field starts either from small random numbers, "
        "or from a Tucker decomposition of the clip itself, from which the grids and the decoder are filled.",
        tuple(variations),
        tuple(_against(variations, "random start", speed=True)),
    )


def _dictionary() -> Study:
    chart = "Codes"
    ways = {
        "k-means after training": {"codes": "kmeans", "kind": "none"},
        "k-means, entries tuned": {"codes": "kmeans", "kind": "special"},
        "random codes": {"codes": "random", "kind": "special"},
        "learned codes": {"codes": "learned", "kind": "special"},
    }

    # Two levels of planes, as a third has fewer cells than the largest dictionary has entries. Random pixels, as codes
    # are learned where a step reads, and pictures would reach each time slice of the volume a few times only.
    field = {"grids.plane-levels": "2", "training.sampling": "pixels", "training.batch-pixels": "32768"}

    def grids(compressor: str, kind: str, **fields: str | int) -> dict[str, str]:
        # Codes are found in trained grids, and learned to the end: they settle when all is settled.
        times: dict[str, float] = {"start": 0.4, "settle": 1.0} if compressor == "dictionary" else {}
        return {**field, **_grids(compressor, **fields), **_guided(kind, **times)}

    variations = [
        Variation(chart, curve, grids("dictionary", way["kind"], bits=bits, codes=way["codes"]))
        for curve, way in ways.items()
        for bits in DICTIONARY_BITS
    ]
    variations += [
        Variation(chart, "uniform steps", grids("uniform", "round-trip", bits=bits)) for bits in UNIFORM_BITS
    ]
    variations.append(Variation(chart, "uncompressed", grids("raw", "none")))
    bases = ("random codes", "k-means after training", "k-means, entries tuned", "uniform steps", "uncompressed")
    return Study(
        "dictionary",
        "Are learned codes worth learning?",
        "Each file holds the same neural field, whose feature grids are stored as b-bit codes into a "
        "dictionary of 2<sup>b</sup> entries, with b from 2 to 12. The codes come from k-means after training, from "
        "k-means with the entries tuned on, from a random hash that is never trained, or are learned with the field. "
        "Files are compared at equal bytes, not at equal b: codes and entries are entropy-coded, and all of it counts.",
        tuple(variations),
        tuple(Comparison(chart, "learned codes", base) for base in bases),
    )


def _ideas() -> Study:
    chart = "One switch at a time"
    rules = (*_RULES, "plan.nested", "plan.flow")
    switches: dict[str, Settings] = {
        "the preset": {},
        "nested planes": {"grids.nested": "true"},
        "fitted grids": {"grids": "fitted", "grids.parameters-per-pixel": "0.5", "grids.plane-features": "2"},
        "L1 + SSIM loss": {"training.loss": "l1-ssim"},
        "pixels at random": {"training.sampling": "pixels"},
        "flow": {"grids.flow": "60"},
    }
    variations = [
        Variation(chart, curve, {**switch, **_grids(None, rules, crf=crf)})
        for curve, switch in switches.items()
        for crf in CRFS
    ]
    return Study(
        "ideas",
        "What does each idea buy?",
        "Each file is made by the same preset with one switch turned: planes whose levels share one nested table, "
        "grids fitted to the clip, a loss of absolute error and structural similarity in place of squared error, steps "
        "on random pixels of the whole clip in place of whole pictures, and a learned flow that aligns moving content.",
        tuple(variations),
        tuple(_against(variations, "the preset")),
    )


def _against(variations: list[Variation], base: str, *, speed: bool = False) -> Iterator[Comparison]:
    """Every curve against one of its chart."""
    curves = dict.fromkeys((variation.chart, variation.curve) for variation in variations)
    return (Comparison(chart, curve, base, speed) for chart, curve in curves if curve != base)


def _radiance() -> Study:
    chart = "Octree, files of all kinds"

    def table(compressor: str, kind: str, **fields: str | float) -> dict[str, str]:
        return {**_grids(compressor, ("plan.octree",), **fields), "training.guidance.kind": kind}

    codes = {
        "learned codes": ("learned", "special", SCENE_BITS),
        "k-means after training": ("kmeans", "none", SCENE_BITS),
        "k-means, entries tuned": ("kmeans", "special", SCENE_BITS),
        "random codes": ("random", "special", SCENE_RANDOM_BITS),
    }
    variations = [
        Variation(chart, curve, table("dictionary", kind, codes=way, bits=bits))
        for curve, (way, kind, many) in codes.items()
        for bits in many
    ]
    variations += [Variation(chart, "low rank", table("lowrank", "project", rank=rank)) for rank in SCENE_RANKS]
    variations += [
        Variation(chart, "uniform steps", table("uniform", "round-trip", bits=bits)) for bits in UNIFORM_BITS[:4]
    ]
    half = {"precision": "float16"}
    variations.append(Variation(chart, "uncompressed octree, 16-bit floats", table("raw", "none", **half)))
    variations += [
        Variation(
            chart,
            "hash grid, 6 bits",
            {"grids": "hashgrid", "grids.table-bits": str(bits), "training.guidance.kind": "round-trip"},
        )
        for bits in HASH_BITS
    ]
    variations += [
        Variation(
            chart,
            "dense grid, entropy-coded",
            {"grids": "dense", "grids.side": str(side), "training.guidance.kind": "round-trip"},
        )
        for side in (32, 64, 96)
    ]
    curves = dict.fromkeys(variation.curve for variation in variations)
    return Study(
        "radiance",
        "What is the best way to store a scene's features?",
        "Each file holds a radiance field of the same photographs, trained for the same budget, and shows pictures "
        "that were held out. Its features stand on the corners of an octree, which is found from the photographs and "
        "is part of every file: they are stored as b-bit codes into dictionaries (learned, by k-means, or a hash of "
        "the place), as a product of two small matrices, in uniform steps, or as they are. A hash grid and a full grid "
        "stand beside them. Files are compared at equal bytes, and all of it counts.",
        tuple(variations),
        tuple(Comparison(chart, "learned codes", base) for base in curves if base != "learned codes"),
        SCENE_PRESET,
        of_scenes=True,
    )


_STUDIES = {
    "guidance": _guidance,
    "tucker": _tucker,
    "dictionary": _dictionary,
    "ideas": _ideas,
    "radiance": _radiance,
}

NAMES = (*_STUDIES, "all")
"""What :func:`studies` knows."""


def studies(name: str, only: str | None = None, *, of_scenes: bool = False) -> list[Study]:
    """The study of this name, or each of them for ``all``.

    Args:
        name: One of :data:`NAMES`.
        of_scenes: Whether the sources are posed photographs; ``all`` are those that suit them.
        only: Words, separated by commas; a point in whose chart, curve and settings none of them stands is left out.
            ``*`` in a word stands for anything: ``tucker: project:``, ``learned*bits=4``.

    Raises:
        ConfigError: There is none; the message lists those that exist.
    """
    if name != "all" and name not in _STUDIES:
        raise ConfigError(unknown("study", name, NAMES))
    found = [build() for key, build in _STUDIES.items() if name in (key, "all")]
    if name == "all":
        found = [study for study in found if study.of_scenes == of_scenes]
    elif found[0].of_scenes != of_scenes:
        needed, given = ("posed photographs", "videos")[:: 1 if found[0].of_scenes else -1]
        raise ConfigError(f"study {name} is of {needed}; the sources are {given}")
    if only is None:
        return found
    patterns = [f"*{word.strip().lower()}*" for word in only.split(",")]
    chosen = [replace(study, variations=tuple(_matching(study.variations, patterns))) for study in found]
    if not any(study.variations for study in chosen):
        curves = dict.fromkeys(variation.curve for study in found for variation in study.variations)
        raise ConfigError(f"--only {only!r} names no curve of this study; its curves are {', '.join(curves)}")
    return [study for study in chosen if study.variations]


def _matching(variations: Sequence[Variation], patterns: Sequence[str]) -> Iterator[Variation]:
    for variation in variations:
        settings = " ".join(f"{name}={value}" for name, value in variation.settings.items())
        text = f"{variation.chart}: {variation.curve}: {settings}".lower()
        if any(fnmatchcase(text, pattern) for pattern in patterns):
            yield variation
