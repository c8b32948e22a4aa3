"""Recipes under a name: which field, which compressors, and how to train them."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from fieldpress.compressors import Dictionary, Entropy, Octants, Raw, Uniform, Video
from fieldpress.compressors.base import MAX_QUALITY, Compressor
from fieldpress.compressors.guides import Guidance
from fieldpress.config import unknown
from fieldpress.decoders import CellMlp, DistanceMlp, Head, Mlp, Postfilter, RadianceMlp, Siren
from fieldpress.encodings.octree import Octree
from fieldpress.errors import ConfigError
from fieldpress.field import FieldConfig
from fieldpress.grids import (
    ClipGrids,
    DenseGrids,
    FilmGrids,
    FittedGrids,
    Grids,
    HashGrids,
    KeyframeGrids,
    NvpGrids,
    OctreeGrids,
    SceneGrids,
    WideFilmGrids,
)
from fieldpress.interfaces import DecoderConfig
from fieldpress.signals.base import MAX_FRAMES
from fieldpress.sources.cutting import LONG_PIXELS, USUAL_PIXELS, cut
from fieldpress.training.config import Training


@dataclass(frozen=True)
class Recipe:
    """Everything about an encode but its source, budget and seed."""

    name: str
    """The preset's name; stays when its fields are changed, so that a report tells where it came from."""
    about: str
    """One line for ``fieldpress presets``."""
    grids: Grids
    """Sizes of the grids."""
    decoder: DecoderConfig
    """The decoder network."""
    plan: dict[str, Compressor]
    """Which compressor takes which tensors, by name."""
    training: Training
    """How the field is fitted."""
    minutes: float = 3.0
    """Budget where none is asked for."""
    segment: int = 0
    """Pictures of a video that one field shows at most; longer clips are cut in time. 0 decides by their size."""

    def at_quality(self, quality: float) -> "Recipe":
        """The preset with what carries the signal coded at this quality: 0 (best) to 51, as of ``--quality``.

        Raises:
            ConfigError: The quality is off the scale, or the compressor has none to turn.
        """
        if not 0 <= quality <= MAX_QUALITY:
            raise ConfigError(f"--quality is {quality:g}; expected 0 (best) to {MAX_QUALITY:g}")
        return self._turned(lambda compressor: compressor.at_quality(quality), "--quality")

    def coarser(self, halvings: float) -> "Recipe":
        """The preset with what carries the signal coded in about so many halvings of the bits, or more if below 0.

        Raises:
            ConfigError: The compressor has no quality to turn.
        """
        return self._turned(lambda compressor: compressor.coarser(halvings), "--psnr")

    def check_steering(self) -> None:
        """Lets a preset pass that ``--bpp`` and ``--size`` can turn.

        Raises:
            ConfigError: What carries the signal has no quality.
        """
        self._turned(lambda compressor: compressor.coarser(0.0), "--bpp and --size")

    def _turned(self, turn: Callable[[Compressor], Compressor | None], flag: str) -> "Recipe":
        """With every compressor turned that takes features and has something to turn."""
        main = self.features_rule
        rules = {rule: given for rule, given in self.plan.items() if f"{rule}.".startswith(f"{main}.")}
        turned = {rule: found for rule, given in rules.items() if (found := turn(given)) is not None}
        if not turned:
            takers = " and ".join(sorted({given.id for given in rules.values()}))
            told = f"its {main} is given to {takers}" if rules else f"its plan has no rule {main}"
            raise ConfigError(
                f"{flag} cannot turn preset {self.name}: {told}; entropy, uniform and video can be turned"
            )
        return replace(self, plan={**self.plan, **turned})

    def field(self, frames: int, height: int, width: int) -> FieldConfig:
        """The field for a clip of this size.

        Raises:
            ConfigError: The preset is not for clips.
        """
        if not isinstance(self.grids, ClipGrids):
            raise ConfigError(f"preset {self.name} is not for videos and pictures")
        return FieldConfig(self.grids.encodings(frames, height, width, self.decoder.cell), self.decoder)

    @property
    def coded_once(self) -> bool:
        """Whether the grids are coded before the first step, so that encoding needs little memory beside them."""
        return self.training.guidance.settles_first

    def cut(self, frames: int, height: int, width: int) -> tuple[range, ...]:
        """The segments of a clip, see :func:`~fieldpress.sources.cutting.cut`.

        Raises:
            ConfigError: The length asked for is out of range.
        """
        return cut(frames, height, width, self.segment, LONG_PIXELS if self.coded_once else USUAL_PIXELS)

    @property
    def features_rule(self) -> str:
        """The rule of the plan for what takes most of the numbers."""
        return self.grids.main

    def scene_field(self, octree: Octree) -> FieldConfig:
        """The field for a scene with this octree.

        Raises:
            ConfigError: The preset is not for scenes.
        """
        return FieldConfig(self.scene_grids.encodings(octree), self.decoder)

    @property
    def scene_grids(self) -> SceneGrids:
        """The rule for scenes.

        Raises:
            ConfigError: The preset is not for scenes.
        """
        if not isinstance(self.grids, SceneGrids):
            raise ConfigError(f"preset {self.name} is for videos and pictures")
        return self.grids


