"""What an encode refuses before it begins: requests that cannot be met, and outputs that cannot be written."""

import math
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from fieldpress.compressors.base import MAX_QUALITY
from fieldpress.config import MAX_INTEGER, shown
from fieldpress.errors import ConfigError, SourceError
from fieldpress.field import FieldConfig
from fieldpress.grids import ClipGrids, FittedGrids
from fieldpress.metrics import MAX_PSNR
from fieldpress.presets import Recipe
from fieldpress.saving import check_source
from fieldpress.sources.folder import PICTURE_SUFFIXES
from fieldpress.sources.memory import BYTES_PER_PIXEL, available_memory
from fieldpress.sources.mesh import SUFFIXES as MESH_SUFFIXES
from fieldpress.subjects import Subject
from fieldpress.training.checkpoint import checkpoint_path
from fieldpress.training.plan import assign

_BYTES_PER_NUMBER = 64
"""Peak memory of training per number in the grids: value, error, moments, and a codec's round trip."""
_BYTES_PER_NUMBER_CODED_ONCE = 10
"""Likewise, where the grids are coded before the first step: value, sample, and the source's share."""
_BYTES_PER_PIXEL_OF_CODEC = 1000
"""What a video codec holds of the pictures that it looks ahead to, for each pixel of one of them ..."""
_BYTES_PER_PIXEL_OF_STILL = 300
"""... and where there is only one, with what measures it."""

MEDIA_SUFFIXES = {
    *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".y4m", ".mpg", ".mpeg", ".ts", ".wmv", ".flv", ".ogv", ".ivf"),
    *(".gif", ".heic", ".heif", *PICTURE_SUFFIXES),
    *MESH_SUFFIXES,
}
"""Ends of names that say what a file holds, and that it is no fieldpress file."""


def check_aim(**aims: float | None) -> None:
    """Refuses aims that are out of their range, and more than one of them.

    Raises:
        ConfigError: By the names of the flags.
    """
    given = {name: value for name, value in aims.items() if value is not None}
    if len(given) > 1:
        raise ConfigError(f"give one of {', '.join(f'--{name}' for name in given)}")
    for name, value in given.items():
        if name == "quality":
            if not 0 <= value <= MAX_QUALITY:
                raise ConfigError(f"--quality is {value:g}; expected 0 (best) to {MAX_QUALITY:g}")
        elif name == "psnr":
            if not 0 < value <= MAX_PSNR:
                raise ConfigError(f"--psnr is {value:g}; expected a number of dB above 0, at most {MAX_PSNR:g}")
        elif not (0 < value < math.inf and (name != "size" or value <= MAX_INTEGER)):
            raise ConfigError(f"--{name} is {value:g}; expected a number above 0")


def check_arguments(source: Any, out: Any, preset: Any, on_progress: Any) -> None:
    """Refuses what is neither a path nor a preset nor a function where one of these belongs.

    Raises:
        ConfigError: By the name of the argument.
    """
    for name, given in (("source", source), ("out", out)):
        if not isinstance(given, str | os.PathLike):
            raise ConfigError(f"{name} is {shown(given)}; expected a path")
        if not os.fspath(given):
            raise ConfigError(f"{name.upper()} is an empty name")
    if not (preset is None or isinstance(preset, str | Recipe) or callable(preset)):
        raise ConfigError(f"preset is {shown(preset)}; expected a name, a recipe, or a function that gives one")
    if not (on_progress is None or callable(on_progress)):
        raise ConfigError(f"on_progress is {shown(on_progress)}; expected a function")


def check_name(out: Path) -> None:
    """Refuses to give a fieldpress file the name of another kind of file, by which programs would take it for one.

    Raises:
        SourceError: The name ends as those of videos, pictures or meshes do, or stands for standard output.
    """
    if str(out) == "-":
        raise SourceError("encode does not write to standard output; name a file, such as clip.fpr")
    suffix = out.suffix.lower()
    if suffix in MEDIA_SUFFIXES:
        raise SourceError(f"{out}: {suffix} files are not what encode writes; name it {out.with_suffix('.fpr').name}")


