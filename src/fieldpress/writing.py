"""From a source to a file: read, fit, write, decode again, report."""

import logging
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch

from fieldpress import container
from fieldpress.compressors.base import MAX_QUALITY, Compressor
from fieldpress.config import MAX_INTEGER, to_plain
from fieldpress.devices import choose_device
from fieldpress.errors import ConfigError, SourceError
from fieldpress.field import FieldConfig
from fieldpress.grids import ClipGrids
from fieldpress.loading import read_bytes
from fieldpress.metrics import MAX_PSNR, Quality
from fieldpress.presets import Recipe, recipe
from fieldpress.reading import About, decode, open_file
from fieldpress.report import Report, measure
from fieldpress.saving import save
from fieldpress.segment_jobs import fit_segments, remove
from fieldpress.segments import Segment
from fieldpress.signals.base import Signal
from fieldpress.signals.radiance import Radiance
from fieldpress.signals.shape import Shape
from fieldpress.sources.memory import BYTES_PER_PIXEL, available_memory
from fieldpress.subjects import Clip, Subject, load_subject
from fieldpress.training.checkpoint import checkpoint_path, fingerprint, load_checkpoint, save_checkpoint
from fieldpress.training.config import Budget
from fieldpress.training.fit import Fit
from fieldpress.training.loop import Progress, Target
from fieldpress.training.plan import Assigned, assign
from fieldpress.training.segmented import SegmentedFit
from fieldpress.training.steering import TOLERANCE

_LOG = logging.getLogger("fieldpress")

CHECKPOINT_SECONDS = 15.0
"""Between checkpoints. With the step in hand and the writing itself, a kill loses less than 30 s of work."""
MAX_JOBS = 256
"""Processes that fit segments at a time."""
_PLACEHOLDER_BYTES = 2**16
"""Of each chunk in a dry run: enough for the most numbers that the format allows at all."""
_LEAST_PLACEHOLDER_BYTES = 2**12
"""... where there are many segments: enough for the most that it allows in one of them."""
_BYTES_PER_PARAMETER = 64
"""Peak memory of training per number in the grids: value, error, moments, and a codec's round trip."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during training, after the checkpoint was written."""

    def __init__(self, checkpoint: Path) -> None:
        super().__init__(f"stopped; everything up to here is in {checkpoint}: go on with the same command and --resume")
        self.checkpoint = checkpoint


