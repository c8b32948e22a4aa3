"""The head of a film in closed form: least squares, rounded to whole steps by what each rounding costs.

The squared error is a quadratic function of the head's weights, known exactly once the film is decoded. So nothing has
to be trained: the best weights solve a linear system. They are rounded one by one, and what one rounding does to the
picture is taken back by those still free (source: optimal brain surgeon, Hassibi and Stork 1993; rounding in this
way: GPTQ, Frantar et al. 2022). How coarse the steps are, and how strongly weights are held at nothing, is
chosen among a few by the true error of what is written and the bytes that takes, at the price of a byte in the film.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional

from fieldpress.compressors.base import Compressor
from fieldpress.compressors.entropy import Entropy
from fieldpress.compressors.guides import Written
from fieldpress.decoders.head import PAINTED, HeadDecoder, plain_weight
from fieldpress.encodings.film import CELL, FEATURES, FilmEncoding
from fieldpress.field import Field
from fieldpress.queries import Lattice

_MOST_PICTURES = 64
"""That are looked at: 648 weights need no more."""
_RIDGES = (1e-6, 1e-5, 1e-4, 1e-3)
"""How strongly weights are held at nothing, against the film's variance."""
_HALVINGS = (0.0, 1.0, 2.0, 3.0, 4.0)
"""How much coarser than planned the weights may be written; each doubles the step."""
_DEADZONES = (0.0, 0.25, 0.5)
"""By how much of a step beyond its half a weight is still rounded to nothing."""
_DECIBELS_PER_DOUBLING = 3.9
"""By which twice the bytes of a film make it better: the slope of a film coded at two qualities around 35 dB."""


@dataclass(frozen=True)
class Normal:
    """The normal equations of the head: ``error(w) = constant - 2 tr(w cross) + tr(w squares wᵀ)``, bias last."""

    squares: Float[Tensor, "55 55"]
    cross: Float[Tensor, "55 12"]
    """Of features with what the plain head misses of (y, u, v)."""
    metric: Float[Tensor, "3 3"]
    """Squared error in RGB of an error in (y, u, v)."""
    constant: float
    """Squared error of the plain head."""

    def error(self, weights: Float[Tensor, "12 55"]) -> float:
        """Squared error in RGB, over the pictures looked at."""
        moved = weights.reshape(3, -1, FEATURES + 1)
        gained = self.cross.T.reshape(moved.shape)
        change = torch.einsum("apf,fg,bpg,ab->", moved, self.squares, moved, self.metric)
        return self.constant + float(change - 2 * torch.einsum("apf,bpf,ab->", moved, gained, self.metric))


@torch.no_grad()
def fit_head(field: Field, rgb: UInt8[Tensor, "t h w 3"], film_bits: float, chunks: Iterable[Written]) -> float:
    """Sets the head's weights and bias; to whole multiples of a step, if their compressor has a fixed one.

    Args:
        field: A decoded film and its head, whose colours stay.
        rgb: The clip.
        film_bits: What the film takes.
        chunks: Of the decoder. The compressor of the weights is made as coarse as pays, if it takes nothing else.

    Returns:
        The mean squared error of the pictures looked at, before they are rounded to 8 bits.
    """
    head = field.decoder
    assert isinstance(head, HeadDecoder)
    chunk = next(chunk for chunk in chunks if any(tensor is head.weight for tensor in chunk.tensors))
    guide = chunk.guide
    alone = not any(tensor is head.colours for tensor in chunk.tensors)
    normal = _normal(field, rgb)
    price = normal.constant * (10 ** (_DECIBELS_PER_DOUBLING / 10) - 1) / max(1.0, film_bits)

    def attempt(weights: Float[Tensor, "12 55"]) -> _Attempt:
        _put(head, weights)
        bits, decoded = guide.rehearse(chunk.tensors)
        error = normal.error(_read(head, chunk.tensors, decoded))
        return _Attempt(error + price * bits, error, guide.halvings, weights)

    guide.coarsen(-guide.halvings)
    best = attempt(torch.zeros_like(normal.cross.T))  # the film as it is
    for halvings in _HALVINGS if alone else (0.0,):
        guide.coarsen(halvings - guide.halvings)
        step = _step(guide.compressor)
        for ridge in _RIDGES:
            for deadzone in _DEADZONES:
                best = min(best, attempt(_solution(normal, ridge, step, deadzone)), key=lambda one: one.cost)
    guide.coarsen(best.halvings - guide.halvings)
    _put(head, best.weights)
    return best.error / rgb.numel()


