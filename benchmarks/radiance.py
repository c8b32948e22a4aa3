"""What learned codes cost in training a scene, and how fast one renders.

    python benchmarks/radiance.py photos/ --steps 300 --bits 6

After a survey, and the steps that the default preset leaves tables free for, two trainers take steps by turns over
copies of the same field, through the same prefixes of the levels: one goes on with free float tables, one with
dictionaries whose codes are being learned. The ratio of their times is reported, and the memory that the guide holds
beside the tables. Fields of codes clear of fog later, and their steps meet more samples: so the trainers go on for as
many steps from one state, that of the codes, with the same rays and samples, where nothing but learning codes makes the
difference. Then the field is seen by the cameras held out.
"""

import argparse
import copy
import json
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch

from dictionary import size
from fieldpress.bench.machine import machine
from fieldpress.compressors import Compressor, Dictionary, Octants, Raw
from fieldpress.compressors.dictionary_guide import DictionaryGuide
from fieldpress.compressors.guides import Guidance
from fieldpress.encodings.octree import octree_of
from fieldpress.field import Field, FieldConfig
from fieldpress.presets import recipe
from fieldpress.scenes import SceneRenderer
from fieldpress.signals import Radiance
from fieldpress.sources.photos import load_photos
from fieldpress.subjects import Scene
from fieldpress.training.config import Budget
from fieldpress.training.fit import SURVEY_SHARE
from fieldpress.training.loop import Progress, Trainer
from fieldpress.training.rays import PhotoRays
from fieldpress.training.scene import Glance, SceneObjective
from fieldpress.training.survey import Survey, carry_over, carry_over_decoder, put_octants

WARM_UP = 25
"""Steps until trainers know again which cells are empty: before, they ask all of them."""


def surveyed(signal: Radiance, rays: PhotoRays, steps: int) -> tuple[FieldConfig, Field]:
    """The field of the default preset after a survey."""
    preset = recipe("radiance-vq")
    grids = preset.scene_grids
    survey = Survey(
        rays,
        signal.space,
        (grids.coarsest, grids.finest),
        grids.survey_channels,
        preset.decoder,
        preset.training,
        Budget(steps=steps),
        0,
    )
    for _ in survey.steps(lambda: 0.0):
        pass
    found = survey.config.encodings["octree"]
    config = preset.scene_field(found)  # pyright: ignore[reportArgumentType]
    field = config.build()
    put_octants(octree_of(field), list(octree_of(survey.field).octants))
    carry_over(octree_of(survey.field), octree_of(field))
    carry_over_decoder(survey.field.decoder, field.decoder)
    return config, field


