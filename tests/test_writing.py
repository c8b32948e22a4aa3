"""Encoding from a source to a measured file, and everything that can go wrong before, during and after it."""

import errno
import json
import math
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

import fieldpress
from clips import moving_pictures, rgb_frame, write_clip, write_picture
from fieldpress import chunktable
from fieldpress.checks import check_report
from fieldpress.compressors import Compressor, Entropy, Raw, Uniform, Video
from fieldpress.compressors.guides import Guidance
from fieldpress.decoders import Mlp, Siren
from fieldpress.encodings import Planes, Volume
from fieldpress.encodings.levels import Level
from fieldpress.errors import ConfigError, FieldpressError, SourceError
from fieldpress.grids import ClipGrids, FittedGrids, SceneGrids
from fieldpress.interfaces import EncodingConfig
from fieldpress.metrics import picture_psnr
from fieldpress.presets import PRESETS, Recipe, recipe
from fieldpress.report import Report
from fieldpress.training import checkpoint
from fieldpress.training.checkpoint import checkpoint_path
from fieldpress.training.loop import Trainer
from fieldpress.training.plan import assign
from fieldpress.writing import Interrupted, encode, evaluate

FILM = Video(codec="svt-av1", crf=30, preset="12", amplitude=0.5)
WEIGHTS = Entropy(step=1 / 256, unit="absolute")
QUICK = replace(
    recipe("nvp-fit"),
    decoder=Mlp(8, 1),
    plan={"volume": FILM, "decoder": WEIGHTS},
    training=replace(recipe("nvp-fit").training, guidance=Guidance(every=0.3)),
)
"""As nvp-fit, with a small decoder and the fastest settings of its codec."""


def source(
    folder: Path, frames: int = 5, height: int = 24, width: int = 32, name: str = "clip.mkv", first: int = 0
) -> Path:
    """A lossless clip."""
    pictures = [rgb_frame(picture) for picture in moving_pictures(first + frames, height, width)[first:]]
    return write_clip(folder / name, pictures, "ffv1", "bgr0")


def picture(folder: Path, height: int = 24, width: int = 32) -> Path:
    return write_picture(folder / "picture.png", rgb_frame(moving_pictures(1, height, width)[0]), "png")


@pytest.fixture(scope="module")
def pressed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Report]:
    """A clip, its file, and the report."""
    folder = tmp_path_factory.mktemp("pressed")
    clip, out = source(folder), folder / "clip.fpr"
    return clip, out, encode(clip, out, QUICK, steps=300)


# The report is that of the file


def test_the_bytes_are_those_of_the_file(pressed: tuple[Path, Path, Report]):
    _, out, report = pressed
    assert report.bytes == out.stat().st_size
    assert report.bpp == 8 * report.bytes / (5 * 24 * 32)


def test_the_parts_add_up_to_the_bytes(pressed: tuple[Path, Path, Report]):
    _, _, report = pressed
    assert sum(part.bytes for part in report.chunks) == report.bytes
    compressors = {part.name: part.compressor for part in report.chunks}
    assert {"volume": "video", "decoder": "entropy"}.items() <= compressors.items()


def test_the_psnr_is_that_of_the_decoded_file(pressed: tuple[Path, Path, Report]):
    _, out, report = pressed
    pairs = zip(moving_pictures(5, 24, 32), fieldpress.open(out), strict=True)
    assert report.psnr_rgb == pytest.approx(sum(picture_psnr(a, b) for a, b in pairs) / 5, abs=1e-9)


def test_a_few_hundred_steps_show_the_clip(pressed: tuple[Path, Path, Report]):
    _, _, report = pressed
    flat = np.broadcast_to(moving_pictures(5, 24, 32).mean((0, 1, 2)).astype(np.uint8), (24, 32, 3))
    assert report.psnr_rgb > picture_psnr(moving_pictures(5, 24, 32)[0], flat) + 10
    assert report.ssim > 0.9


def test_evaluating_the_file_finds_the_same(pressed: tuple[Path, Path, Report]):
    clip, out, report = pressed
    found = evaluate(out, clip)
    for name in ("bytes", "bpp", "psnr_rgb", "psnr_y", "ssim", "chunks", "steps", "seed", "preset", "source"):
        assert getattr(found, name) == getattr(report, name), name
    assert found.encode_seconds is None


