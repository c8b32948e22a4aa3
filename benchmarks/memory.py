"""Memory: the largest resident size of fresh processes that import, decode and encode, and how it grows with the clip.

    python benchmarks/memory.py build/bunny.mkv

Every figure is that of one run of the command line, by the system's own count. The clip is also taken four times over,
packet by packet, which tells what is fixed and what goes with the clip. Encoding takes a few steps: its memory does
not depend on how many.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import av

# Nothing here may import torch: a child starts out with its parent's largest size.
from fieldpress.bench.machine import machine

TIMES = 4
"""How often the longer clip repeats the given one."""


def repeat(clip: Path, longer: Path, times: int) -> None:
    """The same pictures several times over, without coding them again."""
    with av.open(str(longer), "w") as output:
        stream, offset = None, 0
        for _ in range(times):
            end = 0
            with av.open(str(clip)) as source:
                stream = stream or output.add_stream_from_template(source.streams.video[0])
                for packet in source.demux(video=0):
                    if packet.pts is None or packet.dts is None:
                        continue
                    end = max(end, packet.pts + (packet.duration or 1))
                    packet.pts, packet.dts, packet.stream = packet.pts + offset, packet.dts + offset, stream
                    output.mux(packet)
            offset += end


def peak_bytes(*arguments: str) -> int:
    """Largest resident size of a fresh interpreter with these arguments; what it prints is thrown away."""
    process = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(arguments)}: exit status {process.returncode}")
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def measure(clip: Path, folder: Path, steps: int, seed: int) -> dict[str, Any]:
    """Peaks of encoding the clip and of decoding what comes out."""
    file, report = str(folder / f"{clip.stem}.fpr"), folder / f"{clip.stem}.json"
    budget = ["--steps", str(steps), "--seed", str(seed), "--report", str(report)]
    encode = peak_bytes("-m", "fieldpress", "encode", str(clip), file, *budget)
    found = json.loads(report.read_text())
    return {
        "frames": found["frames"],
        "height": found["height"],
        "width": found["width"],
        "bytes": {
            "decode one picture": peak_bytes("-m", "fieldpress", "decode", file, "-", "--frames", "0"),
            "decode all, streaming": peak_bytes("-m", "fieldpress", "decode", file, "-"),
            "encode": encode,
            "encode, as reported": found["peak_memory_bytes"],
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", type=Path)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/memory.json"))
    arguments = parser.parse_args()

    imported = peak_bytes("-c", "import fieldpress.reading")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        longer = folder / f"longer{arguments.clip.suffix}"
        repeat(arguments.clip, longer, TIMES)
        once, several = (measure(clip, folder, arguments.steps, arguments.seed) for clip in (arguments.clip, longer))
    pixels = [m["frames"] * m["height"] * m["width"] for m in (once, several)]
    growth = {
        task: round((several["bytes"][task] - value) / (pixels[1] - pixels[0]), 2)
        for task, value in once["bytes"].items()
    }
    record = {
        "clip": arguments.clip.name,
        "budget_steps": arguments.steps,
        "seed": arguments.seed,
        "machine": machine(),
        "import_bytes": imported,
        "clip_once": once,
        f"clip_{TIMES}_times": several,
        "bytes_per_pixel_of_the_clip": growth,
    }
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(record, indent=2) + "\n")
    print(json.dumps(record, indent=2))


if __name__ == "__main__":
    main()
