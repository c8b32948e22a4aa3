"""From a source to a file: read, fit, write, decode again, report."""

import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from fieldpress import container
from fieldpress.aiming import Preset, encode_to_psnr
from fieldpress.assembly import Part, file_bytes, framing_bytes
from fieldpress.checks import check_arguments, check_memory, check_name, check_target, memory_factor
from fieldpress.config import shown, to_plain
from fieldpress.devices import choose_device
from fieldpress.errors import ConfigError, FormatError
from fieldpress.loading import read_bytes
from fieldpress.metrics import Quality
from fieldpress.outline import outline
from fieldpress.presets import Recipe, recipe
from fieldpress.reading import About, decode
from fieldpress.report import Report, measure
from fieldpress.request import Request
from fieldpress.saving import check_source, save
from fieldpress.segment_jobs import fit_segments, remove
from fieldpress.segments import Segment
from fieldpress.signals.radiance import Radiance
from fieldpress.signals.shape import Shape
from fieldpress.subjects import Clip, Subject, load_subject
from fieldpress.training.checkpoint import checkpoint_path, fingerprint, load_checkpoint
from fieldpress.training.chunks import Target
from fieldpress.training.config import Budget
from fieldpress.training.loop import Progress
from fieldpress.training.running import Interrupted, train
from fieldpress.training.segmented import SegmentedFit
from fieldpress.training.steering import TOLERANCE

_LOG = logging.getLogger("fieldpress")


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
    psnr: float | None = None,
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
        quality: 0 (best) to 51, as the constant rate factors of x264; the preset's own if None.
        psnr: RGB PSNR of the finished file in dB: up to seven qualities are tried, and the coarsest that is good enough
            is kept, at most 0.1 dB better than asked for where the scale is that fine. ``minutes`` are of all tries
            together.
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
    request = Request(
        minutes=minutes, steps=steps, bpp=bpp, size=size, quality=quality, psnr=psnr, seed=seed, device=device,
        resume=resume, force=force, segment=segment, jobs=jobs,
    )  # fmt: skip
    check_arguments(source, out, preset, on_progress)
    out = Path(out)
    check_target(out, force)
    check_source(source, out)
    check_name(out)
    request = replace(request, device=choose_device(request.device))
    named = recipe(preset) if isinstance(preset, str) else preset
    once = partial(_encode_once, source, on_progress)
    return once(out, named, request) if request.psnr is None else encode_to_psnr(once, out, named, request)


def _encode_once(
    source: str | os.PathLike[str],
    on_progress: Callable[[Progress], None] | None,
    out: Path,
    preset: Preset,
    request: Request,
) -> Report:
    """An encode whose quality is not searched for."""
    seed, device, segment, resume = request.seed, request.device, request.segment, request.resume
    likely = preset if isinstance(preset, Recipe) else recipe("rate")
    likely = likely if segment is None else replace(likely, segment=segment)
    subject = load_subject(source, force=request.force, memory_factor=memory_factor(likely), into=likely.cut)
    if segment and not isinstance(subject, Clip):
        raise ConfigError(f"--segment cuts videos; {subject.name} is none")
    started = time.monotonic()
    chosen = preset if isinstance(preset, Recipe) else (preset or default_recipe)(subject)
    if not isinstance(chosen, Recipe):
        raise ConfigError(f"the function for preset gave {shown(chosen)}; expected a recipe")
    chosen = chosen if segment is None else replace(chosen, segment=segment)
    chosen = chosen if request.quality is None else chosen.at_quality(request.quality)
    budget = request.budget or Budget(minutes=chosen.minutes)
    segments = subject.segments_for(chosen)
    jobs = min(request.jobs, len(segments))
    check_memory(subject, chosen, jobs)
    # A dry run: whatever the compressors or the format refuse, they refuse now.
    framing = framing_bytes(subject.signal, segments, chosen, About(chosen.name, seed, 0, device))
    target = None
    if request.bpp is not None or request.size is not None:
        chosen.check_steering()
        bits = 8.0 * request.size if request.size is not None else (request.bpp or 0) * subject.signal.pixels
        target = Target(bits, 8.0 * framing)

    torch.manual_seed(seed)
    fit = subject.fit(chosen, budget, seed, device, target)
    checkpoint = checkpoint_path(out)
    asked = fingerprint(
        [
            to_plain(subject.signal),
            to_plain(segments),
            to_plain(chosen),
            to_plain(budget),
            request.bpp,
            request.size,
            seed,
            device,
            subject.digest(),
        ]
    )
    if jobs > 1 and isinstance(fit, SegmentedFit):
        try:
            fit.done = fit_segments(replace(fit.segments, jobs=jobs), jobs, checkpoint, asked, resume, on_progress)
        except KeyboardInterrupt:
            raise Interrupted(checkpoint) from None
    else:
        if checkpoint.is_dir():
            if resume:
                raise ConfigError(f"{checkpoint}: the checkpoint is of a run with --jobs; resume with it")
            remove(checkpoint)
        if resume and checkpoint.exists():
            fit.load_state(load_checkpoint(checkpoint, asked))
        train(fit, checkpoint, asked, on_progress)

    about = About(chosen.name, seed, fit.steps, torch.device(device).type)
    parts = [
        Part(Segment(planned.frames, fitted.config), {**chosen.plan, **fitted.rules}, fitted.payloads)
        for planned, fitted in zip(segments, fit.fitted, strict=True)
    ]
    data = file_bytes(subject.signal, parts, about)
    del fit, parts  # what was fitted: the file is measured in its place, not beside it
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


def default_recipe(subject: Subject) -> Recipe:
    """What a newcomer should get for this source."""
    return subject.default_preset


def evaluate(path: str | os.PathLike[str], source: str | os.PathLike[str], device: str = "auto") -> Report:
    """Quality of a file's decoded pictures against a source of the same size.

    A file that is cut short is measured as far as it goes: its levels that are whole, or its first pictures against the
    first ones of the source. The report then has as many ``frames``, and its ``bpp`` is over these.

    Raises:
        FormatError: The file does not decode.
        SourceError: The source cannot be read.
        ConfigError: The source's pictures differ in number or size from the file's.
    """
    device = choose_device(device)
    data = read_bytes(path)
    with _named(path):
        found = outline(data)
    signal, subject = found.signal, load_subject(source)
    if any(isinstance(signal, kind) != isinstance(subject.signal, kind) for kind in (Radiance, Shape)):
        raise ConfigError(f"{subject.name} and the file are not of one kind; evaluate against the file's own source")
    source_size = (subject.signal.frames, subject.signal.height, subject.signal.width)
    size = (found.frame_count, signal.height, signal.width)
    if source_size != size:
        texts = [f"{f} pictures of {w} x {h}" for f, h, w in (source_size, size)]
        raise ConfigError(f"{subject.name} has {texts[0]}, the file {texts[1]}; evaluate against its own source")
    if signal.frames < found.frame_count:
        assert isinstance(subject, Clip), "nothing else is cut into segments"
        subject = subject.beginning(signal.frames)
    with _named(path):
        return measure(data, subject, device, None)


@contextmanager
def _named(path: str | os.PathLike[str]) -> Iterator[None]:
    """Complaints about the bytes of a file name it."""
    try:
        yield
    except FormatError as error:
        raise FormatError(f"{os.fspath(path)}: {error}") from None
