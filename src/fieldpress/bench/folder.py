"""The folder of a study: what it is of, checked before anything runs, and the files it ends with."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fieldpress.bench.runs import RUNS, Clip
from fieldpress.errors import SourceError
from fieldpress.saving import save
from fieldpress.training.config import Budget

_IDENTITY = "study.json"


def open_folder(folder: Path, name: str, clips: list[Clip], budget: Budget, device: str) -> None:
    """Makes the folder, or makes sure that it holds this very study, which then goes on.

    Raises:
        SourceError: It holds another study, or something else, or cannot be made; the message says which.
    """
    identity = {
        "study": name,
        "clips": [{key: value for key, value in asdict(clip).items() if key != "path"} for clip in clips],
        "budget": asdict(budget),
        "device": device,
    }
    path = folder / _IDENTITY
    try:
        if path.exists():
            _compare(folder, json.loads(path.read_bytes()), identity)
        elif folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            what = "holds something else than a study" if folder.is_dir() else "is a file"
            raise SourceError(f"--out {folder}: {what}; name another folder")
        (folder / RUNS).mkdir(parents=True, exist_ok=True)
    except ValueError as error:
        raise SourceError(f"{str(path)!r}: is damaged: {error}; name another folder") from None
    except OSError as error:
        raise SourceError(f"--out {folder}: cannot be written: {error.strerror or error}") from None
    if not path.exists():
        save(path, json.dumps(identity, indent=2).encode() + b"\n")


def _compare(folder: Path, found: Any, asked: dict[str, Any]) -> None:
    if not isinstance(found, dict):
        raise ValueError("it is no table")
    for key, shown in (("study", str), ("clips", _shown_clips), ("budget", _shown_budget), ("device", str)):
        if found.get(key) != asked[key]:
            had, wanted = (shown(table.get(key)) for table in (found, asked))
            hint = " with other pictures" if had == wanted else ""
            raise SourceError(
                f"--out {folder}: holds a study with {key} {had}{hint}, asked is {key} {wanted}; name another folder"
            )


def _shown_clips(clips: Any) -> str:
    if not isinstance(clips, list) or not all(isinstance(clip, dict) for clip in clips):
        return "?"
    return " + ".join(f"{clip.get('name')} ({clip.get('frames')} pictures)" for clip in clips)


def _shown_budget(budget: Any) -> str:
    known = {name: value for name, value in budget.items() if value is not None} if isinstance(budget, dict) else {}
    return " ".join(f"{value:g} {name}" for name, value in known.items() if isinstance(value, int | float)) or "?"
