"""A grid that is shown as codes into a dictionary while it is trained: what the special guide keeps for each tensor.

With learned codes a *latent* grid stays beside the one that is shown, in place of logits for all entries. The optimiser
moves the latent by the gradients of what is shown (a straight-through estimate), and a cell's code is the entry nearest
to its latent. Gradients of entries are those of the cells that show them, added up. Measured against exact
soft indices (argmax forward, softmax backward), equal steps, 3 bits: 1.6 dB better, and a table of 2**bits logits a
cell and their moments are not needed.

Work is bounded. The whole table is quantised once per step, never per sample, and only where the step has touched it;
where that is more than a few cells, a part of it at a time, in turn. So are the cells that only show the news of moved
entries. Where most cells show an entry that does not move, only the others are shown anew.

Where bits have a price (``training.rate_weight``), a code is chosen for its length too: entropy-constrained vector
quantisation (Chou, Lookabaugh and Gray 1989). Distances are weighted by how much the loss depends on a cell, and on
each direction of its features (``sensitivity.py``). Most corners of a scene are hardly ever seen, and take the code
that most others have. The entry of that code is then at *rest*: steps of equal size, such as Adam's, would drive it
about on the noise of all that show it, and those that matter a little would flee it into dearer codes.
"""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from fieldpress.coding.marks import Groups
from fieldpress.compressors.assignment import cheapest, closest
from fieldpress.compressors.dictionary import Dictionary
from fieldpress.compressors.guides import array_of
from fieldpress.compressors.kmeans import nearest, revived, usage
from fieldpress.compressors.sensitivity import Sensitivity
from fieldpress.places import Places

_UNTRAINED = 0.1
"""Magnitude that grids of random codes, which begin as noise, are expected to grow to."""
_PULL = 0.02
"""How far a latent moves towards its entry when its code is renewed: it must not run off where its entry cannot go."""
_RENEWED = 1 << 14
"""Cells whose codes a step renews at most, where it reads a few slices: they may not be read again soon."""
_DISTANCES = 1 << 21
"""Distances of cells to entries of a group in a step, at most, where every step touches every cell.

Fewer are dear: between two renewals a latent runs on against the same entry, and too far."""
_BITS_OF_ENTRIES = 6
"""Of a number, about."""
_DEAREST = 1e6
"""A bit costs at most so many squared magnitudes of the grid: that of cells that the loss does not depend on."""
_SHOWN = 1 << 18
"""Cells that a step shows anew beside those it has touched."""


_ALL = slice(None)


class Reading(NamedTuple):
    """Gradients of a step."""

    slices: Int[Tensor, "slices"] | None
    """That the step has read; all if none."""
    cells: Int[Tensor, "n"]
    """Those with a gradient, as flat numbers."""
    gradients: Float[Tensor, "n channels"]
    squares: Float[Tensor, "n"]
    """Of gradients, the mean over a cell's channels."""


class _Learning(NamedTuple):
    """What :meth:`CodedGrid.learn` leaves for :meth:`CodedGrid.show`, which ends the step."""

    touched: Tensor | slice
    """Slices that have moved."""
    counts: Int[Tensor, "groups entries"] | None
    """How many cells have each code, where one of each group is at rest."""
    entries: Float[Tensor, "channels entries"]
    """As they were."""


