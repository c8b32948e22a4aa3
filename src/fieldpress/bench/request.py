"""What studies and benches are asked for alike: clips, and counts."""

from collections.abc import Sequence

from fieldpress.bench.runs import Clip
from fieldpress.config import MAX_INTEGER
from fieldpress.errors import ConfigError
from fieldpress.subjects import Subject

MAX_SEEDS = 1000
MAX_JOBS = 1024


def check_count(flag: str, count: int, most: int, least: int = 1) -> None:
    """Lets a number through that lies in its range.

    Raises:
        ConfigError: It does not.
    """
    if not least <= count <= most:
        found = count if abs(count) <= MAX_INTEGER else "a huge number"
        raise ConfigError(f"{flag} is {found}; expected {least} to {most}")


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
