"""Shapes, written from FORMAT.md alone: nothing of fieldpress. One ray at a time, in double, as short as can be."""

import itertools
import math
from typing import Any

import numpy as np
from format_scene import Octree, Table, Tensors, cell_of, read_dense, read_hashgrid, sums


class ShapeReader:
    """Distances of a file, and what its cameras see, with so many levels.

    Args:
        header: Of the file.
        tensors: All of them, or those of the levels shown.
        levels: Shown.
    """

    def __init__(self, header: Table, tensors: Tensors, levels: int = 256) -> None:
        self.signal, self.field, self.tensors, self.levels = header["signal"], header["field"], tensors, levels
        self.first = next(name for name, config in self.field["encodings"].items() if config["id"] == "octree")
        config = self.field["encodings"][self.first]
        self.octrees = [Octree(config, self.first, tensors, n) for n in range(1, min(levels, len(config["cells"])) + 1)]
        self.side = self.octrees[-1].side(len(self.octrees) - 1)
        self.others = {
            name: Octree(config, name, tensors, levels)
            for name, config in self.field["encodings"].items()
            if config["id"] == "octree" and name != self.first
        }

    def distance(self, p: np.ndarray) -> tuple[float, bool]:
        """The distance at a place, and whether it is in a cell of the finest level."""
        cells = [cell_of(p, octree.side(octree.n - 1)) for octree in self.octrees]
        depth = sum(cell in octree.cells[-1] for cell, octree in zip(cells, self.octrees, strict=True))
        if not depth:
            return 1.0, False
        f = self.features(p, self.octrees[depth - 1])
        h = f
        for i in range(self.field["decoder"]["depth"]):
            h = np.maximum(sums(self.tensors, f"hidden.{i}", h), 0)
        d = (self.tensors["decoder.skip"].astype(float) @ f + sums(self.tensors, "last", h)) / 16
        return float(d[0]), depth == len(self.octrees)

    def features(self, p: np.ndarray, octree: Octree) -> np.ndarray:
        found: list[Any] = []
        for name, config in self.field["encodings"].items():
            if config["id"] == "octree":
                found.append((octree if name == self.first else self.others[name]).features(p))
            elif config["id"] == "hashgrid":
                found.append(read_hashgrid(config, name, self.tensors, p, self.levels))
            else:
                found.append(read_dense(config, name, self.tensors, p))
        return np.concatenate(found)

    def met(self, o: np.ndarray, d: np.ndarray) -> np.ndarray | None:
        """The place where a ray meets the surface, None if it meets none."""
        ends = np.sort([-o / d, (1 - o) / d], axis=0)  # no ray of these tests is along an axis
        at, last = max(float(ends[0].max()), 0.0), float(ends[1].min())
        if at >= last:
            return None
        u, s = math.inf, 0.0
        for _ in range(512):
            p = o + at * d
            v, fine = self.distance(p.clip(0, 1))
            if fine and v <= 0:
                back = 0.0 if v == 0 or u == math.inf else v * s / (v - u)
                return (p - back * d).clip(0, 1)
            u, s = max(v, 0.0), max(v, 1 / (8 if fine else 2) / self.side)
            at += s
            if at >= last:
                return None
        return None

    def codes(self, camera: int, r: int, c: int) -> np.ndarray:
        """The 8-bit colour of a pixel."""
        height, width = self.signal["height"], self.signal["width"]
        phi, eps = 2 * math.pi * camera / self.signal["frames"], math.radians(25)
        b = np.array([math.cos(eps) * math.sin(phi), math.sin(eps), math.cos(eps) * math.cos(phi)])
        right = np.array([math.cos(phi), 0, -math.sin(phi)])
        axes = np.stack([right, np.cross(b, right), b], 1)
        focal = 2.5 / 1.1 * min(height, width)
        d = axes @ np.array([(c + 0.5 - width / 2) / focal, -(r + 0.5 - height / 2) / focal, -1])
        p = self.met(0.5 + 2.5 * b, d / np.linalg.norm(d))
        if p is None:
            return np.full(3, 255, np.uint8)
        n = np.zeros(3)
        for e in itertools.product((-1, 1), repeat=3):
            if math.prod(e) > 0:
                n += self.distance((p + 0.3 / self.side * np.array(e)).clip(0, 1))[0] * np.array(e)
        light = axes @ np.array([-0.43, 0.52, 0.74])
        lit = max(float(n @ light) / float(np.linalg.norm(n) * np.linalg.norm(light)), 0)
        return np.floor(255 * np.array([0.85, 0.82, 0.76]) * (0.2 + 0.8 * lit) + 0.5).astype(np.uint8)
