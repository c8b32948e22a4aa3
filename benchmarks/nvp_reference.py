"""NVP as published, in plain PyTorch: what fieldpress's training speed and quality are compared with.

    OMP_WAIT_POLICY=PASSIVE python benchmarks/nvp_reference.py build/bunny.mkv --minutes 3

A plain reading of "Scalable Neural Video Representations with Learnable Positional Features" (Kim et al., NeurIPS
2022), its small model: three pyramids of planes and one dense volume, looked up point by point at random pixels;
a modulated SIREN; mean squared error; float32 throughout. Nothing is tuned, and nothing is slower than it must be.

What the paper leaves to the clip is scaled to it: grids shrink with the picture, from 1080p by the square root of
the pixel counts, and a step takes `--batch` pixels where the paper's GPUs took 1,245,184. On `bunny` (132 frames of
320x180) that is 1.63 bits per pixel by the plain 8-bit count, without a codec; the paper has 0.9.

All contenders train in turns in this one process (see contest.py) and have the same time each.
"""

import argparse
import json
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

import fieldpress
from clips import Picture, quality, read_clip
from contest import Contender, Outcome, StepwiseContender, alternate
from fieldpress.assembly import Part, file_bytes
from fieldpress.bench.machine import machine
from fieldpress.presets import PRESETS
from fieldpress.reading import About
from fieldpress.segments import Segment
from fieldpress.signals import Video
from fieldpress.training.config import Budget
from fieldpress.training.loop import Trainer
from fieldpress.training.objective import ClipObjective

LEVELS = 16
BASE_SIDE = 16
GROWTH = 1.35
FEATURES = 2
VOLUME_SIDE = 300
NEIGHBOURS = 3
WIDTH = 128
OMEGA = 30.0
LEARNING_RATE = 1e-2
LAST_LEARNING_RATE = 1e-5
WEIGHT_DECAY = 1e-3
PUBLISHED_PIXELS = 1920 * 1080
RENDER_CHUNK = 1 << 16
"""Points rendered at once: bounds memory, changes no value."""


def eight_bits(tensor: Tensor, channel_dims: int) -> Tensor:
    """Round to 256 values between minimum and maximum, for each index of the first `channel_dims` axes."""
    rows = tensor.flatten(channel_dims)
    low, high = rows.amin(-1, keepdim=True), rows.amax(-1, keepdim=True)
    step = (high - low).clamp_min(torch.finfo(rows.dtype).tiny) / 255
    return (((rows - low) / step).round() * step + low).view_as(tensor)


