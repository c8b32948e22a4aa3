"""Guides: what a compressor will do to tensors, brought into training.

One law holds for every guide: after :meth:`Guide.settle` the tensors hold exactly what the bytes it returned decode to.
Before that, a guide shows the decoder network numbers like those it will be decoded with:

* *none*: nothing. The compressor meets the tensors only at the end.
* *project*: every so often the tensors are overwritten by their round trip, and training goes on from there.
  This is the published way; what the compressor drops is gone, and has to be learned again.
* *round trip*: the tensors the decoder sees are the decoded ones, but the compressor is handed
  ``seen - error``, where ``error`` is what the last round trip added. Gradients found on the seen values so reach the
  written ones unchanged (a straight-through estimate), and nothing a step learned is lost to rounding.
* *proximal*: the decoder sees the free tensors, and a loss term pulls them towards their last round trip.
* *special*: the compressor's own way, where it has one (:meth:`Compressor.special_guide`); else round trip.

Guides work in place: between steps the parameters hold what the decoder network sees. So the field never knows that it
is guided, the first four kinds cost nothing between round trips, and a special guide can restrict its work to
the parts of the tensors that a step has read. What it learns beside the tensors (codes, steps, entries) are its own
parameters; their gradients follow from those of the tensors in :meth:`Guide.learn`.
"""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from fieldpress.compressors.base import Array, Compressor, Known
from fieldpress.config import Plain, from_plain, to_plain
from fieldpress.places import Places


@dataclass(frozen=True)
class Guidance:
    """How a compressor takes part in training. Times are shares of the training budget, in [0, 1]."""

    kind: Literal["none", "project", "round-trip", "proximal", "special"] = "round-trip"
    """none, project, round-trip, proximal, or special: the compressor's own guide, if it has one, else round-trip."""
    every: float = 0.05
    """Share of the budget between two round trips."""
    start: float = 0.0
    """Share of the budget before the first round trip."""
    settle: float = 0.8
    """Share after which the grids stay as they decode and the decoder alone learns (not with kind none)."""
    weight: float = 1.0
    """Proximal only: weight of the mean squared distance to the last round trip, against the distortion."""

    def __post_init__(self) -> None:
        if not (0 < self.every <= 1 and 0 <= self.start <= 1 and 0 <= self.settle <= 1):
            raise ValueError("guidance times are shares of the budget: every in (0, 1], start and settle in [0, 1]")
        if self.weight < 0:
            raise ValueError(f"the weight of a proximal term is not negative, got {self.weight}")

    @property
    def settles_first(self) -> bool:
        """Whether the grids are coded before the first step, and once."""
        return self.kind != "none" and self.settle == 0.0


class Moment(NamedTuple):
    """When a step happens, and what bits cost then."""

    share: float
    """Of the training budget, in [0, 1]."""
    bit_price: float = 0.0
    """What one bit of the file adds to the loss."""
    curvature: float = 0.0
    """Of the loss along a number, for each unit of the mean square of its gradients; 0 if that is not known."""