def test_evaluating_against_another_clip_is_refused(pressed: tuple[Path, Path, Report], tmp_path: Path):
    with pytest.raises(ConfigError, match="has 4 pictures of 32 x 24, the file 5 pictures of 32 x 24"):
        evaluate(pressed[1], source(tmp_path, frames=4))


def test_the_report_is_plain_json(pressed: tuple[Path, Path, Report]):
    found = json.loads(pressed[2].to_json())
    assert (found["frames"], found["height"], found["width"], found["steps"]) == (5, 24, 32, 300)


def test_nothing_is_left_beside_the_file(pressed: tuple[Path, Path, Report]):
    assert sorted(path.name for path in pressed[1].parent.iterdir()) == ["clip.fpr", "clip.mkv"]


# Determinism


def test_the_same_request_gives_the_same_file_and_another_seed_another(tmp_path: Path):
    clip = source(tmp_path)
    files = []
    for number, seed in enumerate((1, 1, 2)):
        encode(clip, tmp_path / f"{number}.fpr", QUICK, steps=4, seed=seed)
        files.append((tmp_path / f"{number}.fpr").read_bytes())
    assert files[0] == files[1]
    assert files[0] != files[2]


# Sources of every size


@pytest.mark.parametrize("size", [(1, 24, 32), (3, 33, 17), (2, 1, 1), (4, 27, 25), (2, 3, 90)], ids=str)
def test_clips_of_any_size_are_encoded(tmp_path: Path, size: tuple[int, int, int]):
    report = encode(source(tmp_path, *size), tmp_path / "clip.fpr", QUICK, steps=3)
    decoded = fieldpress.open(tmp_path / "clip.fpr")
    assert (len(decoded), *decoded[0].shape) == (*size, 3)
    assert (report.frames, report.height, report.width) == size


@pytest.mark.parametrize("colour", [0, 100, 255])
def test_a_clip_of_one_colour_comes_back_as_it_is(tmp_path: Path, colour: int):
    frames = [rgb_frame(np.full((24, 32, 3), colour, np.uint8))] * 3
    report = encode(write_clip(tmp_path / "c.mkv", frames, "ffv1", "bgr0"), tmp_path / "c.fpr", QUICK, steps=20)
    assert report.psnr_rgb > 45  # about a code value


def test_a_report_never_replaces_the_source_or_a_file_beside_its_pictures(tmp_path: Path):
    clip, folder = source(tmp_path), tmp_path / "pictures"
    folder.mkdir()
    (folder / "notes.txt").write_text("kept")
    for of, report in ((clip, clip), (folder, folder / "notes.txt")):
        before = report.read_bytes()
        with pytest.raises(SourceError, match="name another"):
            check_report(of, report, force=True)
        assert report.read_bytes() == before
    check_report(folder, folder / "new.json", force=True)


def test_a_source_is_never_overwritten_by_its_own_file(tmp_path: Path):
    clip = source(tmp_path)
    before = clip.read_bytes()
    with pytest.raises(SourceError, match="is the source itself"):
        encode(clip, clip, QUICK, steps=1, force=True)
    assert clip.read_bytes() == before


def test_a_long_static_clip_fits_the_format(tmp_path: Path):
    black = np.zeros((60, 360, 640, 3), np.uint8)
    clip = write_clip(tmp_path / "black.mkv", [rgb_frame(picture) for picture in black], "ffv1", "bgr0")
    report = encode(clip, tmp_path / "black.fpr", "nvp-fit", steps=1)
    # A few bytes a picture: the reader's bound on numbers per byte has to leave room for that.
    assert report.bytes < 4000
    assert len(fieldpress.open(tmp_path / "black.fpr")) == 60


def test_an_image_takes_the_image_preset(tmp_path: Path):
    report = encode(picture(tmp_path), tmp_path / "picture.fpr", steps=2)
    assert (report.preset, report.frames) == ("image", 1)
    assert fieldpress.open(tmp_path / "picture.fpr").signal.id == "image"


def test_a_video_takes_rate_even_of_one_picture(tmp_path: Path):
    report = encode(source(tmp_path, frames=1), tmp_path / "clip.fpr", steps=2)
    assert (report.preset, report.frames, report.steps) == ("rate", 1, 0)


# Every preset, and recipes of one's own


