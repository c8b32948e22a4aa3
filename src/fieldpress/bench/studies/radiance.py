"""What is the best way to store a scene's features?"""

from fieldpress.bench.studies.base import SCENE_PRESET, Comparison, Study, Variation
from fieldpress.bench.studies.turning import UNIFORM_BITS, grids

_CHART = "Octree, files of all kinds"
_LEARNED = "learned codes"
_PRICES = (1.25e-5, 5e-5, 2e-4, 8e-4)
"""Of a bit: what turns the size of the preset's learned codes."""
_CODES = {
    "k-means after training": ("kmeans", "none", (2, 4, 6, 8)),
    "k-means, entries tuned": ("kmeans", "special", (2, 4, 6, 8)),
    "random codes": ("random", "special", (8, 10, 11, 12)),
}
"""Codes, guidance and bits of the other curves; one code a corner, as what makes theirs small is few bits."""
_RANKS = (2, 4, 8)
_HASH_BITS = (11, 13, 15)
_SIDES = (32, 64, 96)


def study() -> Study:
    """An octree's features stored in every way, beside a hash grid and a full grid."""
    variations = [
        Variation(_CHART, _LEARNED, {"training.rate-weight": f"{price:g}"}, point=f"price {price:g}")
        for price in _PRICES
    ]
    variations += [
        _octree(curve, "dictionary", kind, codes=codes, bits=bits, groups=1)
        for curve, (codes, kind, many) in _CODES.items()
        for bits in many
    ]
    variations += [_octree("low rank", "lowrank", "project", rank=rank) for rank in _RANKS]
    variations += [_octree("uniform steps", "uniform", "round-trip", bits=bits) for bits in UNIFORM_BITS[:4]]
    variations.append(_octree("uncompressed octree, 16-bit floats", "raw", "none", precision="float16"))
    variations += [_others("hash grid, 6 bits", "hashgrid", "table-bits", bits) for bits in _HASH_BITS]
    variations += [_others("dense grid, entropy-coded", "dense", "side", side) for side in _SIDES]
    curves = dict.fromkeys(variation.curve for variation in variations)
    return Study(
        "radiance",
        "What is the best way to store a scene's features?",
        "Each file holds a radiance field of the same photographs, trained for the same budget, and shows pictures "
        "that were held out. Its features stand on the corners of an octree, which is found from the photographs and "
        "is part of every file: they are stored as b-bit codes into dictionaries (learned, by k-means, or a hash of "
        "the place), as a product of two small matrices, in uniform steps, or as they are. A hash grid and a full grid "
        "stand beside them. Files are compared at equal bytes, and all of it counts.",
        tuple(variations),
        tuple(Comparison(_CHART, _LEARNED, base) for base in curves if base != _LEARNED),
        SCENE_PRESET,
        of_scenes=True,
    )


def _octree(curve: str, compressor: str, kind: str, **fields: str | float) -> Variation:
    """The preset's octree with its features handed to a compressor, under a kind of guidance."""
    return Variation(_CHART, curve, {**grids(compressor, ("plan.octree",), **fields), "training.guidance.kind": kind})


def _others(curve: str, structure: str, name: str, size: int) -> Variation:
    """Another structure than the octree, coded as the preset says."""
    settings = {"grids": structure, f"grids.{name}": str(size), "training.guidance.kind": "round-trip"}
    return Variation(_CHART, curve, settings, point=f"{name.replace('-', ' ')} {size}")
