"""A point as a job for a worker process: make the file, decode it again, measure, and leave file and record."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fieldpress.bench.points.making import Made, by_codec, by_preset
from fieldpress.bench.points.measuring import Shown, measure
from fieldpress.bench.points.point import POINTS, CodecPoint, Point
from fieldpress.bench.provenance import provenance
from fieldpress.jobs import Report
from fieldpress.saving import save
from fieldpress.sinks.png import png


@dataclass(frozen=True)
class PointJob:
    """Makes a point; see :class:`fieldpress.jobs.Job`."""

    point: Point
    folder: Path
    """Of the bench."""

    @property
    def name(self) -> str:
        """The point's."""
        return self.point.name

    @property
    def work(self) -> float:
        """All points count the same: jobs of a call are all of codecs, or all of presets with equal budgets."""
        return 1.0

    def perform(self, report: Report) -> None:
        """Makes the file, decodes it again, measures, and writes everything.

        Raises:
            FieldpressError: The source cannot be read any more, the codec fails, or the request is impossible.
        """
        point = self.point
        made = by_codec(point, report) if isinstance(point, CodecPoint) else by_preset(point, report)
        record, middle = _measured(point, made)
        place = self.folder / POINTS
        save(place / point.file, made.data)
        save(place / f"{point.name}.png", middle)
        save(place / f"{point.name}.json", json.dumps(record).encode())  # the last, as it says that the point is done


def _measured(point: Point, made: Made) -> tuple[dict[str, Any], bytes]:
    """The record, and the middle picture as a PNG file."""
    signal = made.seen.signal
    kept: list[bytes] = []

    def kept_in_passing(shown: Iterable[Shown]) -> Iterator[Shown]:
        for index, picture in enumerate(shown):
            if index == signal.frames // 2:
                kept.append(png(picture.rgb))
            yield picture

    quality = asdict(measure(made.seen, kept_in_passing(made.shown)))
    pictures = {name: quality.pop(f"pictures_{name}") for name in ("psnr_rgb", "psnr_y")}
    figures = {
        "bytes": len(made.data),
        "bpp": 8 * len(made.data) / signal.pixels,
        **quality,
        **asdict(made.costs),
    }
    record = {
        **point.to_plain(),
        **made.about,
        "file": f"{POINTS}/{point.file}",
        **{name: float(f"{value:.7g}") if isinstance(value, float) else value for name, value in figures.items()},
        "pictures": pictures,
        **provenance(),
    }
    return record, kept[0]