class CodedGrid(nn.Module):
    """Codes, entries and latents of one grid.

    Args:
        compressor: What will write it.
        tensor: Shape (channels, cells ...), two or three axes of cells.
    """

    entries: Float[nn.Parameter, "channels entries"]
    """In units of the scale."""
    scale: Float[Tensor, ""]
    """Root mean square of the grid when it began: so the learning rate of entries is relative to it."""
    codes: Int[Tensor, "groups *cells"]
    latent: Float[Tensor, "channels *cells"]
    sensitivity: Sensitivity
    """Of the loss to the grid, by what :meth:`weigh` has seen; used where codes are learned."""
    turns: Int[Tensor, "2"]
    """Where the next renewal and the next showing begin."""

    def __init__(self, compressor: Dictionary, tensor: Tensor) -> None:
        super().__init__()
        self.compressor = compressor
        self.groups = compressor.channel_groups(len(tensor))
        self.learns_codes = compressor.codes == "learned"
        self.entries = nn.Parameter(tensor.new_zeros(len(tensor), 1 << compressor.bits))
        self.register_buffer("scale", tensor.new_ones(()))
        narrowest = torch.uint8 if compressor.bits <= 8 else torch.int32
        codes = torch.zeros(len(self.groups), *tensor.shape[1:], dtype=narrowest, device=tensor.device)
        self.register_buffer("codes", codes)
        self.register_buffer("latent", torch.zeros_like(tensor.detach()) if self.learns_codes else tensor.new_zeros(0))
        self.sensitivity = Sensitivity(tensor if self.learns_codes else tensor[:, :0])
        self.register_buffer("turns", torch.zeros(2, dtype=torch.int64))
        self._learning: _Learning | None = None
        self._renewed = max(1, _DISTANCES >> compressor.bits)

    def begin(self, tensor: Tensor, places: Places | None = None) -> None:
        """Takes codes and entries from the tensor as it is, and shows them.

        Args:
            tensor: The grid.
            places: Where its cells are, if they lie scattered in space.
        """
        entries, codes = self.compressor.fit(array_of(tensor), places)
        size = float(tensor.square().mean().sqrt()) if self.compressor.codes != "random" else _UNTRAINED
        self.scale.fill_(size or 1.0)
        self.entries.copy_(torch.from_numpy(np.ascontiguousarray(entries))).div_(self.scale)
        self.codes.copy_(torch.from_numpy(codes))
        if self.learns_codes:
            self.latent.copy_(tensor)
        self._show(tensor, _ALL)

    def read(self, tensor: nn.Parameter) -> Reading | None:
        """What the gradients of a step say; nothing where the step has not read the grid."""
        gradient = tensor.grad
        if gradient is None:
            return None
        slices = None
        if gradient.is_sparse:
            tensor.grad = gradient = gradient.coalesce()
            self._renewed = max(_RENEWED, self._renewed)
            slices = gradient.indices()[1][: len(gradient.indices()[1]) // len(tensor)]
            gradient = gradient.values()
        rows = gradient.reshape(len(tensor), -1).T
        squares = torch.einsum("nc,nc->n", rows, rows)  # in one pass, with nothing kept
        seen = (squares > 0).nonzero()[:, 0]  # of booleans, several times as fast as of numbers
        inner = tensor[0, 0].numel()
        cells = seen if slices is None else slices[seen // inner] * inner + seen % inner
        return Reading(slices, cells, rows.index_select(0, seen), squares[seen] / len(tensor))

    def weigh(self, reading: Reading) -> None:
        """Remembers how much the loss of a step depends on each cell and direction, begun or not."""
        if self.learns_codes:
            self.sensitivity.add(reading.cells, reading.gradients, reading.squares)

    def learn(self, tensor: nn.Parameter, reading: Reading, *, at_rest: bool = False) -> None:
        """Hands a step's gradient on to the entries. With learned codes the optimiser may move the tensor too.

        Args:
            tensor: What is shown.
            reading: Its gradients.
            at_rest: Whether the commonest entry of each group is, with learned codes.
        """
        self.entries.grad = torch.zeros_like(self.entries)
        for group, codes in zip(self.groups, self.codes, strict=True):
            shown = codes.view(-1).index_select(0, reading.cells).long()
            gradients = torch.zeros_like(self.entries[group].T).index_add_(0, shown, reading.gradients[:, group])
            self.entries.grad[group] = gradients.T
        self.entries.grad *= self.scale
        if not self.learns_codes:
            tensor.grad = None
            return
        counts = self.usage() if at_rest else None
        if counts is not None:
            self.entries.grad.masked_fill_(self._at_rest(counts), 0)
        touched = _ALL if reading.slices is None else reading.slices
        self._learning = _Learning(touched, counts, self.entries.detach().clone())
        self._swap(tensor)

    def show(self, tensor: Tensor, price: float = 0.0) -> None:
        """After the optimiser's step: renews codes, and shows what they stand for.

        Args:
            tensor: What is shown.
            price: Of a bit, in squared gradients times squared distances.
        """
        learning, self._learning = self._learning, None
        if learning is None:
            if not self.learns_codes:
                self._show(tensor, self._shown_in_turn(tensor))
            return  # learned codes and entries that a step has not read have not moved
        self._swap(tensor)
        if learning.counts is not None:  # without a gradient an optimiser's momentum goes on
            self.entries.copy_(torch.where(self._at_rest(learning.counts), learning.entries, self.entries))
        renewed = self._renew(learning, price)
        if not isinstance(learning.touched, slice):
            self._show(tensor, torch.cat([self._shown_in_turn(tensor), learning.touched]).unique())
        elif learning.counts is None:
            self._show(tensor, _ALL)
        else:
            rest = learning.counts.argmax(1).to(self.codes.dtype)
            moved = (self.codes.flatten(1) != rest[:, None]).any(0)
            moved[renewed] = True
            self._show_cells(tensor, moved.nonzero()[:, 0])

    def revive(self) -> None:
        """Entries that no cell shows move beside those that err most, and share their cells. Of learned codes.

        Not where bits have a price. Cells at rest then err most of all: they would take what is near, however dear, and
        a turn of renewals passes until all are back at rest.
        """
        if self.sensitivity.steps:
            return
        for group, codes in zip(self.groups, self.codes, strict=True):
            rows = np.ascontiguousarray(array_of(self.latent[group]).reshape(group.stop - group.start, -1).T)
            entries = np.ascontiguousarray(array_of(self.features()[group]).T)
            flat = codes.cpu().numpy().astype(np.int64).ravel()
            counts, errors = usage(rows, flat, entries)
            moved = revived(entries, counts, errors)
            worst = np.argsort(-errors, kind="stable")[: int((moved != entries).any(axis=1).sum())]
            cells = np.flatnonzero(np.isin(flat, worst))
            flat[cells] = nearest(rows[cells], moved)
            self.entries[group] = torch.from_numpy(np.ascontiguousarray(moved.T)).to(self.scale) / self.scale
            codes.copy_(torch.from_numpy(flat).view(codes.shape))

    def trim(self, left: Int[Tensor, "n"]) -> None:
        """Goes on with these of the cells, which lie in a list."""
        self.codes = self.codes[:, left]
        if self.learns_codes:
            self.latent = self.latent[:, left]
            self.sensitivity.trim(left)

    def features(self) -> Float[Tensor, "channels entries"]:
        """The entries as the decoder network sees them."""
        return self.entries.detach() * self.scale

    def usage(self) -> Int[Tensor, "groups entries"]:
        """How many cells have each code."""
        return torch.stack([torch.bincount(codes.flatten(), minlength=self.entries.shape[1]) for codes in self.codes])

    def expected_bits(self) -> float:
        """About what the grid would take if it were written."""
        of_codes = sum(float((counts * _lengths(counts)).sum()) for counts in self.usage())
        return of_codes + _BITS_OF_ENTRIES * self.entries.numel()

    def write(self, cells: Groups) -> bytes:
        """The bytes of the grid, given what is known of its cells."""
        return self.compressor.write(array_of(self.features()), self.codes.cpu().numpy().astype(np.int64), cells)

    def _swap(self, tensor: Tensor) -> None:
        """Shown values and latent change places, so that the optimiser's update goes to the latent."""
        tensor.data, self.latent = self.latent, tensor.data

    def _at_rest(self, counts: Int[Tensor, "groups entries"]) -> Bool[Tensor, "channels entries"]:
        """The commonest entry of each group."""
        resting = functional.one_hot(counts.argmax(1), counts.shape[1]).bool()
        return torch.cat(
            [row.expand(group.stop - group.start, -1) for row, group in zip(resting, self.groups, strict=True)]
        )

    def _renew(self, learning: _Learning, price: float) -> Tensor | slice:
        """The nearest entry for the cells that were touched, or for those whose turn it is.

        Where bits have a price, it is the entry with the least sum of half the squared distance, as far as the loss
        feels it, and the price times the length of its code.

        Returns:
            Which cells these are.
        """
        slices, inner = learning.touched, self.codes[0, 0].numel()
        total = self.codes[0].numel() if isinstance(slices, slice) else len(slices) * inner
        cells = self._turn(0, self._renewed, total)
        if not isinstance(slices, slice):
            places = torch.arange(cells.start, cells.stop, device=slices.device)
            cells = slices[places // inner] * inner + places % inner
        features = self.features()
        prices = self._prices(cells, price) if price else None
        for number, (group, codes) in enumerate(zip(self.groups, self.codes, strict=True)):
            entries, latent = features[group], self.latent[group].flatten(1)
            values = latent[:, cells]
            if prices is None or learning.counts is None:
                found = closest(values, entries)
            else:
                felt = self.sensitivity.felt(group)
                found = cheapest(felt @ values, felt @ entries, prices, _lengths(learning.counts[number]))
            codes.view(-1)[cells] = found.to(codes.dtype)
            latent[:, cells] = values.lerp(entries.T.contiguous().index_select(0, found).T, _PULL)
        return cells

    def _prices(self, cells: Tensor | slice, price: float) -> Float[Tensor, "n"]:
        """Of a bit in each of these cells, in squared distances of its features as the loss feels them."""
        return (price / self.sensitivity.of_cells(cells)).minimum(_DEAREST * self.scale.square())

    def _show(self, tensor: Tensor, slices: Tensor | slice) -> None:
        features = self.features()
        for group, codes in zip(self.groups, self.codes, strict=True):
            chosen = codes[slices]
            rows = features[group].T.contiguous().index_select(0, chosen.flatten().int())
            tensor[group, slices] = rows.T.unflatten(1, chosen.shape)

    def _show_cells(self, tensor: Tensor, cells: Int[Tensor, "n"]) -> None:
        entries = self.features().T.contiguous()
        rows = [
            entries[:, group].index_select(0, codes.view(-1).index_select(0, cells).int())
            for group, codes in zip(self.groups, self.codes, strict=True)
        ]
        tensor.flatten(1).T.index_copy_(0, cells, torch.cat(rows, dim=1))

    def _shown_in_turn(self, tensor: Tensor) -> Int[Tensor, "n"]:
        """Slices whose turn it is to show moved entries."""
        turn = self._turn(1, max(1, _SHOWN // tensor[0, 0].numel()), tensor.shape[1])
        return torch.arange(turn.start, turn.stop, device=tensor.device)

    def _turn(self, which: int, count: int, total: int) -> slice:
        """The next ``count`` of ``total`` in turn, fewer at their end."""
        first = int(self.turns[which])
        first = first if first < total else 0
        last = min(first + count, total)
        self.turns[which] = last
        return slice(first, last)


def _lengths(counts: Int[Tensor, "entries"]) -> Float[Tensor, "entries"]:
    """Bits of each code, by how many cells have it."""
    shown = counts + 1.0
    return (shown.sum() / shown).log2()
