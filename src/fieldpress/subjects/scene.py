"""Posed photographs."""

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from fieldpress.decoders import RadianceMlp
from fieldpress.errors import ConfigError
from fieldpress.field import FieldConfig
from fieldpress.presets import Recipe, recipe
from fieldpress.signals.radiance import Radiance
from fieldpress.sources.photos import Photo, Photos
from fieldpress.subjects.base import Reference, Subject, TrainerMaker, check_decoder, check_training
from fieldpress.training.chunks import Target
from fieldpress.training.config import Budget
from fieldpress.training.fit import Fit, SurveyedFit, survey_budget
from fieldpress.training.layout import space_of
from fieldpress.training.rays import PhotoRays
from fieldpress.training.scene import SceneObjective
from fieldpress.training.survey import Survey

_WHITE = (1.0, 1.0, 1.0)
_CLEAR = 128
"""An opacity below this shows more of what is behind."""
_CUT_AWAY = 0.01
"""Share of a picture that is clear at least where an object was cut out."""


class Scene(Subject):
    """Posed photographs. The file's pictures are those held out."""

    def __init__(self, photos: Photos) -> None:
        self.name, self._photos = photos.name, photos
        everything = [*photos.train, *photos.test]
        cut_out = _are_cut_out(photos.train)
        self._background = _WHITE if cut_out else _mean_colour(photos.train)
        space = space_of([photo.camera for photo in photos.train], photos.points, cut_out)
        shown = photos.test or photos.train[:1]
        observed = sum(photo.rgb[..., 0].size for photo in everything)
        self.signal: Radiance = Radiance.seen_by(  # pyright: ignore[reportIncompatibleVariableOverride]
            tuple(photo.camera for photo in shown), space, self._background, observed
        )
        self._shown = shown

    @property
    def default_preset(self) -> Recipe:
        return recipe("radiance-vq")

    def plan_for(self, chosen: Recipe) -> FieldConfig:
        try:
            config = chosen.scene_field(chosen.scene_grids.expected())
        except ValueError as error:
            raise ConfigError(f"preset {chosen.name}: {error}") from None
        check_decoder(config.decoder, RadianceMlp, "posed photographs, which need radiance")
        check_training(chosen.training, self.default_preset.training, "posed photographs")
        return config

    def fit(self, chosen: Recipe, budget: Budget, seed: int, device: str, target: Target | None) -> Fit:
        train = self._photos.train
        rays = PhotoRays(
            [photo.camera for photo in train],
            [photo.rgb for photo in train],
            [photo.alpha for photo in train],
            torch.device(device),
        )
        grids, training = chosen.scene_grids, chosen.training
        survey = Survey(
            rays,
            self.signal.space,
            (grids.coarsest, grids.finest),
            grids.survey_channels,
            chosen.decoder,
            training,
            survey_budget(budget),
            seed,
        )
        objective = SceneObjective(rays, self.signal.space, self.signal.observed, training.batch_pixels, seed)
        make_trainer = TrainerMaker(objective, chosen, target)
        return SurveyedFit(survey, chosen.scene_field, make_trainer, budget)

    def digest(self) -> str:
        digest = hashlib.sha256()
        for photo in self._photos.train:
            digest.update(np.ascontiguousarray(photo.rgb).data)
            if photo.alpha is not None:
                digest.update(np.ascontiguousarray(photo.alpha).data)
            digest.update(repr(photo.camera).encode())
        return digest.hexdigest()

    def references(self) -> Iterator[Reference]:
        for photo in self._shown:
            yield Reference(_over(photo, self._background), None)


def _are_cut_out(photos: Sequence[Photo]) -> bool:
    """Whether most pictures show an object and nothing else: a clear pixel here and there says nothing of a scene."""
    clear = [0.0 if photo.alpha is None else float(np.mean(photo.alpha < _CLEAR)) for photo in photos]
    return float(np.median(clear)) > _CUT_AWAY


def _mean_colour(photos: Sequence[Photo]) -> tuple[float, float, float]:
    """What stands out least where a picture shows a place that none of these shows."""
    means = np.mean([photo.rgb.mean((0, 1)) for photo in photos], axis=0)
    red, green, blue = (round(float(mean) / 255, 3) for mean in means)
    return red, green, blue


def _over(photo: Photo, background: tuple[float, float, float]) -> NDArray[np.uint8]:
    """A picture over a background colour."""
    if photo.alpha is None:
        return photo.rgb
    opacity = photo.alpha[..., None].astype(np.float32) / 255
    return np.rint(photo.rgb * opacity + 255 * np.array(background, np.float32) * (1 - opacity)).astype(np.uint8)
