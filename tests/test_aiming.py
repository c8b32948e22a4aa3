"""Files of a quality that was asked for: by a number on a scale, or in decibels."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filmed import FILM, clip_of, rate, textured

import fieldpress
from fieldpress import container
from fieldpress.aiming import CLOSE
from fieldpress.compressors import Raw, Uniform, Video
from fieldpress.errors import ConfigError, FieldpressError, SourceError
from fieldpress.presets import Recipe, recipe
from fieldpress.reading import open_file
from fieldpress.training.loop import Trainer
from fieldpress.writing import encode, evaluate

AT = {"steps": 1, "device": "cpu"}


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clip_of(tmp_path_factory.mktemp("aiming") / "clip.mkv", textured())


@pytest.fixture(scope="module")
def usual(clip: Path) -> float:
    """PSNR of the preset as it is."""
    return encode(clip, clip.with_name("usual.fpr"), rate(), **AT).psnr_rgb


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# Decibels


@pytest.mark.parametrize("away", [-4.0, -1.3, 0.0, 2.0, 5.0])
def test_the_file_is_as_good_as_asked_for_and_hardly_better(clip: Path, usual: float, tmp_path: Path, away: float):
    report = encode(clip, tmp_path / "a.fpr", rate(), psnr=usual + away, **AT)
    # This clip is so small that a quarter of a crf is up to 0.25 dB.
    assert 0 <= report.psnr_rgb - (usual + away) <= CLOSE + 0.25
    assert evaluate(tmp_path / "a.fpr", clip).psnr_rgb == report.psnr_rgb
    assert names(tmp_path) == ["a.fpr"]


def test_other_presets_reach_a_quality_too(clip: Path, tmp_path: Path):
    report = encode(clip, tmp_path / "a.fpr", rate(Uniform(bits=6)), psnr=30.0, **AT)
    # A number of bits is whole: 6 dB from one to the next.
    assert 30 <= report.psnr_rgb <= 37


def test_the_default_preset_is_that_of_the_source(clip: Path, usual: float, tmp_path: Path):
    def chosen(_: object) -> Recipe:
        return rate()

    assert encode(clip, tmp_path / "a.fpr", chosen, psnr=usual - 0.05, **AT).preset == "rate"


@pytest.mark.parametrize("wanted", [12.0, 70.0])
def test_a_quality_out_of_reach_is_refused_in_one_line_with_the_range(clip: Path, tmp_path: Path, wanted: float):
    ends = [encode(clip, tmp_path / "a.fpr", rate(), quality=end, force=True, **AT).psnr_rgb for end in (51, 0)]
    with pytest.raises(ConfigError) as caught:
        encode(clip, tmp_path / "b.fpr", rate(), psnr=wanted, **AT)
    reach = "about {:.1f} to {:.1f} dB".format(*ends)
    assert str(caught.value) == f"{wanted:g} dB is out of reach: with this source this preset gives {reach}"
    assert names(tmp_path) == ["a.fpr"]


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        ({"bpp": 1.0}, "give one of --bpp, --psnr"),
        ({"size": 1000}, "give one of --size, --psnr"),
        ({"quality": 20.0}, "give one of --quality, --psnr"),
        ({"resume": True}, "leave --resume out"),
        ({"psnr": 0.0}, "--psnr is 0; expected a number of dB above 0, at most 100"),
        ({"psnr": 101.0}, "--psnr is 101; expected a number of dB above 0, at most 100"),
        ({"psnr": float("nan")}, "--psnr is nan; expected a number of dB above 0"),
        ({"minutes": -1.0, "steps": None}, "above 0"),
        ({"preset": "rated"}, "unknown preset 'rated'"),
        ({"preset": rate(Raw())}, "--psnr cannot turn preset rate: its film is given to raw"),
    ],
    ids=str,
)
def test_a_bad_request_is_refused_before_any_work(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request_: dict[str, Any], says: str
):
    monkeypatch.setattr(Trainer, "__iter__", lambda _: pytest.fail("coding began"))
    with pytest.raises(ConfigError) as caught:
        encode(clip, tmp_path / "a.fpr", **{"psnr": 30.0, "preset": rate(), **AT, **request_})
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert names(tmp_path) == []


def test_a_source_is_never_replaced_by_its_own_file(tmp_path: Path):
    clip = clip_of(tmp_path / "clip.mkv", textured(2))
    before = clip.read_bytes()
    with pytest.raises(SourceError, match="is the source itself"):
        encode(clip, clip, rate(), psnr=30.0, force=True, **AT)
    assert clip.read_bytes() == before


def test_the_old_file_stays_until_the_new_one_is_as_asked_for(clip: Path, tmp_path: Path):
    out = tmp_path / "a.fpr"
    out.write_bytes(b"old")
    with pytest.raises(SourceError, match="use --force"):
        encode(clip, out, rate(), psnr=30.0, **AT)
    with pytest.raises(ConfigError, match="out of reach"):
        encode(clip, out, rate(), psnr=90.0, force=True, **AT)
    assert (names(tmp_path), out.read_bytes()) == (["a.fpr"], b"old")


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SourceError("gone"), MemoryError()], ids=repr)
@pytest.mark.parametrize("at", [1, 2, 5], ids=lambda at: f"call {at}")
def test_a_run_that_is_stopped_leaves_nothing_behind(clip: Path, tmp_path: Path, error: BaseException, at: int):
    calls: list[Any] = []

    def stop(progress: Any) -> None:
        calls.append(progress)
        if len(calls) == at:
            raise error

    with pytest.raises(type(error)) as caught:
        encode(clip, tmp_path / "a.fpr", rate(), psnr=25.0, on_progress=stop, **AT)
    assert "resume" not in str(caught.value)  # which would not work
    assert names(tmp_path) == []


@pytest.mark.parametrize("wanted", [99.0, 3.0])
def test_no_setting_is_tried_twice_at_the_end_of_the_scale(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: float
):
    tried: list[Any] = []
    original = Video.encode_all

    def note(self: Video, *arguments: Any) -> Any:
        tried.append(self)
        return original(self, *arguments)

    monkeypatch.setattr(Video, "encode_all", note)
    with pytest.raises(ConfigError, match="with this source this preset gives"):
        encode(clip, tmp_path / "a.fpr", rate(), psnr=wanted, **AT)
    assert len(tried) == len(set(tried)) > 1


def test_a_file_that_is_better_than_close_is_said(
    clip: Path, usual: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    wanted = usual - 1.0
    encode(clip, tmp_path / "a.fpr", rate(), psnr=wanted, **AT)
    assert not caplog.text
    monkeypatch.setattr("fieldpress.aiming.CLOSE", 1e-9)
    report = encode(clip, tmp_path / "b.fpr", rate(), psnr=wanted, **AT)
    assert f"b.fpr has {report.psnr_rgb:.2f} dB, not the {wanted:g} asked for" in caplog.text


# The scale


def test_files_shrink_along_the_whole_scale(clip: Path, tmp_path: Path):
    qualities = [0.0, 10.0, 20.0, 30.0, 40.0, 51.0]
    reports = [encode(clip, tmp_path / f"{q}.fpr", rate(), quality=q, **AT) for q in qualities]
    sizes, psnrs = [report.bytes for report in reports], [report.psnr_rgb for report in reports]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > 3 * sizes[-1]
    assert np.all(np.diff(psnrs) < 0)


@pytest.mark.parametrize(
    ("codec", "preset", "amplitude", "crfs"),
    [("x265", "ultrafast", None, [0.0, 20.0, 51.0]), ("svt-av1", "13", 0.7, [1.0, 25.25, 63.0])],
)
def test_the_scale_is_that_of_the_codec(codec: Any, preset: str, amplitude: float | None, crfs: list[float]):
    chosen = rate(Video(codec=codec, preset=preset, amplitude=amplitude))
    turned = [chosen.at_quality(quality).plan["film"] for quality in (0.0, 20.0, 51.0)]
    assert [film.crf for film in turned if isinstance(film, Video)] == crfs


def test_a_compressor_without_such_a_scale_keeps_its_own_setting_in_the_middle():
    plan = rate(Uniform(bits=6)).plan["film"]
    finest, own, coarsest = (plan.at_quality(quality) for quality in (0.0, 25.5, 51.0))
    assert isinstance(finest, Uniform)
    assert isinstance(coarsest, Uniform)
    assert own == plan
    assert finest.bits > 6 > coarsest.bits


def test_the_quality_is_in_the_header(clip: Path, tmp_path: Path):
    encode(clip, tmp_path / "a.fpr", rate(), quality=51.0, **AT)
    film = next(chunk for chunk in container.read((tmp_path / "a.fpr").read_bytes()).chunks if chunk.name == "film")
    assert (film.compressor["crf"], film.compressor["preset"]) == (63.0, FILM.preset)


@pytest.mark.parametrize("quality", [-1.0, 51.5, 52.0, float("nan"), float("inf")])
def test_a_quality_off_the_scale_is_refused(clip: Path, tmp_path: Path, quality: float):
    with pytest.raises(ConfigError, match=rf"--quality is {quality:g}; expected 0 \(best\) to 51"):
        encode(clip, tmp_path / "a.fpr", rate(), quality=quality, **AT)


@pytest.mark.parametrize("other", [{"bpp": 1.0}, {"size": 1000}], ids=str)
def test_two_aims_are_refused(clip: Path, tmp_path: Path, other: dict[str, Any]):
    with pytest.raises(ConfigError, match=f"give one of --{next(iter(other))}, --quality"):
        encode(clip, tmp_path / "a.fpr", rate(), quality=20.0, **other, **AT)


@pytest.mark.parametrize("name", ["nvp-fit", "nvp-mini", "image", "nvp-s", "rate"])
def test_every_preset_for_pictures_has_a_quality_to_turn(name: str):
    chosen = recipe(name)
    turned = chosen.at_quality(0.0)
    assert turned.plan[chosen.features_rule] != chosen.plan[chosen.features_rule]
    assert {**turned.plan, chosen.features_rule: None} == {**chosen.plan, chosen.features_rule: None}


def test_a_preset_without_a_quality_to_turn_is_refused_before_any_work(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(Trainer, "__init__", lambda *_: pytest.fail("training began"))
    with pytest.raises(FieldpressError, match="--quality cannot turn preset rate: its film is given to raw"):
        encode(clip, tmp_path / "a.fpr", rate(Raw()), quality=20.0, **AT)


# Clips smaller than any picture of a codec


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its film is given to the codec's ``parts``."""
    return clip_of(tmp_path_factory.mktemp("small") / "small.mkv", textured(8, 20, 20))


