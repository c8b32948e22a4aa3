"""Flow: a learned displacement of (y, x) in front of a lookup of keyframes.

The xy plane is a still picture of features: what moves blurs in it. Read at displaced places, it becomes a canonical
picture that is warped to every time, so that a thing that moves keeps its cells. The other two planes run over time
and follow what moves by themselves; they stay where they are, and stay separable.

Source: learned motion in video fields (FFNeRV aggregates frames along learned flow, NVTM aligns features through a
learned displacement); here it is a coarse grid in front of any keyframe encoding.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from fieldpress.encodings.keyframes import Keyframes, KeyframesEncoding
from fieldpress.encodings.levels import Level
from fieldpress.encodings.volume import Volume
from fieldpress.field import Query
from fieldpress.interfaces import Encoding, EncodingConfig


@dataclass(frozen=True)
class Flow(EncodingConfig):
    """Keyframes with a displaced xy plane. Their grids are named ``planes.*`` or ``nested.*``, the displacement
    ``motion.levels.0``: (2, times, rows, columns), y first, in cells of itself.

    Cells as a unit make one step size right for clips of every resolution, in training as in coding: where a cell is
    16 pixels wide, 1/64 is a quarter of a pixel, and a learning rate of 0.01 moves at 0.16 pixels a step.
    """

    id: ClassVar[str] = "flow"

    cells: tuple[int, int, int]
    """(times, rows, columns) of the grid of displacements."""
    keyframes: EncodingConfig
    """What is read at displaced places: planes or nested."""

    def __post_init__(self) -> None:
        if min(self.cells) < 1:
            raise ValueError(f"a flow needs at least one cell a side, got {self.cells}")
        if not isinstance(self.keyframes, Keyframes) or not self.keyframes.depth("xy"):
            raise ValueError(f"a flow displaces an xy plane, and {self.keyframes.id} has none")

    def build(self) -> "FlowEncoding":
        return FlowEncoding(self)

    def features(self) -> int:
        return self.keyframes.features()

    def shapes(self) -> dict[str, tuple[int, ...]]:
        motion = {f"motion.{name}": shape for name, shape in self.motion.shapes().items()}
        return motion | {f"{self.keyframes.id}.{name}": shape for name, shape in self.keyframes.shapes().items()}

    @property
    def motion(self) -> Volume:
        """The displacement, an encoding of two features."""
        return Volume((Level(2, *self.cells),), neighbours=1)


class FlowEncoding(Encoding):
    """The module of :class:`Flow`. Nothing is displaced at the start."""

    def __init__(self, config: Flow) -> None:
        super().__init__()
        self.motion = config.motion.build()
        for grid in self.motion.parameters():
            nn.init.zeros_(grid)
        assert isinstance(config.keyframes, Keyframes)  # Flow refuses all others
        self._name = config.keyframes.id
        self.add_module(self._name, config.keyframes.build())
        self.channels = config.features()

    def forward(self, query: Query) -> Tensor:
        return self._keyframes(query, self.places(query))

    def linear(self, query: Query, weight: Float[Tensor, "out channels"]) -> Tensor:
        return self._keyframes.linear(query, weight, self.places(query))

    def places(self, query: Query) -> Tensor:
        """Where the xy plane is read: y and x, ``(2, *query.shape)``; anywhere, outside [0, 1] too."""
        moved = self.motion(query)
        rows, columns = self.motion.levels[0].shape[2:]
        y, x = (query.axis(axis).to(moved.device) for axis in (1, 2))
        return torch.stack([y + moved[0] / rows, x + moved[1] / columns])

    @property
    def _keyframes(self) -> KeyframesEncoding:
        return self.get_submodule(self._name)  # pyright: ignore[reportReturnType]
