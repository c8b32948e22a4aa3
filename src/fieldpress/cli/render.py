"""``fieldpress render``: a scene as seen from a path, its distances, and its surface."""

import math
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from itertools import permutations
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro
from tyro.conf import arg

from fieldpress.cli import flags
from fieldpress.cli.opening import opened
from fieldpress.cli.progress import activity, counted
from fieldpress.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from fieldpress.reading import Decoded
    from fieldpress.signals.cameras import Camera
    from fieldpress.signals.radiance import Radiance
    from fieldpress.sinks.writing import Output

_FRAMES = 120
_FASTEST = 1000
_RATE = 30
_DEPTH_SCALE = 1000.0


@dataclass(frozen=True)
class Render:
    """Film a scene from a path of cameras.

    Example: fieldpress render scene.fpr scene.mp4 --path spiral
    """

    file: Annotated[str, tyro.conf.Positional, arg(metavar="FILE")]
    """A file of a scene that fieldpress wrote."""
    out: Annotated[str | None, tyro.conf.Positional, arg(metavar="OUT")] = None
    """A .mp4, .mkv (lossless), .y4m or .png file, a folder for .png files, or - for .y4m on standard output. May be
    left out with --depth or --mesh."""
    path: Annotated[str | None, arg(metavar="cameras|spiral|orbit|FILE.json")] = None
    """Through the file's cameras, in a spiral around where they stand, around the scene, or the cameras of a file;
    what suits the scene otherwise."""
    size: Annotated[str | None, arg(metavar="WxH")] = None
    """Columns and rows of the pictures; those of the file's first camera otherwise."""
    frames: Annotated[int | None, arg(metavar="N")] = None
    """How many pictures; 120 otherwise, all cameras of FILE.json, and 1 for a .png."""
    fps: Annotated[float | None, arg(metavar="R")] = None
    """Pictures a second; what FILE.json says, or 30, otherwise."""
    levels: Annotated[int | None, arg(metavar="L")] = None
    """Use so many levels only, the coarsest first; all that are there otherwise."""
    depth: Annotated[str | None, arg(metavar="OUT2")] = None
    """Write distances too: 16-bit values in a .png or a folder of them, or a grey film."""
    depth_scale: Annotated[float | None, arg(metavar="S")] = None
    """Values in the pictures of --depth per unit of the scene, up to 65535; 1000 otherwise: millimetres of metres."""
    mesh: Annotated[str | None, arg(metavar="M.ply")] = None
    """Write the scene's surface too: triangles with colours, as binary PLY."""
    device: Annotated[str, arg(metavar="auto|cpu|cuda")] = "auto"
    """Where to compute; auto takes CUDA where there is one."""
    force: bool = False
    """Replace OUT, OUT2 and M.ply."""


def run(arguments: list[str]) -> int:
    """Renders; returns the exit status.

    Raises:
        FieldpressError: The file does not decode, an output cannot be written, or the command line is wrong.
    """
    command = flags.parse(Render, arguments)
    targets = [target for target in (command.out, command.depth, command.mesh) if target is not None]
    if not targets:
        raise ConfigError(f"OUT is missing; usage: {flags.usage(Render)}")
    _check_apart(targets)
    _check_used(command)
    size = None if command.size is None else size_of(command.size)
    if command.frames is not None and command.frames < 1:
        raise ConfigError(f"--frames is {command.frames}; expected at least 1")
    if command.fps is not None and not 1 / _FASTEST <= command.fps <= _FASTEST:
        raise ConfigError(f"--fps is {command.fps:g}; expected {1 / _FASTEST:g} to {_FASTEST}")
    if command.depth_scale is not None and not 0 < command.depth_scale < math.inf:
        raise ConfigError(f"--depth-scale is {command.depth_scale:g}; expected a number above 0")
    _check_mesh(command)

    from fieldpress.sinks import check_output

    outs = command.out, command.depth
    kinds: list[Output | None] = [None if out is None else check_output(out, force=command.force) for out in outs]
    with opened(command.file, command.device, command.levels) as file:
        scene = file.scene()
        cameras = _cameras(scene, command, size, one=".png" in kinds) if any(kinds) else ()
        for out in filter(None, outs):
            check_output(out, force=command.force, count=len(cameras), single="--frames 1")
        decoded = file.decode()
    if cameras:
        _film(command, kinds, decoded, scene, cameras)
    if command.mesh is not None:
        _write_mesh(command.mesh, decoded, scene)
    return 0


def size_of(text: str) -> tuple[int, int]:
    """Rows and columns of ``WxH``.

    Raises:
        ConfigError: It is not of that form, or no picture is that large.

    Example:
        >>> size_of("320x180")
        (180, 320)
    """
    from fieldpress.signals.base import MAX_SIDE

    parts = text.lower().replace("×", "x").split("x")
    if len(parts) != 2 or not all(part.isascii() and part.isdigit() and len(part) < 9 for part in parts):
        raise ConfigError(f"--size is {text!r}; expected columns x rows, such as 320x180")
    width, height = map(int, parts)
    if not (1 <= width <= MAX_SIDE and 1 <= height <= MAX_SIDE):
        raise ConfigError(f"--size is {text!r}; expected 1 to {MAX_SIDE} for both")
    return height, width


