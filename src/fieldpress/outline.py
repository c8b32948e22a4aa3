"""What a file holds as far as it is there, checked as far as that goes without decoding a tensor."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from fieldpress import container
from fieldpress.description import About, read_header
from fieldpress.errors import ConfigError, FormatError
from fieldpress.field import FieldConfig
from fieldpress.segments import Segment
from fieldpress.signals import Video
from fieldpress.signals.base import Signal


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
        frame_count: How many pictures the whole file shows.
        complete: Whether the file is whole.
    """

    signal: Signal
    segments: tuple[Segment, ...]
    chunks: tuple[tuple[container.Chunk, ...], ...]
    about: About
    levels: int
    level_count: int
    segment_count: int
    frame_count: int
    complete: bool

    @property
    def left(self) -> str:
        """What can be shown, in words, if the file is cut short."""
        if len(self.segments) < self.segment_count:
            whole = f"{len(self.segments)} of its {self.segment_count} segments"
            return f"the first {self.signal.frames} pictures, {whole}"
        return f"{self.levels} of its {self.level_count} levels"


def outline(data: bytes | memoryview, levels: int | None = None) -> Outline:
    """What these bytes hold, as far as they are there.

    Args:
        data: Of a file, which may be cut short.
        levels: Decode so many levels only; all that are there if None.

    Raises:
        FormatError: They are no file, or damaged, or too little of one, or contradict themselves.
        ConfigError: The file has not so many levels.
    """
    contents = container.read_showable(data)
    signal, segments, about = read_header(contents.header)
    if len(segments) != contents.segments:
        raise FormatError(f"the header describes {len(segments)} fields; the file has {contents.segments} segments")
    level_count = max(segment.field.level_count for segment in segments)
    if levels is not None and not 1 <= levels <= level_count:
        raise ConfigError(f"--levels is {levels}; the file has {level_count}")
    frame_count = signal.frames
    shown = min(levels or level_count, max(1, contents.levels))
    if contents.whole_segments < len(segments):
        segments = segments[: contents.whole_segments]
        assert isinstance(signal, Video), "nothing else has segments"
        signal = signal.beginning(sum(segment.frames for segment in segments))
    chunks: list[list[container.Chunk]] = [[] for _ in segments]
    for chunk in contents.chunks:
        if chunk.level < shown and chunk.segment < len(segments):
            chunks[chunk.segment].append(chunk)
    for number, (segment, own) in enumerate(zip(segments, chunks, strict=True)):
        with of_segment(number, contents.segments):
            _check_tensors(segment.field, own, shown)
    return Outline(
        signal,
        segments,
        tuple(map(tuple, chunks)),
        about,
        shown,
        level_count,
        contents.segments,
        frame_count,
        contents.complete,
    )


def _check_tensors(config: FieldConfig, chunks: Sequence[container.Chunk], levels: int) -> None:
    """The chunks have to hold what the field consists of before either allocates: a header may claim any size."""
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


@contextmanager
def of_segment(number: int, count: int) -> Iterator[None]:
    """Where there are several segments, complaints say which."""
    try:
        yield
    except FormatError as error:
        raise error if count == 1 else FormatError(f"segment {number}: {error}") from None
