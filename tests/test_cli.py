"""The command line: what it prints where, what it refuses, and that a run survives being stopped."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import fields
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fieldpress
from clips import moving_pictures, rgb_frame, write_clip, write_picture
from fieldpress import container, subjects
from fieldpress.cli import main
from fieldpress.cli.decode import frame_range
from fieldpress.cli.flags import split
from fieldpress.cli.text import columns, duration, one_line
from fieldpress.cli.timing import view_timing
from fieldpress.compressors import Uniform, Video
from fieldpress.decoders import DECODERS, Siren
from fieldpress.errors import ConfigError, SourceError
from fieldpress.grids import GRIDS
from fieldpress.presets import PRESETS, recipe
from fieldpress.report import Report
from fieldpress.settings import changed
from fieldpress.signals import Image
from fieldpress.signals import Video as Clip
from fieldpress.sources import load
from fieldpress.training import loop
from fieldpress.training.loop import Trainer
from fieldpress.views import view

STEPS = ["--steps", "4", "--device", "cpu"]
FAST = [*STEPS, "--plan.volume", "uniform"]
"""A run that spends its time on the command line, not on the codec."""
TRAINED = ["nvp-fit", *FAST]
"""... of a preset that trains."""
CODED = [*STEPS, "--plan.film.preset", "12"]
"""A run of the default preset, which codes its film and then has nothing left to train."""


class Outcome:
    """What a command did."""

    def __init__(self, status: int, out: str, err: str) -> None:
        self.status, self.out, self.err = status, out, err


Run = Callable[..., Outcome]


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: str | Path) -> Outcome:
        capsys.readouterr()
        status = main([str(argument) for argument in arguments])
        return Outcome(status, *capsys.readouterr())

    return call


@pytest.fixture
def refused(run: Run, tmp_path: Path) -> Callable[..., str]:
    """Runs a command that is to fail: status 2, one line, no output, and no new file."""

    def call(*arguments: str | Path) -> str:
        before = everything(tmp_path)
        outcome = run(*arguments)
        assert outcome.status == 2
        assert outcome.out == ""
        assert outcome.err.startswith("fieldpress: error: ")
        assert outcome.err.count("\n") == 1
        assert everything(tmp_path) == before
        return outcome.err.removeprefix("fieldpress: error: ").rstrip("\n")

    return call


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``clip.mkv``, ``picture.png``, and the file ``clip.fpr`` pressed from the clip."""
    folder = tmp_path_factory.mktemp("media")
    pictures = moving_pictures(5, 32, 48)
    write_clip(folder / "clip.mkv", [rgb_frame(picture) for picture in pictures], "ffv1", "bgr0")
    write_picture(folder / "picture.png", rgb_frame(pictures[0]), "png")
    assert main(["encode", str(folder / "clip.mkv"), str(folder / "clip.fpr"), *TRAINED]) == 0
    return folder


@pytest.fixture
def clip(media: Path) -> Path:
    return media / "clip.mkv"


@pytest.fixture
def pressed(media: Path) -> Path:
    return media / "clip.fpr"


