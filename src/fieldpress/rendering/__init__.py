"""Volume rendering, as functions over tensors and callables: rays to samples, samples to colours.

::

    rays ── lay into the cube ──> Path ── bins, jitter, empty space skipped ──> Samples (packed, ray after ray)
    Samples ── field ──> colour and density ── composite ──> colour, opacity and distance of every ray

A density is absorption per 1/128 of the cube's side, so what a place absorbs does not depend on who looks at it or on
how finely a path is sampled. Source of the model: Max 1995; NeRF (Mildenhall et al. 2020).
"""

from fieldpress.rendering.compositing import Rendered, before, composite, reached, weights_of
from fieldpress.rendering.paths import UNIT, Path, lay
from fieldpress.rendering.sampling import Occupancy, Samples, bins_for, sample

__all__ = [
    "UNIT",
    "Occupancy",
    "Path",
    "Rendered",
    "Samples",
    "before",
    "bins_for",
    "composite",
    "lay",
    "reached",
    "sample",
    "weights_of",
]
