"""Small worlds whose every ray has an exact answer, and pictures of them as all sources of poses write them.

A scene is a few balls on a slab, and if wanted a sky: a sphere seen from inside. A ray's first hit is a closed form,
and its colour is a smooth function of the point that is hit, so that the colour of *any* ray can be worked out again.
Only :func:`camera_of` uses the package: rays, lenses and rotations here are a second way to the same numbers.
"""

import json
import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from clips import write_picture
from fieldpress.signals.cameras import Camera, Lens, Pose

Floats = NDArray[np.float64]

DIALECTS = ("blender", "instant-ngp", "nerfstudio", "colmap-text", "colmap-binary")
FLIP = np.diag([1.0, -1.0, -1.0])
"""Between OpenGL's axes of a camera and OpenCV's."""


class Hits(NamedTuple):
    """What rays meet first."""

    depth: Floats
    """(rays,) distance in units of the direction; infinite where nothing is met."""
    colour: Floats
    """(rays, 3) in [0, 1]; 0 where nothing is met."""

    @property
    def is_hit(self) -> NDArray[np.bool_]:
        """(rays,)"""
        return np.isfinite(self.depth)


@dataclass(frozen=True)
class Scene:
    """Balls on a slab.

    Attributes:
        balls: Centre and radius of each.
        slab: Lower and upper corner of a box along the axes; z is up.
        sky: Radius of the sphere around everything; 0 for none, so that pictures are transparent there.
    """

    balls: tuple[tuple[float, float, float, float], ...] = (
        (0.0, 0.0, 0.1, 0.6),
        (0.8, -0.5, -0.2, 0.3),
        (-0.6, 0.6, -0.15, 0.35),
    )
    slab: tuple[tuple[float, float, float], tuple[float, float, float]] = ((-1.2, -1.2, -0.8), (1.2, 1.2, -0.5))
    sky: float = 0.0

    def trace(self, origins: Floats, directions: Floats) -> Hits:
        """The first hit of rays, (rays, 3) each, that begin outside every object and inside the sky."""
        distances = [_to_ball(origins, directions, np.array(ball[:3]), ball[3]) for ball in self.balls]
        distances.append(_to_box(origins, directions, *np.array(self.slab)))
        if self.sky:
            distances.append(_to_sky(origins, directions, self.sky))
        depth = np.min(distances, 0)
        is_hit = np.isfinite(depth)
        points = origins + np.where(is_hit, depth, 0)[:, None] * directions
        return Hits(depth, np.where(is_hit[:, None], colour_at(points), 0))

    def density_and_colour(self, points: Floats, density: float = 400.0) -> tuple[Floats, Floats]:
        """The true field at points (..., 3): ``density`` inside the objects and beyond the sky, 0 in the air.

        With the default, light is down to 2 % one hundredth of a unit below a surface, so rendering it gives the traced
        picture but for pixels at the edges of objects.

        Returns:
            (...) per unit of length, and (..., 3) in [0, 1].
        """
        inside = np.all((points > self.slab[0]) & (points < self.slab[1]), -1)
        for x, y, z, radius in self.balls:
            inside |= np.linalg.norm(points - (x, y, z), axis=-1) < radius
        if self.sky:
            inside |= np.linalg.norm(points, axis=-1) > self.sky
        return np.where(inside, density, 0.0), colour_at(points)


def colour_at(points: Floats) -> Floats:
    """A colour in [0.1, 0.9] for every point of the world; it changes by at most 0.9 a unit."""
    x, y, z = np.moveaxis(points, -1, 0)
    waves = np.stack([2 * x + z, 2 * y - 0.5 * x + 1, 1.5 * z + y + 2], -1)
    return 0.5 + 0.4 * np.sin(waves)


