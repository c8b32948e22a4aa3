"""How close decoded pictures are to those of the source: everything a bench reports of quality."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from fieldpress.bench.codecs import program
from fieldpress.errors import SourceError
from fieldpress.metrics import MS_SSIM_LEAST_SIDE, luma, ms_ssim, picture_psnr, ssim
from fieldpress.sources import Observations

Codes = NDArray[np.uint8]
_VMAF_SAMPLES = "yuv420p"


class Shown(NamedTuple):
    """A decoded picture."""

    rgb: Codes
    """(rows, columns, 3)."""
    luma: Codes | None
    """The decoder's own, in the source's codes; ``None`` if it has none, and it is computed from RGB."""


@dataclass(frozen=True)
class Quality:
    """Figures of a clip: averages over its pictures, and PSNR picture by picture."""

    psnr_rgb: float
    psnr_y: float
    ssim: float
    ms_ssim: float | None
    """``None`` for pictures too small for its five scales."""
    vmaf: float | None
    """``None`` where the extra ``bench`` is not installed."""
    pictures_psnr_rgb: tuple[float, ...]
    pictures_psnr_y: tuple[float, ...]


def measure(seen: Observations, shown: Iterable[Shown]) -> Quality:
    """Compares every picture with the source's.

    RGB PSNR, SSIM and MS-SSIM are over 8-bit RGB. Luma PSNR is against the source's own luma where it has one, else
    against BT.709's luma of the reference RGB. VMAF looks at luma of limited range.

    Raises:
        ValueError: There are more pictures or fewer than in the source.
    """
    signal = seen.signal
    large = min(signal.height, signal.width) >= MS_SSIM_LEAST_SIDE
    rgb_decibels: list[float] = []
    luma_decibels: list[float] = []
    similar: list[float] = []
    similar_at_scales: list[float] = []
    with TemporaryDirectory(prefix="fieldpress-") as folder:
        judge = _Vmaf(Path(folder), signal.height, signal.width)
        for index, (rgb, picture) in enumerate(zip(seen.rgb, shown, strict=True)):
            own = picture.luma if seen.luma is not None else None
            reference = seen.luma[index] if seen.luma is not None else luma(rgb, signal.matrix, signal.full_range)
            decoded = own if own is not None else luma(picture.rgb, signal.matrix, signal.full_range)
            rgb_decibels.append(picture_psnr(rgb, picture.rgb))
            luma_decibels.append(picture_psnr(reference, decoded))
            a, b = (_tensor(one) for one in (rgb, picture.rgb))
            similar.append(float(ssim(a, b)))
            if large:
                similar_at_scales.append(float(ms_ssim(a, b)))
            judge.add(reference, decoded, full_range=signal.full_range)
        return Quality(
            _mean(rgb_decibels),
            _mean(luma_decibels),
            _mean(similar),
            _mean(similar_at_scales) if large else None,
            judge.score(),
            tuple(round(value, 3) for value in rgb_decibels),
            tuple(round(value, 3) for value in luma_decibels),
        )


class _Vmaf:
    """Writes luma of both to files, and has the ffmpeg program compare them."""

    def __init__(self, folder: Path, height: int, width: int) -> None:
        self._files = [folder / "reference.yuv", folder / "decoded.yuv"]
        self._size = f"{width}x{height}"
        self._grey = bytes([128]) * (2 * ((height + 1) // 2) * ((width + 1) // 2))
        self._wanted = program.program() is not None

    def add(self, reference: Codes, decoded: Codes, *, full_range: bool) -> None:
        if not self._wanted:
            return
        for file, codes in zip(self._files, (reference, decoded), strict=True):
            limited = np.rint(16 + codes.astype(np.float32) * (219 / 255)).astype(np.uint8) if full_range else codes
            with file.open("ab") as out:
                out.write(np.ascontiguousarray(limited).tobytes() + self._grey)

    def score(self) -> float | None:
        """``None`` without the program, or if it has no VMAF."""
        if not self._wanted:
            return None
        fed = ["-f", "rawvideo", "-pix_fmt", _VMAF_SAMPLES, "-s", self._size, "-i"]
        log = self._files[0].with_name("vmaf.csv")
        graph = f"[1:v][0:v]libvmaf=n_threads=1:log_fmt=csv:log_path={log.name}"
        inputs = [part for file in self._files for part in (*fed, str(file))]
        try:
            program.run([*inputs, "-lavfi", graph, "-f", "null", "-"], folder=log.parent)
        except SourceError:
            return None
        header, *rows = (line.split(",") for line in log.read_text().splitlines())
        column = header.index("vmaf")
        return _mean([float(row[column]) for row in rows])


def _tensor(rgb: Codes) -> torch.Tensor:
    return torch.tensor(rgb).permute(2, 0, 1)[None].float() / 255


def _mean(values: list[float]) -> float:
    return math.fsum(values) / len(values)
