"""A compressor of your own, trained for like the built-in ones. docs/adding-a-part.md explains it.

Run `make clip` once, then `python examples/05_own_compressor.py [STEPS]`.
"""

import math
import sys
import zlib
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

import fieldpress
from fieldpress.compressors import COMPRESSORS, Array, Compressor, Shape
from fieldpress.compressors.arrays import require_finite
from fieldpress.config import Registry
from fieldpress.errors import ConfigError, FormatError
from fieldpress.presets import recipe


@dataclass(frozen=True)
class Truncated(Compressor):
    """float32 without the last bits of its mantissa, deflated; the relative error is below 2**-bits."""

    id: ClassVar[str] = "truncated"

    bits: int = 6
    """Bits of the mantissa that stay, 0 to 23."""

    def __post_init__(self) -> None:
        if not 0 <= self.bits <= 23:
            raise ConfigError(f"truncated: bits is {self.bits}; expected 0 to 23")

    def encode(self, array: Array) -> bytes:
        require_finite(array)
        dropped = 23 - self.bits
        words = (np.ascontiguousarray(array).view(np.uint32) >> dropped << dropped).astype(">u4").reshape(-1, 1)
        return zlib.compress(words.view(np.uint8).T.tobytes(), level=9)  # all first bytes, then all second ones, ...

    def decode(self, data: bytes, shape: Shape) -> Array:
        size, inflater = 4 * math.prod(shape), zlib.decompressobj()
        try:
            content = inflater.decompress(data, size + 1)  # never more, whatever the bytes say
        except zlib.error:
            raise FormatError("truncated numbers are damaged: they do not inflate") from None
        if len(content) != size or not inflater.eof or inflater.unused_data:
            raise FormatError(f"truncated numbers of shape {shape} take {size} bytes, not more and not less")
        words = np.ascontiguousarray(np.frombuffer(content, np.uint8).reshape(4, -1).T)
        array = words.view(">f4").reshape(shape).astype(np.float32)
        if not np.isfinite(array).all():
            raise FormatError("truncated numbers are damaged: some are not finite")
        return array


# In the package this is one line in compressors/__init__.py. Here it lets this process read files that hold the id.
Registry("compressor", Compressor, *(COMPRESSORS[known] for known in COMPRESSORS), Truncated)

steps = int(sys.argv[1]) if len(sys.argv) > 1 else 100
base = recipe("nvp-fit")
own = replace(base, name="own", plan={**base.plan, "decoder": Truncated(bits=7)})
report = fieldpress.encode("build/bunny.mkv", "build/own.fpr", own, steps=steps, force=True)
print(f"{report.psnr_rgb:.2f} dB; of {report.bytes:,} bytes the decoder takes {report.chunks[-1].bytes:,}")
