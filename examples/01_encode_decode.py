"""A clip to one small file, and the file back to a clip.

Run `make clip` once, then `python examples/01_encode_decode.py [MINUTES]`.
"""

import sys

import fieldpress
from fieldpress.signals import Video
from fieldpress.sinks import write_pictures

minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0  # or give `steps=1`: then every run writes the same file

report = fieldpress.encode("build/bunny.mkv", "build/example.fpr", minutes=minutes, force=True)
print(f"{report.bytes:,} bytes, {report.bpp:.4f} bits per pixel, {report.psnr_rgb:.2f} dB")
for chunk in report.chunks:
    print(f"  {chunk.bytes:9,} bytes of {chunk.name}")

clip = fieldpress.open("build/example.fpr")  # the file alone: no source, no training code
signal = clip.signal
assert isinstance(signal, Video)  # an image would have no frame rate
write_pictures("build/example.mp4", iter(clip), count=len(clip), frame_rate=signal.frame_rate, force=True)
print(f"build/example.mp4: {len(clip)} pictures of {signal.width}x{signal.height}")
