"""Special guidance of a dictionary: entries, and with learned codes also these, are learned in training.

From ``start`` of the budget on a grid shows its dictionary's entries. Until then it is free: codes begin as those of
k-means on a trained grid, never on noise. Random codes follow from the place alone, so these begin with training.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from fieldpress.coding.marks import Groups
from fieldpress.compressors.coded_grid import CodedGrid
from fieldpress.compressors.dictionary import Dictionary
from fieldpress.compressors.guides import Guidance, Guide, Moment, array_of


class DictionaryGuide(Guide):
    """Stands beside the grids of one chunk. Tensors that a dictionary does not suit stay free until they are written.

    Args:
        compressor: What will write them.
        guidance: Its ``start`` is when k-means finds the first codes, ``every`` how often unused entries are revived.
        tensors: The grids.
    """

    compressor: Dictionary

    def __init__(self, compressor: Dictionary, guidance: Guidance, tensors: Sequence[Tensor]) -> None:
        super().__init__(compressor, guidance)
        if compressor.codes == "random":
            self.due = 0.0
        self.begun = False
        self.grids = nn.ModuleDict(
            {
                str(place): CodedGrid(compressor, tensor)
                for place, tensor in enumerate(tensors)
                if compressor.suits(tuple(tensor.shape))
            }
        )

    @torch.no_grad()
    def meet(self, tensors: Sequence[nn.Parameter]) -> None:
        if not self.begun:
            own = self.places()[len(self.coarser) :] or [None] * len(tensors)
            for place in self.grids:
                self._grid(place).begin(tensors[int(place)], own[int(place)])
            self.begun = True
            self.bits = self.size(tensors)
        elif self.compressor.codes == "learned":
            for grid in self.coded_grids():
                grid.revive()
            self.bits = sum(grid.expected_bits() for grid in self.coded_grids())  # to write them takes seconds

    def learners(self) -> list[dict[str, Any]]:
        entries = [grid.entries for grid in self.coded_grids()]
        return [{"params": entries, "rate": self.compressor.rate}] if entries else []

    @torch.no_grad()
    def learn(self, tensors: Sequence[nn.Parameter], moment: Moment) -> None:
        for grid, tensor in self._coded(tensors):
            reading = grid.read(tensor) if self.begun or moment.bit_price else None
            if reading is not None and moment.bit_price:
                grid.weigh(reading)
            if reading is not None and self.begun:
                grid.learn(tensor, reading, at_rest=moment.bit_price > 0)

    @torch.no_grad()
    def show(self, tensors: Sequence[nn.Parameter], moment: Moment) -> None:
        if self.begun:
            price = moment.bit_price / moment.curvature if moment.curvature else 0.0
            for grid, tensor in self._coded(tensors):
                grid.show(tensor, price)

    def size(self, tensors: Sequence[nn.Parameter]) -> float:
        return 8.0 * len(self._write(tensors)) if self.begun else super().size(tensors)

    @torch.no_grad()
    def settle(self, tensors: Sequence[nn.Parameter]) -> bytes:
        if not self.begun:
            return super().settle(tensors)
        data = self._write(tensors)
        self.bits = 8.0 * len(data)
        decoded = self.compressor.decode_after(data, [tuple(tensor.shape) for tensor in tensors], self.known())
        for tensor, value in zip(tensors, decoded, strict=True):
            tensor.copy_(torch.from_numpy(value))
        return data

    def trim(self, tensors: Sequence[nn.Parameter], left: Sequence[Tensor | None]) -> None:
        for place, cells in enumerate(left):
            if cells is None or str(place) not in self.grids:
                continue
            if self.compressor.suits(tuple(tensors[place].shape)):
                self._grid(str(place)).trim(cells)
            else:
                del self.grids[str(place)]

    def coded_grids(self) -> list[CodedGrid]:
        """One for each tensor that has a dictionary, in their order; each tells the usage of its codes."""
        return [self._grid(place) for place in self.grids]

    def get_extra_state(self) -> dict[str, Any]:
        return {**super().get_extra_state(), "begun": self.begun}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        super().set_extra_state(state)
        self.begun = state["begun"]

    def _coded(self, tensors: Sequence[nn.Parameter]) -> list[tuple[CodedGrid, nn.Parameter]]:
        return [(self._grid(place), tensors[int(place)]) for place in self.grids]

    def _grid(self, place: str) -> CodedGrid:
        grid = self.grids[place]
        assert isinstance(grid, CodedGrid)
        return grid

    def _write(self, tensors: Sequence[nn.Parameter]) -> bytes:
        def writer(place: int) -> Callable[[Groups], bytes]:
            if str(place) in self.grids:
                return self._grid(str(place)).write
            return lambda _: self.compressor.encode(array_of(tensors[place]))

        shapes = [tuple(tensor.shape) for tensor in tensors]
        return self.compressor.write_after([writer(place) for place in range(len(tensors))], shapes, self.known())
