"""``table.md`` of a bench, and the same tables for its page."""

from collections.abc import Sequence

from fieldpress.bench.points.curves import QUALITIES, BenchCurve, CurvePoint
from fieldpress.bench.reports.summary import differences, means

POINT_COLUMNS = (
    "clip", "codec", "quality", "bytes", "bpp", "RGB dB", "luma dB", "SSIM", "MS-SSIM", "VMAF",
    "encode s", "CPU s", "decode fps", "peak MB",
)  # fmt: skip
"""Of the table of points; the first three are words."""
POINT_WORDS = 3
POINT_MEANINGS = {
    "bpp": "bits per pixel",
    "encode s": "seconds to encode, on the clock",
    "CPU s": "seconds of processor time to encode",
    "decode fps": "pictures decoded a second",
    "peak MB": "most memory while encoding",
}
"""What heads stand for, where they do not say it themselves."""
BD_COLUMNS = ("clip", "preset", "against", "RGB: bits", "dB", "overlap", "luma: bits", "dB", "overlap")
"""Of the table of differences; the first three are words."""
BD_WORDS = 3
BD_MEANINGS = {
    "RGB: bits": "difference in bits at equal RGB PSNR; less is better",
    "luma: bits": "difference in bits at equal luma PSNR; less is better",
    "dB": "difference in PSNR at equal bits",
    "overlap": "share of the preset's range of quality that both have",
}


def point_lines(curves: Sequence[BenchCurve]) -> list[list[str]]:
    """A line for each point."""
    return [[curve.clip, curve.name, point.quality, *_figures(point)] for curve in curves for point in curve.points]


def difference_lines(curves: Sequence[BenchCurve]) -> list[list[str]]:
    """A line for each preset of ours and each curve that it is compared with, and for means over several clips.

    Where a preset is not compared, the line says why.
    """
    lines: list[list[str]] = []
    for curve in (curve for curve in curves if curve.ours):
        for base in (base for base in curves if base.clip == curve.clip and base is not curve):
            line = [curve.clip, curve.preset, base.name]
            for quality in QUALITIES:
                found = curve.against(base, quality)
                rate = f"{found.rate:+.1f} %" if found.rate is not None else f"– ({found.reason or 'not a number'})"
                line += [rate, _text(found.psnr, "+.2f"), f"{found.overlap:.0%}"]
            lines.append(line)
    rates, gains = (differences(curves, field) for field in ("rate", "psnr"))
    if len(rates) > 1:
        for preset, bases in means(rates).items():
            for base, both in bases.items():
                mean_gains = means(gains)[preset][base]
                line = ["mean", preset, base]
                for quality in QUALITIES:
                    line += [_text(both[quality], "+.1f", " %"), _text(mean_gains[quality], "+.2f"), "–"]
                lines.append(line)
    return lines


def table_markdown(curves: Sequence[BenchCurve], command: str | None) -> str:
    """Both tables, and what made them."""
    parts = ["# Bench", ""]
    if command:
        parts += [f"    {command}", ""]
    differences = difference_lines(curves)
    if differences:
        parts += [
            "Bits at equal quality, dB at equal bits (Bjontegaard), and the share of the preset's range of quality "
            "that both have; less bits is better.",
            "",
            *_markdown(BD_COLUMNS, differences, BD_WORDS),
            "",
        ]
    return "\n".join([*parts, *_markdown(POINT_COLUMNS, point_lines(curves), POINT_WORDS), ""])


def _markdown(columns: Sequence[str], lines: Sequence[Sequence[str]], words: int) -> list[str]:
    rule = ["---"] * words + ["--:"] * (len(columns) - words)
    return [f"| {' | '.join(cell.replace('|', '¦') for cell in line)} |" for line in (columns, rule, *lines)]


def _text(value: float | None, form: str, unit: str = "") -> str:
    return "–" if value is None else format(value, form) + unit


def _figures(point: CurvePoint) -> list[str]:
    def text(name: str, form: str, unit: float = 1.0) -> str:
        value = point.figures[name]
        return _text(None if value is None else value / unit, form)

    return [
        text("bytes", ",.0f"),
        text("bpp", ".4f"),
        text("psnr_rgb", ".2f"),
        text("psnr_y", ".2f"),
        text("ssim", ".4f"),
        text("ms_ssim", ".4f"),
        text("vmaf", ".1f"),
        text("encode_seconds", ".1f"),
        text("cpu_seconds", ".1f"),
        text("decode_fps", ".0f"),
        text("peak_memory_bytes", ".0f", 1e6),
    ]
