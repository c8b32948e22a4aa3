"""``fieldpress info``: what a file holds, and where its bytes go."""

import json
import math
from dataclasses import asdict, dataclass
from fractions import Fraction
from itertools import zip_longest
from typing import TYPE_CHECKING, Annotated, Any

import tyro
from tyro.conf import arg

from fieldpress.cli import flags
from fieldpress.cli.text import columns, duration, one_line, say
from fieldpress.config import Plain, from_plain, shown, to_plain
from fieldpress.errors import ConfigError, FormatError

if TYPE_CHECKING:
    from fieldpress.container import Contents
    from fieldpress.outline import Outline
    from fieldpress.report import ChunkSize
    from fieldpress.signals.base import Signal


@dataclass(frozen=True)
class Info:
    """Tell what a file holds, and where its bytes go.

    Example: fieldpress info clip.fpr
    """

    file: Annotated[str, tyro.conf.Positional, arg(metavar="FILE")]
    """A file that fieldpress wrote."""
    json: bool = False
    """As JSON."""


def run(arguments: list[str]) -> int:
    """Tells what a file holds; returns the exit status.

    Raises:
        FieldpressError: The file cannot be read or is none, or the command line is wrong.
    """
    command = flags.parse(Info, arguments)

    from fieldpress import container, signals
    from fieldpress.loading import read_bytes
    from fieldpress.report import chunk_sizes
    from fieldpress.signals.base import Signal
    from fieldpress.signals.radiance import Radiance
    from fieldpress.signals.shape import Shape

    assert signals.SIGNALS, "the registry that from_plain reads is filled on import"
    data = read_bytes(command.file)
    try:
        contents = container.read(data, partial=True)
        signal: Signal = from_plain(Signal, contents.header.get("signal"), "header.signal")
        sizes, ends = chunk_sizes(data, partial=True), container.level_ends(data)
        left = _what_is_left(data) if contents.shows_something and not contents.complete else None
    except (FormatError, ConfigError) as error:
        raise FormatError(f"{command.file}: {error}") from None
    bpp = 8 * len(data) / (signal if left is None else left.signal).pixels
    quality = signal.levels_psnr if isinstance(signal, Radiance | Shape) else ()
    levels = [
        {"level": number, "bytes": end, "psnr_rgb": psnr}
        for number, (end, psnr) in enumerate(zip_longest(ends, quality[: len(ends)]), 1)
    ]
    if command.json:
        about = {"bytes": len(data), "whole_bytes": ends[-1], "bpp": bpp, **contents.header}
        say(json.dumps({**about, "chunks": [asdict(size) for size in sizes], "levels": levels}, indent=2))
        return 0
    say(one_line(command.file))
    rows = _description(signal, contents)
    if not contents.complete:
        shows = "nothing to show yet" if left is None else left.left
        rows.append(["cut short", f"{len(data):,} of {ends[-1]:,} bytes are there, {shows}"])
    say(columns(rows))
    say("")
    say(columns(_size_table(sizes, ends[-1]), right=[1, 2]))
    if len(levels) > 1:
        say("")
        say(columns(_level_table(levels), right=[0, 1, 2, 3]))
    say(f"\n  {bpp:.4f} bits per pixel")
    return 0


def _description(signal: "Signal", contents: "Contents") -> list[list[str]]:
    """What the file holds and where it comes from. The header may say anything, so nothing of it is shown as it is."""
    numbers = sum(math.prod(shape) for chunk in contents.chunks for _, shape in chunk.tensors)
    field, about = contents.header.get("field"), contents.header.get("about")
    fields = contents.header.get("fields")
    if isinstance(fields, list) and fields and isinstance(fields[0], dict):
        field = fields[0].get("field")
    decoder = field.get("decoder") if isinstance(field, dict) else None
    rows = [["holds", _pictures(signal)], ["field", f"{numbers:,} numbers, decoder {_plain_part(decoder)}"]]
    if contents.segments > 1:
        rows.append(["cut into", f"{contents.segments} segments, each with a field of its own"])
    if isinstance(about, dict):
        told = [name for name in about if name != "steps" or about[name] != 0]  # a head that is found takes none
        rows.append(["made by", ", ".join(f"{name} {shown(about[name]).strip(chr(39))}" for name in told)])
    return [[label, one_line(text)] for label, text in rows]


def _what_is_left(data: bytes) -> "Outline":
    """Of a file that is cut short."""
    from fieldpress.outline import outline  # loads torch, which takes longer than all else here

    return outline(data)


def _pictures(signal: "Signal") -> str:
    size = f"{signal.width} x {signal.height}"
    plain = to_plain(signal)
    if plain["id"] == "image":
        return f"an image of {size}"
    if plain["id"] == "radiance":
        return f"a scene seen by {_cameras(plain)}, {signal.pixels:,} pixels in the source"
    if plain["id"] == "shape":
        return f"a shape seen by {signal.frames} camera{'s' if signal.frames > 1 else ''} of {size}"
    rate = Fraction(*plain["frame_rate"])
    times = " on average" if plain["timestamps"] is not None else ""
    length = duration(float(signal.frames / rate))
    return f"a video of {signal.frames} pictures of {size}, {float(rate):.6g} a second{times}, {length} long"


def _cameras(scene: dict[str, Plain]) -> str:
    """How many cameras a scene in plain data has, and the sizes of their pictures."""
    used = sorted({stand["lens"] for stand in scene["stands"]})
    sizes = sorted({(lens["width"], lens["height"]) for lens in (scene["lenses"][index] for index in used)})
    count = f"{len(scene['stands'])} camera{'s' if len(scene['stands']) > 1 else ''}"
    smallest, largest = (f"{width} x {height}" for width, height in (sizes[0], sizes[-1]))
    return f"{count} of {smallest}" if len(sizes) == 1 else f"{count} of {smallest} to {largest}"


def _plain_part(part: Plain) -> str:
    """A part in plain data, in words: ``mlp, width 24, depth 2``."""
    if not isinstance(part, dict):
        return shown(part)
    return ", ".join(str(value) if name == "id" else f"{name} {shown(value)}" for name, value in part.items())


def _size_table(sizes: "tuple[ChunkSize, ...]", total: int) -> list[list[str]]:
    rows = [["part", "bytes", "share", "compressor"]]
    for size in sizes:
        rows.append([size.name, f"{size.bytes:,}", f"{size.bytes / total:.1%}", one_line(size.compressor or "")])
    return [*rows, ["whole file", f"{total:,}", "100.0%", ""]]


def _level_table(levels: list[dict[str, Any]]) -> list[list[str]]:
    """What each level takes with all coarser ones, and what they are worth together."""
    total = levels[-1]["bytes"]
    rows = [["level", "bytes up to it", "share", "PSNR held out"]]
    for level in levels:
        psnr = "?" if level["psnr_rgb"] is None else f"{level['psnr_rgb']:.2f} dB"
        rows.append([f"{level['level']}", f"{level['bytes']:,}", f"{level['bytes'] / total:.1%}", psnr])
    return rows
