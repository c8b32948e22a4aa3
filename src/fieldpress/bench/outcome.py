"""What a study or a bench comes to."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Outcome:
    """What was left behind in the folder, besides files and records."""

    page: Path | None
    """``index.html``, once there is anything to show."""
    failures: dict[str, str]
    """Why a run or a point was impossible, by its name."""
