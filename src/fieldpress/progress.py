"""How far work is that happens within one call, such as coding a film, which may take minutes.

Whoever does the work tells its share, and whoever waits listens. Between the two, callers say which portion of their
own work a call is, or keep it quiet::

    with listening(bar.show):
        with portion(0.0, 0.1):
            try_out()
        with portion(0.1, 1.0):
            code()              # tell(0.5) in here shows 0.55
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import NamedTuple, TypeVar, cast

Item = TypeVar("Item")
_END = object()

Listener = Callable[[float], None]
"""Takes a share, from 0 to 1."""


class _Hearing(NamedTuple):
    """Who hears of the current call, and where it begins and ends in that one's whole."""

    listener: Listener | None = None
    start: float = 0.0
    stop: float = 1.0

    def at(self, share: float) -> float:
        return self.start + (self.stop - self.start) * share


_HEARING: ContextVar[_Hearing] = ContextVar("hearing", default=_Hearing())  # noqa: B039 - it cannot be changed


@contextmanager
def listening(listener: Listener | None) -> Iterator[None]:
    """Passes on to the listener what is told meanwhile; to nobody, if it is None."""
    token = _HEARING.set(_Hearing(listener))
    try:
        yield
    finally:
        _HEARING.reset(token)


@contextmanager
def portion(start: float, stop: float) -> Iterator[None]:
    """What is told meanwhile is about this part of the caller's own work."""
    outer = _HEARING.get()
    token = _HEARING.set(_Hearing(outer.listener, outer.at(start), outer.at(stop)))
    try:
        yield
    finally:
        _HEARING.reset(token)


def portions(items: Sequence[Item]) -> Iterator[Item]:
    """The items; what is told while each is worked on is about an equal part of the caller's own work."""
    for number, item in enumerate(items):
        with portion(number / len(items), (number + 1) / len(items)):
            yield item


def drawn(items: Iterable[Item], context: Callable[[], AbstractContextManager[None]]) -> Iterator[Item]:
    """The items, each of which is made within such a context; who takes them is not in it."""
    source = iter(items)
    while True:
        with context():
            item = next(source, _END)
        if item is _END:
            return
        yield cast(Item, item)


def tell(share: float) -> None:
    """Tells how far the call is."""
    hearing = _HEARING.get()
    if hearing.listener is not None:
        hearing.listener(hearing.at(share))
