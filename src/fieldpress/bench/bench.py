"""A whole bench: presets and codecs on the same clips, measured alike, and what came out."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from fieldpress.bench import bdrate
from fieldpress.bench.clips import clips_of
from fieldpress.bench.folder import open_folder
from fieldpress.bench.outcome import Outcome
from fieldpress.bench.points.curves import BenchCurve, curves
from fieldpress.bench.points.plan import WIDENINGS, Curve, check_pictures, plan_codecs, plan_fields, sensible, widened
from fieldpress.bench.points.point import POINTS, FieldPoint, Point, read_point
from fieldpress.bench.points.pointjob import PointJob
from fieldpress.bench.points.thirdparty import THIRD_PARTY, third_party
from fieldpress.bench.reports.benchpage import page
from fieldpress.bench.reports.benchtable import table_markdown
from fieldpress.bench.reports.summary import codec_files, summary_json
from fieldpress.bench.request import MAX_SEEDS, check_count
from fieldpress.devices import choose_device
from fieldpress.errors import ConfigError
from fieldpress.jobs import JobsProgress, run_jobs
from fieldpress.presets import Recipe
from fieldpress.request import MAX_JOBS
from fieldpress.saving import save
from fieldpress.subjects import load_subject
from fieldpress.training.config import Budget

MAX_POINTS = 64
CODECS = "codecs"
"""The folder of a file for each codec."""


def run_bench(
    sources: Sequence[str],
    out: str | Path,
    *,
    presets: Sequence[str] | None = None,
    codecs: Sequence[str] | None = None,
    points: int = 4,
    qualities: Sequence[float] = (),
    minutes: float | None = None,
    steps: int | None = None,
    seeds: int = 1,
    jobs: int = 1,
    device: str = "auto",
    command: str | None = None,
    on_progress: Callable[[JobsProgress], None] = lambda _: None,
) -> Outcome:
    """Encodes every source with presets and with codecs at several qualities, and writes how they compare.

    Leaves in ``out``: ``points/`` with a file, a JSON record and a picture for each point, ``codecs/`` with a JSON file
    for each codec and preset, ``summary.json``, ``table.md`` and ``index.html``. Finished points are not made again.
    Workers are processes of their own: a script that calls this needs ``if __name__ == "__main__":``.

    Args:
        sources: Videos, folders of pictures, or pictures.
        out: A folder, new or of a bench of these very sources.
        presets: Of ours; each source's default if ``None``.
        codecs: Such as ``x265:veryslow:psnr``; those that suit each source if ``None``.
        points: Qualities of a curve.
        qualities: Of presets, on their own scale, instead of so many.
        minutes: Training budget of a point; the preset's own if neither this nor ``steps`` is given.
        steps: Training budget of a point in steps instead.
        seeds: How often each point of a preset is made, with seeds 0, 1, 2, ...
        jobs: Points at a time.
        device: ``auto``, ``cpu`` or ``cuda``; codecs run on the CPU.
        command: What made the page, for a reader who wants the same.
        on_progress: Called a few times a second.

    Raises:
        ConfigError: The request is impossible. This and the next come before any work.
        SourceError: A source cannot be read, or the folder not written or holds something else.
        KeyboardInterrupt: After Ctrl-C; finished points stay.
    """
    check_count("--points", points, MAX_POINTS)
    check_count("--seeds", seeds, MAX_SEEDS)
    check_count("--jobs", jobs, MAX_JOBS)
    if minutes is not None and steps is not None:
        raise ConfigError("give --minutes-per-point or --steps, not both")
    asked = Budget(minutes, steps) if minutes is not None or steps is not None else None
    device = choose_device(device)
    bdrate.require_bjontegaard()
    subjects = [load_subject(source) for source in sources]
    for subject in subjects:
        check_pictures(subject)
    clips = clips_of(sources, subjects)

    def budget_of(chosen: Recipe) -> Budget:
        return asked or Budget(minutes=chosen.minutes)

    anchors = plan_codecs(clips, subjects, codecs, points)
    fields = plan_fields(clips, subjects, presets, points, qualities, budget_of, seeds, device)
    folder = Path(out)
    open_folder(folder, "bench", {"clips": [clip.identity for clip in clips]}, POINTS)
    measured = {*(curve.anchor.name for curve in anchors), *(point.preset for point in fields)}
    others = third_party(folder, clips, measured)
    del subjects  # the pictures: workers read their own

    anchors, failures = _make_codecs(folder, anchors, len(fields), jobs, on_progress)
    failures |= _make_fields(folder, fields, sum(len(curve.points) for curve in anchors), jobs, on_progress)

    made: list[Point] = [*fields, *(point for curve in anchors for point in curve.points)]
    records = [record for point in made if (record := read_point(folder, point)) is not None]
    found = curves([*records, *others])
    return Outcome(_write(folder, found, command, failures), failures)


def _make_codecs(
    folder: Path, anchors: list[Curve], later: int, jobs: int, watch: Callable[[JobsProgress], None]
) -> tuple[list[Curve], dict[str, str]]:
    """Makes the codecs' points, widens curves that fall short, and makes what that adds."""
    failures: dict[str, str] = {}
    asked = anchors
    for widening in range(1 + WIDENINGS):
        if widening:
            anchors = [_widened(folder, curve) for curve in anchors]
        points = [point for curve in anchors for point in curve.points]
        missing = [point for point in points if point.name not in failures and read_point(folder, point) is None]
        waiting, told = [PointJob(point, folder) for point in missing], _adding(watch, later)
        failures |= run_jobs(waiting, jobs, len(points) - len(waiting), told, phase="codecs")
    return [_finished(folder, curve, first) for curve, first in zip(anchors, asked, strict=True)], failures


