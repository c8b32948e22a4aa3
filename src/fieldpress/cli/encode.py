"""``fieldpress encode``: flags to a call of :func:`fieldpress.writing.encode`, watched, logged and interruptible."""

import re
import shlex
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro
from tyro.conf import arg

from fieldpress.checks import check_report
from fieldpress.cli import flags
from fieldpress.cli.log import TrainingLog
from fieldpress.cli.progress import training_display
from fieldpress.cli.stopping import StopBetweenSteps
from fieldpress.cli.text import complain, figures, one_line, say
from fieldpress.errors import ConfigError, SourceError
from fieldpress.presets import PRESETS, Recipe, recipe
from fieldpress.saving import save
from fieldpress.settings import Settings, changed, exchange_parts, known_flags, settings_of
from fieldpress.sources.demuxing import is_picture
from fieldpress.sources.mesh import is_mesh
from fieldpress.sources.photos import is_photos
from fieldpress.writing import Interrupted, default_recipe, encode

if TYPE_CHECKING:
    from collections.abc import Callable

    from fieldpress.report import Report
    from fieldpress.subjects import Subject
    from fieldpress.training.loop import Progress

_SHORT = {"--init": "--training.start", "--rate-weight": "--training.rate-weight"}
_SIZE_UNITS = {"": 1, "B": 1, "kB": 1000, "KB": 1000, "MB": 1000**2, "GB": 1000**3}


@dataclass(frozen=True)
class Encode:
    """Fit a neural field to a source and write it as one file.

    Example: fieldpress encode clip.mp4 clip.fpr --minutes 3

    Every field of the preset is a flag; those below are the ones of PRESET. A part is exchanged by its id, and its own
    fields are then flags: --plan.film uniform --plan.film.bits 6, --decoder siren --grids nvp.
    Flags may stand anywhere. `fieldpress presets` lists the presets.
    """

    source: Annotated[str, tyro.conf.Positional, arg(metavar="SOURCE")]
    """A video, an image, a folder of images, posed photographs (transforms.json or a COLMAP model), or a mesh."""
    out: Annotated[str, tyro.conf.Positional, arg(metavar="OUT")]
    """The file to write, usually .fpr."""
    preset: Annotated[str | None, tyro.conf.Positional, arg(metavar="PRESET")] = None
    """Where all settings come from; of a video rate, a picture image, photographs radiance-vq, a mesh shape."""
    minutes: Annotated[float | None, arg(metavar="M")] = None
    """Train that long; the preset says how long otherwise."""
    steps: Annotated[int | None, arg(metavar="N")] = None
    """Train that many steps instead; on a CPU the file is then the same on every run."""
    bpp: Annotated[float | None, arg(metavar="B")] = None
    """Aim at a file of so many bits per pixel: the preset's quality settings are turned until it fits."""
    size: Annotated[str | None, arg(metavar="200kB")] = None
    """Aim at a file of this size instead: bytes, kB or MB (thousands and millions of bytes)."""
    quality: Annotated[float | None, arg(metavar="Q")] = None
    """Aim at a quality on a scale like that of x264's constant rate factor: 0 (best) to 51."""
    psnr: Annotated[float | None, arg(metavar="DB")] = None
    """Aim at this RGB PSNR in dB: encodes several times, at most 0.1 dB better than asked for."""
    rate_weight: Annotated[float | None, arg(metavar="W")] = None
    """What a bit per pixel adds to the loss; short for --training.rate-weight."""
    init: Annotated[Literal["source", "tucker", "random"] | None, arg(metavar="source|tucker|random")] = None
    """How grids and decoder start; short for --training.start."""
    segment: Annotated[int | None, arg(metavar="N")] = None
    """Cut a longer video into segments of at most so many pictures, a field each; 0 decides by their size."""
    jobs: Annotated[int, arg(metavar="J")] = 1
    """Segments at a time, each in a process with one thread."""
    seed: Annotated[int, arg(metavar="S")] = 0
    """Of everything random."""
    device: Annotated[str, arg(metavar="auto|cpu|cuda")] = "auto"
    """Where to train; auto takes CUDA where there is one."""
    resume: bool = False
    """Go on from the checkpoint that an interrupted run left beside OUT, if there is one."""
    force: bool = False
    """Replace OUT and the report; use the good frames of a damaged source."""
    report: Annotated[str | None, arg(metavar="R.json")] = None
    """Write the figures of the finished file here."""
    log: Annotated[str | None, arg(metavar="DIR")] = None
    """Write training figures to this folder, as metrics.jsonl and for TensorBoard."""


