"""Listed photographs that are there, parted into those to learn from and those held out."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fieldpress.config import shown
from fieldpress.errors import SourceError
from fieldpress.signals.base import MAX_FRAMES
from fieldpress.sources.folder import natural
from fieldpress.sources.shots import Listing, Shot, find_picture

TEST_EVERY = 8
"""Of pictures that no file holds out, sorted by name, the first and each so many after it are held out."""

_LOG = logging.getLogger("fieldpress")
_SAME_PLACE = 1e-6  # of the largest coordinate: cameras no farther apart than that see no depth


class Found(NamedTuple):
    """A listed picture that is there."""

    name: str
    file: Path
    shot: Shot


def parted(location: Path, listing: Listing, folders: Sequence[Path]) -> tuple[list[Found], list[Found]]:
    """The pictures to learn from and those held out that are there, by name; a warning says how many are not.

    A file counts once, however often and with whichever poses it is listed: as listed first. One that is listed both to
    learn from and to test with is held out. A warning says of how many that is so.

    Args:
        location: Of the source, for messages.
        listing: What it lists.
        folders: Where to look for it, first things first.

    Raises:
        SourceError: None of the pictures to learn from is there.
    """
    train, absent, repeated = _present(listing.train, folders)
    if not train:
        raise SourceError(
            f"{location}: none of the {len(listing.train)} pictures listed is there (the first: {shown(absent[0])})"
        )
    test: list[Found] = []
    for shots in listing.tests:
        test, more_absent, more_repeated = _present(shots, folders)
        absent += more_absent
        if test:
            held_out = {found.file.resolve() for found in test}
            leaked = [found for found in train if found.file.resolve() in held_out]
            train = [found for found in train if found.file.resolve() not in held_out]
            repeated += [*more_repeated, *(found.shot.listed for found in leaked)]
            break
    else:
        test, train = train[::TEST_EVERY], [found for i, found in enumerate(train) if i % TEST_EVERY]
    if absent:
        listed = len(train) + len(test) + len(absent)
        _LOG.warning(
            "%s: %d of %d pictures listed are not there and are left out (the first: %s)",
            location, len(absent), listed, shown(absent[0]),
        )  # fmt: skip
    if repeated:
        _LOG.warning(
            "%s: %d repeated entries are left out: a picture counts once, as listed first, and as held out where it is "
            "listed as that (the first: %s)",
            location, len(repeated), shown(repeated[0]),
        )  # fmt: skip
    return train, test


def _present(shots: Sequence[Shot], folders: Sequence[Path]) -> tuple[list[Found], list[str], list[str]]:
    """The pictures that are there, each once and by name; the names of those that are not; and those listed again."""
    present: dict[Path, Found] = {}
    absent, repeated = [], []
    for shot in shots:
        file = find_picture(shot.listed, folders)
        if file is None:
            absent.append(shot.listed)
        elif (known := file.resolve()) in present:
            repeated.append(shot.listed)
        else:
            present[known] = Found(_name(file, folders), file, shot)
    return sorted(present.values(), key=lambda found: natural(found.name)), absent, repeated


def _name(file: Path, folders: Sequence[Path]) -> str:
    folder = next((folder for folder in folders if file.is_relative_to(folder)), file.parent)
    return file.relative_to(folder).as_posix()


def check_places(location: Path, train: Sequence[Found], total: int) -> None:
    """Refuses what no depth can be learned from.

    Args:
        location: Of the source, for messages.
        train: The pictures to learn from.
        total: How many there are with those held out.

    Raises:
        SourceError: There are too few pictures or too many, or all were taken from one point.
    """
    if total < 2:
        raise SourceError(f"{location}: has one photograph only; a scene needs several, from different places")
    if len(train) < 2:
        raise SourceError(f"{location}: has {len(train)} of {total} photographs to learn from; at least 2 are needed")
    if total > MAX_FRAMES:
        raise SourceError(f"{location}: has {total} pictures; at most {MAX_FRAMES}: use fewer")
    positions = np.array([found.shot.pose.position for found in train])
    if np.ptp(positions, 0).max() <= _SAME_PLACE * np.abs(positions).max():
        raise SourceError(f"{location}: all its cameras stand in one point, so nothing says how far away things are")
