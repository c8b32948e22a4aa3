"""What is asked of an encode besides source, output and preset; what is impossible is refused before any reading."""

from dataclasses import dataclass, fields
from typing import get_type_hints

from fieldpress.arguments import argument
from fieldpress.checks import check_aim
from fieldpress.config import MAX_INTEGER
from fieldpress.errors import ConfigError
from fieldpress.training.config import Budget

MAX_JOBS = 256
"""Processes that fit segments at a time."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """The arguments of :func:`fieldpress.encode` that are numbers, names and switches; see there for what they mean.

    Raises:
        ConfigError: One has a wrong type or is out of range, or two of them do not go together.
    """

    minutes: float | None = None
    steps: int | None = None
    bpp: float | None = None
    size: int | None = None
    quality: float | None = None
    psnr: float | None = None
    seed: int = 0
    device: str = "auto"
    resume: bool = False
    force: bool = False
    segment: int | None = None
    jobs: int = 1

    def __post_init__(self) -> None:
        kinds = get_type_hints(Request)
        for field in fields(self):
            plain = argument(field.name, kinds[field.name], getattr(self, field.name))
            object.__setattr__(self, field.name, plain)
        if self.minutes is not None and self.steps is not None:
            raise ConfigError("give --minutes or --steps, not both")
        if not 0 <= self.seed <= MAX_INTEGER:
            raise ConfigError(f"--seed is {self.seed}; expected 0 to 2**53")
        if not 1 <= self.jobs <= MAX_JOBS:
            raise ConfigError(f"--jobs is {self.jobs}; expected 1 to {MAX_JOBS}")
        check_aim(bpp=self.bpp, size=self.size, quality=self.quality, psnr=self.psnr)
        if self.psnr is not None and self.resume:
            raise ConfigError("--psnr tries several qualities and starts anew each time; leave --resume out")
        self.budget  # noqa: B018  # which refuses what is no budget

    @property
    def budget(self) -> Budget | None:
        """The training budget, if one is asked for."""
        return None if self.minutes is None and self.steps is None else Budget(self.minutes, self.steps)
