"""The page of a bench: complete in itself, and right in a browser, on a desk and on a phone."""

import html
import re
from pathlib import Path

import pytest
from benched import curve_of, with_pictures
from browsed import browsed

from fieldpress.bench.points.curves import curves
from fieldpress.bench.reports.benchfigures import at_equal_bytes
from fieldpress.bench.reports.benchpage import page

pytest.importorskip("bjontegaard", reason="the extra bench is not installed")

COMMAND = "fieldpress bench 'clip <1>.mkv' --out bench"
MOVE_THE_SLIDER = """
const range = document.querySelector(".slider input"), left = document.querySelector(".slider .left");
range.value = 25;
range.dispatchEvent(new Event("input"));
left.value = "2";
left.dispatchEvent(new Event("input"));
found.over = document.querySelector(".slider img.over").dataset.at;
found.under = document.querySelector(".slider img.under").dataset.at;
found.clip = document.querySelector(".slider img.over").style.clipPath;
found.height = document.querySelector(".slider .stack").getBoundingClientRect().height;
"""


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of a bench of a preset, two codecs and a third party."""
    folder = tmp_path_factory.mktemp("bench")
    name = "clip <1>.mkv"
    records = [
        *curve_of("fieldpress", "rate", 0.8, clip=name),
        *curve_of("x264", "medium", clip=name),
        *curve_of("x265", "veryslow:psnr", 0.6, clip=name),
    ]
    other = [{**one, "pictures": {}, "file": None} for one in curve_of("they <b>", "s", 2.0, clip=name)]
    found = curves([*with_pictures(records, folder), *other])
    return page(found, folder, COMMAND, {"some-point": "it <was> impossible"})


def test_it_refers_to_nothing_outside_itself(text: str):
    targets = re.findall(r"""(?:src|href)=["']?([^"'> ]+)|url\(["']?([^"')]+)|@import""", text)
    assert targets
    assert all(source.startswith("data:") or place.startswith("#") for source, place in targets)
    assert not re.search(r"https?://|fetch\(|XMLHttpRequest|import\(", text)


def test_it_says_how_it_was_made_and_what_came_out(text: str):
    for part in (COMMAND, "it <was> impossible", "20 % fewer bits at equal RGB PSNR"):
        assert html.escape(part) in text
    assert "33 % more bits at equal luma PSNR" in text


def test_no_name_of_the_reader_becomes_markup(text: str):
    for name in ("clip <1>", "<was>", "they <b>"):
        assert name not in text


def test_the_slider_has_what_lies_beside_the_points(text: str):
    options = re.findall(r"<option value=\"(\d)\"( selected)?>([^,]+),", text)
    assert [name for _, _, name in options[:3]] == ["rate", "x264:medium", "x265:veryslow:psnr"]
    assert [value for value, selected, _ in options if selected] == ["0", "1"]
    assert len(re.findall("<img ", text)) == 3


def test_points_that_are_compared_are_near_in_size():
    found = curves([*curve_of("fieldpress", "rate", 0.8), *curve_of("x264", "medium"), *curve_of("x265", "medium", 4)])
    sizes = [point["bytes"] for _, point in at_equal_bytes(found)]
    assert max(sizes) / min(sizes) <= 1.25


@pytest.mark.parametrize("width", [1200, 500])
def test_a_browser_shows_it_without_a_network_or_an_error(text: str, width: int, tmp_path: Path):
    found = browsed(text, width, tmp_path, MOVE_THE_SLIDER)
    # RGB, luma, time, decoding and picture by picture; each is drawn at one of two sizes.
    assert found["plots"] == 5
    assert (found["pictures"], found["broken"], found["wider"]) == (3, 0, 0)
    assert (found["over"], found["under"]) == ("2", "1")
    assert found["clip"] == "inset(0px 75% 0px 0px)"
    assert found["height"] > 100


def test_no_table_is_cut_on_a_desk(text: str, tmp_path: Path):
    assert browsed(text, 1200, tmp_path)["cut"] == 0
