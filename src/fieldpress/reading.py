"""From bytes to pictures: the two independent halves of decoding.

Half one turns chunks into tensors and knows no fields; half two builds the field and renders, and knows no files.
Neither needs the source, nor any code that trains.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, overload

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from fieldpress import container
from fieldpress.compressors import COMPRESSORS
from fieldpress.compressors.base import Array, Compressor, Shape
from fieldpress.config import Plain, from_plain
from fieldpress.decoders import DECODERS, DistanceMlp, RadianceMlp
from fieldpress.devices import choose_device
from fieldpress.encodings import ENCODINGS, Octree
from fieldpress.errors import ConfigError, FormatError
from fieldpress.field import Field, FieldConfig, Points
from fieldpress.loading import read_bytes
from fieldpress.pictures import Pictures, to_bytes
from fieldpress.segments import Segment, SegmentedField
from fieldpress.signals import SIGNALS, Radiance, Video
from fieldpress.signals.base import Signal
from fieldpress.signals.shape import Shape as ShapeSignal
from fieldpress.views import places_at_once, view

_REGISTRIES = (COMPRESSORS, DECODERS, ENCODINGS, SIGNALS)  # importing them is what lets from_plain read a header


@dataclass(frozen=True)
class About:
    """Where a file comes from."""

    preset: str
    seed: int
    steps: int
    device: str
    """Where it was trained: cpu or cuda."""


class Decoded(Sequence[NDArray[np.uint8]]):
    """A decoded file: a sequence of pictures, each rendered when asked for, and the field itself.

    Attributes:
        signal: What the file shows.
        field: The field, for any coordinates; see :class:`~fieldpress.field.Field`. That of a long clip is a
            :class:`~fieldpress.segments.SegmentedField`, which decodes what it is asked for.
        about: Where the file comes from.
        levels: How many levels were decoded, the coarsest first.

    Example:
        >>> clip = fieldpress.open("clip.fpr")          # doctest: +SKIP
        >>> clip[17].shape                              # doctest: +SKIP
        (180, 320, 3)
    """

    def __init__(self, signal: Signal, field: Field, about: About, device: str = "cpu", levels: int = 1) -> None:
        self.signal = signal
        self.field = field.to(device).eval().requires_grad_(False)
        self.about = about
        self.device = device
        self.levels = levels

    def __len__(self) -> int:
        return self.signal.frames

    @overload
    def __getitem__(self, index: int) -> NDArray[np.uint8]: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[NDArray[np.uint8]]: ...
    def __getitem__(self, index: int | slice) -> Any:
        """Picture ``index`` as uint8 (height, width, 3), or a list of them for a slice."""
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        position = range(len(self))[index]
        return next(self.pictures(self.view(slice(position, position + 1))))

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        return self.pictures(self.view())

    def view(
        self,
        frames: slice = slice(None),
        scale: float = 1.0,
        time_scale: float = 1.0,
        crop: tuple[int, int, int, int] | None = None,
    ) -> Pictures:
        """A part of the signal at any scale and rate; see :func:`fieldpress.views.view`."""
        return view(self.signal, frames, scale, time_scale, crop)

    def pictures(self, part: Pictures) -> Iterator[NDArray[np.uint8]]:
        """The pictures of a view, each uint8 (height, width, 3), rendered as they are asked for."""
        return (picture.numpy() for picture in part.render(self.field, self.device))

    def render(self, t: ArrayLike, y: ArrayLike, x: ArrayLike) -> NDArray[np.uint8]:
        """Colours at any places.

        Args:
            t: Times in [0, 1]; picture ``i`` of ``n`` is at ``(i + 0.5) / n``.
            y: Rows in [0, 1], top to bottom; pixel centres likewise.
            x: Columns in [0, 1], left to right. The three broadcast against each other.

        Returns:
            uint8 (*shape, 3).

        Raises:
            ConfigError: The shapes do not broadcast, a coordinate is not a number in [0, 1], or the file holds a scene
                or a shape, whose colours depend on who looks.
        """
        if isinstance(self.signal, Radiance | ShapeSignal):
            kind = "scene" if isinstance(self.signal, Radiance) else "shape"
            raise ConfigError(f"render: a {kind} has no colour at a place, only from a camera; ask for its pictures")
        try:
            places = np.stack(np.broadcast_arrays(*(np.asarray(axis, np.float32) for axis in (t, y, x))), -1)
        except (ValueError, TypeError) as error:
            raise ConfigError(f"render: t, y and x do not broadcast against each other: {error}") from None
        if not ((places >= 0) & (places <= 1)).all():
            raise ConfigError("render: coordinates lie in [0, 1]")
        colours = np.empty((places.size // 3, 3), np.uint8)
        with torch.inference_mode():
            count = places_at_once(self.field)
            for first in range(0, len(colours), count):
                part = torch.from_numpy(places.reshape(-1, 3)[first : first + count]).to(self.device)
                colours[first : first + count] = to_bytes(self.field(Points(part))).cpu().numpy()
        return colours.reshape(places.shape)


def open_file(
    source: str | os.PathLike[str] | bytes | bytearray | memoryview, device: str = "cpu", levels: int | None = None
) -> Decoded:
    """Decodes a file, or its bytes, up to the field; pictures are rendered when asked for.

    Args:
        source: A path, or the bytes of a file.
        device: Where the field computes: ``"cpu"``, ``"cuda"`` or ``"auto"``.
        levels: Decode so many levels only, the coarsest first; all that are there if None. A file that is cut short
            still has those that are whole; a long clip without a whole one still has its first segments.

    Raises:
        ConfigError: There is no such device here.
        SourceError: The file cannot be read.
        FormatError: The bytes are not a fieldpress file, are damaged, or are of a later version.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        return decode(memoryview(source), device, levels)
    try:
        return decode(read_bytes(source), device, levels)
    except FormatError as error:
        raise FormatError(f"{os.fspath(source)}: {error}") from None


