"""A study of photographs: the same folder and page as a study of clips."""

import json
from pathlib import Path

import pytest
from small_scenes import STEPS, photographs

from fieldpress.bench import study as study_module
from fieldpress.bench.studies import SCENE_PRESET, Comparison, Study, Variation
from fieldpress.cli import main

SMALL = {"grids.coarsest": "2", "grids.finest": "4", "grids.channels": "4", "training.batch-pixels": "128"}


def tiny() -> Study:
    """Two curves of two points."""
    variations = [
        Variation("Octree", curve, {**SMALL, "plan.octree": compressor, "plan.octree.bits": bits})
        for curve, compressor in (("learned codes", "dictionary"), ("uniform steps", "uniform"))
        for bits in ("2", "3")
    ]
    comparison = Comparison("Octree", "learned codes", "uniform steps")
    return Study("radiance", "A tiny study", "Of a scene.", tuple(variations), (comparison,), SCENE_PRESET, True)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished study."""
    folder = tmp_path_factory.mktemp("study")
    source = photographs(folder / "ball")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(study_module, "studies", lambda *_, **__: [tiny()])
        arguments = ["study", "radiance", str(source), "--out", str(folder / "out"), "--steps", str(STEPS)]
        assert main([*arguments, "--device", "cpu"]) == 0
    return folder / "out"


def test_every_run_is_a_file_that_counts_all_its_bytes(done: Path):
    rows = json.loads((done / "results.json").read_text())
    assert len(rows) == 4
    assert [(done / row["file"]).stat().st_size for row in rows] == [row["bytes"] for row in rows]


def test_the_facts_are_those_of_the_octrees_features(done: Path):
    rows = json.loads((done / "results.json").read_text())
    facts = [(row["compressor"], row["codes"], row["bits"]) for row in rows]
    assert facts == [
        ("dictionary", "learned", 2), ("dictionary", "learned", 3), ("uniform", None, 2), ("uniform", None, 3),
    ]  # fmt: skip


def test_the_page_shows_a_view_that_was_held_out(done: Path):
    page = (done / "index.html").read_text()
    assert "A tiny study" in page
    assert "preset <code>radiance-vq</code> but" in page
    assert page.count("data:image/png;base64,") >= 3  # the original and both curves


def test_photographs_and_videos_do_not_go_into_one_study(
    done: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    from clips import moving_pictures, rgb_frame, write_clip

    clip = write_clip(tmp_path / "clip.mkv", [rgb_frame(p) for p in moving_pictures(2, 32, 32)], "ffv1", "bgr0")
    assert main(["study", "all", str(done.parent / "ball"), str(clip), "--out", str(tmp_path / "out")]) == 2
    assert "some sources are videos and some posed photographs" in capsys.readouterr().err
