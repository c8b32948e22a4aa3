"""Finding out where things are: the octree of a scene, grown from photographs alone.

::

    a full coarse grid ── train ── cells that rays saw ── widen, split ── train ── ... ──> octree, features, decoder

Every round trains all levels so far; then cells that never added anything to a picture are dropped, and the others are
split. Features and decoder are carried over, so the survey is also the start of the field. Rounds are short: they only
have to tell full from empty.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Bool
from torch import Tensor
from torch.nn import functional

from fieldpress.config import from_plain, to_plain
from fieldpress.encodings.octree import OctreeEncoding, octants_of, octree_of
from fieldpress.field import Field, FieldConfig, Points
from fieldpress.interfaces import Decoder, DecoderConfig
from fieldpress.rendering import Occupancy, bins_for, lay, sample, weights_of
from fieldpress.signals.space import Space
from fieldpress.training.config import Budget, Training
from fieldpress.training.optimiser import LazyAdam
from fieldpress.training.rays import PhotoRays
from fieldpress.training.scene import Glance, Sight, scene_loss
from fieldpress.training.trimming import closed, widened

_ROUND_WEIGHTS = (2.0, 3.0, 4.0, 5.0)
"""Shares of the budget for rounds on ever finer levels; the last one counts for all that follow."""
_SEEN = 0.01
"""A cell that adds at most so much to any ray's colour is empty."""
_MOST_FACES = 6
"""Of the cells seen, so many times those of a face of the cube are kept, the most seen ones: memory stays bounded."""
_RAYS_A_FACE = 4
"""Rays that look around at the end of a round, for each cell of a face of the cube, if there are so many pixels."""
_LOOKS = 3
"""Pictures that have to look at a cell. What one camera alone has before it would fill with fog, which explains its
picture as well as anything."""
_FADING = 0.995
"""What was seen is remembered with this decay per step, so that early fog is forgotten."""
_FULL_LEVEL, _LEAST_ROUNDS = 5, 4
"""Logarithm of the side of the full grid that a survey begins with, unless that leaves too few rounds. On a coarser one
cells are dropped before there is anything to see."""
_WARM_UP = 40
"""Steps over which learning rates rise at the start of a round."""


