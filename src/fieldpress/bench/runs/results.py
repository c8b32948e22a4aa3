"""The rows of a study: what ``results.json`` lists and ``table.md`` shows."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fieldpress.bench.runs.run import RUNS, Run, shown_fact


@dataclass(frozen=True)
class Row:
    """A finished run and its record."""

    run: Run
    report: dict[str, Any]
    """Fields of :class:`fieldpress.report.Report`."""
    training: dict[str, Any]
    """The training curve, of :class:`fieldpress.bench.runs.traincurve.TrainingCurve`."""

    @property
    def place(self) -> tuple[str, str, str]:
        """Clip, chart and curve."""
        return self.run.clip.name, self.run.variation.chart, self.run.variation.curve

    def to_plain(self) -> dict[str, Any]:
        """The row of results.json."""
        report = self.report
        return {
            "study": self.run.study,
            "clip": self.run.clip.name,
            "chart": self.run.variation.chart,
            "curve": self.run.variation.curve,
            **self.run.facts,
            "steps": report["steps"],
            "seed": self.run.seed,
            "bytes": report["bytes"],
            "bpp": report["bpp"],
            "psnr_rgb": report["psnr_rgb"],
            "psnr_y": report["psnr_y"],
            "ssim": report["ssim"],
            "seconds": report["encode_seconds"],
            "file": f"{RUNS}/{self.run.name}.fpr",
        }


def results_json(rows: Sequence[Row]) -> str:
    """One run a line, so that two versions of the file can be compared."""
    lines = ",\n".join(json.dumps(row.to_plain()) for row in rows)
    return f"[\n{lines}\n]\n"


def by_point(rows: Sequence[Row]) -> dict[tuple[str, ...], list[Row]]:
    """Runs that differ in their seeds only: study, clip, chart, curve and point to rows."""
    points: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        points.setdefault((row.run.study, *row.place, row.run.point), []).append(row)
    return points


COLUMNS = (
    "study", "clip", "compressor", "curve", "point", "every", "start",
    "seeds", "steps", "kB", "bpp", "RGB dB", "luma dB", "SSIM", "seconds",
)  # fmt: skip
"""Of the table; the first seven are words."""
WORDS = 7


def table(rows: Sequence[Row]) -> list[list[str]]:
    """A line for each point of each curve, averaged over seeds; ± is the standard deviation over them."""
    return [_line(group) for group in by_point(rows).values()]


def table_markdown(rows: Sequence[Row]) -> str:
    """The table as Markdown."""
    rule = ["---"] * WORDS + ["--:"] * (len(COLUMNS) - WORDS)
    return "".join(f"| {' | '.join(line)} |\n" for line in [list(COLUMNS), rule, *table(rows)])


def _line(rows: Sequence[Row]) -> list[str]:
    first = rows[0]
    facts = first.run.facts
    words = [first.run.study, first.run.clip.name, facts["compressor"], first.run.variation.curve, first.run.point]
    numbers = [
        _mean(rows, "steps", 0),
        f"{np.mean([row.report['bytes'] for row in rows]) / 1000:.1f}",
        _mean(rows, "bpp", 4),
        _mean(rows, "psnr_rgb", 2, spread=True),
        _mean(rows, "psnr_y", 2, spread=True),
        _mean(rows, "ssim", 4),
        _mean(rows, "encode_seconds", 0),
    ]
    return [*words, shown_fact(facts["every"]), facts["init"], str(len(rows)), *numbers]


def _mean(rows: Sequence[Row], name: str, digits: int, *, spread: bool = False) -> str:
    values = np.array([row.report[name] for row in rows], float)
    text = f"{values.mean():.{digits}f}"
    return f"{text} ± {values.std(ddof=1):.{digits}f}" if spread and len(values) > 1 else text
