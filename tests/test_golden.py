"""Files of every version of the format decode to what they decoded to when they were written."""

import json
from pathlib import Path

import numpy as np
import pytest
from golden_symbols import by_fieldpress, by_the_format_alone

import fieldpress
from fieldpress import container
from fieldpress.compressors import COMPRESSORS
from fieldpress.decoders import DECODERS
from fieldpress.encodings import ENCODINGS
from fieldpress.signals import SIGNALS

FOLDER = Path(__file__).parent / "golden"
GOLDEN = {
    1: [
        "atlas",
        "cells",
        "cells-with-planes",
        "dictionary",
        "film",
        "flow",
        "hevc",
        "image",
        "lowrank",
        "marked-codes",
        "nested",
        "nvp-fit",
        "nvp-fit-with-planes",
        "pieces",
        "placed-codes",
        "postfilter",
        "published",
        "radiance-dense",
        "radiance-hash",
        "radiance-vq",
        "raw-image",
        "segments",
        "shape",
        "tucker",
    ]
}
"""Names of the files by version; ``golden/write.py`` writes new ones."""

every_file = pytest.mark.parametrize(
    "path",
    [FOLDER / f"v{version}" / f"{name}.fpr" for version in GOLDEN for name in GOLDEN[version]],
    ids=lambda p: p.stem,
)


def test_no_file_is_missing_or_unlisted():
    found = {version: sorted(path.stem for path in (FOLDER / f"v{version}").glob("*.fpr")) for version in GOLDEN}
    assert found == GOLDEN


def test_the_current_version_has_golden_files():
    assert max(GOLDEN) == container.VERSION


@every_file
def test_the_file_is_of_its_version(path: Path):
    assert f"v{path.read_bytes()[len(container.MAGIC)]}" == path.parent.name


@every_file
def test_tensors_decode_bit_for_bit(path: Path):
    tensors = fieldpress.open(path).field.tensors()
    with np.load(path.with_suffix(".npz"), allow_pickle=False) as stored:
        assert {*stored.files} == {*tensors, "pictures"}
        for name, tensor in tensors.items():
            np.testing.assert_array_equal(tensor.numpy(), stored[name], strict=True, err_msg=name)


@pytest.mark.parametrize("coder", ["constriction", "python"])
@every_file
def test_symbols_are_the_same_with_either_coder(path: Path, coder: str):
    if coder == "constriction":
        pytest.importorskip("constriction")
    assert by_fieldpress(path.read_bytes(), constriction=coder == "constriction") == recorded(path)


@every_file
def test_the_format_alone_gives_the_same_symbols_and_tensors(path: Path):
    symbols, tensors = by_the_format_alone(path.read_bytes())
    assert symbols == recorded(path)
    with np.load(path.with_suffix(".npz"), allow_pickle=False) as stored:
        assert {*stored.files} == {*tensors, "pictures"}
        for name, tensor in tensors.items():
            np.testing.assert_array_equal(tensor, stored[name], strict=True, err_msg=name)


def recorded(path: Path) -> dict[str, str]:
    """The MD5 of the symbols of each chunk."""
    return json.loads((path.parent / "symbols.json").read_text("utf-8"))[path.stem]


@every_file
def test_pictures_decode_within_a_code_value(path: Path):
    with np.load(path.with_suffix(".npz"), allow_pickle=False) as stored:
        pictures = np.stack(list(fieldpress.open(path)))
        assert pictures.shape == stored["pictures"].shape
        # Machines add up in different orders: a colour on the border of two codes may fall to either.
        assert np.abs(pictures.astype(int) - stored["pictures"]).max() <= 1


def test_every_part_of_the_format_is_in_one_of_the_files():
    found: dict[str, set[str]] = {"signal": set(), "encoding": set(), "decoder": set(), "compressor": set()}
    for path in (FOLDER / f"v{container.VERSION}").glob("*.fpr"):
        contents = container.read(path.read_bytes())
        found["signal"].add(contents.header["signal"]["id"])
        if "field" in contents.header:
            field = contents.header["field"]
            found["encoding"] |= {config["id"] for config in field["encodings"].values()}
            found["decoder"].add(field["decoder"]["id"])
        found["compressor"] |= {chunk.compressor["id"] for chunk in contents.chunks}
    registries = {"signal": SIGNALS, "encoding": ENCODINGS, "decoder": DECODERS, "compressor": COMPRESSORS}
    assert found == {noun: set(registry) for noun, registry in registries.items()}
