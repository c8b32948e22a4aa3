"""What a finished file is worth: its size, its quality measured again from the file, and one picture to look at.

    python examples/demo.py build/bunny.mkv build/bunny.fpr --report build/report.json --picture build/bunny.png

The picture shows the original on the left and the decoded frame on the right.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

import fieldpress
from fieldpress.metrics import psnr
from fieldpress.sinks.png import png

Picture = NDArray[np.uint8]

GAP = 8
"""White columns between the two pictures."""


def read_clip(path: Path) -> list[Picture]:
    """All pictures of a lossless RGB clip, (height, width, 3) bytes each."""
    with av.open(str(path)) as container:
        return [np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8) for frame in container.decode(video=0)]


def side_by_side(original: Picture, decoded: Picture) -> Picture:
    """The two pictures in one, `GAP` white columns apart."""
    gap = np.full((original.shape[0], GAP, 3), 255, np.uint8)
    return np.concatenate([original, gap, decoded], axis=1)


def summary(report: dict[str, Any], measured_psnr: float) -> Table:
    table = Table(title=f"{report['frames']} frames of {report['width']}x{report['height']}, preset {report['preset']}")
    table.add_column("measured on the file")
    table.add_column("", justify="right")
    table.add_row("size", f"{report['bytes']:,} bytes")
    table.add_row("bits per pixel", f"{report['bpp']:.4f}")
    table.add_row("PSNR, RGB", f"{report['psnr_rgb']:.2f} dB")
    table.add_row("PSNR, RGB, decoded again here", f"{measured_psnr:.2f} dB")
    table.add_row("PSNR, luma", f"{report['psnr_y']:.2f} dB")
    table.add_row("SSIM", f"{report['ssim']:.4f}")
    steps = f", {report['steps']:,} steps" if report["steps"] else ""
    table.add_row("encoding", f"{report['encode_seconds']:.0f} s{steps}, {report['device']}")
    table.add_row("decoding", f"{report['decode_seconds']:.2f} s, {report['decode_fps']:.1f} frames/s")
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", type=Path, help="the original, lossless RGB")
    parser.add_argument("file", type=Path, help="the .fpr file made from it")
    parser.add_argument("--report", type=Path, required=True, help="the report that `fieldpress encode` wrote")
    parser.add_argument("--picture", type=Path, required=True, help="the .png file to write")
    parser.add_argument("--frame", type=int, default=66, help="which frame the picture shows, from 0")
    arguments = parser.parse_args()

    originals = read_clip(arguments.clip)
    opened = fieldpress.open(arguments.file)
    decoded = [np.asarray(opened[index]) for index in range(len(originals))]

    Console().print(summary(json.loads(arguments.report.read_text()), psnr(np.stack(originals), np.stack(decoded))))
    arguments.picture.write_bytes(png(side_by_side(originals[arguments.frame], decoded[arguments.frame])))
    print(f"original | decoded, frame {arguments.frame}: {arguments.picture}")


if __name__ == "__main__":
    main()
