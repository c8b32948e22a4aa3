"""``index.html`` of a bench: one page for a stranger, complete in itself; the only script moves the slider."""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from fieldpress.bench.points.curves import QUALITIES, BenchCurve
from fieldpress.bench.provenance import provenance
from fieldpress.bench.reports import markup
from fieldpress.bench.reports.benchfigures import decoding, pictures_psnr, rate_distortion, time_against_rate
from fieldpress.bench.reports.benchtable import (
    BD_COLUMNS,
    BD_MEANINGS,
    BD_WORDS,
    POINT_COLUMNS,
    POINT_MEANINGS,
    POINT_WORDS,
    difference_lines,
    point_lines,
)
from fieldpress.bench.reports.slider import slider


def page(curves: Sequence[BenchCurve], folder: Path, command: str | None, failures: Mapping[str, str]) -> str:
    """The page.

    Args:
        curves: At least one.
        folder: Of the bench.
        command: What made it.
        failures: Points that were impossible, and why.
    """
    clips = list(dict.fromkeys(curve.clip for curve in curves))
    parts = [
        markup.head(f"fieldpress bench: {', '.join(clips)}", "page.css", "slider.css"),
        '<header><p class="kicker">fieldpress bench</p>',
        "<h1>Neural fields against real codecs</h1>",
        f'<p class="lede">{_lede(curves)}</p>',
        "</header>",
    ]
    if any(curve.ours for curve in curves):
        parts.append(_reading(curves))
    for number, clip in enumerate(clips):
        parts.append(_clip([curve for curve in curves if curve.clip == clip], number, folder))
    if any('class="slider"' in part for part in parts):
        parts.append(f"<script>\n{markup.resource('slider.js')}</script>")
    parts += [markup.impossible("Points", failures), _method(command), _all_points(curves), markup.FOOT]
    return "\n".join(parts)


def _lede(curves: Sequence[BenchCurve]) -> str:
    points = sum(len(curve.points) for curve in curves)
    ours = ", ".join(dict.fromkeys(f"<code>{escape(curve.name)}</code>" for curve in curves if curve.ours))
    codecs = ", ".join(dict.fromkeys(escape(curve.name) for curve in curves if not curve.ours))
    what = f"{points} points on {escape(', '.join(dict.fromkeys(curve.clip for curve in curves)))}"
    who = f"presets {ours} beside {codecs}" if ours and codecs else ours or codecs
    return f"{what}: {who}. All figures are measured on bytes and on the pictures decoded from them."


def _reading(curves: Sequence[BenchCurve]) -> str:
    """In words, each preset against each codec; then the figures."""
    items: list[str] = []
    for curve in (curve for curve in curves if curve.ours):
        for base in (base for base in curves if base.clip == curve.clip and base is not curve):
            found = {quality: curve.against(base, quality) for quality in QUALITIES}
            told = [
                f"{abs(difference.rate):.0f} % {'fewer' if difference.rate < 0 else 'more'} bits at equal {name} PSNR"
                if difference.rate is not None
                else f"no figure in {name}: {escape(difference.reason or 'not a number')}"
                for name, difference in zip(("RGB", "luma"), found.values(), strict=True)
            ]
            items.append(
                f"<b>{escape(curve.name)}</b> against {escape(base.name)}, {escape(curve.clip)}: {', '.join(told)}"
            )
    lines = [list(map(markup.cell, line)) for line in difference_lines(curves)]
    return (
        f'<div class="reading"><h3>What came out</h3>{markup.listing(items)}</div>'
        f"{markup.table(BD_COLUMNS, lines, BD_WORDS, BD_MEANINGS) if lines else ''}"
    )


def _clip(curves: Sequence[BenchCurve], number: int, folder: Path) -> str:
    colours = {curve.name: i for i, curve in enumerate(_ours_last(curves))}
    name = f"clip-{number}"
    return "\n".join(
        [
            f"<section><h2>{escape(curves[0].clip)}</h2>",
            rate_distortion(f"{name}-rgb", curves, colours, "rgb"),
            rate_distortion(f"{name}-y", curves, colours, "y"),
            time_against_rate(f"{name}-time", curves, colours),
            decoding(f"{name}-decoding", curves, colours),
            slider(name, curves, folder),
            pictures_psnr(f"{name}-pictures", curves, colours),
            "</section>",
        ]
    )


def _ours_last(curves: Sequence[BenchCurve]) -> list[BenchCurve]:
    """So that grey is a codec's, and presets have colours of their own."""
    return sorted(curves, key=lambda curve: curve.ours)


def _method(command: str | None) -> str:
    about = provenance()
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items() if version)
    hardware = about["machine"]
    facts = {
        "made by": f"<code>{escape(command)}</code>" if command else "a call of <code>run_bench</code>",
        "machine": escape(f"{hardware['cpu']}, {hardware['cores']} cores, {hardware['system']}"),
        "versions": escape(versions),
        "commit": escape(about["commit"] or "not known"),
        "date": escape(about["date"]),
        "bytes": "of the whole file for presets and picture codecs; of the elementary stream, without a container, "
        "for video codecs, which is in their favour",
        "RGB PSNR": "of 8-bit RGB, picture by picture, averaged; chroma of half size caps it whatever the bits, so "
        "compare with a 444 codec or in luma",
        "luma PSNR": "against the source's own luma where it has one",
        "codecs": "one key frame, one thread; each point's command is in its record",
        "bits at equal quality": "Bjontegaard's difference, piecewise cubic; not told for curves of fewer than four "
        "points, that do not rise, or that share less than half of the preset's range",
    }
    return markup.method(facts)


def _all_points(curves: Sequence[BenchCurve]) -> str:
    return (
        "<section><details><summary>All points</summary>"
        "<p>Means over seeds. <code>summary.json</code> has them for programs.</p>"
        f"{markup.tables(POINT_COLUMNS, point_lines(curves), POINT_WORDS, 1, POINT_MEANINGS)}</details></section>"
    )
