"""The viewer: what it renders for a camera, and that a real browser shows it."""

import base64
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from browsed import BROWSERS
from numpy.typing import NDArray
from pressed import press
from scene_files import scene_file, small_orbit
from scenes import camera_of

from fieldpress.errors import ConfigError, SourceError
from fieldpress.reading import decode

viser = pytest.importorskip("viser", reason='needs the extra view: pip install "fieldpress[view]"')
from fieldpress.viewer import Renderers, Viewer, lens_of, pose_of  # noqa: E402

ASKED_FOR = "FIELDPRESS_TEST_BROWSER"
"""The environment variable that asks for the test in a browser; `make test` runs it alone, before all others."""
PATIENCE = 60.0
"""Seconds for what a browser that draws without a GPU, on a busy machine, may take."""


@pytest.fixture(scope="module")
def file() -> bytes:
    return scene_file()


# What is rendered


def test_a_picture_in_bands_is_the_picture(file: bytes):
    decoded = decode(file)
    camera = camera_of(small_orbit(height=120, width=160, fx=175.0, fy=175.0, cx=80.0, cy=60.0)[0])
    bands = list(Renderers(decoded).bands(camera, 3))
    assert len(bands) > 1
    alone = decode(scene_file([small_orbit(height=120, width=160, fx=175.0, fy=175.0, cx=80.0, cy=60.0)[0]]))[0]
    # Sums of floats in another order: a code at most.
    assert np.abs(np.concatenate(bands).astype(int) - alone).max() <= 1


def test_levels_may_change_from_picture_to_picture(file: bytes):
    decoded = decode(file)
    renderers, camera = Renderers(decoded), camera_of(small_orbit()[0])
    fine, coarse, again = (np.concatenate(list(renderers.bands(camera, levels))) for levels in (3, 1, 3))
    assert np.array_equal(fine, again)
    assert np.array_equal(coarse, decode(file, levels=1)[0])


def test_pictures_grow_until_they_fill_the_window(file: bytes):
    sizes = Renderers(decode(file)).sizes(600, 800)
    assert sizes == sorted(sizes)
    assert sizes[-1] == (600, 800)
    assert sizes[0][0] < 300


def test_a_huge_window_gets_a_picture_that_is_enlarged(file: bytes):
    assert max(Renderers(decode(file)).sizes(4000, 8000)[-1]) == 1280


def test_a_camera_of_the_browser_is_the_same_camera(file: bytes):
    del file
    view = small_orbit()[1]
    rotation = view.matrix[:, :3] @ np.diag([1.0, -1.0, -1.0])
    wxyz = viser.transforms.SO3.from_matrix(rotation).wxyz
    assert np.allclose(pose_of(wxyz, view.matrix[:, 3]).matrix, view.matrix)


def test_a_field_of_view_of_a_right_angle_has_half_the_height_as_focal_length():
    assert lens_of(100, 150, np.pi / 2).fy == pytest.approx(50)


def test_a_clip_is_refused():
    with pytest.raises(ConfigError, match="holds no scene"):
        Renderers(decode(press()))


@pytest.mark.parametrize(("host", "port"), [("203.0.113.7", 8080), ("no.such.host.invalid", 8080)])
def test_an_address_of_another_machine_is_refused(file: bytes, host: str, port: int):
    with pytest.raises(SourceError, match=f"nothing can be served at {host}, port {port}: "):
        Viewer(decode(file), host, port, [""] * 3)


# In a browser


