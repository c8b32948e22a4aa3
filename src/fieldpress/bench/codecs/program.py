"""The ffmpeg program of the package imageio-ffmpeg: encoders that PyAV's libraries lack, and VMAF."""

import subprocess
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryFile

from fieldpress.errors import ConfigError, SourceError
from fieldpress.jobs import Report

_POLL_SECONDS = 0.25
NEEDS_BENCH = 'pip install "fieldpress[bench]"'


def program() -> str | None:
    """Its path; ``None`` where the extra ``bench`` is not installed, or has no program for this system."""
    try:
        import imageio_ffmpeg
    except ImportError:
        return None
    try:
        return imageio_ffmpeg.get_ffmpeg_exe()
    except RuntimeError:
        return None


def require_encoder(encoder: str, codec: str) -> None:
    """Lets an encoder pass that the program has.

    Raises:
        ConfigError: It is not installed; the message says how to get it.
    """
    path = program()
    if path is None:
        raise ConfigError(f"codec {codec} is not installed; {NEEDS_BENCH} brings it")
    if encoder not in _encoders(path):
        raise ConfigError(f"codec {codec}: the installed ffmpeg has no {encoder}; {NEEDS_BENCH} --upgrade brings it")


def version() -> str | None:
    """Of the program, in its own words."""
    path = program()
    if path is None:
        return None
    words = _text(path, "-version").split()
    return words[2] if len(words) > 2 else None


def run(
    arguments: Sequence[str],
    pictures: Iterable[bytes] = (),
    report: Report = lambda _: None,
    folder: Path | None = None,
) -> bytes:
    """What the program writes to its output.

    Args:
        arguments: Of the program.
        pictures: Its input.
        report: Called a few times a second, with 0; may raise to end the program.
        folder: Where it runs.

    Raises:
        ConfigError: It is not installed.
        SourceError: It complains; the message has its last line.
    """
    path = program()
    if path is None:
        raise ConfigError(f"ffmpeg is not installed; {NEEDS_BENCH} brings it")
    command = [path, "-v", "error", "-y", *arguments]
    with TemporaryFile() as fed:  # not a pipe, which Popen stops feeding once it was interrupted to report
        fed.writelines(pictures)
        fed.seek(0)
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdin=fed, stdout=pipe, stderr=pipe, cwd=folder) as running:
            try:
                out, complaints = _awaited(running, report)
            except BaseException:
                running.kill()
                raise
    if running.returncode:
        lines = complaints.decode(errors="replace").strip().splitlines() or [f"status {running.returncode}"]
        raise SourceError(f"ffmpeg failed: {lines[-1]}")
    return out


def _awaited(running: "subprocess.Popen[bytes]", report: Report) -> tuple[bytes, bytes]:
    while True:
        try:
            return running.communicate(timeout=_POLL_SECONDS)
        except subprocess.TimeoutExpired:
            report(0.0)


@cache
def _encoders(path: str) -> frozenset[str]:
    lines = _text(path, "-encoders").splitlines()
    return frozenset(line.split()[1] for line in lines if len(line.split()) > 1)


def _text(path: str, flag: str) -> str:
    ran = subprocess.run([path, "-hide_banner", flag], capture_output=True, stdin=subprocess.DEVNULL)
    return ran.stdout.decode(errors="replace")
