"""What can be rendered from a field, picture by picture: parts of a clip, or what cameras see of a scene."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from fractions import Fraction

import torch
from jaxtyping import UInt8
from torch import Tensor

from fieldpress.field import Field


class Pictures(ABC):
    """Pictures to render."""

    positions: tuple[Fraction, ...]
    """Where each lies between the signal's own, in pictures; 2.5 is half-way between 2 and 3."""

    @abstractmethod
    def render(self, field: Field, device: torch.device | str = "cpu") -> Iterator[UInt8[Tensor, "h w 3"]]:
        """The pictures one by one, as 8-bit RGB. Memory is that of a few pictures, whatever their number."""


def to_bytes(picture: Tensor) -> UInt8[Tensor, "..."]:
    """Colours in [0, 1] to the nearest 8-bit code; what lies outside is clipped, and what is no number is black."""
    return picture.float().nan_to_num(0.0).clamp_(0, 1).mul_(255).add_(0.5).to(torch.uint8)
