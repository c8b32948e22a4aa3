"""The head of a film in closed form: least squares, rounded to whole steps by what each rounding costs.

The squared error is a quadratic function of the head's weights, known exactly once the film is decoded. So nothing has
to be trained: the best weights solve a linear system. They are rounded one by one, and what one rounding does to the
picture is taken back by those still free (source: optimal brain surgeon, Hassibi and Stork 1993; rounding in this
way: GPTQ, Frantar et al. 2022). How coarse the steps are, and how strongly weights are held at nothing, is
chosen among a few by the true error of what is written and the bytes that takes, at the price of a byte in the film.
"""

import copy
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
from fieldpress.decoders.head import PAINTED, HeadDecoder
from fieldpress.encodings.film import CELL, FilmEncoding
from fieldpress.field import Field
from fieldpress.interfaces import Latent
from fieldpress.queries import Lattice

_MOST_PICTURES = 64
"""That are looked at: about a thousand weights need no more."""
_CELLS = 1 << 16
"""Whose inputs are held in double precision at a time: 50 MB."""
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

    squares: Float[Tensor, "inputs+1 inputs+1"]
    cross: Float[Tensor, "inputs+1 12"]
    """Of inputs with what a head that has learned nothing misses of (y, u, v)."""
    metric: Float[Tensor, "3 3"]
    """Squared error in RGB of an error in (y, u, v)."""
    constant: float
    """Squared error of that head."""

    def error(self, weights: Float[Tensor, "12 inputs+1"]) -> float:
        """Squared error in RGB, over the pictures looked at."""
        moved = weights.reshape(3, -1, len(self.squares))
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
    pictures = _Pictures(field, rgb)
    head.expect(pictures.error_of_luma())
    normal = pictures.normal(head.expectation)
    price = normal.constant * (10 ** (_DECIBELS_PER_DOUBLING / 10) - 1) / max(1.0, film_bits)

    def attempt(weights: Float[Tensor, "12 inputs+1"]) -> _Attempt:
        _put(head, weights)
        bits, decoded = guide.rehearse(chunk.tensors)
        found, expectation = _read(head, chunk.tensors, decoded)
        error = pictures.normal(expectation).error(found)
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
    weights: Float[Tensor, "12 inputs+1"]


def _step(compressor: Compressor) -> float:
    """What values become multiples of, whatever they are; 0 if that is not known before."""
    return compressor.step if isinstance(compressor, Entropy) and compressor.unit == "absolute" else 0.0


def _put(head: HeadDecoder, weights: Float[Tensor, "12 inputs+1"]) -> None:
    head.weight.copy_(weights[:, :-1])
    head.bias.copy_(weights[:, -1])


def _read(
    head: HeadDecoder, tensors: Sequence[Tensor], decoded: Sequence[Tensor]
) -> tuple[Float[Tensor, "12 inputs+1"], Tensor | None]:
    """The head's weights and expectation as a chunk's tensors give them back; as they are, where they are not in it."""
    found = {id(tensor): value for tensor, value in zip(tensors, decoded, strict=True)}
    weight, bias = (found.get(id(tensor), tensor) for tensor in (head.weight, head.bias))
    return torch.cat([weight, bias[:, None]], 1).double(), found.get(id(head.expectation), head.expectation)


