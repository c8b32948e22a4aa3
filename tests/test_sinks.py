import errno
import io
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from clips import moving_pictures, ycbcr
from fieldpress.errors import SourceError
from fieldpress.sinks import check_output, write_pictures
from fieldpress.sinks.png import png
from fieldpress.sources import load

FILES = ["a.mp4", "a.mkv", "a.y4m", "a.png"]


def few(out: str) -> np.ndarray:
    return moving_pictures(1 if out.endswith(".png") else 4)


def write(out: Path, pictures: np.ndarray, **how) -> Path:
    write_pictures(out, iter(pictures), count=len(pictures), **how)
    return out


def refused(out: str | Path, **how) -> str:
    with pytest.raises(SourceError) as caught:
        check_output(out, **how)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# What comes out


@pytest.mark.parametrize("out", ["a.mkv", "frames", "a.png"])
@pytest.mark.parametrize(("height", "width"), [(48, 64), (17, 33), (1, 1)])
def test_lossless_outputs_decode_to_exactly_the_pictures(tmp_path, out, height, width):
    pictures = moving_pictures(1 if out == "a.png" else 4, height, width)
    assert np.array_equal(load(write(tmp_path / out, pictures)).rgb, pictures)


@pytest.mark.parametrize(("height", "width", "pixel_format"), [(48, 64, "yuv420p"), (47, 63, "yuv444p")])
def test_mp4_plays_everywhere_and_says_its_colour(tmp_path, height, width, pixel_format):
    out = write(tmp_path / "a.mp4", moving_pictures(2, height, width))
    with av.open(str(out)) as container:
        frame = next(container.decode(video=0))
        assert container.streams.video[0].codec_context.name == "h264"
    assert frame.format.name == pixel_format
    assert (frame.colorspace, frame.color_range, frame.color_primaries, frame.color_trc) == (1, 1, 1, 1)


def test_mp4_stores_bt709_limited_codes(tmp_path):
    flat = np.empty((3, 32, 32, 3), np.uint8)
    flat[:] = [180, 90, 30]
    with av.open(str(write(tmp_path / "a.mp4", flat))) as container:
        planes = next(container.decode(video=0)).reformat(format="yuv444p").to_ndarray()
    expected = ycbcr(flat[0, 0, 0], "bt709", False)
    assert np.abs(planes[:, 16, 16].astype(int) - expected).max() <= 1  # coding at CRF 10


def test_mp4_is_nearly_lossless_where_chroma_is_smooth(tmp_path):
    ramp = np.linspace(20, 220, 64).astype(np.uint8)[None, None, :, None].repeat(3, 3).repeat(48, 1).repeat(3, 0)
    read = load(write(tmp_path / "a.mp4", ramp)).rgb
    assert np.abs(read.astype(int) - ramp).max() <= 4


@pytest.mark.parametrize(("height", "matrix"), [(48, "bt601"), (720, "bt709")])
def test_y4m_is_444_limited_in_the_matrix_that_readers_assume(tmp_path, height, matrix):
    pictures = moving_pictures(2, height, 64) if height < 720 else moving_pictures(1, 720, 720)
    out = write(tmp_path / "a.y4m", pictures, frame_rate=(30000, 1001))
    header, _, rest = out.read_bytes().partition(b"\n")
    width = pictures.shape[2]
    assert header == f"YUV4MPEG2 W{width} H{height} F30000:1001 Ip A1:1 C444 XCOLORRANGE=LIMITED".encode()
    assert rest.startswith(b"FRAME\n")
    planes = np.frombuffer(rest[6 : 6 + 3 * height * width], np.uint8).reshape(3, height, width)
    expected = np.moveaxis(ycbcr(pictures[0], matrix, False), -1, 0)
    assert np.abs(planes.astype(int) - expected).max() <= 1  # libswscale computes in 15 bits
    read = load(out)
    assert read.signal.frame_rate == (30000, 1001)
    assert np.abs(read.rgb.astype(int) - pictures).max() <= 3  # 8-bit chroma, times up to 2.02


