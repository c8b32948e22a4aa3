"""What learned codes cost in training: time of a step and memory, against the same field with free float tables.

    python benchmarks/dictionary.py build/bunny.mkv --bits 4 8 12

Two trainers of preset nvp-mini take steps by turns, one with all grids free, one with a dictionary on all of them whose
codes are being learned; the median of the ratios is reported. Memory is what the guide and its part of the optimiser
hold, exactly, beside the float tables and beside the logits that exact soft indices would keep.
"""

import argparse
import json
import statistics
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fieldpress.bench.machine import machine
from fieldpress.compressors import Compressor, Dictionary, Raw
from fieldpress.compressors.dictionary_guide import DictionaryGuide
from fieldpress.compressors.guides import Guidance
from fieldpress.presets import recipe
from fieldpress.sources import load
from fieldpress.training.config import Budget
from fieldpress.training.loop import Trainer
from fieldpress.training.objective import ClipObjective

WARM_UP = 3
"""Steps of each trainer that are not counted; k-means runs before the first."""


def trainer_of(rgb: Tensor, compressor: Compressor) -> Trainer:
    """A trainer with this compressor on all grids, guided from the start where it can be."""
    preset = recipe("nvp-mini")
    torch.manual_seed(0)
    kind = "none" if isinstance(compressor, Raw) else "special"
    training = replace(preset.training, guidance=Guidance(kind=kind, every=1.0, settle=1.0), rate_weight=0.0)
    plan = {"decoder": Raw(), "*": compressor}
    return Trainer(
        preset.field(*rgb.shape[:3]).build(), ClipObjective(rgb, training, 0), plan, training, Budget(steps=10**6)
    )


def measure(rgb: Tensor, bits: int, steps: int) -> dict[str, Any]:
    """Both costs at one size of the dictionaries."""
    free, coded = trainer_of(rgb, Raw()), trainer_of(rgb, Dictionary(bits=bits))
    iterators = (iter(free), iter(coded))
    seconds: list[list[float]] = [[], []]
    for step in range(WARM_UP + steps):
        for which in (0, 1) if step % 2 else (1, 0):
            started = time.perf_counter()
            next(iterators[which])
            seconds[which].append(time.perf_counter() - started)
    guide = coded.chunks.guides["*"]
    assert isinstance(guide, DictionaryGuide)
    tables = [tensor for name, tensor in coded.field.tensors().items() if not name.startswith("decoder.")]
    cells = sum(tensor[0].numel() for tensor in tables)
    entries = size(guide.parameters())
    return {
        "bits": bits,
        "cells": cells,
        "float_table_bytes": size(tables),
        "guide_bytes": size([*guide.buffers(), *guide.parameters()]),
        "moments_of_entries_bytes": 2 * entries,
        "exact_logits_bytes": 4 * cells << bits,
        "step_seconds_free": round(statistics.median(seconds[0][WARM_UP:]), 4),
        "step_seconds_coded": round(statistics.median(seconds[1][WARM_UP:]), 4),
        "step_time_ratio": round(
            statistics.median(b / a for a, b in zip(*(times[WARM_UP:] for times in seconds), strict=True)), 3
        ),
    }


def size(tensors: Iterable[Tensor]) -> int:
    """Bytes of their numbers."""
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", type=Path)
    parser.add_argument("--bits", type=int, nargs="+", default=[4, 8])
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/dictionary.json"))
    arguments = parser.parse_args()

    torch.set_num_threads(arguments.threads)
    rgb = torch.from_numpy(load(arguments.clip).rgb)
    record = {
        "clip": arguments.clip.name,
        "threads": arguments.threads,
        "steps": arguments.steps,
        "machine": machine(),
        "costs": [measure(rgb, bits, arguments.steps) for bits in arguments.bits],
    }
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(record, indent=2) + "\n")
    print(json.dumps(record, indent=2))


if __name__ == "__main__":
    main()