def decode(data: bytes | memoryview, device: str = "cpu", levels: int | None = None) -> Decoded:
    """The decoded file of these bytes; see :func:`open_file`."""
    device = choose_device(device)
    found = outline(data, levels)
    if found.segment_count == 1:
        field = _decode_segment(found, 0)
    else:
        field = SegmentedField(found.segments, lambda number: _decode_segment(found, number), found.levels)
    return Decoded(found.signal, field, found.about, device, found.levels)


@dataclass(frozen=True)
class Outline:
    """What a file says it holds, checked as far as that goes without decoding a tensor.

    Attributes:
        signal: What can be shown. A clip of which only the first segments are there ends with them.
        segments: Those that can be decoded, in the order of time; one, unless the file holds a long clip.
        chunks: Of each of these, up to the levels asked for.
        about: Where the file comes from.
        levels: How many will be decoded.
        level_count: How many the whole file has.
        segment_count: How many segments the whole file has.
        complete: Whether the file is whole.
    """

    signal: Signal
    segments: tuple[Segment, ...]
    chunks: tuple[tuple[container.Chunk, ...], ...]
    about: About
    levels: int
    level_count: int
    segment_count: int
    complete: bool


def outline(data: bytes | memoryview, levels: int | None = None) -> Outline:
    """What these bytes hold, as far as they are there.

    Args:
        data: Of a file, which may be cut short.
        levels: Decode so many levels only; all that are there if None.

    Raises:
        FormatError: They are no file, or damaged, or too little of one, or contradict themselves.
        ConfigError: The file has not so many levels.
    """
    contents = container.read(data, partial=True)
    if not contents.whole_segments:
        container.read(data)  # says how much is missing
    signal, segments, about = read_header(contents.header)
    if len(segments) != contents.segments:
        raise FormatError(f"the header describes {len(segments)} fields; the file has {contents.segments} segments")
    level_count = max(segment.field.level_count for segment in segments)
    if levels is not None and not 1 <= levels <= level_count:
        raise ConfigError(f"--levels is {levels}; the file has {level_count}")
    shown = min(levels or level_count, max(1, contents.levels))
    if contents.whole_segments < len(segments):
        segments = segments[: contents.whole_segments]
        signal = _shortened(signal, sum(segment.frames for segment in segments))
    chunks: list[list[container.Chunk]] = [[] for _ in segments]
    for chunk in contents.chunks:
        if chunk.level < shown and chunk.segment < len(segments):
            chunks[chunk.segment].append(chunk)
    for number, (segment, own) in enumerate(zip(segments, chunks, strict=True)):
        with _of_segment(number, contents.segments):
            _check_tensors(segment.field, own, shown)
    return Outline(
        signal,
        segments,
        tuple(map(tuple, chunks)),
        about,
        shown,
        level_count,
        contents.segments,
        contents.complete,
    )


def _decode_segment(found: Outline, number: int) -> Field:
    """The field of one segment, with all levels that are to be shown."""
    with _of_segment(number, found.segment_count):
        field = found.segments[number].field.build(decode_chunks(found.chunks[number]))
        field.show_levels(found.levels)
        try:
            field.check()
        except ValueError as error:
            raise FormatError(str(error)) from None
    return field


