"""Grids as video: a codec predicts them in space and time better than anything hand-made."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal, NamedTuple

import numpy as np
from einops import rearrange
from numpy.typing import NDArray

from fieldpress.coding.frames import ALIGNMENT, LEAST_SIDE, Plane, StreamFormat, decode_pictures, encode_pictures
from fieldpress.coding.lists import read_list, write_list
from fieldpress.coding.parts import PartReader, PartWriter
from fieldpress.coding.rangecoder import decoder, encoder
from fieldpress.coding.steps import Levels, from_levels, to_levels
from fieldpress.compressors.arrays import require_finite
from fieldpress.compressors.base import Array, Compressor, Shape
from fieldpress.compressors.uniform import Uniform
from fieldpress.config import unknown
from fieldpress.errors import ConfigError

X265_PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow")
SVT_AV1_PRESETS = tuple(str(number) for number in range(14))


_Film = tuple[StreamFormat, list[Plane]]


class _Limits(NamedTuple):
    presets: tuple[str, ...]
    crf: tuple[int, int]
    bits: tuple[int, ...]


_X265 = _Limits(X265_PRESETS, (0, 51), (8, 10, 12))
_LIMITS = {"x265": _X265, "x265-intra": _X265, "svt-av1": _Limits(SVT_AV1_PRESETS, (1, 63), (8, 10))}


class _Layout(NamedTuple):
    """How a tensor (channels, time, rows, columns) becomes planes (time, picture rows, picture columns)."""

    channels: int
    time: int
    rows: int
    columns: int
    planes: int
    down: int
    across: int
    """Tiles of a plane, in each direction; their number times ``planes`` is the number of channels."""


@dataclass(frozen=True)
class Video(Compressor):
    """Level indices as pictures, coded by a video encoder in memory.

    A volume (channels, time, rows, columns) is one stream, a picture per time step with the channels as tiles::

        channel 0 | channel 1
        ----------+----------   one picture per time step, padded at the edge to what the codec takes
        channel 2 | channel 3

    A one-channel volume followed by a two-channel volume of half the rows and columns is what codecs are made for, and
    is coded as one 4:2:0 film. Planes (channels, rows, columns) and matrices are one picture. Vectors, and tensors that
    make a picture narrower or lower than 24, go to ``parts``. The encoder minimises squared error. Its error has no
    bound, so train on what decodes; only constant channels stay exact, and these not with a fixed amplitude.
    """

    id: ClassVar[str] = "video"

    codec: Literal["x265", "x265-intra", "svt-av1"] = "x265"
    """x265 is HEVC, x265-intra HEVC with key frames only, svt-av1 AV1: a quarter to a third smaller at equal speed."""
    crf: float = 24.0
    """Quality on the codec's scale, lower is better, 0 to 51 (x265) or 1 to 63 (svt-av1); 6 to 8 more halve it."""
    preset: str = "slow"
    """Effort: ultrafast to veryslow for x265, 13 (fast) to 0 (small) for svt-av1."""
    bits: int = 10
    """Depth of a sample: 8, 10 or, for x265, 12. More costs no bytes, as crf sets the quality."""
    per: Literal["tensor", "channel"] = "channel"
    """Whose range the sample values span: the tensor's, so that all channels get the same error, or each channel's."""
    amplitude: float | None = None
    """Sample values span -amplitude to amplitude instead, for a crf of fixed scale; what lies outside is clipped."""
    layout: Literal["tiled", "yuv444"] = "tiled"
    """Channels as tiles of a grey picture, or three channels as the planes of one (x265 only; others are tiled)."""
    parts: Compressor = field(default_factory=lambda: Uniform(bits=8))
    """Takes the tensors that make no picture."""

    def __post_init__(self) -> None:
        if self.codec not in _LIMITS:
            raise ConfigError(unknown("video codec", self.codec, _LIMITS))
        limits = _LIMITS[self.codec]
        if self.preset not in limits.presets:
            raise ConfigError(unknown(f"{self.codec} preset", self.preset, limits.presets))
        least, greatest = limits.crf
        if not (math.isfinite(self.crf) and least <= self.crf <= greatest):
            raise ConfigError(f"video: crf is {self.crf}; {self.codec} takes {least} to {greatest}")
        if self.bits not in limits.bits:
            known = ", ".join(map(str, limits.bits))
            raise ConfigError(f"video: bits is {self.bits}; {self.codec} takes {known}")
        if self.layout == "yuv444" and self.codec == "svt-av1":
            raise ConfigError("video: svt-av1 has no yuv444 layout; use tiled, or codec x265")
        if self.amplitude is not None and not 1e-30 < self.amplitude < 1e30:
            raise ConfigError(f"video: amplitude is {self.amplitude}; expected a positive number, or none")

    def encode(self, array: Array) -> bytes:
        require_finite(array)
        layout = self._layout(array.shape)
        if layout is None:
            return self.parts.encode(array)
        return self._encode(array.reshape(self._groups(layout), -1), lambda indices: self._tiles(indices, layout))

    def decode(self, data: bytes, shape: Shape) -> Array:
        layout = self._layout(shape)
        if layout is None:
            return self.parts.decode(data, shape)
        rows = (self._groups(layout), math.prod(shape) // self._groups(layout))
        return self._decode(data, rows, self._stream(layout), lambda planes: _untiled(planes, layout)).reshape(shape)

    def encode_all(self, arrays: Sequence[Array]) -> bytes:
        stream = self._film([array.shape for array in arrays])
        if stream is None:
            return super().encode_all(arrays)
        for array in arrays:
            require_finite(array)
        shapes = [array.shape[1:] for array in arrays]

        def pictures(indices: NDArray[np.int64]) -> _Film:
            first, second = np.split(indices[0].astype(np.uint16), [math.prod(shapes[0])])
            planes = [first.reshape(shapes[0]), *second.reshape(2, *shapes[1])]
            return stream, [_padded(plane, shape) for plane, shape in zip(planes, stream.shapes, strict=True)]

        return self._encode(np.concatenate([array.ravel() for array in arrays])[None], pictures)

    def decode_all(self, data: bytes, shapes: Sequence[Shape]) -> list[Array]:
        stream = self._film(shapes)
        if stream is None:
            return super().decode_all(data, shapes)
        sizes = [math.prod(shape) for shape in shapes]
        cells = [shape[1:] for shape in (shapes[0], shapes[1], shapes[1])]

        def indices(planes: Sequence[Plane]) -> NDArray[np.int64]:
            inner = [plane[:, : cell[1], : cell[2]].ravel() for plane, cell in zip(planes, cells, strict=True)]
            return np.concatenate(inner).astype(np.int64)

        values = self._decode(data, (1, sum(sizes)), stream, indices)[0]
        return [part.reshape(shape) for part, shape in zip(np.split(values, sizes[:1]), shapes, strict=True)]

    def _encode(self, rows: Array, pictures: Callable[[NDArray[np.int64]], _Film]) -> bytes:
        """Rows, each with a range of its own, as levels; these as pictures; and the pictures as a stream."""
        writer = PartWriter()
        if self.amplitude is not None:
            half = 1 << (self.bits - 1)
            scaled = np.rint(rows.astype(np.float64) * (half / self.amplitude)) + half
            indices = np.clip(scaled, 0, 2 * half - 1).astype(np.int64)
        else:
            levels = to_levels(rows, 1 << self.bits)
            indices = levels.indices
            flat = ~indices.any(axis=1)
            side = encoder()
            for numbers in (levels.codes, levels.lows, np.asarray(flat, dtype=np.int64)):
                write_list(side, numbers)
            writer.string(side.finish())
            if flat.all():
                return writer.finish()
        stream, planes = pictures(indices)
        writer.rest(encode_pictures(planes, stream, self.crf, self.preset))
        return writer.finish()

    def _decode(
        self, data: bytes, rows: tuple[int, int], stream: StreamFormat,
        indices: Callable[[list[Plane]], NDArray[np.int64]],
    ) -> Array:  # fmt: skip
        if self.amplitude is not None:
            half = 1 << (self.bits - 1)
            samples = indices(decode_pictures(data, stream)).reshape(rows)
            return ((samples - half) * (self.amplitude / half)).astype(np.float32)
        reader = PartReader(data, "a video payload")
        side = decoder(reader.string())
        codes, lows, flat = (read_list(side, rows[0]) for _ in range(3))
        found = np.zeros(rows, dtype=np.int64)
        if not flat.all():
            found = indices(decode_pictures(reader.rest(), stream)).reshape(rows)
            found[flat != 0] = 0  # a codec does not keep flat pictures exactly flat
        reader.end()
        return from_levels(Levels(codes, lows, found))

    def _groups(self, layout: _Layout) -> int:
        return layout.channels if self.per == "channel" else 1

    def _layout(self, shape: Shape) -> _Layout | None:
        """None if the tensor makes no picture."""
        if len(shape) < 2:
            return None
        rows, columns = shape[-2:]
        channels, time = {2: (1, 1), 3: (shape[0], 1), 4: shape[:2]}[len(shape)]
        planes = 3 if self.layout == "yuv444" and channels == 3 else 1
        tiles = channels // planes
        ways = [(tiles // across, across) for across in range(1, tiles + 1) if tiles % across == 0]
        down, across = min(ways, key=lambda way: abs(math.log(way[0] * rows / (way[1] * columns))))
        if min(down * rows, across * columns) < LEAST_SIDE:
            return None
        return _Layout(channels, time, rows, columns, planes, down, across)

    def _film(self, shapes: Sequence[Shape]) -> StreamFormat | None:
        """The 4:2:0 stream for a full-size channel and two of half the rows and columns; None for other groups."""
        if len(shapes) != 2 or len(shapes[0]) != 4 or shapes[0][0] != 1:
            return None
        _, time, rows, columns = shapes[0]
        if shapes[1] != (2, time, -(-rows // 2), -(-columns // 2)) or min(rows, columns) < LEAST_SIDE:
            return None
        return StreamFormat(self.codec, self.bits, time, "420", _aligned(rows), _aligned(columns))

    def _stream(self, layout: _Layout) -> StreamFormat:
        rows, columns = _aligned(layout.down * layout.rows), _aligned(layout.across * layout.columns)
        return StreamFormat(self.codec, self.bits, layout.time, "444" if layout.planes == 3 else "none", rows, columns)

    def _tiles(self, indices: NDArray[np.int64], layout: _Layout) -> _Film:
        tiled = rearrange(
            indices.reshape(layout[:4]).astype(np.uint16),
            "(planes down across) t h w -> planes t (down h) (across w)",
            planes=layout.planes,
            down=layout.down,
        )
        stream = self._stream(layout)
        return stream, [_padded(plane, shape) for plane, shape in zip(tiled, stream.shapes, strict=True)]


def _untiled(planes: Sequence[Plane], layout: _Layout) -> NDArray[np.int64]:
    inner = [plane[:, : layout.down * layout.rows, : layout.across * layout.columns] for plane in planes]
    return rearrange(
        np.stack(inner).astype(np.int64),
        "planes t (down h) (across w) -> (planes down across) t h w",
        down=layout.down,
        across=layout.across,
    )


def _aligned(side: int) -> int:
    return -(-side // ALIGNMENT) * ALIGNMENT


def _padded(plane: NDArray[np.uint16], shape: tuple[int, int, int]) -> NDArray[np.uint16]:
    """Continued at the lower and right edge to the codec's size."""
    return np.pad(plane, [(0, whole - part) for whole, part in zip(shape, plane.shape, strict=True)], mode="edge")
