"""A film of which a place reads 5 x 5 cells, 10 x 10 pixels: as far as what a codec does to pictures reaches."""

from dataclasses import dataclass
from typing import ClassVar

from fieldpress.encodings.film import Film


@dataclass(frozen=True)
class WideFilm(Film):
    """A film that is read more widely; all else is that of :class:`Film`."""

    id: ClassVar[str] = "wide-film"
    name: ClassVar[str] = "film"
    neighbours: ClassVar[int] = 5
