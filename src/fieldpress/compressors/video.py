"""Grids as video: a codec predicts them in space and time better than anything hand-made."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal, NamedTuple

import numpy as np

from fieldpress.coding.frames import StreamFormat, decode_pictures, encode_pictures
from fieldpress.coding.parts import PartReader, PartWriter
from fieldpress.compressors.arrays import require_finite
from fieldpress.compressors.base import Array, Compressor, Shape
from fieldpress.compressors.pictures import Film, Tiles, aligned, film, padded, tiles
from fieldpress.compressors.samples import MeasuredScale, Samples, fixed_samples, fixed_values, measured_samples
from fieldpress.compressors.uniform import Uniform
from fieldpress.config import unknown
from fieldpress.errors import ConfigError

X265_PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow")
SVT_AV1_PRESETS = tuple(str(number) for number in range(14))


class _Limits(NamedTuple):
    presets: tuple[str, ...]
    crf: tuple[int, int]
    bits: tuple[int, ...]


_X265 = _Limits(X265_PRESETS, (0, 51), (8, 10, 12))
_LIMITS = {"x265": _X265, "x265-intra": _X265, "svt-av1": _Limits(SVT_AV1_PRESETS, (1, 63), (8, 10))}


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
    """Quality on the codec's scale, lower is better and larger: 0 to 51 (x265) or 1 to 63 (svt-av1)."""
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
        layout = tiles(array.shape, self.layout == "yuv444")
        return self.parts.encode(array) if layout is None else self._encode([array], layout, self._rows(layout))

    def decode(self, data: bytes, shape: Shape) -> Array:
        layout = tiles(shape, self.layout == "yuv444")
        if layout is None:
            return self.parts.decode(data, shape)
        return self._decode(data, math.prod(shape), layout, self._rows(layout)).reshape(shape)

    def encode_all(self, arrays: Sequence[Array]) -> bytes:
        layout = film([array.shape for array in arrays])
        return super().encode_all(arrays) if layout is None else self._encode(arrays, layout, 1)

    def decode_all(self, data: bytes, shapes: Sequence[Shape]) -> list[Array]:
        layout = film(shapes)
        if layout is None:
            return super().decode_all(data, shapes)
        sizes = [math.prod(shape) for shape in shapes]
        values = self._decode(data, sum(sizes), layout, 1)
        return [part.reshape(shape) for part, shape in zip(np.split(values, sizes[:1]), shapes, strict=True)]

    def _encode(self, arrays: Sequence[Array], layout: Tiles | Film, rows: int) -> bytes:
        """Numbers, in rows with a range each, as samples; these as planes; and the planes as a stream."""
        for array in arrays:
            require_finite(array)
        values = np.concatenate([array.ravel() for array in arrays]).reshape(rows, -1)
        writer = PartWriter()
        if self.amplitude is not None:
            samples = fixed_samples(values, self.bits, self.amplitude)
        else:
            scale, samples = measured_samples(values, self.bits)
            writer.string(scale)
        if samples is not None:
            stream = self._stream(layout)
            planes = map(padded, layout.to_planes(samples.ravel()), stream.shapes)
            writer.rest(encode_pictures(list(planes), stream, self.crf, self.preset))
        return writer.finish()

    def _decode(self, data: bytes, size: int, layout: Tiles | Film, rows: int) -> Array:
        """What :meth:`_encode` wrote, flat."""
        reader = PartReader(data, "a video payload")
        if self.amplitude is not None:
            return fixed_values(self._samples(reader, layout), self.bits, self.amplitude)
        scale = MeasuredScale(reader.string(), rows)
        samples = np.zeros(size, np.uint16) if scale.constant else self._samples(reader, layout)
        reader.end()
        return scale.values(samples.reshape(rows, -1)).ravel()

    def _samples(self, reader: PartReader, layout: Tiles | Film) -> Samples:
        planes = decode_pictures(reader.rest(), self._stream(layout))
        rows, columns = layout.sides
        cut = [plane[:, :rows, :columns] for plane in planes]
        if layout.chroma == "420":
            cut[1:] = [plane[:, : -(-rows // 2), : -(-columns // 2)] for plane in planes[1:]]
        return layout.from_planes(cut)

    def _stream(self, layout: Tiles | Film) -> StreamFormat:
        rows, columns = map(aligned, layout.sides)
        return StreamFormat(self.codec, self.bits, layout.time, layout.chroma, rows, columns)

    def _rows(self, layout: Tiles) -> int:
        return layout.channels if self.per == "channel" else 1