@dataclass
class Tab:
    """A page in Chromium, spoken to by its debugging protocol."""

    connection: Any
    number: int = field(default=0)

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The answer to one command."""
        self.number += 1
        self.connection.send(json.dumps({"id": self.number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self.connection.recv(timeout=PATIENCE))
            if answer.get("id") == self.number:
                return answer["result"]

    def run(self, script: str) -> Any:
        """The value of an expression in the page."""
        found = self.ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        return found["result"].get("value")

    def picture(self) -> NDArray[np.uint8]:
        """The part of the window that is free of controls and of messages about a missing GPU."""
        data = base64.b64decode(self.ask("Page.captureScreenshot", format="png")["data"])
        with av.open(BytesIO(data)) as container:
            whole = next(container.decode(video=0)).to_ndarray(format="rgb24")
        return whole[whole.shape[0] // 2 :, : whole.shape[1] // 2]

    def settled(self, viewer: Viewer, differs_from: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
        """The picture once nothing is left to render and nothing moves, and it is another one than before."""
        last, until = self.picture(), time.monotonic() + PATIENCE
        while time.monotonic() < until:
            time.sleep(0.5)
            rested = viewer.resting
            before, last = last, self.picture()
            changed = differs_from is None or difference(last, differs_from) > 1
            if rested and changed and colourful(last) and np.array_equal(last, before):
                return last
        raise AssertionError("the page did not come to show another picture")

    def drag(self, columns: int) -> None:
        """Moves the mouse over the scene with its button down: the camera goes around."""
        for kind, x in (("mousePressed", 200), *(("mouseMoved", 200 + columns * i // 8) for i in range(9))):
            self.ask("Input.dispatchMouseEvent", type=kind, x=x, y=330, button="left", buttons=1, clickCount=1)
        self.ask("Input.dispatchMouseEvent", type="mouseReleased", x=200 + columns, y=330, button="left", clickCount=1)

    def press(self, key: str, code: int) -> None:
        """A key, to what has the focus."""
        for kind in ("keyDown", "keyUp"):
            self.ask("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code)


def difference(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    """Mean, in codes."""
    return float(np.abs(a.astype(int) - b).mean())


def colourful(picture: NDArray[np.uint8]) -> bool:
    """Whether a scene is shown: the page itself is grey."""
    return float(np.ptp(picture.astype(int), axis=2).mean()) > 3


def sharpness(picture: NDArray[np.uint8]) -> float:
    """Of the sharpest edges: codes from one pixel to the next."""
    return float(np.percentile(np.abs(np.diff(picture.astype(float).mean(2), axis=1)), 99))


def waited(ask: Callable[[], Any], what: str) -> Any:
    """The first answer that is true."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        found = ask()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"{what} did not come")


@pytest.fixture
def viewer(file: bytes) -> Iterator[Viewer]:
    viewer = Viewer(decode(file), "127.0.0.1", 0, ["one level", "two levels", "three levels"])
    yield viewer
    viewer.stop()


@pytest.fixture
def tab(viewer: Viewer, tmp_path: Path) -> Iterator[Tab]:
    sync = pytest.importorskip("websockets.sync.client", reason="needs websockets, which comes with viser")
    if not os.environ.get(ASKED_FOR):
        pytest.skip(f"a browser that draws in 3-D without a GPU starves other tests: runs alone, with {ASKED_FOR}=1")
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        pytest.skip(f"needs one of {', '.join(BROWSERS)}: apt-get install chromium")
    profile = tmp_path / "profile"
    flags = ["--headless=new", "--no-sandbox", "--no-first-run", "--disable-background-networking", "--mute-audio"]
    drawing = ["--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--window-size=700,500"]
    talking = [f"--user-data-dir={profile}", "--remote-debugging-port=0", "--remote-allow-origins=*"]
    page = f"http://127.0.0.1:{viewer.port}/"
    offline = ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
    with (tmp_path / "log").open("wb") as log:
        # It draws without a GPU and takes all cores there are: what it is to show goes first.
        command = ["nice", "-n", "19", browser, *flags, *drawing, *talking, *offline, page]
        running = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        told = profile / "DevToolsActivePort"
        port = waited(lambda: told.exists() and told.read_text().split("\n")[0], "the browser")
        with sync.connect(f"ws://127.0.0.1:{port}{told.read_text().split()[1]}") as whole:
            targets = Tab(whole).ask("Target.getTargets")["targetInfos"]
        target = next(target["targetId"] for target in targets if target["type"] == "page")
        address = f"ws://127.0.0.1:{port}/devtools/page/{target}"
        with sync.connect(address, max_size=2**26) as connection:
            yield Tab(connection)
    finally:
        running.terminate()
        running.wait(PATIENCE)


def test_in_a_browser_the_camera_moves_the_picture_and_the_slider_changes_its_detail(viewer: Viewer, tab: Tab):
    first = tab.settled(viewer)
    tab.drag(120)
    moved = tab.settled(viewer, first)
    slider = "document.querySelector('[role=slider]')"
    waited(lambda: tab.run(f"!!{slider}"), "the slider")
    assert tab.run(f"{slider}.getAttribute('aria-valuenow')") == "3"
    tab.run(f"{slider}.focus()")
    tab.press("Home", 36)  # arrows would move the camera as well
    waited(lambda: tab.run(f"{slider}.getAttribute('aria-valuenow')") == "1", "the first level")
    coarse = tab.settled(viewer, moved)
    assert sharpness(coarse) < 0.7 * sharpness(moved)
    assert "one level" in tab.run("document.body.innerText")
    tab.press("End", 35)
    again = tab.settled(viewer, coarse)
    assert difference(again, moved) < 0.5  # the same up to JPEG's noise
