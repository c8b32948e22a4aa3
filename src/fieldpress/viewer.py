"""A viewer of scenes in the browser: the field is rendered here, for wherever the browser's camera stands.

While a camera moves, its pictures are small enough to follow; as soon as it rests they grow, doubling until they fill
the window. A new camera interrupts what is being rendered for an old one.
"""

import errno
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stdout
from io import StringIO

import numpy as np
import torch
import viser
from numpy.typing import NDArray

from fieldpress.camera_paths import sized, surroundings
from fieldpress.errors import ConfigError, SourceError
from fieldpress.pictures import to_bytes
from fieldpress.reading import Decoded
from fieldpress.scenes import SceneRenderer
from fieldpress.signals.cameras import Camera, Lens, Pose
from fieldpress.signals.radiance import Radiance

_MOVING_SECONDS = 0.15
"""What a picture may take while the camera moves."""
_LARGEST = 1280
"""Columns or rows of the largest picture; the browser enlarges it to its window."""
_LEAST = 24
"""Rows of the smallest one."""
_BAND = 1 << 13
"""Rays rendered before the next look at whether the camera has moved on."""
_JPEG_QUALITY = 90
_FLIP = np.diag([1.0, -1.0, -1.0])
"""Between the camera axes of viser, which are OpenCV's, and ours."""


