"""A whole study: clips, runs, results, page."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from fieldpress.bench.clips import clips_of
from fieldpress.bench.folder import open_folder
from fieldpress.bench.outcome import Outcome
from fieldpress.bench.reports.studypage import page
from fieldpress.bench.request import MAX_SEEDS, check_count
from fieldpress.bench.runs.results import Row, results_json, table_markdown
from fieldpress.bench.runs.run import RUNS, Run, plan_runs, read_record
from fieldpress.bench.runs.runjob import RunJob
from fieldpress.bench.studies import studies
from fieldpress.checks import check_plan
from fieldpress.devices import choose_device
from fieldpress.errors import ConfigError, FieldpressError
from fieldpress.jobs import JobsProgress, run_jobs
from fieldpress.presets import recipe
from fieldpress.request import MAX_JOBS
from fieldpress.saving import save
from fieldpress.subjects import Clip, Scene, Subject, load_subject
from fieldpress.training.config import Budget


def run_study(
    name: str,
    sources: Sequence[str],
    out: str | Path,
    *,
    minutes: float | None = None,
    steps: int | None = None,
    only: str | None = None,
    seeds: int = 1,
    jobs: int = 1,
    device: str = "auto",
    command: str | None = None,
    on_progress: Callable[[JobsProgress], None] = lambda _: None,
) -> Outcome:
    """Encodes every variation of a study on every clip and writes what came out; finished runs are not repeated.

    Leaves in ``out``: ``runs/`` with a file and a JSON record for each run, ``results.json``, ``table.md`` and
    ``index.html``. Workers are processes of their own: a script that calls this needs ``if __name__ == "__main__":``.

    Args:
        name: Of the study, or ``all``.
        sources: Videos and folders of pictures, or posed photographs.
        out: A folder, new or of this very study.
        minutes: Training budget of a run; the preset's own if neither this nor ``steps`` is given.
        steps: Training budget of a run in steps instead.
        only: Words, separated by commas: curves that hold none of them wait for another call.
        seeds: How often each run is made, with seeds 0, 1, 2, ...
        jobs: Runs at a time.
        device: ``auto``, ``cpu`` or ``cuda``.
        command: What made the page, for a reader who wants the same.
        on_progress: Called a few times a second.

    Raises:
        ConfigError: The request is impossible. This and the next come before any training.
        SourceError: A source cannot be read, or the folder not written or holds something else.
        KeyboardInterrupt: After Ctrl-C; finished runs stay.
    """
    subjects = [load_subject(source) for source in sources]
    of_scenes = _of_scenes(subjects)
    if only is not None and not only.strip(" ,"):
        raise ConfigError("--only is empty; name words of the curves to make, or leave it out")
    plan = studies(name, of_scenes=of_scenes)
    wanted = [variation for study in studies(name, only, of_scenes=of_scenes) for variation in study.variations]
    budget = _budget(minutes, steps, plan[0].preset)
    check_count("--seeds", seeds, MAX_SEEDS)
    check_count("--jobs", jobs, MAX_JOBS)
    device = choose_device(device)
    clips = clips_of(sources, subjects)
    runs = {study.name: plan_runs(study, clips, budget, seeds, device) for study in plan}
    every_run = [run for group in runs.values() for run in group]
    asked = {run.name: run for run in every_run if run.variation in wanted}
    _check(list(asked.values()))
    folder = Path(out)
    identity = {"study": name, "clips": [clip.identity for clip in clips], "budget": asdict(budget), "device": device}
    open_folder(folder, "study", identity, RUNS)

    missing = {name: run for name, run in asked.items() if read_record(folder, name) is None}
    waiting = [RunJob(run, folder / RUNS / f"{name}.fpr") for name, run in missing.items()]
    failures = run_jobs(waiting, jobs, len(asked) - len(waiting), on_progress)

    parts = [(study, rows) for study in plan if (rows := _rows(folder, runs[study.name]))]
    rows = [row for _, group in parts for row in group]
    save(folder / "results.json", results_json(rows).encode())
    save(folder / "table.md", table_markdown(rows).encode())
    if not rows:
        return Outcome(None, failures)
    save(folder / "index.html", page(parts, folder, budget, command, failures).encode())
    return Outcome(folder / "index.html", failures)


def _of_scenes(subjects: Sequence[Subject]) -> bool:
    for subject in subjects:
        if not isinstance(subject, Clip | Scene):
            raise ConfigError(f"{subject.name} is a mesh; studies are of videos, pictures and posed photographs")
    kinds = {isinstance(subject, Scene) for subject in subjects}
    if len(kinds) > 1:
        raise ConfigError("some sources are videos and some posed photographs; make a study of each")
    return kinds == {True}


def _budget(minutes: float | None, steps: int | None, preset: str) -> Budget:
    if minutes is not None and steps is not None:
        raise ConfigError("give --minutes-per-run or --steps, not both")
    if minutes is None and steps is None:
        minutes = recipe(preset).minutes
    return Budget(minutes, steps)


def _check(runs: Sequence[Run]) -> None:
    """Refuses the impossible before any training.

    Raises:
        ConfigError: A variation has settings that do not suit a clip; the message names both.
    """
    for run in {(id(run.recipe), run.clip.sha256): run for run in runs}.values():
        clip, chosen = run.clip, run.recipe
        try:
            check_plan(chosen, run.expected_field)
        except (FieldpressError, ValueError) as error:
            variation = f"{run.variation.curve}, {run.point}"
            raise ConfigError(f"study {run.study}, {variation}: impossible for {clip.name}: {error}") from None


def _rows(folder: Path, runs: Sequence[Run]) -> list[Row]:
    records = ((run, read_record(folder, run.name)) for run in runs)
    return [Row(run, record["report"], record["curve"]) for run, record in records if record is not None]
