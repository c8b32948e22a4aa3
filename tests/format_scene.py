"""Scenes, written from FORMAT.md alone: nothing of fieldpress. One ray at a time, in double, as short as can be."""

import itertools
import math
from typing import Any

import numpy as np
from format_octree import child, grid

Table = dict[str, Any]
Tensors = dict[str, np.ndarray]

CORNERS = list(itertools.product((0, 1), repeat=3))


# --- encodings ---


def cell_of(p: np.ndarray, s: int) -> tuple[int, ...]:
    return tuple(min(math.floor(u * s), s - 1) for u in p.tolist())


def value(p: np.ndarray, s: int, features: Any) -> np.ndarray:
    """The sum over corners; `features` says those of a corner."""
    q = cell_of(p, s)
    share = [u * s - i for u, i in zip(p.tolist(), q, strict=True)]
    total: Any = 0
    for e in CORNERS:
        weight = math.prod(t if one else 1 - t for t, one in zip(share, e, strict=True))
        total = total + weight * features(tuple(i + one for i, one in zip(q, e, strict=True)))
    return total


class Octree:
    """Cells and corners of each level."""

    def __init__(self, config: Table, name: str, tensors: Tensors, shown: int) -> None:
        self.config, self.n = config, min(shown, len(config["cells"]))
        self.tables = [tensors.get(f"{name}.levels.{level}") for level in range(self.n)]
        self.cells: list[set] = []
        self.corners: list[dict] = []
        parents = grid(2 ** (config["coarsest"] - 1))
        for level in range(self.n):
            rows = tensors[f"{name}.octants.{level}"]
            parents = [
                child(place, c) for place, row in zip(parents, rows, strict=True) for c in range(8) if row[c] > 0.5
            ]
            ends = sorted({tuple(i + e for i, e in zip(q, one, strict=True)) for q in parents for one in CORNERS})
            assert (len(parents), len(ends)) == (config["cells"][level], config["corners"][level])
            self.cells.append(set(parents))
            self.corners.append({corner: row for row, corner in enumerate(ends)})

    def side(self, level: int) -> int:
        return 2 ** (self.config["coarsest"] + level)

    def features(self, p: np.ndarray) -> np.ndarray:
        if not self.config["channels"] or cell_of(p, self.side(self.n - 1)) not in self.cells[-1]:
            return np.zeros(self.config["channels"])
        return np.sum([value(p, self.side(level), self._row(level)) for level in range(self.n)], 0)

    def _row(self, level: int) -> Any:
        table = self.tables[level]
        assert table is not None
        return lambda corner: table[:, self.corners[level][corner], 0].astype(float)


def read_hashgrid(config: Table, name: str, tensors: Tensors, p: np.ndarray, shown: int) -> np.ndarray:
    found = []
    for level, s in enumerate(config["sides"]):
        if level >= shown:
            found.append(np.zeros(config["channels"]))
            continue
        table, b = tensors[f"{name}.levels.{level}"], 2 ** config["table_bits"]

        def features(corner: tuple[int, ...], s: int = s, table: np.ndarray = table, b: int = b) -> np.ndarray:
            i, j, k = corner
            direct = (s + 1) ** 3 <= b
            row = (i * (s + 1) + j) * (s + 1) + k if direct else (i ^ j * 2654435761 ^ k * 805459861) % b
            return table[:, row, 0].astype(float)

        found.append(value(p, s, features))
    return np.concatenate(found)


def read_dense(config: Table, name: str, tensors: Tensors, p: np.ndarray) -> np.ndarray:
    return value(p, config["side"], lambda corner: tensors[f"{name}.grid"][(slice(None), *corner)].astype(float))


# --- the decoder ---


def sums(tensors: Tensors, name: str, v: np.ndarray) -> np.ndarray:
    return tensors[f"decoder.{name}.weight"].astype(float) @ v + tensors[f"decoder.{name}.bias"]


def density_of(tensors: Tensors, f: np.ndarray) -> float:
    return math.log1p(math.exp(sums(tensors, "density", f)[0]))


def colour_of(decoder: Table, tensors: Tensors, f: np.ndarray, d: np.ndarray) -> np.ndarray:
    x, y, z = d
    a, b, c = math.sqrt(3), math.sqrt(5), math.sqrt(15)
    harmonics = [1, a * y, a * z, a * x, c * x * y, c * y * z, b * (3 * z**2 - 1) / 2, c * x * z, c * (x**2 - y**2) / 2]
    h = np.maximum(sums(tensors, "hidden.0", f) + tensors["decoder.view"].astype(float) @ np.array(harmonics), 0)
    for i in range(1, decoder["depth"]):
        h = np.maximum(sums(tensors, f"hidden.{i}", h), 0)
    return 1 / (1 + np.exp(-sums(tensors, "last", h)))


# --- rays ---