class _Attempt(NamedTuple):
    """Weights, and what they are worth once written."""

    cost: float
    error: float
    halvings: float
    weights: Float[Tensor, "12 55"]


def _step(compressor: Compressor) -> float:
    """What values become multiples of, whatever they are; 0 if that is not known before."""
    return compressor.step if isinstance(compressor, Entropy) and compressor.unit == "absolute" else 0.0


def _put(head: HeadDecoder, weights: Float[Tensor, "12 55"]) -> None:
    head.weight.copy_(weights[:, :FEATURES])
    head.bias.copy_(weights[:, FEATURES])


def _read(head: HeadDecoder, tensors: Sequence[Tensor], decoded: Sequence[Tensor]) -> Float[Tensor, "12 55"]:
    """The head's weights as a chunk's tensors give them back; as they are, where they are not in it."""
    found = {id(tensor): value for tensor, value in zip(tensors, decoded, strict=True)}
    weight, bias = (found.get(id(tensor), tensor) for tensor in (head.weight, head.bias))
    return torch.cat([weight, bias[:, None]], 1).double()


def _normal(field: Field, rgb: UInt8[Tensor, "t h w 3"]) -> Normal:
    """Adds up the normal equations over pictures spread evenly over the clip."""
    (film,) = field.encodings.values()
    assert isinstance(film, FilmEncoding)
    assert isinstance(field.decoder, HeadDecoder)
    colours = field.decoder.colours.double()
    to_film, plain = torch.linalg.inv(colours), plain_weight().to(colours)
    total, height, width = rgb.shape[:3]
    sides = [torch.arange(count) * CELL + CELL / 2 for count in film.config.cells]
    squares = colours.new_zeros(FEATURES + 1, FEATURES + 1)
    cross = colours.new_zeros(FEATURES + 1, PAINTED)
    metric, constant = colours.T @ colours, 0.0
    for k in range(count := min(_MOST_PICTURES, total)):
        t = (2 * k + 1) * total // (2 * count)
        centres = [torch.tensor([(t + 0.5) / total]), sides[0] / height, sides[1] / width]
        features = film(Lattice(*(axis.to(film.luma) for axis in centres))).flatten(1).double()
        wanted = (to_film @ (rgb[t].reshape(-1, 3).T.double() / 255 - 0.5)).reshape(1, 3, height, width)
        cut = (0, CELL * len(sides[1]) - width, 0, CELL * len(sides[0]) - height)
        wanted = functional.pixel_unshuffle(functional.pad(wanted, cut, "replicate"), CELL).flatten(2)[0]
        missing = wanted - plain @ features
        inputs = torch.cat([features, torch.ones_like(features[:1])])
        squares += inputs @ inputs.T
        cross += inputs @ missing.T
        by_colour = missing.reshape(3, -1)
        constant += float(((by_colour @ by_colour.T) * metric).sum())
    share = total / count
    return Normal(squares * share, cross * share, metric, constant * share)


def _solution(normal: Normal, ridge: float, step: float, deadzone: float) -> Float[Tensor, "12 55"]:
    """The best weights held at nothing by a ridge, rounded one after the other to multiples of a step (0: not)."""
    held = normal.squares + ridge * normal.squares[-1, -1] * torch.eye(FEATURES + 1).to(normal.squares)
    weights = torch.linalg.solve(held, normal.cross).T.contiguous()
    if not step:
        return weights
    # Row j of the upper Cholesky factor of the inverse: how those still free take back an error in weight j.
    takeback = torch.linalg.cholesky(torch.linalg.inv(held), upper=True)
    for j in range(FEATURES + 1):
        multiples = weights[:, j] / step
        rounded = torch.where(multiples.abs() < 0.5 + deadzone, 0.0, multiples.round()) * step
        error = (weights[:, j] - rounded) / takeback[j, j]
        weights[:, j] = rounded
        weights[:, j + 1 :] -= error[:, None] * takeback[j, j + 1 :]
    return weights
