"""What training and measuring need to know of a source."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fieldpress.decoders import DistanceMlp, RadianceMlp
from fieldpress.errors import ConfigError
from fieldpress.field import Field, FieldConfig
from fieldpress.interfaces import DecoderConfig
from fieldpress.presets import Recipe
from fieldpress.reading import Decoded
from fieldpress.segments import Segment
from fieldpress.signals.base import Signal
from fieldpress.training.chunks import Target
from fieldpress.training.config import Budget, Training
from fieldpress.training.fit import Fit
from fieldpress.training.loop import Trainer
from fieldpress.training.objective import Objective


class Reference(NamedTuple):
    """A picture that a decoded one is compared with."""

    rgb: NDArray[np.uint8]
    """(rows, columns, 3)."""
    luma: NDArray[np.uint8] | None
    """The source's own, where it has one."""


class Likeness(NamedTuple):
    """How much a decoded shape is like the mesh."""

    iou: float
    """What is inside both, as a share of what is inside either."""
    chamfer: float
    """Mean of the mean distances from one surface to the other, both ways, as a share of the mesh's longest side."""


class Subject(ABC):
    """A source that was read."""

    signal: Signal
    """What the file will say it holds."""
    name: str
    """Of the source, for people."""

    @property
    @abstractmethod
    def default_preset(self) -> Recipe:
        """What a newcomer should get."""

    @abstractmethod
    def plan_for(self, chosen: Recipe) -> FieldConfig:
        """A field like that of the file, as far as it is known before training: a plan and the memory have to suit it.

        Of a long clip it is that of the longest segment.

        Raises:
            ConfigError: The preset is for something else.
        """

    def segments_for(self, chosen: Recipe) -> tuple[Segment, ...]:
        """The segments of the file: several of a long clip, else one.

        Raises:
            ConfigError: As :meth:`plan_for`.
        """
        return (Segment(self.signal.frames, self.plan_for(chosen)),)

    @abstractmethod
    def fit(self, chosen: Recipe, budget: Budget, seed: int, device: str, target: Target | None) -> Fit:
        """What trains a field to this source."""

    @abstractmethod
    def digest(self) -> str:
        """Of everything that training looks at."""

    @abstractmethod
    def references(self) -> Iterator[Reference]:
        """What the file's pictures are compared with, in their order."""

    def likeness(self, decoded: Decoded) -> Likeness | None:
        """How much a decoded shape is like this one; None for what is no shape."""
        del decoded
        return None


class TrainerMaker:
    """Makes the trainer of a field once its sizes are known."""

    def __init__(self, objective: Objective, chosen: Recipe, target: Target | None) -> None:
        self._objective, self._chosen, self._target = objective, chosen, target

    def __call__(self, field: Field, config: FieldConfig, budget: Budget) -> Trainer:
        chosen = self._chosen
        return Trainer(field, self._objective, chosen.plan, chosen.training, budget, self._target, config)


_OF_CLIPS = ("start", "sampling", "loss", "precision")
"""Settings of training that only clips have a use for."""


def check_training(chosen: Training, usual: Training, source: str) -> None:
    """Refuses settings that would change nothing: who sets one means something by it."""
    for name in _OF_CLIPS:
        value, only = getattr(chosen, name), getattr(usual, name)
        if value != only:
            raise ConfigError(f"training.{name} is {value!r}, which is for clips; of {source} it is {only!r}")


def check_decoder(decoder: DecoderConfig, wanted: type[DecoderConfig] | None, source: str) -> None:
    """Refuses a decoder of another kind; with none wanted, those that are not for pictures."""
    if not isinstance(decoder, wanted) if wanted else isinstance(decoder, RadianceMlp | DistanceMlp):
        raise ConfigError(f"decoder {decoder.id} is not for {source}")
