"""What is encoded: a clip, posed photographs or a mesh, with all that training and measuring need to know of it."""

import os

from fieldpress.sources import open_footage
from fieldpress.sources.cutting import Cut, cut
from fieldpress.sources.mesh import is_mesh, load_mesh
from fieldpress.sources.photos import is_photos, load_photos
from fieldpress.subjects.base import Likeness, Reference, Subject
from fieldpress.subjects.clip import Clip
from fieldpress.subjects.scene import Scene
from fieldpress.subjects.solid import Solid

__all__ = ["Clip", "Likeness", "Reference", "Scene", "Solid", "Subject", "load_subject"]


def load_subject(
    path: str | os.PathLike[str], *, force: bool = False, memory_factor: float = 1.0, into: Cut = cut
) -> Subject:
    """Reads a source, whatever it is.

    Args:
        path: File or folder.
        force: Use the good pictures of a damaged source.
        memory_factor: Memory that the caller needs in all, in units of the decoded source, or of a segment of it.
        into: The segments that a long clip is read in; see :func:`~fieldpress.sources.cutting.cut`.

    Raises:
        SourceError: It cannot be read, or is nothing that can be encoded.
        ConfigError: The segments asked for are out of range.
    """
    if is_mesh(path):
        return Solid(load_mesh(path))
    if is_photos(path):
        return Scene(load_photos(path, force=force))
    return Clip(open_footage(path, force=force, memory_factor=memory_factor, into=into))
