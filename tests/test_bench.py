"""Benches: points of codecs and presets measured alike, what is compared and what is refused, and what stays done."""

import builtins
import json
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benched import SIZES, curve_of, record

from clips import moving_pictures, rgb_frame, write_clip, write_picture
from fieldpress import container
from fieldpress.bench import bench
from fieldpress.bench.clips import Clip
from fieldpress.bench.codecs import program
from fieldpress.bench.codecs.codec import Clipped, Scale
from fieldpress.bench.codecs.known import CODECS, STILL_CODECS, VIDEO_CODECS, anchor
from fieldpress.bench.folder import open_folder
from fieldpress.bench.kept import read_kept
from fieldpress.bench.points.axis import settings
from fieldpress.bench.points.curves import curves
from fieldpress.bench.points.plan import Curve, sensible, widened
from fieldpress.bench.points.point import CodecPoint, FieldPoint, _suits, read_point
from fieldpress.bench.points.pointjob import PointJob
from fieldpress.bench.points.thirdparty import third_party
from fieldpress.bench.reports.benchtable import difference_lines, table_markdown
from fieldpress.bench.reports.summary import codec_files, differences, means, summary_json
from fieldpress.cli import main
from fieldpress.errors import ConfigError, SourceError
from fieldpress.presets import recipe
from fieldpress.saving import TEMPORARY
from fieldpress.training.config import Budget

pytest.importorskip("bjontegaard", reason="the extra bench is not installed")

FRAMES, HEIGHT, WIDTH = 6, 48, 64
FLAGS = ["--codecs", "x264:veryfast", "--points", "2", "--steps", "2", "--device", "cpu"]
CLIP = Clip("clip.mkv", "clip.mkv", 5, 24, 32, "0" * 64)
POINT_KEYS = {"clip", "codec", "preset", "bytes", "bpp", "psnr_rgb", "psnr_y", "encode_seconds", "decode_fps"}


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short clip of lossless RGB."""
    pictures = [rgb_frame(picture) for picture in moving_pictures(FRAMES, HEIGHT, WIDTH)]
    return write_clip(tmp_path_factory.mktemp("clip") / "clip.mkv", pictures, "ffv1", "bgr0")


@pytest.fixture(scope="module")
def done(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a bench of it: two points of x264, two of the default preset."""
    out = tmp_path_factory.mktemp("bench") / "out"
    assert main(["bench", str(clip), "--out", str(out), *FLAGS]) == 0
    return out


