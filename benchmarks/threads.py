"""Threads: training speed by how many compute and how they wait, on an idle machine and on a busy one.

    python benchmarks/threads.py

Threads that wait for each other can spin or sleep. Spinning ones answer sooner, but keep a core from the one that is
waited for when something else wants it too. Every measurement is a fresh process with its own environment that trains
the field of `nvp-fit` on a generated clip; the settings take turns, so all meet the same noise.

Loads are processes that compute without end, or a second trainer with the same setting. Spins are those of GNU's
OpenMP, a few nanoseconds each; other libraries know only sleeping and spinning.
"""

import argparse
import contextlib
import itertools
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fieldpress.bench.machine import machine
from fieldpress.compressors.guides import Guidance
from fieldpress.presets import PRESETS
from fieldpress.training.config import Budget
from fieldpress.training.loop import Trainer
from fieldpress.training.objective import ClipObjective

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
_SLEEPING = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0", "KMP_BLOCKTIME": "0"}
_ALL, _FEWER = str(CORES), str(max(1, CORES - 1))

SETTINGS: dict[str, dict[str, str]] = {
    "all cores, sleeping": {"OMP_NUM_THREADS": _ALL, **_SLEEPING},
    "all cores, 300 spins": {"OMP_NUM_THREADS": _ALL, **_SLEEPING, "GOMP_SPINCOUNT": "300"},
    "all cores, 3000 spins": {"OMP_NUM_THREADS": _ALL, **_SLEEPING, "GOMP_SPINCOUNT": "3000"},
    "all cores, spinning": {"OMP_NUM_THREADS": _ALL, "OMP_WAIT_POLICY": "ACTIVE"},
    "one core fewer, sleeping": {"OMP_NUM_THREADS": _FEWER, **_SLEEPING},
}
"""Environments by name; the first is what fieldpress chooses."""
LOADS = ("idle", "one busy process", "two busy processes", "a second trainer")
WARM_UP_STEPS = 5
FRAMES, HEIGHT, WIDTH = 132, 180, 320
VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")


def train(seconds: float, seed: int) -> None:
    """Trains for a time, or without end when that is 0, and prints pixels per second. Says when it is warm."""
    preset = PRESETS["nvp-fit"]
    rgb = np.random.default_rng(seed).integers(0, 256, (FRAMES, HEIGHT, WIDTH, 3), dtype=np.uint8)
    torch.manual_seed(seed)
    training = replace(preset.training, guidance=Guidance(kind="none"))  # codecs have threads of their own
    objective = ClipObjective(torch.from_numpy(rgb), training, seed)
    field = preset.field(FRAMES, HEIGHT, WIDTH).build()
    trainer = Trainer(field, objective, preset.plan, training, Budget(steps=10**9))
    steps = iter(trainer)
    for _ in itertools.islice(steps, WARM_UP_STEPS):
        pass
    print("warm", flush=True)
    began, pixels = time.perf_counter(), 0
    for _ in steps:
        pixels += trainer.pixels_per_step
        elapsed = time.perf_counter() - began
        if 0 < seconds <= elapsed:
            print(pixels / elapsed, flush=True)
            return


def trainer_process(setting: str, seconds: float, seed: int) -> subprocess.Popen[str]:
    """A fresh process that trains with one of the settings, and is warm."""
    environment = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    process = subprocess.Popen(
        [sys.executable, __file__, "--train", str(seconds), "--seed", str(seed)],
        env={**environment, **SETTINGS[setting]},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    if process.stdout.readline() != "warm\n":
        process.kill()
        raise SystemExit(f"{setting}: the trainer did not start")
    return process


@contextlib.contextmanager
def busy(load: str, setting: str, seed: int) -> Iterator[None]:
    """One of the loads, for as long as the block runs."""
    if load == "a second trainer":
        processes: list[subprocess.Popen[Any]] = [trainer_process(setting, 0.0, seed)]
    else:
        count = {"idle": 0, "one busy process": 1, "two busy processes": 2}[load]
        processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def pixels_per_second(load: str, setting: str, seconds: float, seed: int) -> float:
    """Training speed of one fresh process."""
    with busy(load, setting, seed):
        process = trainer_process(setting, seconds, seed)
        answer, _ = process.communicate()
    return float(answer)


def markdown(speeds: dict[str, dict[str, float]], hardware: dict[str, str | int]) -> str:
    """Speeds relative to the first setting on an idle machine."""
    reference = speeds[LOADS[0]][next(iter(SETTINGS))]
    rows = [
        f"| {load} | " + " | ".join(f"{speeds[load][s] / reference:.2f}" for s in SETTINGS) + " |" for load in LOADS
    ]
    return "\n".join(
        [
            "# Training speed by threads",
            "",
            f"Relative to {reference / 1e6:.2f} million pixels a second.",
            f"Measured on {hardware['cpu']}, {hardware['cores']} cores, by `python benchmarks/threads.py`",
            "",
            "| machine | " + " | ".join(SETTINGS) + " |",
            "|---|" + "--:|" * len(SETTINGS),
            *rows,
            "",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/threads.json"))
    parser.add_argument("--train", type=float, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.train is not None:
        train(arguments.train, arguments.seed)
        return

    found: dict[str, dict[str, list[float]]] = {load: {setting: [] for setting in SETTINGS} for load in LOADS}
    for turn in range(arguments.rounds):
        for load in LOADS:
            for setting in SETTINGS if turn % 2 == 0 else reversed(SETTINGS):
                speed = pixels_per_second(load, setting, arguments.seconds, arguments.seed)
                found[load][setting].append(round(speed))
                print(f"{load}; {setting}: {speed / 1e6:.3f} million pixels a second", flush=True)
    speeds = {load: {s: statistics.median(values) for s, values in of.items()} for load, of in found.items()}
    default = next(iter(SETTINGS))
    hardware = machine()
    record = {
        "clip": f"noise, {FRAMES} frames of {WIDTH}x{HEIGHT}",
        "budget_seconds": arguments.seconds,
        "rounds": arguments.rounds,
        "seed": arguments.seed,
        "machine": {**hardware, "torch": torch.__version__},
        "settings": SETTINGS,
        "pixels_per_second": speeds,
        "pixels_per_second_by_round": found,
        "ratio_to_default": {
            load: {setting: round(speed / of[default], 3) for setting, speed in of.items()}
            for load, of in speeds.items()
        },
    }
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(record, indent=2) + "\n")
    arguments.output.with_suffix(".md").write_text(markdown(speeds, hardware))
    print(json.dumps(record["ratio_to_default"], indent=2))


if __name__ == "__main__":
    main()