class Counting(SceneObjective):
    """Counts the samples that have gradients."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.samples = 0

    def start(self, field: Field) -> None:
        super().start(field)
        for sight in self._sights:
            sight.look = self._counted(sight.look)

    def _counted(self, look: Callable[..., Glance]) -> Callable[..., Glance]:
        def counted(*arguments: Any) -> Glance:
            glance = look(*arguments)
            self.samples += len(glance.samples.rays)
            return glance

        return counted


class Runner(NamedTuple):
    """A trainer, and what it is trained by."""

    trainer: Trainer
    objective: Counting
    steps: Iterator[Progress]


def runner_of(field: Field, config: FieldConfig, rays: PhotoRays, signal: Radiance, features: Compressor) -> Runner:
    """For a copy of the field, guided from the start where it can be."""
    preset = recipe("radiance-vq")
    kind = "none" if isinstance(features, Raw) else "special"
    training = replace(preset.training, guidance=Guidance(kind=kind, every=1.0, settle=1.0))
    objective = Counting(rays, signal.space, signal.observed, training.batch_pixels, 0)
    plan = {"octree.octants": Octants(), "octree": features, "decoder": Raw()}
    trainer = Trainer(copy.deepcopy(field), objective, plan, training, Budget(steps=10**6), config=config)
    return Runner(trainer, objective, iter(trainer))


def trained(field: Field, config: FieldConfig, rays: PhotoRays, signal: Radiance, steps: int) -> Field:
    """The field after so many steps without guidance."""
    runner = runner_of(field, config, rays, signal, Raw())
    for _ in range(steps):
        next(runner.steps)
    return runner.trainer.field


def costs(free: Runner, coded: Runner, steps: int) -> dict[str, Any]:
    """Steps by turns."""
    own = timed(free, coded, WARM_UP + steps, alike=False)
    equal = timed(free, coded, steps, alike=True)
    guides = [guide for guide in coded.trainer.chunks.guides.values() if isinstance(guide, DictionaryGuide)]
    tables = [tensor for name, tensor in coded.trainer.field.tensors().items() if ".levels." in name]
    return {
        "corners": sum(tensor.shape[1] for tensor in tables),
        "float_table_bytes": size(tables),
        "guide_bytes": sum(size([*guide.buffers(), *guide.parameters()]) for guide in guides),
        **own,
        "at_equal_samples": equal,
    }


def timed(free: Runner, coded: Runner, steps: int, alike: bool) -> dict[str, Any]:
    """Seconds of steps by turns, and the samples that these met.

    Args:
        alike: Whether the free trainer begins each step where the coded one does.
    """
    runners = {"free": free, "coded": coded}
    seconds: dict[str, list[float]] = {name: [] for name in runners}
    samples: dict[str, list[int]] = {name: [] for name in runners}
    for step in range(steps):
        if alike:
            free.trainer.field.load_state_dict(coded.trainer.field.state_dict())
            free.objective.load_state(coded.objective.state())
        for name in list(runners) if step % 2 else list(reversed(runners)):
            runner, before, started = runners[name], runners[name].objective.samples, time.perf_counter()
            next(runner.steps)
            seconds[name].append(time.perf_counter() - started)
            samples[name].append(runner.objective.samples - before)
    first = 0 if alike else WARM_UP
    measured = {name: statistics.mean(times[first:]) for name, times in seconds.items()}
    met = {name: statistics.mean(counts[first:]) for name, counts in samples.items()}
    return {
        "step_seconds": {name: round(mean, 4) for name, mean in measured.items()},
        "step_time_ratio": round(measured["coded"] / measured["free"], 3),
        "samples_per_step": {name: round(mean) for name, mean in met.items()},
        "samples_ratio": round(met["coded"] / met["free"], 3),
    }


def rendering(field: Field, signal: Radiance) -> dict[str, Any]:
    """Seconds for a picture of each camera held out, after one that warms up."""
    started = time.perf_counter()
    renderer = SceneRenderer(field, signal)
    prepared = time.perf_counter() - started
    seconds, computing = [], []
    for index in [0, *range(signal.frames)]:
        started, began = time.perf_counter(), time.process_time()
        renderer.picture(signal.camera(index))
        seconds.append(time.perf_counter() - started)
        computing.append(time.process_time() - began)
    return {
        "picture": [signal.width, signal.height],
        "seconds_before_the_first": round(prepared, 2),
        "pictures_per_second": round(1 / statistics.median(seconds[1:]), 2),
        "processor_seconds_per_picture": round(statistics.median(computing[1:]), 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--bits", type=int, default=6)
    parser.add_argument("--steps", type=int, default=300, help="of the survey; a tenth of it by turns")
    parser.add_argument("--free-steps", type=int, help="before codes begin; those of the preset unless given")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/radiance.json"))
    arguments = parser.parse_args()

    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    photos = load_photos(arguments.photos)
    signal = Scene(photos).signal
    train = photos.train
    rays = PhotoRays(
        [photo.camera for photo in train],
        [photo.rgb for photo in train],
        [photo.alpha for photo in train],
        torch.device("cpu"),
    )
    config, field = surveyed(signal, rays, arguments.steps)
    preset = recipe("radiance-vq").plan["octree"]
    assert isinstance(preset, Dictionary)
    free_steps = arguments.free_steps
    if free_steps is None:
        free_steps = round(arguments.steps * (1 / SURVEY_SHARE - 1) * recipe("radiance-vq").training.guidance.start)
    field = trained(field, config, rays, signal, free_steps)
    free, coded = [runner_of(field, config, rays, signal, c) for c in (Raw(), replace(preset, bits=arguments.bits))]
    record = {
        "photos": photos.name,
        "bits": arguments.bits,
        "threads": arguments.threads,
        "survey_steps": arguments.steps,
        "free_steps": free_steps,
        "machine": machine(),
        "training": costs(free, coded, max(1, arguments.steps // 10)),
        "rendering": rendering(free.trainer.field.eval(), signal),
    }
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(record, indent=2) + "\n")
    print(json.dumps(record, indent=2))


if __name__ == "__main__":
    main()
