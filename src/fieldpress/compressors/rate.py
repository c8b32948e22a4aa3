"""What integers will cost, as a smooth function of the numbers that become them.

The entropy coder predicts a cell from its neighbours in space and time, and learns from these how large a residual to
expect (``coding/context.py``). This is the same idea without the coding order: every cell is predicted from the four
around it, the cell one slice before, and the four around that, and costs what a Laplace distribution gives it whose
integers are as large on average as those around. The real coder knows less of most neighbourhoods, so a true round trip
says by how much it differs.
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

_LEAST_MAGNITUDE = 0.02
"""Mean magnitude of integers below which a residual is not thought any smaller: zeros cost next to nothing already."""
_RIDGE = 1e-3

Slices = Float[Tensor, "n y x"]
"""Slices of a grid, in quantiser steps; a plane's channels count as slices, a vector is one row."""


def laplace_bits(values: Tensor, magnitude: Tensor) -> Tensor:
    """Bits of the integers nearest to ``values``, were these Laplace distributed with this mean magnitude.

    Source: minus the logarithm of the probability of a unit interval (Ballé et al., ICLR 2017); smooth in ``values``.

    Example:
        >>> laplace_bits(torch.tensor([0.0, 3.0]), torch.tensor(1.0))
        tensor([1.3457, 5.2685])
    """
    far = values.abs()
    # Around the peak the interval has a part on either side of it. Beyond, its probability is written as a logarithm,
    # which does not underflow.
    near = far.clamp_max(0.5)
    inside = -torch.log1p(-0.5 * (torch.exp((near - 0.5) / magnitude) + torch.exp((-near - 0.5) / magnitude)))
    outside = (far - 0.5) / magnitude - torch.log(-0.5 * torch.expm1(-1 / magnitude))
    return torch.where(far < 0.5, inside, outside) / math.log(2)


def scale_of_integers(magnitude: Tensor) -> Tensor:
    """The mean magnitude of a Laplace distribution, from that of the integers nearest to its values.

    Both are the same for large ones. Where most integers are zeros, that of the values is larger: were it as small as
    that of the integers, nearly all values would be rounded to zero, and a lone other one would cost tens of bits.

    Source: integers of a distribution of scale ``b`` reach ``k`` with probability ``exp((0.5 - k) / b)``; summed over
    all ``k`` from 1 that is ``1 / (2 sinh(1 / 2b))``, here solved for ``b``.

    Example:
        >>> scale_of_integers(torch.tensor([0.02, 5.0]))
        tensor([0.1278, 5.0083])
    """
    return 0.5 / torch.asinh(0.5 / magnitude)


def around(slices: Slices) -> Slices:
    """The mean of the four cells beside each one; edges repeat."""
    if min(slices.shape[-2:]) == 1:
        return torch.zeros_like(slices)  # a row of weights or biases: its neighbours say nothing
    padded = functional.pad(slices[:, None], (1, 1, 1, 1), mode="replicate")[:, 0]
    return (padded[:, 2:, 1:-1] + padded[:, :-2, 1:-1] + padded[:, 1:-1, 2:] + padded[:, 1:-1, :-2]) / 4


def fit_prediction(slices: Slices, before: Slices) -> Float[Tensor, "3"]:
    """The weights with which :func:`residuals` predicts best, by least squares."""
    known = torch.stack([around(slices), before, around(before)]).flatten(1).double()
    gram = known @ known.T
    ridge = _RIDGE * torch.diag(gram).max().clamp_min(1e-12) * torch.eye(3, dtype=gram.dtype, device=gram.device)
    return torch.linalg.solve(gram + ridge, known @ slices.flatten().double()).float()


def residuals(slices: Slices, before: Slices, weights: Sequence[float]) -> Slices:
    """What a prediction leaves. ``before`` is the slice before each one, zero where there is none."""
    prediction = weights[0] * around(slices)
    if any(weights[1:]):
        prediction = prediction + weights[1] * before + weights[2] * around(before)
    return slices - prediction


def expected_bits(slices: Slices, before: Slices, weights: Sequence[float]) -> Slices:
    """Bits of each cell. The gradient reaches cells as neighbours, too, but not through the magnitudes around."""
    with torch.no_grad():
        magnitudes = residuals(slices.round(), before.round(), weights).abs()
        is_row = min(slices.shape[-2:]) == 1
        magnitudes = magnitudes.mean((1, 2), keepdim=True) if is_row else _mean_around(magnitudes)
    scale = scale_of_integers(magnitudes.clamp_min(_LEAST_MAGNITUDE))
    return laplace_bits(residuals(slices, before, weights), scale)


def _mean_around(magnitudes: Slices) -> Slices:
    """The mean of the eight cells around each one."""
    padded = functional.pad(magnitudes[:, None], (1, 1, 1, 1), mode="replicate")
    return (functional.avg_pool2d(padded, 3, stride=1)[:, 0] * 9 - magnitudes) / 8
