"""A codec that a bench compares with: its quality scale, and what its encoder is told."""

import math
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from fieldpress.errors import ConfigError
from fieldpress.pixels import Ycbcr

FRAME_RATE = 25
"""What encoders are told of every clip: their rate control listens to it, so it must not change unsaid."""
_X265_LEAST_HEIGHT, _X265_LEAST_WIDTH = 32, 64
"""Of pictures 48 wide it writes beyond its own memory."""
_CODING_TREE_UNITS = (64, 32, 16)
_VVC_GROUP = 32  # pictures: the period of key frames is a multiple of it


@dataclass(frozen=True)
class Scale:
    """A codec's quality scale, and the part of it that 28 to 38 dB of PSNR usually need.

    Example:
        >>> Scale("crf", 19, 37, 0, 51).spread(4)
        [19, 25, 31, 37]
    """

    name: str
    fine: float
    """Where the points of a curve begin: large files."""
    coarse: float
    """Where they end."""
    finest: float
    """The end of the scale itself."""
    coarsest: float
    geometric: bool = False
    """Whether a step multiplies."""
    whole: bool = True
    """Whether values are whole numbers."""

    def spread(self, points: int) -> list[float]:
        """Values from fine to coarse in equal steps; the middle for one point."""
        if points == 1:
            return [self._at(0.5)]
        return [self._at(i / (points - 1)) for i in range(points)]

    def beyond(self, values: list[float], *, finer: bool) -> float | None:
        """One step further than all the values; ``None`` at the end of the scale.

        Example:
            >>> Scale("crf", 19, 37, 0, 51).beyond([19, 25, 31, 37], finer=False)
            43
        """
        step = 1 / max(1, len(values) - 1)
        end = self.finest if finer else self.coarsest
        down = self.fine < self.coarse
        last = min(values) if finer == down else max(values)
        value = self._at(self._share(last) + (-step if finer else step))
        value = max(value, end) if finer == down else min(value, end)
        return None if value == last else value

    def _at(self, share: float) -> float:
        if self.geometric:
            value = self.fine * (self.coarse / self.fine) ** share
        else:
            value = self.fine + (self.coarse - self.fine) * share
        return round(value) if self.whole else float(f"{value:.3g}")

    def _share(self, value: float) -> float:
        if self.geometric:
            return math.log(value / self.fine) / math.log(self.coarse / self.fine)
        return (value - self.fine) / (self.coarse - self.fine)


@dataclass(frozen=True)
class Codec:
    """An encoder and its decoder, by FFmpeg's names."""

    id: str
    encoder: str
    decoder: str
    suffix: str
    """Of a file that holds its stream."""
    scale: Scale
    presets: tuple[str, ...]
    default: str
    preset_option: str
    formats: Mapping[str, str]
    """Pixel formats by variant of chroma: the key "420", and "444" where the codec has it; "rgb" for one without."""
    still: bool = False
    """Codes one picture only."""
    program: bool = False
    """Runs in the ffmpeg program of the extra ``bench``: PyAV's libraries do not have the encoder."""
    colour: Ycbcr | None = None
    """The only YCbCr that its format knows; ``None`` where any can be coded."""
    quality_options: tuple[str, ...] = ()
    """Take the quality, if they are called otherwise than the scale."""
    tunes: Mapping[str, str] | None = None
    """Options of the variant "psnr"; ``None`` if there is none."""
    fixed: Mapping[str, str] | None = None
    """Options that it always gets."""

    @property
    def variants(self) -> tuple[str, ...]:
        """What may follow the preset."""
        return (*(("psnr",) if self.tunes is not None else ()), *(("444",) if "444" in self.formats else ()))


@dataclass(frozen=True)
class Clipped:
    """What the options of an encoder depend on."""

    frames: int
    height: int
    width: int


@dataclass(frozen=True)
class Anchor:
    """A codec as it was asked for: ``x265:veryslow:psnr:444``."""

    codec: Codec
    preset: str
    variants: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """Preset and variants: what stands under ``preset`` in results."""
        return ":".join((self.preset, *self.variants))

    @property
    def name(self) -> str:
        """The whole of it."""
        return f"{self.codec.id}:{self.label}"

    @property
    def pixel_format(self) -> str:
        """What the encoder is fed."""
        if "rgb" in self.codec.formats:
            return self.codec.formats["rgb"]
        return self.codec.formats["444" if "444" in self.variants else "420"]

    def check(self, clip: Clipped, name: str) -> None:
        """Refuses a clip that the codec cannot code.

        Raises:
            ConfigError: The message names both.
        """
        if self.codec.still and clip.frames > 1:
            raise ConfigError(f"{self.codec.id} codes one picture; {name} has {clip.frames}: use a video codec")
        if self.codec.id == "x265" and (clip.height < _X265_LEAST_HEIGHT or clip.width < _X265_LEAST_WIDTH):
            needed, sides = f"{_X265_LEAST_WIDTH} x {_X265_LEAST_HEIGHT}", f"{clip.width} x {clip.height}"
            raise ConfigError(f"x265 needs pictures of {needed} or more; {name} is {sides}: leave it out with --codecs")
        halved = "420p" in self.pixel_format and self.codec.colour is None
        if halved and (clip.height % 2 or clip.width % 2):
            sides = f"{clip.width}x{clip.height}"
            raise ConfigError(f"{self.name} halves chroma and needs even sides; {name} is {sides}: cut it, or use :444")

    def options(self, quality: float, clip: Clipped) -> dict[str, str]:
        """What the encoder is told, by FFmpeg's names of options."""
        codec = self.codec
        told = {codec.preset_option: self.preset} if codec.preset_option else {}
        told |= dict.fromkeys(codec.quality_options or (codec.scale.name,), f"{quality:g}")
        if not codec.still:
            told["g"] = str(clip.frames if codec.id != "vvc" else -(-clip.frames // _VVC_GROUP) * _VVC_GROUP)
        told |= dict(codec.fixed or {})
        side = min(clip.height, clip.width)
        if codec.id == "x265" and side <= _CODING_TREE_UNITS[0]:
            # Of pictures as small as a coding tree unit, x265 writes streams that no decoder follows; and units have to
            # be larger than the smallest blocks, which some presets make as large.
            told["x265-params"] += f":ctu={next(unit for unit in _CODING_TREE_UNITS if unit < side)}:min-cu-size=8"
        if "psnr" in self.variants:
            for key, value in (codec.tunes or {}).items():
                told[key] = f"{told[key]}:{value}" if key.endswith("-params") and key in told else value
        return told | {"threads": "1"}

    def command(self, quality: float, clip: Clipped) -> str:
        """The same as a call of ffmpeg, for people who want to make the stream again."""
        options = [part for key, value in self.options(quality, clip).items() for part in (f"-{key}", value)]
        fed = ["-f", "rawvideo", "-pix_fmt", self.pixel_format, "-s", f"{clip.width}x{clip.height}"]
        out = f"out{self.codec.suffix}"
        return shlex.join(
            ["ffmpeg", *fed, "-r", str(FRAME_RATE), "-i", "clip.yuv", "-c:v", self.codec.encoder, *options, out]
        )
