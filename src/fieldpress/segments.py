"""A long clip is cut in time: each *segment*, a run of its pictures, is a field of its own, with its own tensors.

So neither encoding nor decoding ever holds more than a segment or two, whatever the length of the clip, and a picture
costs only the segment it is in::

    time of the clip  0 ─────────────┬─────────────────┬──────────── 1
    segment                  0       │        1        │      2
    its own time      0 ─────────── 1 0 ───────────── 1 0 ──────── 1
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from threading import Lock
from typing import Self

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from fieldpress.field import Field, FieldConfig, Lattice, Points
from fieldpress.interfaces import Decoder, Latent

_SNAP = 2.0**-8
"""Of a picture's duration: a time as near as this to the middle of a picture is meant to be there.

Float32 holds the times of 100 000 pictures to 0.003 of their duration. Without this, what a segment is asked for would
depend on where in the clip it is."""
_KEPT = 2
"""Fields that are kept, so that moments on both sides of a border do not decode segments again and again."""

_LOADING = Lock()
"""Held by the thread that loads a segment: others that ask for it at the same time then find it there."""


@dataclass(frozen=True)
class Segment:
    """A run of a clip's pictures, as the header of a file describes it.

    Raises:
        ValueError: There are no pictures.
    """

    frames: int
    """How many pictures it has."""
    field: FieldConfig
    """What shows them."""

    def __post_init__(self) -> None:
        if self.frames < 1:
            raise ValueError(f"a segment has {self.frames} pictures; expected at least 1")

    @property
    def width(self) -> int:
        """As :attr:`Field.width`, of a field that need not be there."""
        shapes = self.field.shapes()
        return max(side for name, shape in shapes.items() if name.startswith("decoder.") for side in shape)


class SegmentedField(Field):
    """The fields of a clip's segments as one, asked in times of the whole clip.

    It holds no tensors itself: a segment is loaded when a place in it is first asked for, onto the device of the whole,
    and dropped when others were asked for since. ``encodings`` is empty; those of a segment are in :meth:`part`.

    Args:
        segments: In the order of time.
        load: Gives the field of a segment, by its number, from 0.
        levels: How many levels to show.
        pictures: How many of each segment are shown, from its first; all of them if None.

    Example:
        Of 300 pictures in segments of 150, picture 160 is at t = 160.5 / 300, and in segment 1 at t = 10.5 / 150.
    """

    def __init__(
        self,
        segments: Sequence[Segment],
        load: Callable[[int], Field],
        levels: int = 1,
        pictures: Sequence[int] | None = None,
    ) -> None:
        lengths = [segment.frames for segment in segments]
        dispatch = _Dispatch(lengths, pictures or lengths, load, levels)
        super().__init__({}, dispatch)
        self._dispatch, self._segments = dispatch, tuple(segments)

    def part(self, number: int) -> Field:
        """The field of one segment, in its own time."""
        return self._dispatch.part(number)

    @property
    def level_count(self) -> int:
        """Of the segment with the most levels."""
        return max(segment.field.level_count for segment in self._segments)

    def show_levels(self, count: int) -> None:
        """Answers from now on as if only the first ``count`` levels, at least one, were there."""
        self._dispatch.show_levels(count)

    @property
    def width(self) -> int:
        """Numbers that the widest layer of any segment gives for each place."""
        return max(segment.width for segment in self._segments)

    def tensors(self) -> dict[str, torch.nn.Parameter]:
        """Everything that was learned, as ``segments.<number>.<name>``: all segments at once, whatever that takes."""
        return {
            f"segments.{number}.{name}": tensor
            for number in range(len(self._segments))
            for name, tensor in self.part(number).tensors().items()
        }


class _Dispatch(Decoder):
    """Answers queries by asking the segments that they touch. The features of the whole are not looked at."""

    def __init__(
        self, lengths: Sequence[int], pictures: Sequence[int], load: Callable[[int], Field], levels: int
    ) -> None:
        super().__init__()
        self._lengths = lengths
        """Pictures of each segment, shown or not."""
        self._starts = list(accumulate(pictures, initial=0))
        """The first picture of each segment, and the number of all that are shown."""
        self._load, self._levels = load, levels
        self._fields: OrderedDict[int, Field] = OrderedDict()
        """Those asked latest come last."""
        self.register_buffer("_here", torch.empty(0), persistent=False)  # where the module was moved to

    def forward(self, latent: Latent) -> Tensor:
        query = latent.query
        asked_for = query.t if isinstance(query, Lattice) else query.axis(0)
        segments, times = locate(asked_for, self._starts, self._lengths)
        channels: Tensor | None = None
        touched = segments.unique().tolist() or [0]
        if len(touched) > 1 and segments[0] > segments[-1]:
            touched.reverse()  # a clip that is shown backwards: the last one that is loaded is then asked again next
        for number in touched:
            chosen = (segments == number).nonzero()[:, 0]
            if isinstance(query, Lattice):
                asked = Lattice(times[chosen], query.y, query.x)
            else:
                asked = Points(torch.cat([times[chosen, None], query.coordinates[chosen, 1:]], 1))
            part = self.part(number).planar(asked)
            if len(touched) == 1:
                return part
            if channels is None:
                channels = part.new_empty(len(part), *query.shape)
            channels[:, chosen] = part
        assert channels is not None, "several segments were asked"
        return channels

    def part(self, number: int) -> Field:
        """The field of a segment, and how it is kept."""
        with _LOADING:
            if number not in self._fields:
                while len(self._fields) >= _KEPT:
                    self._fields.popitem(last=False)
                with torch.inference_mode(False):  # what is asked for in that mode may be asked for again outside
                    field = self._load(number).eval().requires_grad_(False).to(self.get_buffer("_here"))
                field.show_levels(self._levels)
                self._fields[number] = field
            self._fields.move_to_end(number)
            return self._fields[number]

    def show_levels(self, count: int) -> None:
        self._levels = count
        for field in self._fields.values():
            field.show_levels(count)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """What torch moves a module to a device with: the segments that are loaded go along."""
        for field in self._fields.values():
            field._apply(fn, recurse)
        return super()._apply(fn, recurse)


def locate(
    times: Float[Tensor, "n"], starts: Sequence[int], lengths: Sequence[int]
) -> tuple[Int[Tensor, "n"], Float[Tensor, "n"]]:
    """The segment of each time, and what time it is there.

    A time at the middle of a picture, but for rounding, is exactly at the middle of a picture in its segment. A border
    belongs to the segment that begins there.

    Args:
        times: Of the whole clip, in [0, 1].
        starts: The first picture of each segment, and the number of all pictures.
        lengths: Pictures of each segment, which its own time is of. Of the last one not all need be in the clip.

    Example:
        >>> locate(torch.tensor([0.25, 0.875]), [0, 2, 4], [2, 2])
        (tensor([0, 1]), tensor([0.5000, 0.7500]))
        >>> locate(torch.tensor([0.25, 0.875]), [0, 2, 4], [2, 3])
        (tensor([0, 1]), tensor([0.5000, 0.5000]))
    """
    positions = times.detach().cpu().numpy().astype(np.float64) * starts[-1]
    middles = np.floor(positions) + 0.5
    positions = np.where(abs(positions - middles) < _SNAP, middles, positions)
    bounds = np.asarray(starts, np.float64)
    segments = np.searchsorted(bounds[1:-1], positions, side="right")
    own = (positions - bounds[segments]) / np.asarray(lengths, np.float64)[segments]
    own = own.clip(0.0, 1.0).astype(np.float32)
    return torch.from_numpy(segments).to(times.device), torch.from_numpy(own).to(times.device)
