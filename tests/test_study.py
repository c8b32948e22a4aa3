"""Studies: what runs they have, that finished ones stay, and what is refused before anything is trained."""

import json
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from studied import clip_in, studied

import fieldpress
from clips import moving_pictures, rgb_frame, write_clip
from fieldpress.bench import study as study_module
from fieldpress.bench.clips import Clip
from fieldpress.bench.reports.verdicts import lost, won
from fieldpress.bench.runs.comparisons import bd_rate, findings, gain_at_equal_bytes, worthwhile
from fieldpress.bench.runs.results import Row, by_point
from fieldpress.bench.runs.run import Run, plan_runs, with_settings
from fieldpress.bench.runs.runjob import RunJob
from fieldpress.bench.runs.traincurve import BINS, TrainingCurve
from fieldpress.bench.studies import NAMES, Comparison, Study, Variation, studies
from fieldpress.bench.studies.turning import CRFS
from fieldpress.checks import check_plan
from fieldpress.cli import main
from fieldpress.errors import ConfigError
from fieldpress.jobs import worker
from fieldpress.presets import recipe
from fieldpress.training.config import Budget
from fieldpress.training.loop import Progress

STEPS = ["--steps", "3", "--device", "cpu"]
CLIP = Clip("clip.mkv", "clip.mkv", 132, 180, 320, "0" * 64)
KEYS = """
    study clip compressor guide every init codes bits ranks crf steps seed bytes bpp psnr_rgb psnr_y seconds
""".split()  # noqa: SIM905 - a list of so many strings is harder to read


def tiny() -> Study:
    """Two curves of two points that train in no time."""
    variations = [
        Variation("Steps", curve, {**coded, "training.guidance.kind": kind})
        for curve, kind in (("no guidance", "none"), ("round trip", "round-trip"))
        for coded in (
            {"plan.volume": "uniform", "plan.volume.bits": bits, "plan.planes": "uniform"} for bits in ("3", "6")
        )
    ]
    comparison = Comparison("Steps", "round trip", "no guidance")
    return Study("guidance", "A tiny study", "It trains in no time.", tuple(variations), (comparison,))


@pytest.fixture(autouse=True)
def _studies_are_tiny_where_they_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        study_module, "studies", lambda name, only=None, of_scenes=False: studies(name, only) and [tiny()]
    )


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pictures = [rgb_frame(picture) for picture in moving_pictures(4, 32, 48)]
    return write_clip(tmp_path_factory.mktemp("media") / "clip.mkv", pictures, "ffv1", "bgr0")