def everything(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


def process(*arguments: str | Path, before: str = "") -> subprocess.Popen[bytes]:
    """The command line in a process of its own, after some statements."""
    code = f"import sys\n{before}\nfrom fieldpress.cli import main\nsys.exit(main({[str(a) for a in arguments]!r}))"
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def finished(*arguments: str | Path, before: str = "") -> tuple[int, bytes, bytes]:
    with process(*arguments, before=before) as running:
        out, err = running.communicate()
    return running.returncode, out, err


# Before any command


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_alone_it_shows_an_example(run: Run, arguments: list[str]):
    outcome = run(*arguments)
    assert outcome.status == 0
    assert "fieldpress encode clip.mp4 clip.fpr" in outcome.out


def test_the_version_is_the_package_s(run: Run):
    assert run("--version").out == "fieldpress 0.1.0\n"


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["info", "clip.fpr"], ["decode", "--help"]])
def test_torch_is_not_loaded_for_what_needs_none(pressed: Path, arguments: list[str]):
    code = (
        "import sys\nfrom fieldpress.cli import main\n"
        f"assert main({[a.replace('clip.fpr', str(pressed)) for a in arguments]!r}) == 0\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, check=False).returncode == 0


def test_it_runs_as_a_module():
    done = subprocess.run([sys.executable, "-m", "fieldpress", "--version"], capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (0, b"fieldpress 0.1.0\n")


def test_presets_are_one_line_each(run: Run):
    lines = run("presets").out.splitlines()
    assert [line.split()[0] for line in lines] == list(PRESETS)


def test_the_help_of_encode_lists_the_fields_of_the_preset(run: Run):
    outcome = run("encode", "--help", "nvp-s")
    assert outcome.status == 0
    assert "--decoder.omega" in outcome.out
    assert "--minutes" in outcome.out


# Words and flags


def test_a_misspelt_command_is_told_the_right_one(refused: Callable[..., str]):
    assert "did you mean 'encode'?" in refused("encod")


def test_a_misspelt_flag_is_told_the_right_one(refused: Callable[..., str], clip: Path):
    message = refused("encode", clip, "a.fpr", "--plan.film.crff", "3")
    assert message == "unknown flag '--plan.film.crff'; did you mean '--plan.film.crf'?"


def test_a_misspelt_switch_is_told_the_right_one_though_it_swallows_a_word(refused: Callable[..., str], clip: Path):
    assert refused("encode", "--forse", clip, "a.fpr") == "unknown flag '--forse'; did you mean '--force'?"


def test_a_misspelt_preset_is_told_the_right_one(refused: Callable[..., str], clip: Path):
    assert "did you mean 'nvp-fit'?" in refused("encode", clip, "a.fpr", "nvp-fitt")


@pytest.mark.parametrize(
    "line",
    [
        "encode SOURCE a.fpr nvp-fit FLAGS --seed 7",
        "FLAGS --seed 7 encode SOURCE a.fpr nvp-fit",
        "encode FLAGS SOURCE --seed=7 a.fpr nvp-fit",
        "encode SOURCE FLAGS a.fpr --seed 7 nvp-fit",
    ],
)
def test_flags_stand_anywhere(run: Run, clip: Path, line: str):
    words = line.replace("FLAGS", " ".join(FAST)).replace("SOURCE", str(clip)).split()
    assert run(*words).status == 0
    about = container.read(Path("a.fpr").read_bytes()).header["about"]
    assert (about["seed"], about["preset"], about["steps"]) == (7, "nvp-fit", 4)


def test_two_dashes_end_the_flags():
    assert split(["a", "--", "--force"], ["--force"]).words == ["a", "--force"]


def test_a_dash_is_a_word_and_a_negative_number_a_value():
    line = split(["a", "-", "--frames", "-5:"], [])
    assert (line.words, line.flags) == (["a", "-"], {"--frames": "-5:"})


def test_underscores_and_hyphens_are_the_same_in_a_flag():
    assert split(["--time_scale", "2"], []).flags == {"--time-scale": "2"}


# The fields of a preset


def flags(line: str) -> dict[str, str | None]:
    return split(line.split(), []).flags


def test_a_field_of_the_preset_changes_and_all_others_stay():
    before = recipe("nvp-fit")
    after = changed(before, flags("--plan.volume.crf 40"))
    assert isinstance(after.plan["volume"], Video)
    assert after.plan["volume"].crf == 40.0
    assert (after.decoder, after.training, after.plan["decoder"]) == (
        before.decoder,
        before.training,
        before.plan["decoder"],
    )


def test_no_flag_leaves_the_recipe_as_it_is():
    assert changed(recipe("nvp-s"), {}) is recipe("nvp-s")


def test_a_part_is_exchanged_by_its_id_and_then_has_its_own_flags():
    plan = changed(recipe("nvp-fit"), flags("--plan.volume.bits 6 --plan.volume uniform")).plan
    assert plan["volume"] == Uniform(bits=6)


def test_a_part_inside_a_part_is_exchanged_after_it():
    plan = changed(
        recipe("nvp-s"), flags("--plan.decoder.parts.bits 5 --plan.decoder video --plan.decoder.parts uniform")
    ).plan
    assert plan["decoder"] == Video(parts=Uniform(bits=5))


def test_naming_the_part_that_is_there_keeps_its_values():
    assert changed(recipe("nvp-fit"), flags("--plan.volume video")).plan == recipe("nvp-fit").plan


def test_the_decoder_is_exchanged_like_a_compressor():
    assert changed(recipe("nvp-fit"), flags("--decoder siren --decoder.width 32")).decoder == Siren(width=32)


@pytest.mark.parametrize("name", ["rate", "image", "nvp-fit", "nvp-s", "radiance-vq"])
def test_every_part_can_be_had_in_place_of_any_other(name: str):
    # Some are subclasses of others.
    for identifier in DECODERS:
        assert changed(recipe(name), flags(f"--decoder {identifier}")).decoder.id == identifier
    for identifier in GRIDS:
        assert changed(recipe(name), flags(f"--grids {identifier}")).grids.id == identifier


def test_values_that_only_fit_together_change_together():
    video = changed(recipe("nvp-fit"), flags("--plan.volume.codec x265 --plan.volume.preset fast")).plan["volume"]
    assert isinstance(video, Video)
    assert (video.codec, video.preset) == ("x265", "fast")


def test_changing_a_field_without_naming_a_preset_keeps_the_source_s_own(run: Run, media: Path):
    settings = [*STEPS, "--plan.film.preset", "10", "--plan.film.crf", "40"]
    assert run("encode", media / "picture.png", "p.fpr", *settings).status == 0
    assert container.read(Path("p.fpr").read_bytes()).header["about"]["preset"] == "image"


def test_the_flags_of_a_source_are_those_of_its_own_preset(refused: Callable[..., str], media: Path):
    picture = media / "picture.png"
    assert "unknown flag '--plan.volume.crf'" in refused("encode", picture, "p.fpr", "--plan.volume.crf", "9")
    assert "unknown flag '--plan.volume.crf'" in refused(
        "encode", media / "clip.mkv", "a.fpr", "--plan.volume.crf", "9"
    )


# What encode refuses


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ("", "OUT is missing"),
        ("a.fpr nvp-fit again", "'again' is one word too many"),
        ("a.fpr --steps", "--steps needs a value"),
        ("a.fpr --steps --force", "--steps needs a value"),
        ("a.fpr --steps abc", "--steps is 'abc'; expected a whole number"),
        ("a.fpr --steps 0", "a training budget of 0 steps is none: give a number above 0"),
        ("a.fpr --minutes 0", "a training budget of 0 minutes is none: give a number above 0"),
        ("a.fpr --minutes nan", "expected a finite number"),
        ("a.fpr --steps 2 --minutes 1", "not both"),
        ("a.fpr --bpp 0.2 --size 2kB", "give one of --bpp, --size"),
        ("a.fpr --bpp -1", "--bpp is -1; expected a number above 0"),
        ("a.fpr --size 12XB", "--size is '12XB'; expected bytes such as 200000, 200kB or 1.5MB"),
        ("a.fpr --size 0", "--size is 0; expected a number above 0"),
        (
            "a.fpr --bpp 0.0001 --steps 2",
            "a file of 0.0001 bpp (0 bytes) is out of reach: with this source this preset gives about",
        ),
        ("a.fpr --rate-weight 1 --training.rate-weight 2", "--rate-weight is short for --training.rate-weight"),
        ("a.fpr --init tuker", "--init is 'tuker'; expected one of 'source', 'tucker', 'random'"),
        ("a.fpr --init tucker --training.start random", "give one of them"),
        ("a.fpr nvp-fit --init tucker --decoder siren", "use --init random"),
        ("a.fpr nvp-fit --init tucker", "a Tucker start needs a volume or planes, and --decoder mlp"),
        ("a.fpr --force=yes", "--force takes no value"),
        ("a.fpr --quality -1", "--quality is -1; expected 0 (best) to 51"),
        ("a.fpr --quality 52", "--quality is 52; expected 0 (best) to 51"),
        ("a.fpr --quality 30 --psnr 35", "give one of --quality, --psnr"),
        ("a.fpr --quality 30 --plan.film raw --steps 1", "--quality cannot turn preset rate: its film is given to raw"),
        ("a.fpr --quality 30 --grids film nvp-fit", "--quality cannot turn preset nvp-fit: its plan has no rule film"),
        ("a.fpr --psnr nan", "--psnr is nan; expected a finite number"),
        ("a.fpr --psnr 0", "--psnr is 0; expected a number of dB above 0"),
        ("a.fpr --psnr 35 --resume", "leave --resume out"),
        ("a.fpr --plan.film.crf 99", "svt-av1 takes 1 to 63"),
        ("a.fpr --plan.film vidoe", "did you mean 'video'?"),
        ("a.fpr --training.loss l3", "expected one of 'l2', 'psnr', 'l1-ssim'"),
        ("a.fpr --training.batch-pixels 0", "at least one pixel"),
        ("a.fpr --decoder.omega 3", "unknown flag '--decoder.omega'"),
        ("a.fpr --device abacus", "unknown device 'abacus'"),
        ("a.fpr --report a.fpr", "same file"),
        ("a.fpr --report nowhere/r.json", "nowhere does not exist"),
        ("a.fpr --log nowhere/log", "nowhere does not exist"),
        ("nowhere/a.fpr", "nowhere does not exist"),
    ],
)
def test_encode_refuses_in_one_line(refused: Callable[..., str], clip: Path, flags: str, says: str):
    assert says in refused("encode", clip, *flags.split())


