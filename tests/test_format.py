"""FORMAT.md is enough: a decoder written from that page alone gives what fieldpress gives."""

from pathlib import Path

import numpy as np
import pytest
import torch
from format_decoder import codes_at, decode_chunk, header_of, tensors_of
from format_scene import SceneReader
from format_shape import ShapeReader
from format_symbols import Stream, rung_table
from octrees import BALL, BOX, drawn_tensors, looking_in, scene_field, scene_file, shell
from small_scenes import PRESETS, STEPS, photographs, small
from small_shapes import ball_file

import fieldpress
from clips import moving_pictures, rgb_frame, write_clip
from fieldpress.coding.integers import encode_integers
from fieldpress.coding.tables import RUNGS, SHAPES, rung
from fieldpress.compressors import (
    COMPRESSORS,
    Compressor,
    Dictionary,
    Entropy,
    LowRank,
    Octants,
    Raw,
    Tucker,
    Uniform,
    Video,
)
from fieldpress.config import to_plain
from fieldpress.container import Chunk, write
from fieldpress.decoders import DECODERS, CellMlp, Head, Mlp, Postfilter, RadianceMlp, Siren
from fieldpress.encodings import ENCODINGS, CellVolume, Dense, Film, Flow, HashGrid, Nested, Planes, Volume, WideFilm
from fieldpress.encodings.levels import Level
from fieldpress.field import FieldConfig
from fieldpress.interfaces import EncodingConfig
from fieldpress.presets import recipe
from fieldpress.reading import decode
from fieldpress.shapes import Distances
from fieldpress.signals import Image
from fieldpress.signals.space import Space

AV1 = Video(codec="svt-av1", preset="12", crf=30)
HEVC = Video(preset="ultrafast")
COMPRESSED: dict[str, tuple[Compressor, list[tuple[int, ...]]]] = {
    "raw float32": (Raw(), [(3, 4)]),
    "raw float16, two tensors": (Raw(precision="float16"), [(5,), (2, 3)]),
    "uniform per channel": (Uniform(bits=6), [(2, 3, 17, 19)]),
    "uniform per tensor": (Uniform(bits=12, per="tensor"), [(3, 9, 10)]),
    "entropy rms, three tensors": (Entropy(step=0.1), [(40, 12), (3, 4), (24,)]),
    "entropy, a step per channel": (Entropy(step=0.1, unit="channel"), [(3, 2, 11, 13), (7,)]),
    "entropy absolute": (Entropy(step=0.01, unit="absolute"), [(2, 4, 15, 13)]),
    "hevc, tiles with a range each": (HEVC, [(4, 2, 20, 30)]),
    "hevc, ten square tiles": (HEVC, [(10, 1, 20, 20)]),
    "hevc intra, 12 bits": (Video(codec="x265-intra", preset="ultrafast", bits=12, per="tensor"), [(6, 13, 25)]),
    "hevc yuv444, several tensors": (Video(layout="yuv444", preset="ultrafast"), [(3, 2, 26, 30), (9,), (5, 7)]),
    "av1, tiles, 8 bits": (Video(codec="svt-av1", preset="12", bits=8), [(2, 3, 25, 41)]),
    "tucker, a share of each axis, four tensors": (Tucker(0.3), [(2, 5, 12, 14), (3, 16, 12), (7,), (4, 5)]),
    "tucker, ranks of three axes": (Tucker((3, 1.0, 0.25), Raw()), [(2, 6, 9, 16)]),
    "tucker, ranks of all axes, coded by another": (Tucker((2, 3, 20), Uniform(bits=7)), [(4, 15, 21)]),
    "tucker of what is constant": (Tucker(0.25), [(1, 9, 9), (2, 16, 16)]),
    "av1 film, measured": (AV1, [(1, 3, 27, 33), (2, 3, 14, 17)]),
    "av1 film, fixed amplitude": (Video(codec="svt-av1", preset="12", amplitude=2.5), [(1, 2, 24, 40), (2, 2, 12, 20)]),
    "hevc atlas, a range each": (
        Video(codec="x265-intra", preset="ultrafast", layout="atlas"),
        [(2, 30, 44), (2, 12, 9), (5,), (3, 3, 25), (1, 70, 20), (24, 33)],
    ),
    "av1 atlases, one range": (
        Video(codec="svt-av1", preset="12", layout="atlas", per="tensor"),
        [(2, 26, 30), (2, 3, 17, 19), (1, 40, 9), (1, 3, 9, 40)],
    ),
    "av1 atlas, fixed amplitude": (Video(codec="svt-av1", preset="12", layout="atlas", amplitude=3.0), [(3, 40, 41)]),
    "hevc, no atlas": (Video(preset="ultrafast", layout="atlas"), [(1, 8, 300), (1, 300, 8), (2, 9, 9)]),
    "lowrank, a share of the channels": (LowRank(), [(8, 40, 1), (6, 2, 9, 10), (7,), (4, 5), (1, 9, 9)]),
    "lowrank, a rank, coded by another": (LowRank(rank=2, parts=Uniform(bits=7)), [(5, 1, 30)]),
    "octants of what is no octree": (Octants(), [(12, 8), (7,), (2, 9, 8), (64, 8)]),
    "dictionary, ranked": (Dictionary(bits=4), [(3, 3, 12, 14), (2, 9, 9)]),
    "dictionary of what it does not suit": (Dictionary(bits=4), [(4, 5), (3, 3, 4), (7,)]),
    "dictionary, plain, groups": (Dictionary(bits=2, groups=3, entries=Raw()), [(5, 7, 8), (4, 2, 7, 6)]),
    "dictionary, random codes": (Dictionary(bits=5, codes="random", groups=2), [(2, 3, 9, 10), (3, 8, 8)]),
}


