"""Grids as video: a codec predicts them in space and time better than anything hand-made."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fieldpress.coding.frames import StreamFormat, decode_pictures, encode_pictures, picture_ends
from fieldpress.coding.parts import PartReader, PartWriter
from fieldpress.compressors.arrays import require_finite
from fieldpress.compressors.atlas import Atlas, pieces
from fieldpress.compressors.base import MAX_QUALITY, Array, Compressor, Cut, Shape, joined
from fieldpress.compressors.pictures import Film, Tiles, aligned, film, padded, tiles
from fieldpress.compressors.samples import MeasuredScale, Numbers, fixed_samples, fixed_values, measured_samples
from fieldpress.compressors.uniform import Uniform
from fieldpress.config import unknown
from fieldpress.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor

    from fieldpress.compressors.guides import Guidance, Guide

X265_PRESETS = ("veryslow", "slower", "slow", "medium", "fast", "faster", "veryfast", "superfast", "ultrafast")
SVT_AV1_PRESETS = tuple(str(number) for number in range(14))
"""Presets, from the most effort to the least."""


Pictures = Tiles | Film | Atlas


class _Group(NamedTuple):
    """Tensors, by their number, in the same pictures; None if ``parts`` takes this one."""

    tensors: tuple[int, ...]
    layout: Pictures | None


_X265_TIMES = (18, 10, 2.6, 1.2, 1.4, 1.2, 1.2, 1.0, 1.0)
_SVT_AV1_TIMES = (90, 31, 15, 9, 4.8, 3.7, 2.7, 2.2, 1.8, 1.6, 1.0, 1.0, 1.0, 1.0)
"""CPU time of the presets, in the order above, against the quickest: of 320x180 and 480x270 clips at two qualities
(benchmarks/effort.py). Here x265's rate control and lookahead are the same for all."""


class _Limits(NamedTuple):
    presets: tuple[str, ...]
    times: tuple[float, ...]
    crf: tuple[int, int]
    crf_per_halving: float
    """About how much more halves the bits."""
    bits: tuple[int, ...]


_X265 = _Limits(X265_PRESETS, _X265_TIMES, (0, 51), 6.0, (8, 10, 12))
_SVT_AV1 = _Limits(SVT_AV1_PRESETS, _SVT_AV1_TIMES, (1, 63), 12.0, (8, 10))
_LIMITS = {"x265": _X265, "x265-intra": _X265, "svt-av1": _SVT_AV1, "svt-av1-screen": _SVT_AV1}


