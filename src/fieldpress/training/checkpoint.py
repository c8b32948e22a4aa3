"""Checkpoints: a run survives Ctrl-C and kill -9, and resumes.

A checkpoint lies beside the output as ``OUT.fpr.checkpoint``. It is written to a temporary file and renamed, so there
is always a whole one. It holds tensors and plain values only and is read without unpickling code.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import torch

from fieldpress.config import Plain
from fieldpress.errors import ConfigError, SourceError

STATE = 4
"""Version of what a state holds: one of another version of fieldpress is refused."""


def checkpoint_path(out: Path) -> Path:
    """Where the checkpoint of an output lies."""
    return out.with_name(out.name + ".checkpoint")


def fingerprint(request: Plain) -> str:
    """A digest of what was asked for; a checkpoint only resumes the same request."""
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()


def save_checkpoint(path: Path, request: str, state: dict[str, Any]) -> None:
    """Replaces the checkpoint at ``path``.

    Raises:
        SourceError: The disk is full or not writable; the earlier checkpoint stays.
    """
    temporary = path.with_name(path.name + ".part")
    try:
        with open(temporary, "wb") as file:
            torch.save({"version": STATE, "request": request, "state": state}, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise SourceError(f"{path}: the checkpoint cannot be written: {reason}") from None
    finally:
        temporary.unlink(missing_ok=True)


def load_checkpoint(path: Path, request: str) -> dict[str, Any]:
    """The state saved for this request.

    Raises:
        SourceError: There is no checkpoint, or it is damaged.
        ConfigError: It belongs to another request, or is of another version of fieldpress.
    """
    if not path.exists():
        raise SourceError(f"{path}: no checkpoint to resume from; leave out --resume to start anew")
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
        version, found, state = saved.get("version"), saved["request"], saved["state"]
    except Exception as error:  # torch raises nearly anything on damaged bytes, IndexError for one
        raise SourceError(
            f"{path}: the checkpoint is damaged ({type(error).__name__}); start anew without --resume"
        ) from None
    if version != STATE:
        raise ConfigError(f"{path}: the checkpoint is of another version of fieldpress; start anew without --resume")
    if found != request:
        raise ConfigError(
            f"{path}: the checkpoint is of another run; resume with the same source, preset, budget and seed"
        )
    return state
