"""Bjontegaard's differences between two curves of quality against size, and when they mean nothing.

Source: Bjontegaard, VCEG-M33, 2001, with piecewise cubic interpolation, by the package bjontegaard.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fieldpress.errors import ConfigError

BD_POINTS = 4
"""Points that a curve needs; with fewer the fit through them says nothing."""
LEAST_OVERLAP = 0.5
"""Share of a curve's range of quality that the other one has to have too."""
NEEDS_BJONTEGAARD = 'pip install "fieldpress[bench]"'

Curve = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Bytes, rising, and dB."""


@dataclass(frozen=True)
class Difference:
    """How a curve stands to another one."""

    rate: float | None
    """Percent of bits that it needs more, or, negative, less, for the same quality; ``None`` if it cannot be told."""
    psnr: float | None
    """dB that it has more with the same bits; ``None`` if it cannot be told."""
    overlap: float
    """Share of its range of quality, in [0, 1], that the other one has too."""
    reason: str | None
    """Why something cannot be told."""


def difference(curve: Curve, base: Curve) -> Difference:
    """Compares two curves.

    Refuses, with a reason, curves of fewer than four points, curves whose quality does not rise with their size, and
    curves that share less than half of the first one's range of quality.

    Raises:
        ConfigError: The package bjontegaard is not installed.

    Example:
        Half the bytes at every quality:

        >>> bytes, quality = np.array([1e3, 2e3, 4e3, 8e3]), np.array([30.0, 33.0, 36.0, 38.0])
        >>> round(difference((bytes / 2, quality), (bytes, quality)).rate, 6)
        -50.0
    """
    bjontegaard = require_bjontegaard()
    shared = overlap(curve[1], base[1])
    reason = _refusal(curve, base, shared)
    if reason is not None:
        return Difference(None, None, shared, reason)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a small overlap, which is told in its own words here
        rate = bjontegaard.bd_rate(*base, *curve, method="pchip", require_matching_points=False)
        psnr = bjontegaard.bd_psnr(*base, *curve, method="pchip", require_matching_points=False)
    return Difference(_number(rate), _number(psnr), shared, None)


def overlap(quality: Sequence[float] | NDArray[np.float64], base: Sequence[float] | NDArray[np.float64]) -> float:
    """The share of a range that another one has too.

    Example:
        >>> overlap([30.0, 34.0], [33.0, 40.0])
        0.25
    """
    low, high = min(quality), max(quality)
    if high == low:
        return float(min(base) <= low <= max(base))
    return max(0.0, float((min(high, max(base)) - max(low, min(base))) / (high - low)))


def bjontegaard_package():
    """The optional package, or ``None``; it takes seconds to import."""
    try:
        import bjontegaard
    except ImportError:
        return None
    return bjontegaard


def require_bjontegaard():
    """The package.

    Raises:
        ConfigError: It is not installed; the message says how to get it.
    """
    package = bjontegaard_package()
    if package is None:
        raise ConfigError(f"rate differences need the package bjontegaard; {NEEDS_BJONTEGAARD} brings it")
    return package


def _refusal(curve: Curve, base: Curve, shared: float) -> str | None:
    fewest = min(len(curve[0]), len(base[0]))
    if fewest < BD_POINTS:
        return f"{fewest} point{'s' if fewest != 1 else ''}; {BD_POINTS} are needed"
    if not all((np.diff(axis) > 0).all() for axis in (*curve, *base)):
        return "quality does not rise with size"
    if shared < LEAST_OVERLAP:
        return f"the curves share {shared:.0%} of the range of quality; {LEAST_OVERLAP:.0%} are needed"
    return None


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, float) and np.isfinite(value) else None
