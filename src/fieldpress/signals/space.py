"""How the world of a scene is laid into the unit cube in which its field lives.

Two layouts serve all scenes. A *box* around an object: straight rays stay straight. A *contracted* one leaves a ball as
it is and draws everything outside, to infinity, into a shell around it. Source of the contraction: mip-NeRF 360 (Barron
et al. 2022).
"""

from dataclasses import dataclass

_MAX_MAGNITUDE = 1e12


@dataclass(frozen=True)
class Space:
    """A layout.

    Raises:
        ValueError: A number is out of range.
    """

    matrix: tuple[float, ...]
    """World to cube, row by row, 4 x 4, affine. Contracted: world to where the ball has radius 1 around 0."""
    contracted: bool
    """Whether what the matrix gives is contracted, and then halved twice and moved into the cube."""
    near: float
    """Distance from a camera, in world units, before which nothing is seen."""

    def __post_init__(self) -> None:
        if len(self.matrix) != 16 or not all(abs(number) < _MAX_MAGNITUDE for number in self.matrix):
            raise ValueError("a space has a matrix of 16 numbers")
        if not 0 <= self.near < _MAX_MAGNITUDE:
            raise ValueError(f"near is {self.near:g}; expected a distance not below 0")
        if self.matrix[12:] != (0.0, 0.0, 0.0, 1.0):
            raise ValueError(f"the matrix of a space ends with {self.matrix[12:]}; expected 0, 0, 0, 1")
