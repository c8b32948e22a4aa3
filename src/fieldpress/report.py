"""What an encode or an evaluation found, measured on the bytes of the finished file."""

import json
import resource
import sys
import time
from dataclasses import asdict, dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from fieldpress import container

if TYPE_CHECKING:
    from fieldpress.subjects import Subject


@dataclass(frozen=True)
class ChunkSize:
    """One part of a file; all of them add up to its size."""

    name: str
    bytes: int
    compressor: str | None
    """Id of the compressor; None for the container's own parts."""


@dataclass(frozen=True)
class Report:
    """Figures of one file against one source. Quality is that of 8-bit pictures decoded from the file's bytes."""

    bytes: int
    bpp: float
    """8 x bytes / pixels of the source: frames x height x width of a clip, of all photographs of a scene."""
    psnr_rgb: float
    """dB against the reference RGB, per frame, averaged over frames."""
    psnr_y: float
    """dB against the source's own luma where it has one."""
    ssim: float
    """Over RGB."""
    frames: int
    height: int
    width: int
    encode_seconds: float | None
    """From the opened source to the written file; None in an evaluation."""
    decode_seconds: float
    """From the bytes to all pictures."""
    decode_fps: float
    steps: int
    preset: str
    seed: int
    device: str
    """Where the file was trained."""
    threads: int
    peak_memory_bytes: int
    """Largest resident size of this process so far."""
    source: str
    chunks: tuple[ChunkSize, ...]
    iou: float | None = None
    """Of a shape: what is inside both the mesh and the decoded shape, as a share of what is inside either."""
    chamfer: float | None = None
    """Of a shape: mean distance between both surfaces, as a share of the mesh's longest side."""

    def to_json(self) -> str:
        """The report as JSON text."""
        return json.dumps(asdict(self), indent=2)


def chunk_sizes(data: bytes, *, partial: bool = False) -> tuple[ChunkSize, ...]:
    """Bytes per part of a file, the container's own included.

    Args:
        data: The bytes of the file.
        partial: Accept a file that is cut short; the sizes are those of the whole one, and the compressors of parts
            that are not there are not told.

    Raises:
        FormatError: The bytes are not a whole file.
    """
    chunks = container.read(data, partial=partial).chunks  # in the order of the sizes, as far as they are there
    identifiers: list[Any] = [*[None] * container.OWN_PARTS, *(chunk.compressor["id"] for chunk in chunks)]
    sizes = container.sizes(data, partial=partial)
    return tuple(ChunkSize(size.part, size.bytes, own) for size, own in zip_longest(sizes, identifiers))


def measure(data: bytes, subject: "Subject", device: str, encode_seconds: float | None) -> Report:
    """Decodes the bytes in a clean field and compares every picture with the source.

    Raises:
        FormatError: The bytes do not decode.
    """
    import torch

    from fieldpress.metrics import Quality
    from fieldpress.reading import decode

    started = time.perf_counter()
    decoded = decode(data, device)
    signal = subject.signal
    quality = Quality(signal.matrix, signal.full_range)
    comparing = 0.0
    references = subject.references()
    for picture in decoded:
        paused = time.perf_counter()
        reference = next(references)
        quality.add(reference.rgb, picture, reference.luma)
        comparing += time.perf_counter() - paused
    seconds = time.perf_counter() - started - comparing
    figures = quality.report()
    about, likeness = decoded.about, subject.likeness(decoded)
    return Report(
        bytes=len(data),
        bpp=8 * len(data) / signal.pixels,
        psnr_rgb=figures.psnr_rgb,
        psnr_y=figures.psnr_y,
        ssim=figures.ssim,
        frames=signal.frames,
        height=signal.height,
        width=signal.width,
        encode_seconds=encode_seconds,
        decode_seconds=seconds,
        decode_fps=signal.frames / seconds,
        steps=about.steps,
        preset=about.preset,
        seed=about.seed,
        device=about.device,
        threads=torch.get_num_threads(),
        peak_memory_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        * (1 if sys.platform == "darwin" else 1024),
        source=subject.name,
        chunks=chunk_sizes(data, partial=True),
        iou=likeness.iou if likeness is not None else None,
        chamfer=likeness.chamfer if likeness is not None else None,
    )