@pytest.fixture
def refused(
    clip: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., str]:
    """Runs a command that has to be refused before any work, and gives its one line."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> str:
        before = {path for path in tmp_path.rglob("*") if path.is_file()}
        assert main(["bench", *map(str, arguments)]) == 2
        told = capsys.readouterr()
        assert (told.out, told.err.count("\n")) == ("", 1)
        assert {path for path in tmp_path.rglob("*") if path.is_file()} == before
        return told.err.removeprefix("fieldpress: error: ").rstrip("\n")

    return run


# A whole bench


def summary_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "summary.json").read_text())


def test_the_summary_has_a_point_for_each_quality(done: Path):
    points = summary_of(done)["points"]
    ours = [point for point in points if point["codec"] == "fieldpress"]
    theirs = [point for point in points if (point["codec"], point["preset"]) == ("x264", "veryfast")]
    assert [point["preset"] for point in ours] == ["rate", "rate"]
    assert len(theirs) >= 2
    for point in points:
        assert point.keys() >= POINT_KEYS
        assert point["bpp"] == pytest.approx(8 * point["bytes"] / (FRAMES * HEIGHT * WIDTH))
        assert all(point[name] > 0 for name in ("psnr_rgb", "psnr_y", "encode_seconds", "decode_fps"))


def test_two_points_are_no_rate_difference_and_the_summary_says_why(done: Path):
    summary = summary_of(done)
    assert summary["bd_rate"] == {"clip.mkv": {"rate": {"x264:veryfast": {"rgb": None, "y": None}}}}
    assert summary["refused"]["clip.mkv"]["rate"]["x264:veryfast"]["rgb"] == "2 points; 4 are needed"
    assert "2 points; 4 are needed" in (done / "table.md").read_text()


def test_every_point_has_its_bytes_and_says_how_to_make_them_again(done: Path):
    records = [json.loads(path.read_text()) for path in (done / "points").glob("*.json")]
    assert len(records) == len(summary_of(done)["points"])
    for one in records:
        assert (done / one["file"]).stat().st_size == one["bytes"]
        assert one["command"].startswith(("ffmpeg ", "OMP_NUM_THREADS=1 fieldpress encode "))
        assert len(one["pictures"]["psnr_rgb"]) == FRAMES
        assert {"machine", "versions", "commit", "date"} <= one.keys()


def test_the_command_of_a_point_makes_its_file_again(
    done: Path, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    records = [json.loads(path.read_text()) for path in (done / "points").glob("*.json")]
    ours = next(one for one in records if one["codec"] == "fieldpress")
    threads, program, *arguments = shlex.split(ours["command"])
    assert (threads, program) == ("OMP_NUM_THREADS=1", "fieldpress")
    shutil.copy(clip, tmp_path)
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 0
    again, before = (container.read(path.read_bytes()) for path in (Path("out.fpr"), done / ours["file"]))
    assert (again.header, again.chunks) == (before.header, before.chunks)


def test_a_curve_that_falls_short_gets_three_more_points_at_that_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    made: dict[str, dict[str, Any]] = {}

    def make(jobs: list[PointJob], *_: Any, **__: Any) -> dict[str, str]:
        for job in jobs:
            assert isinstance(job.point, CodecPoint)
            crf = job.point.quality
            made[job.point.name] = {"bytes": 10_000 - round(100 * crf), "psnr_rgb": 36 - crf / 50, "psnr_y": 36.0}
        return {}

    monkeypatch.setattr(bench, "run_jobs", make)
    monkeypatch.setattr(bench, "read_point", lambda _, point: made.get(point.name))
    asked = Curve(CLIP, anchor("x264:medium"), (25.0, 31.0, 37.0))
    [found], failures = bench._make_codecs(tmp_path, [asked], 0, 1, lambda _: None)
    assert not failures
    assert len([crf for crf in found.qualities if crf < 25]) == 3
    assert len([crf for crf in found.qualities if crf > 37]) == 3


def test_each_codec_has_a_file_with_its_points(done: Path):
    told = json.loads((done / "codecs/x264-veryfast.json").read_text())
    assert (told["schema"], told["version"], told["codec"]) == ("fieldpress-bench-codec", 1, "x264")
    assert {point["preset"] for point in told["points"]} == {"veryfast"}


def test_nothing_names_this_machine_or_its_folders(done: Path, clip: Path):
    for path in done.rglob("*"):
        if path.suffix in (".json", ".md") and path.is_file() and path.name != "table.md":
            assert str(clip.parent) not in path.read_text(), path.name


def test_only_what_is_missing_is_made_again_and_third_parties_join(
    done: Path, clip: Path, capsys: pytest.CaptureFixture[str]
):
    missing = next((done / "points").glob("*.h264"))
    data = missing.read_bytes()
    missing.unlink()
    times = {path: path.stat().st_mtime_ns for path in (done / "points").iterdir()}
    other = {"clip": "clip.mkv", "codec": "theirs", "preset": "fast", "bytes": 900, "psnr_rgb": 30.0, "psnr_y": 32.0}
    (done / "third-party/theirs.json").write_text(json.dumps(other))
    assert main(["bench", str(clip), "--out", str(done), *FLAGS]) == 0
    assert capsys.readouterr().out == f"{done / 'index.html'}\n"
    assert missing.read_bytes() == data
    assert {path.stem for path, time in times.items() if path.stat().st_mtime_ns != time} == {missing.stem}
    summary = summary_of(done)
    assert "theirs:fast" in summary["bd_rate"]["clip.mkv"]["rate"]
    assert [point["bytes"] for point in summary["points"] if point["codec"] == "theirs"] == [900]
    assert "theirs:fast" in (done / "index.html").read_text()


# What is refused before any work


def test_an_unknown_codec(refused: Callable[..., str], clip: Path):
    text = refused(clip, "--out", "x", "--codecs", "svtav:8")
    assert text.startswith("unknown codec 'svtav'; did you mean 'svtav1'?")


def test_an_unknown_preset_of_a_codec(refused: Callable[..., str], clip: Path):
    text = refused(clip, "--out", "x", "--codecs", "x265:verislow")
    assert text.startswith("unknown x265 preset 'verislow'; did you mean 'veryslow'?")


def test_an_unknown_preset_of_ours(refused: Callable[..., str], clip: Path):
    text = refused(clip, "--out", "x", "--presets", "nvp-fitt", *FLAGS)
    assert text.startswith("unknown preset 'nvp-fitt'; did you mean 'nvp-fit'?")


def test_full_chroma_of_a_codec_that_has_none(refused: Callable[..., str], clip: Path):
    text = refused(clip, "--out", "x", "--codecs", "svtav1:8:444")
    assert text == "svtav1 has no 4:4:4 here; use svtav1:8 without :444"


def test_a_picture_codec_for_a_clip(refused: Callable[..., str], clip: Path):
    text = refused(clip, "--out", "x", "--codecs", "jpeg")
    assert text == "jpeg codes one picture; clip.mkv has 6: use a video codec"


@pytest.mark.parametrize(("flag", "count"), [("--points", "0"), ("--seeds", "-1"), ("--jobs", "0")])
def test_a_count_out_of_range(refused: Callable[..., str], clip: Path, flag: str, count: str):
    assert refused(clip, "--out", "x", flag, count).startswith(f"{flag} is {count}; expected 1 to")


def test_both_budgets(refused: Callable[..., str], clip: Path):
    text = refused(clip, "--out", "x", "--steps", "2", "--minutes-per-point", "1")
    assert text == "give --minutes-per-point or --steps, not both"


def test_no_folder_and_no_source(refused: Callable[..., str], clip: Path):
    assert refused(clip).startswith("--out is missing")
    assert refused("--out", "x").startswith("SOURCE... is missing")


def test_qualities_that_are_no_numbers(refused: Callable[..., str], clip: Path):
    assert refused(clip, "--out", "x", "--qualities", "24,high").startswith("--qualities '24,high': expected numbers")


def test_a_quality_that_a_preset_does_not_take(refused: Callable[..., str], clip: Path):
    text = refused(clip, "--out", "x", *FLAGS, "--qualities", "24,99")
    assert text == "preset rate: video: crf is 99; svt-av1 takes 1 to 63"


def test_a_folder_of_other_clips(refused: Callable[..., str], done: Path, tmp_path_factory: pytest.TempPathFactory):
    pictures = [rgb_frame(255 - picture) for picture in moving_pictures(FRAMES, HEIGHT, WIDTH)]
    other = write_clip(tmp_path_factory.mktemp("other") / "clip.mkv", pictures, "ffv1", "bgr0")
    text = refused(other, "--out", done, *FLAGS)
    assert text.startswith(f"--out {done}: holds a bench with clips clip.mkv (6 pictures) with other pictures")


@pytest.mark.parametrize(("package", "codec"), [("imageio_ffmpeg", "vvc"), ("imageio_ffmpeg", "aom:6")])
def test_a_codec_that_is_not_installed(
    refused: Callable[..., str], clip: Path, monkeypatch: pytest.MonkeyPatch, package: str, codec: str
):
    _hide(monkeypatch, package)
    text = refused(clip, "--out", "x", "--codecs", codec)
    assert text == f'codec {codec.split(":")[0]} is not installed; pip install "fieldpress[bench]" brings it'


def test_rate_differences_without_their_package(
    refused: Callable[..., str], clip: Path, monkeypatch: pytest.MonkeyPatch
):
    _hide(monkeypatch, "bjontegaard")
    text = refused(clip, "--out", "x", *FLAGS)
    assert text == 'rate differences need the package bjontegaard; pip install "fieldpress[bench]" brings it'


def _hide(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    known = builtins.__import__

    def without(name: str, *rest: Any, **named: Any) -> Any:
        if name == package:
            raise ImportError(name)
        return known(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", without)


@pytest.mark.parametrize("sides", [(48, 48), (64, 62), (30, 64)], ids=str)
def test_a_clip_too_small_for_x265(sides: tuple[int, int]):
    height, width = sides
    with pytest.raises(ConfigError, match=rf"x265 needs pictures of 64 x 32 or more; a\.mkv is {width} x {height}"):
        anchor("x265").check(Clipped(4, height, width), "a.mkv")
    anchor("x265").check(Clipped(4, 32, 64), "a.mkv")


def test_odd_sides_with_halved_chroma():
    with pytest.raises(ConfigError, match=r"x264:medium halves chroma and needs even sides; a\.mkv is 63x48"):
        anchor("x264").check(Clipped(4, 48, 63), "a.mkv")
    anchor("x264:medium:444").check(Clipped(4, 48, 63), "a.mkv")


# Codecs


def test_a_codec_can_be_named_in_parts():
    assert anchor("x264").name == "x264:medium"
    assert anchor("x265:veryslow:444:psnr").name == "x265:veryslow:psnr:444"
    assert [anchor(name).name for name in (*VIDEO_CODECS, *STILL_CODECS)] == [*VIDEO_CODECS, *STILL_CODECS]


def test_every_codec_is_told_one_thread_and_one_key_frame():
    for name, codec in CODECS.items():
        told = anchor(name).options(30, Clipped(40, 48, 128))
        assert told["threads"] == "1"
        assert codec.still or int(told["g"]) >= 40


def test_x265_gets_coding_tree_units_below_the_shorter_side():
    assert ":ctu=32:min-cu-size=8" in anchor("x265").options(30, Clipped(4, 72, 64))["x265-params"]
    assert ":ctu=32:min-cu-size=8" in anchor("x265").options(30, Clipped(4, 48, 72))["x265-params"]
    assert "ctu" not in anchor("x265").options(30, Clipped(4, 72, 72))["x265-params"]


def test_qualities_are_spread_from_fine_to_coarse_and_go_on_beyond():
    scale = Scale("quality", 90, 15, 100, 0)
    assert scale.spread(4) == [90, 65, 40, 15]
    assert scale.beyond([90, 65, 40, 15], finer=True) == 100
    assert scale.beyond([100, 90], finer=True) is None
    assert Scale("distance", 1, 8, 0.1, 15, geometric=True, whole=False).spread(4) == [1, 2, 4, 8]


def test_a_curve_that_ends_too_early_gets_a_point_more_on_that_side():
    asked = Curve(CLIP, anchor("x264"), (19, 25, 31, 37))
    low = [{"psnr_rgb": value, "psnr_y": value} for value in (35, 32, 28, 26)]
    assert widened(asked, low).qualities == (19, 25, 31, 37, 13)
    high = [{"psnr_rgb": value, "psnr_y": value} for value in (45, 42, 38, 36)]
    assert widened(asked, high).qualities == (19, 25, 31, 37, 43)
    capped = [{"psnr_rgb": value, "psnr_y": value + 5} for value in (36, 34, 31, 28)]
    assert widened(asked, capped) == asked


def test_a_point_that_was_added_and_is_larger_and_worse_is_left_out():
    asked = Curve(CLIP, anchor("x265"), (19, 25, 31))
    wide = replace(asked, qualities=(*asked.qualities, 43, 48))
    sizes, quality = (900, 500, 300, 200, 250), (42.0, 38.0, 36.0, 32.0, 30.0)
    records = [{"bytes": size, "psnr_rgb": psnr} for size, psnr in zip(sizes, quality, strict=True)]
    assert sensible(wide, asked, records).qualities == (19, 25, 31, 43)
    assert sensible(wide, wide, records) == wide  # what was asked for is shown as it is
    assert sensible(wide, asked, [*records[:4], {"bytes": 200, "psnr_rgb": 32.0}]) == wide


# The axis of presets


@pytest.mark.parametrize("name", ["rate", "nvp-fit", "image", "nvp-mini", "nvp-s"])
def test_a_preset_is_turned_from_fine_to_coarse(name: str):
    found = settings(recipe(name), 4)
    assert [setting.value for setting in found] == sorted(setting.value for setting in found)
    rule = recipe(name).features_rule
    assert [getattr(setting.recipe.plan[rule], setting.scale) for setting in found] == [one.value for one in found]
    assert found[0].flags == (f"--plan.{rule}.crf", f"{found[0].value:g}")


def test_points_of_presets_that_differ_have_names_that_differ():
    budget = Budget(steps=3)
    points = [
        FieldPoint(CLIP, "nvp-fit", setting, length, seed, "cpu")
        for setting in settings(recipe("nvp-fit"), 2)
        for length in (budget, Budget(steps=4))
        for seed in (0, 1)
    ]
    assert len({point.name for point in points}) == len(points)


def test_a_damaged_record_is_refused(tmp_path: Path):
    point = FieldPoint(CLIP, "nvp-fit", settings(recipe("nvp-fit"), 1)[0], Budget(steps=1), 0, "cpu")
    (tmp_path / "points").mkdir()
    assert read_point(tmp_path, point) is None
    (tmp_path / "points" / point.file).write_bytes(b"fpr")
    (tmp_path / "points" / f"{point.name}.json").write_text('{"schema": "fieldpress-bench-point"}')
    with pytest.raises(SourceError, match="is damaged or does not belong to the file beside it; remove both"):
        read_point(tmp_path, point)
    (tmp_path / "points" / f"{point.name}.json").write_text("[" * 200_000)
    with pytest.raises(SourceError, match="is damaged or does not belong"):
        read_point(tmp_path, point)


@pytest.mark.parametrize(
    "change",
    [
        {"psnr_rgb": None},
        {"psnr_rgb": "x"},
        {"ssim": "x"},
        {"quality": 3},
        {"quality": {"crf": "x"}},
        {"pictures": 3},
        {"pictures": {"psnr_rgb": 3}},
        {"pictures": {"psnr_rgb": ["x"]}},
        {"bytes": 4},
    ],
    ids=str,
)
def test_a_record_with_something_else_in_it_is_refused(done: Path, tmp_path: Path, change: dict[str, Any]):
    shutil.copytree(done / "points", tmp_path / "points")
    path = next((tmp_path / "points").glob("*.json"))
    record = json.loads(path.read_text())
    file = Path(record["file"]).name
    assert read_kept(path, path.with_name(file), _suits) == record
    path.write_text(json.dumps({**record, **change}))
    with pytest.raises(SourceError, match="is damaged or does not belong"):
        read_kept(path, path.with_name(file), _suits)


def test_a_point_without_its_picture_is_made_again(tmp_path: Path, done: Path):
    shutil.copytree(done / "points", tmp_path / "points")
    point = replace(FieldPoint(CLIP, "nvp-fit", settings(recipe("nvp-fit"), 1)[0], Budget(steps=1), 0, "cpu"))
    record = next((tmp_path / "points").glob("*.json"))
    kept = json.loads(record.read_text())
    for suffix, source in ((".json", record), (".png", record.with_suffix(".png"))):
        shutil.copy(source, tmp_path / "points" / f"{point.name}{suffix}")
    shutil.copy(tmp_path / kept["file"], tmp_path / "points" / point.file)
    assert read_point(tmp_path, point) == kept
    (tmp_path / "points" / f"{point.name}.png").unlink()
    assert read_point(tmp_path, point) is None


def test_a_folder_whose_making_was_stopped_is_gone_on_with(tmp_path: Path):
    folder = tmp_path / "bench"
    folder.mkdir()
    (folder / f"{TEMPORARY}0123").write_bytes(b"half")
    open_folder(folder, "bench", {"clips": []}, "points")
    assert json.loads((folder / "bench.json").read_bytes()) == {"clips": []}
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(SourceError, match="holds something else than a bench"):
        open_folder(tmp_path, "bench", {"clips": []}, "points")


def test_a_folder_that_cannot_say_what_it_is_of_stays_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(path: Path, data: bytes) -> None:
        raise SourceError(f"cannot write {path}")

    with monkeypatch.context() as patched:
        patched.setattr("fieldpress.bench.folder.save", full)
        with pytest.raises(SourceError, match="cannot write"):
            open_folder(tmp_path / "bench", "bench", {"clips": []}, "points")
    open_folder(tmp_path / "bench", "bench", {"clips": []}, "points")


def test_an_identity_that_never_ends(tmp_path: Path):
    (tmp_path / "bench.json").write_text("[" * 200_000)
    with pytest.raises(SourceError, match="is damaged"):
        open_folder(tmp_path, "bench", {"clips": []}, "points")


# What is told of the points


def test_half_the_bytes_are_a_rate_difference_of_minus_50_percent():
    found = curves([*curve_of("x264", "medium"), *curve_of("fieldpress", "rate", 0.5)])
    assert [curve.name for curve in found] == ["rate", "x264:medium"]
    rates = differences(found, "rate")["clip.mkv"]["rate"]["x264:medium"]
    assert rates == {"rgb": pytest.approx(-50), "y": pytest.approx(-50)}
    assert differences(found, "overlap")["clip.mkv"]["rate"]["x264:medium"]["rgb"] == 1.0
    # 3 dB for a doubling
    assert differences(found, "psnr")["clip.mkv"]["rate"]["x264:medium"]["rgb"] == pytest.approx(3)


def test_presets_are_compared_with_each_other_too():
    found = curves([*curve_of("fieldpress", "a", 0.5), *curve_of("fieldpress", "b")])
    rates = differences(found, "rate")["clip.mkv"]
    assert rates["a"]["b"]["rgb"] == pytest.approx(-50)
    assert rates["b"]["a"]["rgb"] == pytest.approx(100)


def test_curves_are_means_over_seeds():
    records = [record("fieldpress", "rate", 1000, psnr, seed=seed) for seed, psnr in enumerate((30.0, 31.0))]
    (curve,) = curves(records)
    (point,) = curve.points
    assert (point["psnr_rgb"], len(point.records)) == (30.5, 2)


def test_a_curve_that_does_not_rise_is_refused():
    bent = curve_of("fieldpress", "rate")
    bent[2]["psnr_rgb"] = bent[1]["psnr_rgb"] - 1
    found = curves([*bent, *curve_of("x264", "medium")])
    assert differences(found, "rate")["clip.mkv"]["rate"]["x264:medium"]["rgb"] is None
    assert differences(found, "reason")["clip.mkv"]["rate"]["x264:medium"]["rgb"] == "quality does not rise with size"
    assert differences(found, "rate")["clip.mkv"]["rate"]["x264:medium"]["y"] is not None


def test_curves_that_hardly_overlap_are_refused():
    far = [record("x264", "medium", size, 36.0 + 3 * i) for i, size in enumerate(SIZES)]
    found = curves([*curve_of("fieldpress", "rate"), *far])
    reason = differences(found, "reason")["clip.mkv"]["rate"]["x264:medium"]["rgb"]
    assert reason == "the curves share 22% of the range of quality; 50% are needed"
    assert "22%" in difference_lines(found)[0][3]


def test_several_clips_have_a_mean():
    first = [*curve_of("x264", "medium"), *curve_of("fieldpress", "rate", 0.5)]
    second = [*curve_of("x264", "medium", clip="b.mkv"), *curve_of("fieldpress", "rate", 0.75, clip="b.mkv")]
    found = curves([*first, *second])
    assert means(differences(found, "rate"))["rate"]["x264:medium"]["rgb"] == pytest.approx(-37.5)
    assert ["mean", "rate", "x264:medium", "-37.5 %"] in [line[:4] for line in difference_lines(found)]


def test_the_table_has_a_line_for_each_difference_and_each_point():
    found = curves([*curve_of("x264", "medium"), *curve_of("fieldpress", "rate", 0.5)])
    lines = [line for line in table_markdown(found, "fieldpress bench clip.mkv").splitlines() if line.startswith("|")]
    assert len(lines) == (2 + 1) + (2 + 8)
    assert "-50.0 %" in lines[2]


def test_the_summary_and_the_files_of_codecs_are_json():
    found = curves([*curve_of("x265", "veryslow:psnr"), *curve_of("fieldpress", "rate", 0.5)])
    assert len(json.loads(summary_json(found))["points"]) == 8
    files = codec_files(found)
    assert set(files) == {"x265-veryslow-psnr.json", "fieldpress-rate.json"}
    assert len(json.loads(files["fieldpress-rate.json"])["points"]) == 4


# Third parties


def dropped(folder: Path, content: Any) -> Path:
    (folder / "third-party").mkdir()
    (folder / "third-party/a.json").write_text(json.dumps(content))
    return folder


POINT = {"clip": "clip.mkv", "codec": "hinerv", "preset": "s", "bytes": 480, "psnr_rgb": 31.0, "psnr_y": 33.0}


def test_points_of_third_parties_get_their_bits_per_pixel(tmp_path: Path):
    one, two = third_party(dropped(tmp_path, [POINT, {**POINT, "bytes": 960, "vmaf": 90.0}]), [CLIP])
    assert (one["bpp"], two["bpp"]) == (1.0, 2.0)
    assert (one["vmaf"], two["vmaf"]) == (None, 90.0)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"bytes": None}, "bytes is missing, or no number from 1 to 1e+15"),
        ({"bytes": 10**400}, "bytes is missing, or no number from 1 to 1e+15"),
        ({"bytes": 0.5}, "bytes is missing, or no number from 1 to 1e+15"),
        ({"psnr_y": "high"}, "psnr_y is missing, or no number from 0.001 to 200"),
        ({"psnr_rgb": 0}, "psnr_rgb is missing, or no number from 0.001 to 200"),
        ({"preset": 3}, "preset is missing, or no text"),
        ({"codec": ""}, "codec is missing, or no text"),
        ({"codec": "two\nlines"}, "codec is missing, or no text on one line"),
        ({"codec": "\ud800"}, "codec is missing, or no text"),
        ({"ssim": 7}, "ssim is no number from -1 to 1"),
        ({"encode_seconds": -3}, "encode_seconds is no number from 0 to 1e+09"),
        ({"clip": "clap.mkv"}, "unknown clip 'clap.mkv'; did you mean 'clip.mkv'?"),
        ({"vmaf": "good"}, "vmaf is no number"),
    ],
    ids=str,
)
def test_a_point_of_a_third_party_that_is_wrong(tmp_path: Path, change: dict[str, Any], complaint: str):
    with pytest.raises(SourceError, match=r"a\.json: point 0: ") as raised:
        third_party(dropped(tmp_path, {**POINT, **change}), [CLIP])
    assert complaint in str(raised.value)


def test_json_of_a_third_party_that_never_ends(tmp_path: Path):
    folder = dropped(tmp_path, [])
    (folder / "third-party/a.json").write_text("[" * 200_000)
    with pytest.raises(SourceError, match=r"a\.json: is not JSON"):
        third_party(folder, [CLIP])


@pytest.mark.parametrize("name", [("fieldpress", "mine"), ("x264", "ultrafast"), ("rate", "")], ids=str)
def test_a_third_party_adds_no_points_to_curves_measured_here(tmp_path: Path, name: tuple[str, str]):
    folder = dropped(tmp_path, {**POINT, "codec": name[0], "preset": name[1]})
    with pytest.raises(SourceError, match="is measured by this bench"):
        third_party(folder, [CLIP], {"x264:ultrafast", "rate"})


# Feeding and measuring


def test_a_lossy_codec_is_fed_the_planes_of_a_source_that_has_them(tmp_path: Path):
    from fieldpress.bench.codecs.footage import footage, samples
    from fieldpress.sources import load

    pictures = [rgb_frame(picture) for picture in moving_pictures(3, HEIGHT, WIDTH)]
    path = write_clip(tmp_path / "a.mkv", pictures, "ffv1", "yuv420p", tags={"colorspace": 5, "color_range": 1})
    seen = load(path)
    fed = footage(seen, str(path))
    assert seen.luma is not None
    assert fed.chroma is not None
    for index, frame in enumerate(fed.frames("yuv420p", None)):
        y, u, _ = (samples(plane, 8) for plane in frame.planes)
        assert np.array_equal(y, seen.luma[index])
        assert np.array_equal(u, fed.chroma[0][index])
    deep = fed.frames("yuv420p10le", None)[0]
    assert np.array_equal(samples(deep.planes[0], 10), seen.luma[0].astype(int) * 4)


@pytest.mark.parametrize("name", [*STILL_CODECS, "jpeg:default:444", "x264:veryfast", "svtav1:10", "x265:ultrafast"])
def test_a_codec_gives_back_about_what_it_was_fed(tmp_path: Path, name: str):
    from fieldpress.bench.codecs import streams
    from fieldpress.bench.codecs.footage import footage, tagged
    from fieldpress.metrics import picture_psnr
    from fieldpress.sources import load
    from fieldpress.sources.colour import PictureReader

    smooth = np.stack(np.meshgrid(np.arange(64), np.arange(64), [100], indexing="ij"), -1)[:, :, 0] * [3, 2, 1]
    path = write_picture(tmp_path / "a.png", rgb_frame(smooth.astype(np.uint8)), "png")
    seen, asked = load(path), anchor(name)
    fed = footage(seen, str(path))
    only = asked.codec.colour
    finest = asked.codec.scale.spread(2)[0]
    stream = streams.encode(asked, finest, fed.frames(asked.pixel_format, only))
    (frame,) = streams.decode(asked, stream, 1)
    shown = PictureReader()(tagged(frame, fed.coded_as(only))).rgb
    # A wrong matrix or range would leave less than 30 dB of such a picture.
    assert picture_psnr(seen.rgb[0], shown) > 35


def test_a_stream_that_holds_too_few_pictures_is_an_error(tmp_path: Path):
    from fieldpress.bench.codecs import streams
    from fieldpress.bench.codecs.footage import footage
    from fieldpress.sources import load

    path = write_picture(tmp_path / "a.png", rgb_frame(moving_pictures(1)[0]), "png")
    asked = anchor("x264:veryfast")
    stream = streams.encode(asked, 30, footage(load(path), str(path)).frames(asked.pixel_format, None))
    with pytest.raises(SourceError, match="wrote a stream of 1 pictures instead of 2"):
        streams.decode(asked, stream, 2)


# The ffmpeg program


def test_the_program_gets_all_of_its_input_however_long_it_takes():
    pytest.importorskip("imageio_ffmpeg", reason="the extra bench is not installed")
    told: list[float] = []
    size = 4_000_000  # more than a pipe holds, at a speed that takes a while
    slowly = ["-readrate", "1", "-f", "rawvideo", "-pix_fmt", "gray", "-s", "1000x1000", "-r", "2", "-i", "pipe:"]
    out = program.run([*slowly, "-f", "rawvideo", "pipe:"], [bytes(size // 2), b"\1" * (size // 2)], told.append)
    assert out == bytes(size // 2) + b"\1" * (size // 2)
    assert told


def test_a_complaint_of_the_program_is_an_error_of_one_line():
    pytest.importorskip("imageio_ffmpeg", reason="the extra bench is not installed")
    with pytest.raises(SourceError, match=r"^ffmpeg failed: Error opening input"):
        program.run(["-i", "nowhere.mkv", "-f", "null", "-"])


# Ctrl-C


def test_ctrl_c_leaves_whole_points_only_and_says_how_to_go_on(clip: Path, tmp_path: Path):
    out = tmp_path / "out"
    arguments = ["bench", str(clip), "--out", str(out), "--codecs", "x264", "--steps", "100000", "--device", "cpu"]
    code = f"import sys\nfrom fieldpress.cli import main\nif __name__ == '__main__': sys.exit(main({arguments!r}))"
    script = tmp_path / "bench.py"
    script.write_text(code)

    def heed_ctrl_c() -> None:  # a suite that runs in the background is told not to, and its children inherit that
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    command = [sys.executable, script]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=heed_ctrl_c) as running:
        assert running.stderr
        try:
            assert any("presets" in line for line in running.stderr)  # all of x264 is done
            running.send_signal(signal.SIGINT)
            told = running.stderr.read()
        finally:
            running.kill()
    assert running.returncode == 130
    assert told.splitlines()[-1] == f"fieldpress: stopped; what is finished stays in {out}; go on with: " + (
        f"fieldpress {' '.join(arguments)}"
    )
    points = list((out / "points").iterdir())
    assert len([path for path in points if path.suffix == ".h264"]) >= 4
    assert all(path.with_suffix(".json").exists() for path in points)
