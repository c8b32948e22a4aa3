"""Parts of a media file that was read once before, without reading all that comes before them again.

Containers lead to the key frame before a moment, but not all of them to the right one, and what decoders make of a
stream that they enter in the middle is theirs. So every picture is compared with the digest of the first reading, and
where one differs, the file is read from its start after all.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fieldpress.errors import SourceError
from fieldpress.sources.colour import Picture
from fieldpress.sources.decoding import Decoding
from fieldpress.sources.demuxing import Scan
from fieldpress.sources.stack import digest_of


@dataclass(frozen=True)
class Reel:
    """Reads parts of a media file whose good frames are known."""

    path: Path
    scan: Scan
    good: range
    """Numbers of the good frames among all."""
    times: tuple[int | None, ...]
    """When each good frame is shown, in units of the stream."""
    digests: tuple[bytes, ...]
    """Of each good frame."""

    def __call__(self, frames: range) -> Iterator[Picture]:
        """A run of the good frames.

        Raises:
            SourceError: The file cannot be read, or has changed.
        """
        done = frames.start
        for pictures in (self._from_key_frame, self._from_start):
            for picture in pictures(range(done, frames.stop)):
                if digest_of(picture) != self.digests[done]:
                    break
                done += 1
                yield picture
            if done == frames.stop:
                return
        raise SourceError(f"{self.path}: has changed since it was first read; start again")

    def _from_key_frame(self, frames: range) -> Iterator[Picture]:
        time = self.times[frames.start]
        if frames.start and time is not None:
            try:
                yield from Decoding(self.path, self.scan).pictures_from(time, len(frames))
            except SourceError:
                return  # reading from the start meets it again, and says it right

    def _from_start(self, frames: range) -> Iterator[Picture]:
        yield from Decoding(self.path, self.scan).pictures(self.good[frames.start : frames.stop])
