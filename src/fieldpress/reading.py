"""From bytes to pictures.

::

    bytes ── container ── outline ─┬─ chunks ── tensors ─┐
                                   └─ description ───────┴─ field ── decoded ── pictures

The two halves of decoding are independent: one turns chunks into tensors and knows no fields; the other builds the
field and renders, and knows no files. Neither needs the source, nor any code that trains.
"""

import os
from functools import partial

from fieldpress.arguments import argument
from fieldpress.config import shown
from fieldpress.decoded import Decoded
from fieldpress.description import About
from fieldpress.devices import choose_device
from fieldpress.errors import ConfigError, FormatError
from fieldpress.field import Field
from fieldpress.loading import read_bytes
from fieldpress.outline import Outline, of_segment, outline
from fieldpress.segments import SegmentedField
from fieldpress.tensors import decode_chunks

__all__ = ["About", "Decoded", "decode", "open_file"]


def open_file(
    source: str | os.PathLike[str] | bytes | bytearray | memoryview, device: str = "cpu", levels: int | None = None
) -> Decoded:
    """Decodes a file, or its bytes, up to the field; pictures are rendered when asked for.

    Args:
        source: A path, or the bytes of a file.
        device: Where the field computes: ``"cpu"``, ``"cuda"`` or ``"auto"``.
        levels: Decode so many levels only, the coarsest first; all that are there if None. A file that is cut short
            still has those that are whole; a clip without a whole one still has its first pictures.

    Raises:
        ConfigError: There is no such device here.
        SourceError: The file cannot be read.
        FormatError: The bytes are not a fieldpress file, are damaged, or are of a later version.
    """
    device, levels = argument("device", str, device), argument("levels", int | None, levels)
    if not isinstance(source, str | os.PathLike | bytes | bytearray | memoryview):
        raise ConfigError(f"source is {shown(source)}; expected a path, or the bytes of a file")
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
    if found.segment_count == 1 and found.pictures[0] == found.segments[0].frames:
        field = _decode_segment(found, 0)
    else:
        load = partial(_decode_segment, found)
        field = SegmentedField(found.segments, load, found.levels, found.pictures)
    return Decoded(found.signal, field, found.about, device, found.levels)


def _decode_segment(found: Outline, number: int) -> Field:
    """The field of one segment, with all levels that are to be shown."""
    with of_segment(number, found.segment_count):
        config = found.segments[number].field
        field = config.build(decode_chunks(found.chunks[number], config.places))
        field.show_levels(found.levels)
        try:
            field.check()
        except ValueError as error:
            raise FormatError(str(error)) from None
    return field