def check_target(out: Path, force: bool) -> None:
    """Refuses an output that could not be written, before anything is computed.

    Raises:
        SourceError: It exists and ``force`` is not given, is a folder, or its folder is missing or not writable.
    """
    try:
        if out.is_dir():
            raise SourceError(f"{out}: is a folder; name a file, such as {out / 'clip.fpr'}")
        for path in (out, checkpoint_path(out)):
            with suppress(FileNotFoundError, NotADirectoryError):
                path.stat()  # unlike exists(), this refuses a name that no file can have
        if out.exists() and not out.is_file():
            raise SourceError(f"{out}: is not a regular file; name another")
        if out.exists() and not force:
            raise SourceError(f"{out}: exists already; use --force to replace it")
        if not out.parent.is_dir():
            raise SourceError(f"{out}: the folder {out.parent} does not exist")
        if not os.access(out.parent, os.W_OK) or (out.exists() and not os.access(out, os.W_OK)):
            raise SourceError(f"{out}: cannot be written: permission denied")
        with tempfile.TemporaryFile(dir=out.parent):  # where permissions do not tell, as of what is mounted
            pass
    except (OSError, ValueError) as error:
        raise SourceError(f"{str(out)!r}: cannot be written: {getattr(error, 'strerror', None) or error}") from None


def check_report(source: str | os.PathLike[str], report: Path, force: bool) -> None:
    """Refuses a report that could not be written, or would replace the source or a file in its folder.

    Raises:
        SourceError: It is so.
    """
    check_target(report, force)
    check_source(source, report)
    if report.exists() and os.path.isdir(source) and os.path.samefile(source, report.parent):
        raise SourceError(f"{report}: is a file in the folder of the source; name another report")


def check_plan(chosen: Recipe, config: FieldConfig) -> None:
    """Lets a plan pass whose compressors can take the tensors of this field.

    Raises:
        ConfigError: It leaves a tensor out, or a compressor cannot take one.
    """
    shapes = config.shapes()
    for rule, _, names, _ in assign(chosen.plan, shapes).values():
        try:
            chosen.plan[rule].check([shapes[name] for name in names])
        except ConfigError as error:
            raise ConfigError(f"plan {rule} ({', '.join(names)}): {error}") from None


def memory_factor(chosen: Recipe) -> float:
    """Memory of an encode in units of the decoded source, as far as it is proportional to it."""
    per_pixel = chosen.grids.per_pixel if isinstance(chosen.grids, ClipGrids) else 0.0
    return 1 + per_pixel * _bytes_per_number(chosen) / BYTES_PER_PIXEL


def check_memory(subject: Subject, chosen: Recipe, jobs: int) -> None:
    """Refuses a field whose training would not fit in memory.

    Raises:
        SourceError: With what it needs and what is free.
    """
    signal, shapes = subject.signal, subject.plan_for(chosen).shapes()
    needed = jobs * _bytes_per_number(chosen) * sum(map(math.prod, shapes.values()))
    if chosen.coded_once:
        of_codec = _BYTES_PER_PIXEL_OF_STILL if signal.frames == 1 else _BYTES_PER_PIXEL_OF_CODEC
        needed += jobs * of_codec * signal.height * signal.width
    free = available_memory()
    if free is not None and needed > free:
        ways = [
            *(["fewer parameters per pixel"] if isinstance(chosen.grids, FittedGrids) else []),
            *(["shorter segments (--segment)"] if signal.frames > 1 and isinstance(chosen.grids, ClipGrids) else []),
            *(["fewer --jobs"] if jobs > 1 else []),
            "a smaller source",
        ]
        raise SourceError(
            f"{subject.name}: training this field needs {needed / 1e9:.1f} GB, {free / 1e9:.1f} GB are free; "
            f"use {' or '.join(ways)}"
        )


def _bytes_per_number(chosen: Recipe) -> int:
    return _BYTES_PER_NUMBER_CODED_ONCE if chosen.coded_once else _BYTES_PER_NUMBER
