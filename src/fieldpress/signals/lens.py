"""Lenses: pinholes with OpenCV's distortion, from places in a picture to directions and back.

Directions are in OpenGL's axes, as :mod:`~fieldpress.signals.pose` has them. Pixel (row i, column j) has its centre at
(j + 0.5, i + 0.5), and ``cx, cy`` are in the same units: a picture's middle is (width / 2, height / 2).
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fieldpress.signals.base import check_size

Vectors = NDArray[np.float64]

_UNDISTORTING = 20
"""Newton steps from distorted to straight coordinates; wide lenses take the most, ordinary ones three."""
_MAX_MAGNITUDE = 1e9
"""Of any length in pixels."""


@dataclass(frozen=True)
class Lens:
    """How a camera maps directions to pixels.

    Raises:
        ValueError: A number is out of range; the message names it.
    """

    height: int
    """Rows of its pictures."""
    width: int
    """Columns of its pictures."""
    fx: float
    """Focal length in pixel widths."""
    fy: float
    """Focal length in pixel heights."""
    cx: float
    """Where the axis meets the picture, in pixels from the left edge."""
    cy: float
    """The same from the top edge."""
    distortion: tuple[float, ...] = ()
    """OpenCV's k1, k2, p1, p2 and k3, as many as there are; none for a straight lens."""

    def __post_init__(self) -> None:
        check_size(self.height, self.width)
        if not (0 < self.fx < _MAX_MAGNITUDE and 0 < self.fy < _MAX_MAGNITUDE):
            raise ValueError(f"focal lengths are {self.fx:g} and {self.fy:g} pixels; expected numbers above 0")
        if not (abs(self.cx) < _MAX_MAGNITUDE and abs(self.cy) < _MAX_MAGNITUDE):
            raise ValueError(f"the axis meets the picture at {self.cx:g}, {self.cy:g}; expected pixels")
        if len(self.distortion) > 5 or not all(abs(k) < 1e3 for k in self.distortion):
            raise ValueError(f"distortion is {self.distortion}; expected up to five numbers k1, k2, p1, p2, k3")

    def scaled(self, height: int, width: int) -> "Lens":
        """The same lens over another number of pixels."""
        down, across = height / self.height, width / self.width
        return replace(
            self,
            height=height, width=width, fx=self.fx * across, fy=self.fy * down, cx=self.cx * across, cy=self.cy * down,
        )  # fmt: skip

    def cropped(self, top: int, left: int, height: int, width: int) -> "Lens":
        """The part of the picture that begins at row ``top`` and column ``left``."""
        return replace(self, height=height, width=width, cx=self.cx - left, cy=self.cy - top)

    def directions(self, columns: Vectors, rows: Vectors) -> NDArray[np.float64]:
        """Camera-space directions, (..., 3) with z = -1, through places in pixels from the top left corner."""
        with np.errstate(all="ignore"):  # of a lens that no glass has, what it does to far corners may be no number
            x, y = self._straightened((columns - self.cx) / self.fx, (rows - self.cy) / self.fy)
        return np.stack([x, -y, -np.ones_like(x)], -1)

    def pixels(self, directions: NDArray[np.float64]) -> tuple[Vectors, Vectors]:
        """Columns and rows, in pixels, where camera-space directions with z below 0 fall."""
        x, y = self._distorted(-directions[..., 0] / directions[..., 2], directions[..., 1] / directions[..., 2])
        return x * self.fx + self.cx, y * self.fy + self.cy

    def _distorted(self, x: Vectors, y: Vectors) -> tuple[Vectors, Vectors]:
        """Source: OpenCV, camera calibration, the Brown-Conrady model."""
        k1, k2, p1, p2, k3 = (*self.distortion, 0.0, 0.0, 0.0, 0.0, 0.0)[:5]
        squared = x * x + y * y
        radial = 1 + squared * (k1 + squared * (k2 + squared * k3))
        return (
            x * radial + 2 * p1 * x * y + p2 * (squared + 2 * x * x),
            y * radial + p1 * (squared + 2 * y * y) + 2 * p2 * x * y,
        )

    def _straightened(self, x: Vectors, y: Vectors) -> tuple[Vectors, Vectors]:
        """The inverse of :meth:`_distorted`, by Newton's method with the Jacobian of the radial part."""
        if not any(self.distortion):
            return x, y
        k1, k2, p1, p2, k3 = (*self.distortion, 0.0, 0.0, 0.0, 0.0, 0.0)[:5]
        u, v = x, y
        for _ in range(_UNDISTORTING):
            found_x, found_y = self._distorted(u, v)
            off_x, off_y = found_x - x, found_y - y
            if max(np.abs(off_x).max(initial=0), np.abs(off_y).max(initial=0)) < 1e-10:
                break
            s = u * u + v * v
            radial = 1 + s * (k1 + s * (k2 + s * k3))
            slope = 2 * (k1 + s * (2 * k2 + 3 * k3 * s))
            xx = radial + slope * u * u + 2 * p1 * v + 6 * p2 * u
            yy = radial + slope * v * v + 6 * p1 * v + 2 * p2 * u
            xy = slope * u * v + 2 * p1 * u + 2 * p2 * v
            determinant = xx * yy - xy * xy
            safe = np.where(np.abs(determinant) < 1e-6, 1.0, determinant)
            u = u - (yy * off_x - xy * off_y) / safe
            v = v - (xx * off_y - xy * off_x) / safe
        return u, v