@pytest.fixture(scope="module")
def done(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished study of two seeds, made by two workers."""
    folder = tmp_path_factory.mktemp("study") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(study_module, "studies", lambda *_, **__: [tiny()])
        assert main(["study", "guidance", str(clip), "--out", str(folder), *STEPS, "--seeds", "2", "--jobs", "2"]) == 0
    return folder


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Callable[..., str]:
    """Runs a study that is to fail before it trains: status 2, one line, no new file."""

    def call(*arguments: str | Path) -> str:
        before = sorted(tmp_path.rglob("*"))
        assert main(["study", *map(str, arguments)]) == 2
        out, err = capsys.readouterr()
        assert (out, err.count("\n")) == ("", 1)
        assert sorted(tmp_path.rglob("*")) == before
        return err.removeprefix("fieldpress: error: ").rstrip("\n")

    return call


def runs_of(name: str, seeds: int = 1) -> list[Run]:
    return [
        run
        for study in studies(name, of_scenes=name == "radiance")
        for run in plan_runs(study, [CLIP], Budget(steps=100), seeds, "cpu")
    ]


# What a study consists of


@pytest.mark.parametrize("name", [name for name in NAMES if name != "all"])
def test_every_run_of_a_study_is_possible(name: str):
    for run in runs_of(name):
        check_plan(run.recipe, run.expected_field)


def test_all_is_every_study_that_suits_the_sources():
    clips, scenes = ([study.name for study in studies("all", of_scenes=of_scenes)] for of_scenes in (False, True))
    assert scenes == ["radiance"]
    assert [*clips, *scenes] == [name for name in NAMES if name != "all"]


def test_a_study_of_photographs_refuses_videos(refused: Callable[..., str], clip: Path, tmp_path: Path):
    assert refused("radiance", clip, "--out", tmp_path / "out") == (
        "study radiance is of posed photographs; the sources are videos"
    )


@pytest.mark.parametrize("name", NAMES)
def test_runs_that_differ_have_names_that_differ(name: str):
    requests: dict[str, set[tuple[str, int | None, int]]] = {}
    for run in runs_of(name, seeds=2):
        requests.setdefault(run.name, set()).add((str(run.recipe), run.budget.steps, run.seed))
    assert {len(same) for same in requests.values()} == {1}


@pytest.mark.parametrize("name", NAMES)
def test_lines_of_the_table_are_of_one_run_and_its_seeds(name: str):
    points = by_point([Row(run, {}, {}) for run in runs_of(name, seeds=2)])
    for rows in points.values():
        assert len({(str(row.run.recipe), row.run.budget.steps) for row in rows}) == 1
        assert [row.run.seed for row in rows] == [0, 1]


@pytest.mark.parametrize("name", NAMES)
def test_comparisons_name_curves_that_exist(name: str):
    for study in studies(name, of_scenes=name == "radiance"):
        curves = {(variation.chart, variation.curve) for variation in study.variations}
        assert {(c.chart, curve) for c in study.comparisons for curve in (c.curve, c.base)} <= curves


def test_guidance_has_every_kind_at_four_qualities_and_several_frequencies():
    facts = [run.facts for run in runs_of("guidance") if run.facts["compressor"] == "video"]
    for kind in ("none", "project", "round-trip", "proximal"):
        assert {fact["crf"] for fact in facts if fact["guide"] == kind and fact["every"] in (None, 0.05)} == set(CRFS)
    assert len({fact["every"] for fact in facts if fact["guide"] == "project"}) >= 3


def test_facts_are_null_where_they_do_not_apply():
    fact = next(run.facts for run in runs_of("dictionary") if run.facts["codes"] == "random")
    assert (fact["compressor"], fact["guide"], fact["crf"], fact["ranks"]) == ("dictionary", "special", None, None)


def test_codes_of_k_means_count_as_tuned_where_training_goes_on_with_them():
    codes = {(run.facts["codes"], run.facts["guide"]) for run in runs_of("dictionary")}
    assert {("kmeans", "none"), ("kmeans, tuned", "special")} <= codes


def test_half_a_budget_is_half_the_steps():
    assert {run.budget.steps for run in runs_of("tucker")} == {100, 50}


def test_some_curves_can_be_made_alone():
    (study,) = studies("guidance", only="video codec (x265): no, tucker: project")
    assert {(one.chart, one.curve) for one in study.variations} >= {
        ("Video codec (x265)", "no guidance"),
        ("Tucker", "project"),
    }
    assert not any(one.curve == "round trip" for one in study.variations)
    assert study.comparisons == studies("guidance")[0].comparisons


def test_words_that_are_empty_are_refused(clip: Path, tmp_path: Path):
    with pytest.raises(ConfigError, match="--only is empty"):
        study_module.run_study("guidance", [clip], tmp_path / "out", steps=1, only="")
    assert not (tmp_path / "out").exists()


def test_a_mesh_is_refused(tmp_path: Path):
    box = tmp_path / "box.obj"
    corners = [f"v {i & 1} {i >> 1 & 1} {i >> 2}" for i in range(8)]
    faces = ["1 3 4 2", "5 6 8 7", "1 2 6 5", "3 7 8 4", "1 5 7 3", "2 4 8 6"]
    box.write_text("\n".join([*corners, *(f"f {face}" for face in faces)]) + "\n")
    with pytest.raises(ConfigError, match=r"box\.obj is a mesh; studies are of videos"):
        study_module.run_study("guidance", [box], tmp_path / "out", steps=1)
    assert not (tmp_path / "out").exists()


def test_words_that_no_curve_holds_are_refused_with_the_curves():
    with pytest.raises(ConfigError, match=r"--only 'speed' names no curve of this study; its curves are no guidance; "):
        studies("guidance", only="speed")


def test_a_setting_that_does_not_exist_is_refused():
    with pytest.raises(ConfigError, match=r"unknown setting '--plan\.volume\.bitz'"):
        with_settings(recipe("nvp-mini"), {"plan.volume": "uniform", "plan.volume.bitz": "3"})


# A whole study


def test_every_run_is_a_file_whose_figures_are_in_the_results(done: Path):
    rows = json.loads((done / "results.json").read_text())
    assert len(rows) == 8
    for row in rows:
        assert [key for key in row if key in KEYS] == KEYS
        assert (done / row["file"]).stat().st_size == row["bytes"]
        assert row["bpp"] == pytest.approx(8 * row["bytes"] / (4 * 32 * 48))
    assert {(row["guide"], row["bits"], row["seed"]) for row in rows} == {
        (guide, bits, seed) for guide in ("none", "round-trip") for bits in (3, 6) for seed in (0, 1)
    }


def test_a_run_is_what_encode_makes_of_its_recipe(done: Path, clip: Path, tmp_path: Path):
    record = next((done / "runs").glob("*round-trip*6*seed-1*.json"))
    chosen = with_settings(recipe("nvp-mini"), json.loads(record.read_text())["variation"]["settings"])
    fieldpress.encode(clip, tmp_path / "a.fpr", chosen, steps=3, seed=1, device="cpu")
    assert (tmp_path / "a.fpr").read_bytes() == record.with_suffix(".fpr").read_bytes()


def test_the_table_has_a_line_for_each_point(done: Path):
    lines = (done / "table.md").read_text().splitlines()
    assert len(lines) == 2 + 4
    assert len({line.count("|") for line in lines}) == 1


def test_only_what_is_missing_is_made_again(done: Path, clip: Path, capsys: pytest.CaptureFixture[str]):
    files = sorted((done / "runs").iterdir())
    missing = files[0].with_suffix(".fpr")
    data, times = missing.read_bytes(), {file: file.stat().st_mtime_ns for file in files}
    missing.unlink()
    assert main(["study", "guidance", str(clip), "--out", str(done), *STEPS, "--seeds", "2"]) == 0
    assert missing.read_bytes() == data
    made = [file for file in files if file.stat().st_mtime_ns != times[file]]
    assert {file.stem for file in made} == {missing.stem}
    assert capsys.readouterr().out == f"{done / 'index.html'}\n"


def test_ctrl_c_leaves_whole_runs_only_and_says_how_to_go_on(clip: Path, tmp_path: Path):
    arguments = ["study", "guidance", str(clip), "--out", str(tmp_path / "out"), "--steps", "3000", "--device", "cpu"]
    code = (
        "import sys\nsys.path[:0] = ['tests']\nfrom fieldpress.bench import study\nfrom fieldpress.cli import main\n"
        "from test_study import tiny\nstudy.studies = lambda *_, **__: [tiny()]\n"
        f"if __name__ == '__main__': sys.exit(main({arguments!r}))"
    )
    script = tmp_path / "study.py"
    script.write_text(code.replace("'tests'", repr(str(Path(__file__).parent))))

    def heed_ctrl_c() -> None:  # a suite that runs in the background is told not to, and its children inherit that
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    command = [sys.executable, script]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=heed_ctrl_c) as running:
        assert running.stderr
        assert running.stderr.readline().startswith("study guidance: 0 of 4 runs")
        time.sleep(1)  # of the first run
        running.send_signal(signal.SIGINT)
        told = running.stderr.read()
    assert running.returncode == 130
    assert told.count("\n") == 1
    assert f"go on with: fieldpress {' '.join(arguments)}" in told
    assert all(file.with_suffix(".json").exists() for file in (tmp_path / "out/runs").iterdir())


# What is refused before anything is trained


def test_an_unknown_study(refused: Callable[..., str], clip: Path):
    known = "known: guidance, tucker, dictionary, ideas, radiance, all"
    assert refused("guidence", clip, "--out", "x") == f"unknown study 'guidence'; did you mean 'guidance'? {known}"


def test_no_source(refused: Callable[..., str]):
    text = "SOURCE... is missing; usage: fieldpress study NAME SOURCE... [flags]"
    assert refused("guidance", "--out", "x") == text


def test_no_folder(refused: Callable[..., str], clip: Path):
    assert refused("guidance", clip).startswith("--out is missing")


def test_a_source_that_is_not_there(refused: Callable[..., str], clip: Path):
    assert "no such file" in refused("guidance", clip, "gone.mkv", "--out", "x")


def test_both_budgets(refused: Callable[..., str], clip: Path):
    assert refused("guidance", clip, "--out", "x", *STEPS, "--minutes-per-run", "1") == (
        "give --minutes-per-run or --steps, not both"
    )


@pytest.mark.parametrize("flag", ["--seeds", "--jobs"])
@pytest.mark.parametrize("count", ["0", "-1", "100000"])
def test_a_count_out_of_range(refused: Callable[..., str], clip: Path, flag: str, count: str):
    assert refused("guidance", clip, "--out", "x", flag, count).startswith(f"{flag} is {count}; expected 1 to")


def test_a_clip_given_twice(refused: Callable[..., str], clip: Path):
    assert refused("guidance", clip, clip, "--out", "x") == (
        "two sources are called 'clip.mkv'; rename one, or give it once"
    )


def test_a_folder_of_something_else(refused: Callable[..., str], clip: Path):
    Path("x").mkdir()
    Path("x/letter.txt").touch()
    assert "holds something else than a study" in refused("guidance", clip, "--out", "x", *STEPS)


def test_a_folder_of_another_budget(refused: Callable[..., str], clip: Path, done: Path):
    text = refused("guidance", clip, "--out", done, "--steps", "4", "--device", "cpu")
    assert text == f"--out {done}: holds a study with budget 3 steps, asked is budget 4 steps; name another folder"


def test_a_folder_of_another_study(refused: Callable[..., str], clip: Path, done: Path):
    assert "a study with study guidance, asked is study all" in refused("all", clip, "--out", done, *STEPS)


def test_a_folder_of_another_clip_of_the_same_name_and_size(
    refused: Callable[..., str], done: Path, tmp_path_factory: pytest.TempPathFactory
):
    pictures = [rgb_frame(255 - picture) for picture in moving_pictures(4, 32, 48)]
    other = write_clip(tmp_path_factory.mktemp("other") / "clip.mkv", pictures, "ffv1", "bgr0")
    text = refused("guidance", other, "--out", done, *STEPS)
    assert "clips clip.mkv (4 pictures) with other pictures" in text


def test_a_variation_that_a_clip_is_too_small_for(
    refused: Callable[..., str], clip: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(study_module, "studies", studies)
    text = refused("dictionary", clip, "--out", "x", *STEPS)
    assert text.startswith("study dictionary, k-means after training, bits 8: impossible for clip.mkv: ")


# Parts of it


def test_what_is_left_out_need_not_be_possible(clip: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(study_module, "studies", studies)
    waiting: list[str] = []

    def none_at_all(jobs: list[RunJob], *_: object) -> dict[str, str]:
        waiting.extend(job.run.variation.curve for job in jobs)
        return {}

    monkeypatch.setattr(study_module, "run_jobs", none_at_all)
    only = ["--only", "learned*bits=2"]
    assert main(["study", "dictionary", str(clip), "--out", str(tmp_path / "x"), *STEPS, *only]) == 0
    assert waiting
    assert all("learned" in curve for curve in waiting)


def test_a_run_that_is_impossible_says_why_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(worker._Line, "stop", threading.Event(), raising=False)
    monkeypatch.setattr(worker._Line, "reports", queue.Queue(), raising=False)
    run = plan_runs(tiny(), [CLIP], Budget(steps=1), 1, "cpu")[0]
    assert worker.execute(RunJob(run, tmp_path / "a.fpr")) == "clip.mkv: there is no such file or folder"
    assert not list(tmp_path.iterdir())


def test_a_training_curve_keeps_the_teeth_of_a_long_run():
    curve, steps, every = TrainingCurve(), 50_000, 2500
    for step in range(steps):
        tooth = 3.0 if step and step % every == 0 else 0.0
        curve.add(Progress(step + 1, step / steps, 30 - tooth, 1.0 + step // every, 0.0, 0.0))
    kept = curve.to_plain()
    assert len(kept["psnr"]) <= 2 * BINS + 1
    assert kept["psnr"].count(27.0) == len(kept["round_trips"]) - 1 == 19
    assert kept["share"] == sorted(kept["share"])


def test_a_training_curve_passes_over_a_quality_that_is_not_known_yet():
    curve = TrainingCurve()
    for share, psnr in ((0.0, float("nan")), (1.0, 30.0)):
        curve.add(Progress(0, share, psnr, 0.0, 0.0, 0.0))
    assert json.loads(json.dumps(curve.to_plain(), allow_nan=False))["psnr"] == [30.0]


def test_gain_at_equal_bytes_is_none_without_a_size_in_common():
    small, large = (np.array([sizes, 2.0 * sizes]) for sizes in (100.0, 1000.0))
    quality = np.array([30.0, 32.0])
    assert gain_at_equal_bytes((small, quality), (large, quality)) is None


def test_files_that_are_larger_and_no_better_do_not_count():
    sizes, quality = worthwhile((np.array([1.0, 2.0, 3.0, 4.0, 5.0]), np.array([20.0, 22.0, 22.0, 21.0, 23.0])))
    assert (sizes.tolist(), quality.tolist()) == ([1.0, 2.0, 5.0], [20.0, 22.0, 23.0])


def test_half_the_bytes_are_a_bd_rate_of_minus_50_percent():
    pytest.importorskip("bjontegaard", reason="the extra bench is not installed")
    sizes, quality = np.array([1e3, 2e3, 4e3, 8e3]), np.array([30.0, 33.0, 36.0, 38.0])
    assert bd_rate((sizes / 2, quality), (sizes, quality)) == pytest.approx(-50)
    assert bd_rate((sizes[:3], quality[:3]), (sizes, quality)) is None


def test_the_reading_says_what_won_and_what_did_not(tmp_path: Path):
    study = studies("guidance")[0]
    gains = {"project": 2.0, "round trip": 3.0, "proximal": -0.5}
    found = findings(study, studied(study, tmp_path, clip_in(tmp_path), gains=gains, seeds=3))
    main = [f for f in found if f.chart.startswith("Video") and f.curve in gains]
    assert [f.gain.mean for f in main if f.gain] == pytest.approx([2.0, 3.0, -0.5])
    assert {f.seeds for f in main} == {3}
    (best,), (worst,) = won(main), lost(main)
    assert "<i>round trip</i> did best, +3.00" in best
    assert "Also better: <i>project</i>, +2.00" in best
    assert "<i>proximal</i> was worse than <i>no guidance</i>: −0.50" in worst


def test_the_reading_tells_how_far_apart_curves_without_a_common_size_are(tmp_path: Path):
    study = studies("dictionary")[0]
    found = findings(study, studied(study, tmp_path, clip_in(tmp_path)))
    # The largest dictionary has 8 kB, the uncompressed file 16 kB and so 6 dB more.
    text = next(sentence for sentence in lost(found) if "uncompressed" in sentence)
    assert text.replace("\N{NO-BREAK SPACE}", " ").endswith("it has −6.00 dB with 50 % of the bytes.")
    (alone,) = won([finding for finding in found if finding.gain is None][:1])
    assert alone.endswith("no two curves have a file size in common, so nothing is said at equal bytes.")
