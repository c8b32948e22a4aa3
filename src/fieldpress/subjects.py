"""What is encoded: a clip, posed photographs or a mesh, with all that training and measuring need to know of it."""

import hashlib
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from fieldpress.decoders import DistanceMlp, RadianceMlp
from fieldpress.encodings.octree import octants_of
from fieldpress.errors import ConfigError
from fieldpress.field import DecoderConfig, Field, FieldConfig
from fieldpress.grids import OctreeGrids
from fieldpress.presets import Recipe, recipe
from fieldpress.reading import Decoded
from fieldpress.shapes import Distances, draw, mesh_of, shade
from fieldpress.signals import Image
from fieldpress.signals.base import Signal
from fieldpress.signals.radiance import Radiance
from fieldpress.signals.shape import Shape
from fieldpress.sources import Observations, load
from fieldpress.sources.mesh import Mesh, is_mesh, load_mesh, triangles_in_cube
from fieldpress.sources.photos import Photo, Photos, is_photos, load_photos
from fieldpress.sources.triangles import Triangles
from fieldpress.sources.views import visible
from fieldpress.training.config import Budget
from fieldpress.training.fit import DirectFit, Fit, SurveyedFit, survey_budget
from fieldpress.training.layout import space_of
from fieldpress.training.loop import Target, Trainer
from fieldpress.training.objective import ClipObjective, Objective
from fieldpress.training.rays import PhotoRays
from fieldpress.training.scene import SceneObjective
from fieldpress.training.shape import ShapeObjective
from fieldpress.training.survey import Survey

_WHITE, _BLACK = (1.0, 1.0, 1.0), (0.0, 0.0, 0.0)

_SHAPE_CAMERAS, _SHAPE_SIDE = 8, 192
"""Pictures of a shape, and pixels along a side of each."""
_SHAPE_PLACES = 40_000
"""In the cube that a shape is trained on; twice as many near the surface, and as many on it."""
_JUDGED_PLACES = 1 << 16
"""By which likeness is measured: in the cube, and on each surface."""


class Reference(NamedTuple):
    """A picture that a decoded one is compared with."""

    rgb: NDArray[np.uint8]
    """(rows, columns, 3)."""
    luma: NDArray[np.uint8] | None
    """The source's own, where it has one."""


class Likeness(NamedTuple):
    """How much a decoded shape is like the mesh."""

    iou: float
    """What is inside both, as a share of what is inside either."""
    chamfer: float
    """Mean of the mean distances from one surface to the other, both ways, as a share of the mesh's longest side."""


class Subject(ABC):
    """A source that was read."""

    signal: Signal
    """What the file will say it holds."""
    name: str
    """Of the source, for people."""

    @property
    @abstractmethod
    def default_preset(self) -> Recipe:
        """What a newcomer should get."""

    @abstractmethod
    def plan_for(self, chosen: Recipe) -> FieldConfig:
        """A field like that of the file, as far as it is known before training: a plan and the memory have to suit it.

        Raises:
            ConfigError: The preset is for something else.
        """

    @abstractmethod
    def fit(self, chosen: Recipe, budget: Budget, seed: int, device: str, target: Target | None) -> Fit:
        """What trains a field to this source."""

    @abstractmethod
    def digest(self) -> str:
        """Of everything that training looks at."""

    @abstractmethod
    def references(self) -> Iterator[Reference]:
        """What the file's pictures are compared with, in their order."""

    def likeness(self, decoded: Decoded) -> Likeness | None:
        """How much a decoded shape is like this one; None for what is no shape."""
        del decoded
        return None


class Clip(Subject):
    """Pictures of a video, or one still."""

    def __init__(self, observations: Observations) -> None:
        self.signal, self.name, self._observations = observations.signal, observations.name, observations

    @property
    def default_preset(self) -> Recipe:
        return recipe("image" if isinstance(self.signal, Image) else "nvp-fit")

    def plan_for(self, chosen: Recipe) -> FieldConfig:
        try:
            config = chosen.field(self.signal.frames, self.signal.height, self.signal.width)
        except ValueError as error:
            raise ConfigError(f"preset {chosen.name}: {error}") from None
        _check_decoder(config.decoder, None, "videos and pictures")
        return config

    def fit(self, chosen: Recipe, budget: Budget, seed: int, device: str, target: Target | None) -> Fit:
        rgb = torch.from_numpy(self._observations.rgb).to(device)
        make_trainer = _TrainerMaker(ClipObjective(rgb, chosen.training, seed), chosen, target)
        return DirectFit(self.plan_for(chosen), make_trainer, budget, device)

    def digest(self) -> str:
        return hashlib.sha256(self._observations.rgb.data).hexdigest()

    def references(self) -> Iterator[Reference]:
        luma = self._observations.luma
        for i, rgb in enumerate(self._observations.rgb):
            yield Reference(rgb, None if luma is None else luma[i])