@dataclass(frozen=True)
class SmallPublishedGrids(ClipGrids):
    """NVP's layout at sizes for a test, large enough for a codec's smallest picture."""

    id: ClassVar[str] = "small"

    features: int = 2

    def encodings(self, frames: int, height: int, width: int, cell: int = 1) -> dict[str, EncodingConfig]:
        sides = ((16, 16), (26, 26))
        planes = Planes(self.features, xy=sides, yt=sides, xt=sides)
        volume = Volume((Level(self.features, frames, 26, 26),), neighbours=3, interpolation="nearest")
        return {"planes": planes, "volume": volume}


@pytest.mark.parametrize("name", ["nvp-s", "nvp-l"])
def test_the_published_recipes_run_at_a_small_size(tmp_path: Path, name: str):
    published = recipe(name)
    small = replace(
        published,
        grids=SmallPublishedGrids(published.grids.features),
        training=replace(published.training, batch_pixels=500),
    )
    report = encode(source(tmp_path), tmp_path / "clip.fpr", small, steps=60)
    assert report.preset == name
    assert report.psnr_rgb > 12  # learned from random numbers: a grey clip has 8 dB


@pytest.mark.parametrize(
    ("change", "plan"),
    [
        ({"decoder": Siren(8, 1), "training": replace(QUICK.training, start="random")}, {}),
        ({"grids": FittedGrids(plane_features=1)}, {"planes": Uniform(bits=6)}),
        ({"grids": FittedGrids(parameters_per_pixel=0.1)}, {"volume": Raw(precision="float16")}),
        ({"training": replace(QUICK.training, loss="l1-ssim")}, {"*.bias": Raw()}),
        ({"training": replace(QUICK.training, sampling="pixels", batch_pixels=100)}, {"volume": Entropy(step=0.1)}),
        ({"training": replace(QUICK.training, guidance=Guidance("proximal", 0.5))}, {"*": Uniform(bits=7)}),
    ],
    ids=lambda value: ", ".join(value) or "as it is",
)
def test_parts_of_a_recipe_combine(tmp_path: Path, change: dict[str, Any], plan: dict[str, Compressor]):
    combined = replace(QUICK, plan={**plan, **QUICK.plan} if "*" not in plan else plan, **change)
    report = encode(source(tmp_path), tmp_path / "clip.fpr", combined, steps=6)
    assert math.isfinite(report.psnr_rgb)


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_covers_its_field(name: str):
    chosen = recipe(name)
    grids = chosen.grids
    field = chosen.scene_field(grids.expected()) if isinstance(grids, SceneGrids) else chosen.field(10, 90, 160)
    assigned = assign(chosen.plan, field.shapes(), field.tensor_levels())
    assert sum(len(chunk.tensors) for chunk in assigned.values()) == len(field.shapes())


# Bad requests: refused in one line, before any training


@pytest.fixture
def no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fieldpress.subjects.base.Trainer", lambda *_: pytest.fail("training began"))


def _plan(**plan: Compressor) -> Recipe:
    return replace(QUICK, plan=plan)


BAD_REQUESTS: dict[str, tuple[dict[str, Any], str]] = {
    "two budgets": ({"minutes": 1, "steps": 1}, "not both"),
    "no steps": ({"steps": 0}, "above 0"),
    "negative minutes": ({"minutes": -1}, "above 0"),
    "minutes that are no number": ({"minutes": math.nan}, "a number above 0"),
    "endless": ({"minutes": math.inf}, "a number above 0"),
    "unknown preset": ({"preset": "nvp-xl"}, "unknown preset 'nvp-xl'; did you mean 'nvp-l'"),
    "unknown device": ({"device": "tpu"}, "unknown device 'tpu'"),
    "negative seed": ({"seed": -1}, "--seed is -1"),
    "a seed that the header cannot hold": ({"seed": 2**60}, "--seed is"),
    "a tensor without a compressor": ({"preset": _plan(volume=FILM)}, "no rule of the plan takes tensor"),
    "a rule that the format cannot name": (
        {"preset": _plan(**{"volume": FILM, "[ d]*": WEIGHTS})},
        "cannot be written",
    ),
    "a start that the decoder cannot make": ({"preset": replace(QUICK, decoder=Siren(8, 1))}, "start random"),
    "too many features": ({"preset": replace(QUICK, grids=SmallPublishedGrids(500))}, "1 to 4096 features"),
    "no source": ({"source": "missing.mkv"}, "no such file"),
    "a source that is no media": ({"source": "text.mkv"}, "text.mkv"),
    "a folder for a file": ({"out": "."}, "is a folder"),
    "a folder that is not there": ({"out": "nowhere/clip.fpr"}, "does not exist"),
    "a name that no file has": ({"out": "no\0name.fpr"}, "cannot be written"),
    "a name too long for a checkpoint": ({"out": "x" * 250 + ".fpr"}, "cannot be written: File name too long"),
    "an empty name": ({"out": ""}, "OUT is an empty name"),
    "an empty source": ({"source": ""}, "SOURCE is an empty name"),
    "standard output": ({"out": "-"}, "encode does not write to standard output; name a file"),
    "a device": ({"out": "/dev/null", "force": True}, "/dev/null: is not a regular file"),
    "a folder where nothing can be made": ({"out": "/proc/clip.fpr"}, "/proc/clip.fpr': cannot be written"),
    "a file that is there": ({"out": "there.fpr"}, "use --force"),
}