@dataclass(frozen=True)
class Video(Compressor):
    """Level indices as pictures, coded by a video encoder in memory.

    A volume (channels, time, rows, columns) is one stream, a picture per time step with the channels as tiles::

        channel 0 | channel 1
        ----------+----------   one picture per time step, padded at the edge to what the codec takes
        channel 2 | channel 3

    A one-channel volume followed by a two-channel volume of half the rows and columns is what codecs are made for, and
    is coded as one 4:2:0 film. Planes (channels, rows, columns) and matrices are one picture. With layout atlas the
    tensors of a chunk share their pictures (atlas.py): all planes one picture, all volumes of equal time one stream.
    Vectors, and tensors that make a picture narrower or lower than 24, go to ``parts``. The encoder minimises squared
    error. Its error has no bound, so train on what decodes; only what ``per`` names stays exact where it is constant,
    and not with a fixed amplitude.
    """

    id: ClassVar[str] = "video"

    codec: Literal["x265", "x265-intra", "svt-av1", "svt-av1-screen"] = "x265"
    """x265 is HEVC, x265-intra HEVC with key frames only, svt-av1 AV1: a quarter to a third smaller at equal speed, and
    svt-av1-screen AV1 with its tools for text and drawings: few colours, and what a picture has elsewhere."""
    crf: float = 24.0
    """Quality on the codec's scale, lower is better and larger: 0 to 51 (x265) or 1 to 63 (svt-av1)."""
    preset: str = "slow"
    """Effort: ultrafast to veryslow for x265, 13 (fast) to 0 (small) for svt-av1."""
    bits: int = 10
    """Depth of a sample: 8, 10 or, for x265, 12. More costs no bytes, as crf sets the quality."""
    per: Literal["tensor", "channel"] = "channel"
    """Whose range the sample values span: each channel's, or the tensor's, with the same error in all channels; of an
    atlas all its tensors', with the same error in all of them."""
    amplitude: float | None = None
    """Sample values span -amplitude to amplitude instead, for a crf of fixed scale; what lies outside is clipped."""
    layout: Literal["tiled", "yuv444", "atlas"] = "tiled"
    """Channels as tiles of a grey picture, or three channels as the planes of one (x265 only; others are tiled), or the
    channels of all tensors as tiles of few pictures."""
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
        if self.layout == "yuv444" and limits is _SVT_AV1:
            raise ConfigError(f"video: {self.codec} has no yuv444 layout; use tiled, or codec x265")
        if self.amplitude is not None and not 1e-30 < self.amplitude < 1e30:
            raise ConfigError(f"video: amplitude is {self.amplitude}; expected a positive number, or none")

    def coarser(self, halvings: float) -> "Video":
        limits = _LIMITS[self.codec]
        crf = self.crf + limits.crf_per_halving * halvings
        parts = self.parts.coarser(round(16 * halvings) / 16)  # what takes few characters in a file
        return replace(self, crf=min(max(round(crf * 4) / 4, limits.crf[0]), limits.crf[1]), parts=parts or self.parts)

    def quicker(self) -> list[tuple[float, "Video"]]:
        limits = _LIMITS[self.codec]
        times = dict(zip(limits.presets, limits.times, strict=True))
        own = least = times[self.preset]
        found: list[tuple[float, Video]] = []
        for name, time in times.items():
            if time < least:  # than all with more effort
                least = time
                found.append((time / own, replace(self, preset=name)))
        return found

    def alternatives(self) -> list["Video"]:
        return [replace(self, codec="svt-av1-screen")] if self.codec == "svt-av1" else []

    def at_quality(self, quality: float) -> "Video":
        least, greatest = _LIMITS[self.codec].crf
        turned = self.coarser((quality - MAX_QUALITY / 2) / 6)  # whose parts have no scale of a codec
        return replace(turned, crf=round(4 * (least + (greatest - least) * quality / MAX_QUALITY)) / 4)

    def special_guide(self, guidance: "Guidance", tensors: "Sequence[Tensor]") -> "Guide":
        from fieldpress.compressors.video_guide import VideoGuide

        groups = self._groups([tuple(tensor.shape) for tensor in tensors])
        pictures = [group.tensors for group in groups if group.layout is not None]
        return VideoGuide(self, guidance, tensors, pictures)

    def encode(self, array: Array) -> bytes:
        return self.encode_all([array])

    def decode(self, data: bytes, shape: Shape) -> Array:
        return self.decode_all(data, [shape])[0]

    def encode_all(self, arrays: Sequence[Array]) -> bytes:
        groups = self._groups([array.shape for array in arrays])
        return joined([self._encode([arrays[number] for number in group.tensors], group.layout) for group in groups])

    def decode_all(self, data: bytes, shapes: Sequence[Shape]) -> list[Array]:
        groups = self._groups(shapes)
        reader = PartReader(data, "a chunk of several tensors")
        parts = [*(reader.string() for _ in groups[:-1]), reader.rest()]
        found: dict[int, Array] = {}
        for group, part in zip(groups, parts, strict=True):
            arrays = self._decode(part, [shapes[number] for number in group.tensors], group.layout)
            found.update(zip(group.tensors, arrays, strict=True))
        return [found[number] for number in range(len(shapes))]

    def can_cut(self, shapes: Sequence[Shape]) -> bool:
        """If the codec is AV1 and all tensors share its pictures: the stream may then end after any of them."""
        return self._av1_film(shapes) is not None

    def cuts(self, data: bytes, shapes: Sequence[Shape]) -> tuple[Cut, ...]:
        layout = self._av1_film(shapes)
        if layout is None:
            return ()
        reader = PartReader(data, "a video payload")
        if self.amplitude is None and MeasuredScale(reader.string(), self._rows(layout)).constant:
            return ()
        begin = len(data) - reader.remaining
        ends = picture_ends(reader.rest(), self._stream(layout))
        return tuple(Cut(begin + end, number) for number, end in enumerate(ends, 1))

    def _av1_film(self, shapes: Sequence[Shape]) -> Pictures | None:
        """The pictures of the AV1 stream that all tensors share; None if there is no such stream, or one picture."""
        groups = self._groups(shapes)
        layout = groups[0].layout if _LIMITS[self.codec] is _SVT_AV1 and len(groups) == 1 else None
        return layout if layout is not None and layout.time > 1 else None

    def _groups(self, shapes: Sequence[Shape]) -> list[_Group]:
        """Which tensors make pictures together, and how."""
        whole = film(shapes)
        if whole is not None:
            return [_Group((0, 1), whole)]
        if self.layout != "atlas":
            return [_Group((number,), tiles(shape, self.layout == "yuv444")) for number, shape in enumerate(shapes)]
        found = pieces(shapes)
        return [_Group(piece.tensors, piece.atlas or tiles(shapes[piece.tensors[0]], False)) for piece in found]

    def _encode(self, arrays: Sequence[Array], layout: Pictures | None) -> bytes:
        """Numbers, in rows with a range each, as samples; these as planes; and the planes as a stream."""
        if layout is None:
            return self.parts.encode(arrays[0])
        for array in arrays:
            require_finite(array)
        writer = PartWriter()
        if self.amplitude is not None:
            samples = fixed_samples(arrays, self.bits, self.amplitude)
        else:
            values = np.concatenate([array.ravel() for array in arrays])
            scale, samples = measured_samples(values, self._rows(layout), self.bits)
            writer.string(scale)
        if samples is not None:
            stream = self._stream(layout)
            planes = map(padded, layout.to_planes(samples), stream.shapes)
            writer.rest(encode_pictures(list(planes), stream, self.crf, self.preset))
        return writer.finish()

    def _decode(self, data: bytes, shapes: Sequence[Shape], layout: Pictures | None) -> list[Array]:
        """What :meth:`_encode` wrote."""
        if layout is None:
            return [self.parts.decode(data, shapes[0])]
        sizes = [math.prod(shape) for shape in shapes]
        reader = PartReader(data, "a video payload")
        if self.amplitude is not None:
            values = self._pictures(reader, layout, fixed_values(self.bits, self.amplitude))
        else:
            scale = MeasuredScale(reader.string(), self._rows(layout))
            samples = np.zeros(sum(sizes), np.uint16) if scale.constant else self._pictures(reader, layout)
            reader.end()
            values = scale.values(samples)
        arrays = np.split(values, np.cumsum(sizes)[:-1])
        return [array.reshape(shape) for array, shape in zip(arrays, shapes, strict=True)]

    def _pictures(self, reader: PartReader, layout: Pictures, values: Numbers | None = None) -> NDArray[Any]:
        """Samples, or what they stand for, in the order of the tensors."""
        ends = np.cumsum([math.prod(shape) for shape in layout.shapes])
        flat = np.empty(ends[-1], np.uint16 if values is None else values.dtype)
        planes = [part.reshape(shape) for part, shape in zip(np.split(flat, ends[:-1]), layout.shapes, strict=True)]
        decode_pictures(reader.rest(), self._stream(layout), planes, values)
        return layout.from_planes(flat)

    def _stream(self, layout: Pictures) -> StreamFormat:
        rows, columns = map(aligned, layout.sides)
        return StreamFormat(self.codec, self.bits, layout.time, layout.chroma, rows, columns)

    def _rows(self, layout: Pictures) -> list[int]:
        """Sizes of the rows of numbers that have a range each; a film's channels are made to share theirs."""
        each = self.per == "channel" and not isinstance(layout, Film)
        return layout.sizes if each else [sum(layout.sizes)]
