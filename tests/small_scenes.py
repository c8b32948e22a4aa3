"""A scene small enough to be encoded in a second or two, and presets cut down to it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from scenes import Scene, View, orbit, shoot, write_scene

from fieldpress.presets import Recipe, recipe

SCENE = Scene()
STEPS = 24
"""Of an encode: six of survey, two in each of its three rounds, then training with guidance, then settled grids."""
_GRIDS: dict[str, dict[str, Any]] = {
    "radiance-vq": {"channels": 4},
    "radiance-octree": {"channels": 4},
    "radiance-hash": {"levels": 5, "table_bits": 8},
    "radiance-dense": {"channels": 3, "side": 10},
}
PRESETS = list(_GRIDS)
"""Names of the presets for photographs."""


def small(name: str, **grids: Any) -> Recipe:
    """A preset with an octree of three levels, of sides 4, 8 and 16, batches of 128 rays, and few round trips."""
    chosen = recipe(name)
    sizes: Any = {"coarsest": 2, "finest": 4, **_GRIDS[name], **grids}
    guidance = replace(chosen.training.guidance, every=0.2)
    training = replace(chosen.training, batch_pixels=128, guidance=guidance)
    return replace(chosen, grids=replace(chosen.scene_grids, **sizes), training=training)


def small_views(count: int = 10) -> list[View]:
    """Cameras from all around, of few pixels."""
    return orbit(count, height=16, width=20, fx=22.0, fy=22.0, cx=10.0, cy=8.0)


def photographs(folder: Path, count: int = 10, scene: Scene = SCENE) -> Path:
    """A folder of transparent photographs; every eighth is held out."""
    return write_scene(folder, "nerfstudio", shoot(scene, small_views(count)))
