"""Arguments of ``fieldpress.encode`` of a wrong type: one line, before anything is read or written."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fieldpress import encode, writing
from fieldpress.errors import ConfigError
from fieldpress.request import Request
from fieldpress.training.config import Budget

WRONG: dict[str, list[tuple[str, Any]]] = {
    "a whole number": [
        *(("steps", value) for value in ("3", 1.5, True, [3], Fraction(3))),
        *(("size", value) for value in ("200kB", 1e5)),
        *(("seed", value) for value in (1.5, None)),
        *(("jobs", value) for value in (1.5, True)),
        ("segment", "8"),
    ],
    "a number": [("minutes", "3"), ("bpp", "x"), ("bpp", 1j), ("quality", True), ("psnr", "30"), ("psnr", np.ones(2))],
    "true or false": [("force", 1), ("resume", "no")],
    "a text": [("device", 0)],
    "a path": [("source", 5), ("source", b"clip.mp4"), ("out", None)],
    "a function": [("on_progress", 3)],
    "a name, a recipe, or a function that gives one": [("preset", 3)],
}


@pytest.fixture(autouse=True)
def _nothing_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "load_subject", lambda *_, **__: pytest.fail("the source is read"))


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        pytest.param(name, value, kind, id=f"{name}={value!r}")
        for kind, arguments in WRONG.items()
        for name, value in arguments
    ],
)
def test_an_argument_of_a_wrong_type_is_refused_in_one_line(tmp_path: Path, name: str, value: Any, expected: str):
    arguments = {"source": "clip.mp4", "out": tmp_path / "a.fpr"} | {name: value}
    with pytest.raises(ConfigError) as caught:
        encode(**arguments)
    assert str(caught.value) == f"{name} is {value!r}; expected {expected}"


@pytest.mark.parametrize("make", [Request, Budget], ids=lambda make: make.__name__)
@pytest.mark.parametrize("budget", [{"steps": "3"}, {"steps": 2.0}, {"minutes": "1"}, {"minutes": True}], ids=str)
def test_a_budget_takes_numbers_only(make: Callable[..., object], budget: dict[str, Any]):
    with pytest.raises(ConfigError, match=rf"^{next(iter(budget))} is .*; expected a"):
        make(**budget)


def test_numbers_of_numpy_become_numbers_of_python():
    request = Request(steps=np.int64(3), bpp=np.float32(0.5), seed=np.uint8(7))  # pyright: ignore[reportArgumentType]
    assert request == Request(steps=3, bpp=0.5, seed=7)
    assert [type(value) for value in (request.steps, request.bpp, request.seed)] == [int, float, int]


def test_a_whole_number_is_a_number():
    assert Request(minutes=3).budget == Budget(minutes=3.0)
