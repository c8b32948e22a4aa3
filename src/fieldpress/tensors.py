"""From chunks to tensors: the half of decoding that knows no fields."""

from collections.abc import Sequence

from fieldpress.compressors.base import Array, Compressor
from fieldpress.config import from_plain
from fieldpress.container import Chunk
from fieldpress.errors import ConfigError, FormatError


def decode_chunks(chunks: Sequence[Chunk]) -> dict[str, Array]:
    """The tensors of some chunks by name; a chunk is decoded given those of the same rule at coarser levels.

    Raises:
        FormatError: A compressor is none that is known, or the bytes are not what it writes; the message names the
            chunk.
    """
    tensors: dict[str, Array] = {}
    by_rule: dict[str, list[Array]] = {}
    for chunk in chunks:
        compressor = _compressor_of(chunk)
        names, shapes = zip(*chunk.tensors, strict=True)
        coarser = by_rule.setdefault(chunk.rule, [])
        try:
            arrays = compressor.decode_after(chunk.data, shapes, coarser)
        except FormatError as error:
            raise FormatError(f"chunk {chunk.name!r}: {error}") from None
        coarser += arrays
        tensors |= zip(names, arrays, strict=True)
    return tensors


def _compressor_of(chunk: Chunk) -> Compressor:
    try:
        return from_plain(Compressor, chunk.compressor, f"compressor of {chunk.name}")
    except ConfigError as error:
        raise FormatError(str(error)) from None
