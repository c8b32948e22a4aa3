"""Decoding: what lattices save against evaluating point by point, and what a part of a clip costs.

    OMP_WAIT_POLICY=PASSIVE python benchmarks/decoding.py clip.fpr

Both ways render every picture of one opened file in one process with the same threads, in turns. The points come in
chunks of the size that is fastest here, so that the comparison is not one with a cache miss.

The parts are ten pictures, a quarter of the picture, and twice the size. Their work is counted in pixels and in
floating-point operations of the matrix products, their time without and with opening the file.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.flop_counter import FlopCounterMode

import fieldpress
from fieldpress.bench.machine import machine
from fieldpress.field import Points
from fieldpress.reading import Decoded
from fieldpress.views import View, to_bytes

CHUNKS = (1 << 12, 1 << 14, 1 << 16, 1 << 18)
"""Points evaluated at once: the candidates."""
TRIED_PICTURES = 4
"""On which the candidates are compared."""


def by_lattices(decoded: Decoded, part: View) -> list[NDArray[np.uint8]]:
    """Every picture as the decoder renders it."""
    return list(decoded.pictures(part))


@torch.inference_mode()
def by_points(decoded: Decoded, part: View, chunk: int) -> list[NDArray[np.uint8]]:
    """Every picture as a list of points, without anything that the places share."""
    together = max(1, chunk // (part.height * part.width))
    pictures: list[NDArray[np.uint8]] = []
    for first in range(0, len(part.positions), together):
        lattice = part.lattice(slice(first, first + together), slice(None))
        chunks = lattice.points().coordinates.split(chunk)
        colours = torch.cat([to_bytes(decoded.field(Points(places))) for places in chunks])
        pictures += list(colours.view(*lattice.shape, 3).numpy())
    return pictures


def clip_view(decoded: Decoded, *part: Any, **scales: Any) -> View:
    """A view of a file that holds a clip."""
    found = decoded.view(*part, **scales)
    assert isinstance(found, View), "this benchmark is of clips"
    return found


def seconds(work: Callable[[], object]) -> float:
    """How long it took, once."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def fastest_chunk(decoded: Decoded) -> int:
    """The size of a chunk that suits the point-by-point way best on this machine."""
    few = clip_view(decoded, slice(TRIED_PICTURES))
    return min(CHUNKS, key=lambda chunk: min(seconds(lambda: by_points(decoded, few, chunk)) for _ in range(2)))


def compare_ways(decoded: Decoded, repeats: int) -> dict[str, Any]:
    """All pictures in both ways, in turns; the ratio is the median of those of the rounds."""
    part, chunk = clip_view(decoded), fastest_chunk(decoded)
    ways: dict[str, Callable[[], list[NDArray[np.uint8]]]] = {
        "lattices": lambda: by_lattices(decoded, part),
        "points": lambda: by_points(decoded, part, chunk),
    }
    rendered = {name: way() for name, way in ways.items()}  # also warms up
    differences = [
        np.abs(a.astype(np.int16) - b) for a, b in zip(rendered["lattices"], rendered["points"], strict=True)
    ]
    times: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(repeats):
        for name in list(ways) if turn % 2 == 0 else list(reversed(ways)):
            times[name].append(seconds(ways[name]))
    ratios = [p / q for p, q in zip(times["points"], times["lattices"], strict=True)]
    return {
        "points_at_once": chunk,
        "frames_per_second": {name: round(len(decoded) / statistics.median(t), 1) for name, t in times.items()},
        "seconds": {name: [round(value, 3) for value in t] for name, t in times.items()},
        "ratio": round(statistics.median(ratios), 2),
        "ratio_by_round": [round(ratio, 2) for ratio in ratios],
        "largest_difference_8_bit": int(max(difference.max() for difference in differences)),
        "samples_that_differ": float(np.mean([(difference > 0).mean() for difference in differences])),
    }


def parts_of(decoded: Decoded) -> dict[str, View]:
    """The whole and the parts, by name."""
    height, width = decoded.signal.height, decoded.signal.width
    middle = len(decoded) // 2
    return {
        "whole": clip_view(decoded),
        "one picture": clip_view(decoded, slice(middle, middle + 1)),
        "ten pictures": clip_view(decoded, slice(middle, middle + 10)),
        "a quarter of the picture": clip_view(
            decoded, crop=(width // 4, height // 4, max(1, width // 2), max(1, height // 2))
        ),
        "scale 2": clip_view(decoded, scale=2.0),
    }


def operations(decoded: Decoded, part: View) -> int:
    """Floating-point operations of the matrix products in rendering a part."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # one counts in its own thread only
    try:
        with FlopCounterMode(display=False) as counter:
            by_lattices(decoded, part)
    finally:
        torch.set_num_threads(threads)
    return counter.get_total_flops()


def measure_parts(path: Path, repeats: int) -> dict[str, dict[str, float | int]]:
    """Work and time of every part, and both relative to the whole. Each time is of a file opened anew."""
    decoded = fieldpress.open(path)
    parts = parts_of(decoded)
    rendering: dict[str, list[float]] = {name: [] for name in parts}
    opening: dict[str, list[float]] = {name: [] for name in parts}
    for _ in range(repeats):
        for name, part in parts.items():
            began = time.perf_counter()
            anew = fieldpress.open(path)
            opened = time.perf_counter()
            for _picture in anew.pictures(part):
                pass
            opening[name].append(opened - began)
            rendering[name].append(time.perf_counter() - opened)
    results: dict[str, dict[str, float | int]] = {}
    for name, part in parts.items():
        render = statistics.median(rendering[name])
        both = statistics.median(map(sum, zip(rendering[name], opening[name], strict=True)))
        results[name] = {
            "pixels": len(part.positions) * part.height * part.width,
            "operations": operations(decoded, part),
            "seconds": round(render, 4),
            "seconds_with_opening": round(both, 4),
        }
    whole = dict(results["whole"])
    for result in results.values():
        result |= {f"{figure}_share": round(result[figure] / value, 4) for figure, value in whole.items()}
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="a file that fieldpress wrote")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/decoding.json"))
    arguments = parser.parse_args()

    decoded = fieldpress.open(arguments.file)
    signal = decoded.signal
    record = {
        "file": {"name": arguments.file.name, "bytes": arguments.file.stat().st_size},
        "clip": {"frames": signal.frames, "height": signal.height, "width": signal.width},
        "preset": decoded.about.preset,
        "seed": decoded.about.seed,
        "budget_steps": decoded.about.steps,
        "repeats": arguments.repeats,
        "machine": {**machine(), "torch": torch.__version__, "threads": torch.get_num_threads()},
        "lattices_against_points": compare_ways(decoded, arguments.repeats),
        "parts": measure_parts(arguments.file, arguments.repeats),
    }
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(record, indent=2) + "\n")
    print(json.dumps({name: record[name] for name in ("lattices_against_points", "parts")}, indent=2))


if __name__ == "__main__":
    main()