def encode(
    source: str | os.PathLike[str],
    out: str | os.PathLike[str],
    preset: str | Recipe | Callable[[Subject], Recipe] | None = None,
    *,
    minutes: float | None = None,
    steps: int | None = None,
    bpp: float | None = None,
    size: int | None = None,
    quality: float | None = None,
    seed: int = 0,
    device: str = "auto",
    resume: bool = False,
    force: bool = False,
    segment: int | None = None,
    jobs: int = 1,
    on_progress: Callable[[Progress], None] | None = None,
) -> Report:
    """Fits a field to a source and writes it as one file.

    Args:
        source: A video, an image, a folder of images, posed photographs, or a closed mesh.
        out: The file to write, usually ``.fpr``.
        preset: A preset's name, a recipe, or what gives one for a source; None is the source's default.
        minutes: Training budget in wall time; the preset's own if neither this nor ``steps`` is given.
        steps: Training budget in steps instead; on a CPU the file is then the same on every run.
        bpp: Bits per pixel of the finished file, reached within 5 %: the preset's quality settings are then turned.
        size: Bytes of the finished file instead.
        quality: 0 (best) to 51, as the constant rate factors of x264; the preset's own if None. For a quality in
            decibels see :func:`fieldpress.aiming.encode_to_psnr`.
        seed: Of everything random.
        device: ``auto``, ``cpu`` or ``cuda``.
        resume: Go on from the checkpoint an interrupted run left beside ``out``, if there is one.
        force: Replace ``out``; use the good frames of a damaged source.
        segment: Pictures of a segment at most. A longer clip is cut in time into segments of equal length, each a field
            of its own, with the share of the budget and of the size that its pictures are of all. 0 decides by the
            size of the pictures; the preset's own, usually 0, if None.
        jobs: Segments at a time. With more than one, each has a process with one thread; a script that asks for that
            keeps its own work under ``if __name__ == "__main__":``.
        on_progress: Called after every training step.

    Returns:
        The figures of the finished file, decoded again from its bytes.

    Raises:
        SourceError: The source cannot be read or the output not written.
        ConfigError: The request is impossible. Both come before any training.
    """
    out = Path(out)
    check_target(out, force)
    check_source(source, out)
    device = choose_device(device)
    named = recipe(preset) if isinstance(preset, str) else preset
    if minutes is not None and steps is not None:
        raise ConfigError("give --minutes or --steps, not both")
    if not 0 <= seed <= MAX_INTEGER:
        raise ConfigError(f"--seed is {seed}; expected 0 to 2**53")
    if not 1 <= jobs <= MAX_JOBS:
        raise ConfigError(f"--jobs is {jobs}; expected 1 to {MAX_JOBS}")
    check_aim(bpp=bpp, size=size, quality=quality)
    asked = Budget(minutes, steps) if minutes is not None or steps is not None else None
    at_once = segment if segment is not None else named.segment if isinstance(named, Recipe) else Recipe.segment
    subject = load_subject(source, force=force, memory_factor=_memory_factor(named), segment=at_once)
    if segment and not isinstance(subject, Clip):
        raise ConfigError(f"--segment cuts videos; {subject.name} is none")
    started = time.monotonic()
    chosen = named if isinstance(named, Recipe) else (named or default_recipe)(subject)
    chosen = chosen if segment is None else replace(chosen, segment=segment)
    chosen = chosen if quality is None else chosen.at_quality(quality)
    budget = asked or Budget(minutes=chosen.minutes)
    segments = subject.segments_for(chosen)
    jobs = min(jobs, len(segments))
    _check_memory(subject.plan_for(chosen), subject.name, jobs)
    # A dry run: whatever the compressors or the format refuse, they refuse now.
    framing = _framing_bytes(subject.signal, segments, chosen, About(chosen.name, seed, 0, device))
    target = None
    if bpp is not None or size is not None:
        bits = 8.0 * size if size is not None else (bpp or 0) * subject.signal.pixels
        target = Target(bits, 8.0 * framing)

    torch.manual_seed(seed)
    fit = subject.fit(chosen, budget, seed, device, target)
    checkpoint = checkpoint_path(out)
    request = fingerprint(
        [
            to_plain(subject.signal),
            to_plain(segments),
            to_plain(chosen),
            to_plain(budget),
            bpp,
            size,
            seed,
            device,
            subject.digest(),
        ]
    )
    if jobs > 1 and isinstance(fit, SegmentedFit):
        try:
            fit.done = fit_segments(replace(fit.segments, jobs=jobs), jobs, checkpoint, request, resume, on_progress)
        except KeyboardInterrupt:
            raise Interrupted(checkpoint) from None
    else:
        if checkpoint.is_dir():
            raise ConfigError(f"{checkpoint}: the checkpoint is of a run with --jobs; resume with it, or remove it")
        if resume and checkpoint.exists():
            fit.load_state(load_checkpoint(checkpoint, request))
        train(fit, checkpoint, request, on_progress)

    about = About(chosen.name, seed, fit.steps, torch.device(device).type)
    parts = [
        Part(Segment(planned.frames, fitted.config), {**chosen.plan, **fitted.rules}, fitted.payloads)
        for planned, fitted in zip(segments, fit.fitted, strict=True)
    ]
    data = file_bytes(subject.signal, parts, about)
    data = with_level_figures(data, subject, device)
    if target is not None and abs(8 * len(data) / target.bits - 1) > TOLERANCE:
        _LOG.warning("%s has %d bytes, not the %.0f asked for", out, len(data), target.bits / 8)
    save(out, data)
    encode_seconds = time.monotonic() - started
    remove(checkpoint)
    return measure(data, subject, device, encode_seconds)


def with_level_figures(data: bytes, subject: Subject, device: str) -> bytes:
    """The file with what every prefix of its levels is worth written into the header, if it is one that says so."""
    signal = subject.signal
    if not isinstance(signal, Radiance | Shape):
        return data
    contents = container.read(data)
    figures = []
    for levels in range(1, contents.levels + 1):
        decoded = decode(data, device, levels)
        quality = Quality(signal.matrix, signal.full_range)
        for reference, picture in zip(subject.references(), decoded, strict=True):
            quality.add(reference.rgb, picture)
        figures.append(round(quality.report().psnr_rgb, 2))
    told = to_plain(replace(signal, levels_psnr=tuple(figures)))
    return container.write({**contents.header, "signal": told}, contents.chunks)


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


def default_recipe(subject: Subject) -> Recipe:
    """What a newcomer should get for this source."""
    return subject.default_preset


def evaluate(path: str | os.PathLike[str], source: str | os.PathLike[str], device: str = "auto") -> Report:
    """Quality of a file's decoded pictures against a source of the same size.

    Raises:
        FormatError: The file does not decode.
        SourceError: The source cannot be read.
        ConfigError: The source's pictures differ in number or size from the file's.
    """
    device = choose_device(device)
    data = read_bytes(path)
    signal = open_file(path, device).signal
    subject = load_subject(source)
    if any(isinstance(signal, kind) != isinstance(subject.signal, kind) for kind in (Radiance, Shape)):
        raise ConfigError(f"{subject.name} and the file are not of one kind; evaluate against the file's own source")
    sizes = [(s.frames, s.height, s.width) for s in (subject.signal, signal)]
    if sizes[0] != sizes[1]:
        texts = [f"{f} pictures of {w} x {h}" for f, h, w in sizes]
        raise ConfigError(f"{subject.name} has {texts[0]}, the file {texts[1]}; evaluate against its own source")
    return measure(data, subject, device, None)


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
        if out.exists() and not force:
            raise SourceError(f"{out}: exists already; use --force to replace it")
        if not out.parent.is_dir():
            raise SourceError(f"{out}: the folder {out.parent} does not exist")
        if not os.access(out.parent, os.W_OK) or (out.exists() and not os.access(out, os.W_OK)):
            raise SourceError(f"{out}: cannot be written: permission denied")
    except (OSError, ValueError) as error:
        raise SourceError(f"{str(out)!r}: cannot be written: {getattr(error, 'strerror', None) or error}") from None


