"""The clip's colours on axes of its own, and the range that started grids keep to."""

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

PEAK = 0.49
"""Largest magnitude in a started grid: inside the range [-0.5, 0.5] that a video compressor maps to its code values."""


def principal_colours(rgb: UInt8[Tensor, "t h w 3"]) -> tuple[Float[Tensor, "3"], Float[Tensor, "3 3"]]:
    """Mean colour in [0, 1] and the principal axes, strongest first, as rows; signs are fixed, so runs agree."""
    pixels = rgb.reshape(-1, 3)
    sample = pixels[:: max(1, len(pixels) // 200_000)].double() / 255
    mean = sample.mean(0)
    centred = sample - mean
    _, vectors = torch.linalg.eigh(centred.T @ centred / len(sample))
    axes = vectors.T.flip(0)
    # Where the clip has no colour the weak axes are arbitrary, and harmless: their components are zero.
    signs = torch.where(axes.sum(1) < 0, -1.0, 1.0)
    return mean.float(), (axes * signs[:, None]).float()
