"""``fieldpress decode``: a file to pictures, all or some, at any scale and rate."""

from dataclasses import dataclass
from typing import Annotated

import tyro
from tyro.conf import arg

from fieldpress.cli import flags
from fieldpress.cli.progress import counted
from fieldpress.cli.timing import view_timing
from fieldpress.errors import ConfigError


@dataclass(frozen=True)
class Decode:
    """Turn a file back into pictures.

    Example: fieldpress decode clip.fpr clip.mp4
    """

    file: Annotated[str, tyro.conf.Positional, arg(metavar="FILE")]
    """A file that fieldpress wrote."""
    out: Annotated[str, tyro.conf.Positional, arg(metavar="OUT")]
    """A .mp4, .mkv (lossless), .y4m or .png file, a folder for .png files, or - for .y4m on standard output."""
    frames: Annotated[str | None, arg(metavar="A:B[:STEP]")] = None
    """Which pictures, as Python slices them: 10:20 are 10 to 19, -5: the last five, ::2 every other one, 7 that one."""
    scale: Annotated[float, arg(metavar="S")] = 1.0
    """Output pixels per source pixel along each side."""
    time_scale: Annotated[float, arg(metavar="K")] = 1.0
    """Output pictures per source picture; above 1 shows moments between them."""
    crop: Annotated[tuple[int, int, int, int] | None, arg(metavar="X,Y,W,H")] = None
    """The part to show: left, top, width and height in source pixels."""
    device: Annotated[str, arg(metavar="auto|cpu|cuda")] = "auto"
    """Where to compute; auto takes CUDA where there is one."""
    force: bool = False
    """Replace OUT."""


def run(arguments: list[str]) -> int:
    """Decodes; returns the exit status.

    Raises:
        FieldpressError: The file does not decode, the output cannot be written, or the command line is wrong.
    """
    command = flags.parse(Decode, arguments)
    frames = slice(None) if command.frames is None else frame_range(command.frames)

    from fieldpress import container
    from fieldpress.devices import choose_device
    from fieldpress.errors import FormatError
    from fieldpress.loading import read_bytes
    from fieldpress.reading import decode, read_header
    from fieldpress.sinks import check_output, write_pictures
    from fieldpress.views import view

    check_output(command.out, force=command.force)
    device = choose_device(command.device)
    data = read_bytes(command.file)
    try:
        signal, _, _ = read_header(container.read(data).header)
        # Every complaint about the request comes before the grids are decoded.
        part = view(signal, frames, command.scale, command.time_scale, command.crop)
        count = len(part.positions)
        check_output(command.out, force=command.force, count=count)
        decoded = decode(data, device)
    except FormatError as error:
        raise FormatError(f"{command.file}: {error}") from None
    timing = view_timing(signal, part.positions)
    write_pictures(
        command.out,
        counted(decoded.pictures(part), count, "decoding"),
        count=count,
        frame_rate=timing.frame_rate,
        time_base=timing.time_base,
        timestamps=timing.timestamps,
        force=command.force,
    )
    return 0


def frame_range(text: str) -> slice:
    """The pictures that ``--frames`` names.

    Raises:
        ConfigError: It is not of the form A, A:B or A:B:STEP, or the step is not above 0.

    Example:
        >>> frame_range("-3:"), frame_range("7")
        (slice(-3, None, None), slice(7, 8, None))
    """
    try:
        parts = [int(part) if part.strip() else None for part in text.split(":")]
    except ValueError:
        parts = []
    if len(parts) == 1 and parts[0] is not None:
        return slice(parts[0], parts[0] + 1 or None)  # -1 is the last picture, and nothing comes after it
    if not 2 <= len(parts) <= 3:
        raise ConfigError(f"--frames is {text!r}; expected A:B, A:B:STEP or one number, such as 10:20, -5: or ::2")
    if len(parts) == 3 and parts[2] is not None and parts[2] < 1:
        raise ConfigError(f"--frames is {text!r}; the step is above 0")
    return slice(*parts)
