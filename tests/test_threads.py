"""Calls side by side, and pictures that are rendered so."""

import threading
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from pressed import CLIP, FILM_PLAN, FITTED, press
from test_segments import FILE

import fieldpress
from fieldpress import views
from fieldpress.threads import side_by_side


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    count = torch.get_num_threads()
    yield
    torch.set_num_threads(count)


def test_calls_run_at_the_same_time():
    together = threading.Barrier(3, timeout=30)
    with side_by_side(3) as run:
        assert sorted(run(lambda _: together.wait(), range(6))) == [0, 0, 1, 1, 2, 2]


def test_a_single_call_runs_in_the_callers_own_thread():
    with side_by_side(1) as run:
        assert run(lambda _: threading.get_ident(), range(2)) == [threading.get_ident()] * 2


@pytest.mark.parametrize("count", [1, 2, 5])
def test_results_come_in_the_order_of_what_was_asked(count: int):
    with side_by_side(count) as run:
        for first in (0, 10):
            assert run(lambda number: number**2, range(first, first + 7)) == [n**2 for n in range(first, first + 7)]


@pytest.mark.parametrize("count", [1, 2])
def test_what_a_call_raises_is_raised(count: int):
    with pytest.raises(ZeroDivisionError), side_by_side(count) as run:
        run(lambda number: 1 / number, [2, 1, 0, -1])


def test_each_thread_computes_alone_and_others_as_before():
    torch.set_num_threads(3)
    with side_by_side(2) as run:
        inside = run(lambda _: torch.get_num_threads(), range(4))
        counts = [torch.get_num_threads()]
        later = threading.Thread(target=lambda: counts.append(torch.get_num_threads()))
        later.start()
        later.join()
    assert inside == [1] * 4
    assert [*counts, torch.get_num_threads()] == [3] * 3


@pytest.mark.parametrize("together", [1, 4, 1000], ids="{} pixels at a time".format)
@pytest.mark.parametrize("file", [press(FITTED, CLIP, FILM_PLAN), FILE], ids=["one field", "segments"])
def test_pictures_do_not_depend_on_the_number_of_threads(file: bytes, together: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(views, "_BAND_PIXELS", together)
    shown = []
    for count in (1, 2, 3, 16):
        torch.set_num_threads(count)
        shown.append(np.stack(list(fieldpress.open(file))))
    for other in shown[1:]:
        np.testing.assert_array_equal(other, shown[0])


def test_threads_end_with_a_view_that_is_not_shown_to_its_end(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(views, "_BAND_PIXELS", 1)
    torch.set_num_threads(2)
    before = threading.active_count()
    pictures = iter(fieldpress.open(FILE))
    next(pictures)
    assert threading.active_count() == before + 2
    del pictures
    assert threading.active_count() == before
