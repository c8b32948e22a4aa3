"""Whether a clip fits in memory, asked before any of it is decoded."""

import os
from pathlib import Path

from fieldpress.errors import SourceError

BYTES_PER_PIXEL = 4
"""What :class:`~fieldpress.sources.media.Observations` hold for a pixel: three of RGB, one of luma."""

_MEMORY_FILES = Path("/proc/meminfo")
_GROUP_FILES = (  # (folder, limit, used) of this process's control group, in its second and first version
    (Path("/sys/fs/cgroup"), "memory.max", "memory.current"),
    (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes", "memory.usage_in_bytes"),
)


def available_memory() -> int | None:
    """Bytes that can be taken without pushing something else out; ``None`` where the system does not say.

    The smaller of what the machine has left and what the container's limit leaves.
    """
    free = [amount for amount in (_machine(), *(_group(*files) for files in _GROUP_FILES)) if amount is not None]
    return max(0, min(free)) if free else None


def check_memory(name: str, frames: int, height: int, width: int, factor: float) -> None:
    """Refuse a clip that would not fit.

    Args:
        name: What the message calls the clip.
        frames: How many pictures it has, at most.
        height: Rows of a picture.
        width: Columns of a picture.
        factor: What the caller needs in all, in units of the decoded clip; at least 1.

    Raises:
        SourceError: It needs more than is free.
    """
    needed = int(BYTES_PER_PIXEL * frames * height * width * factor)
    free = available_memory()
    if free is not None and needed > free:
        raise SourceError(
            f"{name}: needs {needed / 1e9:.1f} GB, {free / 1e9:.1f} GB are free: use a smaller clip or cut it "
            f"({frames} frames of {width}x{height})"
        )


def _machine() -> int | None:
    try:
        for line in _MEMORY_FILES.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass  # not Linux: ask the C library
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def _group(folder: Path, limit: str, used: str) -> int | None:
    try:
        statistics = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        cached = int(statistics.get("inactive_file", 0))  # counted as used, but given up on demand
        return int((folder / limit).read_text()) - int((folder / used).read_text()) + cached
    except (OSError, ValueError):  # no such group, or its limit is "max"
        return None
