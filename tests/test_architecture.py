"""Who may import whom, what importing loads, and that every part is registered and described."""

import ast
import dataclasses
import inspect
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import fieldpress
from fieldpress.compressors import COMPRESSORS
from fieldpress.config import Registry
from fieldpress.decoders import DECODERS
from fieldpress.encodings import ENCODINGS
from fieldpress.grids import GRIDS
from fieldpress.signals import SIGNALS

PACKAGE = Path(fieldpress.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
REGISTRIES = {"compressor": COMPRESSORS, "decoder": DECODERS, "encoding": ENCODINGS, "grids": GRIDS, "signal": SIGNALS}

ENCODE_ONLY = (
    *("training", "sources", "subjects", "checks", "assembly", "writing", "aiming", "request", "segment_jobs"),
    *("bench", "cli", "jobs", "presets", "grids", "pieces"),
)
"""What a decode must not load."""

FOUNDATION = {"chunktable", "config", "container", "errors", "header", "progress"}
ALLOWED = {
    "places": set(),
    "coding": FOUNDATION | {"places"},
    "compressors": FOUNDATION | {"coding", "places"},
    "interpolation": set(),
    "queries": set(),
    "painting": {"interpolation", "queries"},
    "interfaces": {"places", "queries"},
    "field": FOUNDATION | {"interfaces", "painting", "places", "queries"},
    "encodings": FOUNDATION | {"field", "interfaces", "interpolation", "places"},
    "decoders": FOUNDATION | {"encodings", "field", "interfaces"},
    "signals": FOUNDATION,
    "metrics": FOUNDATION | {"signals"},
    "rendering": FOUNDATION | {"signals"},
    "pictures": FOUNDATION | {"field"},
    "shading": FOUNDATION | {"decoders", "encodings", "field"},
    "sightlines": FOUNDATION | {"encodings", "field", "rendering", "shading"},
    "scenes": FOUNDATION | {"field", "pictures", "rendering", "sightlines", "signals"},
    "shapes": FOUNDATION | {"encodings", "field", "meshing", "pictures", "reading", "signals"},
    "segments": FOUNDATION | {"field", "interfaces"},
    "threads": set(),
    "views": FOUNDATION | {"field", "pictures", "scenes", "shapes", "signals", "threads"},
    "streams": set(),
    "sinks": FOUNDATION | {"signals", "pixels", "streams"},
    "sources": FOUNDATION | {"signals", "pixels"},
    "tensors": FOUNDATION | {"compressors", "places"},
    "description": FOUNDATION | {"decoders", "encodings", "field", "segments", "signals"},
    "outline": FOUNDATION | {"description", "field", "segments", "signals", "tensors"},
    "decoded": FOUNDATION | {"arguments", "description", "field", "pictures", "signals", "views"},
    "reading": FOUNDATION
    | {"arguments", "decoded", "description", "devices", "field", "loading", "outline", "segments", "tensors"},
    "training": FOUNDATION
    | {"arguments", "compressors", "decoders", "encodings", "field", "interfaces", "interpolation", "metrics"}
    | {"places", "queries", "rendering", "sightlines", "signals"},
    "arguments": {"config"},
    "jobs": {"errors"},
}
"""Part of the package to the parts that it may import, besides itself."""


def imports(path: Path) -> Iterator[str]:
    """The modules of ours that a module names, those inside functions included."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("fieldpress"))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("fieldpress"):
            assert not node.level
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (inner if node.module == "fieldpress" else [node.module or ""])


def part_of(module: str) -> str:
    return module.split(".")[1]


def loaded_by(statement: str) -> set[str]:
    """The modules that a fresh process has loaded after a statement."""
    code = f"{statement}\nimport sys\nprint(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(ran.stdout.split())


# Imports


@pytest.mark.parametrize("part", ALLOWED)
def test_a_part_imports_only_what_stands_below_it(part: str):
    files = [PACKAGE / f"{part}.py"] if (PACKAGE / f"{part}.py").exists() else sorted((PACKAGE / part).rglob("*.py"))
    assert files
    for file in files:
        found = {part_of(module) for module in imports(file)} - {part}
        assert found <= ALLOWED[part], f"{file.name} imports {found - ALLOWED[part]}"


def test_only_the_command_line_knows_the_bench():
    knowing = [path for path in MODULES if any(module.startswith("fieldpress.bench") for module in imports(path))]
    assert {path.relative_to(PACKAGE).parts[0] for path in knowing} == {"bench", "cli"}


def test_decoding_loads_nothing_that_encodes():
    loaded = loaded_by("import fieldpress.reading, fieldpress.views, fieldpress.report; fieldpress.open")
    ours = {part_of(module) for module in loaded if module.startswith("fieldpress.")}
    assert "field" in ours
    assert not ours & set(ENCODE_ONLY)


@pytest.mark.parametrize("decoder", sorted(DECODERS))
def test_building_a_decoder_for_a_file_does_not_load_a_compiler(decoder: str):
    # Of a second or more. What triggers it are random numbers on the device of shapes: see decoders/perceptron.py.
    build = "import torch\nfrom fieldpress.decoders import DECODERS\nwith torch.device('meta'):\n    "
    features = {"head": 9 * 6, "postfilter": 25 * 6}.get(decoder, 8)
    loaded = loaded_by(f"{build}DECODERS[{decoder!r}]().build({features})")
    assert "fieldpress.decoders.mlp" in loaded
    assert not loaded & {"torch._dynamo", "torch.fx.experimental.symbolic_shapes"}


def test_importing_the_package_loads_neither_torch_nor_numpy():
    assert not loaded_by("import fieldpress") & {"torch", "numpy", "av"}


def test_coding_needs_no_torch():
    assert "torch" not in loaded_by("import fieldpress.coding.frames, fieldpress.coding.integers")


def test_the_public_names_are_there():
    for name in fieldpress.__all__:
        assert getattr(fieldpress, name).__doc__
    with pytest.raises(AttributeError, match="no attribute 'decompress'"):
        fieldpress.decompress  # noqa: B018


# Safety


def test_nothing_is_unpickled_or_executed():
    banned = {"pickle", "marshal", "shelve", "dill", "joblib"}
    for path in MODULES:
        tree = ast.parse(path.read_text())
        names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        names |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
        assert not names & banned, path.name
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            called = ast.unparse(call.func)
            assert called not in ("eval", "exec", "os.system", "np.load"), path.name
            if called == "torch.load":
                assert "weights_only=True" in ast.unparse(call), path.name


def test_the_library_prints_nothing():
    for path in MODULES:
        if "cli" not in path.parts:
            calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
            assert "print" not in {ast.unparse(call.func) for call in calls}, path.name


# Parts


@pytest.mark.parametrize("noun", REGISTRIES)
def test_every_part_has_an_id_a_description_and_a_place_in_a_file_of_its_own(noun: str):
    registry = REGISTRIES[noun]
    classes = [registry[identifier] for identifier in registry]
    for identifier, part in zip(registry, classes, strict=True):
        assert part.id == identifier == identifier.lower()
        assert dataclasses.is_dataclass(part)
        assert part.__dataclass_params__.frozen
        assert inspect.getdoc(part)
    if noun != "grids":
        assert len({part.__module__ for part in classes}) == len(classes)


@pytest.mark.parametrize("noun", REGISTRIES)
def test_no_part_is_left_out_of_its_registry(noun: str):
    registry: Registry = REGISTRIES[noun]
    registered = {registry[identifier] for identifier in registry}
    base = next(iter(registered)).__mro__[-3]  # the last ones are ABC and object
    ours = {part for part in descendants(base) if part.__module__.startswith("fieldpress.")}
    assert {part for part in ours if not inspect.isabstract(part)} == registered


def descendants(base: type) -> Iterator[type]:
    """Every class below this one."""
    for part in base.__subclasses__():
        yield part
        yield from descendants(part)


@pytest.mark.parametrize("noun", [noun for noun in REGISTRIES if noun != "grids"])
def test_every_part_of_the_format_is_described_in_it(noun: str):
    text = (PACKAGE.parents[1] / "FORMAT.md").read_text()
    assert all(f"`{identifier}`" in text for identifier in REGISTRIES[noun])


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_module_says_what_it_is(path: Path):
    tree = ast.parse(path.read_text())
    assert not tree.body or ast.get_docstring(tree)
