"""Closed meshes."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from fieldpress.decoders import DistanceMlp
from fieldpress.encodings.octree import octants_of
from fieldpress.errors import ConfigError
from fieldpress.field import FieldConfig
from fieldpress.grids import OctreeGrids
from fieldpress.presets import Recipe, recipe
from fieldpress.reading import Decoded
from fieldpress.shapes import Distances, draw, mesh_of, shade
from fieldpress.signals.shape import Shape
from fieldpress.sources.mesh import Mesh, triangles_in_cube
from fieldpress.sources.triangles import Triangles
from fieldpress.sources.views import visible
from fieldpress.subjects.base import Likeness, Reference, Subject, TrainerMaker, check_decoder, check_training
from fieldpress.training.chunks import Target
from fieldpress.training.config import Budget
from fieldpress.training.fit import DirectFit, Fit
from fieldpress.training.shape import ShapeObjective

_SHAPE_CAMERAS, _SHAPE_SIDE = 8, 192
"""Pictures of a shape, and pixels along a side of each."""
_SHAPE_PLACES = 40_000
"""In the cube that a shape is trained on; twice as many near the surface, and as many on it."""
_JUDGED_PLACES = 1 << 16
"""By which likeness is measured: in the cube, and on each surface."""


class Solid(Subject):
    """A closed mesh. The file's pictures are those of cameras around it."""

    signal: Shape  # pyright: ignore[reportIncompatibleVariableOverride]

    def __init__(self, mesh: Mesh) -> None:
        self.name, self._mesh = mesh.name, mesh
        self.signal: Shape = Shape(  # pyright: ignore[reportIncompatibleVariableOverride]
            mesh.centre, mesh.side, _SHAPE_CAMERAS, _SHAPE_SIDE, _SHAPE_SIDE, ()
        )
        self._triangles = triangles_in_cube(mesh, mesh.centre, mesh.side)

    @property
    def default_preset(self) -> Recipe:
        return recipe("shape")

    def plan_for(self, chosen: Recipe) -> FieldConfig:
        return self._octree(chosen)[0]

    def fit(self, chosen: Recipe, budget: Budget, seed: int, device: str, target: Target | None) -> Fit:
        config, octants, sides = self._octree(chosen)
        places, distances = self._lesson(sides, seed)
        objective = ShapeObjective(
            torch.from_numpy(places.astype(np.float32)).to(device),
            torch.from_numpy(distances.astype(np.float32)).to(device),
            octants,
            self.signal.pixels,
            chosen.training.batch_pixels,
            seed,
        )
        return DirectFit(config, TrainerMaker(objective, chosen, target), budget, device)

    def _octree(self, chosen: Recipe) -> tuple[FieldConfig, list[torch.Tensor], list[int]]:
        """The field, the octants of its octree, and the sides of its levels."""
        grids = chosen.grids
        if not isinstance(grids, OctreeGrids):
            raise ConfigError(f"preset {chosen.name} is not for meshes, which need grids {OctreeGrids.id}; use shape")
        check_decoder(chosen.decoder, DistanceMlp, "meshes, which need distances")
        check_training(chosen.training, self.default_preset.training, "meshes")
        touched = torch.from_numpy(self._triangles.touched(grids.finest))
        bare, octants = octants_of(touched, grids.coarsest, full=True)
        field = chosen.scene_field(replace(bare, channels=grids.channels))
        return field, octants, [2**level for level in range(grids.coarsest, grids.finest + 1)]

    def _lesson(self, sides: list[int], seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Places and their distances: anywhere, near the surface by the measure of each level, and on it.

        Source: NGLOD (Takikawa et al. 2021), with its shares of the three.
        """
        generator = np.random.default_rng(seed)
        anywhere = generator.random((_SHAPE_PLACES, 3))
        on = self._triangles.sample(2 * _SHAPE_PLACES, generator)
        widths = 1 / generator.choice(sides, (2 * _SHAPE_PLACES, 1))
        near = self._triangles.sample(2 * _SHAPE_PLACES, generator) + widths * generator.normal(size=on.shape)
        asked = np.concatenate([anywhere, near.clip(0, 1)])
        distances = np.concatenate([self._triangles.signed_distances(asked), np.zeros(len(on))])
        return np.concatenate([asked, on]), distances

    def digest(self) -> str:
        digest = hashlib.sha256(np.ascontiguousarray(self._mesh.vertices).data)
        digest.update(np.ascontiguousarray(self._mesh.faces).data)
        return digest.hexdigest()

    def references(self) -> Iterator[Reference]:
        for camera in map(self.signal.camera, range(self.signal.frames)):
            pixels, normals = visible(self._triangles.corners, camera)
            colours = shade(torch.from_numpy(normals.astype(np.float32)), camera)
            yield Reference(draw(torch.from_numpy(pixels), colours, camera).numpy(), None)

    def likeness(self, decoded: Decoded) -> Likeness:
        """Both are laid into the cube of the decoded shape."""
        shape = decoded.signal
        assert isinstance(shape, Shape), "what is compared is of one kind"
        theirs = triangles_in_cube(self._mesh, shape.centre, shape.side)
        generator = np.random.default_rng(0)
        places = generator.random((_JUDGED_PLACES, 3))
        inside = theirs.inside(places)
        distances = Distances(decoded.field, decoded.device)
        with torch.inference_mode():
            values, _ = distances.at(torch.from_numpy(places.astype(np.float32)).to(decoded.device))
        decoded_inside = (values < 0).cpu().numpy()
        iou = float((inside & decoded_inside).sum() / max(1, (inside | decoded_inside).sum()))
        try:
            vertices, faces = mesh_of(decoded)
        except ConfigError:  # nothing is there: as far away as can be
            return Likeness(iou, 1.0)
        ours = Triangles((vertices - np.array(shape.centre)) / shape.side + 0.5, faces)
        ways = [(ours, theirs), (theirs, ours)]
        means = [float(a.distances(b.sample(_JUDGED_PLACES, generator)).mean()) for a, b in ways]
        return Likeness(iou, sum(means) / 2 * shape.side / float(np.ptp(self._mesh.vertices, axis=0).max()))