@dataclass(frozen=True)
class View:
    """A camera as plain numbers: OpenGL's axes, pixel centres at halves, distortion k1, k2, p1, p2 of OpenCV."""

    matrix: Floats
    """Camera to world, 3 x 4."""
    height: int = 48
    width: int = 64
    fx: float = 70.0
    fy: float = 70.0
    cx: float = 32.0
    cy: float = 24.0
    distortion: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)

    def rays(self) -> tuple[Floats, Floats]:
        """Origins and unit directions of all pixels, row by row, (rays, 3) each."""
        rows, columns = np.mgrid[: self.height, : self.width].reshape(2, -1) + 0.5
        x, y = undistorted((columns - self.cx) / self.fx, (rows - self.cy) / self.fy, self.distortion)
        directions = np.stack([x, -y, -np.ones_like(x)], -1) @ self.matrix[:, :3].T
        directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
        return np.broadcast_to(self.matrix[:, 3], directions.shape), directions


def camera_of(view: View) -> Camera:
    """The view in the package's terms."""
    lens = Lens(view.height, view.width, view.fx, view.fy, view.cx, view.cy, view.distortion)
    return Camera(lens, Pose.of(view.matrix))


def undistorted(x: Floats, y: Floats, distortion: Sequence[float]) -> tuple[Floats, Floats]:
    """OpenCV's inverse of its distortion: fixed-point iteration, as ``cv::undistortPoints`` does it."""
    k1, k2, p1, p2 = distortion
    u, v = x, y
    for _ in range(200):
        squared = u**2 + v**2
        radial = 1 + k1 * squared + k2 * squared**2
        shift_x = 2 * p1 * u * v + p2 * (squared + 2 * u**2)
        shift_y = p1 * (squared + 2 * v**2) + 2 * p2 * u * v
        u, v = (x - shift_x) / radial, (y - shift_y) / radial
    return u, v


class Shot(NamedTuple):
    """A picture of a scene and everything that is true of it."""

    name: str
    """Of its file, without extension."""
    view: View
    rgba: NDArray[np.uint8]
    """(rows, columns, 4); transparent pixels are black."""
    depth: Floats
    """(rows, columns) along the ray; infinite where the picture is transparent."""


def orbit(count: int, radius: float = 3.0, **lens: Any) -> list[View]:
    """Views from all around, at changing heights, towards the middle."""
    angles = 2 * math.pi * (np.arange(count) + 0.3) / count
    heights = 0.5 + 0.4 * np.sin(2.4 * np.arange(count))
    places = radius * np.stack(
        [np.cos(angles) * np.cos(heights), np.sin(angles) * np.cos(heights), np.sin(heights)], -1
    )
    return [View(looking_at(place, np.zeros(3)), **lens) for place in places]


def forward(count: int, distance: float = 3.0, **lens: Any) -> list[View]:
    """Views from a patch of a plane, all looking much the same way."""
    golden = (math.sqrt(5) - 1) / 2
    steps = np.arange(count)
    across, up = (steps * golden) % 1 - 0.5, (steps + 0.5) / count - 0.5
    places = np.stack([across, np.full(count, -distance), 0.8 * up + 0.6], -1)
    return [View(looking_at(place, np.array([0.3 * place[0], 0.0, 0.0])), **lens) for place in places]


def looking_at(place: Floats, target: Floats) -> Floats:
    """The camera-to-world matrix, 3 x 4, of a camera that stands upright."""
    back = (place - target) / np.linalg.norm(place - target)
    right = np.cross((0, 0, 1), back)
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(back, right), back, place], 1)


def crooked(views: Sequence[View]) -> list[View]:
    """The views through a lens of which every number matters."""
    lens = {"fx": 66.0, "fy": 73.0, "cx": 29.5, "cy": 26.25, "distortion": (0.12, -0.05, 0.01, -0.02)}
    return [replace(view, **lens) for view in views]


