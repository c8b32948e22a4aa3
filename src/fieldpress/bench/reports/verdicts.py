"""The reading: findings in words, with their numbers."""

import math
from collections.abc import Sequence
from html import escape

from fieldpress.bench.runs.comparisons import Finding, Spread

_UNBROKEN = "\N{NO-BREAK SPACE}"


def won(findings: Sequence[Finding]) -> list[str]:
    """A sentence for each clip and chart: what was better than what it is compared with, and by how much. HTML."""
    sentences: list[str] = []
    for (clip, chart), group in _by_chart(findings).items():
        better = sorted((f for f in group if f.helps and f.gain), key=lambda f: -_mean(f.gain))
        bases = {finding.base for finding in group}
        where = f"<b>{escape(clip)}</b>, {escape(chart)}: "
        if all(finding.gain is None for finding in group):
            sentences.append(f"{where}no two curves have a file size in common, so nothing is said at equal bytes.")
        elif not better:
            against = escape(next(iter(bases))) if len(bases) == 1 else "what it is compared with"
            sentences.append(f"{where}nothing was better than <i>{against}</i> on every seed.")
        elif len(bases) == 1:
            first, *others = better
            curve, base = escape(first.curve), escape(first.base)
            text = f"{where}<i>{curve}</i> did best, {_advantage(first)} against <i>{base}</i>."
            if others:
                text += f" Also better: {'; '.join(f'<i>{escape(f.curve)}</i>, {_advantage(f)}' for f in others)}."
            sentences.append(text)
        else:
            parts = "; ".join(f"{_advantage(f)} against <i>{escape(f.base)}</i>" for f in better)
            sentences.append(f"{where}<i>{escape(better[0].curve)}</i> gained {parts}.")
        sentences += [_speed(where, f) for f in group if f.sooner is not None]
    return sentences


def lost(findings: Sequence[Finding]) -> list[str]:
    """A sentence for each comparison that did not end well, and each point of the others that did not. HTML."""
    sentences: list[str] = []
    for f in findings:
        names = f"<b>{escape(f.clip)}</b>, {escape(f.chart)}: <i>{escape(f.curve)}</i>"
        base = f"<i>{escape(f.base)}</i>"
        if f.gain is None:
            gain, share = f.apart
            sentences.append(
                f"{names} has no file size in common with {base}; where the two are nearest, it has "
                f"{signed(gain)}{_UNBROKEN}dB with {100 * share:.3g}{_UNBROKEN}% of the bytes."
            )
        elif f.helps is False:
            sentences.append(f"{names} was worse than {base}: {decibels(f.gain)} at equal bytes{_bits(f)}.")
        elif f.helps is None:
            sentences.append(
                f"{names} made no clear difference to {base}: {decibels(f.gain)} at equal bytes{_bits(f)}."
            )
        else:
            points = [f"{escape(point)} ({signed(gain)}{_UNBROKEN}dB)" for point, gain in f.points if gain <= 0]
            if points:
                sentences.append(f"{names} helped in all, but not at {', '.join(points)}.")
    return sentences


def decibels(gain: Spread) -> str:
    """The mean, and in brackets what the seeds span: ``+2.61 dB (+2.50 to +2.70)``."""
    return f"{signed(gain.mean)}{_UNBROKEN}dB{_in_brackets(gain, 2)}"


def percent(rate: Spread) -> str:
    """The mean, and in brackets what the seeds span: ``−41.2 % (−43.0 to −38.4)``."""
    return f"{signed(rate.mean, 1)}{_UNBROKEN}%{_in_brackets(rate, 1)}"


def signed(value: float, digits: int = 2) -> str:
    """With a sign that a typographer would set.

    Example:
        >>> signed(-1.204), signed(0.5, 1)
        ('−1.20', '+0.5')
    """
    return f"{value:+.{digits}f}".replace("-", "−")


def _advantage(finding: Finding) -> str:
    assert finding.gain is not None
    return f"{decibels(finding.gain)} at equal bytes{_bits(finding)}"


def _bits(finding: Finding) -> str:
    return "" if finding.bd_rate is None else f" and {percent(finding.bd_rate)} bits at equal quality"


def _in_brackets(spread: Spread, digits: int) -> str:
    if len(spread.values) < 2:
        return ""
    return f" ({signed(spread.low, digits)}{_UNBROKEN}to{_UNBROKEN}{signed(spread.high, digits)})"


def _speed(where: str, finding: Finding) -> str:
    assert finding.sooner is not None
    names = f"<i>{escape(finding.curve)}</i>", f"<i>{escape(finding.base)}</i>"
    if math.isinf(finding.sooner.high):
        return f"{where}the training of {names[0]} did not on every seed get to where that of {names[1]} ended."
    share = f"{100 * finding.sooner.mean:.0f} %"
    return f"{where}the training of {names[0]} was after {share} of the budget where that of {names[1]} ended."


def _by_chart(findings: Sequence[Finding]) -> dict[tuple[str, str], list[Finding]]:
    groups: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.clip, finding.chart), []).append(finding)
    return groups


def _mean(spread: Spread | None) -> float:
    return -math.inf if spread is None else spread.mean
