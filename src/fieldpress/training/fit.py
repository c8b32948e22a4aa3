"""From a recipe to trained, written tensors: at once, or after a survey that finds the field's sizes first.

A fit is what ``encode`` runs, saves and resumes: an iterator over training steps that ends with the bytes of every
chunk in :attr:`Fit.fitted`.
"""

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import torch

from fieldpress.compressors.base import Compressor
from fieldpress.config import from_plain, to_plain
from fieldpress.encodings.octree import Octree, octree_of
from fieldpress.field import Field, FieldConfig
from fieldpress.training.config import Budget
from fieldpress.training.loop import Progress, Trainer
from fieldpress.training.survey import Survey, carry_over, carry_over_decoder, put_octants
from fieldpress.training.teaching import teach

SURVEY_SHARE = 0.25
"""Of the budget of a fit that begins with a survey."""

MakeTrainer = Callable[[Field, FieldConfig, Budget], Trainer]


class Fitted(NamedTuple):
    """What a trained field is written from."""

    config: FieldConfig
    """Its sizes."""
    rules: dict[str, Compressor]
    """The compressor of each rule of the plan that has tensors, at the quality it was steered to."""
    payloads: dict[str, bytes]
    """The bytes of each chunk by its name."""

    @staticmethod
    def of(config: FieldConfig, trainer: Trainer) -> "Fitted":
        """What a trainer that has ended made of a field."""
        return Fitted(config, trainer.rules, trainer.payloads)


class Fit(ABC):
    """A run of training."""

    @abstractmethod
    def __iter__(self) -> Iterator[Progress]:
        """Trains to the end; shares, steps and seconds are those of the whole fit."""

    @property
    @abstractmethod
    def fitted(self) -> list[Fitted]:
        """When training has ended: the fields of the file, one for each of its segments."""

    @property
    @abstractmethod
    def steps(self) -> int:
        """Done so far."""

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """Everything a resumed run needs, as tensors and plain values."""

    @abstractmethod
    def load_state(self, state: dict[str, Any]) -> None:
        """Goes on where :meth:`state` was taken."""


class DirectFit(Fit):
    """Sizes are known from the start."""

    def __init__(self, config: FieldConfig, make_trainer: MakeTrainer, budget: Budget, device: str) -> None:
        self.config = config
        self.trainer = make_trainer(config.build().to(device), config, budget)

    def __iter__(self) -> Iterator[Progress]:
        return iter(self.trainer)

    @property
    def fitted(self) -> list[Fitted]:
        return [Fitted.of(self.config, self.trainer)]

    @property
    def steps(self) -> int:
        return self.trainer.step

    def state(self) -> dict[str, Any]:
        return self.trainer.state()

    def load_state(self, state: dict[str, Any]) -> None:
        self.trainer.load_state(state)


