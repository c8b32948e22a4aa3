"""How a field is fitted: the training settings of a recipe."""

import math
from dataclasses import dataclass
from typing import Literal

from fieldpress.arguments import argument
from fieldpress.compressors.guides import Guidance
from fieldpress.errors import ConfigError


@dataclass(frozen=True)
class Training:
    """Settings of the training loop. Schedules run on the share of the budget used, in minutes or steps alike."""

    guidance: Guidance
    """How the compressors take part."""
    start: Literal["source", "tucker", "random"] = "source"
    """The volume from the source's colours; volume, planes and decoder from its decomposition; or random numbers."""
    sampling: Literal["frames", "pixels"] = "frames"
    """A step sees whole pictures (or large crops), or pixels drawn at random from the whole clip."""
    batch_pixels: int = 131072
    """Pixels of a step, at most."""
    loss: Literal["l2", "psnr", "l1-ssim"] = "l2"
    """Mean squared error; its logarithm per picture, as PSNR averages it; or 0.7 L1 + 0.3 (1 - SSIM)."""
    precision: Literal["auto", "single", "mixed"] = "auto"
    """Of matrix products in training on clips: 32 bits; 16 (bfloat16); or auto, 16 on a GPU if the decoder is wide."""
    rate_weight: float = 0.0
    """What one bit per pixel adds to the loss, for compressors whose special guide estimates bits; others ignore it.
    Above 0, cells that no photograph of a scene shows are cut off before it is written, whatever the compressor."""
    decoder_rate: float = 3e-3
    """Learning rate of the decoder at the start; falls to 1/1000 of it along a cosine."""
    grid_update: Literal["blockwise", "elementwise"] = "blockwise"
    """One second moment per grid, which keeps the gradient's proportions, or Adam's one per number."""
    grid_rate: float = 5e-3
    """Elementwise: the learning rate. Blockwise: how far a number travels in the whole run at an average gradient."""
    weight_decay: float = 0.0
    """Decoupled weight decay, per unit of learning rate."""

    def __post_init__(self) -> None:
        if self.batch_pixels < 1:
            raise ValueError(f"a step needs at least one pixel, got {self.batch_pixels}")
        if self.loss != "l2" and self.sampling == "pixels":
            raise ValueError(f"the {self.loss} loss compares pictures; use --training.sampling frames")
        if min(self.decoder_rate, self.grid_rate, self.weight_decay, self.rate_weight) < 0:
            raise ValueError("learning rates, weight decay and rate weight are not negative")


@dataclass(frozen=True)
class Budget:
    """How long to train: minutes of wall time, or a number of steps. Exactly one of them."""

    minutes: float | None = None
    steps: int | None = None

    def __post_init__(self) -> None:
        argument("minutes", float | None, self.minutes)
        argument("steps", int | None, self.steps)
        if (self.minutes is None) == (self.steps is None):
            raise ConfigError("give a budget in minutes or in steps, one of them")
        number, unit = (self.minutes, "minutes") if self.minutes is not None else (self.steps or 0, "steps")
        if not 0 < number < math.inf:
            raise ConfigError(f"a training budget of {number:g} {unit} is none: give a number above 0")

    def share(self, step: int, seconds: float) -> float:
        """The share used, in [0, 1]."""
        return min(1.0, step / self.steps if self.steps is not None else self.pace(seconds))

    def pace(self, seconds: float) -> float:
        """The share that one step takes, which with a budget in minutes depends on its seconds."""
        return 1 / self.steps if self.steps is not None else seconds / (60 * (self.minutes or 1))
