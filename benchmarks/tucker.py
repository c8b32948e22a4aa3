"""Speed and error of the Tucker decomposition, beside one plain pass of Gram matrix and eigenvectors per axis.

    python benchmarks/tucker.py

The tensor has the given ranks but for 10 % of noise. The plain pass is the least that a higher-order SVD does; ours
truncates in sequence and must take at most twice its time. tensorly, if installed, is the oracle for the error.
"""

import argparse
import importlib
import importlib.util
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from fieldpress.bench.machine import machine
from fieldpress.compressors.base import Array
from fieldpress.compressors.fixedpoint import expand, unit_rows
from fieldpress.compressors.hosvd import decompose, leading_components, multiply


def low_rank(shape: tuple[int, ...], ranks: tuple[int, ...]) -> Array:
    """Random numbers of these ranks with a standard deviation near 1, and noise of a tenth of it."""
    random = np.random.default_rng(0)
    core = random.standard_normal(ranks, np.float32)
    for axis, rank in enumerate(ranks):
        factor = random.standard_normal((rank, shape[axis]), np.float32) / np.float32(rank**0.5)
        core = multiply(core, {axis: factor})
    noise = random.standard_normal(shape, np.float32)
    return core + np.multiply(noise, 0.1, dtype=np.float32)


def plain_pass(tensor: Array, ranks: tuple[int, ...]) -> Array:
    """The higher-order SVD as it is defined: every factor from the whole tensor, then all projections."""
    factors = {axis: leading_components(tensor, axis, rank) for axis, rank in enumerate(ranks)}
    core = multiply(tensor, {axis: factor.T for axis, factor in factors.items()})
    return multiply(core, factors)


def by_tensorly(tensor: Array, ranks: tuple[int, ...]) -> Array:
    """One iteration of tensorly's own algorithm."""
    tensorly, decomposition = map(importlib.import_module, ("tensorly", "tensorly.decomposition"))
    return tensorly.tucker_to_tensor(decomposition.tucker(tensor, rank=list(ranks), n_iter_max=1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", type=int, nargs="+", default=[4, 132, 90, 160])
    parser.add_argument("--ranks", type=int, nargs="+", default=[4, 66, 45, 80])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/tucker.json"))
    arguments = parser.parse_args()

    shape, ranks = tuple(arguments.shape), tuple(arguments.ranks)
    tensor = low_rank(shape, ranks)
    ways: dict[str, Callable[[], Array]] = {
        "plain pass": lambda: plain_pass(tensor, ranks),
        "fieldpress": lambda: decompose(tensor, ranks).expand(),
    }
    if importlib.util.find_spec("tensorly"):
        ways["tensorly"] = lambda: by_tensorly(tensor, ranks)
    seconds: dict[str, list[float]] = {name: [] for name in [*ways, "exact reconstruction"]}
    errors: dict[str, float] = {}
    core, factors = decompose(tensor, ranks)
    rows = {axis: unit_rows(factor) for axis, factor in factors.items()}
    for _ in range(arguments.rounds):  # in turns, so that other work on the machine meets all alike
        for name, way in ways.items():
            began = time.process_time()
            found = way()
            seconds[name].append(time.process_time() - began)
            errors[name] = float(np.linalg.norm(found - tensor) / np.linalg.norm(tensor))
        began = time.process_time()
        expand(core, rows)
        seconds["exact reconstruction"].append(time.process_time() - began)
    best = {name: min(times) for name, times in seconds.items()}
    record = {
        "shape": shape,
        "ranks": ranks,
        "machine": machine(),
        "cpu_seconds": {name: round(value, 4) for name, value in best.items()},
        "relative_error": {name: round(value, 6) for name, value in errors.items()},
        "ratio_to_plain_pass": round(best["fieldpress"] / best["plain pass"], 3),
    }
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(record, indent=2) + "\n")
    print(json.dumps(record, indent=2))


if __name__ == "__main__":
    main()
