"""The figures of a study's part of the page: curves, training, how often, and pictures side by side."""

from collections.abc import Sequence
from html import escape
from pathlib import Path

import numpy as np

from fieldpress.bench.reports.charts import Axis, Line, Point, chart
from fieldpress.bench.reports.markup import cell, figure, table
from fieldpress.bench.reports.pictures import closest, side_by_side
from fieldpress.bench.reports.verdicts import decibels, percent, signed
from fieldpress.bench.runs.comparisons import Finding
from fieldpress.bench.runs.results import Row, by_point
from fieldpress.bench.studies import Study

_EARLY = 0.06
"""Share of the budget whose low PSNR a training chart leaves out."""


def verdict_table(findings: Sequence[Finding]) -> str:
    """A line for each comparison."""
    columns = ("clip", "chart", "curve", "against", "seeds", "dB at equal bytes", "bits at equal quality")
    lines = [
        [
            *map(cell, (f.clip, f.chart, f.curve, f.base)),
            str(f.seeds),
            "–" if f.gain is None else _stacked(decibels(f.gain)),
            "–" if f.bd_rate is None else _stacked(percent(f.bd_rate)),
        ]
        for f in findings
    ]
    return table(columns, lines, 4)


def _stacked(text: str) -> str:
    """The range below the mean."""
    mean, bracket, spread = text.partition(" (")
    return f"{mean}<br><small>{spread.removesuffix(')')}</small>" if bracket else mean


def figures(study: Study, rows: Sequence[Row], findings: Sequence[Finding], folder: Path) -> list[str]:
    """Everything that is drawn for a study, clip by clip and chart by chart."""
    colours = _colours(study)
    text: list[str] = []
    for clip, name in dict.fromkeys((row.run.clip.name, row.run.variation.chart) for row in rows):
        group = [row for row in rows if row.place[:2] == (clip, name)]
        main = [row for row in group if row.run.variation.varies is None]
        told = [finding for finding in findings if (finding.clip, finding.chart) == (clip, name)]
        here = _anchor(study.name, clip, name)
        text.append(f"<h3>{escape(name)} <small>{escape(clip)}</small></h3>")
        text.append(_rate_distortion(f"{here}-quality", main, colours))
        text.append(_training(f"{here}-training", main, colours))
        text.append(_how_often(f"{here}-often", group, told, colours))
        text.append(_pictures(main, told, folder))
    return text


def _colours(study: Study) -> dict[str, int]:
    """A colour for each curve, the same in all charts of a study; the grey one for what most are compared with."""
    bases = [comparison.base for comparison in study.comparisons]
    base = max(bases, key=bases.count)
    curves = dict.fromkeys(v.curve for v in study.variations if v.varies is None)
    return {curve: i for i, curve in enumerate([base, *(curve for curve in curves if curve != base)])}


def _rate_distortion(name: str, rows: Sequence[Row], colours: dict[str, int]) -> str:
    curves: dict[str, list[Point]] = {}
    for (*_, curve, point), group in by_point(rows).items():
        quality = [row.report["psnr_rgb"] for row in group]
        bpp, size = (float(np.mean([row.report[key] for row in group])) for key in ("bpp", "bytes"))
        mean = float(np.mean(quality))
        note = f"{curve}, {point}: {mean:.2f} dB at {size / 1000:,.1f} kB"
        curves.setdefault(curve, []).append(Point(bpp, mean, note, min(quality), max(quality)))
    lines = [
        Line(curve, colours[curve], tuple(sorted(points, key=lambda point: point.x)))
        for curve, points in curves.items()
    ]
    seeds = len({row.run.seed for row in rows})
    spread = f" Each is the mean of {seeds} seeds, the upright strokes span them." if seeds > 1 else ""
    drawn = chart(name, lines, Axis("bits per pixel", True), Axis("RGB PSNR, dB"), "Quality against size of the files")
    return figure(drawn, f"Quality against size: up and to the left is better. Each mark is a finished file.{spread}")