class Renderers:
    """Pictures of a scene at any number of levels, one at a time.

    Args:
        decoded: The scene, decoded with all levels that can be asked for.

    Raises:
        ConfigError: It is no scene.
    """

    def __init__(self, decoded: Decoded) -> None:
        if not isinstance(decoded.signal, Radiance):
            raise ConfigError("the file holds no scene; use fieldpress decode")
        self.signal = decoded.signal
        self.levels = decoded.levels
        self._decoded = decoded
        self._made: dict[int, SceneRenderer] = {}
        self._lock = threading.Lock()
        self._rays_a_second = 30_000.0

    def bands(self, camera: Camera, levels: int) -> Iterator[NDArray[np.uint8]]:
        """The picture of a camera at so many levels, in bands of rows from the top, each (rows, columns, 3)."""
        rays = camera.rays()
        width = camera.lens.width
        rows = max(1, _BAND // width)
        for top in range(0, camera.lens.height, rows):
            part = slice(top * width, (top + rows) * width)
            with self._lock:
                renderer = self._renderer(levels)
                began = time.perf_counter()
                seen = renderer.see(torch.from_numpy(rays.origins[part]), torch.from_numpy(rays.directions[part]))
                speed = len(seen.colours) / max(1e-6, time.perf_counter() - began)
                self._rays_a_second += 0.3 * (speed - self._rays_a_second)
            yield to_bytes(seen.colours).cpu().numpy().reshape(-1, width, 3)

    def sizes(self, height: int, width: int) -> list[tuple[int, int]]:
        """Rows and columns of the pictures for a window, from one that is there at once to the largest.

        Example:
            A window of 600 x 800 where 30 000 rays take a second:  [(58, 77), (116, 154), (232, 308), (464, 616),
            (600, 800)]
        """
        whole = min(1.0, _LARGEST / max(height, width))
        share = min(whole, (_MOVING_SECONDS * self._rays_a_second / (height * width)) ** 0.5)
        shares = [max(share, min(whole, _LEAST / height))]
        while shares[-1] < whole:
            shares.append(min(whole, 2 * shares[-1]))
        return [(max(1, round(height * share)), max(1, round(width * share))) for share in shares]

    def _renderer(self, levels: int) -> SceneRenderer:
        self._decoded.field.show_levels(levels)
        if levels not in self._made:
            self._made[levels] = SceneRenderer(self._decoded.field, self.signal, self._decoded.device)
        return self._made[levels]


class Viewer:
    """A server for browsers, until :meth:`stop`.

    Args:
        decoded: The scene.
        host: Who may connect: ``127.0.0.1`` is this machine alone, ``0.0.0.0`` everybody who reaches it.
        port: Where; the next free one is taken where it is in use, and any if it is 0.
        captions: What to say of one level, of two and so on, as many as were decoded.

    Raises:
        ConfigError: The file holds no scene.
        SourceError: Nothing can be served at this address.
    """

    def __init__(self, decoded: Decoded, host: str, port: int, captions: Sequence[str]) -> None:
        self._renderers = Renderers(decoded)
        _check_address(host, port)
        # Browsers open connections that they then do not use, which websockets logs as errors, with tracebacks.
        logging.getLogger("websockets.server").setLevel(logging.CRITICAL)
        with _silence():
            self._server = viser.ViserServer(host=host, port=port, label="fieldpress", verbose=False)
        self.levels = decoded.levels
        self._captions = captions
        self._watchers: dict[int, _Watcher] = {}
        self._stand()
        gui = self._server.gui
        gui.configure_theme(show_logo=False, show_share_button=False)
        if decoded.levels > 1:
            slider = gui.add_slider("Levels", 1, decoded.levels, 1, decoded.levels)
            slider.on_update(lambda _: self._show(int(slider.value)))
        self._caption = gui.add_markdown(captions[-1])
        self._server.on_client_connect(self._welcome)
        self._server.on_client_disconnect(self._leave)

    @property
    def port(self) -> int:
        """Where it serves."""
        return self._server.get_port()

    @property
    def resting(self) -> bool:
        """Whether every browser shows the largest picture of where its camera is now."""
        return not any(watcher.busy for watcher in list(self._watchers.values()))

    def stop(self) -> None:
        """Ends all."""
        for watcher in list(self._watchers.values()):
            watcher.stop()
        with _silence():
            self._server.stop()

    def _stand(self) -> None:
        """Where a browser's camera begins: as the first one of the file."""
        signal = self._renderers.signal
        camera, around = signal.camera(0), surroundings(signal)
        place = np.array(camera.pose.position)
        away = max(float((around.focus - place) @ camera.forward), 0.1 * around.distance)
        start = self._server.initial_camera
        self._server.scene.set_up_direction(around.up)
        start.position, start.look_at, start.up = place, place + away * camera.forward, around.up
        lens = sized(camera.lens, None)
        start.fov = 2 * float(np.arctan(lens.height / 2 / lens.fy))

    def _show(self, levels: int) -> None:
        self.levels = levels
        self._caption.content = self._captions[levels - 1]
        for watcher in list(self._watchers.values()):
            watcher.moved()

    def _welcome(self, client: viser.ClientHandle) -> None:
        watcher = _Watcher(client, self._renderers, lambda: self.levels)
        self._watchers[client.client_id] = watcher
        client.camera.on_update(lambda _: watcher.moved())

    def _leave(self, client: viser.ClientHandle) -> None:
        watcher = self._watchers.pop(client.client_id, None)
        if watcher is not None:
            watcher.stop()


class _Watcher:
    """Renders for one browser, in a thread of its own."""

    def __init__(self, client: viser.ClientHandle, renderers: Renderers, levels: Callable[[], int]) -> None:
        self._client, self._renderers, self._levels = client, renderers, levels
        self._news = threading.Event()
        self._stopped = False
        self.busy = True
        """Whether there is anything left to render."""
        self.moved()
        threading.Thread(target=self._work, daemon=True).start()

    def moved(self) -> None:
        """What is shown is out of date."""
        self.busy = True
        self._news.set()

    def stop(self) -> None:
        """Ends the thread."""
        self._stopped = True
        self._news.set()

    def _work(self) -> None:
        while self._news.wait() and not self._stopped:
            self._news.clear()
            self.busy = True
            camera = self._client.camera
            window = max(1, camera.image_height), max(1, camera.image_width)
            pose, field_of_view = pose_of(camera.wxyz, camera.position), camera.fov
            for number, size in enumerate(self._renderers.sizes(*window)):
                # The smallest picture is finished in any case: a camera that keeps moving has to show something.
                picture = self._picture(Camera(lens_of(*size, field_of_view), pose), hurried=number > 0)
                if picture is None:
                    break
                self._client.scene.set_background_image(picture, format="jpeg", jpeg_quality=_JPEG_QUALITY)
            else:
                self.busy = self._news.is_set()

    def _picture(self, camera: Camera, hurried: bool) -> NDArray[np.uint8] | None:
        """What the camera sees; none if it is given up because there is news."""
        bands = []
        for band in self._renderers.bands(camera, self._levels()):
            if hurried and self._news.is_set():
                return None
            bands.append(band)
        return np.concatenate(bands)


def _silence() -> "redirect_stdout[StringIO]":
    """Keeps standard output to the commands: viser says there when it starts and stops, even if told not to."""
    return redirect_stdout(StringIO())


def _check_address(host: str, port: int) -> None:
    """Refuses an address at which viser would try in vain for ever.

    Raises:
        SourceError: It is none of this machine, or is not ours to take.
    """
    try:
        kind, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(kind, socket.SOCK_STREAM) as test:
            test.bind(address)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise SourceError(f"nothing can be served at {host}, port {port}: {error.strerror or error}") from None


def pose_of(wxyz: NDArray[np.float64], position: NDArray[np.float64]) -> Pose:
    """A pose of viser's: a unit quaternion, real part first, of a camera with OpenCV's axes.

    Example:
        >>> pose_of(np.array([0.0, 1.0, 0.0, 0.0]), np.zeros(3)).turn
        (0.0, 0.0, 0.0)
    """
    w, x, y, z = wxyz / np.linalg.norm(wxyz)
    rotation = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
    return Pose.of(np.concatenate([rotation @ _FLIP, position[:, None]], 1))


def lens_of(height: int, width: int, field_of_view: float) -> Lens:
    """A lens by its vertical field of view in radians."""
    focal = height / 2 / float(np.tan(field_of_view / 2))
    return Lens(height, width, focal, focal, width / 2, height / 2)