@pytest.mark.parametrize("out", ["a.mp4", "a.mkv", "a.y4m"])
@pytest.mark.parametrize("rate", [(25, 1), (30000, 1001), (24000, 1001), (120, 1), (1, 2)])
def test_the_frame_rate_is_kept(tmp_path, out, rate):
    signal = load(write(tmp_path / out, moving_pictures(8, 16, 16), frame_rate=rate)).signal
    assert (signal.frame_rate, signal.timestamps) == (rate, None)


@pytest.mark.parametrize("out", ["a.mp4", "a.mkv"])
def test_a_variable_rate_is_kept(tmp_path, out):
    times = {"time_base": (1, 50), "timestamps": (0, 1, 4, 5, 25), "frame_rate": (8, 1)}
    signal = load(write(tmp_path / out, moving_pictures(5), **times)).signal
    assert [signal.seconds(i) * 50 for i in range(5)] == [0, 1, 4, 5, 25]


@pytest.mark.parametrize("out", ["a.mp4", "a.mkv"])
@pytest.mark.parametrize(("timestamps", "end"), [((0, 1, 4, 5, 25), 45), ((0, 1, 21, 22, 23, 43, 44), 45), ((3, 5), 4)])
def test_uneven_times_end_as_long_after_the_last_picture_as_it_came_after_the_one_before(
    tmp_path, out, timestamps, end
):
    path = write(tmp_path / out, moving_pictures(len(timestamps)), time_base=(1, 50), timestamps=timestamps)
    with av.open(str(path)) as container:
        assert container.duration == end * av.time_base // 50


def test_a_part_of_a_clip_starts_at_zero(tmp_path):
    out = write(tmp_path / "a.mp4", moving_pictures(3), time_base=(1, 50), timestamps=(100, 101, 104))
    assert load(out).signal.timestamps == (0, 1, 4)


def test_mkv_says_when_it_cannot_keep_the_times(tmp_path):
    with pytest.raises(SourceError, match=r"cannot keep pictures closer than 1 ms apart: write \.mp4"):
        write(tmp_path / "a.mkv", moving_pictures(3), time_base=(1, 10_000), timestamps=(0, 1, 2))
    assert not list(tmp_path.iterdir())


def test_folder_names_sort_like_numbers(tmp_path):
    write(tmp_path / "a", moving_pictures(11, 4, 4))
    assert sorted(p.name for p in (tmp_path / "a").iterdir()) == [f"{i:04}.png" for i in range(11)]


def test_pictures_are_written_as_they_come(tmp_path):
    # Nothing is held: when picture 50 is asked for, most of those before it are in the file.
    sizes = []

    def pictures() -> Iterator[np.ndarray]:
        for i in range(60):
            if i == 50:
                sizes.extend(file.stat().st_size for file in tmp_path.iterdir())
            yield np.full((64, 64, 3), i, np.uint8)

    write_pictures(tmp_path / "a.y4m", pictures(), count=60)
    assert sizes[0] > 45 * 3 * 64 * 64


def test_a_view_with_odd_strides_is_written_right(tmp_path):
    pictures = moving_pictures(2)[:, ::-1, ::2]
    assert np.array_equal(load(write(tmp_path / "a.mkv", pictures)).rgb, pictures)


# Standard output


def run_to_stdout(count: int, reader: str) -> subprocess.CompletedProcess[bytes]:
    code = (
        "import numpy as np; from fieldpress.sinks import write_pictures; "
        f"write_pictures('-', (np.full((48, 64, 3), i, np.uint8) for i in range({count})), count={count})"
    )
    command = f'"{sys.executable}" -c "{code}" | {reader}'
    return subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True)


@pytest.mark.skipif(sys.platform == "win32", reason="needs a Unix shell")
def test_standard_output_is_y4m():
    done = run_to_stdout(5, "cat")
    assert (done.returncode, done.stderr) == (0, b"")
    with av.open(io.BytesIO(done.stdout)) as container:
        assert container.format.name == "yuv4mpegpipe"
        assert len(list(container.decode(video=0))) == 5


