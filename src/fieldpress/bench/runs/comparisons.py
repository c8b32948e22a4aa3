"""Curves against curves: what one costs and gives at equal bytes and at equal quality, seed by seed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fieldpress.bench.bdrate import Curve, bjontegaard_package, difference
from fieldpress.bench.runs.results import Row
from fieldpress.bench.studies import Study

CLEAR_GAIN = 0.05
"""Decibels below which a difference counts as none."""

_SAMPLES = 65


@dataclass(frozen=True)
class Spread:
    """One number for each seed."""

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Over seeds."""
        return float(np.mean(self.values))

    @property
    def low(self) -> float:
        """The least."""
        return min(self.values)

    @property
    def high(self) -> float:
        """The greatest."""
        return max(self.values)


@dataclass(frozen=True)
class Finding:
    """How a curve stands to another one of its chart, on one clip."""

    clip: str
    chart: str
    curve: str
    base: str
    seeds: int
    gain: Spread | None
    """dB of RGB PSNR at equal bytes, averaged over the sizes that both curves have; ``None`` if they share none."""
    bd_rate: Spread | None
    """Percent of bits at equal RGB PSNR (Bjontegaard); negative is better. ``None`` if it cannot be told."""
    points: tuple[tuple[str, float], ...]
    """Gain in dB of each point of the curve that lies at a size that the base has, averaged over seeds."""
    sooner: Spread | None
    """Share of the base's budget after which the curve's training PSNR was where the base's ended, infinite where it
    never was; ``None`` if that was not asked."""

    apart: tuple[float, float]
    """Where the sizes of the two are nearest: dB above the base, and share of its bytes; averaged over seeds."""

    @property
    def helps(self) -> bool | None:
        """Whether the curve is better on every seed; ``None`` if it is better on some or about equal, or unknown."""
        if self.gain is None:
            return None
        if self.gain.low > 0 and self.gain.mean >= CLEAR_GAIN:
            return True
        return False if self.gain.high < 0 and self.gain.mean <= -CLEAR_GAIN else None


def findings(study: Study, rows: Sequence[Row]) -> list[Finding]:
    """The study's comparisons on every clip, as far as both curves have runs."""
    curves: dict[tuple[str, str, str], dict[int, list[Row]]] = {}
    for row in rows:
        curves.setdefault(row.place, {}).setdefault(row.run.seed, []).append(row)
    found: list[Finding] = []
    for clip in dict.fromkeys(row.run.clip.name for row in rows):
        for question in study.comparisons:
            curve = curves.get((clip, question.chart, question.curve), {})
            base = curves.get((clip, question.chart, question.base), {})
            pairs = [(_sorted(curve[seed]), _sorted(base[seed])) for seed in curve if seed in base]
            if pairs:
                names = (clip, question.chart, question.curve, question.base)
                found.append(
                    Finding(
                        *names,
                        len(pairs),
                        _spread([gain_at_equal_bytes(_curve(a), _curve(b)) for a, b in pairs]),
                        _spread([bd_rate(_curve(a), _curve(b)) for a, b in pairs]),
                        _gains_of_points(pairs),
                        _spread([_sooner(a, b) if question.speed else None for a, b in pairs]),
                        _apart(pairs),
                    )
                )
    return found


def gain_at_equal_bytes(curve: Curve, base: Curve) -> float | None:
    """How many dB a curve lies above another, averaged over the sizes, on a logarithmic scale, that both have.

    Between points curves are straight on that scale. ``None`` if they have no size in common.

    Example:
        >>> base = np.array([1e3, 1e4]), np.array([30.0, 40.0])
        >>> round(gain_at_equal_bytes((np.array([1e3, 1e4]), np.array([31.0, 42.0])), base), 6)
        1.5
    """
    (sizes, quality), (base_sizes, base_quality) = (np.log(curve[0]), curve[1]), (np.log(base[0]), base[1])
    low, high = max(sizes[0], base_sizes[0]), min(sizes[-1], base_sizes[-1])
    if low > high:
        return None
    at = np.linspace(low, high, _SAMPLES)
    return float(np.mean(np.interp(at, sizes, quality) - np.interp(at, base_sizes, base_quality)))


def worthwhile(curve: Curve) -> Curve:
    """The curve without points that are no better than a smaller one: nobody would take these files.

    Args:
        curve: Smallest file first.

    Example:
        >>> sizes, quality = worthwhile((np.array([1e3, 2e3, 3e3]), np.array([30.0, 29.0, 31.0])))
        >>> sizes.tolist()
        [1000.0, 3000.0]
    """
    sizes, quality = curve
    better = np.concatenate([[True], quality[1:] > np.maximum.accumulate(quality)[:-1]])
    return sizes[better], quality[better]


def bd_rate(curve: Curve, base: Curve) -> float | None:
    """Percent of bits that a curve needs more (or, negative, less) than another for the same quality.

    ``None`` where :func:`~fieldpress.bench.bdrate.difference` refuses, or the package bjontegaard is not installed.
    """
    return None if bjontegaard_package() is None else difference(curve, base).rate


def _gains_of_points(pairs: Sequence[tuple[list[Row], list[Row]]]) -> tuple[tuple[str, float], ...]:
    gains: dict[str, list[float]] = {}
    for rows, base in pairs:
        for row in rows:
            gain = gain_at_equal_bytes(_curve([row]), _curve(base))
            if gain is not None:
                gains.setdefault(row.run.point, []).append(gain)
    return tuple((point, float(np.mean(values))) for point, values in gains.items())


def _apart(pairs: Sequence[tuple[list[Row], list[Row]]]) -> tuple[float, float]:
    found: list[tuple[float, float]] = []
    for rows, base in pairs:
        (sizes, quality), (base_sizes, base_quality) = _curve(rows), _curve(base)
        ratios = sizes[:, None] / base_sizes
        i, j = np.unravel_index(np.abs(np.log(ratios)).argmin(), ratios.shape)
        found.append((float(quality[i] - base_quality[j]), float(ratios[i, j])))
    gain, ratio = np.mean(found, axis=0)
    return float(gain), float(ratio)


def _sooner(rows: Sequence[Row], base: Sequence[Row]) -> float | None:
    """Averaged over points; both have the same ones where this means something."""
    ends = {row.run.point: row.training["psnr"][-1] for row in base}
    shares: list[float] = []
    for row in rows:
        if row.run.point not in ends:
            return None
        course = zip(row.training["share"], row.training["psnr"], strict=True)
        reached = next((share for share, psnr in course if psnr >= ends[row.run.point]), np.inf)
        shares.append(reached * row.run.variation.budget_share)
    return float(np.mean(shares))


def _sorted(rows: Sequence[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: row.report["bytes"])


def _curve(rows: Sequence[Row]) -> Curve:
    sizes, quality = (np.array([float(row.report[name]) for row in rows]) for name in ("bytes", "psnr_rgb"))
    return worthwhile((sizes, quality))


def _spread(values: Sequence[float | None]) -> Spread | None:
    known = [value for value in values if value is not None]
    return Spread(tuple(known)) if known and len(known) == len(values) else None
