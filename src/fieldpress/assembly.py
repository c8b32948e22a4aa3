"""A file from what was trained: chunks of every segment, behind a header that says what they make."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from fieldpress import container
from fieldpress.checks import check_plan
from fieldpress.compressors.base import Compressor
from fieldpress.config import to_plain
from fieldpress.pieces import Cutter, cut_at_pictures, cut_somewhere, in_pieces
from fieldpress.presets import Recipe
from fieldpress.reading import About
from fieldpress.segments import Segment
from fieldpress.signals.base import Signal
from fieldpress.training.plan import Assigned, assign

_PLACEHOLDER_BYTES = 2**16
"""Of each chunk in a dry run: enough for the most numbers that the format allows at all."""
_LEAST_PLACEHOLDER_BYTES = 2**12
"""... where there are many segments: enough for the most that it allows in one of them."""


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


def file_bytes(signal: Signal, parts: Sequence[Part], about: About, cutter: Cutter = cut_at_pictures) -> bytes:
    """The bytes of a file, from those of its chunks.

    Args:
        signal: What it shows.
        parts: Of a clip the segments, in the order of time; one of everything else.
        about: Where it comes from.
        cutter: What finds the pieces of a film.

    Raises:
        ConfigError: A plan leaves a tensor out, or the format has no room for what is asked.
    """
    chunks: list[container.Chunk] = []
    for number, part in enumerate(parts):
        shapes, own = part.segment.field.shapes(), []
        for name, chunk in part.assigned.items():
            tensors = tuple((tensor, shapes[tensor]) for tensor in chunk.tensors)
            compressor = to_plain(part.plan[chunk.rule])
            own.append(container.Chunk(name, tensors, compressor, part.payloads[name], chunk.level, number))
        chunks += in_pieces(own, part.segment, part.plan, cutter)
    segments = [part.segment for part in parts]
    field = {"field": to_plain(segments[0].field)} if len(segments) == 1 else {"fields": to_plain(segments)}
    return container.write({"signal": to_plain(signal), **field, "about": to_plain(about)}, chunks)


def framing_bytes(signal: Signal, segments: Sequence[Segment], chosen: Recipe, about: About) -> int:
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
    return len(file_bytes(signal, parts, about, cut_somewhere)) - contents