@pytest.mark.skipif(sys.platform == "win32", reason="needs a Unix shell")
def test_a_reader_that_stops_is_no_error():
    done = run_to_stdout(500, "head -c 1000 > /dev/null")
    assert (done.returncode, done.stderr) == (0, b"")


# What is refused, before anything is rendered


def test_an_unknown_suffix_lists_the_known_ones(tmp_path):
    assert refused(tmp_path / "a.avi") == (
        f"{tmp_path / 'a.avi'}: unknown output format '.avi'; known: .mp4, .mkv, .y4m, .png, "
        "a name without a suffix for a folder of .png, - for .y4m on standard output"
    )


def test_a_missing_folder_is_named(tmp_path):
    out = tmp_path / "no" / "a.mp4"
    assert refused(out) == f"{out}: the folder {tmp_path / 'no'} does not exist: create it first"


@pytest.mark.parametrize("out", FILES)
def test_an_existing_file_is_kept_unless_forced(tmp_path, out):
    (tmp_path / out).write_bytes(b"precious")
    assert refused(tmp_path / out) == f"{tmp_path / out}: exists already; replace it with --force"
    with pytest.raises(SourceError):
        write(tmp_path / out, few(out))
    assert (tmp_path / out).read_bytes() == b"precious"
    write(tmp_path / out, few(out), force=True)
    assert load(tmp_path / out).rgb.shape == few(out).shape


def test_many_pictures_do_not_go_into_one_png(tmp_path):
    out = tmp_path / "a.png"
    assert refused(out, count=3) == f"{out}: one .png holds one of the 3 pictures: use --frames N, or name a folder"


def test_a_full_folder_is_kept_unless_forced(tmp_path):
    out = write(tmp_path / "a", few("a"))
    assert refused(out) == f"{out}: the folder is not empty; replace its pictures with --force"


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize(
    ("names", "foreign"),
    [
        (["notes.txt"], "notes.txt"),
        ([f"{i}.png" for i in range(12)], "0.png"),  # somebody's source
        (["0001.png", "0002.png"], "0002.png"),  # so is what counts from 1
        (["0000.png", "0001.png", "0003.png"], "0003.png"),
        (["0000.png", "00001.png"], "00001.png"),
        (["0000.png", "0001.PNG"], "0001.PNG"),
        (["0000.png", ".hidden"], ".hidden"),
    ],
    ids=str,
)
def test_a_folder_that_holds_anything_but_an_earlier_output_is_never_touched(tmp_path, names, foreign, force):
    for name in names:
        (tmp_path / name).write_bytes(b"precious")
    assert refused(tmp_path, force=force) == (
        f"{tmp_path}: holds {foreign!r}, which is none of the pictures 0000.png, ... of an earlier output: "
        "move it away, or name another folder"
    )
    with pytest.raises(SourceError):
        write(tmp_path, few("a"), force=force)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == dict.fromkeys(names, b"precious")


@pytest.mark.parametrize("make", [Path.mkdir, lambda path: path.symlink_to("elsewhere.png")], ids=["folder", "link"])
def test_what_only_has_the_name_of_an_earlier_picture_is_never_touched(tmp_path, make):
    make(tmp_path / "0000.png")
    assert "holds '0000.png', which is none of" in refused(tmp_path, force=True)


def test_what_comes_into_a_folder_while_pictures_are_rendered_stays(tmp_path):
    out = write(tmp_path / "a", moving_pictures(3))
    before = {file.name: file.read_bytes() for file in out.iterdir()}

    def pictures() -> Iterator[np.ndarray]:
        (out / "7.png").write_bytes(b"precious")
        yield from 255 - moving_pictures(1)

    with pytest.raises(SourceError, match=r"holds '7\.png'"):
        write_pictures(out, pictures(), count=1, force=True)
    assert {file.name: file.read_bytes() for file in out.iterdir()} == before | {"7.png": b"precious"}


def test_an_empty_name_is_not_this_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert refused("", force=True) == "OUT is an empty name; name a file or a folder, or . for this folder"


def test_an_empty_folder_may_be_filled(tmp_path):
    (tmp_path / "a").mkdir()
    assert np.array_equal(load(write(tmp_path / "a", few("a"))).rgb, few("a"))


