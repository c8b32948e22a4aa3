"""What a measurement ran on, for the file that holds it. Names hardware and versions, never a host or a path."""

import os
import platform
from pathlib import Path

import av


def cpu_model() -> str:
    """The processor's own name, or its architecture where the system does not tell."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def machine() -> dict[str, str | int]:
    """Processor, cores and the versions that decide the numbers."""
    return {
        "cpu": cpu_model(),
        "cores": os.cpu_count() or 1,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "av": av.__version__,
    }
