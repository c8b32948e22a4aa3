"""From bytes to pictures: the two independent halves of decoding.

Half one turns chunks into tensors and knows no fields; half two builds the field and renders, and knows no files.
Neither needs the source, nor any code that trains.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from fieldpress import container
from fieldpress.compressors import COMPRESSORS
from fieldpress.compressors.base import Array, Compressor, Shape
from fieldpress.config import Plain, from_plain
from fieldpress.decoders import DECODERS
from fieldpress.devices import choose_device
from fieldpress.encodings import ENCODINGS
from fieldpress.errors import ConfigError, FormatError
from fieldpress.field import Field, FieldConfig, Points
from fieldpress.loading import read_bytes
from fieldpress.signals import SIGNALS
from fieldpress.signals.base import Signal
from fieldpress.views import View, places_at_once, to_bytes, view

_REGISTRIES = (COMPRESSORS, DECODERS, ENCODINGS, SIGNALS)  # importing them is what lets from_plain read a header


@dataclass(frozen=True)
class About:
    """Where a file comes from."""

    preset: str
    seed: int
    steps: int
    device: str
    """Where it was trained: cpu or cuda."""


class Decoded(Sequence[NDArray[np.uint8]]):
    """A decoded file: a sequence of pictures, each rendered when asked for, and the field itself.

    Attributes:
        signal: What the file shows.
        field: The field, for any coordinates; see :class:`~fieldpress.field.Field`.
        about: Where the file comes from.

    Example:
        >>> clip = fieldpress.open("clip.fpr")          # doctest: +SKIP
        >>> clip[17].shape                              # doctest: +SKIP
        (180, 320, 3)
    """

    def __init__(self, signal: Signal, field: Field, about: About, device: str = "cpu") -> None:
        self.signal = signal
        self.field = field.to(device).eval().requires_grad_(False)
        self.about = about
        self.device = device

    def __len__(self) -> int:
        return self.signal.frames

    @overload
    def __getitem__(self, index: int) -> NDArray[np.uint8]: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[NDArray[np.uint8]]: ...
    def __getitem__(self, index: int | slice) -> Any:
        """Picture ``index`` as uint8 (height, width, 3), or a list of them for a slice."""
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        position = range(len(self))[index]
        return next(self.pictures(self.view(slice(position, position + 1))))

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        return self.pictures(self.view())

    def view(
        self,
        frames: slice = slice(None),
        scale: float = 1.0,
        time_scale: float = 1.0,
        crop: tuple[int, int, int, int] | None = None,
    ) -> View:
        """A part of the signal at any scale and rate; see :func:`fieldpress.views.view`."""
        return view(self.signal, frames, scale, time_scale, crop)

    def pictures(self, part: View) -> Iterator[NDArray[np.uint8]]:
        """The pictures of a view, each uint8 (height, width, 3), rendered as they are asked for."""
        return (picture.numpy() for picture in part.render(self.field, self.device))

    def render(self, t: ArrayLike, y: ArrayLike, x: ArrayLike) -> NDArray[np.uint8]:
        """Colours at any places.

        Args:
            t: Times in [0, 1]; picture ``i`` of ``n`` is at ``(i + 0.5) / n``.
            y: Rows in [0, 1], top to bottom; pixel centres likewise.
            x: Columns in [0, 1], left to right. The three broadcast against each other.

        Returns:
            uint8 (*shape, 3).

        Raises:
            ConfigError: The shapes do not broadcast, or a coordinate is not a number in [0, 1].
        """
        try:
            places = np.stack(np.broadcast_arrays(*(np.asarray(axis, np.float32) for axis in (t, y, x))), -1)
        except (ValueError, TypeError) as error:
            raise ConfigError(f"render: t, y and x do not broadcast against each other: {error}") from None
        if not ((places >= 0) & (places <= 1)).all():
            raise ConfigError("render: coordinates lie in [0, 1]")
        colours = np.empty((places.size // 3, 3), np.uint8)
        with torch.inference_mode():
            count = places_at_once(self.field)
            for first in range(0, len(colours), count):
                part = torch.from_numpy(places.reshape(-1, 3)[first : first + count]).to(self.device)
                colours[first : first + count] = to_bytes(self.field(Points(part))).cpu().numpy()
        return colours.reshape(places.shape)


def open_file(source: str | os.PathLike[str] | bytes | bytearray | memoryview, device: str = "cpu") -> Decoded:
    """Decodes a file, or its bytes, up to the field; pictures are rendered when asked for.

    Args:
        source: A path, or the bytes of a file.
        device: Where the field computes: ``"cpu"``, ``"cuda"`` or ``"auto"``.

    Raises:
        ConfigError: There is no such device here.
        SourceError: The file cannot be read.
        FormatError: The bytes are not a fieldpress file, are damaged, or are of a later version.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        return decode(memoryview(source), device)
    try:
        return decode(read_bytes(source), device)
    except FormatError as error:
        raise FormatError(f"{os.fspath(source)}: {error}") from None


def decode(data: bytes | memoryview, device: str = "cpu") -> Decoded:
    """The decoded file of these bytes; see :func:`open_file`."""
    device = choose_device(device)
    contents = container.read(data)
    signal, config, about = read_header(contents.header)
    if any(chunk.segment for chunk in contents.chunks):
        raise FormatError("the file has several segments; this version decodes files of one")
    # Half two has to agree with half one before either allocates: a header may claim any size.
    expected = config.shapes()
    found = {name: shape for chunk in contents.chunks for name, shape in chunk.tensors}
    if found != expected:
        name = next(name for name in {**expected, **found} if expected.get(name) != found.get(name))
        raise FormatError(
            f"tensor {name!r} has shape {found.get(name)} in the chunks and {expected.get(name)} in the field"
        )
    tensors: dict[str, Array] = {}
    for chunk in contents.chunks:
        compressor: Compressor = _config(Compressor, chunk.compressor, f"compressor of {chunk.name}")
        names, shapes = zip(*chunk.tensors, strict=True)
        tensors |= zip(names, decode_chunk(compressor, chunk.data, shapes, chunk.name), strict=True)
    field = config.build(tensors)
    return Decoded(signal, field, about, device)


def decode_chunk(compressor: Compressor, data: bytes, shapes: Sequence[Shape], name: str) -> list[Array]:
    """The tensors of one chunk.

    Raises:
        FormatError: The bytes are not what the compressor writes; the message names the chunk.
    """
    try:
        return compressor.decode_all(data, shapes)
    except FormatError as error:
        raise FormatError(f"chunk {name!r}: {error}") from None


def read_header(header: dict[str, Plain]) -> tuple[Signal, FieldConfig, About]:
    """The signal, the field's configuration and the provenance that a header states.

    Raises:
        FormatError: A key is missing or unknown, or a value is out of range.
    """
    if set(header) != {"signal", "field", "about"}:
        raise FormatError(
            f"the header has the keys {', '.join(map(repr, sorted(header)))}; expected signal, field and about"
        )
    return (
        _config(Signal, header["signal"], "header.signal"),
        _config(FieldConfig, header["field"], "header.field"),
        _config(About, header["about"], "header.about"),
    )


def _config(kind: Any, plain: Plain, where: str) -> Any:
    try:
        return from_plain(kind, plain, where)
    except ConfigError as error:
        raise FormatError(str(error)) from None
