"""What learned codes cost in training a scene, and how fast one renders.

    python benchmarks/radiance.py photos/ --steps 300 --bits 6

After one survey, two trainers take steps by turns over copies of the same field, through the same prefixes of the
levels: one with free float tables, one with dictionaries whose codes are being learned. The median of the ratios is
reported, and the memory that the guide holds beside the tables. Then the field is seen by the cameras held out.
"""

import argparse
import copy
import json
import statistics
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from dictionary import WARM_UP, size
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
from fieldpress.training.loop import Trainer
from fieldpress.training.rays import PhotoRays
from fieldpress.training.scene import SceneObjective
from fieldpress.training.survey import Survey, carry_over, carry_over_decoder, put_octants


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


def trainer_of(field: Field, config: FieldConfig, rays: PhotoRays, signal: Radiance, features: Compressor) -> Trainer:
    """A trainer of a copy of the field, guided from the start where it can be."""
    preset = recipe("radiance-vq")
    kind = "none" if isinstance(features, Raw) else "special"
    training = replace(preset.training, guidance=Guidance(kind=kind, every=1.0, settle=1.0))
    objective = SceneObjective(rays, signal.space, signal.observed, training.batch_pixels, 0)
    plan = {"octree.octants": Octants(), "octree": features, "decoder": Raw()}
    return Trainer(copy.deepcopy(field), objective, plan, training, Budget(steps=10**6), levels=config.tensor_levels())


def costs(free: Trainer, coded: Trainer, steps: int) -> dict[str, Any]:
    """Steps by turns."""
    trainers = {"free": free, "coded": coded}
    iterators = {name: iter(trainer) for name, trainer in trainers.items()}
    seconds: dict[str, list[float]] = {name: [] for name in trainers}
    for step in range(WARM_UP + steps):
        for name in list(trainers) if step % 2 else list(reversed(trainers)):
            started = time.perf_counter()
            next(iterators[name])
            seconds[name].append(time.perf_counter() - started)
    measured = {name: times[WARM_UP:] for name, times in seconds.items()}
    guides = [guide for guide in coded.chunks.guides.values() if isinstance(guide, DictionaryGuide)]
    tables = [tensor for name, tensor in coded.field.tensors().items() if ".levels." in name]
    return {
        "corners": sum(tensor.shape[1] for tensor in tables),
        "float_table_bytes": size(tables),
        "guide_bytes": sum(size([*guide.buffers(), *guide.parameters()]) for guide in guides),
        "step_seconds": {name: round(statistics.mean(times), 4) for name, times in measured.items()},
        "step_time_ratio": round(sum(measured["coded"]) / sum(measured["free"]), 3),
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
    parser.add_argument("--steps", type=int, default=300, help="of the survey; the trainers take a tenth of it")
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
    trainers = [trainer_of(field, config, rays, signal, c) for c in (Raw(), replace(preset, bits=arguments.bits))]
    record = {
        "photos": photos.name,
        "bits": arguments.bits,
        "threads": arguments.threads,
        "survey_steps": arguments.steps,
        "machine": machine(),
        "training": costs(trainers[0], trainers[1], max(1, arguments.steps // 10)),
        "rendering": rendering(trainers[0].field.eval(), signal),
    }
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(record, indent=2) + "\n")
    print(json.dumps(record, indent=2))


if __name__ == "__main__":
    main()
