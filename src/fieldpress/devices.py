"""Where and with how many threads to compute.

Two OpenMP threads that spin while they wait for each other are fast on an idle machine and an order of magnitude too
slow on a busy one, where the one that is waited for does not run. Waiting threads here sleep instead, which costs an
idle machine little. That has to be said before torch loads its thread pool.
"""

import os
import re

from fieldpress.errors import ConfigError

_WAIT_POLICY = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0", "KMP_BLOCKTIME": "0"}


def let_threads_sleep() -> None:
    """Makes waiting threads sleep, unless the environment already says otherwise. Call before torch is imported."""
    if not any(name in os.environ for name in _WAIT_POLICY):
        os.environ.update(_WAIT_POLICY)


def choose_device(name: str) -> str:
    """A torch device for ``auto``, ``cpu``, ``cuda``, or ``cuda:1`` for the second of several; one that computes.

    Raises:
        ConfigError: The name is unknown, or there is no such device here.
    """
    import torch

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cpu":
        return name
    if not re.fullmatch("cuda(:[0-9]{1,3})?", name):
        raise ConfigError(f"unknown device {name!r}; known: auto, cpu, cuda")
    if not torch.cuda.is_available():
        raise ConfigError(f"--device {name}: torch finds no CUDA device here; use --device cpu")
    try:
        torch.ones(2, device=name).sum().item()
    except RuntimeError as error:  # no such number, taken by others, or not of the kinds that this torch was built for
        reason = str(error).strip().splitlines()[0]
        raise ConfigError(f"--device {name}: the device does not compute: {reason}; use --device cpu") from None
    return name