@pytest.mark.parametrize("command", ["encode {} a.fpr", "eval {} {}"])
def test_a_source_that_is_a_fieldpress_file_is_to_be_decoded_first(
    refused: Callable[..., str], pressed: Path, command: str
):
    message = f"{pressed}: is a fieldpress file already; decode it first, to a .mkv to lose nothing"
    assert refused(*command.format(pressed, pressed).split()) == message


@pytest.mark.parametrize("name", ["a.mp4", "a.MKV", "a.png", "a.y4m", "a.gif", "a.ply"])
@pytest.mark.parametrize("aim", [[], ["--psnr", "30"]])
def test_encode_gives_its_file_no_name_of_another_kind(
    refused: Callable[..., str], clip: Path, name: str, aim: list[str]
):
    suffix = Path(name).suffix.lower()
    assert refused("encode", clip, name, *aim) == f"{name}: {suffix} files are not what encode writes; name it a.fpr"


def test_encode_refuses_a_source_that_is_not_there(refused: Callable[..., str]):
    assert "there is no such file" in refused("encode", "none.mp4", "a.fpr")


def test_a_name_with_a_line_end_still_gives_one_line(refused: Callable[..., str]):
    assert r"no\nne.mp4" in refused("encode", "no\nne.mp4", "a.fpr")


def test_encode_replaces_nothing_unless_told_to(refused: Callable[..., str], clip: Path):
    Path("a.fpr").write_bytes(b"mine")
    assert "--force" in refused("encode", clip, "a.fpr")
    assert Path("a.fpr").read_bytes() == b"mine"


def test_encode_replaces_no_report_unless_told_to(refused: Callable[..., str], clip: Path):
    Path("r.json").write_bytes(b"mine")
    assert "--force" in refused("encode", clip, "a.fpr", "--report", "r.json")


@pytest.mark.parametrize(("out", "report"), [("log", "r.json"), ("a.fpr", "log")], ids=str)
def test_a_log_is_no_file(refused: Callable[..., str], clip: Path, out: str, report: str):
    assert "and --log are the same path" in refused("encode", clip, out, "--report", report, "--log", "./log")


def test_a_report_that_cannot_be_written_leaves_the_finished_file(
    run: Run, clip: Path, monkeypatch: pytest.MonkeyPatch
):
    def full(path: str, data: bytes) -> None:
        raise SourceError(f"cannot write {path}; nothing was changed") from OSError(28, "No space left on device")

    monkeypatch.setattr("fieldpress.cli.encode.save", full)
    outcome = run("encode", clip, "a.fpr", *CODED, "--report", "r.json")
    assert outcome.status == 2
    assert outcome.err.splitlines()[-1] == (
        "fieldpress: error: cannot write --report r.json: No space left on device; a.fpr is finished"
    )
    assert outcome.out.startswith("a.fpr\n")
    assert Path("a.fpr").exists()


