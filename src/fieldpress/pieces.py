"""Which chunk of a clip is stored in pieces, so that a file that is cut short plays up to the cut.

Nearly all of a clip is one film, and the beginning of a film is a shorter film. So it comes last among the chunks of
its segment, behind all that its pictures need, and every so many pictures a piece ends::

    decoder | check | film: pictures 0 to 31 | check | pictures 32 to 63 | check | ... | the rest | check

A piece costs its check of 4 bytes and its length in the header, some 3 more.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from fieldpress.chunktable import MAX_PIECES
from fieldpress.compressors.base import Compressor
from fieldpress.container import Chunk
from fieldpress.segments import Segment

PICTURES = 32
"""Of a piece, or more in segments of a hundred thousand; the last one has up to twice as many, less one."""

Cutter = Callable[[Compressor, Chunk, range], tuple[int, ...]]
"""Where pieces of a chunk end, given after how many pictures that is to be."""


def cut_at_pictures(compressor: Compressor, chunk: Chunk, pictures: range) -> tuple[int, ...]:
    """In the bytes, behind so many pictures each; nowhere if they do not tell pictures apart, as if all are black."""
    cuts = compressor.cuts(chunk.data, [shape for _, shape in chunk.tensors])
    return tuple(cut.bytes for cut in cuts if cut.slices in pictures)


def cut_somewhere(compressor: Compressor, chunk: Chunk, pictures: range) -> tuple[int, ...]:
    """As often, of a chunk without content; lengths are as different from each other as those of a film."""
    del compressor
    each = len(chunk.data) // (len(pictures) + 1)
    return tuple(each * number + each * (number * number % 7) // 9 for number in range(1, len(pictures) + 1))


def in_pieces(
    chunks: Sequence[Chunk], segment: Segment, plan: Mapping[str, Compressor], cutter: Cutter = cut_at_pictures
) -> list[Chunk]:
    """The chunks of a segment, the one whose beginning shows its first pictures last, and with its cuts.

    As they are, where there is none, or not enough pictures for two pieces.

    Args:
        chunks: Of one segment.
        segment: Its pictures and its field.
        plan: Which compressor wrote the chunks of which rule.
        cutter: What finds the places.
    """
    slices = segment.field.slices()

    def is_film(chunk: Chunk) -> bool:
        timed = all(slices.get(name) == segment.frames for name, _ in chunk.tensors)
        return timed and chunk.level == 0 and plan[chunk.rule].can_cut([shape for _, shape in chunk.tensors])

    each = max(PICTURES, -(-segment.frames // MAX_PIECES))
    pictures = range(each, segment.frames - each + 1, each)
    films = [chunk for chunk in chunks if is_film(chunk)] if pictures else []
    if not films:
        return [*chunks]
    largest = max(films, key=lambda chunk: len(chunk.data))
    cuts = cutter(plan[largest.rule], largest, pictures)
    if not cuts:
        return [*chunks]
    return [*(chunk for chunk in chunks if chunk is not largest), replace(largest, cuts=cuts)]