@pytest.mark.parametrize("case", BAD_REQUESTS)
def test_a_bad_request_is_refused_before_any_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_training: None, case: str
):
    if case == "a start that the decoder cannot make":
        monkeypatch.setattr("fieldpress.subjects.base.Trainer", Trainer)  # whose making it is that refuses
        monkeypatch.setattr(Trainer, "_train_step", lambda *_: pytest.fail("training began"))
    change, message = BAD_REQUESTS[case]
    monkeypatch.chdir(tmp_path)
    source(tmp_path)
    Path("text.mkv").write_text("this is no video")
    Path("there.fpr").write_bytes(b"old")
    request = {"source": "clip.mkv", "out": "clip.fpr", "preset": QUICK, "device": "cpu", **change}
    if not {"minutes", "steps"} & set(change):
        request["steps"] = 2
    with pytest.raises(FieldpressError) as caught:
        encode(**request)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert Path("there.fpr").read_bytes() == b"old"
    assert not Path("clip.fpr").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_a_device_that_is_not_here_is_refused_before_any_training(tmp_path: Path, no_training: None):
    with pytest.raises(ConfigError, match="no CUDA device here; use --device cpu"):
        encode(source(tmp_path), tmp_path / "clip.fpr", QUICK, steps=1, device="cuda")


def test_a_field_larger_than_a_file_may_hold_is_refused_before_any_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_training: None
):
    monkeypatch.setattr(chunktable, "MAX_ELEMENTS", 1000)
    with pytest.raises(ConfigError, match="more than 1000 numbers"):
        encode(source(tmp_path), tmp_path / "clip.fpr", QUICK, steps=1)


def test_a_field_larger_than_memory_is_refused_before_any_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_training: None
):
    monkeypatch.setattr("fieldpress.checks.available_memory", lambda: 100_000)
    with pytest.raises(
        SourceError, match=r"clip.mkv: .* needs 0\.0 GB, 0\.0 GB are free; use fewer .* or shorter .* or a smaller"
    ):
        encode(source(tmp_path), tmp_path / "clip.fpr", QUICK, steps=1)


def test_a_photograph_larger_than_memory_is_not_told_to_be_cut_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_training: None
):
    monkeypatch.setattr("fieldpress.checks.available_memory", lambda: 100_000)
    with pytest.raises(SourceError, match=r"are free; use a smaller source$"):
        encode(picture(tmp_path), tmp_path / "a.fpr", "image", steps=1)


# What goes wrong at the end


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    clip, out = source(tmp_path), tmp_path / "clip.fpr"
    out.write_bytes(b"old")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("fieldpress.saving.os.fsync", full)
    with pytest.raises(SourceError, match="No space left on device"):
        encode(clip, out, QUICK, steps=1, force=True)
    assert out.read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.fpr", "clip.mkv"]


def test_force_replaces_the_file(tmp_path: Path):
    out = tmp_path / "clip.fpr"
    out.write_bytes(b"old")
    encode(source(tmp_path), out, QUICK, steps=1, force=True)
    assert len(fieldpress.open(out)) == 5


# Interrupted runs


def interrupt_at(step: int) -> Any:
    def stop(progress: Any) -> None:
        if progress.step == step:
            raise KeyboardInterrupt

    return stop


