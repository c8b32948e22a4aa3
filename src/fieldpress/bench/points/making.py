"""The file of a point, made and decoded again, with what that took."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from resource import RUSAGE_CHILDREN, getrusage
from typing import TYPE_CHECKING, Any

from fieldpress.bench.codecs import streams
from fieldpress.bench.codecs.footage import footage, tagged
from fieldpress.bench.points.measuring import Shown
from fieldpress.bench.points.peak import PeakMemory
from fieldpress.bench.points.point import CodecPoint, FieldPoint
from fieldpress.bench.runs.runjob import encoded
from fieldpress.jobs import Report
from fieldpress.reading import decode
from fieldpress.sources import Observations, load
from fieldpress.sources.colour import PictureReader

if TYPE_CHECKING:
    from fieldpress.training.loop import Progress


@dataclass(frozen=True)
class Costs:
    """What it took to make a file and to read it."""

    encode_seconds: float
    cpu_seconds: float
    decode_seconds: float
    decode_fps: float
    peak_memory_bytes: int | None
    """``None`` where it cannot be told."""


@dataclass(frozen=True)
class Made:
    """A finished file."""

    data: bytes
    """The file, or the elementary stream of a video codec."""
    seen: Observations
    """Of the source."""
    shown: Iterable[Shown]
    """Its pictures, decoded; they can be asked for once."""
    costs: Costs
    about: dict[str, Any]
    """What else the record says of it."""


def by_codec(point: CodecPoint, report: Report) -> Made:
    """Encodes and decodes with a codec.

    Raises:
        SourceError: The source cannot be read any more, or the codec fails.
    """
    anchor = point.anchor
    seen = load(point.clip.path)
    fed = footage(seen, point.clip.path)
    only, pixel_format = anchor.codec.colour, anchor.pixel_format
    frames = fed.frames(pixel_format, only)

    memory, spent, started = PeakMemory(), _cpu_seconds(), time.perf_counter()
    stream = streams.encode(anchor, point.quality, frames, lambda share: report(share / 2))
    encode_seconds, cpu_seconds = time.perf_counter() - started, _cpu_seconds() - spent
    peak = None if anchor.codec.program else memory.bytes()
    started = time.perf_counter()
    decoded = streams.decode(anchor, stream, len(frames))
    decode_seconds = time.perf_counter() - started

    reader = PictureReader()
    same = fed.coded_as(only) == fed.ycbcr and pixel_format != "rgb24"

    def shown() -> Iterator[Shown]:
        for index, frame in enumerate(decoded):
            report(0.5 + index / len(decoded) / 2)
            picture = reader(tagged(frame, fed.coded_as(only)) if pixel_format != "rgb24" else frame)
            yield Shown(picture.rgb, picture.luma if same else None)

    costs = Costs(encode_seconds, cpu_seconds, decode_seconds, len(frames) / decode_seconds, peak)
    return Made(stream, seen, shown(), costs, {"fed": fed.fed(pixel_format, only)})


def by_preset(point: FieldPoint, report: Report) -> Made:
    """Trains and writes a file of ours, and decodes it again.

    Raises:
        FieldpressError: The source cannot be read any more, or the request is impossible.
    """

    def watch(progress: "Progress") -> None:
        report(progress.share)

    clip, spent = point.clip.path, _cpu_seconds()
    figures, data = encoded(clip, point.setting.recipe, point.budget, point.seed, point.device, watch)
    costs = Costs(
        figures.encode_seconds or 0.0,
        _cpu_seconds() - spent,
        figures.decode_seconds,
        figures.decode_fps,
        figures.peak_memory_bytes,
    )
    shown = (Shown(picture, None) for picture in decode(data, point.device))
    return Made(data, load(clip), shown, costs, {"fed": "RGB", "steps": figures.steps, "device": figures.device})


def _cpu_seconds() -> float:
    """Of this process and of those that it waited for."""
    children = getrusage(RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime
