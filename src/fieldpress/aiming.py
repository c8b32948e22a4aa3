"""Reaching a quality: the preset is turned and encoded again until the finished file's pictures are that good."""

import logging
import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from fieldpress.checks import check_target
from fieldpress.compressors.base import FAR
from fieldpress.errors import ConfigError
from fieldpress.loading import read_bytes
from fieldpress.presets import Recipe
from fieldpress.report import Report
from fieldpress.request import Request
from fieldpress.saving import save
from fieldpress.segment_jobs import remove
from fieldpress.subjects import Subject
from fieldpress.training.checkpoint import checkpoint_path

Preset = Recipe | Callable[[Subject], Recipe] | None
"""A recipe, or what gives one for a source; None is the source's default."""

CLOSE = 0.1
"""Decibels by which a file may be better than asked for; it is never worse."""
_TRIES = 7
_DECIBELS_PER_HALVING = 3.9
"""About what half of the bits cost."""
_STALLED = 0.02
"""Decibels: where a whole halving moves less, the preset is at the end of its scale."""


_LOG = logging.getLogger("fieldpress")


class _Try(NamedTuple):
    recipe: Recipe
    report: Report
    data: bytes


def encode_to_psnr(
    encode: Callable[[Path, Preset, Request], Report], out: Path, preset: Preset, request: Request
) -> Report:
    """Encodes at the coarsest quality whose file still has the PSNR asked for; no setting is tried twice.

    Args:
        encode: Makes one file, given its path, what to encode it with, and a request without PSNR.
        out: The file to write.
        preset: Whose quality is turned.
        request: Its ``psnr`` is reached, at most ``CLOSE`` dB better; its ``minutes`` are of all tries together.

    Returns:
        The figures of the file, but for the time, which is that of all tries.

    Raises:
        ConfigError: The quality is out of the preset's reach, and the message gives the range.
        SourceError: As of :func:`fieldpress.encode`.
    """
    assert request.psnr is not None
    trial = out.with_name(f"{out.name}.try")
    check_target(trial, request.force)
    share = None if request.minutes is None else request.minutes / _TRIES
    single = replace(request, psnr=None, minutes=share)
    tries: list[_Try] = []
    base = preset if isinstance(preset, Recipe) else None

    def tried(halvings: float) -> Report:
        def turned(subject: Subject) -> Recipe:
            nonlocal base
            base = preset(subject) if callable(preset) else subject.default_preset
            return base.coarser(halvings)

        if base is not None:
            for earlier in tries:
                if earlier.recipe == base.coarser(halvings):
                    return earlier.report
        report = encode(trial, preset.coarser(halvings) if isinstance(preset, Recipe) else turned, single)
        assert base is not None
        tries.append(_Try(base.coarser(halvings), report, read_bytes(trial)))
        trial.unlink()
        return report

    try:
        best = tried(_search(lambda halvings: tried(halvings).psnr_rgb, request.psnr))
    except KeyboardInterrupt:
        raise KeyboardInterrupt from None  # without a word of its checkpoint, which goes, too
    finally:
        with suppress(OSError):
            remove(checkpoint_path(trial))
            trial.unlink()
    if best.psnr_rgb - request.psnr > CLOSE:
        told = f"{best.psnr_rgb:.2f} dB, not the {request.psnr:g} asked for: no setting tried is nearer"
        _LOG.warning("%s has %s", out, told)
    save(out, next(one.data for one in tries if one.report is best))
    return replace(best, encode_seconds=sum(one.report.encode_seconds or 0.0 for one in tries))


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
            far = math.copysign(FAR, halvings - following)
            found[far] = quality(far)  # the other end, to say the range
            reach = f"about {min(found.values()):.1f} to {max(found.values()):.1f} dB"
            raise ConfigError(f"{wanted:g} dB is out of reach: with this source this preset gives {reach}")
        halvings = following
    enough = [h for h, value in found.items() if value >= wanted]
    if not enough:
        raise ConfigError(
            f"{wanted:g} dB is out of reach: the best of {len(found)} tries has {max(found.values()):.1f}"
        )
    return max(enough)