def test_the_quality_of_small_clips_is_turned_too(small: Path, tmp_path: Path):
    reports = [encode(small, tmp_path / "a.fpr", rate(), quality=q, force=True, **AT) for q in (0, 25.5, 51)]
    best, usual, worst = reports
    assert best.bytes > 1.3 * usual.bytes > 1.3**2 * worst.bytes
    assert best.psnr_rgb > usual.psnr_rgb > worst.psnr_rgb + 3


def test_small_clips_reach_a_size(small: Path, tmp_path: Path):
    size = round(0.7 * encode(small, tmp_path / "a.fpr", rate(), **AT).bytes)
    assert encode(small, tmp_path / "b.fpr", rate(), size=size, **AT).bytes == pytest.approx(size, rel=0.1)


def test_small_clips_reach_a_quality(small: Path, tmp_path: Path):
    wanted = encode(small, tmp_path / "a.fpr", rate(), **AT).psnr_rgb - 3
    assert 0 <= encode(small, tmp_path / "b.fpr", rate(), psnr=wanted, **AT).psnr_rgb - wanted <= 1.5


# Sizes, with the preset that codes its film once


@pytest.mark.parametrize("share", [0.45, 0.8, 1.0, 1.7, 3.0])
@pytest.mark.usefixtures("usual")
def test_a_size_is_reached_within_five_per_cent(clip: Path, tmp_path: Path, share: float):
    size = round(share * clip.with_name("usual.fpr").stat().st_size)
    report = encode(clip, tmp_path / "a.fpr", rate(), size=size, **AT)
    assert abs(report.bytes / size - 1) <= 0.05
    assert len(fieldpress.open(tmp_path / "a.fpr")) == 6
    assert open_file(tmp_path / "a.fpr", "cpu").about.steps == 0


def test_bits_per_pixel_are_reached_within_five_per_cent(clip: Path, tmp_path: Path):
    assert encode(clip, tmp_path / "a.fpr", rate(), bpp=1.5, **AT).bpp == pytest.approx(1.5, rel=0.05)


@pytest.mark.parametrize("size", [50, 10_000_000])
def test_a_size_out_of_reach_is_refused_before_the_film_is_coded_at_length(clip: Path, tmp_path: Path, size: int):
    with pytest.raises(ConfigError, match=r"is out of reach: .* gives about [\d.]+ bpp \([\d,]+ bytes\) to [\d.]+ bpp"):
        encode(clip, tmp_path / "a.fpr", rate(), size=size, **AT)
    assert names(tmp_path) == []


def test_the_same_size_gives_the_same_bytes_on_every_run(clip: Path, tmp_path: Path):
    for name in ("a.fpr", "b.fpr"):
        encode(clip, tmp_path / name, rate(), size=2000, **AT)
    assert (tmp_path / "a.fpr").read_bytes() == (tmp_path / "b.fpr").read_bytes()