def _check_tensors(config: FieldConfig, chunks: Sequence[container.Chunk], levels: int) -> None:
    """Half two has to agree with half one before either allocates: a header may claim any size."""
    of_level = config.tensor_levels()
    expected = {name: shape for name, shape in config.shapes().items() if of_level.get(name, 0) < levels}
    found = {name: shape for chunk in chunks for name, shape in chunk.tensors}
    if found != expected:
        name = next(name for name in {**expected, **found} if expected.get(name) != found.get(name))
        raise FormatError(
            f"tensor {name!r} has shape {found.get(name)} in the chunks and {expected.get(name)} in the field"
        )
    for chunk in chunks:
        for name, _ in chunk.tensors:
            if of_level.get(name, 0) != chunk.level:
                raise FormatError(f"tensor {name!r} is of level {of_level.get(name, 0)}, its chunk of {chunk.level}")


def _shortened(signal: Signal, frames: int) -> Signal:
    """The first pictures of a clip."""
    assert isinstance(signal, Video), "nothing else has segments"
    return replace(signal, frames=frames, timestamps=signal.timestamps and signal.timestamps[:frames])


@contextmanager
def _of_segment(number: int, count: int) -> Iterator[None]:
    """Where there are several segments, complaints say which."""
    try:
        yield
    except FormatError as error:
        raise error if count == 1 else FormatError(f"segment {number}: {error}") from None


def decode_chunks(chunks: Sequence[container.Chunk]) -> dict[str, Array]:
    """The tensors of some chunks by name; a chunk is decoded given those of the same rule at coarser levels."""
    tensors: dict[str, Array] = {}
    by_rule: dict[str, list[Array]] = {}
    for chunk in chunks:
        compressor: Compressor = _config(Compressor, chunk.compressor, f"compressor of {chunk.name}")
        names, shapes = zip(*chunk.tensors, strict=True)
        coarser = by_rule.setdefault(chunk.rule, [])
        arrays = decode_chunk(compressor, chunk.data, shapes, chunk.name, coarser)
        coarser += arrays
        tensors |= zip(names, arrays, strict=True)
    return tensors


def decode_chunk(
    compressor: Compressor, data: bytes, shapes: Sequence[Shape], name: str, coarser: Sequence[Array] = ()
) -> list[Array]:
    """The tensors of one chunk, given those of its rule at coarser levels.

    Raises:
        FormatError: The bytes are not what the compressor writes; the message names the chunk.
    """
    try:
        return compressor.decode_after(data, shapes, coarser)
    except FormatError as error:
        raise FormatError(f"chunk {name!r}: {error}") from None


def read_header(header: dict[str, Plain]) -> tuple[Signal, tuple[Segment, ...], About]:
    """The signal, the fields that show it one after the other, usually one, and the provenance that a header states.

    Raises:
        FormatError: A key is missing or unknown, a value is out of range, or they do not suit each other.
    """
    key = "fields" if "fields" in header else "field"
    if set(header) != {"signal", key, "about"}:
        raise FormatError(
            f"the header has the keys {', '.join(map(repr, sorted(header)))}; expected signal, field or fields, and "
            "about"
        )
    signal: Signal = _config(Signal, header["signal"], "header.signal")
    if key == "field":
        segments = (Segment(signal.frames, _config(FieldConfig, header["field"], "header.field")),)
    else:
        segments = _config(tuple[Segment, ...], header["fields"], "header.fields")
        _check_lengths(signal, segments)
    for segment in segments:
        check_suits(signal, segment.field)
    return signal, segments, _config(About, header["about"], "header.about")


def _check_lengths(signal: Signal, segments: Sequence[Segment]) -> None:
    if not isinstance(signal, Video):
        raise FormatError(f"a signal of the kind {signal.id!r} has several fields; only video may")
    if len(segments) < 2:
        raise FormatError(f"header.fields has {len(segments)} items; expected two or more, or header.field")
    frames = sum(segment.frames for segment in segments)
    if frames != signal.frames:
        raise FormatError(f"the segments have {frames} pictures in all, the signal {signal.frames}")


def check_suits(signal: Signal, config: FieldConfig) -> None:
    """Refuses a field that cannot show a signal.

    Raises:
        FormatError: A scene or a shape without its kind of decoder or an octree, or anything else with such a decoder.
    """
    for kind, decoder in ((Radiance, RadianceMlp), (ShapeSignal, DistanceMlp)):
        if isinstance(signal, kind) != isinstance(config.decoder, decoder):
            raise FormatError(f"the decoder {config.decoder.id!r} is not for a signal of the kind {signal.id!r}")
    is_in_space = isinstance(signal, Radiance | ShapeSignal)
    if is_in_space and not any(isinstance(encoding, Octree) for encoding in config.encodings.values()):
        raise FormatError(f"a {signal.id} signal needs an octree that says what is empty; the field has none")


def _config(kind: Any, plain: Plain, where: str) -> Any:
    try:
        return from_plain(kind, plain, where)
    except ConfigError as error:
        raise FormatError(str(error)) from None
