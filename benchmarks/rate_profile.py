"""Where the time of the rate preset goes, stage by stage, against what arithmetic and memory allow.

    PYTHONPATH=build/carrier python examples/bunny.py build/bunny_640x360.mkv --shrink 2
    python benchmarks/rate_profile.py build/bunny_640x360.mkv --output benchmarks/results/rate_profile

writes OUTPUT.json and OUTPUT.md. One thread, processor time, the best of several rounds; of decoding as a whole also
wall time, with each number of threads. The floors are measured in the same run: operations a second of a large matrix
product, bytes a second of a large copy.
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch.nn import functional

from fieldpress.bench.machine import machine
from fieldpress.coding.frames import StreamFormat, decode_pictures
from fieldpress.compressors import Entropy, Video
from fieldpress.compressors.guides import Guidance, Written, build_guide
from fieldpress.compressors.pictures import aligned
from fieldpress.compressors.samples import fixed_samples, fixed_values
from fieldpress.decoders import Postfilter
from fieldpress.decoders.head import PAINTED
from fieldpress.decoders.postfilter import PostfilterDecoder, shipped
from fieldpress.encodings import WideFilm
from fieldpress.encodings.film import CELL, CHANNELS, FEATURES, NEIGHBOURS
from fieldpress.field import FieldConfig
from fieldpress.pictures import to_bytes
from fieldpress.sources import load
from fieldpress.training.film_head import fit_head
from fieldpress.training.start import start_film
from fieldpress.views import view

ROUNDS = 3
AMPLITUDE, BITS, CRF = 0.7, 10, 36.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", type=Path)
    parser.add_argument("--preset", default="2", help="of SVT-AV1")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(1)

    source = load(arguments.clip)
    rgb = torch.from_numpy(np.asarray(source.rgb))
    pictures, height, width, _ = rgb.shape
    pixels = pictures * height * width
    operations, copied = floors()
    encoding, decoding = {}, {}

    field = FieldConfig({"film": WideFilm(pictures, height, width)}, Postfilter()).build().requires_grad_(False)
    film, head = field.encodings["film"], cast(PostfilterDecoder, field.decoder)
    encoding["clip to film"] = spent(lambda: start_film(field, rgb, source.signal.matrix), 1)
    grids = list(film.parameters())
    arrays = [grid.numpy() for grid in grids]
    encoding["film to samples"] = spent(lambda: fixed_samples(arrays, BITS, AMPLITUDE), 1)
    codec = Video(codec="svt-av1", crf=CRF, preset=arguments.preset, amplitude=AMPLITUDE)
    whole = spent(lambda: codec.encode_all([grid.numpy() for grid in grids]), 1)
    data = codec.encode_all([grid.numpy() for grid in grids])
    encoding["SVT-AV1, and its stream decoded to check it"] = whole - encoding["film to samples"]
    stream = StreamFormat("svt-av1", BITS, pictures, "420", aligned(height), aligned(width))
    samples, numbers = ([np.empty(shape, kind) for shape in stream.shapes] for kind in (np.uint16, np.float32))
    values = fixed_values(BITS, AMPLITUDE)
    decoding["AV1 (dav1d) to samples"] = spent(lambda: decode_pictures(data, stream, samples))
    whole = spent(lambda: decode_pictures(data, stream, numbers, values))
    decoding["samples to numbers"] = max(0.0, whole - decoding["AV1 (dav1d) to samples"])
    for grid, array in zip(grids, codec.decode_all(data, [tuple(grid.shape) for grid in grids]), strict=True):
        grid.copy_(torch.from_numpy(array))
    weights = [head.weight, head.bias, head.noise]
    chunk = Written(build_guide(Entropy(step=1 / 64, unit="absolute"), Guidance(), weights), weights)
    encoding["head, in closed form"] = spent(lambda: fit_head(field, rgb, 8.0 * len(data), [chunk]), 1)

    part = view(source.signal)
    rendered = spent(lambda: [None for _ in part.render(field)])
    rows, columns, reach = -(-height // CELL), -(-width // CELL), WideFilm.neighbours // 2
    around, near = (
        torch.rand(1, CHANNELS, rows + 2 * margin, columns + 2 * margin).contiguous(memory_format=torch.channels_last)
        for margin in (reach, NEIGHBOURS // 2)
    )
    network, kernel = shipped(), torch.rand(PAINTED, CHANNELS, NEIGHBOURS, NEIGHBOURS)
    first = network.first.reshape(-1, CHANNELS, WideFilm.neighbours, WideFilm.neighbours)

    def mend() -> None:
        neurons = network.neurons(functional.conv2d(around, first).movedim(1, -1))
        functional.linear(neurons, network.last)

    convolved = pictures * spent(lambda: functional.conv2d(near, kernel), 20)
    mended = pictures * spent(mend, 20)
    colours = torch.rand(1, height, width, 3)
    shown = pictures * spent(lambda: to_bytes(colours), 20)
    decoding["the head's convolution"] = convolved
    decoding["its network"] = mended
    decoding["colours to bytes"] = shown
    decoding["cells, pixels and the rest"] = max(0.0, rendered - convolved - mended - shown)
    encoding["decoding again"] = sum(decoding.values())

    def decode() -> None:
        decode_pictures(data, stream, numbers, values)
        for _ in part.render(field):
            pass

    by_threads = {}
    for threads in range(1, (os.cpu_count() or 1) + 1):
        torch.set_num_threads(threads)
        by_threads[threads] = round(pictures / elapsed(decode), 1)

    products = PAINTED * FEATURES + sum(layer.numel() for layer in shipped())
    arithmetic = 2 * pixels / CELL**2 * products / operations
    # Read a 10-bit sample, write and read the film in floats, write the colours, read them, write bytes.
    memory = pixels * (1.5 * 2 + 2 * 1.5 * 4 + 2 * 3 * 4 + 3) / copied
    result = {
        "clip": arguments.clip.name,
        "pictures": pictures,
        "sides": [height, width],
        "machine": machine(),
        "svt_av1_preset": arguments.preset,
        "encoding_cpu_seconds": rounded(encoding),
        "decoding_cpu_seconds": rounded(decoding),
        "pictures_per_second_by_threads": by_threads,
        "floors_seconds": {"arithmetic": round(arithmetic, 3), "memory": round(memory, 3)},
        "operations_per_second": operations,
        "bytes_per_second": copied,
    }
    arguments.output.with_suffix(".json").write_text(json.dumps(result, indent=1) + "\n")
    text = table(result)
    arguments.output.with_suffix(".md").write_text(text)
    print(text)


def spent(work: Callable[[], object], rounds: int = ROUNDS) -> float:
    """The least processor time of some rounds."""
    best = float("inf")
    for _ in range(rounds):
        began = time.process_time()
        with torch.inference_mode():
            work()
        best = min(best, time.process_time() - began)
    return best


def elapsed(work: Callable[[], object]) -> float:
    """The least wall time of some rounds."""
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - began)
    return best


def floors() -> tuple[float, float]:
    """Operations a second of a matrix product, and bytes a second that a copy reads and writes."""
    a = torch.rand(1024, 1024)
    memory = torch.rand(1 << 26)
    target = torch.empty_like(memory)
    return 2 * 1024**3 / spent(lambda: a @ a, 20), 2 * 4 * memory.numel() / spent(lambda: target.copy_(memory), 5)


def rounded(stages: dict[str, float]) -> dict[str, float]:
    return {name: round(seconds, 3) for name, seconds in stages.items()}


def table(result: dict) -> str:
    height, width = result["sides"]
    rates = ", ".join(
        f"{rate} on {count} thread{'s' if count > 1 else ''}"
        for count, rate in result["pictures_per_second_by_threads"].items()
    )
    lines = [
        f"# Where the time goes: {result['pictures']} pictures of {width} x {height}",
        "",
        f"One thread of {result['machine']['cpu']}, processor seconds of the best round; SVT-AV1 preset "
        f"{result['svt_av1_preset']}. Pictures decoded in a second of wall time, file to pixels: {rates}.",
        "",
    ]
    for name in ("encoding", "decoding"):
        stages = result[f"{name}_cpu_seconds"]
        total = sum(stages.values())
        lines += [f"| {name} | s | share |", "|---|--:|--:|"]
        lines += [f"| {stage} | {seconds:.3f} | {100 * seconds / total:.1f} % |" for stage, seconds in stages.items()]
        lines += [f"| all | {total:.3f} | |", ""]
    floor = result["floors_seconds"]
    lines.append(
        f"Floors of decoding behind the codec: {floor['arithmetic']} s for the head's arithmetic at "
        f"{result['operations_per_second'] / 1e9:.0f} G operations a second, {floor['memory']} s for memory at "
        f"{result['bytes_per_second'] / 1e9:.1f} GB a second."
    )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
