"""Which pictures to render: a range of a signal's pictures, at any scale, at any rate, of any part.

A field is continuous, so scale, rate and crop only choose where it is asked. A view says so as lattices, one a picture.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from typing import Any, TypeVar

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from fieldpress.errors import ConfigError
from fieldpress.field import Field, Lattice
from fieldpress.pictures import Pictures, to_bytes
from fieldpress.scenes import SceneView
from fieldpress.shapes import ShapeView
from fieldpress.signals.base import MAX_FRAMES, MAX_SIDE, Signal
from fieldpress.signals.cameras import Camera
from fieldpress.signals.radiance import Radiance
from fieldpress.signals.shape import Shape
from fieldpress.threads import side_by_side

_BAND_PIXELS = 1 << 17
"""Pixels rendered at once: enough to fill the matrix products, few enough that features stay near the cache."""
_BAND_NUMBERS = 1 << 25
"""Numbers that the widest layer gives at once; a wide decoder renders fewer pixels at a time."""
_NUMBERS_OF_ALL = 1 << 27
"""The same, of all threads that render side by side."""

Run = TypeVar("Run", range, list[Any])


@dataclass(frozen=True)
class View(Pictures):
    """Parts of a clip's pictures.

    Attributes:
        positions: Where each picture lies between the signal's own, in pictures; 2.5 is half-way between 2 and 3.
        top, left, height, width: The part shown, in pixels of the output grid at ``scale``.
        full: (rows, columns) of the whole picture at that scale.
    """

    signal: Signal
    positions: tuple[Fraction, ...]
    top: int
    left: int
    height: int
    width: int
    full: tuple[int, int]

    def lattice(self, pictures: slice, rows: slice) -> Lattice:
        """Some pictures and rows of the view, at the centres of their pixels."""
        times = [float((position + Fraction(1, 2)) / self.signal.frames) for position in self.positions[pictures]]
        return Lattice(
            torch.tensor(times),
            centres(self.full[0], self.top, self.height)[rows],
            centres(self.full[1], self.left, self.width),
        )

    def render(self, field: Field, device: torch.device | str = "cpu") -> Iterator[UInt8[Tensor, "h w 3"]]:
        """The pictures one by one, as 8-bit RGB. Memory is that of a few pictures, whatever the length.

        A CPU renders as many parts at a time as torch has threads: small pictures together, large ones in bands.
        """
        threads = torch.get_num_threads() if torch.device(device).type == "cpu" else 1
        at_once = places_at_once(field, threads, field.crowding(self.full))
        bands = _runs(range(self.height), max(1, at_once // self.width))
        together = max(1, min(at_once // (self.height * self.width), -(-len(self.positions) // threads)))
        parts = list(product(_runs(range(len(self.positions)), together), bands))
        count = threads if len(parts) > 1 else 1
        for some in _runs(parts, -(-count // len(bands)) * len(bands)):
            rendered = side_by_side(count, lambda part: self._part(field, *part), some)
            for of_pictures in _runs(rendered, len(bands)):
                yield from torch.cat(of_pictures, 1) if len(bands) > 1 else of_pictures[0]

    @torch.inference_mode()
    def _part(self, field: Field, pictures: range, rows: range) -> UInt8[Tensor, "t h w 3"]:
        lattice = self.lattice(*(slice(run.start, run.stop) for run in (pictures, rows)))
        # As bytes first, then interleaved, then to the CPU: that moves a quarter of the memory.
        return to_bytes(field.planar(lattice)).movedim(0, -1).contiguous().cpu()


def _runs(whole: Run, length: int) -> list[Run]:
    """What follows one another, in runs of at most so many."""
    return [whole[first : first + length] for first in range(0, len(whole), length)]


def view(
    signal: Signal,
    frames: slice = slice(None),
    scale: float = 1.0,
    time_scale: float = 1.0,
    crop: tuple[int, int, int, int] | None = None,
) -> Pictures:
    """The view of a part of a signal.

    Args:
        signal: What the file shows.
        frames: A range of its pictures, as Python slices them; a step leaves some out, and one below 0 goes backwards.
        scale: Output pixels per source pixel along each side; above 1 is super-resolution.
        time_scale: Output pictures per source picture; above 1 interpolates between pictures. A scene's cameras have
            no moments between them.
        crop: (x, y, width, height) in pixels of the *source*; None is the whole picture.

    Raises:
        ConfigError: Nothing would be shown, or the crop leaves the picture, or the result is larger than any file.
    """
    chosen = range(signal.frames)[frames] if frames.step != 0 else range(0)
    if not len(chosen):
        raise ConfigError(f"--frames selects no picture; the file has {signal.frames} (0 to {signal.frames - 1})")
    for flag, value, most in (("--scale", scale, MAX_SIDE), ("--time-scale", time_scale, MAX_FRAMES)):
        if not 0 < value <= most:
            raise ConfigError(f"{flag} is above 0 and at most {most}, got {value:g}")
    if isinstance(signal, Radiance | Shape):
        cameras = _cameras(signal, chosen, scale, time_scale, crop)
        positions = tuple(map(Fraction, chosen))
        return SceneView(signal, cameras, positions) if isinstance(signal, Radiance) else ShapeView(cameras, positions)
    return _clip_view(signal, chosen, scale, time_scale, crop)


def _clip_view(
    signal: Signal, chosen: range, scale: float, time_scale: float, crop: tuple[int, int, int, int] | None
) -> View:
    x, y, width, height = crop or (0, 0, signal.width, signal.height)
    _check_crop((x, y, width, height), signal.height, signal.width)
    full = tuple(max(1, round(side * scale)) for side in (signal.height, signal.width))
    shown = [max(1, round(side * scale)) for side in (height, width)]
    top, left = (
        min(round(offset * scale), whole - part) for offset, whole, part in zip((y, x), full, shown, strict=True)
    )
    rate = max(Fraction(time_scale).limit_denominator(1000), Fraction(1, len(chosen)))  # at least one picture
    count = round(len(chosen) * rate)
    if max(full) > MAX_SIDE or count > MAX_FRAMES:
        raise ConfigError(
            f"the result would be {count} pictures of {full[1]} x {full[0]}; at most {MAX_FRAMES} of side {MAX_SIDE}"
        )
    # Output picture k stands at the same share of its interval as pixel centres do: no drift, ends inside.
    positions = tuple(
        Fraction(chosen.start) + chosen.step * ((Fraction(k) + Fraction(1, 2)) / rate - Fraction(1, 2))
        for k in range(count)
    )
    return View(signal, positions, top, left, shown[0], shown[1], (full[0], full[1]))


def _cameras(
    signal: Radiance | Shape, chosen: range, scale: float, time_scale: float, crop: tuple[int, int, int, int] | None
) -> tuple[Camera, ...]:
    if time_scale != 1:
        raise ConfigError("--time-scale: the cameras of a scene have no moments between them; use fieldpress render")
    cameras = []
    for camera in (signal.camera(index) for index in chosen):
        lens = camera.lens
        if crop is not None:
            x, y, width, height = crop
            _check_crop(crop, lens.height, lens.width)
            lens = lens.cropped(y, x, height, width)
        sides = [max(1, round(side * scale)) for side in (lens.height, lens.width)]
        if max(sides) > MAX_SIDE:
            raise ConfigError(f"the result would be pictures of {sides[1]} x {sides[0]}; at most {MAX_SIDE} a side")
        cameras.append(Camera(lens.scaled(*sides), camera.pose))
    return tuple(cameras)


def _check_crop(crop: tuple[int, int, int, int], rows: int, columns: int) -> None:
    x, y, width, height = crop
    if min(x, y) < 0 or min(width, height) < 1 or x + width > columns or y + height > rows:
        raise ConfigError(
            f"--crop {x},{y},{width},{height} leaves the picture, which is {columns} x {rows}; "
            "give X,Y,W,H in source pixels"
        )


def places_at_once(field: Field, threads: int = 1, crowding: float = 1.0) -> int:
    """How many places to ask a field for at a time, so that its widest layer stays within bounds.

    Args:
        field: Which.
        threads: How many ask side by side.
        crowding: How much more work each of the places takes than usual.
    """
    numbers = min(_BAND_NUMBERS, _NUMBERS_OF_ALL // threads)
    # A decoder that paints cells works at fewer places than there are pixels.
    return max(1, int(min(_BAND_PIXELS * field.decoder.cell, numbers // field.width) / crowding))


def centres(side: int, start: int, count: int) -> Float[Tensor, "n"]:
    """Centres of ``count`` of ``side`` equal cells of [0, 1], from cell ``start`` on."""
    cells = torch.arange(start, start + count, dtype=torch.float64)
    return ((cells + 0.5) / side).float()