def check_source(source: str | os.PathLike[str], out: Path) -> None:
    """Refuses to replace a source by its own file.

    Raises:
        SourceError: They are the same.
    """
    if out.exists() and os.path.exists(source) and os.path.samefile(source, out):
        raise SourceError(f"{out}: is the source itself; name another output")


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


class Part(NamedTuple):
    """A segment of a file that is to be written."""

    segment: Segment
    """Its length and its field."""
    plan: Mapping[str, Compressor]
    """Which compressor wrote which tensors."""
    payloads: Mapping[str, bytes]
    """The bytes of each chunk, by the names of :func:`~fieldpress.training.plan.assign`."""

    @property
    def assigned(self) -> dict[str, Assigned]:
        """Its chunks by name."""
        return assign(self.plan, self.segment.field.shapes(), self.segment.field.tensor_levels())


def file_bytes(signal: Signal, parts: Sequence[Part], about: About) -> bytes:
    """The bytes of a file, from those of its chunks.

    Args:
        signal: What it shows.
        parts: Of a clip the segments, in the order of time; one of everything else.
        about: Where it comes from.

    Raises:
        ConfigError: A plan leaves a tensor out, or the format has no room for what is asked.
    """
    chunks: list[container.Chunk] = []
    for number, part in enumerate(parts):
        shapes = part.segment.field.shapes()
        for name, chunk in part.assigned.items():
            tensors = tuple((tensor, shapes[tensor]) for tensor in chunk.tensors)
            compressor = to_plain(part.plan[chunk.rule])
            chunks.append(container.Chunk(name, tensors, compressor, part.payloads[name], chunk.level, number))
    segments = [part.segment for part in parts]
    field = {"field": to_plain(segments[0].field)} if len(segments) == 1 else {"fields": to_plain(segments)}
    return container.write({"signal": to_plain(signal), **field, "about": to_plain(about)}, chunks)


def _framing_bytes(signal: Signal, segments: Sequence[Segment], chosen: Recipe, about: About) -> int:
    """What a file takes besides its chunks, by writing one without content.

    Raises:
        ConfigError: The compressors cannot take the tensors, or the format has no room for them.
    """
    placeholder = bytes(max(_LEAST_PLACEHOLDER_BYTES, _PLACEHOLDER_BYTES // len(segments)))
    parts = []
    for segment in segments:
        check_plan(chosen, segment.field)
        part = Part(segment, chosen.plan, {})
        parts.append(part._replace(payloads=dict.fromkeys(part.assigned, placeholder)))
    contents = sum(len(placeholder) * len(part.payloads) for part in parts)
    return len(file_bytes(signal, parts, about)) - contents


def train(fit: Fit, checkpoint: Path, request: str, on_progress: Callable[[Progress], None] | None) -> None:
    """Trains to the end, with checkpoints written on the way and on Ctrl-C, wherever that strikes.

    Raises:
        Interrupted: After Ctrl-C.
    """
    saved = time.monotonic()
    try:
        for progress in fit:
            if on_progress is not None:
                on_progress(progress)
            if time.monotonic() - saved > CHECKPOINT_SECONDS:
                try:
                    save_checkpoint(checkpoint, request, fit.state())
                except SourceError as error:  # a full disk: the file itself is far smaller than a checkpoint
                    _LOG.warning("%s; going on without", error)
                saved = time.monotonic()
    except KeyboardInterrupt:
        save_checkpoint(checkpoint, request, fit.state())
        raise Interrupted(checkpoint) from None


def _memory_factor(chosen: Recipe | Callable[[Subject], Recipe] | None) -> float:
    """Memory of an encode in units of the decoded source, as far as it is proportional to it."""
    grids = (chosen if isinstance(chosen, Recipe) else recipe("rate")).grids
    per_pixel = grids.per_pixel if isinstance(grids, ClipGrids) else 0.0
    return 1 + per_pixel * _BYTES_PER_PARAMETER / BYTES_PER_PIXEL


def _check_memory(config: FieldConfig, name: str, jobs: int) -> None:
    needed = jobs * _BYTES_PER_PARAMETER * sum(math.prod(shape) for shape in config.shapes().values())
    free = available_memory()
    if free is not None and needed > free:
        raise SourceError(
            f"{name}: training this field needs {needed / 1e9:.1f} GB, {free / 1e9:.1f} GB are free; "
            "use fewer parameters per pixel, shorter segments (--segment) or a smaller clip"
        )