_WEIGHTS = Entropy(step=1 / 256, unit="absolute")
_PLANES = Entropy(step=1 / 64, unit="absolute")
_KEYFRAMES = Video(codec="x265-intra", crf=30.0, preset="medium", per="tensor", layout="atlas")
_MOTION = Entropy(step=1 / 64, unit="absolute")

_PUBLISHED_PLAN: dict[str, Compressor] = {
    "planes": Video(codec="x265-intra", crf=21.0, layout="atlas"),
    "volume": Video(codec="x265", crf=21.0),
    "decoder": Uniform(bits=8),
}
_PUBLISHED_TRAINING = Training(
    guidance=Guidance(kind="none"),
    start="random",
    sampling="pixels",
    batch_pixels=1_245_184,
    decoder_rate=1e-2,
    grid_rate=1e-2,
    grid_update="elementwise",
    weight_decay=1e-3,
)

_SCENE_TRAINING = Training(
    guidance=Guidance(kind="special", start=0.25, settle=0.95),
    start="random",
    sampling="pixels",
    batch_pixels=2048,
    decoder_rate=5e-3,
    grid_rate=2e-2,
    grid_update="elementwise",
)
_SCENE_WEIGHTS = Entropy(step=1 / 128, unit="absolute")
_SCENE_GRID = Entropy(step=1 / 8, unit="absolute")
_SCENE_UNGUIDED = replace(_SCENE_TRAINING, guidance=Guidance(kind="none"))

_FILM_PLAN: dict[str, Compressor] = {
    "film": Video(codec="svt-av1", crf=36.0, preset="0", amplitude=0.7),
    "decoder.colours": _WEIGHTS,
    "decoder": Entropy(step=1 / 64, unit="absolute"),
}
_FILM_TRAINING = Training(guidance=Guidance(kind="project", settle=0.0), decoder_rate=1e-3)
"""The film is coded before the first step: what training could change in it was never worth its bits."""

