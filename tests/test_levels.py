"""Files in levels: every prefix decodes, cut files decode to their last whole level, and lies are refused."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from octrees import PLAN, drawn_tensors, looking_in, octree, scene_field, scene_file, shell
from pressed import CLIP, FITTED, press
from small_scenes import PRESETS, STEPS, photographs, small

import fieldpress
from fieldpress import container
from fieldpress.compressors import Known, Octants, Raw
from fieldpress.config import Plain, to_plain
from fieldpress.decoders import Mlp
from fieldpress.encodings import Dense, HashGrid
from fieldpress.encodings.octree import octree_of
from fieldpress.errors import ConfigError, FormatError
from fieldpress.field import FieldConfig
from fieldpress.metrics import picture_psnr
from fieldpress.reading import decode
from fieldpress.signals import Radiance
from fieldpress.sources.photos import load_photos
from fieldpress.writing import encode

OCCUPIED = shell(16)
CONFIG = scene_field(OCCUPIED)
TENSORS = drawn_tensors(CONFIG, OCCUPIED)
LEVELS = 3


@pytest.fixture(scope="module")
def file() -> bytes:
    """A scene of drawn numbers in three levels."""
    return scene_file(CONFIG, TENSORS)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return photographs(tmp_path_factory.mktemp("scene") / "photographs")


@pytest.fixture(scope="module")
def encoded(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], bytes]:
    """The bytes of a trained file of each preset."""
    made: dict[str, bytes] = {}

    def make(name: str) -> bytes:
        if name not in made:
            out = tmp_path_factory.mktemp("files") / f"{name}.fpr"
            encode(photos, out, small(name), steps=STEPS, device="cpu")
            made[name] = out.read_bytes()
        return made[name]

    return make


def pictures_of(scene: fieldpress.Decoded) -> np.ndarray:
    return np.stack(list(scene))


def ends_of_levels(data: bytes) -> list[int]:
    """Where each level ends in a file."""
    ends, position = [], 0
    levels = {chunk.name: chunk.level for chunk in container.read(data).chunks}
    for part in container.sizes(data):
        position += part.bytes
        if part.part in levels:
            level = levels[part.part]
            ends[level:] = [position]
    return ends


# Prefixes


@pytest.mark.parametrize("name", PRESETS)
def test_every_prefix_decodes_to_another_picture(name: str, encoded: Callable[[str], bytes]):
    data = encoded(name)
    seen = [pictures_of(decode(data, levels=levels)) for levels in range(1, LEVELS + 1)]
    for coarse, fine in pairwise(seen):
        assert coarse.shape == fine.shape
        assert (coarse != fine).any()


def test_all_levels_are_shown_unless_fewer_are_asked_for(file: bytes):
    assert decode(file).levels == LEVELS
    assert np.array_equal(pictures_of(decode(file)), pictures_of(decode(file, levels=LEVELS)))


@pytest.mark.parametrize("levels", [0, -1, LEVELS + 1])
def test_levels_that_a_file_does_not_have_are_refused(levels: int, file: bytes):
    with pytest.raises(ConfigError, match=f"--levels is {levels}; the file has {LEVELS}"):
        decode(file, levels=levels)


def test_a_clip_has_one_level():
    data = press(FITTED, CLIP)
    assert decode(data, levels=1).levels == 1
    with pytest.raises(ConfigError, match="the file has 1"):
        decode(data, levels=2)


@pytest.mark.parametrize("levels", [1, 2])
def test_a_prefix_is_the_field_without_its_finer_levels(levels: int, file: bytes):
    side = 16 >> (LEVELS - levels)
    coarse = OCCUPIED.view(side, 16 // side, side, 16 // side, side, 16 // side).any(5).any(3).any(1)
    config = scene_field(coarse)
    tensors = {name: TENSORS[name] for name in config.shapes()}
    assert np.array_equal(pictures_of(decode(file, levels=levels)), pictures_of(decode(scene_file(config, tensors))))


def test_a_prefix_needs_no_memory_for_what_is_finer(file: bytes):
    field = decode(file, levels=1).field
    absent = [tensor for name, tensor in field.tensors().items() if name.endswith(".2")]
    assert len(absent) == 2
    assert all(tensor.untyped_storage().nbytes() == 4 for tensor in absent)


@pytest.mark.parametrize("name", PRESETS)
def test_the_header_says_what_every_prefix_is_worth(name: str, photos: Path, encoded: Callable[[str], bytes]):
    data = encoded(name)
    signal = decode(data).signal
    assert isinstance(signal, Radiance)
    figures = signal.levels_psnr
    held_out = load_photos(photos).test
    assert len(figures) == container.read(data).levels
    for levels, figure in enumerate(figures, 1):
        psnrs = []
        for photo, picture in zip(held_out, decode(data, levels=levels), strict=True):
            assert photo.alpha is not None
            opacity = photo.alpha[..., None] / 255
            over_white = np.rint(photo.rgb * opacity + 255 * (1 - opacity)).astype(np.uint8)
            psnrs.append(picture_psnr(over_white, picture))
        assert figure == pytest.approx(np.mean(psnrs), abs=0.006)  # rounded to a hundredth


# Cut files


@pytest.mark.parametrize("name", ["radiance-vq", "radiance-hash"])
def test_a_file_that_is_cut_anywhere_has_its_last_whole_level_or_is_refused(name: str, encoded: Callable[[str], bytes]):
    data = encoded(name)
    ends = ends_of_levels(data)
    assert ends[-1] == len(data)
    # Every place near a border between chunks, and a few hundred others.
    borders, position = [], 0
    for part in container.sizes(data):
        position += part.bytes
        borders += [position + around for around in (-5, -4, -1, 0, 1)]
    cuts = sorted({*borders, *range(0, len(data), max(1, len(data) // 100)), *range(20)})
    for cut in (cut for cut in cuts if cut < len(data)):
        whole = sum(end <= cut for end in ends)
        if whole:
            assert decode(data[:cut]).levels == min(whole, len(ends))
        else:
            with pytest.raises(FormatError, match=r"cut short|not a fieldpress file"):
                decode(data[:cut])


def test_a_cut_file_shows_what_its_whole_levels_show(file: bytes):
    for levels, end in enumerate(ends_of_levels(file)[:-1], 1):
        for cut in (end, end + 7):
            assert np.array_equal(pictures_of(decode(file[:cut])), pictures_of(decode(file, levels=levels)))


def test_a_cut_file_shows_fewer_levels_if_asked(file: bytes):
    cut = file[: ends_of_levels(file)[1]]
    assert decode(cut, levels=1).levels == 1
    assert decode(cut, levels=3).levels == 2  # as many as there are


def test_a_cut_file_that_is_damaged_is_refused(file: bytes):
    end = ends_of_levels(file)[1]
    for position in range(13, end, max(1, end // 60)):
        broken = bytearray(file[:end])
        broken[position] ^= 4
        with pytest.raises(FormatError):
            decode(bytes(broken))


def test_a_cut_clip_is_refused():
    data = press(FITTED, CLIP)
    for cut in range(0, len(data), 17):
        with pytest.raises(FormatError):
            decode(data[:cut])


def test_coarse_levels_come_first(encoded: Callable[[str], bytes]):
    chunks = container.read(encoded("radiance-vq")).chunks
    assert [chunk.name for chunk in chunks] == [
        *("octree.octants", "octree", "decoder"),
        *("octree.octants@1", "octree@1"),
        *("octree.octants@2", "octree@2"),
    ]
    assert [chunk.level for chunk in chunks] == [0, 0, 0, 1, 1, 2, 2]


# Lies


def rewritten(file: bytes, change: Callable[[dict[str, Plain]], None]) -> bytes:
    """The file with another header before the same chunks."""
    contents = container.read(file)
    change(contents.header)
    return container.write(contents.header, contents.chunks)


def put(*keys: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(header: dict[str, Any]) -> None:
        table = header
        for key in keys[:-1]:
            table = table[key]
        table[keys[-1]] = value

    return change


def with_tensor(name: str, values: np.ndarray, config: FieldConfig = CONFIG) -> bytes:
    """A file in which one tensor is another, stored as it is."""
    return scene_file(config, {**TENSORS, name: values}, plan={"*": Raw()})


@pytest.mark.parametrize("level", range(LEVELS))
def test_octants_with_another_number_of_ones_are_refused(level: int):
    octants = TENSORS[f"octree.octants.{level}"].copy()
    octants[tuple(np.argwhere(octants == 0)[0])] = 1
    with pytest.raises(FormatError, match=f"level {level} of an octree has"):
        decode(with_tensor(f"octree.octants.{level}", octants))


def test_octants_with_another_number_of_corners_are_refused():
    octants = TENSORS["octree.octants.2"].copy()
    octants[tuple(np.argwhere(octants == 1)[0])] = 0
    octants[tuple(np.argwhere(octants == 0)[-1])] = 1
    with pytest.raises(FormatError, match=r"level 2 of an octree has \d+ corners"):
        decode(with_tensor("octree.octants.2", octants))


def test_no_octants_at_all_are_refused():
    with pytest.raises(FormatError, match="level 0 of an octree has 0 cells"):
        decode(with_tensor("octree.octants.0", np.zeros_like(TENSORS["octree.octants.0"])))


def test_octants_that_lie_in_finer_levels_are_noticed_when_these_are_decoded():
    octants = np.zeros_like(TENSORS["octree.octants.2"])
    file = with_tensor("octree.octants.2", octants)
    decode(file, levels=2)
    with pytest.raises(FormatError, match="level 2 of an octree has 0 cells"):
        decode(file)


@pytest.mark.parametrize(("key", "more"), [("cells", 1), ("corners", 1), ("cells", 2**20), ("corners", 2**20)])
@pytest.mark.parametrize("level", range(LEVELS))
def test_a_header_with_other_counts_is_refused(key: str, more: int, level: int, file: bytes):
    counts = list(getattr(octree(OCCUPIED, 2, 3), key))
    counts[level] += more
    with pytest.raises(FormatError):
        decode(rewritten(file, put("field", "encodings", "octree", key, value=counts)))


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        (("field", "encodings", "octree", "coarsest"), 3),
        (("field", "encodings", "octree", "coarsest"), 0),
        (("field", "encodings", "octree", "channels"), 4),
        (("field", "encodings", "octree", "channels"), 0),
        (("field", "encodings", "octree", "cells"), [8]),
        (("field", "encodings", "octree", "cells"), []),
        (("field", "encodings"), {}),
        (("field", "decoder"), {"id": "mlp", "width": 6, "depth": 2}),
        (("field", "decoder", "width"), 7),
        (("signal", "stands"), []),
        (("signal", "lenses"), []),
        (("signal", "background"), [0.0, 0.0, 2.0]),
        (("signal", "background"), [0.0, 0.0]),
        (("signal", "observed"), 0),
        (("signal", "space", "matrix"), [1.0] * 15),
        (("signal", "space", "near"), -1.0),
        (
            (
                "signal",
                "lenses",
            ),
            [{"height": 0, "width": 4, "fx": 1.0, "fy": 1.0, "cx": 1.0, "cy": 1.0, "distortion": []}],
        ),
        (("signal", "levels_psnr"), ["good"]),
        (("signal",), to_plain(CLIP)),
    ],
    ids=str,
)
def test_a_header_that_makes_no_sense_is_refused(keys: tuple[str, ...], value: Plain, file: bytes):
    with pytest.raises(FormatError):
        decode(rewritten(file, put(*keys, value=value)))


def test_a_scene_without_an_octree_is_refused():
    config = FieldConfig({"dense": Dense(2, 3)}, CONFIG.decoder)
    with pytest.raises(FormatError, match="needs an octree that says what is empty"):
        decode(scene_file(config, drawn_tensors(config, OCCUPIED)))


def test_a_scene_with_the_decoder_of_a_clip_is_refused():
    config = replace(CONFIG, decoder=Mlp(4, 1))
    with pytest.raises(FormatError, match="the decoder 'mlp' is not for a signal of the kind 'radiance'"):
        decode(scene_file(config, drawn_tensors(config, OCCUPIED)))


def test_a_clip_with_the_decoder_of_a_scene_is_refused(file: bytes):
    with pytest.raises(FormatError, match="the decoder 'radiance' is not for a signal of the kind 'video'"):
        decode(rewritten(file, put("signal", value=to_plain(CLIP))))


@pytest.mark.parametrize("level", [0, 2, 200])
def test_a_tensor_in_a_chunk_of_another_level_is_refused(level: int, file: bytes):
    contents = container.read(file)
    moved = [replace(chunk, level=level) if chunk.name == "*@1" else chunk for chunk in contents.chunks]
    assert moved != list(contents.chunks)
    with pytest.raises(FormatError):
        decode(container.write(contents.header, moved))


def test_a_level_that_does_not_follow_from_the_coarser_ones_is_refused(file: bytes):
    # Under a rule of its own, a level of octants is read as if nothing were coarser.
    contents = container.read(file)
    moved = [replace(chunk, name="alone@1") if chunk.name == "octree.octants@1" else chunk for chunk in contents.chunks]
    with pytest.raises(FormatError, match="chunk 'alone@1'"):
        decode(container.write(contents.header, moved))


def test_a_scene_has_no_colour_at_a_place(file: bytes):
    with pytest.raises(ConfigError, match="only from a camera"):
        decode(file).render(0.5, 0.5, 0.5)


def test_a_hash_grid_may_have_more_levels_than_the_octree():
    config = scene_field(OCCUPIED, HashGrid(2, (4, 6, 9, 14, 20), 8), channels=0)
    data = scene_file(config, drawn_tensors(config, OCCUPIED))
    assert decode(data).levels == 5
    assert octree_of(decode(data, levels=4).field).shown == LEVELS
    assert len(ends_of_levels(data)) == 5
    assert (pictures_of(decode(data, levels=4)) != pictures_of(decode(data))).any()


def test_the_cameras_of_a_file_can_be_many_without_costing_anything(file: bytes):
    signal = replace(looking_in(), stands=looking_in().stands * 5000)
    scene = decode(rewritten(file, put("signal", value=to_plain(signal))))
    assert len(scene) == 10_000
    assert np.array_equal(scene[9999], scene[1])


def test_octants_are_coded_after_those_of_the_coarser_levels(file: bytes):
    chunks = {chunk.name: chunk for chunk in container.read(file).chunks}
    arrays = [TENSORS[f"octree.octants.{level}"] for level in range(LEVELS)]
    for level in range(LEVELS):
        name = f"octree.octants@{level}" if level else "octree.octants"
        assert chunks[name].data == PLAN["octree.octants"].encode_after([arrays[level]], Known(arrays[:level]))
        found = Octants().decode_after(chunks[name].data, [arrays[level].shape], Known(arrays[:level]))
        assert np.array_equal(found[0], arrays[level])
