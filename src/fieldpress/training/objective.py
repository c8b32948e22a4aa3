"""What a field is fitted to: pictures of a clip, photographs of a scene, the distance to a shape.

The training loop knows budgets, guides and optimisers; an objective knows the source. It draws what a step looks at,
and leaves the gradients of its error in the field.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, NamedTuple

import torch
from jaxtyping import Int, UInt8
from torch import Tensor

from fieldpress.compressors.guides import Written
from fieldpress.decoders.head import HeadDecoder
from fieldpress.field import Field
from fieldpress.interfaces import EncodingConfig
from fieldpress.metrics import ssim
from fieldpress.signals.base import Matrix
from fieldpress.training.config import Training
from fieldpress.training.film_head import fit_head
from fieldpress.training.sampling import Batch, FrameSampler, PixelSampler
from fieldpress.training.start import start_field

_LEAST_ERROR = 1e-6
"""Mean squared error below which a picture counts as perfect in the psnr loss: 60 dB."""
_WIDE = 128
"""Numbers at a place from which on products, not memory, should take a GPU's time. Products of 16 bits cost a narrow
decoder 0.1 dB and spare it little."""
_MOST_POINTS = 1 << 17
"""Points are trained on in parts of so many, their gradients added: a batch of a million fits in memory."""


class Trimmed(NamedTuple):
    """What was cut off a field."""

    encodings: dict[str, EncodingConfig]
    """Those that have become smaller, by name."""
    left: dict[str, Int[Tensor, "n"]]
    """Of each tensor that has lost cells, which lie along its second axis, those that are left, rising; by name."""


class Objective(ABC):
    """A source as the training loop sees it."""

    pixels: int
    """Of the whole source: what bits per pixel are counted by."""
    pixels_per_step: int
    """How many of them one step looks at."""
    device: torch.device

    @abstractmethod
    def start(self, field: Field) -> None:
        """Gives a fresh field the start that the training settings ask for.

        Raises:
            ConfigError: The field does not suit the start.
        """

    @abstractmethod
    def descend(self, field: Field, share: float) -> float:
        """Draws a batch and adds the gradients of its loss to the field's.

        Args:
            field: As the decoder would see it.
            share: Of the training budget that is used, in [0, 1].

        Returns:
            The mean squared error of the batch, by which progress is shown.
        """

    def error_ahead(self, field: Field) -> float | None:
        """The mean squared error of the very batch that comes next, for what a round trip costs; None if not known.

        The state stays as it is.
        """
        del field
        return None

    def trim(self, field: Field) -> Trimmed | None:
        """Called before the grids are final, if bits have a price: cuts off, in place, what nobody will miss.

        Returns:
            What that was; None where all is needed.
        """
        del field
        return None

    def complete(self, field: Field, bits: float, decoder: Iterable[Written]) -> float | None:
        """Called when the grids are final: finds what is left in closed form, where that can be done.

        Args:
            field: Its grids hold what they decode to.
            bits: Of the grids.
            decoder: The chunks of the decoder.

        Returns:
            The mean squared error, if training has nothing left to do; else None.
        """
        del field, bits, decoder
        return None

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """What a resumed run needs, as tensors and plain values."""

    @abstractmethod
    def load_state(self, state: dict[str, Any]) -> None:
        """Goes on exactly where :meth:`state` was taken."""


class ClipObjective(Objective):
    """Pictures: whole ones or pixels of them, as the training settings say.

    Args:
        rgb: The clip, on the device of the field.
        training: Sampling, batch, loss and start.
        seed: Of the order in which pictures or pixels are drawn.
        matrix: Of the source's own luma.
    """

    def __init__(self, rgb: UInt8[Tensor, "t h w 3"], training: Training, seed: int, matrix: Matrix = "bt709") -> None:
        self._rgb, self._training = rgb, training
        self._matrix: Matrix = matrix  # of a tuple, its type would be inferred to be any text
        self._generator = torch.Generator().manual_seed(seed)
        sampler = FrameSampler if training.sampling == "frames" else PixelSampler
        self._sampler = sampler(rgb, training.batch_pixels, self._generator)
        self.pixels = rgb[..., 0].numel()
        self.pixels_per_step = self._sampler.pixels
        self.device = rgb.device

    def start(self, field: Field) -> None:
        start_field(field, self._rgb, self._training.start, self._matrix)

    def descend(self, field: Field, share: float) -> float:
        batch = self._sampler.draw()
        mean_squared_error = 0.0
        for part in batch.parts(_MOST_POINTS):
            share_of_batch = part.target.numel() / batch.target.numel()
            distortion, squared = self._distortion(field, part)
            (share_of_batch * distortion).backward()
            mean_squared_error += share_of_batch * squared.item()  # by now a GPU has its work, and may be waited for
        return mean_squared_error

    @torch.no_grad()
    def error_ahead(self, field: Field) -> float:
        state = self.state()
        batch = self._sampler.draw()
        self.load_state(state)
        parts = batch.parts(_MOST_POINTS)
        errors = [part.target.numel() * self._distortion(field, part)[1].item() for part in parts]
        return sum(errors) / batch.target.numel()

    def _distortion(self, field: Field, batch: Batch) -> tuple[Tensor, Tensor]:
        """The loss of a batch as the preset has it, and its mean squared error."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self._is_mixed(field)):
            output = field.planar(batch.query)
        error = output.float() - batch.target
        squared = error.square().mean()
        if self._training.loss == "l2":
            return squared, squared.detach()
        if self._training.loss == "psnr":
            pictures = error.square().mean((0, 2, 3))
            return pictures.add(_LEAST_ERROR).log().mean(), squared.detach()
        pictures = (output.float().movedim(0, 1), batch.target.movedim(0, 1))
        return 0.7 * error.abs().mean() + 0.3 * (1 - ssim(*pictures)), squared.detach()

    def _is_mixed(self, field: Field) -> bool:
        """Whether products have 16 bits, all else 32."""
        wanted = self._training.precision
        return wanted == "mixed" or (wanted == "auto" and self.device.type == "cuda" and field.width >= _WIDE)

    def complete(self, field: Field, bits: float, decoder: Iterable[Written]) -> float | None:
        if not isinstance(field.decoder, HeadDecoder):
            return None
        return fit_head(field, self._rgb, bits, decoder)

    def state(self) -> dict[str, Any]:
        return {"generator": self._generator.get_state(), "queue": self._sampler.state()}

    def load_state(self, state: dict[str, Any]) -> None:
        self._generator.set_state(state["generator"])
        self._sampler.load_state(state["queue"])
