"""What guidance buys: the preset nvp-fit on one clip, with its compressors in the loop and without.

    python benchmarks/guidance.py build/bunny.mkv --minutes 5

Each kind of guidance is one whole encode with the same budget and seed. Without guidance (none) the compressors meet
the grids only after training. Bits are those of the finished file; quality is that of its decoded pictures. Two files
differ in both, so they are also compared at equal bits, along the guided field's own slope between two CRFs.
"""

import argparse
import json
import math
import tempfile
from dataclasses import asdict, replace
from pathlib import Path

import fieldpress
from fieldpress.bench.machine import machine
from fieldpress.compressors import Video
from fieldpress.presets import PRESETS, Recipe
from fieldpress.report import Report


def recipe_with(kind: str, crf: float) -> Recipe:
    """The preset with this guidance and quality."""
    preset = PRESETS["nvp-fit"]
    volume = preset.plan["volume"]
    assert isinstance(volume, Video)
    guidance = replace(preset.training.guidance, kind=kind)
    return replace(
        preset,
        plan={**preset.plan, "volume": replace(volume, crf=crf)},
        training=replace(preset.training, guidance=guidance),
    )


def saving(base: Report, other: Report, slope: float) -> dict[str, float]:
    """What ``other`` gains on ``base``, in dB and in bits; ``slope`` is dB per doubling of the bits."""
    doublings = math.log2(other.bpp / base.bpp)
    gain = other.psnr_rgb - base.psnr_rgb - slope * doublings
    return {
        "psnr_rgb_difference": round(other.psnr_rgb - base.psnr_rgb, 3),
        "bits_difference_percent": round(100 * (other.bpp / base.bpp - 1), 2),
        "psnr_rgb_at_equal_bits": round(gain, 3),
        "bits_at_equal_psnr_percent": round(100 * (2 ** (-gain / slope) - 1), 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", type=Path)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--steps", type=int, help="a budget in steps instead, the same on every machine")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--crf", type=float, default=46.0)
    parser.add_argument("--kinds", nargs="+", default=["none", "round-trip", "project", "proximal"])
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/guidance.json"))
    arguments = parser.parse_args()

    budget = {"steps": arguments.steps} if arguments.steps else {"minutes": arguments.minutes}
    reports: dict[str, Report] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, kind, crf in [
            *((kind, kind, arguments.crf) for kind in arguments.kinds),
            ("slope", "round-trip", arguments.crf + 8),
        ]:
            recipe = recipe_with(kind, crf)
            reports[name] = fieldpress.encode(
                arguments.clip, Path(folder) / "clip.fpr", recipe, seed=arguments.seed, force=True, **budget
            )
            report = reports[name]
            print(f"{name}: {report.bpp:.4f} bpp, {report.psnr_rgb:.2f} dB, {report.steps} steps", flush=True)
    base, low = reports[arguments.kinds[0]], reports.pop("slope")
    guided = reports.get("round-trip", base)
    slope = (guided.psnr_rgb - low.psnr_rgb) / math.log2(guided.bpp / low.bpp)
    record = {
        "clip": arguments.clip.name,
        "budget": budget,
        "seed": arguments.seed,
        "crf": arguments.crf,
        "machine": machine(),
        "slope_db_per_doubling": round(slope, 3),
        "gain_on_" + arguments.kinds[0]: {n: saving(base, r, slope) for n, r in reports.items() if r is not base},
        "reports": {name: asdict(report) for name, report in reports.items()},
    }
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(record, indent=2) + "\n")
    print(json.dumps(record["gain_on_" + arguments.kinds[0]], indent=2))


if __name__ == "__main__":
    main()