def test_a_file_in_place_of_a_folder_is_named(tmp_path):
    (tmp_path / "a").touch()
    assert "is a file, but a folder is to be written" in refused(tmp_path / "a", force=True)


@pytest.mark.skipif(sys.platform == "win32", reason="devices have no path there")
def test_a_device_is_never_replaced():
    assert refused("/dev/null", force=True) == "/dev/null: is not a regular file; use - for standard output"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="an administrator may write anywhere")
def test_a_folder_without_write_access_is_named(tmp_path):
    tmp_path.chmod(0o500)
    assert refused(tmp_path / "a.mp4") == f"{tmp_path / 'a.mp4'}: the folder {tmp_path} is not writable"


def test_a_zero_byte_in_the_name_is_no_traceback():
    assert "cannot be written" in refused("a\0.mp4")


# Whole or not at all


def failing(error: BaseException) -> Iterator[np.ndarray]:
    yield from moving_pictures(1)
    raise error


@pytest.mark.parametrize("out", [*FILES, "frames"])
@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("decoding")], ids=["interrupt", "error"])
def test_nothing_is_left_of_an_output_that_failed(tmp_path, out, error):
    with pytest.raises(type(error)):
        write_pictures(tmp_path / out, failing(error), count=1)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("out", FILES)
def test_the_old_file_stays_when_the_new_one_fails(tmp_path, out):
    (tmp_path / out).write_bytes(b"precious")
    with pytest.raises(RuntimeError):
        write_pictures(tmp_path / out, failing(RuntimeError("decoding")), count=1, force=True)
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [(out, b"precious")]


def test_the_old_pictures_stay_when_the_new_ones_fail(tmp_path):
    write(tmp_path / "a", few("a"))
    with pytest.raises(RuntimeError):
        write_pictures(tmp_path / "a", failing(RuntimeError("decoding")), count=1, force=True)
    assert np.array_equal(load(tmp_path / "a").rgb, few("a"))


def test_a_shorter_clip_leaves_no_pictures_of_a_longer_one(tmp_path):
    out = write(tmp_path / "a", moving_pictures(6))
    write(out, 255 - moving_pictures(2), force=True)
    assert sorted(file.name for file in out.iterdir()) == ["0000.png", "0001.png"]
    assert np.array_equal(load(out).rgb, 255 - moving_pictures(2))


def test_a_link_is_followed(tmp_path):
    (tmp_path / "real.png").write_bytes(b"old")
    (tmp_path / "a.png").symlink_to(tmp_path / "real.png")
    write(tmp_path / "a.png", few("a.png"), force=True)
    assert (tmp_path / "a.png").is_symlink()
    assert (tmp_path / "real.png").read_bytes() == png(few("a.png")[0])


@pytest.fixture
def full_disk() -> Iterator[None]:
    """No file may grow beyond 20,000 bytes."""
    resource = pytest.importorskip("resource", reason="only Unix limits the size of files")
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.usefixtures("full_disk")
@pytest.mark.parametrize("out", [*FILES, "frames"])
def test_a_full_disk_is_one_line_and_keeps_the_old_file(tmp_path, out):
    if out != "frames":
        (tmp_path / out).write_bytes(b"precious")
    noise = np.random.default_rng(0).integers(0, 256, (1 if out == "a.png" else 8, 96, 128, 3), dtype=np.uint8)
    with pytest.raises(SourceError) as caught:
        write(tmp_path / out, noise, force=True)
    reason = os.strerror(errno.EFBIG)
    assert str(caught.value) == f"{tmp_path / out}: cannot be written: {reason}; nothing was changed"
    assert [file.read_bytes() for file in tmp_path.iterdir()] == ([] if out == "frames" else [b"precious"])


def test_writing_needs_nothing_of_encoding():
    encoding = "fieldpress.sources", "fieldpress.training"
    code = f"import sys, fieldpress.sinks; print([m for m in sys.modules if m.startswith({encoding})])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", ["frames", "frames/"])
def test_a_name_without_a_suffix_is_a_folder(tmp_path, name):
    assert check_output(f"{tmp_path}/{name}") == "folder"
