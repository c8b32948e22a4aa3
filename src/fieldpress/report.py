"""What an encode or an evaluation found, measured on the bytes of the finished file."""

import json
import resource
import sys
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from fieldpress import container
from fieldpress.config import Plain

if TYPE_CHECKING:
    from fieldpress.sources import Observations


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
    """8 x bytes / (frames x height x width)."""
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

    def to_json(self) -> str:
        """The report as JSON text."""
        return json.dumps(asdict(self), indent=2)


def chunk_sizes(data: bytes) -> tuple[ChunkSize, ...]:
    """Bytes per part of a file, the container's own included.

    Raises:
        FormatError: The bytes are not a whole file.
    """
    compressors: dict[str, Plain] = {chunk.name: chunk.compressor["id"] for chunk in container.read(data).chunks}
    return tuple(ChunkSize(size.part, size.bytes, compressors.get(size.part)) for size in container.sizes(data))


def measure(data: bytes, observations: "Observations", device: str, encode_seconds: float | None) -> Report:
    """Decodes the bytes in a clean field and compares every picture with the source.

    Raises:
        FormatError: The bytes do not decode.
    """
    import torch

    from fieldpress.metrics import Quality, bits_per_pixel
    from fieldpress.reading import decode

    started = time.perf_counter()
    decoded = decode(data, device)
    signal = observations.signal
    quality = Quality(signal.matrix, signal.full_range)
    comparing = 0.0
    for i, picture in enumerate(decoded):
        paused = time.perf_counter()
        quality.add(observations.rgb[i], picture, None if observations.luma is None else observations.luma[i])
        comparing += time.perf_counter() - paused
    seconds = time.perf_counter() - started - comparing
    figures = quality.report()
    about = decoded.about
    return Report(
        bytes=len(data),
        bpp=bits_per_pixel(len(data), signal.frames, signal.height, signal.width),
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
        source=observations.name,
        chunks=chunk_sizes(data),
    )
