"""Real codecs on a clip: bytes and quality of x264, x265 and SVT-AV1 at several qualities each.

    python benchmarks/anchors.py build/bunny.mkv --output benchmarks/results/anchors_bunny

writes OUTPUT.json and OUTPUT.md. Bytes are the elementary stream alone, without a container: 1-3 kB less, which
is in the codecs' favour. Quality is that of the decoded pictures against the clip, in RGB and in luma. Halved
chroma (4:2:0) caps RGB PSNR whatever the bits, so an x265 4:4:4 anchor stands beside the usual ones: compare an
RGB method with that one, or in luma.
"""

import argparse
import json
import os
import time
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
from av.video.codeccontext import VideoCodecContext

from clips import Picture, convert, picture_of, quality, read_clip
from fieldpress.bench.machine import machine

MATRIX = "bt601"  # of the codecs; with BT.709 they lose 0.1 dB in RGB
RANGE = "tv"
FRAME_RATE = Fraction(25)
"""What the encoders are told, for every clip: their rate control listens to it, so it must not change unsaid."""

os.environ.setdefault("SVT_LOG", "1")  # SVT-AV1 talks on stderr; 1 leaves its errors


@dataclass(frozen=True)
class Anchor:
    """One codec setting, and the constant rate factors it is measured at."""

    name: str
    encoder: str
    decoder: str
    pixel_format: str
    options: dict[str, str]
    crfs: tuple[int, ...]


X26X_CRFS = (19, 23, 27, 31, 35)
ANCHORS = (
    Anchor("x264 medium", "libx264", "h264", "yuv420p", {"preset": "medium"}, X26X_CRFS),
    Anchor("x265 medium", "libx265", "hevc", "yuv420p", {"preset": "medium"}, X26X_CRFS),
    Anchor("x265 veryslow psnr", "libx265", "hevc", "yuv420p", {"preset": "veryslow", "tune": "psnr"}, X26X_CRFS),
    Anchor("x265 veryslow psnr 4:4:4", "libx265", "hevc", "yuv444p", {"preset": "veryslow", "tune": "psnr"}, X26X_CRFS),
    Anchor("SVT-AV1 preset 4", "libsvtav1", "libdav1d", "yuv420p", {"preset": "4"}, (25, 33, 41, 49, 57)),
)


@dataclass(frozen=True)
class Point:
    """One stream, measured."""

    anchor: str
    crf: int
    bytes: int
    bpp: float
    psnr_rgb: float
    psnr_y: float
    ssim: float
    encode_seconds: float
    decode_seconds: float


def encode(anchor: Anchor, crf: int, frames: list[av.VideoFrame]) -> bytes:
    """The elementary stream of the frames, which are in the anchor's pixel format."""
    context = cast(VideoCodecContext, av.CodecContext.create(anchor.encoder, "w"))
    context.width, context.height = frames[0].width, frames[0].height
    context.pix_fmt = anchor.pixel_format
    context.framerate, context.time_base = FRAME_RATE, 1 / FRAME_RATE
    context.thread_count = 1  # PyAV's default makes x264 cut pictures into slices, one a thread: 3–6 % more bytes
    options = {"crf": str(crf), **anchor.options}
    if anchor.encoder == "libx265":
        options["x265-params"] = "log-level=error:info=0:pools=none:frame-threads=1"
    context.options = options
    packets: list[bytes] = []
    for index, frame in enumerate(frames):
        frame.pts, frame.time_base = index, 1 / FRAME_RATE
        packets += [bytes(packet) for packet in context.encode(frame)]
    packets += [bytes(packet) for packet in context.encode()]
    return b"".join(packets)


def decode(anchor: Anchor, stream: bytes) -> list[av.VideoFrame]:
    """The pictures of an elementary stream in display order; damage is an error, not a picture."""
    context = cast(VideoCodecContext, av.CodecContext.create(anchor.decoder, "r"))
    context.options = {"err_detect": "crccheck+explode"}
    packets = [*context.parse(stream), *context.parse()]
    frames = [frame for packet in packets for frame in context.decode(packet)]
    return [*frames, *context.decode()]


def measure(anchor: Anchor, crf: int, pictures: list[Picture]) -> Point:
    """Encode, decode and compare with the pictures."""
    sources = (av.VideoFrame.from_ndarray(picture, format="rgb24") for picture in pictures)
    frames = list(convert(sources, anchor.pixel_format, f"out_color_matrix={MATRIX}:out_range={RANGE}"))

    began = time.perf_counter()
    stream = encode(anchor, crf, frames)
    encoded = time.perf_counter()
    decoded_frames = decode(anchor, stream)
    decoded = time.perf_counter()

    back = convert(decoded_frames, "rgb24", f"in_color_matrix={MATRIX}:in_range={RANGE}")
    measured = quality(pictures, (picture_of(frame) for frame in back))
    height, width, _ = pictures[0].shape
    return Point(
        anchor=anchor.name,
        crf=crf,
        bytes=len(stream),
        bpp=round(8 * len(stream) / (len(pictures) * height * width), 5),
        psnr_rgb=round(measured.psnr_rgb, 3),
        psnr_y=round(measured.psnr_y, 3),
        ssim=round(measured.ssim, 5),
        encode_seconds=round(encoded - began, 2),
        decode_seconds=round(decoded - encoded, 3),
    )


def markdown(clip: str, points: list[Point], hardware: dict[str, str | int], command: str) -> str:
    """The points as a table, with what they were measured on and how to measure them again."""
    rows = [
        f"| {p.anchor} | {p.crf} | {p.bytes:,} | {p.bpp:.4f} | {p.psnr_rgb:.2f} | {p.psnr_y:.2f} "
        f"| {p.ssim:.4f} "
        f"| {p.encode_seconds:.1f} | {p.decode_seconds:.2f} |"
        for p in points
    ]
    return "\n".join(
        [
            f"# Real codecs on {clip}",
            "",
            "Elementary stream bytes; quality of the decoded pictures against the clip, averaged over frames.",
            f"Measured on {hardware['cpu']}, {hardware['cores']} cores, PyAV {hardware['av']}, by",
            "",
            f"    {command}",
            "",
            "| codec | CRF | bytes | bpp | RGB dB | luma dB | SSIM | encode s | decode s |",
            "|---|--:|--:|--:|--:|--:|--:|--:|--:|",
            *rows,
            "",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", type=Path, help="the clip to code, best a lossless one")
    parser.add_argument("--output", type=Path, required=True, help="where the results go, without a suffix")
    arguments = parser.parse_args()

    pictures = read_clip(arguments.clip)
    points: list[Point] = []
    for anchor in ANCHORS:
        for crf in anchor.crfs:
            points.append(measure(anchor, crf, pictures))
            print(points[-1])

    clip = arguments.clip.name
    command = f"python benchmarks/anchors.py {clip} --output {arguments.output.as_posix()}"
    height, width, _ = pictures[0].shape
    result = {
        "clip": {"name": clip, "frames": len(pictures), "height": height, "width": width},
        "command": command,
        "machine": machine(),
        "conversion": {"matrix": MATRIX, "range": RANGE, "frame_rate": str(FRAME_RATE)},
        "anchors": [asdict(anchor) for anchor in ANCHORS],
        "points": [asdict(point) for point in points],
    }
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.with_suffix(".json").write_text(json.dumps(result, indent=2) + "\n")
    arguments.output.with_suffix(".md").write_text(markdown(clip, points, machine(), command))


if __name__ == "__main__":
    main()
