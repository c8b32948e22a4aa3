"""Round trips: the share of training time that a preset spends taking its grids through their compressor and back.

    python benchmarks/round_trips.py build/bunny.mkv --steps 200

With a budget in steps nothing limits it; with one in minutes, training leaves out round trips above a quarter of the
time. Coding and training run by turns in one process, so both meet the same noise.
"""

import argparse
import json
import time
from pathlib import Path

import torch

from fieldpress.bench.machine import machine
from fieldpress.presets import PRESETS
from fieldpress.sources import load
from fieldpress.training.config import Budget
from fieldpress.training.loop import Trainer
from fieldpress.training.objective import ClipObjective


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", type=Path)
    parser.add_argument("--presets", nargs="+", default=["nvp-mini", "nvp-fit"])
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/round_trips.json"))
    arguments = parser.parse_args()

    rgb = torch.from_numpy(load(arguments.clip).rgb)
    found = {}
    for name in arguments.presets:
        preset = PRESETS[name]
        torch.manual_seed(0)
        field = preset.field(*rgb.shape[:3]).build()
        trainer = Trainer(
            field, ClipObjective(rgb, preset.training, 0), preset.plan, preset.training, Budget(steps=arguments.steps)
        )
        started = time.monotonic()
        for _ in trainer:
            pass
        seconds = time.monotonic() - started
        found[name] = {
            "every": preset.training.guidance.every,
            "seconds": round(seconds, 1),
            "share_of_coding": round(trainer.chunks.seconds / seconds, 4),
        }
        print(name, found[name], flush=True)
    record = {"clip": arguments.clip.name, "steps": arguments.steps, "machine": machine(), "presets": found}
    arguments.output.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