class Planes(nn.Module):
    """A pyramid of square planes over two coordinates, read bilinearly: 16 levels of 2 features each."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        sides = [math.ceil(BASE_SIDE * GROWTH**level * scale) for level in range(LEVELS)]
        self.levels = nn.ParameterList(
            nn.Parameter(torch.empty(1, FEATURES, side, side).uniform_(-1e-4, 1e-4)) for side in sides
        )

    def forward(self, points: Tensor) -> Tensor:
        """(points, 2) in [0, 1], row first → (points, levels × features)."""
        grid = (points.flip(-1) * 2 - 1)[None, None]  # grid_sample takes the column first
        read = [functional.grid_sample(level, grid, padding_mode="border", align_corners=True) for level in self.levels]
        return torch.cat(read, dim=1)[0, :, 0].T


class Volume(nn.Module):
    """A dense (frames, side, side) table; a point reads the 3×3 cells around the nearest one, at the nearest time."""

    def __init__(self, frames: int, scale: float) -> None:
        super().__init__()
        self.frames, self.side = frames, math.ceil(VOLUME_SIDE * scale)
        self.table = nn.Parameter(torch.empty(frames * self.side**2, FEATURES).uniform_(-1e-4, 1e-4))

    def forward(self, points: Tensor) -> Tensor:
        """(points, 3) in [0, 1], as time, row, column → (points, 9 × features). Edges repeat."""
        reach = NEIGHBOURS // 2
        around = torch.arange(-reach, reach + 1)
        time_index = (points[:, 0] * (self.frames - 1)).round().long()
        nearest = (points[:, 1:] * (self.side - 1)).round().long()
        rows, columns = (nearest[:, :, None] + around).clamp(0, self.side - 1).unbind(1)
        cells = (time_index[:, None, None] * self.side + rows[:, :, None]) * self.side + columns[:, None, :]
        return functional.embedding(cells.flatten(1), self.table).flatten(1)


class ModulatedSiren(nn.Module):
    """A sine network of time alone, each hidden layer scaled by a second network that sees the features."""

    def __init__(self, latent: int) -> None:
        super().__init__()
        self.sines = nn.ModuleList([nn.Linear(1, WIDTH), nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)])
        self.modulators = nn.ModuleList(
            [nn.Linear(latent, WIDTH), nn.Linear(WIDTH + latent, WIDTH), nn.Linear(WIDTH + latent, WIDTH)]
        )
        self.last = nn.Linear(WIDTH, 3)
        with torch.no_grad():  # SIREN's initialisation (Sitzmann et al. 2020); ω₀ is 30 in the first layer, 1 after
            for layer in [*self.sines, self.last]:
                bound = 1.0 if layer is self.sines[0] else math.sqrt(6 / WIDTH)
                layer.weight.uniform_(-bound, bound)
                layer.bias.uniform_(-bound, bound)

    def forward(self, time_coordinate: Tensor, latent: Tensor) -> Tensor:
        """(points, 1) and (points, latent) → (points, 3), nominally in [-1, 1]."""
        hidden, modulation = time_coordinate * OMEGA, latent
        for index, (sine, modulator) in enumerate(zip(self.sines, self.modulators, strict=True)):
            seen = latent if index == 0 else torch.cat([modulation, latent], dim=-1)
            modulation = functional.leaky_relu(modulator(seen), 0.01)
            hidden = torch.sin(sine(hidden)) * modulation
        return self.last(hidden)


class NVPReference(nn.Module):
    """The model and its training on one clip.

    Args:
        pictures: The clip.
        batch: Random pixels in a step.
        seed: Of the initial values and of the pixels.
    """

    def __init__(self, pictures: list[Picture], *, batch: int = 8192, seed: int = 0) -> None:
        super().__init__()
        self.generator = torch.Generator().manual_seed(seed)
        torch.manual_seed(seed)
        self.pixels = torch.from_numpy(np.stack(pictures))
        self.batch = batch
        frames, height, width, _ = self.pixels.shape
        scale = math.sqrt(height * width / PUBLISHED_PIXELS)
        self.last_index = torch.tensor([max(frames - 1, 1), height - 1, width - 1])
        self.xy, self.xt, self.yt = Planes(scale), Planes(scale), Planes(scale)
        self.volume = Volume(frames, scale)
        self.decoder = ModulatedSiren(3 * LEVELS * FEATURES + NEIGHBOURS**2 * FEATURES)
        self.optimizer = torch.optim.AdamW(self.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)

    def forward(self, points: Tensor) -> Tensor:
        """(points, 3) in [0, 1], as time, row, column → RGB (points, 3), nominally in [-1, 1]."""
        planes = [self.xy(points[:, [1, 2]]), self.yt(points[:, [0, 2]]), self.xt(points[:, [0, 1]])]
        return self.decoder(points[:, :1], torch.cat([*planes, self.volume(points)], dim=-1))

    def step(self, share: float) -> float:
        """One step on random pixels. `share` of the budget is used up, in [0, 1]. Returns the loss."""
        rate = LAST_LEARNING_RATE + (LEARNING_RATE - LAST_LEARNING_RATE) * (1 + math.cos(math.pi * share)) / 2
        self.optimizer.param_groups[0]["lr"] = rate
        frames, height, width, _ = self.pixels.shape
        index = [torch.randint(size, (self.batch,), generator=self.generator) for size in (frames, height, width)]
        target = self.pixels[index[0], index[1], index[2]] / 127.5 - 1
        loss = functional.mse_loss(self(torch.stack(index, dim=-1) / self.last_index), target)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        return float(loss.detach())

    @torch.no_grad()
    def render(self, frame: int) -> Picture:
        """Frame number `frame` as RGB bytes."""
        _, height, width, _ = self.pixels.shape
        axes = (torch.tensor([frame]), torch.arange(height), torch.arange(width))
        points = torch.cartesian_prod(*axes) / self.last_index
        rgb = torch.cat([self(chunk) for chunk in points.split(RENDER_CHUNK)])
        return ((rgb + 1) * 127.5).round().clamp(0, 255).byte().view(height, width, 3).numpy()

    @torch.no_grad()
    def quantize(self) -> int:
        """Round all grids to 8 bits, as the paper's plain count assumes. Returns the size in bits.

        Every parameter counts 8 bits. The decoder keeps its float32 values, the ranges of the grids are not
        counted, and neither is a header: all in the reference's favour.
        """
        for planes in (self.xy, self.xt, self.yt):
            for level in planes.levels:
                level.copy_(eight_bits(level, 2))
        self.volume.table.copy_(eight_bits(self.volume.table.T, 1).T)
        return 8 * sum(parameter.numel() for parameter in self.parameters())


def nvp_contender(pictures: list[Picture], *, seconds: float, seed: int, batch: int) -> Contender:
    """The reference, annealed over `seconds` of its own time."""
    model = NVPReference(pictures, batch=batch, seed=seed)

    def finish() -> Outcome:
        bits = model.quantize()
        began = time.perf_counter()
        decoded = [model.render(frame) for frame in range(len(pictures))]
        return Outcome(bits, decoded, time.perf_counter() - began)

    def steps() -> Iterator[float]:
        used = 0.0
        while used < seconds:
            began = time.perf_counter()
            loss = model.step(used / seconds)
            used += time.perf_counter() - began
            yield loss

    return StepwiseContender(steps(), batch, finish)


def fieldpress_contender(pictures: list[Picture], *, seconds: float, seed: int, batch: int) -> Contender:
    """The preset nvp-fit, within the same training time; its bits are those of a whole file."""
    del batch  # the preset has its own
    recipe = PRESETS["nvp-fit"]
    rgb = np.stack(pictures)
    torch.manual_seed(seed)
    config = recipe.field(*rgb.shape[:3])
    objective = ClipObjective(torch.from_numpy(rgb), recipe.training, seed)
    trainer = Trainer(config.build(), objective, recipe.plan, recipe.training, Budget(minutes=seconds / 60))

    def finish() -> Outcome:
        for _ in trainer:  # whatever is left, and the last writing
            pass
        frames, height, width, _ = rgb.shape
        signal = Video(frames, height, width, (25, 1), (1, 25), None, "rgb", True)
        part = Part(Segment(signal.frames, config), recipe.plan, trainer.payloads)
        data = file_bytes(signal, [part], About(recipe.name, seed, trainer.step, "cpu"))
        began = time.perf_counter()
        decoded = list(fieldpress.open(data))
        return Outcome(8 * len(data), decoded, time.perf_counter() - began)

    return StepwiseContender(trainer, trainer.pixels_per_step, finish)


CONTENDERS: dict[str, Callable[..., Contender]] = {"nvp": nvp_contender, "fieldpress": fieldpress_contender}
"""Who can take part, by name; each is made by `(pictures, *, seconds, seed, batch)`."""


def result_of(pictures: list[Picture], outcome: Outcome) -> dict[str, float | int]:
    """Size, quality and decoding speed in plain numbers."""
    samples = sum(picture.shape[0] * picture.shape[1] for picture in pictures)
    measured = quality(pictures, outcome.pictures)
    return {
        "bytes": outcome.bits // 8,
        "bpp": round(outcome.bits / samples, 4),
        "psnr_rgb": round(measured.psnr_rgb, 3),
        "psnr_y": round(measured.psnr_y, 3),
        "ssim": round(measured.ssim, 5),
        "decode_fps": round(len(pictures) / outcome.decode_seconds, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", type=Path)
    parser.add_argument("--contenders", nargs="+", choices=CONTENDERS, default=list(CONTENDERS))
    parser.add_argument("--minutes", type=float, default=3.0, help="training time of each contender")
    parser.add_argument("--slices", type=int, default=10, help="turns that each one's time is cut into")
    parser.add_argument("--batch", type=int, default=8192, help="pixels in a step of the reference")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/nvp_reference.json"))
    arguments = parser.parse_args()

    pictures = read_clip(arguments.clip)
    seconds = 60 * arguments.minutes
    contenders: dict[str, Contender] = {}
    setup_seconds: dict[str, float] = {}
    for name in arguments.contenders:
        began = time.perf_counter()
        contenders[name] = CONTENDERS[name](pictures, seconds=seconds, seed=arguments.seed, batch=arguments.batch)
        setup_seconds[name] = time.perf_counter() - began
    tallies = alternate(contenders, arguments.slices, seconds / arguments.slices)
    results = {
        name: {
            "pixels_per_second": round(tally.pixels_per_second()),
            "pixels_per_second_by_slice": [round(p / s) for p, s in zip(tally.pixels, tally.seconds, strict=True)],
            "setup_seconds": round(setup_seconds[name], 2),
            "training_seconds": round(sum(tally.seconds), 1),
            **result_of(pictures, contenders[name].finish()),
        }
        for name, tally in tallies.items()
    }
    reference = results[arguments.contenders[0]]["pixels_per_second"]
    for result in results.values():
        result["speed_ratio"] = round(result["pixels_per_second"] / reference, 2)

    height, width, _ = pictures[0].shape
    record = {
        "clip": {"name": arguments.clip.name, "frames": len(pictures), "height": height, "width": width},
        "budget_minutes": arguments.minutes,
        "slices": arguments.slices,
        "seed": arguments.seed,
        "batch": arguments.batch,
        "machine": {**machine(), "torch": torch.__version__, "threads": torch.get_num_threads()},
        "results": results,
    }
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(record, indent=2) + "\n")
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
