"""A run of a study as a job: encode, and leave the file and its record."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from fieldpress.bench.runs import Run
from fieldpress.bench.worker import Report

if TYPE_CHECKING:
    from fieldpress.training.loop import Progress


@dataclass(frozen=True)
class Task:
    """A run and where its file goes; the record goes beside it."""

    run: Run
    file: Path

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
        import fieldpress
        from fieldpress.bench.traincurve import TrainingCurve
        from fieldpress.config import to_plain
        from fieldpress.saving import save

        run, curve = self.run, TrainingCurve()

        def watch(progress: "Progress") -> None:
            report(progress.share)
            curve.add(progress)

        with TemporaryDirectory(prefix="fieldpress-") as folder:
            out = Path(folder) / "run.fpr"
            figures = fieldpress.encode(
                run.clip.path,
                out,
                run.recipe,
                minutes=run.budget.minutes,
                steps=run.budget.steps,
                seed=run.seed,
                device=run.device,
                on_progress=watch,
            )
            save(self.file, out.read_bytes())
        record = {
            "variation": asdict(run.variation),
            "recipe": to_plain(run.recipe),
            "report": asdict(figures),
            "curve": curve.to_plain(),
        }
        save(self.file.with_suffix(".json"), json.dumps(record).encode())