_RECIPES = [
    Recipe(
        name="rate",
        about="video: the clip as a film that AV1 codes at its best, and a head that mends what it leaves; the default",
        grids=WideFilmGrids(),
        decoder=Postfilter(),
        plan=_FILM_PLAN,
        training=_FILM_TRAINING,
    ),
    Recipe(
        name="nvp-fit",
        about="video: volume fitted to the clip, started from it, trained for AV1",
        grids=FittedGrids(),
        decoder=CellMlp(width=24, depth=2),
        plan={
            "volume": Video(codec="svt-av1", crf=46.0, preset="4", amplitude=0.5),
            "planes": _PLANES,
            "decoder": _WEIGHTS,
        },
        training=Training(guidance=Guidance()),
    ),
    Recipe(
        name="image",
        about="one picture: as rate, coded as an AV1 still; the default",
        grids=FilmGrids(),
        decoder=Head(),
        plan={**_FILM_PLAN, "film": Video(codec="svt-av1", crf=28.0, preset="0", amplitude=0.7)},
        training=_FILM_TRAINING,
        minutes=0.5,
    ),
    Recipe(
        name="nvp-mini",
        about="video: NVP's planes and volume sized from the clip, started from its decomposition; for studies",
        grids=KeyframeGrids(),
        decoder=Mlp(width=32, depth=2),
        plan={
            "volume": Video(codec="x265", crf=30.0, preset="medium", per="tensor"),
            "planes": _KEYFRAMES,
            "nested": _KEYFRAMES,
            "flow.motion": _MOTION,
            "flow": _KEYFRAMES,
            "decoder": _WEIGHTS,
        },
        training=Training(
            guidance=Guidance(kind="special", weight=3.0),
            start="tucker",
            rate_weight=0.02,
            decoder_rate=5e-3,
            grid_rate=3e-3,
            grid_update="elementwise",
        ),
    ),
    Recipe(
        name="radiance-vq",
        about="photographs: an octree of learned 6-bit codes into dictionaries (VQAD), streamed by levels; the default",
        grids=OctreeGrids(),
        decoder=RadianceMlp(),
        plan={
            "octree.octants": Octants(),
            # Most corners are hardly ever seen and cost next to nothing: those that matter can have four codes each.
            "octree": Dictionary(bits=6, groups=4, rate=0.1, entries=Entropy(step=1 / 16)),
            "hashgrid": Uniform(bits=6),
            "dense": _SCENE_GRID,
            "decoder": _SCENE_WEIGHTS,
        },
        training=replace(_SCENE_TRAINING, rate_weight=2e-5, guidance=replace(_SCENE_TRAINING.guidance, start=0.4)),
        minutes=5.0,
    ),
    Recipe(
        name="radiance-octree",
        about="photographs: the same octree uncompressed, its features stored as 16-bit floats; the reference",
        grids=OctreeGrids(),
        decoder=RadianceMlp(),
        plan={"octree.octants": Octants(), "octree": Raw(precision="float16"), "decoder": Raw(precision="float16")},
        training=_SCENE_UNGUIDED,
        minutes=5.0,
    ),
    Recipe(
        name="radiance-hash",
        about="photographs: a multiresolution hash grid as of instant-ngp, coded in 6 bits",
        grids=HashGrids(),
        decoder=RadianceMlp(),
        plan={"octree.octants": Octants(), "hashgrid": Uniform(bits=6), "decoder": _SCENE_WEIGHTS},
        training=replace(_SCENE_TRAINING, guidance=Guidance()),
        minutes=5.0,
    ),
    Recipe(
        name="radiance-dense",
        about="photographs: one full grid of features, entropy-coded; the baseline without a structure",
        grids=DenseGrids(),
        decoder=RadianceMlp(),
        plan={
            "octree.octants": Octants(),
            "dense": _SCENE_GRID,
            "decoder": _SCENE_WEIGHTS,
        },
        training=replace(_SCENE_TRAINING, guidance=Guidance()),
        minutes=5.0,
    ),
    Recipe(
        name="nvp-s",
        about="video: NVP-S exactly as published (135.8 M parameters for 600 pictures), coded all-intra and by x265",
        grids=NvpGrids(features=2),
        decoder=Siren(),
        plan=_PUBLISHED_PLAN,
        training=_PUBLISHED_TRAINING,
        minutes=60.0,
        segment=MAX_FRAMES,
    ),
    Recipe(
        name="nvp-l",
        about="video: NVP-L exactly as published, four features a cell",
        grids=NvpGrids(features=4),
        decoder=Siren(),
        plan=_PUBLISHED_PLAN,
        training=_PUBLISHED_TRAINING,
        minutes=60.0,
        segment=MAX_FRAMES,
    ),
    Recipe(
        name="shape",
        about="closed meshes: signed distance in an octree of learned 6-bit codes (NGLOD), streamed level by level",
        grids=OctreeGrids(coarsest=3, finest=6, channels=4),
        decoder=DistanceMlp(),
        plan={
            "octree.octants": Octants(),
            # Distances are asked for more exactly than colours: two codes a corner, and entries that move slowly.
            "octree": Dictionary(bits=6, groups=2, rate=0.05),
            "decoder": _SCENE_WEIGHTS,
        },
        training=replace(_SCENE_TRAINING, batch_pixels=16384, decoder_rate=2e-3, grid_rate=2e-3),
        minutes=2.0,
    ),
]

PRESETS = {recipe.name: recipe for recipe in _RECIPES}
"""Every preset by name."""


def recipe(name: str) -> Recipe:
    """The preset of this name.

    Raises:
        ConfigError: There is none; the message lists those that exist.
    """
    if name not in PRESETS:
        raise ConfigError(unknown("preset", name, PRESETS))
    return PRESETS[name]