def test_a_log_without_tensorboard_says_what_to_install(
    refused: Callable[..., str], clip: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    assert 'pip install "fieldpress[log]"' in refused("encode", clip, "a.fpr", "--log", "log")


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: 9 bytes")])
def test_too_little_memory_is_one_line(
    refused: Callable[..., str], clip: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
):
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(subjects, "open_footage", fail)
    assert "out of memory" in refused("encode", clip, "a.fpr")


# What encode tells


def test_encode_says_its_result_on_standard_output_and_all_else_on_standard_error(run: Run, clip: Path):
    outcome = run("encode", clip, "a.fpr", *TRAINED)
    assert outcome.out.splitlines()[0] == "a.fpr"
    assert f"{Path('a.fpr').stat().st_size:,} bytes" in outcome.out
    assert "step 4" in outcome.err
    assert "step" not in outcome.out.replace("4 steps", "")


def test_the_default_preset_tells_that_it_began_and_counts_no_steps(run: Run, clip: Path):
    outcome = run("encode", clip, "a.fpr", *CODED)
    assert (outcome.status, "step" in outcome.out) == (0, False)
    assert "  made by         rate, seed 0, cpu\n" in outcome.out
    assert "  made by  preset rate, seed 0, device cpu\n" in run("info", "a.fpr").out
    first, last, *_ = outcome.err.splitlines()
    assert first == "  0%  coding  ? left"
    assert last.startswith("100%  coding  ")
    assert float(last.split()[2]) > 20  # dB
    assert container.read(Path("a.fpr").read_bytes()).header["about"]["steps"] == 0


def test_the_report_is_the_one_of_the_finished_file(run: Run, clip: Path):
    run("encode", clip, "a.fpr", *TRAINED, "--report", "r.json")
    report = json.loads(Path("r.json").read_text())
    assert list(report) == [field.name for field in fields(Report)]
    assert report["bytes"] == Path("a.fpr").stat().st_size
    assert sum(chunk["bytes"] for chunk in report["chunks"]) == report["bytes"]


def test_the_log_has_every_step_of_a_short_run_and_the_finished_file(run: Run, clip: Path):
    run("encode", clip, "a.fpr", *TRAINED, "--log", "log")
    entries = [json.loads(line) for line in Path("log/metrics.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in entries if "quality/psnr" in entry] == [1, 2, 3, 4, 4]
    assert entries[-2]["rate/bpp"] > 0
    assert entries[-1]["file/bpp"] == 8 * Path("a.fpr").stat().st_size / (5 * 32 * 48)
    assert list(Path("log").glob("events.out.tfevents.*"))


def test_the_log_tells_the_tries_of_a_quality_apart(run: Run, clip: Path):
    run("encode", clip, "a.fpr", *TRAINED, "--psnr", "24", "--log", "log")
    entries = [json.loads(line) for line in Path("log/metrics.jsonl").read_text().splitlines()]
    tries = [entry.get("try", 1) for entry in entries if "share" in entry]
    assert max(tries) > 1
    assert {tries.count(number) for number in range(1, max(tries) + 1)} == {tries.count(1)}


@pytest.mark.parametrize("room", [0, 1, 3])
def test_a_log_that_cannot_be_written_on_is_one_line(run: Run, clip: Path, monkeypatch: pytest.MonkeyPatch, room: int):
    """TensorBoard writes in a thread of its own, but for the first entry."""
    writer = pytest.importorskip("tensorboard.summary.writer.record_writer").RecordWriter
    usual = threading.excepthook

    written: list[object] = []

    def full(_: object, data: object) -> None:
        written.append(data)
        if len(written) > room:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(writer, "write", full)
    outcome = run("encode", clip, "a.fpr", *TRAINED, "--log", "log")
    assert outcome.status == 2
    assert outcome.err.splitlines()[-1] == "fieldpress: error: --log log: cannot be written: No space left on device"
    assert "Traceback" not in outcome.err
    assert threading.excepthook is usual


@pytest.mark.parametrize("how", [(), ("--psnr", "24.5")], ids=str)
def test_the_log_of_a_film_counts_its_encodes(
    run: Run, clip: Path, how: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
):
    """... of which each begins with a few for the tools that suit it, and they end with the longest time."""
    begun: list[int] = []
    start = Trainer.__init__

    def counted(self: Trainer, *arguments: Any, **named: Any) -> None:
        begun.append(0)
        start(self, *arguments, **named)

    monkeypatch.setattr(Trainer, "__init__", counted)
    run("encode", clip, "a.fpr", *CODED, *how, "--log", "log")
    entries = [json.loads(line) for line in Path("log/metrics.jsonl").read_text().splitlines()]
    shares = [entry for entry in entries if "share" in entry]
    assert {entry.get("try", 1) for entry in shares} == set(range(1, len(begun) + 1))
    for before, after in pairwise(shares):
        if before.get("try") == after.get("try"):
            assert before["seconds"] <= after["seconds"]


def test_the_log_of_a_run_whose_quality_is_not_known_at_first_is_json(run: Run, clip: Path):
    def no_number(text: str) -> None:
        raise AssertionError(f"{text} is not JSON")

    run("encode", clip, "a.fpr", *CODED, "--log", "log")
    lines = Path("log/metrics.jsonl").read_text().splitlines()
    first, *_, last, file = (json.loads(line, parse_constant=no_number) for line in lines)
    assert (first["share"], first.get("quality/psnr"), first["step"]) == (0, None, 0)
    assert last["quality/psnr"] == pytest.approx(file["file/psnr"], abs=1)  # before rounding to 8 bits and clipping
    assert list(Path("log").glob("events.out.tfevents.*"))


def test_a_terminal_shows_every_try_for_a_quality(run: Run, clip: Path, monkeypatch: pytest.MonkeyPatch):
    for variable, text in (("FORCE_COLOR", "1"), ("TERM", "xterm"), ("COLUMNS", "120")):
        monkeypatch.setenv(variable, text)
    outcome = run("encode", clip, "a.fpr", *CODED, "--psnr", "24.5")
    assert (outcome.status, "SSIM" in outcome.out) == (0, True)


# Stopping and going on


def first_step(outcome: Outcome) -> int:
    """The first step that a run tells of; one that began anew would say 1."""
    assert outcome.status == 0
    return int(outcome.err.split("step ")[1].split()[0])


@pytest.fixture
def uninterrupted(run: Run, clip: Path) -> bytes:
    assert run("encode", clip, "whole.fpr", *TRAINED).status == 0
    return Path("whole.fpr").read_bytes()


def test_ctrl_c_keeps_what_was_done_and_says_how_to_go_on(
    run: Run, clip: Path, uninterrupted: bytes, monkeypatch: pytest.MonkeyPatch
):
    original = loop.Trainer._train_step

    def press(self: loop.Trainer, share: float) -> float:
        if self.step == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return original(self, share)

    with monkeypatch.context() as patched:
        patched.setattr(loop.Trainer, "_train_step", press)
        outcome = run("encode", clip, "a.fpr", *TRAINED)
    assert outcome.status == 130
    *_, last = outcome.err.splitlines()
    assert last.endswith(f"go on with: fieldpress encode --resume {clip} a.fpr {' '.join(TRAINED)}")
    assert not Path("a.fpr").exists()

    resumed = run(*last.split("fieldpress ")[1].split())
    assert first_step(resumed) == 4
    assert Path("a.fpr").read_bytes() == uninterrupted
    assert not list(Path().glob("*checkpoint*"))


def test_sigterm_keeps_what_was_done_and_says_how_to_go_on_too(
    run: Run, clip: Path, uninterrupted: bytes, monkeypatch: pytest.MonkeyPatch
):
    original = loop.Trainer._train_step

    def terminate(self: loop.Trainer, share: float) -> float:
        if self.step == 2:
            for _ in range(2):  # as timeout does
                os.kill(os.getpid(), signal.SIGTERM)
        return original(self, share)

    before = signal.getsignal(signal.SIGTERM)
    with monkeypatch.context() as patched:
        patched.setattr(loop.Trainer, "_train_step", terminate)
        outcome = run("encode", clip, "a.fpr", *TRAINED)
    assert outcome.status == 143
    assert signal.getsignal(signal.SIGTERM) is before
    *_, last = outcome.err.splitlines()
    assert last.endswith(f"go on with: fieldpress encode --resume {clip} a.fpr {' '.join(TRAINED)}")
    assert not Path("a.fpr").exists()

    assert first_step(run(*last.split("fieldpress ")[1].split())) == 4
    assert Path("a.fpr").read_bytes() == uninterrupted


STOPS = pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])


@STOPS
@pytest.mark.parametrize("place", ["", "raise ImportError('it failed')"], ids=["as it is", "as another error"])
def test_being_stopped_while_modules_are_imported_gives_a_status(number: signal.Signals, status: int, place: str):
    # What stops an import in C may come out as another error.
    while_importing = f"""
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a suite in the background is deaf to Ctrl-C
class Stopping:
    def find_spec(self, name, *_):
        if name == "fieldpress.cli.encode":
            try:
                os.kill(os.getpid(), {number.value})
            finally:
                {place or "pass"}
sys.meta_path.insert(0, Stopping())
"""
    assert finished("encode", "clip.mkv", "a.fpr", before=while_importing) == (status, b"", b"")


@STOPS
def test_a_second_signal_while_python_ends_does_not_change_the_status(number: signal.Signals, status: int):
    code = f"""
import atexit, os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from fieldpress.cli import main, info
def stop(*_):
    os.kill(os.getpid(), {number.value})
class Late:
    __del__ = stop
info.run, late, sys.argv = stop, Late(), ["fieldpress", "info", "a.fpr"]
atexit.register(stop)
sys.exit(main())
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True)
    assert (ran.returncode, ran.stdout, ran.stderr) == (status, b"", b"")


def test_ctrl_c_before_training_is_quiet(run: Run, clip: Path, monkeypatch: pytest.MonkeyPatch):
    def press(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(subjects, "open_footage", press)
    outcome = run("encode", clip, "a.fpr", *TRAINED)
    assert (outcome.status, outcome.out, outcome.err) == (130, "", "")


def test_ctrl_c_works_as_before_after_a_run(run: Run, clip: Path):
    before = signal.getsignal(signal.SIGINT)
    run("encode", clip, "a.fpr", *TRAINED)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_killed_run_resumes_to_the_same_bytes(run: Run, clip: Path, uninterrupted: bytes):
    killed_after_the_second_checkpoint = """
import os, signal
from fieldpress.training import running
running.CHECKPOINT_SECONDS = 0.0
save, count = running.save_checkpoint, [0]
def save_and_die(*arguments):
    save(*arguments)
    count[0] += 1
    if count[0] == 2:
        os.kill(os.getpid(), signal.SIGKILL)
running.save_checkpoint = save_and_die
"""
    status, _, _ = finished("encode", clip, "a.fpr", *TRAINED, before=killed_after_the_second_checkpoint)
    assert status == -signal.SIGKILL
    assert [path.name for path in Path().glob("a.*")] == ["a.fpr.checkpoint"]

    assert first_step(run("encode", clip, "a.fpr", *TRAINED, "--resume")) == 3
    assert Path("a.fpr").read_bytes() == uninterrupted


@pytest.fixture
def coded(run: Run, clip: Path) -> bytes:
    assert run("encode", clip, "whole.fpr", *CODED).status == 0
    return Path("whole.fpr").read_bytes()


def test_ctrl_c_while_the_film_is_coded_stops_at_once_and_resumes_to_the_same_bytes(
    run: Run, clip: Path, coded: bytes, monkeypatch: pytest.MonkeyPatch
):
    def press(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(60)
        pytest.fail("the coding went on")

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a suite in the background is deaf to Ctrl-C
    try:
        with monkeypatch.context() as patched:
            patched.setattr(Video, "encode_all", press)
            outcome = run("encode", clip, "a.fpr", *CODED)
    finally:
        signal.signal(signal.SIGINT, before)
    assert outcome.status == 130
    *_, last = outcome.err.splitlines()
    assert last.endswith(f"go on with: fieldpress encode --resume {clip} a.fpr {' '.join(CODED)}")
    assert sorted(path.name for path in Path().glob("a.*")) == ["a.fpr.checkpoint"]

    assert run(*last.split("fieldpress ")[1].split()).status == 0
    assert Path("a.fpr").read_bytes() == coded
    assert not list(Path().glob("*checkpoint*"))


def test_ctrl_c_after_the_film_is_coded_does_not_code_it_again(
    run: Run, clip: Path, coded: bytes, monkeypatch: pytest.MonkeyPatch
):
    def press(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("fieldpress.training.objective.fit_head", press)
        assert run("encode", clip, "a.fpr", *CODED).status == 130
    with monkeypatch.context() as patched:
        patched.setattr(Video, "encode_all", lambda *_: pytest.fail("the film is coded again"))
        assert run("encode", "--resume", clip, "a.fpr", *CODED).status == 0
    assert Path("a.fpr").read_bytes() == coded


def test_a_run_that_is_killed_while_the_film_is_coded_can_be_asked_to_resume(run: Run, clip: Path, coded: bytes):
    killed = """
import os, signal
from fieldpress.compressors import Video
Video.encode_all = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
"""
    assert finished("encode", clip, "a.fpr", *CODED, before=killed)[0] == -signal.SIGKILL
    assert run("encode", clip, "a.fpr", *CODED, "--resume").status == 0
    assert Path("a.fpr").read_bytes() == coded
    assert not list(Path().glob("*checkpoint*"))


def test_a_checkpoint_of_another_run_is_refused(
    run: Run, refused: Callable[..., str], clip: Path, monkeypatch: pytest.MonkeyPatch
):
    def press(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(loop.Trainer, "_train_step", press)
        run("encode", clip, "a.fpr", *TRAINED)
    assert "another run" in refused("encode", clip, "a.fpr", *TRAINED, "--seed", "5", "--resume")


# decode


def decoded(path: str) -> np.ndarray:
    return load(path).rgb


def test_a_file_is_never_replaced_by_its_own_pictures(refused: Callable[..., str], pressed: Path, tmp_path: Path):
    named_as_a_video = tmp_path / "z.mkv"
    named_as_a_video.write_bytes(pressed.read_bytes())
    assert "is the source itself" in refused("decode", named_as_a_video, named_as_a_video, "--force")
    assert named_as_a_video.read_bytes() == pressed.read_bytes()


def test_decode_writes_every_picture(run: Run, pressed: Path):
    outcome = run("decode", pressed, "a.mkv")
    assert (outcome.status, outcome.out) == (0, "")
    assert decoded("a.mkv").shape == (5, 32, 48, 3)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1:3", [1, 2]), ("-2:", [3, 4]), ("::3", [0, 3]), ("2", [2]), ("-1", [4]), ("::-1", [4, 3, 2, 1, 0])],
)
def test_frames_are_chosen_as_python_slices(run: Run, pressed: Path, text: str, expected: list[int]):
    run("decode", pressed, "all.mkv")
    run("decode", pressed, "some.mkv", "--frames", text)
    assert np.array_equal(decoded("some.mkv"), decoded("all.mkv")[expected])


def test_a_crop_is_that_part_of_the_picture(run: Run, pressed: Path):
    run("decode", pressed, "all.mkv")
    run("decode", pressed, "part.mkv", "--crop", "8,4,16,10")
    assert np.array_equal(decoded("part.mkv"), decoded("all.mkv")[:, 4:14, 8:24])


def test_scale_and_time_scale_enlarge(run: Run, pressed: Path):
    run("decode", pressed, "large.mkv", "--scale", "1.5", "--time-scale", "2")
    large = load("large.mkv")
    assert large.rgb.shape == (10, 48, 72, 3)
    assert isinstance(large.signal, Clip)
    assert large.signal.frame_rate == (50, 1)


def test_only_pictures_go_to_standard_output(pressed: Path):
    status, out, err = finished("decode", pressed, "-")
    header, rest = out.split(b"\n", 1)
    assert header.startswith(b"YUV4MPEG2 W48 H32 F25:1 ")
    assert len(rest) == 5 * (len(b"FRAME\n") + 3 * 32 * 48)
    assert (status, err) == (0, b"")


def test_a_reader_that_stops_reading_is_no_error(pressed: Path):
    # More than a pipe holds, so that the writing meets the closed end.
    with process("decode", pressed, "-", "--scale", "4") as piped:
        assert piped.stdout is not None
        assert piped.stderr is not None
        piped.stdout.read(10)
        piped.stdout.close()
        assert piped.stderr.read() == b""
    assert piped.returncode == 0


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ("a.mkv --frames 9", "the file has 5 (0 to 4)"),
        ("a.mkv --frames 3:1", "selects no picture"),
        ("a.mkv --frames 1:2:0", "the step is 1 or more, or -1 or less"),
        ("a.mkv --frames a:b", "expected A:B"),
        ("a.mkv --scale 0", "--scale is above 0"),
        ("a.mkv --scale 1e9", "at most"),
        ("a.mkv --time-scale -1", "--time-scale is above 0"),
        ("a.mkv --crop 40,0,20,8", "leaves the picture"),
        ("a.mkv --crop 1,2,3", "--crop has 3 items; expected 4"),
        ("a.mkv --crop a,2,3,4", "--crop[0] is 'a'"),
        ("a.xyz", "unknown output format '.xyz'"),
        (f"{'x' * 300}.mkv", "cannot be written: File name too long"),
        ("a.png", "one .png holds one of the 5 pictures: use --frames N, or name a folder"),
        ("nowhere/a.mkv", "does not exist"),
        ("a.mkv --fames 3", "did you mean '--frames'?"),
        ("a.mkv --frames 3 --frames 4", "--frames is given twice; give it once"),
        ("a.mkv --time-scale 2 --scale 1 --time_scale=3", "--time-scale is given twice"),
        ("a.mkv --force --force", "--force is given twice"),
    ],
)
def test_decode_refuses_in_one_line(refused: Callable[..., str], pressed: Path, flags: str, says: str):
    assert says in refused("decode", pressed, *flags.split())


@pytest.mark.parametrize("command", ["decode {} a.mkv", "info {}", "eval {} source.mkv"])
def test_a_damaged_file_is_refused_by_its_name(refused: Callable[..., str], pressed: Path, command: str):
    data = bytearray(pressed.read_bytes())
    data[-10] ^= 1
    Path("bad.fpr").write_bytes(data)
    assert refused(*command.format("bad.fpr").split()).startswith("bad.fpr: ")


@pytest.mark.parametrize("command", ["decode {} a.mkv", "info {}", "eval {} source.mkv"])
def test_a_missing_file_is_refused(refused: Callable[..., str], command: str):
    assert "none.fpr" in refused(*command.format("none.fpr").split())


# info and eval


def test_the_table_of_info_adds_up_to_the_size_of_the_file(run: Run, pressed: Path):
    table = run("info", pressed).out.split("compressor\n")[1].splitlines()
    numbers = [int(row.split("%")[0].split()[-2].replace(",", "")) for row in table if "%" in row]
    *parts, whole = numbers
    assert sum(parts) == whole == pressed.stat().st_size


def test_info_as_json_is_complete(run: Run, pressed: Path):
    about = json.loads(run("info", pressed, "--json").out)
    assert about["signal"]["frames"] == 5
    assert sum(chunk["bytes"] for chunk in about["chunks"]) == about["bytes"] == pressed.stat().st_size


def test_info_shows_no_control_characters_of_a_header(run: Run, pressed: Path):
    contents = container.read(pressed.read_bytes())
    header = {**contents.header, "about": {"preset": "\x1b[2J evil"}}
    Path("evil.fpr").write_bytes(container.write(header, contents.chunks))
    outcome = run("info", "evil.fpr")
    assert (outcome.status, "\x1b" in outcome.out) == (0, False)


def test_eval_gives_the_figures_that_encode_gave(run: Run, clip: Path):
    run("encode", clip, "a.fpr", *TRAINED, "--report", "r.json")
    made, found = json.loads(Path("r.json").read_text()), json.loads(run("eval", "a.fpr", clip, "--json").out)
    assert list(found) == list(made)
    same = ("bytes", "bpp", "psnr_rgb", "psnr_y", "ssim", "frames", "steps", "preset", "chunks")
    assert {key: found[key] for key in same} == {key: made[key] for key in same}
    assert found["encode_seconds"] is None


def test_eval_refuses_a_source_of_another_size(refused: Callable[..., str], media: Path):
    assert "1 pictures of 48 x 32" in refused("eval", media / "clip.fpr", media / "picture.png")


def test_output_that_cannot_be_taken_is_one_line(pressed: Path):
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    code = f"import sys\nfrom fieldpress.cli import main\nsys.exit(main(['info', {str(pressed)!r}]))"
    with open("/dev/full", "wb") as full:
        done = subprocess.run([sys.executable, "-c", code], stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(b"fieldpress: error: standard output cannot be written")
    assert done.stderr.count(b"\n") == 1


def redirected(redirection: str, *arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
    """The command line as a shell starts it, with its streams changed."""
    command = ["sh", "-c", f'exec "$0" -m fieldpress "$@" {redirection}', sys.executable, *map(str, arguments)]
    source = str(Path(subjects.__file__).parents[2])
    return subprocess.run(command, capture_output=True, check=False, env={**os.environ, "PYTHONPATH": source})


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full", "2>&1 >/dev/null | true"])
def test_an_encode_whose_progress_nobody_reads_goes_on(clip: Path, tmp_path: Path, redirection: str):
    if "full" in redirection and not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    done = redirected(redirection, "encode", clip, tmp_path / "a.fpr", *CODED)
    assert done.returncode == 0
    assert fieldpress.open(tmp_path / "a.fpr")[0].shape == (32, 48, 3)


def test_without_standard_output_everything_is_done_but_said(pressed: Path, clip: Path, tmp_path: Path):
    for arguments in (["encode", clip, tmp_path / "a.fpr", *CODED], ["info", pressed], ["info", "--help"]):
        done = redirected(">&-", *arguments)
        assert (done.returncode, done.stderr.count(b"Traceback")) == (0, 0)
    assert (tmp_path / "a.fpr").exists()
    done = redirected(">&-", "decode", pressed, "-")
    assert (done.returncode, done.stderr) == (
        2, b"fieldpress: error: standard output is closed; open it, or name a file or a folder\n"
    )  # fmt: skip


# When pictures are shown


def film(*timestamps: int, rate: tuple[int, int] = (30_000, 1001)) -> Clip:
    """A clip in thousandths of a second, or at a constant rate."""
    base = (1, 1000) if timestamps else rate[::-1]
    return Clip(len(timestamps) or 6, 4, 4, rate, base, timestamps or None, "rgb", True)


def shown(clip: Clip | Image, frames: slice = slice(None), time_scale: float = 1.0) -> list[Fraction]:
    """The seconds at which the pictures of a view appear."""
    positions = view(clip, frames, time_scale=time_scale).positions
    timing = view_timing(clip, positions)
    return [timing.time(i) * timing.base for i in range(len(positions))]


def test_the_whole_clip_keeps_its_timing():
    clip = film(0, 40, 120, rate=(50, 3))
    timing = view_timing(clip, view(clip).positions)
    assert (timing.frame_rate, timing.time_base, timing.timestamps) == ((50, 3), (1, 1000), (0, 40, 120))


def test_a_part_of_a_clip_begins_at_zero_and_keeps_its_distances():
    assert shown(film(0, 40, 120, 130, 170), slice(1, 4)) == [0, Fraction(80, 1000), Fraction(90, 1000)]


def test_pictures_left_out_leave_the_others_their_times():
    assert shown(film(0, 40, 120, 130, 170), slice(0, 5, 2)) == [0, Fraction(120, 1000), Fraction(170, 1000)]
    assert shown(film(), slice(0, 6, 3)) == [0, Fraction(3 * 1001, 30_000)]


def test_backwards_the_gaps_come_in_the_other_order():
    assert shown(film(0, 40, 120, 130), slice(None, None, -1)) == [Fraction(t, 1000) for t in (0, 10, 90, 130)]
    assert shown(film(), slice(None, None, -3)) == [0, Fraction(3 * 1001, 30_000)]


def test_pictures_between_pictures_come_between_their_times():
    # At twice the rate, pictures lie at -1/4, 1/4, 3/4 and 5/4; the one gap of 40 ms goes on at both ends.
    assert shown(film(0, 40), time_scale=2) == [Fraction(20 * i, 1000) for i in range(4)]
    # Here the middle gap is 80 ms: 1/4 and 3/4 lie in the first one, 5/4 and 7/4 in the second.
    times = [Fraction(t, 1000) for t in (-10, 10, 30, 60, 100, 140)]
    assert shown(film(0, 40, 120), time_scale=2) == [time - times[0] for time in times]


def test_a_time_scale_multiplies_a_constant_rate_exactly():
    clip = film()
    assert view_timing(clip, view(clip, time_scale=2.5).positions).frame_rate == (75_000, 1001)


def test_a_time_scale_keeps_the_length_of_a_clip():
    clip = film()
    part = view(clip, time_scale=4)
    assert len(part.positions) / Fraction(*view_timing(clip, part.positions).frame_rate) == 6 * Fraction(1001, 30_000)


def test_an_image_counts_as_a_clip_of_25_pictures_a_second():
    assert view_timing(Image(4, 4, "rgb", True), [Fraction(0)]).frame_rate == (25, 1)


@pytest.mark.parametrize("rate", [(2**31 - 1, 1), (1, 2**31 - 1), (2**31 - 1, 2**31 - 2)])
def test_any_rate_of_a_file_gives_numbers_that_containers_hold(rate: tuple[int, int]):
    clip = film(rate=rate)
    for scale in (0.35, 1, 999.999):
        timing = view_timing(clip, view(clip, time_scale=scale).positions)
        assert all(1 <= part < 2**31 for part in (*timing.frame_rate, *timing.time_base))


def test_times_too_fine_for_a_container_become_their_average_rate():
    clip = Clip(3, 4, 4, (25, 1), (1, 2**31 - 1), (0, 1, 3), "rgb", True)
    timing = view_timing(clip, view(clip, time_scale=3).positions)
    assert timing.timestamps is None
    assert all(1 <= part < 2**31 for part in timing.frame_rate)


# Small things


@pytest.mark.parametrize("text", ["", ":::", "1:2:3:4", "1.5", "x"])
def test_frames_that_are_no_range_are_refused(text: str):
    with pytest.raises(ConfigError, match="--frames"):
        frame_range(text)


def test_durations_read_like_a_clock():
    assert [duration(s) for s in (5.26, 59.96, 125, 3725)] == ["5.3 s", "1:00", "2:05", "1:02:05"]


def test_columns_are_aligned():
    assert columns([["a", "9"], ["bc", "10"]], right=[1]) == "  a    9\n  bc  10"


def test_a_line_shows_what_cannot_be_seen():
    assert one_line("a\nb\x1b\udcff é") == r"a\nb\x1b\udcff é"
