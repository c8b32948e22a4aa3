"""Points as jobs for worker processes: make the file, decode it again, measure, and leave file and record."""

import json
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from fieldpress.bench.points import POINTS, CodecPoint, FieldPoint, Point
from fieldpress.bench.worker import Report
from fieldpress.saving import save

if TYPE_CHECKING:
    from fieldpress.bench.measuring import Shown
    from fieldpress.sources import Observations
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
class CodecJob:
    """Makes a point of a codec."""

    point: CodecPoint
    folder: Path
    """Of the bench."""

    @property
    def name(self) -> str:
        """The point's."""
        return self.point.name

    @property
    def work(self) -> float:
        """All codecs count the same."""
        return 1.0

    def perform(self, report: Report) -> None:
        """Encodes, decodes and measures.

        Raises:
            FieldpressError: The source cannot be read any more, or the codec fails.
        """
        from fieldpress.bench import streams
        from fieldpress.bench.footage import footage, tagged
        from fieldpress.bench.measuring import Shown
        from fieldpress.bench.peak import PeakMemory
        from fieldpress.sources import load
        from fieldpress.sources.colour import PictureReader

        anchor = self.point.anchor
        seen = load(self.point.clip.path)
        fed = footage(seen, self.point.clip.path)
        only, pixel_format = anchor.codec.colour, anchor.pixel_format
        frames = fed.frames(pixel_format, only)

        memory, spent, started = PeakMemory(), _cpu_seconds(), time.perf_counter()
        stream = streams.encode(anchor, self.point.quality, frames, lambda share: report(share / 2))
        encoded, cpu = time.perf_counter(), _cpu_seconds() - spent
        peak = None if anchor.codec.program else memory.bytes()
        decoding = time.perf_counter()
        decoded = streams.decode(anchor, stream, len(frames))
        decode_seconds = time.perf_counter() - decoding

        reader = PictureReader()
        same = fed.coded_as(only) == fed.ycbcr and pixel_format != "rgb24"

        def shown() -> Iterable[Shown]:
            for index, frame in enumerate(decoded):
                report(0.5 + index / len(decoded) / 2)
                picture = reader(tagged(frame, fed.coded_as(only)) if pixel_format != "rgb24" else frame)
                yield Shown(picture.rgb, picture.luma if same else None)

        costs = Costs(encoded - started, cpu, decode_seconds, len(frames) / decode_seconds, peak)
        _leave(self.point, self.folder, stream, seen, shown(), costs, {"fed": fed.fed(pixel_format, only)})


@dataclass(frozen=True)
class FieldJob:
    """Makes a point of a preset."""

    point: FieldPoint
    folder: Path
    """Of the bench."""

    @property
    def name(self) -> str:
        """The point's."""
        return self.point.name

    @property
    def work(self) -> float:
        """Budgets are equal."""
        return 1.0

    def perform(self, report: Report) -> None:
        """Trains, writes, decodes again and measures.

        Raises:
            FieldpressError: The source cannot be read any more, or the request is impossible.
        """
        import fieldpress
        from fieldpress.bench.measuring import Shown
        from fieldpress.reading import decode
        from fieldpress.sources import load

        point = self.point

        def watch(progress: "Progress") -> None:
            report(progress.share)

        spent = _cpu_seconds()
        with TemporaryDirectory(prefix="fieldpress-") as folder:
            out = Path(folder) / "point.fpr"
            figures = fieldpress.encode(
                point.clip.path,
                out,
                point.setting.recipe,
                minutes=point.budget.minutes,
                steps=point.budget.steps,
                seed=point.seed,
                device=point.device,
                on_progress=watch,
            )
            data = out.read_bytes()
        costs = Costs(
            figures.encode_seconds or 0.0,
            _cpu_seconds() - spent,
            figures.decode_seconds,
            figures.decode_fps,
            figures.peak_memory_bytes,
        )
        shown = (Shown(picture, None) for picture in decode(data, point.device))
        about = {"fed": "RGB", "steps": figures.steps, "device": figures.device}
        _leave(point, self.folder, data, load(point.clip.path), shown, costs, about)


def _leave(
    point: Point,
    folder: Path,
    data: bytes,
    seen: "Observations",
    shown: "Iterable[Shown]",
    costs: Costs,
    about: dict[str, Any],
) -> None:
    """Measures, and writes everything; the record last, as it says that the point is done."""
    from fieldpress.bench.measuring import measure
    from fieldpress.bench.provenance import provenance
    from fieldpress.sinks.png import png

    middle = seen.signal.frames // 2
    kept: list[bytes] = []

    def kept_in_passing() -> Iterable["Shown"]:
        for index, picture in enumerate(shown):
            if index == middle:
                kept.append(png(picture.rgb))
            yield picture

    quality = asdict(measure(seen, kept_in_passing()))
    pictures = {name: quality.pop(f"pictures_{name}") for name in ("psnr_rgb", "psnr_y")}
    figures = {
        "bytes": len(data),
        "bpp": 8 * len(data) / seen.signal.pixels,
        **quality,
        **asdict(costs),
    }
    record = {
        **point.to_plain(),
        **about,
        "file": f"{POINTS}/{point.file}",
        **{name: float(f"{value:.7g}") if isinstance(value, float) else value for name, value in figures.items()},
        "pictures": pictures,
        **provenance(),
    }
    place = folder / POINTS
    save(place / point.file, data)
    save(place / f"{point.name}.png", kept[0])
    save(place / f"{point.name}.json", json.dumps(record).encode())


def _cpu_seconds() -> float:
    """Of this process and of those that it waited for."""
    children = getrusage(RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime
