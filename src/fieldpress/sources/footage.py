"""The pictures of a clip, held in memory or read again whenever they are asked for."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fieldpress.signals.base import Signal
from fieldpress.sources.clip import LongClip
from fieldpress.sources.stack import PictureStack

Codes = NDArray[np.uint8]


class Footage(ABC):
    """What training and measuring ask of a clip."""

    signal: Signal
    """What the file will say it holds."""
    name: str
    """The last part of the path."""

    @abstractmethod
    def part(self, frames: range) -> Codes:
        """A run of pictures, (frames, rows, columns, 3), full-range RGB.

        Raises:
            SourceError: The source has changed since it was first read.
        """

    @abstractmethod
    def pictures(self) -> Iterator[tuple[Codes, Codes | None]]:
        """Every picture, (rows, columns, 3), with the source's own luma, (rows, columns), where it has one.

        Raises:
            SourceError: As :meth:`part`.
        """

    @abstractmethod
    def digest(self) -> str:
        """Of all pictures."""


@dataclass(frozen=True)
class Observations(Footage):
    """What is known of a signal: its pictures as the source has them."""

    signal: Signal  # pyright: ignore[reportIncompatibleVariableOverride]
    """What the file will say it holds."""
    rgb: Codes
    """The reference pictures, (frames, rows, columns, 3), full-range RGB."""
    luma: Codes | None
    """The source's own luma in 8-bit codes, (frames, rows, columns); ``None`` for sources without one."""
    name: str  # pyright: ignore[reportIncompatibleVariableOverride]
    """The last part of the path."""

    def part(self, frames: range) -> Codes:
        return self.rgb[frames.start : frames.stop]

    def pictures(self) -> Iterator[tuple[Codes, Codes | None]]:
        for i, rgb in enumerate(self.rgb):
            yield rgb, None if self.luma is None else self.luma[i]

    def digest(self) -> str:
        return hashlib.sha256(self.rgb.data).hexdigest()


@dataclass(frozen=True)
class LongFootage(Footage):
    """A clip that is too long to be held: what is asked for is read."""

    signal: Signal  # pyright: ignore[reportIncompatibleVariableOverride]
    clip: LongClip
    name: str  # pyright: ignore[reportIncompatibleVariableOverride]

    def part(self, frames: range) -> Codes:
        stack = PictureStack(self.name, len(frames))
        for picture in self.clip.reel(frames):
            stack.add(picture, self.name)
        return stack.rgb

    def pictures(self) -> Iterator[tuple[Codes, Codes | None]]:
        for picture in self.clip.reel(range(len(self.clip.ledger))):
            yield picture.rgb, picture.luma if self.clip.ledger.alike.has_luma else None

    def digest(self) -> str:
        return hashlib.sha256(b"".join(self.clip.ledger.digests)).hexdigest()
