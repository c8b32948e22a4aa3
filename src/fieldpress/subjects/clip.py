"""Videos and pictures."""

from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass
from itertools import islice

import torch

from fieldpress.errors import ConfigError
from fieldpress.field import FieldConfig
from fieldpress.presets import Recipe, recipe
from fieldpress.segments import Segment
from fieldpress.signals import Image, Video
from fieldpress.sources.footage import Footage
from fieldpress.subjects.base import Reference, Subject, TrainerMaker, check_decoder
from fieldpress.training.chunks import Target
from fieldpress.training.config import Budget
from fieldpress.training.fit import DirectFit, Fit
from fieldpress.training.objective import ClipObjective
from fieldpress.training.segmented import SegmentedFit, Segments


class Clip(Subject):
    """Pictures of a video, or one still."""

    def __init__(self, footage: Footage) -> None:
        self.signal, self.name, self._footage = footage.signal, footage.name, footage

    @property
    def default_preset(self) -> Recipe:
        return recipe("image" if isinstance(self.signal, Image) else "rate")

    def plan_for(self, chosen: Recipe) -> FieldConfig:
        return self.segments_for(chosen)[0].field

    def segments_for(self, chosen: Recipe) -> tuple[Segment, ...]:
        configs: dict[int, FieldConfig] = {}
        lengths = [len(run) for run in self._runs(chosen)]
        for length in lengths:
            if length not in configs:
                configs[length] = field_for(chosen, length, self.signal.height, self.signal.width)
        return tuple(Segment(length, configs[length]) for length in lengths)

    def fit(self, chosen: Recipe, budget: Budget, seed: int, device: str, target: Target | None) -> Fit:
        runs = self._runs(chosen)
        maker = _Maker(self._footage, runs, chosen, seed, device)
        if len(runs) == 1:
            return maker(0, budget, target)
        return SegmentedFit(Segments(tuple(map(len, runs)), maker, budget, target))

    def _runs(self, chosen: Recipe) -> tuple[range, ...]:
        """The pictures of each segment."""
        return chosen.cut(self.signal.frames, self.signal.height, self.signal.width)

    def digest(self) -> str:
        return self._footage.digest()

    def beginning(self, frames: int) -> "Clip":
        """Its first pictures: what a file that is cut short is compared with."""
        assert isinstance(self.signal, Video)
        clip = copy(self)
        clip.signal = self.signal.beginning(frames)
        return clip

    def references(self) -> Iterator[Reference]:
        for rgb, luma in islice(self._footage.pictures(), self.signal.frames):
            yield Reference(rgb, luma)


def field_for(chosen: Recipe, frames: int, height: int, width: int) -> FieldConfig:
    """The field for a clip or a segment of this size.

    Raises:
        ConfigError: The preset is for something else.
    """
    try:
        config = chosen.field(frames, height, width)
    except ValueError as error:
        raise ConfigError(f"preset {chosen.name}: {error}") from None
    check_decoder(config.decoder, None, "videos and pictures")
    return config


@dataclass(frozen=True)
class _Maker:
    """Reads the pictures of a segment and makes its fit, the same as if they were a clip of their own."""

    footage: Footage
    runs: tuple[range, ...]
    chosen: Recipe
    seed: int
    device: str

    def __call__(self, number: int, budget: Budget, target: Target | None) -> Fit:
        torch.manual_seed(self.seed)
        rgb = torch.from_numpy(self.footage.part(self.runs[number])).to(self.device)
        config = field_for(self.chosen, *rgb.shape[:3])
        objective = ClipObjective(rgb, self.chosen.training, self.seed, self.footage.signal.matrix)
        make_trainer = TrainerMaker(objective, self.chosen, target)
        return DirectFit(config, make_trainer, budget, self.device)
