"""How much training a start is worth: PSNR over steps from each start, and at the end of half the budget.

    python benchmarks/start.py build/bunny.mkv --steps 400 --guidance none

Each run is one training of the preset with the same seed, with the learning rates annealed over its own budget. PSNR
is that of 8-bit pictures, every sixth one, before the compressors; "end" is after them, on the tensors as decoded.
"""

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from fieldpress.bench.machine import machine
from fieldpress.field import Field, Lattice
from fieldpress.metrics import picture_psnr
from fieldpress.presets import PRESETS
from fieldpress.sources import load
from fieldpress.training.config import Budget
from fieldpress.training.loop import Trainer
from fieldpress.training.objective import ClipObjective

_MARKS = (0, 50, 100, 200, 400, 800)
_EVERY = 6
"""Pictures from one that is measured to the next."""


@torch.no_grad()
def quality(field: Field, rgb: torch.Tensor) -> float:
    """PSNR in dB, averaged over pictures."""
    t, y, x = ((torch.arange(side) + 0.5) / side for side in rgb.shape[:3])
    found = []
    for i in range(0, len(rgb), _EVERY):
        picture = field(Lattice(t[i : i + 1], y, x))[0].clamp(0, 1).mul(255).round().to(torch.uint8)
        found.append(picture_psnr(rgb[i].numpy(), picture.numpy()))
    return round(float(np.mean(found)), 3)


def curve(rgb: torch.Tensor, preset: str, start: str, guidance: str, steps: int, seed: int) -> dict[str, object]:
    """One training: PSNR by step, the seconds of the start, and the bytes of the tensors."""
    recipe = PRESETS[preset]
    training = recipe.training
    training = replace(training, start=start, guidance=replace(training.guidance, kind=guidance))
    torch.manual_seed(seed)
    frames, height, width, _ = rgb.shape
    field = recipe.field(frames, height, width).build()
    began = time.perf_counter()
    trainer = Trainer(field, ClipObjective(rgb, training, seed), recipe.plan, training, Budget(steps=steps))
    seconds = time.perf_counter() - began
    found: dict[str, float] = {"0": quality(field, rgb)}
    for progress in trainer:
        if progress.share < 1 and progress.step in (*_MARKS, steps):
            found[str(progress.step)] = quality(field, rgb)
    found["end"] = quality(field, rgb)
    return {
        "start": start,
        "guidance": guidance,
        "steps": steps,
        "start_seconds": round(seconds, 2),
        "bytes": sum(map(len, trainer.payloads.values())),
        "psnr_rgb": found,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path, nargs="+")
    parser.add_argument("--preset", default="nvp-mini")
    parser.add_argument("--steps", type=int, default=400, help="of the random start; the others also get half of it")
    parser.add_argument("--starts", nargs="+", default=["tucker"])
    parser.add_argument("--guidance", nargs="+", default=["none", "round-trip"])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/start.json"))
    arguments = parser.parse_args()

    runs = []
    for clip in arguments.clips:
        rgb = torch.from_numpy(load(clip).rgb)
        for guidance in arguments.guidance:
            whole, half = arguments.steps, arguments.steps // 2
            others = [(start, steps) for start in arguments.starts for steps in (half, whole)]
            for start, steps in [("random", whole), *others]:
                run = curve(rgb, arguments.preset, start, guidance, steps, arguments.seed)
                runs.append({"clip": clip.name, **run})
                print(clip.name, start, guidance, steps, run["bytes"], "bytes", run["psnr_rgb"], flush=True)
    record = {"preset": arguments.preset, "seed": arguments.seed, "machine": machine(), "runs": runs}
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
