"""The codecs that a bench knows, by name."""

from fieldpress.bench.codecs.codec import Anchor, Codec, Scale
from fieldpress.config import unknown
from fieldpress.errors import ConfigError
from fieldpress.pixels import Ycbcr

_X26X = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow", "placebo")
_HALVED, _BOTH = {"420": "yuv420p"}, {"420": "yuv420p", "444": "yuv444p"}
_CRF = Scale("crf", 19, 37, 0, 51)
_BT601, _FULL_BT601 = Ycbcr("bt601", False), Ycbcr("bt601", True)


def _numbers(first: int, last: int) -> tuple[str, ...]:
    return tuple(map(str, range(first, last + 1)))


_CODECS = (
    Codec("x264", "libx264", "h264", ".h264", _CRF, _X26X, "medium", "preset", _BOTH, tunes={"tune": "psnr"}),
    Codec(
        "x265", "libx265", "hevc", ".hevc", _CRF, _X26X, "medium", "preset", _BOTH,
        tunes={"tune": "psnr"},
        fixed={"x265-params": "log-level=error:info=0:pools=none:frame-threads=1"},
    ),
    Codec(
        "svtav1", "libsvtav1", "libdav1d", ".obu", Scale("crf", 25, 61, 1, 63), _numbers(0, 13), "8", "preset", _HALVED,
        tunes={"svtav1-params": "tune=1"},
        fixed={"svtav1-params": "lp=1"},
    ),
    Codec(
        "aom", "libaom-av1", "libdav1d", ".obu", Scale("crf", 22, 61, 0, 63), _numbers(0, 8), "4", "cpu-used", _BOTH,
        program=True, tunes={"tune": "psnr"}, fixed={"b:v": "0"},
    ),
    Codec(
        "vvc", "libvvenc", "vvc", ".vvc", Scale("qp", 22, 40, 0, 63), ("faster", "fast", "medium", "slow", "slower"),
        "medium", "preset", {"420": "yuv420p10le"}, program=True, tunes={"qpa": "0"},
    ),
    Codec(
        "jpeg", "mjpeg", "mjpeg", ".jpg", Scale("qscale", 2, 20, 1, 31, geometric=True), ("optimal", "default"),
        "optimal", "huffman", {"420": "yuvj420p", "444": "yuvj444p"}, still=True, colour=_FULL_BT601,
        # Its quantiser comes from the rate control, which two equal bounds leave no choice.
        quality_options=("qmin", "qmax"),
    ),
    Codec(
        "webp", "libwebp", "webp", ".webp", Scale("quality", 90, 15, 100, 0), _numbers(0, 6), "6",
        "compression_level", _HALVED, still=True, colour=_BT601,
    ),
    Codec(
        "avif", "libsvtav1", "libdav1d", ".avif", Scale("crf", 20, 56, 1, 63), _numbers(0, 13), "4", "preset", _HALVED,
        still=True, fixed={"svtav1-params": "lp=1"},
    ),
    Codec(
        "jpegxl", "libjxl", "libjxl", ".jxl", Scale("distance", 1, 10, 0.1, 15, geometric=True, whole=False),
        _numbers(1, 9), "7", "effort", {"rgb": "rgb24"}, still=True, program=True,
    ),
)  # fmt: skip
CODECS = {codec.id: codec for codec in _CODECS}
"""Every codec by name."""

VIDEO_CODECS = ("x264:medium", "x265:medium", "x265:veryslow:psnr", "x265:veryslow:psnr:444", "svtav1:4")
STILL_CODECS = ("jpeg:optimal", "webp:6", "avif:4")
"""What is compared with where nothing is asked for."""


def anchor(text: str) -> Anchor:
    """A codec from its name, with a preset and variants after colons; the codec's own preset where there is none.

    Raises:
        ConfigError: A part is unknown, or the codec does not have it.

    Example:
        >>> anchor("x265:veryslow:psnr:444").pixel_format, anchor("x264").name
        ('yuv444p', 'x264:medium')
    """
    name, *rest = text.split(":")
    if name not in CODECS:
        raise ConfigError(unknown("codec", name, CODECS))
    codec = CODECS[name]
    preset, *variants = rest or [codec.default]
    if preset not in codec.presets:
        raise ConfigError(unknown(f"{name} preset", preset, codec.presets))
    for variant in variants:
        if variant == "444" and "444" not in codec.formats:
            raise ConfigError(f"{name} has no 4:4:4 here; use {name}:{preset} without :444")
        if variant not in codec.variants:
            raise ConfigError(unknown(f"{name} variant", variant, codec.variants))
    return Anchor(codec, preset, tuple(variant for variant in codec.variants if variant in variants))
