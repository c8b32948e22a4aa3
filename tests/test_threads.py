"""Calls side by side, and pictures that are rendered so."""

import os
import subprocess
import sys
import textwrap
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
    assert sorted(side_by_side(3, lambda _: together.wait(), range(6))) == [0, 0, 1, 1, 2, 2]


def test_a_single_call_runs_in_the_callers_own_thread():
    assert side_by_side(1, lambda _: threading.get_ident(), range(2)) == [threading.get_ident()] * 2


@pytest.mark.parametrize("count", [1, 2, 5])
def test_results_come_in_the_order_of_what_was_asked(count: int):
    assert side_by_side(count, lambda number: number**2, range(7)) == [n**2 for n in range(7)]


@pytest.mark.parametrize("count", [1, 2])
def test_what_a_call_raises_is_raised_and_the_next_ones_run(count: int):
    with pytest.raises(ZeroDivisionError):
        side_by_side(count, lambda number: 1 / number, [2, 1, 0, -1])
    assert side_by_side(count, lambda number: 1 / number, [2, 1]) == [0.5, 1]


def test_each_thread_computes_alone_and_others_as_before():
    torch.set_num_threads(3)
    inside = [threads for _ in range(2) for threads in side_by_side(7, lambda _: torch.get_num_threads(), range(7))]
    counts = [torch.get_num_threads()]
    later = threading.Thread(target=lambda: counts.append(torch.get_num_threads()))
    later.start()
    later.join()
    assert inside == [1] * 14
    assert [*counts, torch.get_num_threads()] == [3] * 3


def test_threads_are_kept():
    together = threading.Barrier(2, timeout=30)

    def seen(_: int) -> int:
        together.wait()
        return threading.get_ident()

    first, second = (side_by_side(2, seen, range(2)) for _ in range(2))
    assert len({*first, *second}) == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_begins_threads_of_its_own():
    program = """
        import os
        from fieldpress.threads import side_by_side

        assert side_by_side(2, abs, [-1, -2]) == [1, 2]
        child = os.fork()
        if child == 0:
            os._exit(0 if side_by_side(2, abs, [-3, -4]) == [3, 4] else 1)
        raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True, timeout=60)


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
