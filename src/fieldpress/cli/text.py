"""What the commands say: plain text in aligned columns on standard output, complaints on standard error."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from fieldpress.errors import SourceError
from fieldpress.streams import silence

if TYPE_CHECKING:
    from fieldpress.report import Report


def say(text: str) -> None:
    """A text and a line end on standard output, with escapes for what its encoding does not have.

    Nothing where standard output was closed from the start.

    Raises:
        BrokenPipeError: The reader has gone.
        SourceError: It cannot be written.
    """
    if sys.stdout is None:
        return
    encoding = sys.stdout.encoding or "utf-8"
    with _output():
        sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")


def flush() -> None:
    """Hands on what was said.

    Raises:
        BrokenPipeError: The reader has gone.
        SourceError: It cannot be written.
    """
    if sys.stdout is not None:
        with _output():
            sys.stdout.flush()


def drop_output() -> None:
    """Python flushes standard output once more when it exits, and would complain: let that go nowhere."""
    silence(sys.stdout.fileno())


def complain(text: str) -> None:
    """One line on standard error, whatever the text holds."""
    sys.stderr.write(f"fieldpress: {one_line(text)}\n")


def one_line(text: str) -> str:
    """The text with everything escaped that would not be seen as it is, such as a line end in a file's name."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


@contextmanager
def _output() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        drop_output()
        raise SourceError(f"standard output cannot be written: {error.strerror or error}") from None


def columns(rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> str:
    """Rows of a table; the columns numbered in ``right`` are set to the right.

    Example:
        >>> print(columns([["a", "9 bytes"], ["bc", "10 bytes"]], right=[1]))
          a    9 bytes
          bc  10 bytes
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )
    return "\n".join(f"  {line}".rstrip() for line in lines)


def duration(seconds: float) -> str:
    """Hours, minutes and seconds: ``1:02:05``, ``2:05``, or ``5.3 s`` below a minute."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    minutes = f"{whole // 60 % 60:02}:{whole % 60:02}"
    return f"{whole // 3600}:{minutes}" if whole >= 3600 else minutes.removeprefix("0")


def figures(report: "Report") -> str:
    """A report as a table."""
    pictures = f"{report.frames} of {report.width} x {report.height}"
    steps = [f"{report.steps:,} steps"] if report.steps else []  # a head that is found takes none
    rows = [
        ["decoding", f"{report.decode_fps:.1f} pictures/s, {report.decode_seconds:.2f} s for all"],
        ["size", f"{report.bytes:,} bytes"],
        ["bits per pixel", f"{report.bpp:.4f}"],
        ["PSNR, RGB", f"{report.psnr_rgb:.2f} dB"],
        ["PSNR, luma", f"{report.psnr_y:.2f} dB"],
        ["SSIM", f"{report.ssim:.4f}"],
        ["pictures", pictures],
        ["made by", ", ".join([report.preset, *steps, f"seed {report.seed}", report.device])],
    ]
    if report.iou is not None and report.chamfer is not None:
        rows.insert(3, ["IoU", f"{report.iou:.4f}"])
        rows.insert(4, ["chamfer distance", f"{report.chamfer:.6f} of the longest side"])
    if report.encode_seconds is not None:
        rows.append(["encoding", f"{report.encode_seconds:.1f} s"])
    return columns([[one_line(cell) for cell in row] for row in rows])
