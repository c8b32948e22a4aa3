"""Training is a generator: watch it, draw it, stop it from a plain `for`. And a recipe is data: change any part.

Run `make clip` once, then `python examples/03_train_in_a_loop.py [STEPS]`.
"""

import sys
from dataclasses import replace

import torch

from fieldpress.compressors import Uniform
from fieldpress.decoders import Mlp
from fieldpress.presets import recipe
from fieldpress.sources import load
from fieldpress.training.config import Budget
from fieldpress.training.loop import Trainer
from fieldpress.training.objective import ClipObjective

steps = int(sys.argv[1]) if len(sys.argv) > 1 else 200

base = recipe("nvp-fit")
small = replace(
    base,
    name="small",
    decoder=Mlp(width=12, depth=2),
    plan={**base.plan, "decoder": Uniform(bits=9)},
)

observations = load("build/bunny.mkv")
field = small.field(*observations.rgb.shape[:3]).build()
objective = ClipObjective(torch.from_numpy(observations.rgb), small.training, seed=0)
trainer = Trainer(field, objective, small.plan, small.training, Budget(steps=steps))
for progress in trainer:
    if progress.step % 20 == 0:
        print(f"{progress.share:4.0%}  {progress.psnr:.2f} dB  {progress.bpp:.4f} bits per pixel")

# The field now holds exactly what these bytes decode to. `fieldpress.encode(..., preset=small)` also writes the file.
print({chunk: len(data) for chunk, data in trainer.payloads.items()})
