"""What COLMAP's text and binary files both say."""

from typing import NamedTuple

MODELS: dict[str, tuple[str, ...]] = {
    "SIMPLE_PINHOLE": ("f", "cx", "cy"),
    "PINHOLE": ("fx", "fy", "cx", "cy"),
    "SIMPLE_RADIAL": ("f", "cx", "cy", "k1"),
    "RADIAL": ("f", "cx", "cy", "k1", "k2"),
    "OPENCV": ("fx", "fy", "cx", "cy", "k1", "k2", "p1", "p2"),
}
"""The camera models that are supported, with the parameters in COLMAP's order."""

MODEL_NUMBERS = (
    *MODELS,
    *("OPENCV_FISHEYE", "FULL_OPENCV", "FOV", "SIMPLE_RADIAL_FISHEYE", "RADIAL_FISHEYE", "THIN_PRISM_FISHEYE"),
    *("RAD_TAN_THIN_PRISM_FISHEYE", "SIMPLE_DIVISION", "DIVISION", "SIMPLE_FISHEYE", "FISHEYE", "EUCM"),
    "EQUIRECTANGULAR",
)
"""All camera models; binary files name them by their place here."""


class Calibration(NamedTuple):
    """A camera: a lens that pictures share."""

    camera: int
    model: str
    width: int
    height: int
    parameters: tuple[float, ...]
    """As :data:`MODELS` names them; empty for a model that is not supported."""


class Registration(NamedTuple):
    """A picture whose pose was found."""

    name: str
    camera: int
    quaternion: tuple[float, float, float, float]
    """Real part first; turns world into camera axes."""
    translation: tuple[float, float, float]
