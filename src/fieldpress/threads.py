"""Several pictures at a time: threads that each compute with one core.

A picture of ordinary size is many small products, which two threads that share each of them hardly make faster: half
of the time they wait for each other. Two threads with a picture each do not wait.

Threads stay for as long as the program runs. Of thousands that came and went with a picture each, one never ended: it
span in what libraries do when a thread ends, and the next ones waited for it.
"""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from threading import Barrier
from typing import TypeVar

import torch

Argument = TypeVar("Argument")
Result = TypeVar("Result")


def side_by_side(count: int, function: Callable[[Argument], Result], arguments: Iterable[Argument]) -> list[Result]:
    """A function's results for some arguments, in their order, when all are there.

    Args:
        count: So many calls at a time, each in a thread that computes with one core; in the caller's own if only one.
        function: What it raises is raised.
        arguments: Of one call each.
    """
    return list(map(function, arguments) if count < 2 else _threads(count).map(function, arguments))


@cache
def _threads(count: int) -> ThreadPoolExecutor:
    of_caller, begun = torch.get_num_threads(), Barrier(count + 1)

    def begin() -> None:
        torch.get_num_threads()  # takes over what is set for all, once, and not after it was set for this thread
        torch.set_num_threads(1)
        begun.wait()

    pool = ThreadPoolExecutor(count, "fieldpress", begin)
    for _ in range(count):
        pool.submit(int)
    begun.wait()
    torch.set_num_threads(of_caller)  # what a thread sets, others that begin later would take over
    return pool


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_threads.cache_clear)  # a child has none of its parent's threads
