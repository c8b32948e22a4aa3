"""What the documents show works: Python blocks run, command lines are understood, links lead somewhere.

All blocks of a page run in one folder that has ``clip.mp4``, ``photo.png``, ``frames/`` and ``clip.fpr``, one after
the other in one namespace. Training is cut to a few steps. A block behind ``<!-- not run: reason -->`` is left out.
"""

import dataclasses
import importlib
import inspect
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import fieldpress
from clips import moving_pictures, rgb_frame, write_clip, write_picture
from fieldpress import config, loading, writing
from fieldpress.bench.studies import NAMES as STUDIES
from fieldpress.cli import bench as bench_command
from fieldpress.cli import commands, flags
from fieldpress.cli import encode as encode_command
from fieldpress.cli import study as study_command
from fieldpress.compressors import COMPRESSORS
from fieldpress.compressors.guides import Guidance
from fieldpress.decoders import DECODERS
from fieldpress.errors import FieldpressError
from fieldpress.grids import GRIDS
from fieldpress.training.config import Training

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
STEPS = 2

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def blocks(page: Path, languages: str) -> list[str]:
    """The blocks of a page in these languages (a pattern)."""
    found = re.findall(rf"(<!-- not run: .+? -->\n)?^```({languages})\n(.*?)^```", page.read_text("utf-8"), re.M | re.S)
    return [text for skipped, _, text in found if not skipped]


