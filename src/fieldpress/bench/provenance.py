"""Where figures come from: the machine, the versions that decide them, the commit and the date."""

import subprocess
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import fieldpress
from fieldpress.bench.codecs import program
from fieldpress.bench.machine import machine


def provenance() -> dict[str, Any]:
    """``machine``, ``versions``, ``commit`` (null outside a checkout) and ``date`` (UTC), as plain data."""
    return {**_lasting(), "date": datetime.now(UTC).isoformat(timespec="seconds")}


@cache
def _lasting() -> dict[str, Any]:
    import av
    import torch

    about = machine()
    libraries = {name: ".".join(map(str, number)) for name, number in sorted(av.library_versions.items())}
    versions = {
        "fieldpress": fieldpress.__version__,
        "python": about.pop("python"),
        "torch": torch.__version__,
        "av": about.pop("av"),
        "ffmpeg": program.version(),
        **libraries,
    }
    return {"machine": about, "versions": versions, "commit": _commit(Path(fieldpress.__file__).parent)}


def _commit(package: Path) -> str | None:
    """Of the checkout that the package runs from; with a ``+`` if it was changed since."""
    if not (package.parents[1] / ".git").exists():  # else an environment inside some other project would tell that one
        return None

    def git(*words: str) -> str | None:
        try:
            ran = subprocess.run(["git", *words], cwd=package, capture_output=True, text=True)
        except OSError:
            return None
        return ran.stdout.strip() if ran.returncode == 0 else None

    head = git("rev-parse", "HEAD")
    return None if head is None else head + ("+" if git("status", "--porcelain", "--", str(package)) else "")
