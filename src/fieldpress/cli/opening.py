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
        """The field. Says so if the file is cut short, as :meth:`tell_what_is_left` does.

        Raises:
            FormatError: The bytes do not decode.
        """
        from fieldpress.reading import decode

        decoded = decode(self.data, self.device, self._asked)
        self.tell_what_is_left()
        return decoded

    def tell_what_is_left(self) -> None:
        """Says on standard error what a file still has that is cut short; nothing of a whole one."""
        if not self._outline.complete:
            there = f"it has {len(self.data):,} bytes; going on with {self._outline.left}"
            complain(f"{self._file} is cut short: {there}")

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
