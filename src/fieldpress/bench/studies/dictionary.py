"""Are learned codes worth learning?"""

from fieldpress.bench.studies.base import Comparison, Study, Variation
from fieldpress.bench.studies.turning import UNIFORM_BITS, grids, guided

_CHART = "Codes"
_BITS = (2, 4, 6, 8, 10, 12)
_WAYS = {
    "k-means after training": ("kmeans", "none"),
    "k-means, entries tuned": ("kmeans", "special"),
    "random codes": ("random", "special"),
    "learned codes": ("learned", "special"),
}
"""Codes and guidance of each curve."""

_FIELD = {"grids.plane-levels": "2", "training.sampling": "pixels", "training.batch-pixels": "32768"}
"""Two levels of planes, as a third has fewer cells than the largest dictionary has entries. Random pixels, as codes
are learned where a step reads, and pictures would reach each time slice of the volume a few times only."""


def study() -> Study:
    """Codes found in four ways, of few bits to many, beside uniform steps and floats."""
    # Codes are found in trained grids, and learned to the end: they settle when all is settled.
    times = {"start": 0.4, "settle": 1.0}
    variations = [
        Variation(_CHART, curve, {**_FIELD, **grids("dictionary", bits=bits, codes=codes), **guided(kind, **times)})
        for curve, (codes, kind) in _WAYS.items()
        for bits in _BITS
    ]
    variations += [
        Variation(_CHART, "uniform steps", {**_FIELD, **grids("uniform", bits=bits), **guided("round-trip")})
        for bits in UNIFORM_BITS
    ]
    variations.append(Variation(_CHART, "uncompressed", {**_FIELD, **grids("raw"), **guided("none")}))
    bases = ("random codes", "k-means after training", "k-means, entries tuned", "uniform steps", "uncompressed")
    return Study(
        "dictionary",
        "Are learned codes worth learning?",
        "Each file holds the same neural field, whose feature grids are stored as b-bit codes into a "
        "dictionary of 2<sup>b</sup> entries, with b from 2 to 12. The codes come from k-means after training, from "
        "k-means with the entries tuned on, from a random hash that is never trained, or are learned with the field. "
        "Files are compared at equal bytes, not at equal b: codes and entries are entropy-coded, and all of it counts.",
        tuple(variations),
        tuple(Comparison(_CHART, "learned codes", base) for base in bases),
    )
