"""Pictures side by side: a part of the original and of what two files of about the same size show there."""

import base64
import math
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from numpy.typing import NDArray

from fieldpress.bench.runs.results import Row
from fieldpress.bench.runs.run import RUNS
from fieldpress.metrics import picture_psnr
from fieldpress.reading import open_file
from fieldpress.sinks.png import png
from fieldpress.subjects import load_subject

MAX_ROWS, MAX_COLUMNS = 216, 384
"""Of a picture on the page; of larger ones the middle is shown."""


class Shown(NamedTuple):
    """One picture on the page."""

    png: str
    """As the text of a data: address."""
    rows: int
    columns: int
    psnr: float | None
    """RGB PSNR of the whole picture in dB; ``None`` for the original."""


def closest(rows: Sequence[Row], others: Sequence[Row]) -> tuple[Row, Row] | None:
    """The two runs, of one seed, whose files are nearest in size; of several the pair in the middle of the sizes."""
    pairs = [(a, b) for a in rows for b in others if a.run.seed == b.run.seed == 0]
    if not pairs:
        return None
    sizes = sorted(math.log(row.report["bytes"]) for row in others)
    middle = sizes[len(sizes) // 2]

    def distance(pair: tuple[Row, Row]) -> float:
        a, b = (math.log(row.report["bytes"]) for row in pair)
        return abs(a - b) + 0.05 * abs(b - middle)

    return min(pairs, key=distance)


def side_by_side(folder: Path, rows: Sequence[Row]) -> tuple[int, list[Shown]]:
    """The number of a picture from the middle of the clip, the original, and what the files of the rows show.

    Raises:
        FieldpressError: The source or a file cannot be read any more.
    """
    clip = rows[0].run.clip
    references = load_subject(clip.path).references()
    index = clip.frames // 2
    original = next(islice(references, index, None)).rgb
    pictures = [open_file(folder / RUNS / f"{row.run.name}.fpr")[index] for row in rows]
    shown = [_shown(original, None)]
    return index, [*shown, *(_shown(picture, picture_psnr(original, picture)) for picture in pictures)]


def middle_part(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The whole of a picture that fits on the page, the middle of a larger one."""
    height, width, _ = picture.shape
    rows, columns = min(height, MAX_ROWS), min(width, MAX_COLUMNS)
    top, left = (height - rows) // 2, (width - columns) // 2
    return picture[top : top + rows, left : left + columns]


def read_png(path: Path) -> NDArray[np.uint8]:
    """A picture that a bench wrote: (rows, columns, 3)."""
    with av.open(str(path)) as container:
        return np.asarray(next(container.decode(video=0)).to_ndarray(format="rgb24"), np.uint8)


def _shown(picture: NDArray[np.uint8], psnr: float | None) -> Shown:
    part = middle_part(picture)
    text = base64.b64encode(png(part)).decode()
    rows, columns, _ = part.shape
    return Shown(f"data:image/png;base64,{text}", rows, columns, psnr)
