"""``fieldpress decode``: a file to pictures, all or some, at any scale and rate."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from tyro.conf import arg

from fieldpress.cli import flags
from fieldpress.cli.opening import opened
from fieldpress.cli.progress import counted
from fieldpress.cli.timing import view_timing
from fieldpress.errors import ConfigError

if TYPE_CHECKING:
    from fieldpress.pictures import Pictures
    from fieldpress.sinks.writing import Output


@dataclass(frozen=True)
class Decode:
    """Turn a file back into pictures.

    Example: fieldpress decode clip.fpr clip.mp4
    """

    file: Annotated[str, tyro.conf.Positional, arg(metavar="FILE")]
    """A file that fieldpress wrote."""
    out: Annotated[str, tyro.conf.Positional, arg(metavar="OUT")]
    """A .mp4, .mkv (lossless), .y4m or .png file, a folder for .png files, or - for .y4m on standard output; a .ply,
    .obj or .stl file for the surface of a shape."""
    frames: Annotated[str | None, arg(metavar="A:B[:STEP]")] = None
    """Which pictures, as Python slices them: 10:20 are 10 to 19, -5: the last five, ::2 every other one, ::-1 all
    backwards, 7 that one."""
    scale: Annotated[float, arg(metavar="S")] = 1.0
    """Output pixels per source pixel along each side."""
    time_scale: Annotated[float, arg(metavar="K")] = 1.0
    """Output pictures per source picture; above 1 shows moments between them."""
    crop: Annotated[tuple[int, int, int, int] | None, arg(metavar="X,Y,W,H")] = None
    """The part to show: left, top, width and height in source pixels."""
    levels: Annotated[int | None, arg(metavar="L")] = None
    """Use so many levels only, the coarsest first; all that are there otherwise."""
    device: Annotated[str, arg(metavar="auto|cpu|cuda")] = "auto"
    """Where to compute; auto takes CUDA where there is one."""
    force: bool = False
    """Replace OUT: a file, or in a folder the pictures of an earlier decode."""


def run(arguments: list[str]) -> int:
    """Decodes; returns the exit status.

    Raises:
        FieldpressError: The file does not decode, the output cannot be written, or the command line is wrong.
    """
    command = flags.parse(Decode, arguments)
    frames = slice(None) if command.frames is None else frame_range(command.frames)

    from fieldpress.saving import check_source
    from fieldpress.sinks import check_output, write_pictures
    from fieldpress.views import view

    check_source(command.file, Path(command.out))
    if Path(command.out).suffix.lower() in (".ply", ".obj", ".stl"):
        _write_mesh(command)
        return 0
    check_output(command.out, force=command.force)
    with opened(command.file, command.device, command.levels) as file:
        # Every complaint about the request comes before the grids are decoded.
        part = view(file.signal, frames, command.scale, command.time_scale, command.crop)
        count = len(part.positions)
        _check_film(check_output(command.out, force=command.force, count=count), part)
        decoded = file.decode()
    signal = file.signal
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


def _check_film(kind: "Output", part: "Pictures") -> None:
    """Refuses a film of pictures that are not all of one size: the cameras of a scene may differ.

    Raises:
        ConfigError: They are not.
    """
    from fieldpress.scenes import SceneView

    if kind in ("folder", ".png") or not isinstance(part, SceneView):
        return
    sizes = sorted({(camera.lens.width, camera.lens.height) for camera in part.cameras})
    if len(sizes) > 1:
        found = " and ".join(f"{width} x {height}" for width, height in (sizes[0], sizes[-1]))
        raise ConfigError(
            f"the cameras of the scene see pictures of {len(sizes)} sizes, such as {found}, and a film has one; "
            "name a folder, or use fieldpress render --size"
        )


def _write_mesh(command: Decode) -> None:
    """The surface of a shape as a mesh.

    Raises:
        ConfigError: The file holds something else, or a part of its pictures is asked for.
    """
    import numpy as np

    from fieldpress.checks import check_target
    from fieldpress.meshfiles import WRITERS
    from fieldpress.meshing import Mesh
    from fieldpress.saving import save
    from fieldpress.shapes import COLOUR, mesh_of
    from fieldpress.signals.shape import Shape

    check_target(Path(command.out), command.force)
    if command.frames is not None or command.crop is not None or (command.scale, command.time_scale) != (1, 1):
        suffix = Path(command.out).suffix.lower()
        raise ConfigError(f"--frames, --scale, --time-scale and --crop are for pictures, and a {suffix} file is a mesh")
    with opened(command.file, command.device, command.levels) as file:
        if not isinstance(file.signal, Shape):
            raise ConfigError(f"{command.file} holds no shape; a mesh of a scene comes from fieldpress render --mesh")
        decoded = file.decode()
    vertices, faces = mesh_of(decoded)
    colour = np.rint(255 * np.array(COLOUR)).astype(np.uint8)
    write = WRITERS[Path(command.out).suffix.lower()]
    save(command.out, write(Mesh(vertices, faces, np.broadcast_to(colour, vertices.shape))))


def frame_range(text: str) -> slice:
    """The pictures that ``--frames`` names.

    Raises:
        ConfigError: It is not of the form A, A:B or A:B:STEP, or the step is 0.

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
    if len(parts) == 3 and parts[2] == 0:
        raise ConfigError(f"--frames is {text!r}; the step is 1 or more, or -1 or less to go backwards")
    return slice(*parts)
