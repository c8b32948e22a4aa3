"""What does each idea buy?"""

from fieldpress.bench.studies.base import Settings, Study, Variation, against
from fieldpress.bench.studies.turning import CRFS, RULES, grids

_UNTURNED = "the preset"
_SWITCHES: dict[str, Settings] = {
    _UNTURNED: {},
    "nested planes": {"grids.nested": "true"},
    "fitted grids": {"grids": "fitted", "grids.parameters-per-pixel": "0.5", "grids.plane-features": "2"},
    "L1 + SSIM loss": {"training.loss": "l1-ssim"},
    "pixels at random": {"training.sampling": "pixels"},
    "flow": {"grids.flow": "60"},
}
_RULES = (*RULES, "plan.nested", "plan.flow")


def study() -> Study:
    """One switch at a time, at several qualities."""
    variations = [
        Variation("One switch at a time", curve, {**switch, **grids(None, _RULES, crf=crf)})
        for curve, switch in _SWITCHES.items()
        for crf in CRFS
    ]
    return Study(
        "ideas",
        "What does each idea buy?",
        "Each file is made by the same preset with one switch turned: planes whose levels share one nested table, "
        "grids fitted to the clip, a loss of absolute error and structural similarity in place of squared error, steps "
        "on random pixels of the whole clip in place of whole pictures, and a learned flow that aligns moving content.",
        tuple(variations),
        against(variations, _UNTURNED),
    )