class _Pictures:
    """Pictures spread evenly over a clip: what was meant, and what a field gives."""

    def __init__(self, field: Field, rgb: UInt8[Tensor, "t h w 3"]) -> None:
        (film,) = field.encodings.values()
        assert isinstance(film, FilmEncoding)
        assert isinstance(field.decoder, HeadDecoder)
        self._film, self._head, self._field, self._rgb = film, field.decoder, field, rgb
        self._colours = field.decoder.colours.double()
        total, count = len(rgb), min(_MOST_PICTURES, len(rgb))
        self._times = [(2 * k + 1) * total // (2 * count) for k in range(count)]
        self._share = total / count
        self._normals: dict[float | None, Normal] = {}

    def error_of_luma(self) -> float:
        """Mean squared error of the film's own luma."""
        to_luma = torch.linalg.inv(self._colours)[0]
        errors = [
            (self._film.luma[0, t].double() - (self._rgb[t].double() / 255 - 0.5) @ to_luma).square().mean()
            for t in self._times
        ]
        return float(torch.stack(errors).mean())

    def normal(self, expectation: Tensor | None) -> Normal:
        """The normal equations of a head with this expectation, if it has one."""
        key = None if expectation is None else expectation.item()
        if key not in self._normals:
            self._normals[key] = self._added_up(expectation)
        return self._normals[key]

    def _added_up(self, expectation: Tensor | None) -> Normal:
        head = copy.deepcopy(self._head)
        if head.expectation is not None and expectation is not None:
            head.expectation.copy_(expectation)
        base = head.base().double()
        metric = self._colours.T @ self._colours
        squares = base.new_zeros(base.shape[1] + 1, base.shape[1] + 1)
        cross, constant = base.new_zeros(base.shape[1] + 1, PAINTED), 0.0
        for t in self._times:
            read, wanted = (
                part.split(_CELLS, 1) for part in (head.inputs(self._latent(t)).flatten(1), self._wanted(t))
            )
            for features, goal in zip(map(Tensor.double, read), wanted, strict=True):
                missing = goal - base @ features
                inputs = torch.cat([features, torch.ones_like(features[:1])])
                squares += inputs @ inputs.T
                cross += inputs @ missing.T
                by_colour = missing.reshape(3, -1)
                constant += float(((by_colour @ by_colour.T) * metric).sum())
        return Normal(squares * self._share, cross * self._share, metric, constant * self._share)

    def _latent(self, t: int) -> Latent:
        """What a head reads of all cells of a picture."""
        total, height, width = self._rgb.shape[:3]
        rows, columns = (torch.arange(count) * CELL + CELL / 2 for count in self._film.config.cells)
        axes = (torch.tensor([(t + 0.5) / total]), rows / height, columns / width)
        return Latent(self._field.encodings, Lattice(*(axis.to(self._film.luma) for axis in axes)))

    def _wanted(self, t: int) -> Float[Tensor, "12 cells"]:
        """What they should give: (y, u, v) of all pixels of a cell."""
        height, width = self._rgb.shape[1:3]
        rows, columns = self._film.config.cells
        wanted = torch.linalg.inv(self._colours) @ (self._rgb[t].reshape(-1, 3).T.double() / 255 - 0.5)
        cut = (0, CELL * columns - width, 0, CELL * rows - height)
        whole = functional.pad(wanted.reshape(1, 3, height, width), cut, "replicate")
        return functional.pixel_unshuffle(whole, CELL).flatten(2)[0]


def _solution(normal: Normal, ridge: float, step: float, deadzone: float) -> Float[Tensor, "12 inputs+1"]:
    """The best weights held at nothing by a ridge, rounded one after the other to multiples of a step (0: not)."""
    held = normal.squares + ridge * normal.squares[-1, -1] * torch.eye(len(normal.squares)).to(normal.squares)
    weights = torch.linalg.solve(held, normal.cross).T.contiguous()
    if not step:
        return weights
    # Row j of the upper Cholesky factor of the inverse: how those still free take back an error in weight j.
    takeback = torch.linalg.cholesky(torch.linalg.inv(held), upper=True)
    for j in range(len(held)):
        multiples = weights[:, j] / step
        rounded = torch.where(multiples.abs() < 0.5 + deadzone, 0.0, multiples.round()) * step
        error = (weights[:, j] - rounded) / takeback[j, j]
        weights[:, j] = rounded
        weights[:, j + 1 :] -= error[:, None] * takeback[j, j + 1 :]
    return weights
