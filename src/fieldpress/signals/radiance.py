"""A scene: what photographs taken from known places show, from any other place."""

import math
from dataclasses import dataclass
from typing import ClassVar

from fieldpress.signals.base import MAX_FRAMES, Matrix, Signal
from fieldpress.signals.cameras import Camera, Lens, Pose
from fieldpress.signals.space import Space

_DIGITS = 6
"""Behind the point, of where cameras stand in a scene of size 1."""


@dataclass(frozen=True)
class Stand:
    """A camera of the file: one of its lenses, somewhere."""

    lens: int
    """Number of the lens."""
    pose: Pose


@dataclass(frozen=True)
class Radiance(Signal):
    """A scene and the cameras that come with it: those of the pictures that were held out.

    Its pictures are what these cameras see.

    Raises:
        ValueError: A field is out of its range; the message names it.
    """

    id: ClassVar[str] = "radiance"

    space: Space
    """How the world is laid into the unit cube."""
    background: tuple[float, float, float]
    """What is seen where nothing is: red, green and blue in [0, 1]."""
    lenses: tuple[Lens, ...]
    """Each once."""
    stands: tuple[Stand, ...]
    """The cameras, at least one."""
    observed: int
    """Pixels of all pictures of the source; bits per pixel are counted by them."""
    levels_psnr: tuple[float, ...]
    """Quality with one level, with two and so on, in dB against the pictures held out; empty if not measured."""

    def __post_init__(self) -> None:
        if not 1 <= len(self.stands) <= MAX_FRAMES or not self.lenses:
            raise ValueError(f"a scene has 1 to {MAX_FRAMES} cameras, and their lenses")
        if not all(0 <= stand.lens < len(self.lenses) for stand in self.stands):
            raise ValueError("a camera of a scene has a lens that is not there")
        if not all(0 <= value <= 1 for value in self.background):
            raise ValueError(f"the background is {self.background}; expected three numbers in [0, 1]")
        if self.observed < 1:
            raise ValueError(f"observed is {self.observed}; expected the pixels of at least one picture")

    @staticmethod
    def seen_by(
        cameras: tuple[Camera, ...], space: Space, background: tuple[float, float, float], observed: int
    ) -> "Radiance":
        """A scene with these cameras, poses rounded to about a millionth of the scene."""
        size = 1 / math.hypot(*space.matrix[:3])
        digits = _DIGITS - round(math.log10(size))
        lenses = tuple(dict.fromkeys(camera.lens for camera in cameras))
        stands = tuple(Stand(lenses.index(camera.lens), camera.pose.rounded(digits)) for camera in cameras)
        return Radiance(space, background, lenses, stands, observed, ())

    def camera(self, index: int) -> Camera:
        """Camera ``index``."""
        stand = self.stands[index]
        return Camera(self.lenses[stand.lens], stand.pose)

    @property
    def frames(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """How many cameras there are."""
        return len(self.stands)

    @property
    def height(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Rows of what the first camera sees; others may differ."""
        return self.lenses[self.stands[0].lens].height

    @property
    def width(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Columns of what the first camera sees; others may differ."""
        return self.lenses[self.stands[0].lens].width

    @property
    def pixels(self) -> int:
        """Of all pictures of the source."""
        return self.observed

    @property
    def matrix(self) -> Matrix:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Photographs are RGB."""
        return "rgb"

    @property
    def full_range(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Photographs use all codes."""
        return True
