"""The page of a study: complete in itself, and right in a browser, on a desk and on a phone."""

import html
import re
from itertools import pairwise
from pathlib import Path

import pytest
from browsed import browsed
from studied import clip_in, studied

from fieldpress.bench.reports.charts import COLOURS, Axis, Line, Point, _mark, chart, ticks
from fieldpress.bench.reports.studypage import page
from fieldpress.bench.studies import studies
from fieldpress.training.config import Budget

COMMAND = "fieldpress study guidance 'clip <1>.mkv' --out guidance"


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of a guidance study that three seeds had been trained for."""
    folder = tmp_path_factory.mktemp("study")
    clip = clip_in(folder, "clip <1>.mkv")
    study = studies("guidance")[0]
    rows = studied(study, folder, clip, gains={"project": 2.0, "round trip": 3.0, "proximal": -0.5}, seeds=3)
    return page([(study, rows)], folder, Budget(minutes=2), COMMAND, {"some-run": "it <was> impossible"})


def test_sixteen_curves_can_be_told_apart():
    looks = {(number % COLOURS, _mark(number, 0.0, 0.0)) for number in range(16)}
    assert len(looks) == 16


def test_it_refers_to_nothing_outside_itself(text: str):
    targets = re.findall(r"""(?:src|href)=["']?([^"'> ]+)|url\(["']?([^"')]+)|@import|//[a-z]""", text)
    assert targets
    assert all(source.startswith("data:") or place.startswith("#") for source, place in targets)


def test_it_has_no_script(text: str):
    assert "<script" not in text
    assert not re.search(r"\son[a-z]+=", text)


def test_it_says_how_it_was_made(text: str):
    for part in (COMMAND, "2 minutes", "0, 1, 2", "5 pictures of 32×24", "it <was> impossible"):
        assert html.escape(part) in text


def test_no_name_of_the_reader_becomes_markup(text: str):
    assert "clip <1>" not in text
    assert "<was>" not in text


def test_it_has_pictures_at_equal_bytes(text: str):
    original, base, best = re.findall(r"<img .*? alt=\"(.*?)\"", text)[:3]
    assert (original, base, best) == ("original", "no guidance, crf 30", "round trip, crf 30")


@pytest.mark.parametrize("width", [1200, 500])
def test_a_browser_shows_it_without_a_network_or_an_error(text: str, width: int, tmp_path: Path):
    found = browsed(text, width, tmp_path)
    # Quality, training and how often, for x265 and for Tucker; each is drawn at one of two sizes.
    assert found["plots"] == 6
    assert found["lines"] >= 6 * 3
    assert (found["pictures"], found["broken"], found["wider"]) == (6, 0, 0)


def test_no_table_is_cut_on_a_desk(text: str, tmp_path: Path):
    assert browsed(text, 1200, tmp_path)["cut"] == 0


# Charts


def test_a_chart_is_drawn_for_wide_and_for_narrow_pages():
    line = Line("a & b", 1, (Point(1, 30, "first"), Point(2, 33, "second", 32.5, 33.5)))
    drawn = chart("c", [line], Axis("bits per pixel", True), Axis("dB"), "A chart")
    assert drawn.count('role="img" aria-label="A chart"') == 2
    assert drawn.count("<title>second</title>") == 2
    assert drawn.count('class="span"') == 2
    assert "a &amp; b" in drawn


def test_names_at_the_ends_of_curves_do_not_overlap():
    lines = [Line(f"curve {i}", i, (Point(1, 30), Point(2, 33 + i / 1000))) for i in range(6)]
    drawn = chart("c", lines, Axis("x"), Axis("y"), "A chart")
    heights = sorted(float(y) for y in re.findall(r'y="([\d.]+)" class="name"', drawn))
    assert len(heights) == 6
    assert min(b - a for a, b in pairwise(heights)) > 14


@pytest.mark.parametrize(("low", "high"), [(27.3, 34.1), (-0.2, 0.1), (0, 1), (1e-4, 3e4), (39.99, 40.01)])
def test_ticks_are_few_and_inside(low: float, high: float):
    found = ticks(low, high, False, 6)
    assert 2 <= len(found) <= 6
    assert low <= found[0] < found[-1] <= high


@pytest.mark.parametrize(("low", "high"), [(0.01, 0.3), (0.9, 1100), (1e-4, 3e4)])
def test_logarithmic_ticks_are_few_and_inside(low: float, high: float):
    found = ticks(low, high, True, 6)
    assert 2 <= len(found) <= 6
    assert low <= found[0] < found[-1] <= high
