"""Where and with how many threads to compute.

Two OpenMP threads that spin while they wait for each other are fast on an idle machine and an order of magnitude too
slow on a busy one, where the one that is waited for does not run. Waiting threads here sleep instead, which costs an
idle machine little. That has to be said before torch loads its thread pool.
"""

import os

from fieldpress.errors import ConfigError

_WAIT_POLICY = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0", "KMP_BLOCKTIME": "0"}


def let_threads_sleep() -> None:
    """Makes waiting threads sleep, unless the environment already says otherwise. Call before torch is imported."""
    if not any(name in os.environ for name in _WAIT_POLICY):
        os.environ.update(_WAIT_POLICY)


def choose_device(name: str) -> str:
    """A torch device for ``auto``, ``cpu`` or ``cuda``.

    Raises:
        ConfigError: The name is unknown, or there is no such device here.
    """
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cpu" or (name.split(":")[0] == "cuda" and torch.cuda.is_available()):
        return name
    if name.split(":")[0] == "cuda":
        raise ConfigError("--device cuda: torch finds no CUDA device here; use --device cpu")
    raise ConfigError(f"unknown device {name!r}; known: auto, cpu, cuda")