def smooth(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Waves along the last axes, a size per channel, some noise, and a first channel that is flat."""
    random = np.random.default_rng(seed)
    waves = sum(np.sin(index / 3 + seed) for index in np.indices(shape)[1:])
    values = random.normal(0, 1, (shape[0],) + (1,) * (len(shape) - 1)) * waves + random.normal(0, 0.1, shape)
    if len(shape) > 1 and shape[0] > 1:
        values[0] = 0.7
    return values.astype(np.float32)


@pytest.mark.parametrize("name", COMPRESSED)
def test_a_decoder_written_from_the_format_alone_gives_the_same_tensors(name: str) -> None:
    compressor, shapes = COMPRESSED[name]
    data = compressor.encode_all([smooth(shape, seed) for seed, shape in enumerate(shapes)])
    for ours, theirs in zip(
        compressor.decode_all(data, shapes), decode_chunk(to_plain(compressor), data, shapes), strict=True
    ):
        assert theirs.dtype == np.float32
        np.testing.assert_array_equal(theirs, ours)


def bell(size: float, *shape: int) -> np.ndarray:
    """Whole numbers around zero."""
    return np.rint(np.random.default_rng(0).normal(0, size, shape)).astype(np.int64)


WAVE = np.rint(60 * np.sin(np.add.outer(np.arange(3), np.add.outer(np.arange(11) / 4, np.arange(14) / 3))))
ROWS = bell(1, 3, 64) * [[1], [400], [0]] + [[0], [9000], [-5]]
FLAT, CHANNELS, HISTOGRAM, CONTEXT = range(4)
INTEGERS = {
    "zeros": (FLAT, np.zeros((3, 9, 9))),
    "one": (FLAT, np.array([-12345])),
    "narrow with escapes": (FLAT, np.array([0] * 200 + [100, -100, 2**29, -(2**30), 5])),
    "wide": (FLAT, bell(1e6, 50)),
    "normal": (FLAT, bell(9, 70)),
    "rows": (CHANNELS, ROWS),
    "few values": (HISTOGRAM, np.array([0, 0, 0, 50, -7] * 40)),
    "picture": (CONTEXT, WAVE[0] + bell(1, 11, 14)),
    "clip of two channels": (CONTEXT, np.stack([WAVE, -WAVE])),
}


@pytest.mark.parametrize("name", INTEGERS)
def test_a_decoder_written_from_the_format_alone_reads_every_way_of_coding_numbers(name: str) -> None:
    way, values = INTEGERS[name]
    data = encode_integers(values.astype(np.int64))
    assert Stream(data).equal(1, 4) == [way]
    np.testing.assert_array_equal(Stream(data).tensor(values.shape), values)


@pytest.mark.parametrize("tail", [0, 1])
def test_every_table_in_the_format_is_ours(tail: int) -> None:
    for index in range(1, RUNGS):
        frequencies, reach, low_bits = rung_table(index, tail)
        ours = rung(index, SHAPES[tail])
        assert (tuple(frequencies), reach, low_bits) == (ours.table.frequencies, ours.reach, ours.low_bits)


def field_file(config: FieldConfig, seed: int) -> bytes:
    """A file of random tensors, stored as they are."""
    random = np.random.default_rng(seed)
    chunks = []
    for name, shape in config.shapes().items():
        values = random.normal(0, shape[-1] ** -0.5 if len(shape) == 2 else 0.3, shape).astype(np.float32)
        chunks.append(Chunk(name, ((name, shape),), to_plain(Raw()), Raw().encode(values)))
    about = {"preset": "none", "seed": seed, "steps": 0, "device": "cpu"}
    return write({"signal": to_plain(Image(21, 34, "rgb", True)), "field": to_plain(config), "about": about}, chunks)


PLANES = Planes(2, xy=((5, 7), (21, 34)), yt=((3, 4),), xt=((2, 6), (5, 5)))
NESTED = Nested(2, 4, xy=(21, 34), yt=(3, 7), xt=(8, 5))
FIELDS = {
    "planes and mlp": FieldConfig({"planes": PLANES}, Mlp(width=6, depth=3)),
    "planes and siren": FieldConfig({"planes": PLANES}, Siren(width=8, depth=3)),
    "volume and siren": FieldConfig({"volume2": Volume((Level(2, 3, 9, 8),), 3, "nearest")}, Siren(width=5, depth=1)),
    "two encodings and mlp": FieldConfig(
        {"volume": Volume((Level(1, 4, 21, 34), Level(2, 2, 11, 17)), 3, "linear"), "planes": PLANES},
        Mlp(width=6, depth=1),
    ),
    "nested planes": FieldConfig({"nested": NESTED}, Mlp(width=6, depth=2)),
    "flow of planes": FieldConfig({"flow": Flow((2, 3, 4), PLANES)}, Mlp(width=6, depth=2)),
    "flow of nested planes": FieldConfig({"flow3": Flow((1, 5, 2), NESTED)}, Siren(width=5, depth=1)),
    "film and head": FieldConfig({"film": Film(3, 21, 34)}, Head()),
    "wide film and postfilter": FieldConfig({"film": WideFilm(3, 21, 34)}, Postfilter()),
    "wide film of other sizes than the picture": FieldConfig({"film2": WideFilm(1, 7, 5)}, Postfilter()),
    "film of other sizes than the picture": FieldConfig({"film2": Film(1, 7, 5)}, Head()),
    "cells of a volume": FieldConfig({"volume": CellVolume((Level(1, 3, 21, 34), Level(2, 3, 11, 17)))}, CellMlp(6, 2)),
    "cells of odd levels": FieldConfig(
        {"planes": PLANES, "volume2": CellVolume((Level(2, 2, 9, 7), Level(1, 3, 8, 2), Level(1, 1, 3, 5)))},
        CellMlp(5, 1),
    ),
    "cells of film and planes": FieldConfig({"film": Film(2, 9, 7), "planes": PLANES}, CellMlp(5, 1)),
    "no neighbours": FieldConfig({"volume": Volume((Level(3, 1, 6, 5),), 1, "linear")}, Mlp(width=4, depth=2)),
}


OCCUPIED = shell(16)
SCENES: dict[str, tuple[FieldConfig, Space]] = {
    "octree in a box": (scene_field(OCCUPIED), BOX),
    "octree in a ball": (scene_field(OCCUPIED, decoder=RadianceMlp(width=5, depth=1)), BALL),
    "octree of other levels": (scene_field(OCCUPIED, coarsest=3, channels=2), BOX),
    "hash grid and a bare octree": (scene_field(OCCUPIED, HashGrid(2, (3, 6, 11, 20), 8), channels=0), BOX),
    "dense grid beside an octree": (scene_field(OCCUPIED, Dense(2, 7), coarsest=4), BALL),
}
BALLS: dict[str, tuple[list[EncodingConfig], int]] = {
    "octree": ([], 1),
    "octree beside a hash grid and a dense grid": ([HashGrid(1, (4, 9, 17), 8), Dense(1, 6)], 2),
}
"""What stands beside the octree, and the depth of the decoder."""


def test_every_registered_part_is_decoded_here() -> None:
    assert {compressor.id for compressor, _ in COMPRESSED.values()} == set(COMPRESSORS)
    configs = [*FIELDS.values(), *(config for config, _ in SCENES.values())]
    shapes = [header_of(ball_file(*others, depth=depth))["field"] for others, depth in BALLS.values()]
    decoders = {config.decoder.id for config in configs} | {field["decoder"]["id"] for field in shapes}
    assert decoders == set(DECODERS)
    assert {encoding.id for config in configs for encoding in config.encodings.values()} == set(ENCODINGS)


@pytest.mark.parametrize("name", FIELDS)
def test_colours_differ_by_one_code_at_most(name: str) -> None:
    file = field_file(FIELDS[name], seed=1)
    header, tensors, ours = header_of(file), tensors_of(file), decode(file)
    random = np.random.default_rng(2)
    places = np.concatenate([random.random((40, 3)), random.integers(0, 2, (8, 3))]).astype(np.float32)
    theirs = np.array([codes_at(header["field"], tensors, *place) for place in places])
    difference = np.abs(theirs.astype(int) - ours.render(*places.T))
    assert difference.max() <= 1  # what FORMAT.md allows: a colour on the border between two codes
    assert (difference > 0).mean() < 0.02  # one or two of these 144 codes; measured: none


@pytest.mark.parametrize("preset", ["nvp-fit", "rate"])
@pytest.mark.parametrize("sides", [(40, 52), (41, 53)], ids=str)
def test_a_file_that_encode_wrote_is_decoded_from_the_format_alone(
    tmp_path: Path, preset: str, sides: tuple[int, int]
) -> None:
    torch.set_num_threads(1)
    clip = write_clip(tmp_path / "clip.mkv", [rgb_frame(p) for p in moving_pictures(4, *sides)], "ffv1", "bgr0")
    fieldpress.encode(clip, tmp_path / "clip.fpr", recipe(preset), steps=20)
    file = (tmp_path / "clip.fpr").read_bytes()
    header, tensors, ours = header_of(file), tensors_of(file), fieldpress.open(file)
    for name, tensor in ours.field.tensors().items():
        np.testing.assert_array_equal(tensors[name], tensor.numpy())
    picture = ours[2].astype(int)
    for row, column in [(0, 0), (7, 31), (20, 20), (sides[0] - 1, sides[1] - 1)]:
        place = (2.5 / 4, (row + 0.5) / sides[0], (column + 0.5) / sides[1])
        assert np.abs(codes_at(header["field"], tensors, *place) - picture[row, column]).max() <= 1


def some_pixels(picture: np.ndarray, count: int) -> list[tuple[int, int]]:
    """Rows and columns, borders included."""
    height, width, _ = picture.shape
    drawn = np.random.default_rng(3).integers(0, (height, width), (count, 2))
    return [(0, 0), (height - 1, width - 1), *((int(row), int(column)) for row, column in drawn)]


@pytest.mark.parametrize("levels", [1, 2, 3])
@pytest.mark.parametrize("name", SCENES)
def test_pixels_of_a_scene_differ_by_one_code_at_most(name: str, levels: int) -> None:
    config, space = SCENES[name]
    levels = min(levels, config.level_count)
    tensors = drawn_tensors(config, OCCUPIED, seed=2)
    tensors["decoder.density.bias"] -= 2.0
    file = scene_file(config, tensors, looking_in(space))
    reader = SceneReader(header_of(file), tensors_of(file), levels)
    for camera, ours in enumerate(decode(file, levels=levels)):
        pixels = some_pixels(ours, 8)
        theirs = np.array([reader.codes(camera, row, column) for row, column in pixels])
        difference = np.abs(theirs.astype(int) - [ours[row, column] for row, column in pixels])
        assert difference.max() <= 1  # what FORMAT.md allows


@pytest.mark.parametrize("name", PRESETS)
def test_a_scene_that_encode_wrote_is_decoded_from_the_format_alone(tmp_path: Path, name: str) -> None:
    torch.set_num_threads(1)
    fieldpress.encode(
        photographs(tmp_path / "photographs"), tmp_path / "scene.fpr", small(name), steps=STEPS, device="cpu"
    )
    file = (tmp_path / "scene.fpr").read_bytes()
    header, tensors, ours = header_of(file), tensors_of(file), fieldpress.open(file)
    for tensor, values in ours.field.tensors().items():
        np.testing.assert_array_equal(tensors[tensor], values.numpy())
    reader = SceneReader(header, tensors)
    for row, column in some_pixels(ours[1], 6):
        assert np.abs(reader.codes(1, row, column).astype(int) - ours[1][row, column]).max() <= 1


@pytest.mark.parametrize("levels", [1, 2, 3])
@pytest.mark.parametrize("name", BALLS)
@torch.inference_mode()
def test_distances_are_those_of_a_decoder_written_from_the_format_alone(name: str, levels: int) -> None:
    others, depth = BALLS[name]
    file = ball_file(*others, depth=depth)
    reader = ShapeReader(header_of(file), tensors_of(file), levels)
    random = np.random.default_rng(4)
    outwards = random.normal(0, 1, (200, 3))
    near = 0.5 + outwards / np.linalg.norm(outwards, axis=1, keepdims=True) * random.uniform(0.25, 0.35, (200, 1))
    places = np.concatenate([random.random((100, 3)), near, random.integers(0, 2, (8, 3))]).astype(np.float32)
    values, fine = Distances(decode(file, levels=levels).field).at(torch.from_numpy(places))
    theirs = [reader.distance(place) for place in places.astype(float)]
    assert {is_fine for _, is_fine in theirs} == ({True} if levels == 1 else {True, False})
    assert fine.tolist() == [is_fine for _, is_fine in theirs]
    # Some hundred products of size 1, rounded at 2**-24 each, of which a distance is a sixteenth.
    np.testing.assert_allclose(values, [value for value, _ in theirs], rtol=0, atol=1e-6)


@pytest.mark.parametrize("levels", [1, 2, 3])
@pytest.mark.parametrize("name", BALLS)
def test_pixels_of_a_shape_differ_by_one_code_at_most(name: str, levels: int) -> None:
    others, depth = BALLS[name]
    file = ball_file(*others, depth=depth)
    reader = ShapeReader(header_of(file), tensors_of(file), levels)
    for camera, ours in enumerate(decode(file, levels=levels)):
        pixels = some_pixels(ours, 8)
        theirs = np.array([reader.codes(camera, row, column) for row, column in pixels])
        assert 0 < (theirs < 255).all(1).sum() < len(pixels), "some rays meet the ball and some do not"
        difference = np.abs(theirs.astype(int) - [ours[row, column] for row, column in pixels])
        assert difference.max() <= 1  # what FORMAT.md allows
