"""A run of a study as a job: encode, and leave the file and its record."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from fieldpress.bench.runs.run import Run
from fieldpress.jobs import Report

if TYPE_CHECKING:
    from fieldpress.presets import Recipe
    from fieldpress.report import Report as Figures
    from fieldpress.training.config import Budget
    from fieldpress.training.loop import Progress


def encoded(
    source: str, recipe: "Recipe", budget: "Budget", seed: int, device: str, watch: Callable[["Progress"], None]
) -> "tuple[Figures, bytes]":
    """What an encode reports, and the file it wrote, which is gone.

    Raises:
        FieldpressError: The request is impossible.
    """
    import fieldpress

    with TemporaryDirectory(prefix="fieldpress-") as folder:
        out = Path(folder) / "run.fpr"
        figures = fieldpress.encode(
            source,
            out,
            recipe,
            minutes=budget.minutes,
            steps=budget.steps,
            seed=seed,
            device=device,
            on_progress=watch,
        )
        return figures, out.read_bytes()


@dataclass(frozen=True)
class RunJob:
    """Makes a run; see :class:`fieldpress.jobs.Job`."""

    run: Run
    file: Path
    """Where its file goes; the record goes beside it."""

    @property
    def name(self) -> str:
        """The run's."""
        return self.run.name

    @property
    def work(self) -> float:
        """Its share of a budget."""
        return self.run.variation.budget_share

    def perform(self, report: Report) -> None:
        """Encodes.

        Raises:
            FieldpressError: The run is impossible.
        """
        from fieldpress.bench.runs.traincurve import TrainingCurve
        from fieldpress.config import to_plain
        from fieldpress.saving import save

        run, curve = self.run, TrainingCurve()

        def watch(progress: "Progress") -> None:
            report(progress.share)
            curve.add(progress)

        figures, data = encoded(run.clip.path, run.recipe, run.budget, run.seed, run.device, watch)
        save(self.file, data)
        record = {
            "variation": asdict(run.variation),
            "recipe": to_plain(run.recipe),
            "report": asdict(figures),
            "curve": curve.to_plain(),
        }
        save(self.file.with_suffix(".json"), json.dumps(record).encode())
