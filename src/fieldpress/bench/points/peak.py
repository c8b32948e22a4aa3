"""How much memory a piece of work took."""

import ctypes
import re
from pathlib import Path

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_FORGET_THE_PEAK = "5"


class PeakMemory:
    """Watches this process from now on; only Linux tells."""

    def __init__(self) -> None:
        self._before: int | None = None
        try:
            _return_what_is_free()
            _RESET.write_text(_FORGET_THE_PEAK)
            self._before = _resident("VmRSS")
        except OSError:
            pass

    def bytes(self) -> int | None:
        """The most that was in memory on top of what was there in the beginning; ``None`` where nobody knows."""
        peak = _resident("VmHWM") if self._before is not None else None
        return None if peak is None or self._before is None else max(0, peak - self._before)


def _return_what_is_free() -> None:
    """Memory that was freed but kept by the allocator would be used again unseen."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's
    if trim is not None:
        trim(0)


def _resident(name: str) -> int | None:
    found = re.search(rf"^{name}:\s+(\d+) kB", _STATUS.read_text(), re.MULTILINE)
    return int(found[1]) * 1024 if found else None
