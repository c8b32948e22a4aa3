"""A scene from photographs: encode, look at what every prefix of the file shows, and see from a new place.

The photographs here are drawn by this script: a ball on a patterned disc, seen from a ring of cameras. With your
own, give a folder with a transforms.json or a COLMAP model. Run `python examples/06_scene.py [STEPS]`.
"""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

import fieldpress
from fieldpress.presets import recipe
from fieldpress.scenes import SceneRenderer
from fieldpress.signals import Radiance
from fieldpress.signals.cameras import Camera, Lens, Pose
from fieldpress.sinks.png import png

steps = int(sys.argv[1]) if len(sys.argv) > 1 else 300
lens = Lens(height=48, width=64, fx=60, fy=60, cx=32, cy=24)


def camera(angle: float) -> Camera:
    """On a ring of radius 4, looking at its middle from a little above."""
    position = np.array([4 * np.cos(angle), 4 * np.sin(angle), 1.5])
    back = position / np.linalg.norm(position)
    right = np.cross([0, 0, 1], back)
    right /= np.linalg.norm(right)
    return Camera(lens, Pose.of(np.stack([right, np.cross(back, right), back, position], 1)))


def photograph(seen_from: Camera) -> np.ndarray:
    """A ball of radius 1 on a disc of radius 3 at height -1, by closed formulas; the sky is white."""
    origins, directions = (np.asarray(values, np.float64) for values in seen_from.rays())
    inner = (origins * directions).sum(1)
    root = inner**2 - (origins**2).sum(1) + 1
    ball = np.where(root > 0, -inner - np.sqrt(np.maximum(root, 0)), np.inf)
    down = directions[:, 2] < 0
    floor = np.where(down, (1 + origins[:, 2]) / np.where(down, -directions[:, 2], 1), np.inf)
    there = origins + np.where(down, floor, 0)[:, None] * directions
    floor[np.hypot(there[:, 0], there[:, 1]) > 3] = np.inf
    nearest = np.minimum(ball, floor)
    places = origins + np.where(np.isfinite(nearest), nearest, 0)[:, None] * directions
    pattern = 0.5 + 0.4 * np.sin(3 * places[:, :1]) * np.sin(3 * places[:, 1:2])
    colours = np.where((ball < floor)[:, None], 0.5 + places / 2, pattern)
    colours = np.where(np.isfinite(nearest)[:, None], colours, 1)
    return np.rint(255 * np.clip(colours, 0, 1)).astype(np.uint8).reshape(lens.height, lens.width, 3)


folder = Path("build/ball")
folder.mkdir(parents=True, exist_ok=True)
frames = []
for i, angle in enumerate(np.linspace(0, 2 * np.pi, 40, endpoint=False)):
    (folder / f"{i:03}.png").write_bytes(png(photograph(camera(angle))))
    pose = [*camera(angle).pose.matrix.tolist(), [0, 0, 0, 1]]
    frames.append({"file_path": f"{i:03}.png", "transform_matrix": pose})
intrinsics = {"w": 64, "h": 48, "fl_x": 60, "fl_y": 60, "cx": 32, "cy": 24}
(folder / "transforms.json").write_text(json.dumps({**intrinsics, "frames": frames}))

small = recipe("radiance-vq")
small = replace(small, grids=replace(small.scene_grids, coarsest=4, finest=6))
report = fieldpress.encode(folder, "build/ball.fpr", small, steps=steps, force=True)
print(f"{report.bytes} bytes, {report.psnr_rgb:.2f} dB on {report.frames} photographs held out")

scene = fieldpress.open("build/ball.fpr")
assert isinstance(scene.signal, Radiance)
print("with one level, two, three:", *scene.signal.levels_psnr, "dB")

picture, distance = SceneRenderer(scene.field, scene.signal).picture(camera(0.1))
Path("build/ball.png").write_bytes(png(picture.numpy()))
print(f"build/ball.png: from a new place; the nearest thing there is {float(distance[distance > 0].min()):.2f} away")
