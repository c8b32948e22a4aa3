"""Which entry of a dictionary a cell takes: the closest one, or the one that is cheapest at a price on bits.

Source of the second: entropy-constrained vector quantisation (Chou, Lookabaugh and Gray 1989). Its twin without
gradients and prices, in NumPy, is :func:`~fieldpress.compressors.kmeans.nearest`.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

_BLOCK = 1 << 22
"""Distances computed at a time: 16 MB of them."""

Values = Float[Tensor, "channels n"]
Entries = Float[Tensor, "channels entries"]


def closest(values: Values, entries: Entries) -> Int[Tensor, "n"]:
    """The entry with the least distance."""
    return _best(values, entries, entries.square().sum(0) / 2)


def cheapest(
    values: Values, entries: Entries, prices: Float[Tensor, "n"], lengths: Float[Tensor, "entries"]
) -> Int[Tensor, "n"]:
    """The entry with the least sum of half the squared distance and price times length.

    Most cells need not be compared with all: not even an entry right where they are would be worth its length.

    Args:
        values: Of the cells.
        entries: At least two.
        prices: Of a bit in each cell, in squared distances; at least 0.
        lengths: Of each code, in bits.
    """
    (shortest, second), (rest, _) = lengths.topk(2, largest=False)
    away = values - entries[:, rest, None]
    to_rest = torch.einsum("cn,cn->n", away, away) / 2
    others = (to_rest > prices * (second - shortest)).nonzero()[:, 0]
    found = rest.repeat(len(prices))
    asked = torch.cat([values[:, others], prices[None, others]])
    found[others] = _best(asked, torch.cat([entries, -lengths[None]]), entries.square().sum(0) / 2)
    return found


def _best(values: Values, entries: Entries, costs: Float[Tensor, "entries"]) -> Int[Tensor, "n"]:
    """The entry with the greatest scalar product less its cost."""
    parts = values.split(max(1, _BLOCK // entries.shape[1]), dim=1)
    return torch.cat([torch.addmm(costs, part.T, entries, beta=-1).argmax(1) for part in parts])