def _make_fields(
    folder: Path, fields: Sequence[FieldPoint], earlier: int, jobs: int, watch: Callable[[JobsProgress], None]
) -> dict[str, str]:
    """Makes the presets' points."""
    waiting = [PointJob(point, folder) for point in fields if read_point(folder, point) is None]
    finished = earlier + len(fields) - len(waiting)
    return run_jobs(waiting, jobs, finished, watch, phase="presets", fresh=True)


def _adding(watch: Callable[[JobsProgress], None], later: int) -> Callable[[JobsProgress], None]:
    return lambda progress: watch(progress._replace(total=progress.total + later))


def _widened(folder: Path, curve: Curve) -> Curve:
    records = _records(folder, curve)
    return widened(curve, records) if len(records) == len(curve.points) else curve


def _finished(folder: Path, curve: Curve, asked: Curve) -> Curve:
    """Without what failed, and without what is of no use."""
    done = tuple(point.quality for point in curve.points if read_point(folder, point) is not None)
    curve = Curve(curve.clip, curve.anchor, done)
    return sensible(curve, asked, _records(folder, curve))


def _records(folder: Path, curve: Curve) -> list[dict[str, Any]]:
    """Those of the finished points."""
    return [record for point in curve.points if (record := read_point(folder, point)) is not None]


def _write(folder: Path, found: list[BenchCurve], command: str | None, failures: dict[str, str]) -> Path | None:
    """Everything but the points; returns the page, if there is anything to show."""
    save(folder / "summary.json", summary_json(found).encode())
    save(folder / "table.md", table_markdown(found, command).encode())
    (folder / CODECS).mkdir(exist_ok=True)
    for earlier in (folder / CODECS).glob("*.json"):
        earlier.unlink()
    for name, text in codec_files([curve for curve in found if "schema" in curve.points[0].records[0]]).items():
        save(folder / CODECS / name, text.encode())
    (folder / THIRD_PARTY).mkdir(exist_ok=True)
    if not found:
        return None
    save(folder / "index.html", page(found, folder, command, failures).encode())
    return folder / "index.html"