class Guide(nn.Module):
    """Stands beside the tensors of one chunk during training. The generic guides use ``encode`` and ``decode`` alone.

    Args:
        compressor: What will write the tensors.
        guidance: When and how it takes part.
    """

    def __init__(self, compressor: Compressor, guidance: Guidance) -> None:
        super().__init__()
        self.compressor = self._original = compressor
        self._exchanged = False
        self.halvings = 0.0
        """How much coarser than asked for the compressor is set; see :meth:`coarsen`."""
        self.guidance = guidance
        self.coarser: Sequence[Tensor] = ()
        """What the same rule of the plan has at coarser levels: these are decoded before, and may help."""
        self.places: Callable[[], Sequence[Places | None]] = tuple
        """Where the cells are of these and of the tensors, as :class:`Known` has it."""
        self.due = guidance.start
        self.bits = 0.0
        """Size of the tensors when last written; 0 before."""

    def advance(self, tensors: Sequence[nn.Parameter], share: float) -> None:
        """Does the round trip that is due at ``share`` of the budget; it may overwrite the tensors in place."""
        self.due = share + self.guidance.every
        self.meet(tensors)

    def is_due(self, share: float) -> bool:
        """Whether :meth:`advance` should be called before the training step at ``share`` of the budget."""
        return share >= self.due

    @abstractmethod
    def meet(self, tensors: Sequence[nn.Parameter]) -> None:
        """One round trip and what follows from it."""

    def penalty(self, tensors: Sequence[nn.Parameter]) -> Tensor | None:
        """A term of the loss."""
        del tensors
        return None

    def learners(self) -> list[dict[str, Any]]:
        """Optimiser groups of what this guide learns itself: each with ``params`` and ``rate``, a learning rate."""
        return []

    def learn(self, tensors: Sequence[nn.Parameter], moment: Moment) -> None:
        """Between a step's gradients and its update: may change the tensors' gradients, and sets those of its own.

        Gradients of volumes are sparse over (channel, time): only the time slices that the step has read have one.
        """

    def show(self, tensors: Sequence[nn.Parameter], moment: Moment) -> None:
        """After a step's update: puts into the tensors what the decoder is to see next."""

    def written(self, tensors: Sequence[nn.Parameter]) -> list[Tensor]:
        """The values the compressor is handed."""
        return [tensor.detach() for tensor in tensors]

    def trim(self, tensors: Sequence[nn.Parameter], left: Sequence[Tensor | None]) -> None:
        """Tensors have lost cells, which lie in a list along their second axis.

        Args:
            tensors: As they are now.
            left: Of each which cells are left, rising; None for one that is as it was.
        """

    def coarsen(self, halvings: float) -> None:
        """Turns the compressor's quality, if it has one, towards so many halvings of the bits."""
        self.halvings += halvings
        turned = self._original.coarser(self.halvings) if self.halvings else None
        self.compressor = turned or self._original

    def exchange(self, compressor: Compressor) -> None:
        """Goes on with another compressor of the same kind, as it is; what it is turned by counts from there."""
        self.compressor = self._original = compressor
        self.halvings, self._exchanged = 0.0, True

    def size(self, tensors: Sequence[nn.Parameter]) -> float:
        """Bits of the tensors, were they written now."""
        arrays = [array_of(value) for value in self.written(tensors)]
        return 8.0 * len(self.compressor.encode_after(arrays, self.known()))

    def rehearse(self, tensors: Sequence[nn.Parameter]) -> tuple[float, list[Tensor]]:
        """Bits of the tensors, were they written now, and what they would decode to."""
        data, decoded = self._round_trip(self.written(tensors))
        return 8.0 * len(data), decoded

    @torch.no_grad()
    def settle(self, tensors: Sequence[nn.Parameter]) -> bytes:
        """The bytes for the file; afterwards the tensors hold what these decode to."""
        data, decoded = self._round_trip(self.written(tensors))
        for tensor, value in zip(tensors, decoded, strict=True):
            tensor.copy_(value)
        return data

    def _round_trip(self, values: Sequence[Tensor]) -> tuple[bytes, list[Tensor]]:
        arrays = [array_of(value) for value in values]
        known = self.known()
        data = self.compressor.encode_after(arrays, known)
        self.bits = 8.0 * len(data)
        decoded = self.compressor.decode_after(data, [array.shape for array in arrays], known)
        return data, [torch.from_numpy(array).to(value.device) for array, value in zip(decoded, values, strict=True)]

    def known(self) -> Known:
        """What a decoder has by the time it comes to these tensors, if those of coarser levels stay as they are."""
        return Known([array_of(tensor) for tensor in self.coarser], self.places())

    def get_extra_state(self) -> dict[str, Any]:
        """The clock and the compressor, for checkpoints."""
        exchanged: Plain = to_plain(self._original) if self._exchanged else None
        return {"due": self.due, "bits": self.bits, "halvings": self.halvings, "exchanged": exchanged}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """The clock and the compressor, from a checkpoint."""
        self.due, self.bits = state["due"], state["bits"]
        if state["exchanged"] is not None:
            self.exchange(from_plain(Compressor, state["exchanged"], "checkpoint"))
        self.coarsen(state["halvings"] - self.halvings)


class Unguided(Guide):
    """The compressor meets the tensors only when they are written."""

    def is_due(self, share: float) -> bool:
        return False

    def meet(self, tensors: Sequence[nn.Parameter]) -> None:
        raise AssertionError("an unguided tensor has no round trip in training")


