"""A bumpy ball as a file of a shape, made without training."""

from collections.abc import Mapping

import numpy as np
from octrees import PLAN, scene_file, shell

from fieldpress.compressors import Compressor
from fieldpress.decoders import DistanceMlp
from fieldpress.encodings import Octree
from fieldpress.encodings.octree import octants_of
from fieldpress.field import FieldConfig
from fieldpress.interfaces import EncodingConfig
from fieldpress.signals.shape import Shape

RADIUS = 0.3
BUMPS = 0.05
"""In sixteenths of the cube's side."""
SIGNAL = Shape((1.0, -2.0, 0.5), 3.0, 3, 20, 26, ())


def ball_file(*others: EncodingConfig, depth: int = 1, plan: Mapping[str, Compressor] = PLAN) -> bytes:
    """An octree of sides 8, 16 and 32, and other encodings beside it; all levels but the first are bumps."""
    bare, octants = octants_of(shell(32, RADIUS), 3, full=True)
    octree = Octree(2, bare.coarsest, bare.cells, bare.corners)
    config = FieldConfig({"octree": octree, **{other.id: other for other in others}}, DistanceMlp(5, depth))
    random = np.random.default_rng(0)
    tensors = {
        name: random.normal(0, 0.4 if name.startswith("decoder.") else BUMPS, shape).astype(np.float32)
        for name, shape in config.shapes().items()
    }
    tensors |= {f"octree.octants.{i}": rows.numpy() for i, rows in enumerate(octants)}
    side = octree.side(0)
    corners = np.indices((side + 1,) * 3).reshape(3, -1).T / side
    tensors["octree.levels.0"][0, :, 0] = 16 * (np.linalg.norm(corners - 0.5, axis=1) - RADIUS)
    tensors["decoder.skip"][0, 0] = 1.0
    tensors["decoder.last.weight"] *= 0.2
    tensors["decoder.last.bias"][:] = 0.1
    return scene_file(config, tensors, SIGNAL, plan)
