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

    Args:
        location: Of the source, for messages.
        listing: What it lists.
        folders: Where to look for it, first things first.

    Raises:
        SourceError: None of the pictures to learn from is there.
    """
    train, absent = _present(listing.train, folders)
    if not train:
        raise SourceError(
            f"{location}: none of the {len(listing.train)} pictures listed is there (the first: {shown(absent[0])})"
        )
    test: list[Found] = []
    for shots in listing.tests:
        test, more_absent = _present(shots, folders)
        absent += more_absent
        if test:
            break
    else:
        test, train = train[::TEST_EVERY], [found for i, found in enumerate(train) if i % TEST_EVERY]
    if absent:
        listed = len(train) + len(test) + len(absent)
        _LOG.warning(
            "%s: %d of %d pictures listed are not there and are left out (the first: %s)",
            location, len(absent), listed, shown(absent[0]),
        )  # fmt: skip
    return train, test


def _present(shots: Sequence[Shot], folders: Sequence[Path]) -> tuple[list[Found], list[str]]:
    """The pictures that are there, by name, and the names of the others."""
    present, absent = [], []
    for shot in shots:
        file = find_picture(shot.listed, folders)
        if file is None:
            absent.append(shot.listed)
        else:
            present.append(Found(_name(file, folders), file, shot))
    return sorted(present, key=lambda found: natural(found.name)), absent


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
