"""What studies and benches are asked for alike: counts."""

from fieldpress.config import MAX_INTEGER
from fieldpress.errors import ConfigError

MAX_SEEDS = 1000


def check_count(flag: str, count: int, most: int, least: int = 1) -> None:
    """Lets a number through that lies in its range.

    Raises:
        ConfigError: It does not.
    """
    if not least <= count <= most:
        found = count if abs(count) <= MAX_INTEGER else "a huge number"
        raise ConfigError(f"{flag} is {found}; expected {least} to {most}")
