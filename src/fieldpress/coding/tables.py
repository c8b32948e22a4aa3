"""The static probability tables: a ladder of widths, each rung a third of an octave wider than the last.

A *rung* says how large integers are expected to be: rung r >= 1 has mean magnitude 2**((r - 1) / 3 - 10), from
0.001 to 2**32; rung 0 means that every integer is zero. So a tensor names its distribution in seven bits, and one bit
more picks the *shape* of the tail: two-sided geometric ("laplace") or discrete normal ("gauss").

The tables are integers, part of the format. Their weights come from this recursion in 32-bit fixed point, seeded by
the ratio p(1) / p(0) of the rung below, and end where they have fallen 2**14-fold, at 127 at the latest::

    w[0] = 2**32    w[n + 1] = w[n] * f[n] >> 32    f[n + 1] = f[n] * bend >> 32
    f[0] = the seed    bend = 2**32 (laplace) or f[0]**2 >> 32 (gauss)

Symbols are ordered 0, 1, -1, 2, -2, ..., -reach, escape. The escape's weight is what the recursion leaves for
larger integers (both signs), plus 2**-13 of everything. From rung 44 on the table is that of rung 41, 42 or 43,
applied to the integer without its low bits.
"""

from dataclasses import dataclass
from functools import cache
from typing import Literal

from fieldpress.coding.rangecoder import Table

RUNGS = 128
RUNGS_PER_OCTAVE = 3
WIDEST_TABLE = 43
"""The last rung with a table of its own: mean magnitude 16."""

SHAPES = ("laplace", "gauss")
Shape = Literal["laplace", "gauss"]

_ONE = 32  # bits of the fixed point
_FALL = 14
_REACH = 127

# p(1) / p(0) * 2**32 of rungs 1 to 43. Laplace: theta with 2 theta / (1 - theta**2) = mean magnitude. Gauss: theta
# with mean magnitude of p(n) ~ theta**(n**2). Computed once in double precision; these integers are the definition.
_SEEDS: dict[Shape, tuple[int, ...]] = {
    "laplace": (
        2097152, 2642245, 3329019, 4194300, 5284484, 6658027, 8388576, 10568920, 13315957, 16776960, 21137456, 26631146,
        33552384, 42271840, 53256151, 67092488, 84519128, 106463226, 134086911, 168842406, 212535639, 267394993,
        336135941, 422001014, 528734636, 660421733, 821082842, 1013904243, 1240056577, 1497307150, 1779033704,
        2074462967, 2370494136, 2654435769, 2916355337, 3150157180, 3353409131, 3526473452, 3671490426, 3791520758,
        3889938777, 3970055321, 4034912272,
    ),
    "gauss": (
        2099202, 2645501, 3334190, 4202512, 5297528, 6678749, 8421504, 10621257, 13399170, 16909318, 21348095, 26966585,
        34087008, 43124815, 54618838, 69273075, 88015790, 112084912, 143154622, 183528167, 236440225, 306544548,
        400716789, 529369082, 708409356, 960941565, 1312866017, 1769173825, 2285391676, 2788629198, 3221410732,
        3559160842, 3804699940, 3974605347, 4088335349, 4162820081, 4210917999, 4241696994, 4261279987, 4273694098,
        4281545504, 4286503936, 4289632471,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Rung:
    """How to code an integer on one rung: ``low_bits`` raw bits, the rest by the table."""

    table: Table
    reach: int
    low_bits: int

    @property
    def escape(self) -> int:
        """The symbol of an integer beyond the reach."""
        return 2 * self.reach + 1


@cache
def rung(index: int, shape: Shape) -> Rung:
    """The rung with this index, 1 to 127.

    Example:
        >>> rung(31, "laplace").reach, rung(46, "laplace").low_bits
        (12, 1)
    """
    low_bits = max(0, -(-(index - WIDEST_TABLE) // RUNGS_PER_OCTAVE))
    if low_bits:
        base = rung(index - RUNGS_PER_OCTAVE * low_bits, shape)
        return Rung(base.table, base.reach, low_bits)
    factor = _SEEDS[shape][index - 1]
    bend = (factor * factor) >> _ONE if shape == "gauss" else 1 << _ONE
    weights = [1 << _ONE]
    while weights[-1]:
        weights.append((weights[-1] * factor) >> _ONE)
        factor = (factor * bend) >> _ONE
    reach = next(n for n, weight in enumerate(weights) if weight >> (_ONE - _FALL) == 0 or n == _REACH)
    two_sided = [weights[0]] + [weight for weight in weights[1 : reach + 1] for _ in range(2)]
    tail = 2 * sum(weights[reach + 1 :])
    return Rung(Table.from_weights([*two_sided, tail + (sum(two_sided) >> 13)]), reach, 0)