@dataclass(frozen=True, kw_only=True)
class _Page(Encode):
    settings: Annotated[Settings, arg(name="")]


_Page.__name__, _Page.__doc__ = Encode.__name__, Encode.__doc__


def run(arguments: list[str]) -> int:
    """Encodes; returns the exit status.

    Raises:
        FieldpressError: As :func:`fieldpress.writing.encode`, or the command line is wrong.
        KeyboardInterrupt: It was stopped; if it left a checkpoint, that is said already.
    """
    line = flags.split(arguments, flags.switches(Encode))
    own = flags.kinds(Encode)
    of_preset = {flag: text for flag, text in line.flags.items() if flag not in own}
    for short, flag in _SHORT.items():
        if short in line.flags and flag in of_preset:
            raise ConfigError(f"{short} is short for {flag}; give one of them")
    base = _preset(line)
    settings = exchange_parts(settings_of(base), of_preset)
    if line.wants_help:
        flags.show_help(_Page, settings=settings)
    flags.check_known(line.flags, [*own, *known_flags(settings)])
    command = flags.fill(Encode, line)
    of_preset |= {flag: line.flags[short] for short, flag in _SHORT.items() if short in line.flags}
    chosen = changed(base, of_preset)  # also where the source decides, so that a wrong value is found before it is read
    if command.report is not None:
        if Path(command.report).resolve() == Path(command.out).resolve():
            raise ConfigError("OUT and --report are the same file")
        check_report(command.source, Path(command.report), command.force)
    if command.log is not None:
        for name, path in (("OUT", command.out), ("--report", command.report)):
            if path is not None and Path(path).resolve() == Path(command.log).resolve():
                raise ConfigError(f"{name} and --log are the same path; one is a file, the other a folder")
    try:
        report = _encode(command, chosen if command.preset else lambda found: changed(default_recipe(found), of_preset))
    except Interrupted as interrupted:
        again = shlex.join(["fieldpress", "encode", *(["--resume"] if not command.resume else []), *arguments])
        complain(f"stopped; {interrupted.checkpoint} keeps what was done; go on with: {again}")
        raise
    say(one_line(command.out))
    say(figures(report))
    if command.report is not None:
        try:
            save(command.report, (report.to_json() + "\n").encode())
        except SourceError as error:
            reason = getattr(error.__cause__, "strerror", None) or error
            raise SourceError(f"cannot write --report {command.report}: {reason}; {command.out} is finished") from None
    return 0


def _encode(command: Encode, preset: "Recipe | Callable[[Subject], Recipe]") -> "Report":
    """The call, with a display and a log that watch it."""
    with ExitStack() as stack:
        log = None if command.log is None else TrainingLog(Path(command.log), command.resume)
        if log is not None:
            stack.callback(log.close)
        show = stack.enter_context(training_display(command.source))
        stop = stack.enter_context(StopBetweenSteps())

        def watch(progress: "Progress") -> None:
            show(progress)
            if log is not None:
                log.step(progress)
            stop.check(progress)

        report = encode(
            command.source,
            command.out,
            preset,
            minutes=command.minutes,
            steps=command.steps,
            bpp=command.bpp,
            size=_bytes(command.size),
            quality=command.quality,
            psnr=command.psnr,
            seed=command.seed,
            device=command.device,
            resume=command.resume,
            force=command.force,
            segment=command.segment,
            jobs=command.jobs,
            on_progress=watch,
        )
        if log is not None:
            log.finish(report)
        return report


def _bytes(size: str | None) -> int | None:
    """A size as a number of bytes.

    Raises:
        ConfigError: It is no number with a known unit.

    Example:
        >>> _bytes("1.5 MB")
        1500000
    """
    if size is None:
        return None
    found = re.fullmatch(r"\s*(\d+(?:\.\d*)?)\s*([kKMG]?B)?\s*", size)
    if found is None:
        raise ConfigError(f"--size is {size!r}; expected bytes such as 200000, 200kB or 1.5MB")
    return round(float(found[1]) * _SIZE_UNITS[found[2] or ""])


def _preset(line: flags.Line) -> Recipe:
    """The preset whose fields are the flags of this line."""
    named = [word for word in line.words if word in PRESETS] if line.wants_help else line.words[2:3]
    return recipe(named[0] if named else _default(line.words[0] if line.words else ""))


def _default(source: str) -> str:
    """The preset of a source where none is named, as far as can be told without reading it."""
    if is_mesh(source):
        return "shape"
    if is_photos(source):
        return "radiance-vq"
    return "image" if is_picture(Path(source)) else "rate"
