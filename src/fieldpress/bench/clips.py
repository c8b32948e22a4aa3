"""The sources of a study or a bench, and what they are known by."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from fieldpress.errors import ConfigError
from fieldpress.subjects import Subject


@dataclass(frozen=True)
class Clip:
    """A source."""

    path: str
    name: str
    """The last part of its path."""
    frames: int
    """Pictures that files are measured by: all of a video, those held out of photographs."""
    height: int
    width: int
    sha256: str
    """Of what training looks at."""

    @property
    def identity(self) -> dict[str, Any]:
        """What it is known by, on any machine: everything but its path."""
        return {key: value for key, value in asdict(self).items() if key != "path"}


def clips_of(sources: Sequence[str], subjects: Sequence[Subject]) -> list[Clip]:
    """What identifies each source.

    Raises:
        ConfigError: Two have the same name.
    """
    clips: list[Clip] = []
    for source, subject in zip(sources, subjects, strict=True):
        signal = subject.signal
        clip = Clip(str(source), subject.name, signal.frames, signal.height, signal.width, subject.digest())
        if any(other.name == clip.name for other in clips):
            raise ConfigError(f"two sources are called {clip.name!r}; rename one, or give it once")
        clips.append(clip)
    return clips
