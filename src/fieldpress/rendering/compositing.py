"""What samples absorb and give, summed up along their rays; differentiable."""

from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from fieldpress.rendering.sampling import Samples


def weights_of(
    absorbed: Float[Tensor, "n"], rays: Int[Tensor, "n"], ahead: Float[Tensor, "rays"]
) -> Float[Tensor, "n"]:
    """What each sample adds to what its ray sees: the light that gets there, times the share that it absorbs.

    Args:
        absorbed: Density times length, near to far.
        rays: Which ray each is on; rises.
        ahead: What each ray's earlier samples have absorbed.
    """
    return torch.exp(-before(absorbed, rays, len(ahead)) - ahead[rays]) * -torch.expm1(-absorbed)


def reached(density: Float[Tensor, "n"], samples: Samples, rays: int, least: float) -> Bool[Tensor, "n"]:
    """Which samples add at least so much to what their ray sees: light still gets there, and they absorb some."""
    return weights_of(density * samples.lengths, samples.rays, density.new_zeros(rays)) > least


def before(values: Float[Tensor, "n"], rays: Int[Tensor, "n"], count: int) -> Float[Tensor, "n"]:
    """The sum of the values before each, on its ray."""
    total = values.double().cumsum(0)
    before = total - values
    starts = torch.searchsorted(rays, torch.arange(count, device=rays.device))
    offsets = torch.cat([total.new_zeros(1), total])[starts]
    return (before - offsets[rays]).to(values.dtype)


class Rendered(NamedTuple):
    """What rays see.

    Attributes:
        colours: Weighted by opacity, (rays, channels): lay them over a background.
        opacity: The share of the light that the scene gives, (rays,).
        weights: What each sample adds, (samples,).
    """

    colours: Float[Tensor, "rays channels"]
    opacity: Float[Tensor, "rays"]
    weights: Float[Tensor, "n"]


def composite(
    values: Float[Tensor, "channels n"], density: Float[Tensor, "n"], samples: Samples, rays: int
) -> Rendered:
    """Sums up what samples absorb and give, near to far; differentiable in values and densities.

    Args:
        values: Colours of the samples, channels first.
        density: Their densities.
        samples: Where they are.
        rays: How many there are.
    """
    colours, opacity, weights = _Composite.apply(values, density * samples.lengths, samples.rays, rays)  # pyright: ignore[reportGeneralTypeIssues]
    return Rendered(colours, opacity, weights)


class _Composite(torch.autograd.Function):
    """weight = exp(-sum before) (1 - exp(-own)), with the gradient written down.

    With g_i the gradient that reaches weight i, what sample k absorbs gets ``g_k T_k e_k - sum of g_i w_i behind it``,
    T the light before a sample and e = exp(-own).
    """

    @staticmethod
    def forward(ctx: Any, values: Tensor, absorbed: Tensor, rays: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
        light = torch.exp(-before(absorbed, rays, count))
        kept = torch.exp(-absorbed)
        weights = light * (1 - kept)
        colours = values.new_zeros(count, len(values)).index_add_(0, rays, (values * weights).T)
        opacity = values.new_zeros(count).index_add_(0, rays, weights)
        ctx.save_for_backward(values, light, kept, weights, rays)
        ctx.count = count
        return colours, opacity, weights

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        of_colours, of_opacity, of_weights = gradients
        values, light, kept, weights, rays = ctx.saved_tensors
        per_sample = of_colours[rays].T
        reaching = (values * per_sample).sum(0) + of_opacity[rays] + of_weights
        given = reaching * weights
        behind = _sums(given, rays, ctx.count)[rays] - before(given, rays, ctx.count) - given
        return per_sample * weights, reaching * light * kept - behind, None, None


def _sums(values: Tensor, rays: Tensor, count: int) -> Tensor:
    return values.new_zeros(count).index_add_(0, rays, values)
