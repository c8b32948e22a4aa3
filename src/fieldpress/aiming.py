"""Reaching a quality: the preset is turned and encoded again until the finished file's pictures are that good."""

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from fieldpress.checks import check_aim, check_source, check_target
from fieldpress.errors import ConfigError
from fieldpress.loading import read_bytes
from fieldpress.presets import Recipe, recipe
from fieldpress.report import Report
from fieldpress.saving import save
from fieldpress.segment_jobs import remove
from fieldpress.subjects import Subject
from fieldpress.training.checkpoint import checkpoint_path
from fieldpress.writing import Interrupted, default_recipe, encode

CLOSE = 0.1
"""Decibels by which a file may be better than asked for; it is never worse."""
_TRIES = 7
_DECIBELS_PER_HALVING = 3.9
"""About what half of the bits cost."""
_STALLED = 0.02
"""Decibels: where a whole halving moves less, the preset is at the end of its scale."""


def encode_to_psnr(
    source: str | os.PathLike[str],
    out: str | os.PathLike[str],
    psnr: float,
    preset: str | Recipe | Callable[[Subject], Recipe] | None = None,
    *,
    minutes: float | None = None,
    force: bool = False,
    **settings: Any,
) -> Report:
    """Encodes at the coarsest quality whose file still has this PSNR.

    Args:
        source: As of :func:`fieldpress.encode`.
        out: Likewise.
        psnr: RGB PSNR of the decoded file in dB; it is at most ``CLOSE`` better.
        preset: As of :func:`fieldpress.encode`.
        minutes: Of all tries together; the preset's own for each if None.
        force: As of :func:`fieldpress.encode`.
        **settings: Passed on, but for other aims, and for ``resume``: each try starts anew.

    Raises:
        ConfigError: The quality is out of the preset's reach, and the message gives the range; or another aim is given.
        SourceError: As of :func:`fieldpress.encode`.
    """
    check_aim(**{name: settings.pop(name, None) for name in ("bpp", "size", "quality")}, psnr=psnr)
    if settings.pop("resume", False):
        raise ConfigError("--psnr tries several qualities and starts anew each time; leave --resume out")
    out = Path(out)
    check_target(out, force)
    check_source(source, out)
    trial = out.with_name(f"{out.name}.try")
    check_target(trial, force)
    named = recipe(preset) if isinstance(preset, str) else preset
    tries: dict[float, tuple[Report, bytes]] = {}

    def quality(halvings: float) -> float:
        def turned(subject: Subject) -> Recipe:
            assert not isinstance(named, Recipe)
            return (named or default_recipe)(subject).coarser(halvings)

        chosen = named.coarser(halvings) if isinstance(named, Recipe) else turned
        share = None if minutes is None else minutes / _TRIES
        report = encode(source, trial, chosen, minutes=share, force=force, **settings)
        tries[halvings] = report, read_bytes(trial)
        trial.unlink()
        return report.psnr_rgb

    try:
        halvings = _search(quality, psnr)
    except Interrupted:
        raise KeyboardInterrupt from None  # its checkpoint goes, too
    finally:
        with suppress(OSError):
            remove(checkpoint_path(trial))
            trial.unlink()
    report, data = tries[halvings]
    save(out, data)
    return replace(report, encode_seconds=sum(one.encode_seconds or 0.0 for one, _ in tries.values()))


def _search(quality: Callable[[float], float], wanted: float) -> float:
    """The coarsest of the settings tried that is good enough.

    Raises:
        ConfigError: None is.
    """
    found = {0.0: quality(0.0)}
    halvings = 0.0
    for _ in range(_TRIES - 1):
        if 0 <= found[halvings] - wanted <= CLOSE:
            break
        enough = [h for h, value in found.items() if value >= wanted]
        short = [h for h, value in found.items() if value < wanted]
        if enough and short:
            low, high = max(enough), min(short)
            share = (found[low] - wanted - CLOSE / 2) / (found[low] - found[high])
            following = low + min(max(share, 0.1), 0.9) * (high - low)
        else:
            last, turn = halvings, (found[halvings] - wanted - CLOSE / 2) / _DECIBELS_PER_HALVING
            following = last + (turn if abs(turn) > 0.1 else 0.1 if turn > 0 else -0.1)
        found[following] = quality(following)
        if not (enough and short) and abs(found[following] - found[halvings]) < _STALLED * abs(following - halvings):
            reach = f"{min(found.values()):.1f} to {max(found.values()):.1f} dB were reached"
            raise ConfigError(f"{wanted:g} dB is out of reach: this preset goes no further with this clip; {reach}")
        halvings = following
    enough = [h for h, value in found.items() if value >= wanted]
    if not enough:
        raise ConfigError(
            f"{wanted:g} dB is out of reach: the best of {len(found)} tries has {max(found.values()):.1f}"
        )
    return max(enough)
