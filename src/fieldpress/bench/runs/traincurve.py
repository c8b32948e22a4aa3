"""The training curve of a run: few points, and still every tooth of the saw."""

import math
from typing import Any

from fieldpress.training.loop import Progress

BINS = 240
"""Parts of the budget; of each the lowest and the highest PSNR are kept, in their order."""


class TrainingCurve:
    """Watches a training run.

    A round trip throws PSNR back within one step, and training earns it again over many: means over parts of the
    budget would smooth these teeth away, but extremes keep them.
    """

    def __init__(self) -> None:
        self._kept: list[tuple[float, float]] = []
        self._bin: list[tuple[float, float]] = []
        self._round_trips: list[float] = []
        self._bits = 0.0

    def add(self, progress: Progress) -> None:
        """Takes the figures after a training step; passed over where the PSNR is not known yet."""
        if math.isnan(progress.psnr):
            return
        if progress.bits != self._bits and progress.share < 1:
            self._round_trips.append(round(progress.share, 5))
        self._bits = progress.bits
        if self._bin and int(self._bin[0][0] * BINS) != int(progress.share * BINS):
            self._close()
        self._bin.append((progress.share, progress.psnr))

    def to_plain(self) -> dict[str, Any]:
        """``share`` of the budget and ``psnr`` of the latest batches in dB, by point; shares of ``round_trips``."""
        self._close()
        return {
            "share": [round(share, 5) for share, _ in self._kept],
            "psnr": [round(psnr, 4) for _, psnr in self._kept],
            "round_trips": self._round_trips,
        }

    def _close(self) -> None:
        if self._bin:
            lowest = min(self._bin, key=lambda point: point[1])
            highest = max(self._bin, key=lambda point: point[1])
            self._kept += sorted({lowest, highest, self._bin[-1]} if self._bin[-1][0] >= 1 else {lowest, highest})
        self._bin = []
