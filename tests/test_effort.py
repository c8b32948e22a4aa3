"""How much effort a codec takes where there are minutes, and what a film coded once makes of any clip."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filmed import FILM, clip_of, rate, textured
from numpy.typing import NDArray

import fieldpress
from clips import rgb_frame, write_picture
from fieldpress import container
from fieldpress.compressors import Compressor, Dictionary, Entropy, Tucker, Uniform, Video
from fieldpress.compressors.base import Array
from fieldpress.compressors.guides import Guidance
from fieldpress.metrics import picture_psnr
from fieldpress.presets import Recipe
from fieldpress.training import chunks, effort, loop
from fieldpress.training.effort import in_time, suited
from fieldpress.writing import Interrupted, encode

FULL = replace(FILM, preset="0")
ARRAYS = [np.zeros((1, 2, 26, 26), np.float32)]
AT = {"steps": 1, "device": "cpu"}


def chosen(monkeypatch: pytest.MonkeyPatch, wanted: Video, seconds: float) -> str:
    """The preset that is taken for so many seconds, where the quickest one takes a second."""
    now = [0.0]

    def encode_all(compressor: Video, arrays: Sequence[Array]) -> bytes:
        assert not compressor.quicker()
        now[0] += 1.0
        return b""

    monkeypatch.setattr(effort.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(Video, "encode_all", encode_all)
    found = in_time(wanted, ARRAYS, seconds)
    assert isinstance(found, Video)
    assert found == replace(wanted, preset=found.preset)
    return found.preset


@pytest.mark.parametrize(
    ("seconds", "preset"), [(1000, "0"), (90, "0"), (89, "1"), (31, "1"), (30, "2"), (5, "4"), (1.6, "9"), (0.1, "10")]
)
def test_the_slowest_preset_that_fits_is_taken(monkeypatch: pytest.MonkeyPatch, seconds: float, preset: str):
    assert chosen(monkeypatch, FULL, seconds) == preset


@pytest.mark.parametrize("preset", ["0", "4", "9"])
def test_it_is_never_slower_than_the_plan_s(monkeypatch: pytest.MonkeyPatch, preset: str):
    assert chosen(monkeypatch, replace(FULL, preset=preset), 1e9) == preset


@pytest.mark.parametrize("codec", ["x265", "x265-intra", "svt-av1"])
def test_quicker_presets_take_less_and_less_time(codec: Any):
    slowest = Video(codec=codec, crf=30, preset="0" if codec == "svt-av1" else "veryslow")
    shares = [share for share, _ in slowest.quicker()]
    assert shares == sorted(shares, reverse=True)
    assert all(0 < share < 1 for share in shares)
    assert slowest.quicker()[-1][1].quicker() == []


def test_a_compressor_of_one_effort_is_not_tried(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Uniform, "encode", lambda *_: pytest.fail("encoded"))
    assert in_time(Uniform(bits=6), ARRAYS, 0.0) == Uniform(bits=6)


def costing(monkeypatch: pytest.MonkeyPatch, screen: float) -> list[str]:
    """Films with the tools for screens take ``screen`` times the bytes; the efforts that are tried."""
    tried: list[str] = []

    def encode_all(compressor: Video, arrays: Sequence[Array]) -> bytes:
        tried.append(compressor.preset)
        return bytes(round(1000 * (screen if compressor.codec == "svt-av1-screen" else 1)))

    monkeypatch.setattr(Video, "encode_all", encode_all)
    monkeypatch.setattr(Video, "decode_all", lambda *_: [array + 0.1 for array in ARRAYS])
    return tried


@pytest.mark.parametrize(("share", "codec"), [(1.2, "svt-av1"), (0.81, "svt-av1"), (0.79, "svt-av1-screen")])
def test_tools_for_screens_are_taken_where_they_save_much(monkeypatch: pytest.MonkeyPatch, share: float, codec: str):
    tried = costing(monkeypatch, share)
    assert suited(FULL, ARRAYS) == replace(FULL, codec=codec)
    assert tried == ["6", "6"], "far from the slowest effort, not the quickest"


def test_a_quick_effort_is_tried_as_it_is(monkeypatch: pytest.MonkeyPatch):
    tried = costing(monkeypatch, 0.5)
    assert suited(FILM, ARRAYS) == replace(FILM, codec="svt-av1-screen")
    assert tried == [FILM.preset] * 2


@pytest.mark.parametrize("compressor", [replace(FILM, codec="svt-av1-screen"), Video(crf=30), Uniform()], ids=str)
def test_what_has_no_alternatives_is_not_tried(monkeypatch: pytest.MonkeyPatch, compressor: Compressor):
    monkeypatch.setattr(type(compressor), "encode_all", lambda *_: pytest.fail("encoded"))
    assert suited(compressor, ARRAYS) == compressor


# In a whole run


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clip_of(tmp_path_factory.mktemp("effort") / "clip.mkv", textured())


def film_of(path: Path) -> dict[str, Any]:
    return next(c.compressor for c in container.read(path.read_bytes()).chunks if c.name.startswith("film"))


def test_minutes_choose_the_effort_and_the_header_says_which(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    asked: list[float] = []

    def quickened(compressor: Compressor, arrays: Sequence[Array], seconds: float) -> Compressor:
        asked.append(seconds)
        assert compressor == FULL
        return replace(FULL, preset="12")

    monkeypatch.setattr(chunks, "in_time", quickened)
    report = encode(clip, tmp_path / "a.fpr", rate(FULL), minutes=1, device="cpu")
    assert film_of(tmp_path / "a.fpr")["preset"] == "12"
    assert report.steps == 0
    assert 25 < asked[0] <= 36  # at most 60 % of the minute


def test_steps_keep_the_effort_of_the_plan(clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(chunks, "in_time", lambda *_: pytest.fail("steps are no time"))
    encode(clip, tmp_path / "a.fpr", rate(replace(FILM, preset="11")), **AT)
    assert film_of(tmp_path / "a.fpr")["preset"] == "11"


def test_a_size_is_first_sought_at_the_least_effort_and_written_at_that_of_the_plan(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    presets: list[str] = []
    original = Video.encode_all

    def encoding(self: Video, arrays: Sequence[Array]) -> bytes:
        presets.append(self.preset)
        return original(self, arrays)

    monkeypatch.setattr(Video, "encode_all", encoding)
    report = encode(clip, tmp_path / "a.fpr", rate(replace(FILM, preset="8")), size=3000, **AT)
    assert report.bytes == pytest.approx(3000, rel=0.05)
    assert film_of(tmp_path / "a.fpr")["preset"] == "8"
    assert presets == sorted(presets, key=lambda preset: preset == "8")
    assert presets.count("8") <= 8  # a few trials, and the one that is written


def test_a_size_within_minutes_is_reached(clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(chunks, "in_time", lambda compressor, *_: replace(compressor, preset="12"))
    report = encode(clip, tmp_path / "a.fpr", rate(FULL), size=3000, minutes=1, device="cpu")
    assert report.bytes == pytest.approx(3000, rel=0.05)
    assert film_of(tmp_path / "a.fpr")["preset"] == "12"


def test_a_resumed_run_still_knows_the_effort(clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    request: dict[str, Any] = {"source": clip, "out": tmp_path / "a.fpr", "preset": rate(FULL), "minutes": 1.0}
    with monkeypatch.context() as patched:
        patched.setattr(chunks, "in_time", lambda compressor, *_: replace(compressor, preset="12"))
        patched.setattr("fieldpress.training.objective.fit_head", stop)
        with pytest.raises(Interrupted):
            encode(**request, device="cpu")
    monkeypatch.setattr(Video, "encode_all", lambda *_: pytest.fail("the film is coded already"))
    encode(**request, device="cpu", resume=True)
    assert film_of(tmp_path / "a.fpr")["preset"] == "12"


def test_a_run_stopped_while_the_film_is_coded_leaves_little_and_resumes_to_the_same_bytes(clip: Path, tmp_path: Path):
    def stop(progress: loop.Progress) -> None:
        if 0.3 < progress.share < 1:
            raise KeyboardInterrupt

    request: dict[str, Any] = {"source": clip, "preset": rate(), **AT}
    encode(out=tmp_path / "whole.fpr", **request)
    with pytest.raises(Interrupted) as stopped:
        encode(out=tmp_path / "a.fpr", on_progress=stop, **request)
    assert stopped.value.checkpoint.stat().st_size < textured().nbytes  # the film alone is six times that
    encode(out=tmp_path / "a.fpr", resume=True, **request)
    assert (tmp_path / "a.fpr").read_bytes() == (tmp_path / "whole.fpr").read_bytes()


# Clips of every sort


def flat(value: int, shape: tuple[int, int, int] = (3, 32, 48)) -> NDArray[np.uint8]:
    return np.full((*shape, 3), value, np.uint8)


CLIPS = {
    "one picture": textured(1),
    "odd sides": textured(3, 37, 51),
    "too small for a codec": textured(3, 16, 20),
    "one pixel": textured(2, 1, 1),
    "a column": textured(2, 40, 3),
    "a row": textured(2, 3, 90),
    "black": flat(0),
    "white": flat(255),
    "nothing moves": np.repeat(textured(1), 5, 0),
    "noise": np.random.default_rng(1).integers(0, 256, (3, 32, 48, 3), dtype=np.uint8),
}
LEAST = {"black": 50.0, "white": 50.0, "nothing moves": 30.0, "one picture": 28.0, "odd sides": 27.0, "noise": 9.0}
"""dB; of noise, in which no codec finds anything, grey has 10."""


@pytest.mark.parametrize("case", CLIPS)
def test_every_clip_is_encoded_without_a_step(tmp_path: Path, case: str):
    pictures = CLIPS[case]
    report = encode(clip_of(tmp_path / "clip.mkv", pictures), tmp_path / "a.fpr", rate(), **AT)
    decoded = np.stack(list(fieldpress.open(tmp_path / "a.fpr")))
    assert decoded.shape == pictures.shape
    assert report.steps == 0
    assert report.psnr_rgb >= LEAST.get(case, 15.0)
    assert report.psnr_rgb == pytest.approx(np.mean(list(map(picture_psnr, pictures, decoded))), abs=1e-6)


def test_a_picture_is_encoded_too(tmp_path: Path):
    picture = write_picture(tmp_path / "a.png", rgb_frame(textured(1)[0]), "png")
    assert encode(picture, tmp_path / "a.fpr", rate(), **AT).psnr_rgb > 28


def test_the_same_steps_give_the_same_bytes_on_every_run(clip: Path, tmp_path: Path):
    files = [tmp_path / "a.fpr", tmp_path / "b.fpr"]
    for file in files:
        encode(clip, file, rate(), **AT)
    assert files[0].read_bytes() == files[1].read_bytes()


def test_segments_and_jobs_make_the_same_file(tmp_path: Path):
    clip = clip_of(tmp_path / "clip.mkv", textured(16, 32, 32))
    one = encode(clip, tmp_path / "one.fpr", rate(), segment=8, **AT)
    encode(clip, tmp_path / "two.fpr", rate(), segment=8, jobs=2, **AT)
    assert (tmp_path / "one.fpr").read_bytes() == (tmp_path / "two.fpr").read_bytes()
    assert (one.steps, one.frames) == (0, 16)
    assert one.psnr_rgb > 25


# Other parts of the preset


OTHERS: dict[str, Compressor] = {
    "uniform": Uniform(bits=6),
    "entropy": Entropy(step=1 / 32, unit="absolute"),
    "tucker": Tucker(0.5, Entropy(step=1 / 64, unit="absolute")),
    "dictionary": Dictionary(bits=6),
    "x265": Video(codec="x265", crf=24, preset="ultrafast"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_compressors_take_the_film(clip: Path, tmp_path: Path, name: str):
    report = encode(clip, tmp_path / "a.fpr", rate(OTHERS[name]), **AT)
    assert (report.steps, film_of(tmp_path / "a.fpr")["id"]) == (0, OTHERS[name].id)
    assert report.psnr_rgb > 15


GUIDED = {
    "none": Guidance("none"),
    "project": Guidance("project", every=0.3, settle=0.5),
    "round-trip": Guidance("round-trip", every=0.3, settle=0.5),
    "proximal": Guidance("proximal", every=0.3, settle=0.5),
    "special": Guidance("special", every=0.3, settle=0.5),
}


def guided(kind: str, film: Compressor = FILM) -> Recipe:
    chosen = rate(film)
    return replace(chosen, training=replace(chosen.training, guidance=GUIDED[kind], batch_pixels=6000))


@pytest.mark.parametrize("kind", GUIDED)
def test_a_film_may_be_trained_first_and_the_head_is_found_when_it_settles(clip: Path, tmp_path: Path, kind: str):
    report = encode(clip, tmp_path / "a.fpr", guided(kind), steps=6, device="cpu")
    assert report.steps == (6 if kind == "none" else 3)
    # What training did to the head's weights does not reach those that are written.
    untrained = encode(clip, tmp_path / "b.fpr", rate(), **AT)
    assert report.psnr_rgb > untrained.psnr_rgb - 1.0


@pytest.mark.parametrize("kind", GUIDED)
def test_the_head_that_is_written_is_the_one_that_was_found(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
):
    found: list[float] = []
    original = loop.Trainer._progress

    def last(self: loop.Trainer, share: float) -> loop.Progress:
        if share == 1.0:
            found.append(original(self, share).psnr)
        return original(self, share)

    monkeypatch.setattr(loop.Trainer, "_progress", last)
    encode(clip, tmp_path / "a.fpr", guided(kind), steps=6, device="cpu")
    error = (np.stack(list(fieldpress.open(tmp_path / "a.fpr"))) - textured().astype(float)) / 255
    assert -10 * math.log10(np.square(error).mean()) == pytest.approx(found[-1], abs=0.05)  # rounding to 8 bits


@pytest.mark.parametrize("kind", GUIDED)
def test_a_run_stopped_after_the_head_was_found_resumes_to_the_same_bytes(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
):
    request: dict[str, Any] = {"source": clip, "preset": guided(kind), "steps": 6, "device": "cpu"}
    encode(out=tmp_path / "whole.fpr", **request)
    original = chunks.Chunks._settle

    def stop(self: chunks.Chunks, name: str, heard: bool = False) -> None:
        if name.startswith("decoder") and self.complete:
            raise KeyboardInterrupt
        original(self, name, heard)

    with monkeypatch.context() as patched:
        patched.setattr(chunks.Chunks, "_settle", stop)
        with pytest.raises(Interrupted):
            encode(out=tmp_path / "a.fpr", **request)
    encode(out=tmp_path / "a.fpr", resume=True, **request)
    assert (tmp_path / "a.fpr").read_bytes() == (tmp_path / "whole.fpr").read_bytes()


def test_progress_follows_the_coding_of_the_film(clip: Path, tmp_path: Path):
    told: list[loop.Progress] = []
    encode(clip, tmp_path / "a.fpr", rate(), on_progress=told.append, **AT)
    shares = [one.share for one in told]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0.0, 1.0)
    assert len(set(shares)) > 4
    assert all(one.step == 0 and math.isnan(one.psnr) for one in told[:-1])
    assert told[-1].psnr > 20


def test_progress_of_segments_is_of_them_all(tmp_path: Path):
    told: list[loop.Progress] = []
    clip = clip_of(tmp_path / "clip.mkv", np.concatenate([textured()] * 3))
    encode(clip, tmp_path / "a.fpr", rate(), segment=8, on_progress=told.append, **AT)
    segments = container.read((tmp_path / "a.fpr").read_bytes()).segments
    shares = [one.share for one in told]
    assert segments > 1
    assert shares == sorted(shares)
    assert len([share for share in set(shares) if share < 1 / segments]) > 2
