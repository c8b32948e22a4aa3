"""Which points a bench has: checked before any work, and widened where a codec's curve falls short."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fieldpress.bench.clips import Clip
from fieldpress.bench.codecs import program
from fieldpress.bench.codecs.codec import Anchor
from fieldpress.bench.codecs.known import STILL_CODECS, VIDEO_CODECS, anchor
from fieldpress.bench.points.axis import settings
from fieldpress.bench.points.point import CodecPoint, FieldPoint, clipped
from fieldpress.checks import check_plan
from fieldpress.errors import ConfigError, FieldpressError
from fieldpress.presets import Recipe, recipe
from fieldpress.signals import Image
from fieldpress.subjects import Clip as Pictures
from fieldpress.subjects import Subject
from fieldpress.training.config import Budget

LOW, HIGH_RGB, HIGH_LUMA = 29.0, 37.0, 40.0
"""PSNR in dB that a codec's curve reaches down to in RGB, and up to in RGB or in luma, as halved chroma caps RGB."""
WIDENINGS = 3
"""Of a curve, at most: up to two more points each."""


@dataclass(frozen=True)
class Curve:
    """A codec on a clip, and the qualities that it is asked for."""

    clip: Clip
    anchor: Anchor
    qualities: tuple[float, ...]

    @property
    def points(self) -> list[CodecPoint]:
        """All of them."""
        return [CodecPoint(self.clip, self.anchor, quality) for quality in self.qualities]


def plan_codecs(
    clips: Sequence[Clip], subjects: Sequence[Subject], names: Sequence[str] | None, points: int
) -> list[Curve]:
    """The codecs' curves, not widened yet.

    Args:
        clips: The sources.
        subjects: What they were read as.
        names: Codecs; those that suit each source if ``None``.
        points: Of a curve.

    Raises:
        ConfigError: A codec is unknown, not installed, or not for a source.
    """
    found: list[Curve] = []
    for clip, subject in zip(clips, subjects, strict=True):
        known = STILL_CODECS if isinstance(subject.signal, Image) else VIDEO_CODECS
        wanted = [anchor(name) for name in (known if names is None else names)]
        for asked in {one.name: one for one in wanted}.values():
            asked.check(clipped(clip), clip.name)
            if asked.codec.program:
                program.require_encoder(asked.codec.encoder, asked.codec.id)
            found.append(Curve(clip, asked, tuple(dict.fromkeys(asked.codec.scale.spread(points)))))
    return found


def plan_fields(
    clips: Sequence[Clip],
    subjects: Sequence[Subject],
    names: Sequence[str] | None,
    points: int,
    values: Sequence[float],
    budget_of: Callable[[Recipe], Budget],
    seeds: int,
    device: str,
) -> list[FieldPoint]:
    """The presets' points, seed by seed, so that a bench that is stopped has whole curves.

    Raises:
        ConfigError: A preset is unknown, not for a source, or has no quality to turn.
    """
    found: list[FieldPoint] = []
    for seed in range(seeds):
        for clip, subject in zip(clips, subjects, strict=True):
            chosen = [subject.default_preset] if names is None else [recipe(name) for name in dict.fromkeys(names)]
            for preset in chosen:
                for setting in settings(preset, points, list(dict.fromkeys(values))):
                    if not seed:
                        _check(subject, setting.recipe)
                    found.append(FieldPoint(clip, preset.name, setting, budget_of(preset), seed, device))
    return found


def check_pictures(subject: Subject) -> None:
    """Refuses what codecs cannot code.

    Raises:
        ConfigError: It is no video and no picture.
    """
    if not isinstance(subject, Pictures):
        raise ConfigError(f"{subject.name} is no video and no picture; a bench compares with their codecs")


def widened(curve: Curve, records: Sequence[dict[str, Any]]) -> Curve:
    """The curve with a point more at each end that falls short of 28 to 38 dB or so, where its scale goes on.

    Args:
        curve: All its points are finished.
        records: Theirs.
    """
    if len(curve.qualities) < 2:
        return curve
    scale, qualities = curve.anchor.codec.scale, list(curve.qualities)
    rgb, luma = ([record[name] for record in records] for name in ("psnr_rgb", "psnr_y"))
    more = [
        scale.beyond(qualities, finer=True) if max(rgb) < HIGH_RGB and max(luma) < HIGH_LUMA else None,
        scale.beyond(qualities, finer=False) if min(rgb) > LOW else None,
    ]
    return replace(curve, qualities=(*curve.qualities, *(value for value in more if value is not None)))


def sensible(curve: Curve, asked: Curve, records: Sequence[dict[str, Any]]) -> Curve:
    """The curve without points that were added and are larger than another one and no better.

    Some codecs have such points at the coarse end of their scale, and nothing could be told of a curve with them.

    Args:
        curve: All its points are finished.
        asked: As it was before it was widened.
        records: Those of the curve.
    """
    places = [(record["bytes"], -record["psnr_rgb"]) for record in records]
    kept = tuple(
        quality
        for quality, (size, loss) in zip(curve.qualities, places, strict=True)
        if quality in asked.qualities or not any(o <= size and p <= loss and (o, p) != (size, loss) for o, p in places)
    )
    return replace(curve, qualities=kept)


def _check(subject: Subject, chosen: Recipe) -> None:
    try:
        check_plan(chosen, subject.plan_for(chosen))
    except (FieldpressError, ValueError) as error:
        raise ConfigError(f"preset {chosen.name}: impossible for {subject.name}: {error}") from None
