"""Files of generated scenes, made without training: the true density and colours on the corners of an octree."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from scenes import Scene, View, camera_of, colour_at, orbit

from fieldpress import container
from fieldpress.compressors import Compressor, Raw
from fieldpress.config import to_plain
from fieldpress.decoders import RadianceMlp
from fieldpress.encodings.corners import CORNERS
from fieldpress.encodings.octree import OctreeEncoding, all_cells, octants_of
from fieldpress.field import FieldConfig, Points
from fieldpress.reading import About
from fieldpress.signals.radiance import Radiance
from fieldpress.signals.space import Space
from fieldpress.training.plan import assign

HALF = 1.6
"""Of the side of the box around the default scene."""
BOX = Space((*(0.5 / HALF, 0, 0, 0.5), *(0, 0.5 / HALF, 0, 0.5), *(0, 0, 0.5 / HALF, 0.5), *(0, 0, 0, 1.0)), False, 0.0)
QUALITIES = (20.5, 24.25, 27.0)
"""What the files say of their levels."""

_SHIFT = 3.0
"""Makes features of colours positive, so that they pass the hidden layer as they are."""
_PLAN: dict[str, Compressor] = {"octree": Raw("float16"), "decoder": Raw()}


def signal_of(views: Sequence[View], space: Space = BOX) -> Radiance:
    """A scene with these cameras, over white."""
    return Radiance.seen_by(tuple(camera_of(view) for view in views), space, (1.0, 1.0, 1.0), 12_000)


def small_orbit(count: int = 3, **lens: float) -> list[View]:
    """Cameras with pictures of 32 x 24."""
    return orbit(count, **{"height": 24, "width": 32, "fx": 35.0, "fy": 35.0, "cx": 16.0, "cy": 12.0, **lens})


def scene_file(views: Sequence[View] = (), scene: Scene | None = None, finest: int = 5) -> bytes:
    """A file of three levels that shows a scene, the finest with 2**finest cells along a side of the box."""
    scene = scene or Scene()
    side = 2**finest
    centres = (all_cells(side).numpy() + 0.5) / side
    near = distance(scene, (centres * 2 - 1) * HALF) < 2 * np.sqrt(3) * HALF / side
    octree, octants = octants_of(torch.from_numpy(near.reshape(side, side, side)), finest - 2)
    config = FieldConfig({"octree": replace(octree, channels=4)}, RadianceMlp(width=3, depth=1))
    field = config.build()
    encoding = field.encodings["octree"]
    assert isinstance(encoding, OctreeEncoding)
    with torch.no_grad():
        for own, rows in zip(encoding.octants, octants, strict=True):
            own.copy_(rows)
        for level in range(len(octants)):
            encoding.levels[level][..., 0].T.copy_(_features(scene, encoding, level, side))
        for name, parameter in field.decoder.named_parameters():
            parameter.copy_(_WEIGHTS[name])
    arrays = {name: tensor.detach().numpy() for name, tensor in field.tensors().items()}
    shapes = config.shapes()
    chunks = [
        container.Chunk(
            name,
            tuple((tensor, shapes[tensor]) for tensor in chunk.tensors),
            to_plain(_PLAN[chunk.rule]),
            _PLAN[chunk.rule].encode_all([arrays[tensor] for tensor in chunk.tensors]),
            chunk.level,
        )
        for name, chunk in assign(_PLAN, shapes, config.tensor_levels()).items()
    ]
    signal = replace(signal_of(views or small_orbit()), levels_psnr=QUALITIES)
    header = {"signal": to_plain(signal), "field": to_plain(config), "about": to_plain(About("test", 0, 0, "cpu"))}
    return container.write(header, chunks)


def distance(scene: Scene, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """From points (n, 3) to the surface of a scene; below 0 inside."""
    low, high = np.array(scene.slab)
    outside = np.maximum(low - points, points - high)
    box = np.linalg.norm(np.maximum(outside, 0), axis=1) + np.minimum(outside.max(1), 0)
    balls = [np.linalg.norm(points - ball[:3], axis=1) - ball[3] for ball in scene.balls]
    return np.min([box, *balls], axis=0)


def _features(scene: Scene, encoding: OctreeEncoding, level: int, side: int) -> torch.Tensor:
    """What a level's corners have to add to the coarser levels for the sum to be true there, (corners, 4)."""
    cells = encoding.worked_out(level + 1)[level]
    own_side = encoding.config.side(level)
    places = (cells.rows >= 0).nonzero()
    corners = (places[:, None] + CORNERS).float() / own_side
    world = (corners.double().reshape(-1, 3).numpy() * 2 - 1) * HALF
    density = np.clip(-8 * distance(scene, world) * side / (2 * HALF), -8, 8)
    colour = colour_at(world)
    wanted = torch.from_numpy(np.concatenate([density[:, None], np.log(colour / (1 - colour)) + _SHIFT], 1)).float()
    if level:
        encoding.show_levels(level)
        inside = corners + ((places[:, None] + 0.5) / own_side - corners) * 1e-3
        wanted -= encoding(Points(inside.reshape(-1, 3))).T
        encoding.show_levels(len(encoding.config.cells))
    found = torch.empty(len(cells.keys), 4)
    numbers = cells.rows[places.unbind(1)].long()  # cells are numbered parent by parent
    found[cells.corners[numbers].long().flatten()] = wanted
    return found


_COLOURS = torch.eye(4)[1:]
_WEIGHTS = {
    "density.weight": torch.eye(4)[:1],
    "density.bias": torch.zeros(1),
    "view": torch.zeros(3, 9),
    "hidden.0.weight": _COLOURS,
    "hidden.0.bias": torch.zeros(3),
    "last.weight": torch.eye(3),
    "last.bias": torch.full((3,), -_SHIFT),
}
