"""Learns the network that ships with the package: what a codec does to a film, and what to add to mend it.

    python benchmarks/postfilter.py --carrier build/photographs --output src/fieldpress/decoders/postfilter.f2

The photographs are some that scikit-image and scikit-learn bring along (``make photographs``). Each becomes a few short
clips, seen by a camera that moves; each clip is coded at four qualities, as the preset ``rate`` does it. What is
learned is what the best head without a network leaves to mend, of all films at once and each in units of its own error.
"""

import argparse
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from fieldpress.decoders.head import PAINTED, HeadDecoder, plain_weight
from fieldpress.decoders.postfilter import NEURONS, WINDOW, Network
from fieldpress.encodings.film import CELL, CHANNELS, FEATURES, NEIGHBOURS
from fieldpress.encodings.wide_film import WideFilm
from fieldpress.queries import Lattice
from fieldpress.signals import Video
from rate import BASE, CRFS, Shot, av1, film_of, replace

PHOTOGRAPHS = (
    "skimage/data/astronaut.png",
    "skimage/data/chelsea.png",
    "sklearn/datasets/images/china.jpg",
    "skimage/data/coffee.png",
    "sklearn/datasets/images/flower.jpg",
    "skimage/data/hubble_deep_field.jpg",
    "skimage/data/ihc.png",
    "skimage/data/motorcycle_left.png",
    "skimage/data/motorcycle_right.png",
    "skimage/data/retina.jpg",
    "skimage/data/rocket.jpg",
)
PICTURES, ROWS, COLUMNS = 40, 180, 320
CLIPS_PER_PHOTOGRAPH = 5
PATCH = 24
"""Cells along a side of what a step sees of a picture."""
PATCHES = 16
RATE = 3e-3
REACH = WideFilm.neighbours // 2


