"""Several pictures at a time: threads that each compute with one core.

A picture of ordinary size is many small products, which two threads that share each of them hardly make faster: half
of the time they wait for each other. Two threads with a picture each do not wait.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier
from typing import Any

import torch

Run = Callable[[Callable[[Any], Any], Iterable[Any]], list[Any]]
"""A function's results for some arguments, in their order, when all are there."""


@contextmanager
def side_by_side(count: int) -> Iterator[Run]:
    """So many calls at a time, each in a thread that computes with one core; in the caller's own if only one."""
    if count < 2:
        yield lambda function, arguments: list(map(function, arguments))
        return
    of_caller, begun = torch.get_num_threads(), Barrier(count + 1)

    def begin() -> None:
        torch.get_num_threads()  # takes over what is set for all, once, and not after it was set for this thread
        torch.set_num_threads(1)
        begun.wait()

    with ThreadPoolExecutor(count, "fieldpress", begin) as pool:
        for _ in range(count):
            pool.submit(int)
        begun.wait()
        torch.set_num_threads(of_caller)  # what a thread sets, others that begin later would take over
        yield lambda function, arguments: list(pool.map(function, arguments))