def shoot(scene: Scene, views: Sequence[View]) -> list[Shot]:
    """Pictures of a scene, one ray a pixel, rounded to 8 bits."""
    shots = []
    for index, view in enumerate(views):
        hits = scene.trace(*view.rays())
        rgba = np.rint(255 * np.concatenate([hits.colour, hits.is_hit[:, None]], 1)).astype(np.uint8)
        shape = view.height, view.width
        shots.append(Shot(f"img_{index:03}", view, rgba.reshape(*shape, 4), hits.depth.reshape(shape)))
    return shots


def write_scene(
    folder: Path,
    dialect: str,
    shots: Sequence[Shot],
    *,
    with_extension: bool = True,
    suffix: str = ".png",
    absent: int = 0,
    per_frame: bool = False,
    absolute: str = "",
    held_out: Sequence[int] = (),
    camera_model: str = "OPENCV",
    points: Floats | None = None,
) -> Path:
    """Write pictures and poses as a program of that name does.

    Args:
        folder: Where to; need not exist.
        dialect: One of :data:`DIALECTS`. Blender's has a field of view only, so it fits plain lenses.
        shots: The pictures. Without transparency they are written as RGB.
        with_extension: Whether lists name files with their extension.
        suffix: Which extension that is, for PNG data all the same.
        absent: How many pictures are listed besides that do not exist.
        per_frame: Whether each frame has its own intrinsics; else all have those of the first. COLMAP then has a
            camera for each.
        absolute: A folder to put before listed names, as on another machine.
        held_out: Which pictures go into a list of their own: ``transforms_test.json``, or nerfstudio's file names.
        camera_model: COLMAP's name of the lens.
        points: Points of the scene, (points, 3).

    Returns:
        The folder.
    """
    inner = "pictures" if dialect == "blender" else "images"
    (folder / inner).mkdir(parents=True)
    for shot in shots:
        _write_shot(folder / inner / (shot.name + suffix), shot.rgba)
    missing = [replace_name(shots[0], f"gone_{index}") for index in range(absent)]
    listed = [*missing, *shots]
    ending = suffix if with_extension else ""
    if dialect.startswith("colmap"):
        write = _write_colmap_text if dialect == "colmap-text" else _write_colmap_binary
        model = folder / "sparse" / "0"
        model.mkdir(parents=True)
        write(model, _colmap(listed, ending, per_frame, camera_model), points)
        return folder
    before = f"{absolute}/" if absolute else "./" if dialect == "blender" else ""
    frames = {shot.name: _frame(f"{before}{inner}/{shot.name}{ending}", shot, dialect, per_frame) for shot in listed}
    tests = [shots[index].name for index in held_out]
    table = {} if per_frame else _lens(dialect, shots[0].view)
    table |= {"nerfstudio": {"camera_model": "OPENCV", "applied_transform": np.eye(4)[:3].tolist()}}.get(dialect, {})
    table |= {"instant-ngp": {"aabb_scale": 4, "scale": 0.33}}.get(dialect, {})
    if dialect == "blender":
        train = [frame for name, frame in frames.items() if name not in tests]
        _write_json(folder / "transforms_train.json", {**table, "frames": train})
        if tests:
            _write_json(folder / "transforms_test.json", {**table, "frames": [frames[name] for name in tests]})
    else:
        if tests:
            table["train_filenames"] = [frame["file_path"] for name, frame in frames.items() if name not in tests]
            table["test_filenames"] = [frames[name]["file_path"] for name in tests]
        _write_json(folder / "transforms.json", {**table, "frames": list(frames.values())})
    if points is not None:
        np.save(folder / "points3d.npy", points)
    return folder


def replace_name(shot: Shot, name: str) -> Shot:
    """The same picture under another name."""
    return shot._replace(name=name)


def write_png(path: Path, pixels: NDArray[Any], pixel_format: str) -> Path:
    """A PNG file of pixels as they are."""
    return write_picture(path, VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format=pixel_format), "png")