class Survey:
    """Grows an octree.

    Iterating does one step after the other and gives the mean squared error of each; then :attr:`field` and
    :attr:`config` are what was found.

    Args:
        rays: The photographs.
        space: How the world is laid into the cube.
        levels: Logarithms of the sides of the coarsest and the finest level of the octree.
        channels: Features of a corner.
        decoder: The network.
        training: Its learning rates and its batch, in rays, are used.
        budget: Of the survey alone.
        seed: Of everything drawn.
    """

    def __init__(
        self,
        rays: PhotoRays,
        space: Space,
        levels: tuple[int, int],
        channels: int,
        decoder: DecoderConfig,
        training: Training,
        budget: Budget,
        seed: int,
    ) -> None:
        self._rays, self._space, self._batch, self._budget = rays, space, training.batch_pixels, budget
        self._coarsest, self._finest = levels
        self._first = max(self._coarsest, min(_FULL_LEVEL, self._finest - _LEAST_ROUNDS + 1))
        self._channels, self._decoder, self._training = channels, decoder, training
        self._generator = torch.Generator().manual_seed(seed)
        self.step, self.round = 0, 0
        self.round_state: dict[str, Any] = {}
        """:meth:`state` as it was when the round began."""
        self.config, self.field = self._grown(self._looked_at(2**self._first), None)

    def steps(self, clock: Callable[[], float]) -> Iterator[float]:
        """Trains; ``clock`` gives the seconds that the survey has used."""
        rounds = self._finest - self._first + 1
        while self.round < rounds:
            self.round_state = self.state()
            ends = _round_ends(rounds)[self.round]
            sight = Sight(octree_of(self.field), octree_of(self.field).level_count)
            seen = torch.zeros_like(sight.densities)
            optimiser = LazyAdam(
                [
                    {"params": list(octree_of(self.field).parameters()), "rate": self._training.grid_rate},
                    {"params": list(self.field.decoder.parameters()), "rate": self._training.decoder_rate},
                ]
            )
            in_round = 0
            while self._budget.share(self.step, clock()) < ends:
                for group in optimiser.param_groups:
                    group["lr"] = group["rate"] * min(1.0, (in_round + 10) / _WARM_UP)
                yield self._train(optimiser, sight, seen)
                self.step += 1
                in_round += 1
            self.round += 1
            octree = octree_of(self.field)
            self._look_around(sight, seen)
            kept = _kept(octree, seen)
            last = self.round == rounds
            # What is seen next to a cell may be in it when others look, above all on the coarsest level.
            cells = closed(kept) if last else _split((widened if self.round == 1 else _faced)(kept))
            self.config, self.field = self._grown(cells, self.field)

    def _train(self, optimiser: LazyAdam, sight: Sight, seen: Tensor) -> float:
        def remember(glance: Glance) -> None:
            seen.mul_(_FADING)
            seen.scatter_reduce_(0, glance.samples.cells.long(), glance.rendered.weights.detach(), "amax")

        optimiser.zero_grad(set_to_none=True)
        loss, squared = scene_loss(self.field, sight, self._rays, self._space, self._batch, self._generator, remember)
        loss.backward()
        optimiser.step()
        return squared.item()

    @torch.no_grad()
    def _looked_at(self, side: int) -> Bool[Tensor, "s s s"]:
        """Cells that several pictures look at; all of them where none is."""
        numbers = torch.arange(side**3, dtype=torch.int32, device=self._rays.device).view(side, side, side)
        occupancy, counts = Occupancy.of(numbers), torch.zeros_like(numbers).flatten()
        pictures = self._rays.pictures()
        for picture in pictures:
            index = torch.randint(picture.start, picture.stop, (_RAYS_A_FACE * side**2,), generator=self._generator)
            batch = self._rays.at(index.to(self._rays.device))
            samples = sample(lay(self._space, batch.origins, batch.directions), bins_for(side), occupancy)
            counts[samples.cells.long().unique()] += 1
        found = counts >= min(_LOOKS, len(pictures) // 2)
        return (found if bool(found.any()) else ~found).view(side, side, side)

    @torch.no_grad()
    def _look_around(self, sight: Sight, seen: Tensor) -> None:
        """Remembers what is seen by rays enough for every cell of a surface: a round's steps have too few for them."""
        pixels, looks = len(self._rays), _RAYS_A_FACE * octree_of(self.field).config.side(sight.levels - 1) ** 2
        drawn = torch.randint(pixels, (looks,), generator=self._generator) if looks < pixels else torch.arange(pixels)
        for some in drawn.split(self._batch):
            batch = self._rays.at(some.to(self._rays.device))
            samples = sample(lay(self._space, batch.origins, batch.directions), sight.bins, sight.occupancy)
            density = self.field.planar(Points(samples.places))[0]
            weights = weights_of(density * samples.lengths, samples.rays, density.new_zeros(len(some)))
            seen.scatter_reduce_(0, samples.cells.long(), weights, "amax")

    def _grown(self, occupied: Bool[Tensor, "s s s"], before: Field | None) -> tuple[FieldConfig, Field]:
        """A field over these cells, which goes on from the one before where both have corners."""
        bare, rows = octants_of(occupied, self._coarsest)
        config = FieldConfig({"octree": replace(bare, channels=self._channels)}, self._decoder)
        field = config.build().to(occupied.device)
        octree = octree_of(field)
        put_octants(octree, rows)
        if before is not None:
            field.decoder.load_state_dict(before.decoder.state_dict())
            carry_over(octree_of(before), octree)
        return config, field

    def state(self) -> dict[str, Any]:
        """For checkpoints, between two rounds."""
        return {
            "step": self.step,
            "round": self.round,
            "config": to_plain(self.config),
            "field": {name: tensor.clone() for name, tensor in self.field.state_dict().items()},
            "generator": self._generator.get_state(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Goes on after the round in which :meth:`state` was taken."""
        self.step, self.round = state["step"], state["round"]
        self.config = from_plain(FieldConfig, state["config"], "checkpoint")
        self.field = self.config.build().to(self._rays.device)
        self.field.load_state_dict(state["field"])
        self._generator.set_state(state["generator"])


def put_octants(octree: OctreeEncoding, rows: Sequence[Tensor]) -> None:
    """Says which cells are occupied."""
    with torch.no_grad():
        for parameter, values in zip(octree.octants, rows, strict=True):
            parameter.copy_(values)


@torch.no_grad()
def carry_over(before: OctreeEncoding, after: OctreeEncoding) -> None:
    """Features of the corners and channels that both have. Those of new corners and levels are zero; new channels keep
    the small random numbers that they have, so that they become different from each other."""
    for level, features in enumerate(after.levels):
        if level >= len(before.levels):
            features.zero_()
            continue
        known = before.channels
        features[:known] = 0
        old, new = (octree.worked_out(level + 1)[level].keys for octree in (before, after))
        places = torch.searchsorted(old, new).clamp_max(len(old) - 1)
        both = old[places] == new
        features[:known, both] = before.levels[level][:, places[both]]


@torch.no_grad()
def carry_over_decoder(before: Decoder, after: Decoder) -> None:
    """The same network over more features: weights of the first ones are kept, those of new ones start as they are."""
    weights = dict(before.named_parameters())
    for name, weight in after.named_parameters():
        known = weights[name]
        weight[tuple(slice(side) for side in known.shape)] = known


def _round_ends(rounds: int) -> list[float]:
    weights = [_ROUND_WEIGHTS[min(i, len(_ROUND_WEIGHTS) - 1)] for i in range(rounds)]
    return [sum(weights[: i + 1]) / sum(weights) for i in range(rounds)]


def _kept(octree: OctreeEncoding, seen: Tensor) -> Bool[Tensor, "s s s"]:
    """Cells of the finest level that a ray has seen; all of them where none was, as with no step at all."""
    rows = octree.occupancy
    least, most = _SEEN, _MOST_FACES * len(rows) ** 2
    if len(seen) > most:
        least = max(least, float(seen.kthvalue(len(seen) - most).values))
    found = (rows >= 0) & (seen > least)[rows.clamp_min(0).long()]
    return found if bool(found.any()) else rows >= 0


def _split(cells: Bool[Tensor, "s s s"]) -> Bool[Tensor, "s+s s+s s+s"]:
    return cells.repeat_interleave(2, 0).repeat_interleave(2, 1).repeat_interleave(2, 2)


def _faced(cells: Bool[Tensor, "s s s"]) -> Bool[Tensor, "s s s"]:
    """With the 6 neighbours across their faces: finer levels know better where things are."""
    grid = cells[None, None].float()
    sizes = ((3, 1, 1), (1, 3, 1), (1, 1, 3))
    pooled = [functional.max_pool3d(grid, size, 1, tuple(side // 2 for side in size)) for size in sizes]
    return (torch.stack(pooled).amax(0) > 0)[0, 0]