@pytest.mark.parametrize("step", [1, 5, 9])
def test_an_interrupted_run_goes_on_to_the_same_file(tmp_path: Path, step: int):
    clip, whole, broken = source(tmp_path), tmp_path / "whole.fpr", tmp_path / "broken.fpr"
    encode(clip, whole, QUICK, steps=10)
    with pytest.raises(Interrupted, match=r"broken\.fpr\.checkpoint: go on with the same command and --resume"):
        encode(clip, broken, QUICK, steps=10, on_progress=interrupt_at(step))
    assert not broken.exists()
    steps = []
    encode(clip, broken, QUICK, steps=10, resume=True, on_progress=lambda progress: steps.append(progress.step))
    assert steps[0] == step + 1
    assert broken.read_bytes() == whole.read_bytes()
    assert not checkpoint_path(broken).exists()


def test_resuming_without_a_checkpoint_starts_anew(tmp_path: Path):
    steps = []
    encode(
        source(tmp_path), tmp_path / "c.fpr", QUICK, steps=2, resume=True, on_progress=lambda p: steps.append(p.step)
    )
    assert steps == [1, 2, 2]


@pytest.mark.parametrize(
    "change",
    [{"seed": 1}, {"steps": 20}, {"preset": replace(QUICK, decoder=Mlp(9, 1))}, {"source": "other.mkv"}],
    ids=str,
)
def test_a_checkpoint_of_another_request_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]
):
    monkeypatch.chdir(tmp_path)
    source(tmp_path)
    source(tmp_path, name="other.mkv", first=1)  # of the same length and size
    request: dict[str, Any] = {"source": "clip.mkv", "out": "clip.fpr", "preset": QUICK, "steps": 10}
    with pytest.raises(Interrupted):
        encode(**request, on_progress=interrupt_at(2))
    before = Path("clip.fpr.checkpoint").read_bytes()
    with pytest.raises(ConfigError, match=r"clip\.fpr\.checkpoint: the checkpoint is of another run"):
        encode(**{**request, **change}, resume=True)
    assert Path("clip.fpr.checkpoint").read_bytes() == before


def test_a_checkpoint_of_another_version_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    clip, out = source(tmp_path), tmp_path / "clip.fpr"
    with pytest.raises(Interrupted):
        encode(clip, out, QUICK, steps=10, on_progress=interrupt_at(2))
    monkeypatch.setattr(checkpoint, "STATE", checkpoint.STATE + 1)
    with pytest.raises(ConfigError, match=r"another version of fieldpress; start anew without --resume$"):
        encode(clip, out, QUICK, steps=10, resume=True)


def test_a_damaged_checkpoint_is_refused_in_one_line(tmp_path: Path):
    clip, out = source(tmp_path), tmp_path / "clip.fpr"
    with pytest.raises(Interrupted):
        encode(clip, out, QUICK, steps=10, on_progress=interrupt_at(2))
    good = checkpoint_path(out).read_bytes()
    for bad in (b"", b"\x80\x02", b"text", good[:100], good[: len(good) // 2], good[:-1], good[: len(good) // 2] * 2):
        checkpoint_path(out).write_bytes(bad)
        with pytest.raises(SourceError, match=r"the checkpoint is damaged .*; start anew without --resume") as caught:
            encode(clip, out, QUICK, steps=10, resume=True)
        assert "\n" not in str(caught.value)


def test_checkpoints_are_written_on_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("fieldpress.training.running.CHECKPOINT_SECONDS", 0.0)
    clip, out = source(tmp_path), tmp_path / "clip.fpr"
    there = []
    encode(clip, out, QUICK, steps=3, on_progress=lambda progress: there.append(checkpoint_path(out).exists()))
    assert there == [False, True, True, True]  # each is written after its step is reported
    assert not checkpoint_path(out).exists()


def test_a_checkpoint_runs_no_code(tmp_path: Path):
    class Attack:
        def __reduce__(self) -> Any:
            return os.system, (f"touch {tmp_path / 'attacked'}",)

    torch.save({"request": Attack(), "state": {}}, tmp_path / "clip.fpr.checkpoint")
    with pytest.raises(SourceError, match="the checkpoint is damaged"):
        encode(source(tmp_path), tmp_path / "clip.fpr", QUICK, steps=1, resume=True)
    assert not (tmp_path / "attacked").exists()


def test_a_function_that_gives_no_recipe_is_refused_in_one_line(tmp_path: Path):
    wrong: Any = lambda subject: "rate"  # noqa: E731
    with pytest.raises(ConfigError, match="the function for preset gave 'rate'; expected a recipe"):
        encode(source(tmp_path), tmp_path / "a.fpr", wrong, steps=1)
