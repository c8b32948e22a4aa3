"""The folder of a study or a bench: what it is of, checked before anything runs."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fieldpress.errors import SourceError
from fieldpress.saving import TEMPORARY, save


def open_folder(folder: Path, kind: str, identity: Mapping[str, Any], inside: str) -> None:
    """Makes the folder, or makes sure that it holds this very study or bench, which then goes on.

    Args:
        folder: New, empty, or of an earlier call.
        kind: ``study`` or ``bench``.
        identity: What it is of, as plain data.
        inside: The folder of files in it.

    Raises:
        SourceError: It holds another one, or something else, or cannot be made; the message says which.
    """
    path = folder / f"{kind}.json"
    try:
        if path.exists():
            _compare(folder, kind, json.loads(path.read_bytes()), identity)
        elif folder.exists() and not (folder.is_dir() and all(map(_is_left_over, folder.iterdir()))):
            what = f"holds something else than a {kind}" if folder.is_dir() else "is a file"
            raise SourceError(f"--out {folder}: {what}; name another folder")
        else:
            folder.mkdir(parents=True, exist_ok=True)
            save(path, json.dumps(identity, indent=2).encode() + b"\n")
        (folder / inside).mkdir(exist_ok=True)
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{str(path)!r}: is damaged: {error}; name another folder") from None
    except OSError as error:
        raise SourceError(f"--out {folder}: cannot be written: {error.strerror or error}") from None


def _is_left_over(path: Path) -> bool:
    """Of a call that was stopped before it had said what the folder is of."""
    return path.name.startswith(TEMPORARY)


def _compare(folder: Path, kind: str, found: Any, asked: Mapping[str, Any]) -> None:
    if not isinstance(found, dict):
        raise ValueError("it is no table")
    for key, wanted in asked.items():
        if found.get(key) != wanted:
            shown = _SHOWN.get(key, str)
            had, asked_for = shown(found.get(key)), shown(wanted)
            hint = " with other pictures" if had == asked_for else ""
            raise SourceError(
                f"--out {folder}: holds a {kind} with {key} {had}{hint}, asked is {key} {asked_for}; "
                "name another folder"
            )


def _shown_clips(clips: Any) -> str:
    if not isinstance(clips, list) or not all(isinstance(clip, dict) for clip in clips):
        return "?"
    return " + ".join(f"{clip.get('name')} ({clip.get('frames')} pictures)" for clip in clips)


def _shown_budget(budget: Any) -> str:
    known = {name: value for name, value in budget.items() if value is not None} if isinstance(budget, dict) else {}
    return " ".join(f"{value:g} {name}" for name, value in known.items() if isinstance(value, int | float)) or "?"


_SHOWN: dict[str, Callable[[Any], str]] = {"clips": _shown_clips, "budget": _shown_budget}
