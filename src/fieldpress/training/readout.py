"""A start for the decoder on grids that hold the clip: units that multiply, and least squares for the outputs."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn import functional

from fieldpress.decoders.mlp import SLOPE, MlpDecoder
from fieldpress.field import Field, Points, Query
from fieldpress.training.sites import Site

_PRODUCTS = ((1.0, 0.0), (2.0, 0.5), (4.0, 0.5))
"""Slope of the factor and offset, of the pairs of units for the strongest detail; others get the first."""
_MOST_UNITS = 0.5
"""Share of the hidden units that may be given to products; the others stay random."""
_SAMPLES = 1 << 15
"""Pixels that the outputs are fitted to: several hundred for each unknown of a preset."""
_PART = 1 << 12
_RIDGE = 1e-5
"""Against the mean square of the inputs."""


def multiply_features(decoder: MlpDecoder, factor: Site, details: Sequence[Site]) -> None:
    """Gives pairs of hidden units the job of a product ``factor * detail``.

    ``relu(d + m) - relu(m - d)`` is 2 d where m is large, 0 where it is small, and clipped to plus and minus d + m in
    between: a product for factors that switch, a coarse one otherwise. Several slopes of m together refine it. Layers
    behind the first hand the units on.
    """
    first, *others = decoder.hidden
    jobs = [(details[0], slope, offset) for slope, offset in _PRODUCTS] + [(d, *_PRODUCTS[0]) for d in details[1:]]
    spread = _spread(factor)
    for pair, (detail, slope, offset) in enumerate(jobs[: int(_MOST_UNITS * len(first.bias) / 2)]):  # pyright: ignore[reportArgumentType]
        for unit, sign in ((2 * pair, 1.0), (2 * pair + 1, -1.0)):
            _set_row(first, unit, {detail.column: sign / (2 * _spread(detail)), factor.column: slope / (2 * spread)})
            first.bias[unit] = offset  # pyright: ignore[reportIndexIssue]
            for layer in others:
                _set_row(layer, unit, {unit: 1.0})


def _spread(site: Site) -> float:
    """Root mean square; 1 for an empty grid, whose product is zero whatever the weights."""
    return float(site.grid.square().mean().sqrt()) or 1.0


def _set_row(layer: nn.Module, row: int, weights: dict[int, float]) -> None:
    assert isinstance(layer, nn.Linear)
    layer.weight[row] = 0.0
    layer.bias[row] = 0.0
    for column, weight in weights.items():
        layer.weight[row, column] = weight


def fit_readout(
    field: Field, rgb: UInt8[Tensor, "t h w 3"], skip: Float[Tensor, "3 features"], bias: Float[Tensor, "3"]
) -> None:
    """Linear path, last layer and its bias, all at once: least squares on pixels drawn at random, from a fixed seed.

    Args:
        field: With an ``mlp`` decoder, whose grids and hidden layers stay as they are.
        rgb: The clip.
        skip: The linear path where least squares leave it open: the solution nearest to it is taken.
        bias: As ``skip``, for the bias of the last layer.
    """
    decoder = field.decoder
    assert isinstance(decoder, MlpDecoder)
    colours, sides = rgb.reshape(-1, 3), torch.tensor(rgb.shape[:3], device=rgb.device)
    drawn = torch.randint(len(colours), (_SAMPLES,), generator=torch.Generator().manual_seed(0)).to(rgb.device)
    prior = torch.cat([skip, torch.zeros_like(decoder.last.weight), bias[:, None]], 1).double()
    squares = prior.new_zeros(prior.shape[1], prior.shape[1])
    products = prior.new_zeros(prior.shape[1], 3)
    for part in drawn.split(_PART):
        places = torch.stack(torch.unravel_index(part, rgb.shape[:3]), 1)
        inputs = _inputs(field, decoder, Points((places + 0.5) / sides)).double()
        missing = colours[part].T.double() / 255 - prior @ inputs
        squares += inputs @ inputs.T
        products += inputs @ missing.T
    squares.diagonal().add_(_RIDGE * float(squares.diagonal().mean()))
    solution = (prior + torch.linalg.solve(squares, products).T).to(skip)
    features, units = skip.shape[1], decoder.last.weight.shape[1]
    for parameter, weights in zip(
        (decoder.skip, decoder.last.weight, decoder.last.bias[:, None]),
        solution.split([features, units, 1], dim=1),
        strict=True,
    ):
        parameter.copy_(weights)


def _inputs(field: Field, decoder: MlpDecoder, query: Query) -> Float[Tensor, "inputs n"]:
    """What the outputs are linear in: the features, the last hidden layer, and 1."""
    features = torch.cat([encoding(query) for encoding in field.encodings.values()])
    hidden = features
    for layer in decoder.hidden:
        assert isinstance(layer, nn.Linear)
        hidden = functional.leaky_relu(layer.weight @ hidden + layer.bias[:, None], SLOPE)
    return torch.cat([features, hidden, torch.ones_like(features[:1])])
