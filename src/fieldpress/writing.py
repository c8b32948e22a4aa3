"""From a source to a file: read, fit, write, decode again, report."""

import logging
import math
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import torch

from fieldpress import container
from fieldpress.config import MAX_INTEGER, to_plain
from fieldpress.devices import choose_device
from fieldpress.errors import ConfigError, SourceError
from fieldpress.field import FieldConfig
from fieldpress.grids import ClipGrids
from fieldpress.loading import read_bytes
from fieldpress.metrics import Quality
from fieldpress.presets import Recipe, recipe
from fieldpress.reading import About, decode, open_file
from fieldpress.report import Report, measure
from fieldpress.saving import save
from fieldpress.signals.base import Signal
from fieldpress.signals.radiance import Radiance
from fieldpress.signals.shape import Shape
from fieldpress.sources.memory import BYTES_PER_PIXEL, available_memory
from fieldpress.subjects import Subject, load_subject
from fieldpress.training.checkpoint import checkpoint_path, fingerprint, load_checkpoint, save_checkpoint
from fieldpress.training.config import Budget
from fieldpress.training.fit import Fit
from fieldpress.training.loop import Progress, Target
from fieldpress.training.plan import assign
from fieldpress.training.steering import TOLERANCE

_LOG = logging.getLogger("fieldpress")

CHECKPOINT_SECONDS = 15.0
"""Between checkpoints. With the step in hand and the writing itself, a kill loses less than 30 s of work."""
_PLACEHOLDER_BYTES = 2**16
"""Of each chunk in a dry run: enough for the most numbers that the format allows at all."""
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
    seed: int = 0,
    device: str = "auto",
    resume: bool = False,
    force: bool = False,
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
        seed: Of everything random.
        device: ``auto``, ``cpu`` or ``cuda``.
        resume: Go on from the checkpoint an interrupted run left beside ``out``, if there is one.
        force: Replace ``out``; use the good frames of a damaged source.
        on_progress: Called after every training step.

    Returns:
        The figures of the finished file, decoded again from its bytes.

    Raises:
        SourceError: The source cannot be read or the output not written.
        ConfigError: The request is impossible. Both come before any training.
    """
    out = Path(out)
    check_target(out, force)
    if out.exists() and os.path.exists(source) and os.path.samefile(source, out):
        raise SourceError(f"{out}: is the source itself; name another output")
    device = choose_device(device)
    named = recipe(preset) if isinstance(preset, str) else preset
    if minutes is not None and steps is not None:
        raise ConfigError("give --minutes or --steps, not both")
    if not 0 <= seed <= MAX_INTEGER:
        raise ConfigError(f"--seed is {seed}; expected 0 to 2**53")
    _check_size(bpp, size)
    asked = Budget(minutes, steps) if minutes is not None or steps is not None else None
    subject = load_subject(source, force=force, memory_factor=_memory_factor(named))
    started = time.monotonic()
    chosen = named if isinstance(named, Recipe) else (named or default_recipe)(subject)
    budget = asked or Budget(minutes=chosen.minutes)
    config = subject.plan_for(chosen)
    _check_memory(config, subject.name)
    # A dry run: whatever the compressors or the format refuse, they refuse now.
    check_plan(chosen, config)
    placeholders = dict.fromkeys(
        assign(chosen.plan, config.shapes(), config.tensor_levels()), bytes(_PLACEHOLDER_BYTES)
    )
    dry = file_bytes(subject.signal, config, chosen, placeholders, About(chosen.name, seed, 0, device))
    target = None
    if bpp is not None or size is not None:
        bits = 8.0 * size if size is not None else (bpp or 0) * subject.signal.pixels
        target = Target(bits, 8.0 * (len(dry) - sum(map(len, placeholders.values()))))

    torch.manual_seed(seed)
    fit = subject.fit(chosen, budget, seed, device, target)
    checkpoint = checkpoint_path(out)
    request = fingerprint(
        [
            to_plain(subject.signal),
            to_plain(config),
            to_plain(chosen),
            to_plain(budget),
            bpp,
            size,
            seed,
            device,
            subject.digest(),
        ]
    )
    if resume and checkpoint.exists():
        fit.load_state(load_checkpoint(checkpoint, request))
    _train(fit, checkpoint, request, on_progress)
    trainer = fit.trainer
    assert trainer is not None, "a fit ends with a trainer"

    about = About(chosen.name, seed, fit.steps, torch.device(device).type)
    written = replace(chosen, plan={**chosen.plan, **trainer.rules})
    data = file_bytes(subject.signal, fit.config, written, trainer.payloads, about)
    data = with_level_figures(data, subject, device)
    if target is not None and abs(8 * len(data) / target.bits - 1) > TOLERANCE:
        _LOG.warning("%s has %d bytes, not the %.0f asked for", out, len(data), target.bits / 8)
    save(out, data)
    encode_seconds = time.monotonic() - started
    checkpoint.unlink(missing_ok=True)
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


def _check_size(bpp: float | None, size: int | None) -> None:
    if bpp is not None and size is not None:
        raise ConfigError("give --bpp or --size, not both")
    if bpp is not None and not 0 < bpp < math.inf:
        raise ConfigError(f"--bpp is {bpp:g}; expected a number above 0")
    if size is not None and not 0 < size <= MAX_INTEGER:
        raise ConfigError(f"--size is {size} bytes; expected a whole number above 0")


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


def file_bytes(
    signal: Signal, config: FieldConfig, chosen: Recipe, payloads: Mapping[str, bytes], about: About
) -> bytes:
    """The bytes of a file, from those of its chunks.

    Raises:
        ConfigError: The plan leaves a tensor out, or the format has no room for what is asked.
    """
    shapes = config.shapes()
    chunks = [
        container.Chunk(
            name,
            tuple((tensor, shapes[tensor]) for tensor in chunk.tensors),
            to_plain(chosen.plan[chunk.rule]),
            payloads[name],
            chunk.level,
        )
        for name, chunk in assign(chosen.plan, shapes, config.tensor_levels()).items()
    ]
    header = {"signal": to_plain(signal), "field": to_plain(config), "about": to_plain(about)}
    return container.write(header, chunks)


def _train(fit: Fit, checkpoint: Path, request: str, on_progress: Callable[[Progress], None] | None) -> None:
    """Trains to the end, with checkpoints written on the way and on Ctrl-C, wherever that strikes."""
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
    grids = (chosen if isinstance(chosen, Recipe) else recipe("nvp-fit")).grids
    per_pixel = grids.per_pixel if isinstance(grids, ClipGrids) else 0.0
    return 1 + per_pixel * _BYTES_PER_PARAMETER / BYTES_PER_PIXEL


def _check_memory(config: FieldConfig, name: str) -> None:
    needed = _BYTES_PER_PARAMETER * sum(math.prod(shape) for shape in config.shapes().values())
    free = available_memory()
    if free is not None and needed > free:
        raise SourceError(
            f"{name}: training this field needs {needed / 1e9:.1f} GB, {free / 1e9:.1f} GB are free; "
            "use fewer parameters per pixel or a smaller clip"
        )
