"""Recipes under a name: which field, which compressors, and how to train them."""

from dataclasses import dataclass

from fieldpress.compressors import Entropy, Uniform, Video
from fieldpress.compressors.base import Compressor
from fieldpress.compressors.guides import Guidance
from fieldpress.config import unknown
from fieldpress.decoders import Mlp, Siren
from fieldpress.errors import ConfigError
from fieldpress.field import DecoderConfig, FieldConfig
from fieldpress.grids import FittedGrids, Grids, KeyframeGrids, NvpGrids
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

    def field(self, frames: int, height: int, width: int) -> FieldConfig:
        """The field for a clip of this size."""
        return FieldConfig(self.grids.encodings(frames, height, width), self.decoder)


_WEIGHTS = Entropy(step=1 / 256, unit="absolute")
_PLANES = Entropy(step=1 / 64, unit="absolute")
_KEYFRAMES = Video(codec="x265-intra", crf=30.0, preset="medium", layout="atlas")
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

_RECIPES = [
    Recipe(
        name="nvp-fit",
        about="video: volume fitted to the clip, started from it, trained for AV1; the default",
        grids=FittedGrids(),
        decoder=Mlp(width=24, depth=2),
        plan={
            "volume": Video(codec="svt-av1", crf=46.0, preset="4", amplitude=0.5),
            "planes": _PLANES,
            "decoder": _WEIGHTS,
        },
        training=Training(guidance=Guidance()),
    ),
    Recipe(
        name="image",
        about="one picture: as nvp-fit, coded as an AV1 still",
        grids=FittedGrids(),
        decoder=Mlp(width=16, depth=2),
        plan={
            "volume": Video(codec="svt-av1", crf=36.0, preset="4", amplitude=0.5),
            "planes": _PLANES,
            "decoder": _WEIGHTS,
        },
        training=Training(guidance=Guidance()),
        minutes=0.5,
    ),
    Recipe(
        name="nvp-mini",
        about="video: NVP's planes and volume sized from the clip, started from its decomposition; for studies",
        grids=KeyframeGrids(),
        decoder=Mlp(width=32, depth=2),
        plan={
            "volume": Video(codec="x265", crf=30.0, preset="medium"),
            "planes": _KEYFRAMES,
            "nested": _KEYFRAMES,
            "flow.motion": _MOTION,
            "flow": _KEYFRAMES,
            "decoder": _WEIGHTS,
        },
        training=Training(
            guidance=Guidance(kind="proximal", weight=3.0),
            start="tucker",
            decoder_rate=5e-3,
            grid_rate=3e-3,
            grid_update="elementwise",
        ),
    ),
    Recipe(
        name="nvp-s",
        about="video: NVP-S exactly as published (135.8 M parameters for 600 pictures), coded all-intra and by x265",
        grids=NvpGrids(features=2),
        decoder=Siren(),
        plan=_PUBLISHED_PLAN,
        training=_PUBLISHED_TRAINING,
        minutes=60.0,
    ),
    Recipe(
        name="nvp-l",
        about="video: NVP-L exactly as published, four features a cell",
        grids=NvpGrids(features=4),
        decoder=Siren(),
        plan=_PUBLISHED_PLAN,
        training=_PUBLISHED_TRAINING,
        minutes=60.0,
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
