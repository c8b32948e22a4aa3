"""``fieldpress view``: a scene in the browser."""

import threading
from dataclasses import dataclass
from typing import Annotated

import tyro
from tyro.conf import arg

from fieldpress.cli import flags
from fieldpress.cli.opening import Opened, opened
from fieldpress.cli.text import flush, say
from fieldpress.errors import ConfigError

_PORTS = 65_535


@dataclass(frozen=True)
class View:
    """Look at a scene in the browser, from anywhere and at any level.

    Example: fieldpress view scene.fpr

    It is rendered here, and small while the camera moves. Ctrl-C ends it.
    """

    file: Annotated[str, tyro.conf.Positional, arg(metavar="FILE")]
    """A file of a scene that fieldpress wrote."""
    port: Annotated[int, arg(metavar="P")] = 8080
    """Where to serve: the next free port where it is in use, any free one for 0."""
    host: Annotated[str, arg(metavar="ADDRESS")] = "127.0.0.1"
    """Who may connect: 127.0.0.1 is this machine alone, 0.0.0.0 everybody who reaches it."""
    levels: Annotated[int | None, arg(metavar="L")] = None
    """Use so many levels at most, the coarsest first; all that are there otherwise."""
    device: Annotated[str, arg(metavar="auto|cpu|cuda")] = "auto"
    """Where to compute; auto takes CUDA where there is one."""


def run(arguments: list[str]) -> int:
    """Serves until Ctrl-C; returns the exit status.

    Raises:
        FieldpressError: The file does not decode or holds no scene, viser is missing, or the command line is wrong.
    """
    command = flags.parse(View, arguments)
    if not 0 <= command.port <= _PORTS:
        raise ConfigError(f"--port is {command.port}; expected 0 to {_PORTS}")
    with opened(command.file, command.device, command.levels) as file:
        file.scene()
        try:
            from fieldpress.viewer import Viewer
        except ImportError as error:
            if (error.name or "").partition(".")[0] != "viser":
                raise
            raise ConfigError('the viewer needs viser: pip install "fieldpress[view]"') from None
        decoded = file.decode()
    viewer = Viewer(decoded, command.host, command.port, captions(file))
    try:
        say(f"http://{command.host}:{viewer.port} shows {command.file}; Ctrl-C ends it")
        flush()
        threading.Event().wait()
    except KeyboardInterrupt:
        pass
    finally:
        viewer.stop()
    return 0


def captions(file: Opened) -> list[str]:
    """What the first level is, the first two and so on: bytes, and quality where it was measured."""
    from fieldpress import container

    scene = file.scene()
    texts = []
    for number, end in enumerate(container.level_ends(file.data)[: file.levels], 1):
        text = f"{number} of {file.level_count} levels: {end:,} bytes"
        if number <= len(scene.levels_psnr):
            text += f", {scene.levels_psnr[number - 1]:.2f} dB"
        texts.append(text)
    return texts