class Lesson(NamedTuple):
    """A film, and what is missing behind the best head without a network."""

    cells: Float[Tensor, "t channel y x"]
    missing: Float[Tensor, "t 12 y x"]
    colours: Float[Tensor, "3 3"]
    noise: float
    """Root mean square error of luma."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--carrier", type=Path, required=True, help="the folder that has the packages")
    parser.add_argument("--steps", type=int, default=20_000)
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(1)

    found = []
    for number, name in enumerate(PHOTOGRAPHS):
        found += lessons(arguments.carrier / name, np.random.default_rng(number))
        print(f"{name}: {len(found)} films", flush=True)
    network = learn(found, arguments.steps)
    numbers = np.concatenate([part.detach().numpy().ravel() for part in network])
    arguments.output.write_bytes(numbers.astype("<f2").tobytes())


def lessons(path: Path, generator: np.random.Generator) -> Iterator[Lesson]:
    """Clips of a photograph at all qualities."""
    with Image.open(path) as image:
        photograph = torch.from_numpy(np.array(image.convert("RGB"))).movedim(-1, 0) / 255
    while min(photograph.shape[1:]) > 900:
        photograph = functional.avg_pool2d(photograph, 2)
    for _ in range(CLIPS_PER_PHOTOGRAPH):
        rgb = seen(photograph, generator)
        signal = Video(PICTURES, ROWS, COLUMNS, (25, 1), (1, 25), None, "bt709", False)
        for crf in CRFS:
            yield lesson(Shot(path.stem, rgb, None, signal), crf)


def seen(photograph: Float[Tensor, "3 h w"], generator: np.random.Generator) -> UInt8[Tensor, "t h w 3"]:
    """A photograph as a moving camera sees it: most often as sharp as pixels allow, and with colour for each."""
    sides = torch.tensor(photograph.shape[1:])
    shown = generator.uniform(0.85, 0.99) if generator.random() < 0.75 else generator.uniform(0.5, 0.85)
    scale = shown * float((sides / torch.tensor([ROWS, COLUMNS])).min())
    room = (sides - scale * torch.tensor([ROWS, COLUMNS])).clamp_min(0)
    begin, move = generator.uniform(-0.3, 0.3, 2), generator.uniform(-1.2, 1.2, 2)
    shake = np.cumsum(generator.normal(0, 0.15, (PICTURES, 2)), 0)
    turn, spin, grow = generator.uniform(-0.02, 0.02), generator.uniform(-8e-4, 8e-4), generator.uniform(-2e-3, 2e-3)
    fine = 2 if scale > 1.2 else 1
    pictures = []
    for t in range(PICTURES):
        angle, size = turn + spin * t, scale * (1 + grow * t)
        down, across = ((torch.arange(side * fine) + 0.5) / fine - side / 2 for side in (ROWS, COLUMNS))
        y = size * (down[:, None] * math.cos(angle) - across * math.sin(angle))
        x = size * (down[:, None] * math.sin(angle) + across * math.cos(angle))
        centre = sides / 2 + torch.from_numpy(begin) * room + torch.from_numpy(move * t + shake[t])
        places = torch.stack([(x + centre[1]) / sides[1], (y + centre[0]) / sides[0]], -1)[None].float() * 2 - 1
        picture = functional.grid_sample(photograph[None], places, padding_mode="reflection", align_corners=False)
        pictures.append(functional.avg_pool2d(picture, fine)[0])
    clip = torch.stack(pictures)
    if generator.random() < 0.25:  # as from a camera that halves colour
        grey = clip.mean(1, keepdim=True)
        colour = functional.avg_pool2d(clip - grey, 2)
        clip = grey + functional.interpolate(colour, scale_factor=2, mode="bilinear", align_corners=False)
    grain = generator.normal(0, generator.choice([0, 0.006, 0.012]), clip.shape)
    return (clip + torch.from_numpy(grain)).mul(255).round().clamp(0, 255).to(torch.uint8).movedim(1, -1).contiguous()


@torch.no_grad()
def lesson(shot: Shot, crf: float) -> Lesson:
    field, _ = film_of(shot, replace(BASE, film=av1("4")), crf)
    film, head = field.encodings["film"], cast(HeadDecoder, field.decoder)
    middles = [(torch.arange(count) + 0.5) / count for count in (PICTURES, ROWS // CELL, COLUMNS // CELL)]
    wanted = torch.einsum("ab,thwb->tahw", torch.linalg.inv(head.colours), shot.rgb / 255 - 0.5)
    wanted = functional.pixel_unshuffle(wanted, CELL)
    middle = torch.eye(FEATURES)[NEIGHBOURS**2 // 2 :: NEIGHBOURS**2]
    cells = film.linear(Lattice(*middles), middle).movedim(0, 1)
    features = functional.unfold(functional.pad(cells, (1,) * 4, "replicate"), NEIGHBOURS).movedim(1, 0).flatten(1)
    missing = wanted.movedim(1, 0).flatten(1) - plain_weight() @ features
    inputs = torch.cat([features, torch.ones(1, features.shape[1])])
    best = torch.linalg.solve((inputs @ inputs.T).double() + torch.eye(FEATURES + 1), (inputs @ missing.T).double())
    missing -= best.T.float() @ inputs
    noise = float(missing[: CELL * CELL].square().mean().sqrt())
    return Lesson(
        cells.half(), missing.unflatten(1, cells[:, 0].shape).movedim(1, 0).half(), head.colours.detach(), noise
    )


def learn(found: Sequence[Lesson], steps: int) -> Network:
    """The network that leaves least of what is missing."""
    torch.manual_seed(0)
    generator = np.random.default_rng(0)
    shapes = ((NEURONS, WINDOW), (NEURONS,), (NEURONS, NEURONS), (NEURONS,))
    learned = [nn.Parameter((torch.rand(shape) * 2 - 1) / shape[-1] ** 0.5) for shape in shapes]
    learned.append(nn.Parameter(torch.zeros(PAINTED, NEURONS)))
    optimiser = torch.optim.Adam(learned, betas=(0.9, 0.99))
    total = 0.0
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = RATE * min(1, step / 100) * (0.5 + 0.5 * math.cos(math.pi * step / steps))
        drawn = [patch(found[int(generator.integers(len(found)))], generator) for _ in range(PATCHES)]
        cells, missing = (torch.stack(part) for part in list(zip(*drawn, strict=True))[:2])
        network = Network(blind_to_level(learned[0]), *learned[1:])
        kernel = network.first.reshape(NEURONS, CHANNELS, WideFilm.neighbours, WideFilm.neighbours)
        first = functional.conv2d(cells / 4, kernel, network.first_bias)
        given = functional.linear(network.neurons(first.movedim(1, -1)), network.last).movedim(-1, 0)
        errors = torch.stack([missing.movedim(1, 0), missing.movedim(1, 0) - given])
        colours = torch.stack([colours for _, _, colours in drawn])
        in_rgb = torch.einsum("nab,ebpnyx->enapyx", colours, errors.unflatten(1, (3, -1)))
        before, after = in_rgb.flatten(1).square().mean(1)
        optimiser.zero_grad()
        after.backward()
        optimiser.step()
        total += 10 * math.log10(before.item() / after.item())
        if (step + 1) % 1000 == 0:
            print(f"{step + 1} steps, {total / 1000:.3f} dB", flush=True)
            total = 0.0
    return Network(blind_to_level(learned[0]), *learned[1:])


def patch(of: Lesson, generator: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """A part of a picture, turned and mirrored, in units of its noise."""
    t = int(generator.integers(len(of.cells)))
    top, left = (int(generator.integers(REACH, side - PATCH - REACH)) for side in of.cells.shape[2:])
    seen = of.cells[t, :, top - REACH : top + PATCH + REACH, left - REACH : left + PATCH + REACH].float()
    pixels, chroma = functional.pixel_shuffle(seen[: CELL * CELL], CELL), seen[CELL * CELL :]
    missing = functional.pixel_shuffle(of.missing[t, :, top : top + PATCH, left : left + PATCH].float(), CELL)
    for turn in (lambda x: x.flip(1), lambda x: x.flip(2), lambda x: x.transpose(1, 2)):
        if generator.random() < 0.5:
            pixels, chroma, missing = turn(pixels), turn(chroma), turn(missing)
    cells = torch.cat([functional.pixel_unshuffle(pixels, CELL), chroma])
    return cells / of.noise, functional.pixel_unshuffle(missing, CELL) / of.noise, of.colours


def blind_to_level(first: Float[Tensor, "neurons window"]) -> Float[Tensor, "neurons window"]:
    """Weights that a constant brightness or colour moves nothing of."""
    kernel = first.reshape(NEURONS, CHANNELS, -1)
    luma, chroma = kernel[:, : CELL * CELL], kernel[:, CELL * CELL :]
    return torch.cat([luma - luma.mean((1, 2), keepdim=True), chroma - chroma.mean(2, keepdim=True)], 1).flatten(1)


if __name__ == "__main__":
    main()
