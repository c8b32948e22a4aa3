"""``index.html``: one page for a stranger, complete in itself: no network, no script."""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from fieldpress.bench.bdrate import NEEDS_BJONTEGAARD, bjontegaard_package
from fieldpress.bench.machine import machine
from fieldpress.bench.reports import markup, sections
from fieldpress.bench.reports.verdicts import lost, won
from fieldpress.bench.runs.comparisons import findings
from fieldpress.bench.runs.results import COLUMNS, WORDS, Row, table
from fieldpress.bench.studies import Study
from fieldpress.training.config import Budget


def page(
    parts: Sequence[tuple[Study, Sequence[Row]]],
    folder: Path,
    budget: Budget,
    command: str | None,
    failures: Mapping[str, str],
) -> str:
    """The page of one study or of several.

    Args:
        parts: Studies with their finished runs, at least one each.
        folder: Where these are.
        budget: Of a run.
        command: What made it.
        failures: Runs that were impossible, and why.
    """
    studies = [study for study, _ in parts]
    title = studies[0].title if len(studies) == 1 else "What training for compression buys"
    text = [
        markup.head(f"fieldpress study: {title}", "page.css"),
        f'<header><p class="kicker">fieldpress study <b>{" · ".join(study.name for study in studies)}</b></p>',
        f"<h1>{title}</h1>",
        _lede(parts, budget),
        "</header>",
    ]
    for study, rows in parts:
        text += _study(study, rows, folder, alone=len(parts) == 1)
    text += [markup.impossible("Runs", failures), _method(parts, budget, command), _all_runs(parts), markup.FOOT]
    return "\n".join(text)


def _lede(parts: Sequence[tuple[Study, Sequence[Row]]], budget: Budget) -> str:
    rows = [row for _, group in parts for row in group]
    seeds = len({row.run.seed for row in rows})
    clips = list(dict.fromkeys(row.run.clip for row in rows))
    sources = "; ".join(f"{escape(clip.name)} ({clip.frames} pictures of {clip.width}×{clip.height})" for clip in clips)
    return (
        f'<p class="lede">{len(rows)} small files were made from {sources}, each holding a <i>neural field</i>: '
        "grids of learned numbers and a small decoder network that together give the colour at any place and time. "
        f"Each was trained for {_budget(budget)}, {'once' if seeds == 1 else f'with each of {seeds} seeds'}. "
        "All figures are measured on the bytes of the finished files and the pictures decoded from them.</p>"
    )


def _study(study: Study, rows: Sequence[Row], folder: Path, *, alone: bool) -> list[str]:
    found = findings(study, rows)
    main = {row.place for row in rows if row.run.variation.varies is None}
    curves = [finding for finding in found if (finding.clip, finding.chart, finding.curve) in main]
    failed = lost(curves)
    heading = "" if alone else f"<h2>{study.title}</h2>"
    return [
        f'<section id="{study.name}">{heading}<p>{study.about}</p>',
        '<div class="reading"><h3>What came out</h3>',
        markup.listing(won(curves)),
        "<h3>Where it did not help, or cannot be compared</h3>",
        markup.listing(failed) if failed else "<p>Nowhere: every curve was better on every seed and at every size.</p>",
        _seeds(rows),
        "</div>",
        sections.verdict_table(curves),
        *sections.figures(study, rows, found, folder),
        "</section>",
    ]


def _seeds(rows: Sequence[Row]) -> str:
    count = len({row.run.seed for row in rows})
    text = f"Means of {count} seeds; in brackets, what these span." if count > 1 else "One seed: no spread is known."
    return f'<p class="note">{text}</p>'


def _method(parts: Sequence[tuple[Study, Sequence[Row]]], budget: Budget, command: str | None) -> str:
    rows = [row for _, group in parts for row in group]
    about = machine()
    devices = sorted({row.report["device"] for row in rows})
    seeds = sorted({row.run.seed for row in rows})
    presets = " and ".join(f"<code>{escape(name)}</code>" for name in dict.fromkeys(study.preset for study, _ in parts))
    facts = {
        "made by": f"<code>{escape(command)}</code>" if command else "a call of <code>run_study</code>",
        "field": f"preset {presets} but for what each study changes",
        "budget of a run": _budget(budget),
        "seeds": ", ".join(map(str, seeds)),
        "machine": escape(f"{about['cpu']}, {about['cores']} cores, {about['system']}"),
        "trained on": f"{', '.join(devices)}, one thread a run",
        "bits per pixel": "8 × size of the file ÷ (pictures × height × width)",
        "PSNR": "of 8-bit RGB, picture by picture, averaged over pictures",
        "dB at equal bytes": "distance of the curves over the sizes that both have, straight between their points on a "
        "logarithmic scale of size, averaged along that scale",
        "bits at equal quality": "Bjontegaard's rate difference, piecewise cubic, for curves of four points or more"
        if bjontegaard_package()
        else f"not computed: <code>{escape(NEEDS_BJONTEGAARD)}</code> brings what it needs",
    }
    return markup.method(facts)


def _all_runs(parts: Sequence[tuple[Study, Sequence[Row]]]) -> str:
    rows = [row for _, group in parts for row in group]
    return (
        "<section><details><summary>All runs</summary>"
        "<p>Averages over seeds, ± their standard deviation. <code>results.json</code> has each run.</p>"
        f"{markup.tables(COLUMNS, table(rows), WORDS, 2)}</details></section>"
    )


def _budget(budget: Budget) -> str:
    if budget.steps is not None:
        return f"{budget.steps:,} step{'s' if budget.steps != 1 else ''}"
    return f"{budget.minutes:g} minute{'s' if budget.minutes != 1 else ''}"
