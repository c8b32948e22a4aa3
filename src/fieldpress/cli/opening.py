"""Files that commands open: first the header, for complaints about the request, then the field."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from fieldpress.cli.text import complain
from fieldpress.errors import ConfigError, FormatError

if TYPE_CHECKING:
    from fieldpress.reading import Decoded
    from fieldpress.signals.radiance import Radiance


class Opened:
    """A file whose header was read.

    Attributes:
        data: Its bytes.
        signal: What it shows, as far as it is there.
        device: Where it will be decoded.
        level_count: How many levels the whole file has.
        levels: How many of them will be decoded.
    """

    def __init__(self, file: str, device: str, levels: int | None) -> None:
        from fieldpress.devices import choose_device
        from fieldpress.loading import read_bytes
        from fieldpress.outline import outline

        self.device = choose_device(device)
        self.data = read_bytes(file)
        found = outline(self.data, levels)
        self.signal, self.level_count, self.levels = found.signal, found.level_count, found.levels
        self._file, self._asked, self._outline = file, levels, found

    def decode(self) -> "Decoded":
        """The field. Says on standard error what a file that is cut short still has.

        Raises:
            FormatError: The bytes do not decode.
        """
        from fieldpress.reading import decode

        decoded = decode(self.data, self.device, self._asked)
        if not self._outline.complete:
            there = f"it has {len(self.data):,} bytes; going on with {self._left()}"
            complain(f"{self._file} is cut short: {there}")
        return decoded

    def _left(self) -> str:
        """What of a file is left."""
        found = self._outline
        if len(found.segments) < found.segment_count:
            return (
                f"the first {found.signal.frames} pictures, {len(found.segments)} of its {found.segment_count} segments"
            )
        return f"{self.levels} of its {self.level_count} levels"

    def scene(self) -> "Radiance":
        """What it shows, if that is a scene.

        Raises:
            ConfigError: It is something else.
        """
        from fieldpress.signals.radiance import Radiance

        if not isinstance(self.signal, Radiance):
            raise ConfigError(f"{self._file} holds no scene; use fieldpress decode")
        return self.signal


@contextmanager
def opened(file: str, device: str, levels: int | None) -> Iterator[Opened]:
    """A file; complaints about its bytes name it.

    Raises:
        FormatError: The bytes are not a fieldpress file, or have not one whole level.
        SourceError: It cannot be read.
        ConfigError: There is no such device, or it has not so many levels.
    """
    try:
        yield Opened(file, device, levels)
    except FormatError as error:
        raise FormatError(f"{file}: {error}") from None
