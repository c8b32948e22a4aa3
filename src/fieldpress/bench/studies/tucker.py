"""Does it help to start from the clip itself?"""

from fieldpress.bench.studies.base import Study, Variation, against
from fieldpress.bench.studies.turning import EVERY, RANKS, grids, guided

_RANDOM = "random start"
_STARTS = (
    (_RANDOM, "random", 1.0),
    ("start from the clip's Tucker decomposition", "tucker", 1.0),
    ("the same in half the budget", "tucker", 0.5),
)
"""Curve, start and share of the budget."""


def study() -> Study:
    """Both starts, and the better one with less time, at several ranks."""
    way = guided("project", EVERY["tucker"])
    variations = [
        Variation(
            "Start and ranks", curve, {**grids("tucker", ranks=ranks), **way, "training.start": start}, budget_share
        )
        for curve, start, budget_share in _STARTS
        for ranks in (*RANKS, 0.8)
    ]
    return Study(
        "tucker",
        "Does it help to start from the clip itself?",
        "Each file holds the same neural field, whose feature grids are stored as a Tucker decomposition: a small core "
        "and a factor matrix for each axis. The ranks set its size. The field starts either from small random numbers, "
        "or from a Tucker decomposition of the clip itself, from which the grids and the decoder are filled.",
        tuple(variations),
        against(variations, _RANDOM, speed=True),
    )
