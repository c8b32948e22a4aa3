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
from fieldpress.tensors import slices_of


@dataclass(frozen=True)
class Outline:
    """What a file says it holds, checked as far as that goes without decoding a tensor.

    Attributes:
        signal: What can be shown. A clip of which only the first pictures are there ends with them.
        segments: Those that can be decoded, in the order of time; one, unless the file holds a long clip.
        pictures: How many of each are shown, from its first: all of them, but of the last one in a file cut short.
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
    pictures: tuple[int, ...]
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
        if self.pictures[-1] < self.segments[-1].frames:
            return f"the first {self.signal.frames} of its {self.frame_count} pictures"
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
    chunks: list[list[container.Chunk]] = [[] for _ in segments]
    for chunk in contents.chunks:
        if chunk.level < shown:
            chunks[chunk.segment].append(chunk)
    begun = contents.begun
    if begun is not None:
        chunks[begun.segment].append(begun)
    there = segments[: contents.whole_segments + (begun is not None)]
    for number, segment in enumerate(there):
        with of_segment(number, contents.segments):
            _check_tensors(segment.field, chunks[number], shown)
    pictures = [segment.frames for segment in there]
    if begun is not None:
        with of_segment(begun.segment, contents.segments):
            pictures[-1] = _pictures_begun(signal, there[-1], begun)
    pictures = [count for count in pictures if count]
    if not pictures:
        raise FormatError(
            f"the file is cut short: it has {len(data)} bytes, and its first picture does not end in them"
        )
    if sum(pictures) < frame_count:
        assert isinstance(signal, Video), "nothing else has segments, or is shown in part"
        signal = signal.beginning(sum(pictures))
    return Outline(
        signal,
        segments[: len(pictures)],
        tuple(pictures),
        tuple(map(tuple, chunks[: len(pictures)])),
        about,
        shown,
        level_count,
        contents.segments,
        frame_count,
        contents.complete,
    )


def _pictures_begun(signal: Signal, segment: Segment, begun: container.Chunk) -> int:
    """How many pictures can be shown of a segment of which one chunk is not whole; 0 if all of them need all of it."""
    slices = segment.field.slices()
    if not isinstance(signal, Video) or any(slices.get(name) != segment.frames for name, _ in begun.tensors):
        return 0
    return slices_of(begun)


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