class Project(Guide):
    """The tensors become their round trip."""

    def meet(self, tensors: Sequence[nn.Parameter]) -> None:
        self.settle(tensors)


class RoundTrip(Guide):
    """The tensors become their round trip, and the compressor goes on from what it was handed, not from that."""

    def __init__(self, compressor: Compressor, guidance: Guidance, tensors: Sequence[Tensor]) -> None:
        super().__init__(compressor, guidance)
        self.errors = zeros_beside(self, "error", tensors)

    def written(self, tensors: Sequence[nn.Parameter]) -> list[Tensor]:
        return [tensor.detach() - error for tensor, error in zip(tensors, self.errors(), strict=True)]

    def trim(self, tensors: Sequence[nn.Parameter], left: Sequence[Tensor | None]) -> None:
        trim_beside(self, "error", left)

    @torch.no_grad()
    def meet(self, tensors: Sequence[nn.Parameter]) -> None:
        written = self.written(tensors)
        _, decoded = self._round_trip(written)
        for tensor, error, source, value in zip(tensors, self.errors(), written, decoded, strict=True):
            error.copy_(value - source)
            tensor.copy_(value)


class Proximal(Guide):
    """The tensors stay free; a loss term pulls them towards their last round trip."""

    def __init__(self, compressor: Compressor, guidance: Guidance, tensors: Sequence[Tensor]) -> None:
        super().__init__(compressor, guidance)
        self.anchors = zeros_beside(self, "anchor", tensors)
        self.anchored = False

    def trim(self, tensors: Sequence[nn.Parameter], left: Sequence[Tensor | None]) -> None:
        trim_beside(self, "anchor", left)

    @torch.no_grad()
    def meet(self, tensors: Sequence[nn.Parameter]) -> None:
        _, decoded = self._round_trip(self.written(tensors))
        for anchor, value in zip(self.anchors(), decoded, strict=True):
            anchor.copy_(value)
        self.anchored = True

    def penalty(self, tensors: Sequence[nn.Parameter]) -> Tensor | None:
        if not self.anchored:
            return None
        distances = [((t - a) ** 2).sum() for t, a in zip(tensors, self.anchors(), strict=True)]
        return self.guidance.weight * torch.stack(distances).sum() / sum(tensor.numel() for tensor in tensors)

    def get_extra_state(self) -> dict[str, Any]:
        return {**super().get_extra_state(), "anchored": float(self.anchored)}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        super().set_extra_state(state)
        self.anchored = bool(state["anchored"])


def array_of(tensor: Tensor) -> Array:
    """What a compressor takes."""
    return np.ascontiguousarray(tensor.detach().cpu().numpy(), dtype=np.float32)


def zeros_beside(module: nn.Module, noun: str, tensors: Sequence[Tensor]) -> Callable[[], list[Tensor]]:
    """Zeros like the tensors, kept in the module's state; returns a function that lists them."""
    names = [f"{noun}_{i}" for i in range(len(tensors))]
    for name, tensor in zip(names, tensors, strict=True):
        module.register_buffer(name, torch.zeros_like(tensor, requires_grad=False))
    return lambda: [module.get_buffer(name) for name in names]


def trim_beside(module: nn.Module, noun: str, left: Sequence[Tensor | None]) -> None:
    """What :func:`zeros_beside` keeps loses the cells that the tensors have lost."""
    for i, cells in enumerate(left):
        if cells is not None:
            module.register_buffer(f"{noun}_{i}", module.get_buffer(f"{noun}_{i}")[:, cells])


class Written(NamedTuple):
    """A chunk in the making."""

    guide: Guide
    tensors: Sequence[nn.Parameter]


def build_guide(compressor: Compressor, guidance: Guidance, tensors: Sequence[Tensor]) -> Guide:
    """The guide of the asked kind for these tensors; none where nothing in them is learned."""
    if not any(tensor.requires_grad for tensor in tensors):
        return Unguided(compressor, guidance)
    match guidance.kind:
        case "none":
            return Unguided(compressor, guidance)
        case "project":
            return Project(compressor, guidance)
        case "round-trip":
            return RoundTrip(compressor, guidance, tensors)
        case "proximal":
            return Proximal(compressor, guidance, tensors)
        case "special":
            return compressor.special_guide(guidance, tensors) or RoundTrip(compressor, guidance, tensors)
