"""Octrees of simple shapes with drawn features, and files of scenes made without training."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from fieldpress import container
from fieldpress.compressors import Compressor, Octants, Raw
from fieldpress.config import to_plain
from fieldpress.decoders import RadianceMlp
from fieldpress.encodings import Octree
from fieldpress.encodings.octree import OctreeEncoding, octants_of
from fieldpress.field import FieldConfig
from fieldpress.interfaces import DecoderConfig, EncodingConfig
from fieldpress.reading import About
from fieldpress.signals import Radiance
from fieldpress.signals.base import Signal
from fieldpress.signals.cameras import Lens, Pose
from fieldpress.signals.radiance import Stand
from fieldpress.signals.space import Space
from fieldpress.tensors import Before
from fieldpress.training.plan import assign

BOX = Space((0.5, 0, 0, 0.5, 0, 0.5, 0, 0.5, 0, 0, 0.5, 0.5, 0, 0, 0, 1.0), False, 0.0)
"""The cube from -1 to 1."""
BALL = Space((1.0, 0, 0, 0, 0, 1.0, 0, 0, 0, 0, 1.0, 0, 0, 0, 0, 1.0), True, 0.05)
"""The unit ball, and what is around it."""
PLAN: dict[str, Compressor] = {"octree.octants": Octants(), "*": Raw()}


def planned(features: Compressor) -> dict[str, Compressor]:
    """The plan that has another compressor for an octree's features."""
    return {"octree.octants": Octants(), "octree": features, "*": Raw()}


def shell(side: int, radius: float = 0.35) -> Tensor:
    """The cells, bool (side, side, side), near the surface of a ball in the middle of the cube, and one in a corner."""
    centres = (torch.arange(side, dtype=torch.float64) + 0.5) / side - 0.5
    distance = torch.stack(torch.meshgrid(centres, centres, centres, indexing="ij")).norm(dim=0)
    cells = (distance - radius).abs() < 0.9 / side
    cells[0, -1, 0] = True
    return cells


def octree(occupied: Tensor, coarsest: int, channels: int) -> Octree:
    """The sizes of the octree that ends in these cells."""
    return replace(octants_of(occupied, coarsest)[0], channels=channels)


def built(occupied: Tensor, coarsest: int, channels: int, dtype: torch.dtype = torch.float64) -> OctreeEncoding:
    """That octree, every feature drawn."""
    bare, rows = octants_of(occupied, coarsest)
    encoding = replace(bare, channels=channels).build()
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter, octants in zip(encoding.octants, rows, strict=True):
            parameter.copy_(octants)
        if channels:
            for table in encoding.levels:
                table.copy_(torch.randn(table.shape, generator=generator))
    return encoding.to(dtype)


def drawn_tensors(config: FieldConfig, occupied: Tensor, seed: int = 0) -> dict[str, np.ndarray]:
    """Numbers for every tensor of a field; the octants are those of ``occupied``."""
    random = np.random.default_rng(seed)
    tensors = {}
    for name, shape in config.shapes().items():
        size = shape[-1] ** -0.5 if len(shape) == 2 else 0.5
        tensors[name] = random.normal(0, size, shape).astype(np.float32)
    for name, encoding in config.encodings.items():
        if isinstance(encoding, Octree):
            _, rows = octants_of(occupied, encoding.coarsest)
            tensors |= {f"{name}.octants.{i}": octants.numpy() for i, octants in enumerate(rows)}
    return tensors


def waving_tensors(config: FieldConfig, occupied: Tensor) -> dict[str, np.ndarray]:
    """As :func:`drawn_tensors`, with features that wave on one side of a plane and are zero on the other, level by
    level alike: those around a corner say much of it.
    """
    found = drawn_tensors(config, occupied)
    for name, shape in config.shapes().items():
        places = config.places(name, found)
        if places is not None:
            at = places.corners / places.side
            directions = np.array([(1, 0, 1), (1, 1, 0), (0, 1, 1), (1, 1, 1)])[np.arange(shape[0]) % 4]
            waves = np.where(at[:, 0] > 0.5, np.sin(9 * directions @ at.T), 0)
            found[name] = waves[..., None].astype(np.float32)
    return found


def scene_field(
    occupied: Tensor,
    *others: EncodingConfig,
    coarsest: int = 2,
    channels: int = 3,
    decoder: DecoderConfig | None = None,
) -> FieldConfig:
    """A field of an octree and other encodings."""
    encodings: dict[str, EncodingConfig] = {"octree": octree(occupied, coarsest, channels)}
    encodings |= {other.id: other for other in others}
    return FieldConfig(encodings, decoder or RadianceMlp(width=6, depth=2))


def looking_in(space: Space = BOX, lens: Lens | None = None) -> Radiance:
    """A scene with two cameras that look at the middle from different sides."""
    lens = lens or Lens(18, 22, 24.0, 25.0, 10.5, 9.25, (0.05, -0.02, 0.003, -0.002))
    stands = (
        Stand(0, Pose((0.1, -0.05, 2.0), (0.02, -0.03, 0.3))),
        Stand(0, Pose((1.9, 0.2, 0.3), (0.7, 1.2, 0.6))),
    )
    return Radiance(space, (0.2, 0.5, 0.9), (lens,), stands, 396, ())


def scene_file(
    config: FieldConfig,
    tensors: Mapping[str, np.ndarray],
    signal: Signal | None = None,
    plan: Mapping[str, Compressor] = PLAN,
) -> bytes:
    """A file of these tensors, in levels."""
    shapes = config.shapes()
    chunks, before = [], Before(config.places)
    for name, chunk in sorted(assign(plan, shapes, config.tensor_levels()).items(), key=lambda item: item[1].level):
        known = before.known(chunk.rule, chunk.tensors)
        data = plan[chunk.rule].encode_after([tensors[tensor] for tensor in chunk.tensors], known)
        decoded = plan[chunk.rule].decode_after(data, [shapes[tensor] for tensor in chunk.tensors], known)
        before.add(chunk.rule, chunk.tensors, decoded)
        lines = tuple((tensor, shapes[tensor]) for tensor in chunk.tensors)
        chunks.append(container.Chunk(name, lines, to_plain(plan[chunk.rule]), data, chunk.level))
    header = {
        "signal": to_plain(signal or looking_in()),
        "field": to_plain(config),
        "about": to_plain(About("test", 0, 0, "cpu")),
    }
    return container.write(header, chunks)
