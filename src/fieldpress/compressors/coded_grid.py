"""A grid that is shown as codes into a dictionary while it is trained: what the special guide keeps for each tensor.

With learned codes a *latent* grid stays beside the one that is shown, in place of logits for all entries. What the
optimiser changes in the shown values goes to the latent (a straight-through estimate), and a cell's code is the entry
nearest to its latent. Gradients of entries are those of the cells that show them, added up. Measured against exact
soft indices (argmax forward, softmax backward), equal steps, 3 bits: 1.6 dB better, and a table of 2**bits logits a
cell and their moments are not needed.

Work is bounded. The whole table is quantised once per step, never per sample, and only where the step has touched it;
where that is more than a few cells, a part of it at a time, in turn. So are the cells that only show the news of moved
entries.
"""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from fieldpress.compressors.dictionary import Dictionary
from fieldpress.compressors.guides import array_of
from fieldpress.compressors.kmeans import nearest, revived, usage

_UNTRAINED = 0.1
"""Magnitude that grids of random codes, which begin as noise, are expected to grow to."""
_PULL = 0.02
"""How far a latent moves towards its entry when its code is renewed: it must not run off where its entry cannot go."""
_RENEWED = 1 << 14
"""Cells whose codes a step renews at most, where it reads a few slices: they may not be read again soon."""
_DISTANCES = 1 << 21
"""Distances of cells to entries in a step, at most, where every step touches every cell."""
_BLOCK = 1 << 22
"""Distances computed at a time: 16 MB of them."""
_SHOWN = 1 << 18
"""Cells that a step shows anew beside those it has touched."""


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
    turns: Int[Tensor, "2"]
    """Where the next renewal and the next showing begin."""

    def __init__(self, compressor: Dictionary, tensor: Tensor) -> None:
        super().__init__()
        self.compressor = compressor
        self.groups = compressor.channel_groups(len(tensor))
        self.learns_codes = compressor.codes == "learned"
        self.entries = nn.Parameter(tensor.new_zeros(len(tensor), 1 << compressor.bits))
        self.register_buffer("scale", tensor.new_ones(()))
        codes = torch.zeros(len(self.groups), *tensor.shape[1:], dtype=torch.int32, device=tensor.device)
        self.register_buffer("codes", codes)
        self.register_buffer("latent", torch.zeros_like(tensor.detach()) if self.learns_codes else tensor.new_zeros(0))
        self.register_buffer("turns", torch.zeros(2, dtype=torch.int64))
        self._touched: Tensor | None = None
        self._renewed = max(1, _DISTANCES >> compressor.bits)

    def begin(self, tensor: Tensor) -> None:
        """Takes codes and entries from the tensor as it is, and shows them."""
        entries, codes = self.compressor.fit(array_of(tensor))
        size = float(tensor.square().mean().sqrt()) if self.compressor.codes != "random" else _UNTRAINED
        self.scale.fill_(size or 1.0)
        self.entries.copy_(torch.from_numpy(np.ascontiguousarray(entries))).div_(self.scale)
        self.codes.copy_(torch.from_numpy(codes))
        if self.learns_codes:
            self.latent.copy_(tensor)
        self._show(tensor, torch.arange(tensor.shape[1], device=tensor.device))

    def learn(self, tensor: nn.Parameter) -> None:
        """Hands a step's gradient on to the entries. With learned codes the optimiser may move the tensor too."""
        gradient = tensor.grad
        if gradient is None:
            return
        if gradient.is_sparse:
            tensor.grad = gradient = gradient.coalesce()
            slices = gradient.indices()[1][: len(gradient.indices()[1]) // len(tensor)]
            values = gradient.values().reshape(len(tensor), -1)
            self._renewed = max(_RENEWED, self._renewed)
        else:
            slices = torch.arange(tensor.shape[1], device=tensor.device)
            values = gradient.reshape(len(tensor), -1)
        self.entries.grad = torch.zeros_like(self.entries)
        for group, codes in zip(self.groups, self.codes, strict=True):
            self.entries.grad[group].index_add_(1, codes[slices].flatten(), values[group])
        self.entries.grad *= self.scale
        if self.learns_codes:
            self._touched = slices
            self.latent[:, slices] -= tensor[:, slices]
        else:
            tensor.grad = None

    def show(self, tensor: Tensor) -> None:
        """After the optimiser's step: renews codes, and shows what they stand for."""
        count = max(1, _SHOWN // tensor[0, 0].numel())
        slices = self._turn(1, count, tensor.shape[1], tensor.device)
        if self._touched is not None:
            # The latent less what was shown, plus what became of that: the latent plus the optimiser's update.
            self.latent[:, self._touched] += tensor[:, self._touched]
            self._renew(self._touched)
            slices = torch.cat([slices, self._touched]).unique()
            self._touched = None
        self._show(tensor, slices)

    def revive(self) -> None:
        """Entries that no cell shows move beside those that err most, and share their cells."""
        if not self.learns_codes:
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

    def features(self) -> Float[Tensor, "channels entries"]:
        """The entries as the decoder network sees them."""
        return self.entries.detach() * self.scale

    def usage(self) -> Int[Tensor, "groups entries"]:
        """How many cells have each code."""
        count = self.entries.shape[1]
        return torch.stack([torch.bincount(codes.flatten(), minlength=count) for codes in self.codes])

    def write(self) -> bytes:
        """The bytes of the grid."""
        return self.compressor.write(array_of(self.features()), self.codes.cpu().numpy().astype(np.int64))

    def _renew(self, slices: Int[Tensor, "n"]) -> None:
        """The nearest entry for the cells of these slices, or for those whose turn it is."""
        inner = self.codes[0, 0].numel()
        total = len(slices) * inner
        cells = self._turn(0, self._renewed, total, slices.device)
        cells = slices[cells // inner] * inner + cells % inner
        features = self.features()
        for group, codes in zip(self.groups, self.codes, strict=True):
            entries, latent = features[group], self.latent[group].flatten(1)
            values = latent[:, cells]
            half_squares = entries.square().sum(0) / 2
            parts = values.split(max(1, _BLOCK // entries.shape[1]), dim=1)
            found = torch.cat([torch.addmm(half_squares, part.T, entries, beta=-1).argmax(1) for part in parts])
            codes.view(-1)[cells] = found.to(codes.dtype)
            latent[:, cells] = values.lerp(entries[:, found], _PULL)

    def _show(self, tensor: Tensor, slices: Int[Tensor, "n"]) -> None:
        features = self.features()
        for group, codes in zip(self.groups, self.codes, strict=True):
            chosen = codes[slices]
            tensor[group, slices] = features[group].index_select(1, chosen.flatten()).unflatten(1, chosen.shape)

    def _turn(self, which: int, count: int, total: int, device: Any) -> Int[Tensor, "n"]:
        """The next ``count`` of ``total`` in turn, or all."""
        if count >= total:
            return torch.arange(total, device=device)
        first = int(self.turns[which]) % total
        self.turns[which] = (first + count) % total
        return torch.arange(first, first + count, device=device) % total
