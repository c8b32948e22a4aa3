"""``fieldpress bench``: flags to a call of :func:`fieldpress.bench.bench.run_bench`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import tyro
from tyro.conf import arg

from fieldpress.bench.bench import run_bench
from fieldpress.bench.outcome import Outcome
from fieldpress.cli import flags
from fieldpress.cli.batch import run_batch
from fieldpress.errors import ConfigError

if TYPE_CHECKING:
    from fieldpress.jobs import JobsProgress


@dataclass(frozen=True)
class Bench:
    """Measure presets against real codecs on the same clips: curves, rate differences, one page.

    Example: fieldpress bench clip.mp4 --out bench --minutes-per-point 5 --codecs x265:medium,svtav1:4

    Codecs are x264, x265, svtav1, aom and vvc for videos, and jpeg, webp, avif and jpegxl for pictures; after a colon
    each takes a preset, then psnr (tuned for it) and 444 (chroma in full): x265:veryslow:psnr:444. The folder gets a
    file and a report for each point, summary.json, table.md and index.html. The same command goes on where it was
    stopped. Needs pip install "fieldpress[bench]".
    """

    sources: Annotated[tuple[str, ...], tyro.conf.Positional, arg(metavar="SOURCE...")]
    """Videos, folders of images, or images."""
    out: Annotated[str | None, arg(metavar="DIR")] = None
    """The folder for everything; needed."""
    presets: Annotated[str | None, arg(metavar="P,...")] = None
    """Presets to measure, separated by commas; each source's default otherwise."""
    codecs: Annotated[str | None, arg(metavar="C,...")] = None
    """Codecs to compare with, separated by commas; x264, x265 and svtav1 otherwise, or jpeg, webp and avif."""
    points: Annotated[int, arg(metavar="N")] = 4
    """Qualities of each curve; a rate difference needs four."""
    qualities: Annotated[str | None, arg(metavar="Q,...")] = None
    """Qualities of the presets on their own scale, such as CRFs, separated by commas, instead of so many points."""
    minutes_per_point: Annotated[float | None, arg(metavar="M")] = None
    """Train each point that long; as long as the preset says otherwise."""
    steps: Annotated[int | None, arg(metavar="N")] = None
    """Train each point that many steps instead."""
    seeds: Annotated[int, arg(metavar="K")] = 1
    """How often each point of a preset is made, with seeds 0, 1, 2 and so on; curves are their means."""
    jobs: Annotated[int, arg(metavar="J")] = 1
    """Points at a time, each in a process with one thread."""
    device: Annotated[str, arg(metavar="auto|cpu|cuda")] = "auto"
    """Where to train; auto takes CUDA where there is one."""


def run(arguments: list[str]) -> int:
    """Runs a bench; returns the exit status.

    Raises:
        FieldpressError: As :func:`fieldpress.bench.bench.run_bench`, or the command line is wrong.
    """
    command = flags.parse(Bench, arguments)

    def make(out: str, again: str, show: "Callable[[JobsProgress], None]") -> Outcome:
        return run_bench(
            command.sources,
            out,
            presets=_names("--presets", command.presets),
            codecs=_names("--codecs", command.codecs),
            points=command.points,
            qualities=_numbers("--qualities", command.qualities),
            minutes=command.minutes_per_point,
            steps=command.steps,
            seeds=command.seeds,
            jobs=command.jobs,
            device=command.device,
            command=again,
            on_progress=show,
        )

    return run_batch(["bench", *arguments], "bench", "point", command.out, make)


def _names(flag: str, text: str | None) -> list[str] | None:
    if text is None:
        return None
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise ConfigError(f"{flag} {text!r}: a name is missing; separate names by single commas")
    return names


def _numbers(flag: str, text: str | None) -> list[float]:
    try:
        return [float(number) for number in _names(flag, text) or []]
    except ValueError:
        raise ConfigError(f"{flag} {text!r}: expected numbers separated by commas") from None
