"""The charts of a bench's page."""

import math
from collections.abc import Mapping, Sequence

from fieldpress.bench.points.curves import QUALITIES, BenchCurve, CurvePoint
from fieldpress.bench.reports.charts import Axis, Line, Point, chart
from fieldpress.bench.reports.markup import figure

_RATE = Axis("bits per pixel", True)
_NAMES = {"rgb": "RGB", "y": "luma"}


def rate_distortion(name: str, curves: Sequence[BenchCurve], colours: Mapping[str, int], quality: str) -> str:
    """Quality against size.

    Args:
        name: Unique on the page.
        curves: Of one clip.
        colours: Of curves, by name.
        quality: ``rgb`` or ``y``.
    """
    key, shown = QUALITIES[quality], f"{_NAMES[quality]} PSNR"

    def mark(curve: BenchCurve, point: CurvePoint) -> Point:
        values = [record[key] for record in point.records]
        note = f"{curve.name}, {point.quality}: {point[key]:.2f} dB at {point['bytes'] / 1000:,.1f} kB"
        return Point(point["bpp"], point[key], note, min(values), max(values))

    lines = [
        Line(curve.name, colours[curve.name], tuple(mark(curve, point) for point in curve.points)) for curve in curves
    ]
    drawn = chart(name, lines, _RATE, Axis(f"{shown}, dB"), f"{shown} against bits per pixel")
    seeds = max(len(point.records) for curve in curves for point in curve.points)
    spread = f" Presets are means of {seeds} seeds; upright strokes span them." if seeds > 1 else ""
    return figure(drawn, f"{shown} against size: up and to the left is better.{spread}")


def time_against_rate(name: str, curves: Sequence[BenchCurve], colours: Mapping[str, int]) -> str:
    """Seconds of encoding against size."""
    drawn = _cost(name, curves, colours, "encode_seconds", Axis("seconds to encode", True), "s")
    return drawn and figure(drawn, "What a file takes to encode, in seconds on one thread, against its size.")


def decoding(name: str, curves: Sequence[BenchCurve], colours: Mapping[str, int]) -> str:
    """Pictures decoded a second against size."""
    drawn = _cost(name, curves, colours, "decode_fps", Axis("pictures a second", True), "pictures a second")
    return drawn and figure(drawn, "How fast it decodes on one thread; codecs to their own planes, presets to RGB.")


def pictures_psnr(name: str, curves: Sequence[BenchCurve], colours: Mapping[str, int]) -> str:
    """RGB PSNR of each picture of a clip, at about equal bytes."""
    lines: list[Line] = []
    for curve, point in at_equal_bytes(curves):
        record = point.records[0]
        values = record.get("pictures", {}).get("psnr_rgb", [])
        if len(values) > 1:
            label = f"{curve.name}, {point['bytes'] / 1000:,.1f} kB"
            marks = tuple(Point(i, value) for i, value in enumerate(values))
            lines.append(Line(label, colours[curve.name], marks, marked=False))
    if not lines:
        return ""
    drawn = chart(name, lines, Axis("picture"), Axis("RGB PSNR, dB"), "PSNR picture by picture")
    return figure(drawn, "RGB PSNR picture by picture, of the points nearest in size.")


def at_equal_bytes(curves: Sequence[BenchCurve]) -> list[tuple[BenchCurve, CurvePoint]]:
    """A point of each curve, as near in size as their points allow: around that of the first curve which suits best."""

    def distance(point: CurvePoint, size: float) -> float:
        return abs(math.log(point["bytes"] / size))

    def nearest(curve: BenchCurve, size: float) -> CurvePoint:
        return min(curve.points, key=lambda point: distance(point, size))

    sizes = [point["bytes"] for point in curves[0].points]
    best = min(sizes, key=lambda size: sum(distance(nearest(curve, size), size) for curve in curves))
    return [(curve, nearest(curve, best)) for curve in curves]


def _cost(name: str, curves: Sequence[BenchCurve], colours: Mapping[str, int], key: str, axis: Axis, unit: str) -> str:
    lines: list[Line] = []
    for curve in curves:
        marks = [
            Point(point["bpp"], point[key], f"{curve.name}, {point.quality}: {point[key]:,.3g} {unit}")
            for point in curve.points
            if point.figures[key]
        ]
        if marks:
            lines.append(Line(curve.name, colours[curve.name], tuple(marks)))
    return chart(name, lines, _RATE, axis, f"{axis.label} against bits per pixel") if lines else ""