def _write_shot(path: Path, rgba: NDArray[np.uint8]) -> None:
    opaque = rgba[..., 3].min() == 255
    write_png(path, rgba[..., :3] if opaque else rgba, "rgb24" if opaque else "rgba")


def _write_json(path: Path, table: dict[str, Any]) -> None:
    path.write_text(json.dumps(table))


def _frame(listed: str, shot: Shot, dialect: str, per_frame: bool) -> dict[str, Any]:
    matrix = np.concatenate([shot.view.matrix, [[0, 0, 0, 1]]])
    more = {"blender": {"rotation": 0.01}, "instant-ngp": {"sharpness": 31.5}, "nerfstudio": {"colmap_im_id": 1}}
    lens = _lens(dialect, shot.view) if per_frame else {}
    return {"file_path": listed, "transform_matrix": matrix.tolist(), **more[dialect], **lens}


def _lens(dialect: str, view: View) -> dict[str, Any]:
    angle_x, angle_y = 2 * math.atan(view.width / 2 / view.fx), 2 * math.atan(view.height / 2 / view.fy)
    if dialect == "blender":
        assert (view.fx, view.cx, view.cy, any(view.distortion)) == (view.fy, view.width / 2, view.height / 2, False)
        return {"camera_angle_x": angle_x}
    k1, k2, p1, p2 = view.distortion
    lens: dict[str, Any] = {"fl_x": view.fx, "fl_y": view.fy, "cx": view.cx, "cy": view.cy, "w": view.width}
    lens |= {"h": view.height, "k1": k1, "k2": k2, "p1": p1, "p2": p2}
    if dialect == "instant-ngp":
        lens |= {"camera_angle_x": angle_x, "camera_angle_y": angle_y, "w": float(view.width)}
    return lens


class _Colmap(NamedTuple):
    cameras: list[tuple[int, str, int, int, list[float]]]
    images: list[tuple[int, list[float], int, str]]
    """Number; w x y z and translation; camera; name."""


def _colmap(shots: Sequence[Shot], ending: str, per_frame: bool, model: str) -> _Colmap:
    used = [shot.view for shot in shots] if per_frame else [shots[0].view]
    cameras = [(10 + i, model, view.width, view.height, _parameters(view, model)) for i, view in enumerate(used)]
    images = []
    for index, shot in enumerate(shots):
        rotation = (shot.view.matrix[:, :3] @ FLIP).T
        pose = [*_quaternion(rotation), *(-rotation @ shot.view.matrix[:, 3])]
        images.append((7 * index + 3, pose, 10 + index * per_frame, shot.name + ending))
    return _Colmap(cameras, images[::-1])  # COLMAP's own order is none in particular


def _parameters(view: View, model: str) -> list[float]:
    k1, k2, p1, p2 = view.distortion
    numbers = {"f": view.fx, "fx": view.fx, "fy": view.fy, "cx": view.cx, "cy": view.cy, "k1": k1, "k2": k2}
    numbers |= {"p1": p1, "p2": p2}
    parameters = {
        "SIMPLE_PINHOLE": "f cx cy",
        "PINHOLE": "fx fy cx cy",
        "SIMPLE_RADIAL": "f cx cy k1",
        "RADIAL": "f cx cy k1 k2",
        "OPENCV": "fx fy cx cy k1 k2 p1 p2",
        "OPENCV_FISHEYE": "fx fy cx cy k1 k2 p1 p2",
    }
    return [numbers[name] for name in parameters[model].split()]


def _quaternion(rotation: Floats) -> Floats:
    """The eigenvector to the largest eigenvalue of Bar-Itzhack's matrix, real part first."""
    (a, b, c), (d, e, f), (g, h, i) = rotation
    matrix = np.array([
        [a - e - i, b + d, c + g, h - f],
        [b + d, e - a - i, f + h, c - g],
        [c + g, f + h, i - a - e, d - b],
        [h - f, c - g, d - b, a + e + i],
    ])  # fmt: skip
    x, y, z, w = np.linalg.eigh(matrix)[1][:, -1]
    return np.array([w, x, y, z])


