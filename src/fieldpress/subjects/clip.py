"""Videos and pictures."""

import hashlib
from collections.abc import Iterator

import torch

from fieldpress.errors import ConfigError
from fieldpress.field import FieldConfig
from fieldpress.presets import Recipe, recipe
from fieldpress.signals import Image
from fieldpress.sources import Observations
from fieldpress.subjects.base import Reference, Subject, TrainerMaker, check_decoder
from fieldpress.training.config import Budget
from fieldpress.training.fit import DirectFit, Fit
from fieldpress.training.loop import Target
from fieldpress.training.objective import ClipObjective


class Clip(Subject):
    """Pictures of a video, or one still."""

    def __init__(self, observations: Observations) -> None:
        self.signal, self.name, self._observations = observations.signal, observations.name, observations

    @property
    def default_preset(self) -> Recipe:
        return recipe("image" if isinstance(self.signal, Image) else "nvp-fit")

    def plan_for(self, chosen: Recipe) -> FieldConfig:
        try:
            config = chosen.field(self.signal.frames, self.signal.height, self.signal.width)
        except ValueError as error:
            raise ConfigError(f"preset {chosen.name}: {error}") from None
        check_decoder(config.decoder, None, "videos and pictures")
        return config

    def fit(self, chosen: Recipe, budget: Budget, seed: int, device: str, target: Target | None) -> Fit:
        rgb = torch.from_numpy(self._observations.rgb).to(device)
        make_trainer = TrainerMaker(ClipObjective(rgb, chosen.training, seed), chosen, target)
        return DirectFit(self.plan_for(chosen), make_trainer, budget, device)

    def digest(self) -> str:
        return hashlib.sha256(self._observations.rgb.data).hexdigest()

    def references(self) -> Iterator[Reference]:
        luma = self._observations.luma
        for i, rgb in enumerate(self._observations.rgb):
            yield Reference(rgb, None if luma is None else luma[i])
