"""Two pictures under one another and a slider that uncovers one: any two curves of a clip at about equal bytes."""

import base64
from collections.abc import Sequence
from html import escape
from pathlib import Path

from fieldpress.bench.points.curves import BenchCurve
from fieldpress.bench.reports.benchfigures import at_equal_bytes
from fieldpress.bench.reports.markup import figure
from fieldpress.bench.reports.pictures import middle_part, read_png
from fieldpress.sinks.png import png


def slider(name: str, curves: Sequence[BenchCurve], folder: Path) -> str:
    """The middle picture of the clip, as the points nearest in size show it.

    Args:
        name: Unique on the page.
        curves: Of one clip.
        folder: Of the bench: pictures lie beside the records.
    """
    shown: list[tuple[str, str]] = []
    size = (0, 0)
    for curve, point in at_equal_bytes(curves):
        file = point.records[0].get("file")
        place = (folder / file).with_suffix(".png") if file else None
        if place is None or not place.exists():
            continue
        picture = middle_part(read_png(place))
        size = picture.shape[:2]
        label = f"{curve.name}, {point['bytes']:,.0f} bytes, {point['psnr_rgb']:.2f} dB"
        shown.append((label, f"data:image/png;base64,{base64.b64encode(png(picture)).decode()}"))
    if len(shown) < 2:
        return ""
    choices = [
        "".join(
            f'<option value="{i}"{" selected" if i == chosen else ""}>{escape(label)}</option>'
            for i, (label, _) in enumerate(shown)
        )
        for chosen in (0, 1)
    ]
    rows, columns = size
    stack = "".join(
        f'<img src="{address}" width="{columns}" height="{rows}" alt="{escape(label)}" data-at="{i}">'
        for i, (label, address) in enumerate(shown)
    )
    drawn = (
        f'<div class="slider" id="{name}-slider">'
        f'<p><label>left <select class="left">{choices[0]}</select></label> '
        f'<label>right <select class="right">{choices[1]}</select></label></p>'
        f'<div class="stack" style="aspect-ratio: {columns} / {rows}">{stack}<span class="edge"></span></div>'
        '<input type="range" min="0" max="100" value="50" step="0.5" aria-label="how much of the left one shows">'
        "</div>"
    )
    return figure(drawn, "The picture in the middle of the clip, of the points nearest in size: move the slider.")