def _write_colmap_text(folder: Path, model: _Colmap, points: Floats | None) -> None:
    cameras = [" ".join(map(str, (*camera[:4], *camera[4]))) for camera in model.cameras]
    (folder / "cameras.txt").write_text("\n".join(["# Camera list", *cameras, ""]))
    lines = ["# Image list", "# two lines a picture"]
    for index, (number, pose, camera, name) in enumerate(model.images):
        lines += [" ".join(map(str, (number, *(float(value) for value in pose), camera, name)))]
        lines += ["" if index % 2 else "1.5 2.5 -1 10.25 20.75 4"]
    (folder / "images.txt").write_text("\n".join([*lines, ""]))
    if points is not None:
        rows = [f"{index} {x} {y} {z} 10 20 30 0.5 3 0 10 1" for index, (x, y, z) in enumerate(points.tolist())]
        (folder / "points3D.txt").write_text("\n".join(["# 3D point list", *rows, ""]))


def _write_colmap_binary(folder: Path, model: _Colmap, points: Floats | None) -> None:
    numbers = {"SIMPLE_PINHOLE": 0, "PINHOLE": 1, "SIMPLE_RADIAL": 2, "RADIAL": 3, "OPENCV": 4, "OPENCV_FISHEYE": 5}
    data = struct.pack("<Q", len(model.cameras))
    for camera, name, width, height, parameters in model.cameras:
        data += struct.pack(f"<IiQQ{len(parameters)}d", camera, numbers[name], width, height, *parameters)
    (folder / "cameras.bin").write_bytes(data)
    data = struct.pack("<Q", len(model.images))
    for index, (number, pose, camera, name) in enumerate(model.images):
        seen = [(1.5, 2.5, 2**64 - 1), (10.25, 20.75, 4)][: index % 3]
        data += struct.pack("<I7dI", number, *pose, camera) + name.encode() + b"\0" + struct.pack("<Q", len(seen))
        data += b"".join(struct.pack("<ddQ", *point) for point in seen)
    (folder / "images.bin").write_bytes(data)
    if points is not None:
        data = struct.pack("<Q", len(points))
        for index, point in enumerate(points):
            track = [(3, 0), (10, 1), (17, 5)][: index % 3 + 1]
            data += struct.pack("<Q3d3BdQ", index, *point, 10, 20, 30, 0.5, len(track))
            data += b"".join(struct.pack("<II", *place) for place in track)
        (folder / "points3D.bin").write_bytes(data)


def _to_ball(origins: Floats, directions: Floats, centre: Floats, radius: float) -> Floats:
    """Where rays enter a ball."""
    towards = origins - centre
    a, b = np.sum(directions**2, -1), np.sum(directions * towards, -1)
    inside_root = b**2 - a * (np.sum(towards**2, -1) - radius**2)
    near = (-b - np.sqrt(np.maximum(inside_root, 0))) / a
    return np.where((inside_root > 0) & (near > 0), near, np.inf)


def _to_sky(origins: Floats, directions: Floats, radius: float) -> Floats:
    """Where rays that begin inside a sphere around 0 leave it."""
    a, b = np.sum(directions**2, -1), np.sum(directions * origins, -1)
    return (-b + np.sqrt(b**2 - a * (np.sum(origins**2, -1) - radius**2))) / a


def _to_box(origins: Floats, directions: Floats, low: Floats, high: Floats) -> Floats:
    """Where rays enter a box: the last of the three pairs of planes that is entered, before the first that is left."""
    with np.errstate(divide="ignore", invalid="ignore"):
        first, second = (low - origins) / directions, (high - origins) / directions
    near, far = np.minimum(first, second).max(-1), np.maximum(first, second).min(-1)
    return np.where((near < far) & (near > 0), near, np.inf)