class Scene(Subject):
    """Posed photographs. The file's pictures are those held out."""

    def __init__(self, photos: Photos) -> None:
        self.name, self._photos = photos.name, photos
        everything = [*photos.train, *photos.test]
        self._transparent = any(photo.alpha is not None and bool((photo.alpha < 255).any()) for photo in everything)
        self._background = _WHITE if self._transparent else _BLACK
        space = space_of([photo.camera for photo in photos.train], photos.points, self._transparent)
        shown = photos.test or photos.train[:1]
        observed = sum(photo.rgb[..., 0].size for photo in everything)
        self.signal: Radiance = Radiance.seen_by(  # pyright: ignore[reportIncompatibleVariableOverride]
            tuple(photo.camera for photo in shown), space, self._background, observed
        )
        self._shown = shown

    @property
    def default_preset(self) -> Recipe:
        return recipe("radiance-vq")

    def plan_for(self, chosen: Recipe) -> FieldConfig:
        try:
            config = chosen.scene_field(chosen.scene_grids.expected())
        except ValueError as error:
            raise ConfigError(f"preset {chosen.name}: {error}") from None
        _check_decoder(config.decoder, RadianceMlp, "posed photographs, which need radiance")
        return config

    def fit(self, chosen: Recipe, budget: Budget, seed: int, device: str, target: Target | None) -> Fit:
        train = self._photos.train
        rays = PhotoRays(
            [photo.camera for photo in train],
            [photo.rgb for photo in train],
            [photo.alpha for photo in train],
            torch.device(device),
        )
        grids, training = chosen.scene_grids, chosen.training
        survey = Survey(
            rays,
            self.signal.space,
            (grids.coarsest, grids.finest),
            grids.survey_channels,
            chosen.decoder,
            training,
            survey_budget(budget),
            seed,
        )
        objective = SceneObjective(rays, self.signal.space, self.signal.observed, training.batch_pixels, seed)
        make_trainer = _TrainerMaker(objective, chosen, target)
        return SurveyedFit(survey, chosen.scene_field, make_trainer, budget)

    def digest(self) -> str:
        digest = hashlib.sha256()
        for photo in self._photos.train:
            digest.update(np.ascontiguousarray(photo.rgb).data)
            if photo.alpha is not None:
                digest.update(np.ascontiguousarray(photo.alpha).data)
            digest.update(repr(photo.camera).encode())
        return digest.hexdigest()

    def references(self) -> Iterator[Reference]:
        for photo in self._shown:
            yield Reference(_over(photo, self._background), None)


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
        return DirectFit(config, _TrainerMaker(objective, chosen, target), budget, device)

    def _octree(self, chosen: Recipe) -> tuple[FieldConfig, list[torch.Tensor], list[int]]:
        """The field, the octants of its octree, and the sides of its levels."""
        grids = chosen.grids
        if not isinstance(grids, OctreeGrids):
            raise ConfigError(f"preset {chosen.name} is not for meshes, which need grids {OctreeGrids.id}; use shape")
        _check_decoder(chosen.decoder, DistanceMlp, "meshes, which need distances")
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


class _TrainerMaker:
    """Makes the trainer of a field once its sizes are known."""

    def __init__(self, objective: Objective, chosen: Recipe, target: Target | None) -> None:
        self._objective, self._chosen, self._target = objective, chosen, target

    def __call__(self, field: Field, config: FieldConfig, budget: Budget) -> Trainer:
        chosen = self._chosen
        return Trainer(
            field, self._objective, chosen.plan, chosen.training, budget, self._target, config.tensor_levels()
        )


def _check_decoder(decoder: DecoderConfig, wanted: type[DecoderConfig] | None, source: str) -> None:
    """Refuses a decoder of another kind; with none wanted, those that are not for pictures."""
    if not isinstance(decoder, wanted) if wanted else isinstance(decoder, RadianceMlp | DistanceMlp):
        raise ConfigError(f"decoder {decoder.id} is not for {source}")


def _over(photo: Photo, background: tuple[float, float, float]) -> NDArray[np.uint8]:
    """A picture over a background colour."""
    if photo.alpha is None:
        return photo.rgb
    opacity = photo.alpha[..., None].astype(np.float32) / 255
    return np.rint(photo.rgb * opacity + 255 * np.array(background, np.float32) * (1 - opacity)).astype(np.uint8)


def load_subject(path: str | os.PathLike[str], *, force: bool = False, memory_factor: float = 1.0) -> Subject:
    """Reads a source, whatever it is.

    Raises:
        SourceError: It cannot be read, or is nothing that can be encoded.
    """
    if is_mesh(path):
        return Solid(load_mesh(path))
    if is_photos(path):
        return Scene(load_photos(path, force=force))
    return Clip(load(path, force=force, memory_factor=memory_factor))
