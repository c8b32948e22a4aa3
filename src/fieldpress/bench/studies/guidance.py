"""Does it help to meet the compressor during training?"""

from fieldpress.bench.studies.base import Study, Variation, against
from fieldpress.bench.studies.turning import CRFS, EVERY, RANKS, grids, guided
from fieldpress.compressors import COMPRESSORS
from fieldpress.compressors.base import Compressor

_OTHER_EVERIES = (0.01, 0.1, 0.2)
_CURVES = {
    "none": "no guidance",
    "project": "project",
    "round-trip": "round trip",
    "proximal": "proximal",
    "special": "special",
}
"""Every kind of guidance."""
_CHARTS = {"video": "Video codec (x265)", "tucker": "Tucker"}
_RATE_WEIGHTS = {"video": (0.005, 0.02, 0.08, 0.32), "tucker": (0.003, 0.003, 0.003)}
"""Of special guides, at each point: the price of a bit goes with the square of the step, which 6 of CRF double."""
_POINTS = {
    "video": [grids(crf=crf) for crf in CRFS],
    "tucker": [grids("tucker", ranks=ranks) for ranks in RANKS],
}


def study() -> Study:
    """Every kind of guidance for a codec and for Tucker, and one point of each with round trips at other distances."""
    variations: list[Variation] = []
    for compressor, chart in _CHARTS.items():
        for kind in _kinds(compressor):
            curve, every = _CURVES[kind], EVERY[compressor]
            prices = [price if kind == "special" else 0.0 for price in _RATE_WEIGHTS[compressor]]
            points = list(zip(_POINTS[compressor], prices, strict=True))
            variations += [
                Variation(chart, curve, {**point, **guided(kind, every, rate_weight=price)}) for point, price in points
            ]
            if kind != "none":
                point, price = points[1]
                variations += [
                    Variation(
                        chart,
                        f"{curve}, every {other:g}",
                        {**point, **guided(kind, other, rate_weight=price)},
                        varies=curve,
                    )
                    for other in _OTHER_EVERIES
                ]
    return Study(
        "guidance",
        "Does it help to meet the compressor during training?",
        "Each file holds the same neural field, trained for the same budget from the same start, and differs in "
        "when the compressor of its feature grids is met. Without guidance that is only at the end. With it, the grids "
        "are compressed for real every so often during training and the decoder network learns from what comes back: "
        "<i>project</i> overwrites the grids by their round trip, the published way; <i>round trip</i> also remembers "
        "what rounding took, so that nothing learned is lost to it; <i>proximal</i> leaves the grids free and pulls "
        "them towards their round trip; <i>special</i> is what each compressor does best: the codec's round trips, and "
        "Tucker's truncation after every step, both with a price on the bits that the grids would take.",
        tuple(variations),
        against(variations, "no guidance"),
    )


def _kinds(compressor: str) -> list[str]:
    """Every kind; special only where the compressor has one."""
    has_special = COMPRESSORS[compressor].special_guide is not Compressor.special_guide
    return [kind for kind in _CURVES if kind != "special" or has_special]