class SurveyedFit(Fit):
    """An octree is found first.

    Args:
        survey: Made for its share of the budget, see :func:`survey_budget`.
        sizes: From the octree found to the field that is trained.
        make_trainer: For that field and the rest of the budget.
        budget: Of everything.
    """

    def __init__(
        self,
        survey: Survey,
        sizes: Callable[[Octree], FieldConfig],
        make_trainer: MakeTrainer,
        budget: Budget,
    ) -> None:
        self._survey, self._sizes, self._make_trainer, self._budget = survey, sizes, make_trainer, budget
        self.trainer: Trainer | None = None
        self._seconds = 0.0
        """That the survey took."""
        self._between_rounds = survey.state()
        self._seconds_between_rounds = 0.0

    @property
    def config(self) -> FieldConfig:
        """Of what is trained, or of what the survey has found so far."""
        if self.trainer is not None and self.trainer.config is not None:
            return self.trainer.config
        found = self._survey.config.encodings["octree"]
        assert isinstance(found, Octree)
        return self._sizes(found)

    @property
    def fitted(self) -> list[Fitted]:
        assert self.trainer is not None, "the survey has not ended"
        return [Fitted.of(self.config, self.trainer)]

    @property
    def steps(self) -> int:
        return self._survey.step + (self.trainer.step if self.trainer is not None else 0)

    def __iter__(self) -> Iterator[Progress]:
        if self.trainer is None:
            yield from self._explore()
            self.trainer = self._make_trainer(self._started(), self.config, self._rest())
        for progress in self.trainer:
            yield progress._replace(
                step=self._survey.step + progress.step,
                share=SURVEY_SHARE + (1 - SURVEY_SHARE) * progress.share,
                seconds=self._seconds + progress.seconds,
            )

    def _explore(self) -> Iterator[Progress]:
        began = time.monotonic() - self._seconds
        budget, error, found = survey_budget(self._budget), 0.0, self._survey.round
        for mean_squared_error in self._survey.steps(lambda: time.monotonic() - began):
            self._seconds = time.monotonic() - began
            if self._survey.round != found:
                found = self._survey.round
                self._between_rounds, self._seconds_between_rounds = self._survey.round_state, self._seconds
            done = self._survey.step + 1  # the survey counts a step when it is asked for the next one
            error += max(0.03, 1 / done) * (mean_squared_error - error)
            share = SURVEY_SHARE * budget.share(self._survey.step, self._seconds)
            yield Progress(done, share, -10 * math.log10(error + 1e-12), 0.0, self._seconds, 0.0)
        self._seconds = time.monotonic() - began

    def _started(self) -> Field:
        """The field to train, from what the survey left."""
        found, config = self._survey.field, self.config
        if config == self._survey.config:
            return found
        torch.manual_seed(self._survey.step)
        field = config.build().to(octree_of(found).octants[0].device)
        put_octants(octree_of(field), list(octree_of(found).octants))
        if octree_of(field).channels:
            carry_over(octree_of(found), octree_of(field))
            carry_over_decoder(found.decoder, field.decoder)
        else:
            teach(found, field, torch.Generator().manual_seed(self._survey.step))
        return field

    def _rest(self) -> Budget:
        """What the survey left of the budget."""
        if self._budget.steps is not None:
            return replace(self._budget, steps=max(1, self._budget.steps - self._survey.step))
        return replace(self._budget, minutes=(self._budget.minutes or 1) * (1 - SURVEY_SHARE))

    def state(self) -> dict[str, Any]:
        if self.trainer is None:
            return {"survey": self._between_rounds, "survey_seconds": self._seconds_between_rounds}
        state = self.trainer.state()
        if state["field"] is None:  # which the trainer takes to be as it was made, but here the survey made it
            state["field"] = self.trainer.field.state_dict()
        return {
            "survey_seconds": self._seconds,
            "survey_steps": self._survey.step,
            "found": to_plain(self._survey.config),
            "trainer": state,
        }

    def load_state(self, state: dict[str, Any]) -> None:
        self._seconds = state["survey_seconds"]
        if "survey" in state:
            self._survey.load_state(state["survey"])
            self._between_rounds, self._seconds_between_rounds = state["survey"], self._seconds
            return
        self._survey.step, self._survey.config = state["survey_steps"], from_plain(FieldConfig, state["found"], "found")
        config = from_plain(FieldConfig, state["trainer"]["config"], "checkpoint")
        field = config.build().to(octree_of(self._survey.field).octants[0].device)
        # First the octants: what is made for the field asks them what is empty.
        field.load_state_dict(state["trainer"]["field"])
        self.trainer = self._make_trainer(field, config, self._rest())
        self.trainer.load_state(state["trainer"])


def survey_budget(budget: Budget) -> Budget:
    """The part of a budget that a survey gets."""
    if budget.steps is not None:
        return replace(budget, steps=max(1, round(SURVEY_SHARE * budget.steps)))
    return replace(budget, minutes=SURVEY_SHARE * (budget.minutes or 1))