def command_lines() -> Iterator[list[str]]:
    """Arguments of every call of ``fieldpress`` in every page, in blocks and in sentences."""
    for page in PAGES:
        texts = blocks(page, "sh|bash|shell|console|text")
        texts += re.findall(
            r"`(fieldpress [^`]+)`", re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.M | re.S)
        )
        for text in texts:
            for line in text.replace("\\\n", " ").replace("\\|", "|").splitlines():
                line = line.removeprefix("$ ").partition("|")[0]
                if re.match("(.*/)?fieldpress ", line) and not re.search(r"\b[A-Z]{3,}\b|   ", line):  # else a synopsis
                    words = shlex.split(line, comments=True)
                    if words[1:] != ["bench"] and words[1:] != ["encode"]:  # else a sentence names the command
                        yield words[1:]


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with everything the pages take as given."""
    folder = tmp_path_factory.mktemp("docs")
    pictures = [rgb_frame(picture) for picture in moving_pictures(20, 180, 320, cell=20)]
    write_clip(folder / "clip.mp4", pictures, "libx264", "yuv420p", options={"preset": "ultrafast"})
    write_picture(folder / "photo.png", pictures[0], "png")
    (folder / "frames").mkdir()
    for index, picture in enumerate(pictures[:3]):
        write_picture(folder / f"frames/{index}.png", picture, "png")
    torch.set_num_threads(1)
    writing.encode(folder / "clip.mp4", folder / "clip.fpr", steps=STEPS)
    return folder


@pytest.fixture
def folder(material: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh copy of it, as the current folder, where training is short."""
    shutil.copytree(material, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    train = writing.encode

    def quick(source: str, out: str, preset: Any = None, **options: Any) -> fieldpress.Report:
        options = {**options, "minutes": None, "steps": STEPS, "force": True}
        return train(source, out, preset, **options)

    monkeypatch.setattr(fieldpress, "encode", quick, raising=False)
    monkeypatch.setattr(config, "_REGISTRIES", dict(config._REGISTRIES))  # a page may add a part
    return tmp_path


@every_page
@pytest.mark.usefixtures("folder")
def test_the_python_of_a_page_runs(page: Path) -> None:
    namespace: dict[str, Any] = {"__name__": page.stem}
    for number, text in enumerate(blocks(page, "python")):
        exec(compile(text, f"{page.name}, Python block {number}", "exec"), namespace)


class Understood(Exception):
    """Raised where a command would begin to work: its line was understood."""


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("arguments", [pytest.param(line, id=" ".join(line)) for line in command_lines()])
def test_a_command_line_in_a_page_is_understood(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def begin(*_: Any, **__: Any) -> None:
        raise Understood

    monkeypatch.setattr(encode_command, "encode", begin)
    monkeypatch.setattr(study_command, "run_study", begin)
    monkeypatch.setattr(bench_command, "run_bench", begin)
    monkeypatch.setattr(writing, "evaluate", begin)
    monkeypatch.setattr(loading, "read_bytes", begin)
    Path("clip.fpr").unlink()  # so that a first encode of a page needs no --force
    try:
        assert commands.dispatch(arguments) == 0
    except Understood:
        pass
    except SystemExit as leaving:
        if leaving.code:  # else it was a help page
            pytest.fail(f"fieldpress {shlex.join(arguments)}: exit status {leaving.code}")
    except FieldpressError as error:
        pytest.fail(f"fieldpress {shlex.join(arguments)}: {error}")


def test_the_pages_have_command_lines() -> None:
    assert {line[0] for line in command_lines()} >= {"encode", "decode", "info", "eval", "presets"}


def test_the_command_line_page_names_every_setting() -> None:
    page = (ROOT / "docs/command-line.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `(--[a-z]+[.a-z]*)`?.*? \| (.+) \|$", page, re.M))
    where = {"--grids": GRIDS, "--decoder": DECODERS, "--plan.volume": COMPRESSORS}
    parts = [(rows[flag], kind, [kind.id]) for flag, known in where.items() for kind in map(known.__getitem__, known)]
    alike = [(rows["--training."], Training, []), (rows["--training.guidance."], Guidance, [])]
    for row, kind, names in [*parts, *alike]:
        for name in [*names, *(field.name.replace("_", "-") for field in dataclasses.fields(kind))]:
            assert f"`{name}`" in row or name == "guidance", f"{kind.__name__}: {name}"


def test_the_page_on_parts_names_classes_that_exist() -> None:
    page = (ROOT / "docs/adding-a-part.md").read_text("utf-8")
    named = re.findall(r"`([a-z.]+)\.([A-Z]\w+)`", page.split("## ")[0])
    assert len(named) > 5
    for module, name in named:
        found = getattr(importlib.import_module(f"fieldpress.{module}"), name)
        assert found.__module__ == f"fieldpress.{module}"


def commands_of_the_page() -> Iterator[tuple[type, str]]:
    """Every command's class, and the part of a page that lists its flags."""
    page = (ROOT / "docs/command-line.md").read_text("utf-8")
    sections = dict(re.findall(r"^## (.+?)$(.*?)(?=^## |\Z)", page, re.M | re.S))
    sections["bench"] = (ROOT / "docs/bench.md").read_text("utf-8")
    for name, (module, _) in commands.COMMANDS.items():
        [section] = [text for heading, text in sections.items() if name in heading.split(", ")]
        yield getattr(importlib.import_module(f"fieldpress.cli.{module}"), name.capitalize()), section


@pytest.mark.parametrize(
    ("command", "section"), [pytest.param(*found, id=found[0].__name__) for found in commands_of_the_page()]
)
def test_the_pages_list_every_flag_of_every_command(command: type, section: str) -> None:
    listed = set(re.findall(r"`(--[a-z-]+)", section))
    assert set(flags.kinds(command)) <= listed


def test_the_command_line_page_lists_every_study() -> None:
    page = (ROOT / "docs/command-line.md").read_text("utf-8")
    assert all(f"| `{name}` |" in page for name in STUDIES)


def test_the_python_page_shows_every_argument_of_encode() -> None:
    page = (ROOT / "docs/python.md").read_text("utf-8")
    shown = re.findall(r"(\w+)(?:=[^,]+)?", page.split("`fieldpress.encode(")[1].split(")`")[0])
    assert shown == list(inspect.signature(writing.encode).parameters)


def test_the_own_compressor_is_the_same_in_the_page_and_in_the_example() -> None:
    listing, _ = blocks(ROOT / "docs/adding-a-part.md", "python")
    listed = listing[listing.index("@dataclass") :]
    assert listed in (ROOT / "examples/05_own_compressor.py").read_text("utf-8")


@pytest.mark.parametrize("page", [*PAGES, ROOT / "FORMAT.md", ROOT / "CONTRIBUTING.md"], ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        place = (page.parent / path).resolve() if path else page
        assert place.exists(), f"{page.name}: {target}"
        if anchor:
            assert anchor in anchors(place), f"{page.name}: {target}"


def anchors(page: Path) -> set[str]:
    """The anchors that a page's headings get."""
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
