"""The laws of fields, for every registered encoding and decoder: points and lattices agree, shapes tell the truth."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from octrees import octree, shell

from fieldpress.config import from_plain, to_plain
from fieldpress.decoders import DECODERS, CellMlp, DistanceMlp, Head, Mlp, Postfilter, Siren
from fieldpress.encodings import ENCODINGS, CellVolume, Dense, Film, Flow, HashGrid, Nested, Planes, Volume, WideFilm
from fieldpress.encodings.levels import Level
from fieldpress.encodings.octree import octants_of, octree_of
from fieldpress.errors import ConfigError
from fieldpress.field import MAX_FEATURES, Field, FieldConfig, Lattice, Points
from fieldpress.grids import pyramid_sides
from fieldpress.interfaces import DecoderConfig, EncodingConfig
from fieldpress.presets import recipe
from fieldpress.training.survey import put_octants

TWO_LEVELS = (Level(1, 4, 7, 11), Level(2, 4, 4, 6))
PLANES = Planes(2, xy=((5, 7), (14, 22)), yt=((3, 11),), xt=((4, 5), (2, 9)))
NESTED = Nested(2, 3, xy=(14, 22), yt=(4, 11), xt=(3, 7))

ENCODED: dict[str, dict[str, EncodingConfig]] = {
    "planes": {"planes": PLANES},
    "one plane": {"planes": Planes(3, xy=(), yt=((3, 4),), xt=())},
    "nested": {"nested": NESTED},
    "flow": {"flow": Flow((2, 3, 4), PLANES)},
    "flow of nested": {"flow": Flow((4, 7, 11), NESTED)},
    "volume": {"volume": Volume(TWO_LEVELS)},
    "volume, no neighbours": {"volume": Volume(TWO_LEVELS, neighbours=1)},
    "volume, nearest": {"volume": Volume(TWO_LEVELS, interpolation="nearest")},
    "both": {"planes": PLANES, "volume": Volume(TWO_LEVELS)},
    "dense": {"dense": Dense(2, 5)},
    "hashgrid": {"hashgrid": HashGrid(2, (3, 8), 6)},
    "octree": {"octree": octree(shell(8), 2, 2)},
    "two volumes": {"volume": Volume(TWO_LEVELS), "volume2": Volume((Level(3, 1, 3, 2),))},
    "film": {"film": Film(4, 7, 11)},
    "film of even sides": {"film": Film(4, 8, 12)},
    "wide film": {"film": WideFilm(4, 7, 11)},
    "wide film of even sides": {"film": WideFilm(4, 8, 12)},
    "cell volume": {"volume": CellVolume(TWO_LEVELS)},
    "cell volume of even sides": {"volume": CellVolume((Level(1, 4, 8, 12), Level(2, 4, 4, 6)))},
    "cell volume of odd levels": {"volume": CellVolume((Level(1, 4, 7, 11), Level(2, 3, 6, 5), Level(1, 1, 9, 3)))},
    "cell volume and planes": {"planes": PLANES, "volume": CellVolume(TWO_LEVELS)},
    "film and planes": {"film": Film(4, 7, 11), "planes": PLANES},
}
PAINTERS = {"head": {"film"}, "postfilter": {"wide-film"}, "cell-mlp": {"film", "wide-film", "cell-volume"}}
"""Decoders that paint cells, and the encodings that they go with."""
POINTS_ONLY = {"radiance"}
"""Decoders that a lattice cannot ask: their own tests say what they give."""
DECODED: dict[str, DecoderConfig] = {
    "mlp": Mlp(width=5, depth=2),
    "siren": Siren(width=6, depth=3),
    "distance": DistanceMlp(width=5, depth=2),
    "head": Head(),
    "postfilter": Postfilter(),
    "cell-mlp": CellMlp(width=5, depth=2),
}
VALUES = {"mlp": 3, "siren": 3, "distance": 1, "head": 3, "postfilter": 3, "cell-mlp": 3}
"""How many numbers each gives at a place."""


def centres(count: int, size: int | None = None, start: int = 0) -> torch.Tensor:
    """Of ``count`` of ``size`` pixels, from pixel ``start`` on."""
    return (torch.arange(start, start + count, dtype=torch.float64) + 0.5) / (size or count)


LATTICES = {
    "on the grid": Lattice(centres(4), centres(7), centres(11)),
    "half the grid": Lattice(centres(2), centres(4), centres(6)),
    "twice the grid": Lattice(centres(4), centres(14), centres(22)),
    "three times one axis": Lattice(centres(4), centres(21), centres(11)),
    "no whole ratio": Lattice(centres(3), centres(9), centres(13)),
    "crop": Lattice(centres(2, 4, 1), centres(3, 14, 9), centres(5, 22, 0)),
    "times between": Lattice(torch.tensor([0.01, 0.4, 0.41, 0.99]).double(), centres(7), centres(11)),
    "pictures left out": Lattice(centres(4)[[0, 3]], centres(7), centres(11)),
    "one picture": Lattice(centres(1, 4, 2), centres(7), centres(11)),
    "one row": Lattice(centres(4), centres(1, 7, 3), centres(11)),
    "one pixel": Lattice(centres(1, 4), centres(1, 7, 6), centres(1, 11, 10)),
    "borders": Lattice(
        torch.tensor([0, 1.0]).double(), torch.tensor([0, 1.0]).double(), torch.tensor([0, 1.0]).double()
    ),
    "uneven": Lattice(centres(4), torch.tensor([0.1, 0.11, 0.5]).double(), torch.tensor([0.9, 0.3]).double()),
    "nearly even": Lattice(centres(4), centres(28) + 3e-4 * torch.sin(torch.pi * centres(28)), centres(22)),
}


def together(encoded: str, decoded: str) -> bool:
    found = {config.id for config in ENCODED[encoded].values()}
    if decoded == "cell-mlp" or decoded not in PAINTERS:
        return bool(found & PAINTERS["cell-mlp"]) == (decoded in PAINTERS)
    return found == PAINTERS[decoded]  # they read one film and nothing beside it


every_field = pytest.mark.parametrize(
    ("encoded", "decoded"), [(e, d) for e in ENCODED for d in DECODED if together(e, d)]
)
every_lattice = pytest.mark.parametrize("lattice", LATTICES)


def field_of(encoded: str, decoded: str, dtype: torch.dtype = torch.float64) -> Field:
    """A field with every number drawn anew, so that no layer starts at zero."""
    field = FieldConfig(ENCODED[encoded], DECODED[decoded]).build().to(dtype)
    generator = torch.Generator().manual_seed(7)
    if encoded == "octree":
        put_octants(octree_of(field), octants_of(shell(8), 2)[1])
    with torch.no_grad():
        for tensor in (tensor for tensor in field.tensors().values() if tensor.requires_grad):
            tensor.copy_(
                torch.randn(tensor.shape, generator=generator, dtype=torch.float64) / max(1, tensor[0].numel()) ** 0.5
            )
    return field


def single(lattice: Lattice) -> Lattice:
    return Lattice(lattice.t.float(), lattice.y.float(), lattice.x.float())


def gradients(field: Field, query: Lattice | Points) -> dict[str, torch.Tensor]:
    """Of a weighted sum of all values."""
    field.zero_grad(set_to_none=True)
    values = field(query).reshape(-1)
    (values * torch.linspace(-1, 1, len(values), dtype=values.dtype)).sum().backward()
    found = {name: tensor.grad for name, tensor in field.tensors().items()}
    return {name: gradient.to_dense() for name, gradient in found.items() if gradient is not None}


def test_every_registered_part_is_tested_here():
    assert {config.id for configs in ENCODED.values() for config in configs.values()} == set(ENCODINGS)
    assert {config.id for config in DECODED.values()} == set(DECODERS) - POINTS_ONLY


# Points and lattices


@every_lattice
@every_field
def test_a_lattice_gives_what_its_points_give(encoded: str, decoded: str, lattice: str):
    field, query = field_of(encoded, decoded), LATTICES[lattice]
    values = field(query)
    assert values.shape == (*query.shape, VALUES[decoded])
    # Both add up the same products, in another order; one step of a coordinate in float64 is 1e-16.
    torch.testing.assert_close(values.flatten(0, 2), field(query.points()), rtol=1e-10, atol=1e-10)


@every_lattice
@every_field
def test_it_does_so_in_single_precision(encoded: str, decoded: str, lattice: str):
    field, query = field_of(encoded, decoded, torch.float32), single(LATTICES[lattice])
    # About 100 products of size 1 in another order, rounded at 2**-24 each; the sines amplify at most a few times.
    torch.testing.assert_close(field(query).flatten(0, 2), field(query.points()), rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("lattice", ["on the grid", "twice the grid", "no whole ratio", "times between", "crop"])
@every_field
def test_both_have_the_same_gradients(encoded: str, decoded: str, lattice: str):
    field, query = field_of(encoded, decoded), LATTICES[lattice]
    of_lattice, of_points = gradients(field, query), gradients(field, query.points())
    assert of_lattice.keys() == {name for name, tensor in field.tensors().items() if tensor.requires_grad}
    for name, gradient in of_lattice.items():
        torch.testing.assert_close(gradient, of_points[name], rtol=1e-9, atol=1e-9, msg=name)


def test_a_long_clip_of_large_pictures_agrees_too():
    # Where single precision places a pixel only to a hundredth of a cell, both must misplace it alike.
    field = FieldConfig({"planes": Planes(1, xy=((8, 5000),), yt=((5000, 8),), xt=((8, 8),))}, Mlp(4, 1)).build()
    with torch.no_grad():
        for tensor in field.parameters():
            tensor.normal_()
    query = single(Lattice(centres(5, 50_000, 40_000), centres(2, 9, 3), centres(300, 16_384, 16_000)))
    torch.testing.assert_close(field(query).reshape(-1, 3), field(query.points()), rtol=1e-4, atol=2e-5)


def test_points_of_a_lattice_run_along_the_last_axis_first():
    points = Lattice(torch.tensor([0.5]), torch.tensor([0.1, 0.2]), torch.tensor([0.3, 0.4])).points()
    expected = [[0.5, 0.1, 0.3], [0.5, 0.1, 0.4], [0.5, 0.2, 0.3], [0.5, 0.2, 0.4]]
    torch.testing.assert_close(points.coordinates, torch.tensor(expected))


def test_planar_values_have_their_channels_first():
    field, query = field_of("both", "mlp"), LATTICES["crop"]
    torch.testing.assert_close(field.planar(query).movedim(0, -1), field(query), rtol=0, atol=0)


# What is known without building


@every_field
def test_shapes_are_those_of_the_built_field(encoded: str, decoded: str):
    config = FieldConfig(ENCODED[encoded], DECODED[decoded])
    built = {name: tuple(tensor.shape) for name, tensor in config.build().tensors().items()}
    assert list(built.items()) == list(config.shapes().items()), "names, shapes and their order are part of the format"


@every_field
def test_features_are_those_of_the_built_encodings(encoded: str, decoded: str):
    config = FieldConfig(ENCODED[encoded], DECODED[decoded])
    for name, encoding in field_of(encoded, decoded, torch.float32).encodings.items():
        features = encoding(single(LATTICES["half the grid"]))  # of films, the centres of cells
        assert len(features) == encoding.channels == config.encodings[name].features()


@every_field
def test_a_field_takes_over_tensors_without_a_copy(encoded: str, decoded: str):
    config = FieldConfig(ENCODED[encoded], DECODED[decoded])
    arrays = {name: np.full(shape, 0.25, np.float32) for name, shape in config.shapes().items()}
    for name, tensor in config.build(arrays).tensors().items():
        assert tensor.data_ptr() == arrays[name].ctypes.data
        assert tensor.dtype == torch.float32


@every_field
def test_a_config_survives_the_header(encoded: str, decoded: str):
    config = FieldConfig(ENCODED[encoded], DECODED[decoded])
    assert from_plain(FieldConfig, to_plain(config), "field") == config
    assert list(from_plain(FieldConfig, to_plain(config), "field").encodings) == list(config.encodings)


@pytest.mark.parametrize(
    ("encodings", "message"),
    [
        ({}, "1 to 4096 features, not 0"),
        ({"decoder": PLANES}, "an encoding is named 'decoder'"),
        ({"training": PLANES}, "an encoding is named 'training'"),
        ({"planes.xy": PLANES}, "an encoding is named 'planes.xy'"),
        ({"": PLANES}, "an encoding is named ''"),
        ({"volume": PLANES}, "expected 'planes', a number may follow"),
        ({"planes": replace(PLANES, channels=MAX_FEATURES)}, "1 to 4096 features"),
    ],
)
def test_a_field_that_cannot_be_is_refused(encodings: dict[str, EncodingConfig], message: str):
    with pytest.raises(ConfigError, match=message):
        from_plain(FieldConfig, {"encodings": to_plain(encodings), "decoder": to_plain(Mlp())}, "field")


FILM, CELLS = Film(2, 6, 8), CellVolume(TWO_LEVELS)
SIX = CellVolume((Level(6, 1, 1, 1),))
"""Has as many features as a film."""


@pytest.mark.parametrize(
    ("encodings", "decoder", "message"),
    [
        ({"film": FILM}, Mlp(), "encoding film and decoder mlp do not go together: their cells have 2 and 1"),
        ({"planes": PLANES}, Head(), "a head reads one film and nothing else, not planes"),
        ({"film": FILM, "planes": PLANES}, Head(), "a head reads one film and nothing else, not film and planes"),
        ({"film": FILM, "film2": FILM}, Head(), "a head reads one film and nothing else, not film and film"),
        ({"volume": SIX}, Head(), "a head reads one film and nothing else, not cell-volume"),
        ({"film": FILM}, Postfilter(), "a postfilter reads one wide-film and nothing else, not film"),
        ({"volume": CELLS}, Mlp(), "encoding volume and decoder mlp do not go together: their cells have 2 and 1"),
        ({"planes": PLANES}, CellMlp(), "a cell-mlp paints cells, which planes have none of; an mlp does without"),
        ({"planes": PLANES, "volume": CELLS}, Siren(), "encoding volume and decoder siren do not go together"),
        ({"volume": CELLS, "film": FILM}, CellMlp(), "cells of encodings volume and film are of pictures of several"),
    ],
)
def test_cells_go_with_decoders_that_paint_them(
    encodings: dict[str, EncodingConfig], decoder: DecoderConfig, message: str
):
    with pytest.raises(ConfigError, match=message):
        from_plain(FieldConfig, {"encodings": to_plain(encodings), "decoder": to_plain(decoder)}, "field")


# The published model


def parameters(name: str, frames: int = 600) -> dict[str, int]:
    shapes = recipe(name).field(frames, 1080, 1920).shapes()
    return {tensor: math.prod(shape) for tensor, shape in shapes.items()}


def test_the_sides_of_nvp():
    assert pyramid_sides() == [16, 22, 30, 40, 54, 72, 97, 131, 177, 239, 322, 435, 587, 792, 1069, 1443]


def test_nvp_s_has_the_published_number_of_parameters():
    assert sum(parameters("nvp-s").values()) == 135_807_267


@pytest.mark.parametrize(("name", "features", "weights"), [("nvp-s", 114, 110_595), ("nvp-l", 228, 154_371)])
def test_the_decoder_of_nvp_has_the_published_number_of_weights(name: str, features: int, weights: int):
    config = recipe(name).field(600, 1080, 1920)
    assert sum(encoding.features() for encoding in config.encodings.values()) == features
    assert sum(count for tensor, count in parameters(name).items() if tensor.startswith("decoder.")) == weights