def _training(name: str, rows: Sequence[Row], colours: dict[str, int]) -> str:
    """The curves at one setting: the middle one of the curve that others are compared with."""
    base = min(rows, key=lambda row: colours[row.run.variation.curve]).run.variation.curve
    points = list(dict.fromkeys(row.run.point for row in rows if row.run.variation.curve == base))
    point = points[(len(points) - 1) // 2]
    chosen = [row for row in rows if row.run.point == point and row.run.seed == 0]
    if not chosen:
        return ""
    lines = [
        Line(row.run.variation.curve, colours[row.run.variation.curve], _course(row), marked=False) for row in chosen
    ]
    seen = [p.y for line in lines for p in line.points if p.x >= _EARLY] or [p.y for line in lines for p in line.points]
    trips = max(len(row.training["round_trips"]) for row in chosen)
    drawn = chart(
        name,
        lines,
        Axis("share of the training budget", percent=True, low=0.0),
        Axis("training PSNR, dB", low=min(seen)),
        "PSNR during training",
    )
    teeth = " Each tooth is a round trip: what the compressor drops is lost at once and earned back." if trips else ""
    return figure(
        drawn,
        f"Training at {escape(point) or 'the only setting'}, seed 0: how well the decoder network shows the latest "
        f"batches, from the numbers that it sees.{teeth} A curve without round trips does not know what the file "
        "will lose; compare the ends of curves above, not here.",
    )


def _course(row: Row) -> tuple[Point, ...]:
    share = row.run.variation.budget_share
    return tuple(Point(at * share, psnr) for at, psnr in zip(row.training["share"], row.training["psnr"], strict=True))


def _how_often(name: str, rows: Sequence[Row], findings: Sequence[Finding], colours: dict[str, int]) -> str:
    """Gain against the share of the budget between two round trips."""
    gains = {finding.curve: dict(finding.points) for finding in findings}
    curves: dict[str, dict[float, float]] = {}
    for varied in [row for row in rows if row.run.variation.varies is not None]:
        curve, point = varied.run.variation.varies or "", varied.run.point
        same = [row for row in rows if row.run.variation.curve == curve and row.run.point == point]
        for row in [varied, *same]:
            gain = gains.get(row.run.variation.curve, {}).get(point)
            if gain is not None:
                curves.setdefault(curve, {})[row.run.facts["every"]] = gain
    lines = [
        Line(
            curve,
            colours[curve],
            tuple(Point(x, y, f"{curve}, every {x:.0%}: {y:+.2f} dB") for x, y in sorted(points.items())),
        )
        for curve, points in curves.items()
    ]
    if not lines:
        return ""
    x, y = Axis("share of the budget between two round trips", True, True), Axis("dB gained at equal bytes")
    point = next(row.run.point for row in rows if row.run.variation.varies is not None)
    return figure(
        chart(name, lines, x, y, "Gain against how often round trips happen"),
        f"How often to meet the compressor: gain over no guidance at equal bytes, at {escape(point)}.",
    )


def _pictures(rows: Sequence[Row], findings: Sequence[Finding], folder: Path) -> str:
    """The best curve beside what it is compared with, at the sizes where the two are nearest."""
    curves: dict[str, list[Row]] = {}
    for row in rows:
        curves.setdefault(row.run.variation.curve, []).append(row)
    known = [finding for finding in findings if finding.curve in curves and finding.base in curves]
    if not known:
        return ""
    best = max(known, key=lambda finding: -np.inf if finding.gain is None else finding.gain.mean)
    pair = closest(curves[best.curve], curves[best.base])
    if pair is None:
        return ""
    guided, base = pair
    index, (original, *shown) = side_by_side(folder, [base, guided])
    cards = [_card(original.png, original.rows, original.columns, "original", "")]
    for row, picture in zip((base, guided), shown, strict=True):
        text = f"{row.report['bytes']:,} bytes, {row.report['psnr_rgb']:.2f} dB<br>this picture {picture.psnr:.2f} dB"
        title = f"{row.run.variation.curve}, {row.run.point}"
        cards.append(_card(picture.png, picture.rows, picture.columns, title, text))
    ratio = guided.report["bytes"] / base.report["bytes"] - 1
    what = (
        "of equal size"
        if abs(ratio) < 0.005
        else f"nearest in size (the right one has {signed(100 * ratio, 0)} % bytes)"
    )
    clip = guided.run.clip
    part = "Picture" if (original.rows, original.columns) == (clip.height, clip.width) else "The middle of picture"
    caption = f"{part} {index}, from the middle of the clip, and what the two files {what} show there; seed 0."
    return f'<figure><div class="pictures">{"".join(cards)}</div><figcaption>{caption}</figcaption></figure>'


def _card(png: str, rows: int, columns: int, title: str, text: str) -> str:
    picture = f'<img src="{png}" width="{columns}" height="{rows}" alt="{escape(title)}">'
    return f"<div>{picture}<p><b>{escape(title)}</b><br>{text}</p></div>"


def _anchor(*names: str) -> str:
    return "-".join("".join(c if c.isascii() and c.isalnum() else "-" for c in name.lower()) for name in names)