def _check_apart(targets: "Sequence[str]") -> None:
    """Refuses outputs of which one would be written over another."""
    places = [Path(target).resolve() for target in targets if target]
    if len(set(places)) < len(places):
        raise ConfigError("OUT, --depth and --mesh are the same file; name one for each")
    for inner, outer in permutations(places, 2):
        if outer in inner.parents:
            raise ConfigError(f"of OUT, --depth and --mesh {inner.name} would be in the folder {outer.name}, an output")


def _check_used(command: Render) -> None:
    """Refuses flags that would say nothing."""
    of_pictures = {"--path": command.path, "--size": command.size, "--frames": command.frames, "--fps": command.fps}
    for flag, given in of_pictures.items():
        if given is not None and command.out is None and command.depth is None:
            raise ConfigError(f"{flag} is of pictures; name OUT or --depth for them, or leave it out")
    if command.depth_scale is not None and command.depth is None:
        raise ConfigError("--depth-scale is of the pictures of --depth; name these, or leave it out")


def _rate(command: Render) -> Fraction:
    """Pictures a second."""
    from fieldpress.cli.cameras_file import rate_of

    path = command.path or ""
    listed = rate_of(Path(path)) if path.lower().endswith(".json") else None
    return Fraction(command.fps or listed or _RATE).limit_denominator(_FASTEST + 1)


def _check_mesh(command: Render) -> None:
    if command.mesh is None:
        return
    if Path(command.mesh).suffix.lower() != ".ply":
        raise ConfigError(f"--mesh is {command.mesh!r}; name a .ply file")

    from fieldpress.checks import check_target

    check_target(Path(command.mesh), command.force)


def _cameras(scene: "Radiance", command: Render, size: tuple[int, int] | None, one: bool) -> "Sequence[Camera]":
    """The cameras of the film.

    Raises:
        FieldpressError: There is no such path, or a file of cameras cannot be read.
    """
    from fieldpress.camera_paths import PATHS, camera_path, default_path, surroundings, through
    from fieldpress.signals.base import MAX_FRAMES
    from fieldpress.signals.cameras import Camera

    if command.frames is not None and command.frames > MAX_FRAMES:
        raise ConfigError(f"--frames is {command.frames}; at most {MAX_FRAMES}")
    name = command.path or default_path(scene)
    if name in PATHS or not name.lower().endswith(".json"):
        return camera_path(scene, name, command.frames or (1 if one else _FRAMES), size)

    from fieldpress.cli.cameras_file import read_cameras
    from fieldpress.cli.cameras_file import size_of as size_asked

    listed = read_cameras(Path(name), size or size_asked(Path(name)) or (scene.height, scene.width))
    if command.frames in (None, len(listed)):
        return listed[:1] if one and command.frames is None else listed
    if len({camera.lens for camera in listed}) > 1:
        raise ConfigError(f"--frames: the cameras of {name} have different lenses; leave it out, for {len(listed)}")
    assert command.frames is not None
    poses = through([camera.pose for camera in listed], command.frames, surroundings(scene).distance)
    return [Camera(listed[0].lens, pose) for pose in poses]


def _film(
    command: Render,
    kinds: "Sequence[Output | None]",
    decoded: "Decoded",
    scene: "Radiance",
    cameras: "Sequence[Camera]",
) -> None:
    """Writes pictures, distances or both; each camera is rendered once."""
    from fieldpress.camera_paths import surroundings
    from fieldpress.cli.depth import Spool, codes, grey, write_depth_pictures
    from fieldpress.scenes import SceneRenderer
    from fieldpress.sinks import write_pictures

    renderer = SceneRenderer(decoded.field, scene, decoded.device)
    half = surroundings(scene).distance
    rate = _rate(command)
    timing: dict[str, Any] = {
        "count": len(cameras),
        "frame_rate": (rate.numerator, rate.denominator),
        "time_base": (rate.denominator, rate.numerator),
        "force": command.force,
    }
    measured = kinds[1] in ("folder", ".png")
    with closing(Spool()) as spool:

        def pictures() -> "Iterator[NDArray[np.uint8]]":
            for camera in counted(cameras, len(cameras), "rendering"):
                picture, distances = renderer.picture(camera)
                if command.depth is not None:
                    found = distances.numpy()
                    spool.add(codes(found, command.depth_scale or _DEPTH_SCALE) if measured else grey(found, half))
                yield picture.numpy()

        if command.out is None:
            for _ in pictures():
                pass
        else:
            write_pictures(command.out, pictures(), **timing)
        if command.depth is not None and measured:
            write_depth_pictures(Path(command.depth), kinds[1] == "folder", iter(spool), len(cameras))
        elif command.depth is not None:
            write_pictures(command.depth, iter(spool), **timing)


def _write_mesh(out: str, decoded: "Decoded", scene: "Radiance") -> None:
    from fieldpress.meshfiles import ply
    from fieldpress.meshing import mesh
    from fieldpress.saving import save

    with activity("finding the surface"):
        surface = mesh(decoded.field, scene, decoded.device)
    save(out, ply(surface))
