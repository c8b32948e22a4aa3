"""The examples run, one after the other in one folder, on a tiny clip in place of the film."""

import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from clips import moving_pictures, rgb_frame, write_clip
from fieldpress import config
from fieldpress.views import View

EXAMPLES = Path(__file__).parents[1] / "examples"
NUMBERED = sorted(EXAMPLES.glob("[0-9][0-9]_*.py"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the examples run: it has the clip that `make clip` makes, only smaller."""
    folder = tmp_path_factory.mktemp("examples")
    (folder / "build").mkdir()
    write_clip(folder / "build/bunny.mkv", [rgb_frame(p) for p in moving_pictures(6, 48, 64)], "ffv1", "bgr0")
    return folder


@pytest.fixture(scope="module")
def results(folder: Path) -> dict[str, dict[str, object]]:
    """What each example leaves behind, by its number."""
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(config, "_REGISTRIES", dict(config._REGISTRIES))  # the last one adds a compressor
        torch.set_num_threads(1)
        for example in NUMBERED:
            patch.setattr(sys, "argv", [str(example), "5"])
            found[example.name[:2]] = runpy.run_path(str(example), run_name="__main__")
    return found


def test_there_are_six(results: dict[str, dict[str, object]]) -> None:
    assert list(results) == ["01", "02", "03", "04", "05", "06"]


@pytest.mark.parametrize(
    "name", ["example.fpr", "example.mp4", "zoom.png", "slow.mp4", "slit_scan.png", "own.fpr", "ball.png"]
)
@pytest.mark.usefixtures("results")
def test_they_leave_what_they_say(folder: Path, name: str) -> None:
    assert (folder / "build" / name).stat().st_size > 0


def test_a_zoomed_part_is_as_large_as_asked(results: dict) -> None:
    zoom = results["02"]["zoom"]
    assert isinstance(zoom, View)
    assert (zoom.height, zoom.width) == (24 * 4, 32 * 4)


def test_a_loop_sees_every_step_and_the_end(results: dict) -> None:
    assert results["03"]["progress"].step == 5
    assert results["03"]["progress"].share == 1.0
    assert set(results["03"]["trainer"].payloads) == {"volume", "decoder"}


def test_a_slit_scan_is_the_middle_row_over_time(results: dict) -> None:
    clip, scan = results["04"]["clip"], results["04"]["scan"]
    first, last = clip.render(0, 0.5, [0, 1]), clip.render(1, 0.5, [0, 1])
    np.testing.assert_array_equal(scan[[0, -1]][:, [0, -1]], np.stack([first, last]))


def test_the_own_compressor_keeps_its_promise(results: dict) -> None:
    truncated = results["05"]["Truncated"]
    values = np.random.default_rng(0).normal(0, 10, (3, 40)).astype(np.float32)
    for bits in (0, 5, 22, 23):
        decoded = truncated(bits).decode(truncated(bits).encode(values), (3, 40))
        assert (np.abs(decoded - values) < np.abs(values) * 2.0**-bits).all()
    np.testing.assert_array_equal(decoded, values)


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: data + b"x", lambda data: b"\0" + data])
def test_the_own_compressor_refuses_damage(results: dict, damage) -> None:
    truncated = results["05"]["Truncated"]()
    data = truncated.encode(np.ones(9, np.float32))
    with pytest.raises(results["05"]["FormatError"]):
        truncated.decode(damage(data), (9,))


@pytest.mark.parametrize("example", [*NUMBERED], ids=lambda example: example.name)
def test_an_example_says_how_to_run_it(example: Path) -> None:
    text = example.read_text(encoding="utf-8")
    assert f"`python examples/{example.name}" in text.split('"""')[1]
