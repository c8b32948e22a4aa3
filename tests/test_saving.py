"""A file is there whole or not at all."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fieldpress.errors import SourceError
from fieldpress.saving import save

posix = pytest.mark.skipif(os.name != "posix", reason="limits and devices of POSIX")


def names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def test_the_bytes_arrive_and_nothing_else_is_left(tmp_path: Path) -> None:
    save(tmp_path / "a.fpr", b"bytes")
    assert (tmp_path / "a.fpr").read_bytes() == b"bytes"
    assert names(tmp_path) == {"a.fpr"}


def test_an_old_file_is_replaced_in_one_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "a.fpr"
    target.write_bytes(b"old")
    seen: list[tuple[bytes, bytes]] = []
    replace = Path.replace

    def spy(source: Path, name: Path) -> Path:
        seen.append((source.read_bytes(), target.read_bytes()))
        return replace(source, name)

    monkeypatch.setattr(Path, "replace", spy)
    save(target, b"new")
    assert seen == [(b"new", b"old")]
    assert target.read_bytes() == b"new"


@posix
def test_a_full_disk_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    (tmp_path / "a.fpr").write_bytes(b"old")
    program = (
        "import resource, sys\n"
        "from fieldpress.errors import SourceError\n"
        "from fieldpress.saving import save\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try:\n"
        "    save(sys.argv[1], bytes(5000))\n"
        "except SourceError as error:\n"
        "    print(error)\n"
    )
    command = [sys.executable, "-B", "-c", program, str(tmp_path / "a.fpr")]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert output == f"cannot write {tmp_path / 'a.fpr'}: File too large; nothing was changed\n"
    assert (tmp_path / "a.fpr").read_bytes() == b"old"
    assert names(tmp_path) == {"a.fpr"}


def test_an_interrupt_leaves_the_old_file_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.fpr").write_bytes(b"old")

    def interrupted(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save(tmp_path / "a.fpr", b"new")
    assert (tmp_path / "a.fpr").read_bytes() == b"old"
    assert names(tmp_path) == {"a.fpr"}


@pytest.mark.parametrize("name", ["missing/a.fpr", "file/a.fpr", "directory", "x" * 300, "zero\0byte"])
def test_a_name_that_cannot_be_written_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "directory").mkdir()
    with pytest.raises(SourceError, match="cannot write"):
        save(tmp_path / name, b"bytes")
    assert names(tmp_path) == {"file", "directory"}


@posix
def test_a_device_stays_a_device() -> None:
    with pytest.raises(SourceError, match="cannot write /dev/null: it is not a regular file"):
        save("/dev/null", b"bytes")
    assert not Path("/dev/null").is_file()


@posix
def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "a.fpr")
    save(tmp_path / "link", b"bytes")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "a.fpr").read_bytes() == b"bytes"


@posix
def test_the_file_gets_the_rights_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    save(tmp_path / "a.fpr", b"bytes")
    assert (tmp_path / "a.fpr").stat().st_mode == (tmp_path / "plain").stat().st_mode
