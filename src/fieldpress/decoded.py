"""A decoded file: its pictures, rendered as they are asked for, and its colours at any places."""

from collections.abc import Iterator, Sequence
from typing import Any, overload

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from fieldpress.arguments import argument
from fieldpress.config import shown
from fieldpress.description import About
from fieldpress.errors import ConfigError
from fieldpress.field import Field, Points
from fieldpress.pictures import Pictures, to_bytes
from fieldpress.signals import Radiance, Shape
from fieldpress.signals.base import Signal
from fieldpress.views import places_at_once, view


class Decoded(Sequence[NDArray[np.uint8]]):
    """A decoded file: a sequence of pictures, each rendered when asked for, and the field itself.

    Attributes:
        signal: What the file shows.
        field: The field, for any coordinates; see :class:`~fieldpress.field.Field`. That of a long clip is a
            :class:`~fieldpress.segments.SegmentedField`, which decodes what it is asked for.
        about: Where the file comes from.
        levels: How many levels were decoded, the coarsest first.

    Example:
        >>> clip = fieldpress.open("clip.fpr")          # doctest: +SKIP
        >>> clip[17].shape                              # doctest: +SKIP
        (180, 320, 3)
    """

    def __init__(self, signal: Signal, field: Field, about: About, device: str = "cpu", levels: int = 1) -> None:
        self.signal = signal
        self.field = field.to(device).eval().requires_grad_(False)
        self.about = about
        self.device = device
        self.levels = levels

    def __len__(self) -> int:
        return self.signal.frames

    @overload
    def __getitem__(self, index: int) -> NDArray[np.uint8]: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[NDArray[np.uint8]]: ...
    def __getitem__(self, index: int | slice) -> Any:
        """Picture ``index`` as uint8 (height, width, 3), or a list of them for a slice.

        Raises:
            IndexError: There is no such picture.
            TypeError: The index is neither a whole number nor a slice.
        """
        if isinstance(index, slice):
            chosen = range(len(self))[index]
            return list(self.pictures(self.view(index))) if chosen else []
        try:
            position = range(len(self))[index]
        except IndexError:
            raise IndexError(f"picture {index} of {len(self)}") from None
        except TypeError:
            raise TypeError(f"pictures have whole numbers, or slices of them; got {index!r}") from None
        return next(self.pictures(self.view(slice(position, position + 1))))

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        return self.pictures(self.view())

    def __contains__(self, value: object) -> bool:
        """Whether a picture is among these, pixel by pixel."""
        return any(np.array_equal(own, value) for own in self)  # pyright: ignore[reportArgumentType]

    def index(self, value: Any, start: int = 0, stop: int | None = None) -> int:
        """The number of the first picture like this one.

        Raises:
            ValueError: There is none.
        """
        for number in range(len(self))[start:stop]:
            if np.array_equal(self[number], value):
                return number
        raise ValueError("no picture is like that")

    def count(self, value: Any) -> int:
        """How many pictures are like this one."""
        return sum(np.array_equal(own, value) for own in self)

    def view(
        self,
        frames: slice = slice(None),
        scale: float = 1.0,
        time_scale: float = 1.0,
        crop: tuple[int, int, int, int] | None = None,
    ) -> Pictures:
        """A part of the signal at any scale and rate; see :func:`fieldpress.views.view`."""
        if not isinstance(frames, slice):
            raise ConfigError(f"frames is {shown(frames)}; expected a slice, such as slice(40, 80)")
        if crop is not None:
            if not isinstance(crop, Sequence | np.ndarray) or len(crop) != 4:
                raise ConfigError(f"crop is {shown(crop)}; expected (x, y, width, height)")
            x, y, width, height = (argument("crop", int, number) for number in crop)
            crop = (x, y, width, height)
        scale, time_scale = argument("scale", float, scale), argument("time_scale", float, time_scale)
        return view(self.signal, frames, scale, time_scale, crop)

    def pictures(self, part: Pictures) -> Iterator[NDArray[np.uint8]]:
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
            ConfigError: The shapes do not broadcast, a coordinate is not a number in [0, 1], or the file holds a scene
                or a shape, whose colours depend on who looks.
        """
        if isinstance(self.signal, Radiance | Shape):
            kind = "scene" if isinstance(self.signal, Radiance) else "shape"
            raise ConfigError(f"render: a {kind} has no colour at a place, only from a camera; ask for its pictures")
        axes = [_numbers(name, values) for name, values in (("t", t), ("y", y), ("x", x))]
        try:
            places = np.stack(np.broadcast_arrays(*axes), -1)
        except ValueError as error:
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


def _numbers(name: str, values: Any) -> NDArray[np.float32]:
    try:
        return np.asarray(values.detach().cpu() if isinstance(values, torch.Tensor) else values, np.float32)
    except (ValueError, TypeError):
        raise ConfigError(f"render: {name} is {shown(values)}; expected numbers in [0, 1]") from None