def ray_of(lens: Table, pose: Table, r: int, c: int) -> tuple[np.ndarray, np.ndarray]:
    k1, k2, p1, p2, k3 = [*lens["distortion"], 0, 0, 0, 0, 0][:5]
    left = (c + 0.5 - lens["cx"]) / lens["fx"], (r + 0.5 - lens["cy"]) / lens["fy"]
    x, y = left
    for _ in range(100):  # a fixed point: these lenses bend little
        q = x * x + y * y
        rho = 1 + k1 * q + k2 * q**2 + k3 * q**3
        x, y = (
            (left[0] - 2 * p1 * x * y - p2 * (q + 2 * x * x)) / rho,
            (left[1] - p1 * (q + 2 * y * y) - 2 * p2 * x * y) / rho,
        )
    turn = np.array(pose["turn"], float)
    theta = float(np.linalg.norm(turn))
    k = np.array([[0, -turn[2], turn[1]], [turn[2], 0, -turn[0]], [-turn[1], turn[0], 0]])
    rotation = np.eye(3)
    if theta:
        rotation = rotation + k * math.sin(theta) / theta + k @ k * (1 - math.cos(theta)) / theta**2
    d = rotation @ np.array([x, -y, -1])
    return np.array(pose["position"], float), d / np.linalg.norm(d)


def path_of(space: Table, o: np.ndarray, d: np.ndarray) -> Any:
    """P of a ray, None if it meets nothing."""
    m = np.array(space["matrix"], float).reshape(4, 4)
    if space["contracted"]:
        a, b = (m @ [*o, 1])[:3], m[:3, :3] @ d
        scale = float(np.linalg.norm(b))

        def bent(s: float) -> np.ndarray:
            tau = max(4 * s, space["near"] * scale) if s < 0.5 else 1 / (1 - min(s, 1 - 1e-6))
            v = a + tau * b / scale
            n = max(float(np.linalg.norm(v)), 1)
            return 0.5 + (2 - 1 / n) * v / (4 * n)

        return bent
    start, slope = (m @ [*o, 1])[:3], m[:3, :3] @ d
    low, high = space["near"], 1e6 / float(np.linalg.norm(m[:3, :3], axis=1).min())
    for at, by in zip([*start, *(1 - start)], [*slope, *-slope], strict=True):
        if by > 0:
            low = max(low, -at / by)
        elif by < 0:
            high = min(high, -at / by)
        elif at < 0:
            return None
    if low >= high:
        return None
    ends = [start + u * slope for u in (low, high)]
    return lambda s: ends[0] + s * (ends[1] - ends[0])


def weights_of(samples: list[tuple[float, np.ndarray]]) -> list[float]:
    """From what each sample absorbs."""
    before = np.cumsum([0.0, *(absorbed for absorbed, _ in samples)])
    return [math.exp(-b) * (1 - math.exp(-a)) for b, (a, _) in zip(before, samples, strict=False)]


class SceneReader:
    """What a file's cameras see, with so many levels.

    Args:
        header: Of the file.
        tensors: All of them, or those of the levels shown.
        levels: Shown.
    """

    def __init__(self, header: Table, tensors: Tensors, levels: int = 256) -> None:
        self.signal, self.field, self.tensors, self.levels = header["signal"], header["field"], tensors, levels
        self.octrees = {
            name: Octree(config, name, tensors, levels)
            for name, config in self.field["encodings"].items()
            if config["id"] == "octree"
        }
        self.octree = next(iter(self.octrees.values()))
        self.side = self.octree.side(self.octree.n - 1)
        self.worth: dict[tuple[int, ...], bool] = {}

    def features(self, p: np.ndarray) -> np.ndarray:
        found = []
        for name, config in self.field["encodings"].items():
            if config["id"] == "octree":
                found.append(self.octrees[name].features(p))
            elif config["id"] == "hashgrid":
                found.append(read_hashgrid(config, name, self.tensors, p, self.levels))
            else:
                found.append(read_dense(config, name, self.tensors, p))
        return np.concatenate(found)

    def is_worth_a_look(self, cell: tuple[int, ...]) -> bool:
        if cell not in self.worth:
            places = [(np.array(cell) + 0.001 + 0.998 * np.array(e)) / self.side for e in CORNERS]
            greatest = max(density_of(self.tensors, self.features(place)) for place in places)
            self.worth[cell] = greatest * 128 / self.side > 0.02
        return self.worth[cell]

    def codes(self, camera: int, r: int, c: int) -> np.ndarray:
        """The 8-bit colour of a pixel."""
        stand = self.signal["stands"][camera]
        o, d = ray_of(self.signal["lenses"][stand["lens"]], stand["pose"], r, c)
        path, samples = path_of(self.signal["space"], o, d), []
        bins = max(64, self.side)
        for i in range(bins) if path else ():
            p = path((i + 0.5) / bins)
            cell = cell_of(p.clip(0, 1), self.side)
            if cell in self.octree.cells[-1] and self.is_worth_a_look(cell):
                f = self.features(p.clip(0, 1))
                length = 128 * float(np.linalg.norm(path((i + 1) / bins) - path(i / bins)))
                samples.append((density_of(self.tensors, f) * length, f))
        kept = [sample for sample, weight in zip(samples, weights_of(samples), strict=True) if weight > 0.003]
        weights = weights_of(kept)
        colour = np.array(self.signal["background"]) * (1 - sum(weights))
        for weight, (_, f) in zip(weights, kept, strict=True):
            colour = colour + weight * colour_of(self.field["decoder"], self.tensors, f, d)
        return np.floor(255 * np.clip(colour, 0, 1) + 0.5).astype(np.uint8)
