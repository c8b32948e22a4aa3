"""An analytic start: grids that already show the signal, and a decoder that shows them.

*source*, for a volume: colours are rotated to their principal axes (a Karhunen–Loève transform of this clip), which
is orthonormal: an error in the grids is an equal error in RGB. The strongest component goes to the first channel of
the volume, the next ones to the following channels, each averaged over the cells of its level. Where a level is
coarser than the pictures, an error in one cell spreads over several pixels, so its channels are scaled up to be coded
more finely.

*source*, for a film: luma as the clip's own, and the two colour differences, enlarged against it
(:data:`COLOUR_SCALE`).

*tucker*: see :mod:`fieldpress.training.tucker_start`.
"""

from typing import Literal, TypeVar

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional

from fieldpress.decoders.head import HeadDecoder, in_rgb, plain_weight, widened
from fieldpress.decoders.mlp import MlpDecoder
from fieldpress.encodings.film import FilmEncoding
from fieldpress.encodings.levels import LevelsEncoding
from fieldpress.errors import ConfigError
from fieldpress.field import Field
from fieldpress.interfaces import Encoding
from fieldpress.metrics import LUMA_WEIGHTS
from fieldpress.signals.base import Matrix
from fieldpress.training.colours import PEAK, principal_colours
from fieldpress.training.tucker_start import start_from_tucker

_LUMA_SCALE = 3**-0.5
"""Grey from black to white then spans 1, like the luma of a video."""
COLOUR_SCALE = 1.4
"""Of colour differences in a film against its luma: a codec then spends more on colour. With 1, the same RGB PSNR takes
7 to 9 % more bits and the same luma PSNR 2 to 4 % fewer (docs/rate.md)."""
_COLOUR_UNIT = 1 / 256
"""Colours of a started head are whole multiples of this, so that writing them changes nothing."""

Kind = TypeVar("Kind", bound=Encoding)


def start_field(
    field: Field,
    rgb: UInt8[Tensor, "t h w 3"],
    start: Literal["source", "tucker", "random"],
    matrix: Matrix = "bt709",
) -> None:
    """Gives a fresh field the start that the training settings ask for; ``random`` is what it has.

    Raises:
        ConfigError: The field does not suit the start.
    """
    if start == "source" and _found(field, FilmEncoding):
        start_film(field, rgb, matrix)
    elif start == "source":
        start_from_source(field, rgb)
    elif start == "tucker":
        start_from_tucker(field, rgb)


@torch.no_grad()
def start_from_source(field: Field, rgb: UInt8[Tensor, "t h w 3"]) -> None:
    """Fills the first three channels of the field's volume and the decoder's linear path.

    Args:
        field: With a volume and an ``mlp`` or ``cell-mlp`` decoder.
        rgb: The clip.

    Raises:
        ConfigError: The field has no volume or its decoder no linear path.
    """
    found = [one for one in _found(field, LevelsEncoding) if one[1].cell == field.decoder.cell]
    if not found or not isinstance(field.decoder, MlpDecoder):
        raise ConfigError("a start from the source needs a volume and an mlp decoder; use --training.start random")
    column, volume = found[0]
    mean, axes = principal_colours(rgb)
    places = [(grid, channel) for grid in volume.levels for channel in range(len(grid))][:3]
    scales = [_LUMA_SCALE * max(1.0, (rgb.shape[1] * rgb.shape[2] / grid[0, 0].numel()) ** 0.5) for grid, _ in places]
    for (grid, channel), axis, scale in zip(places, axes, scales, strict=False):
        for t, picture in enumerate(_averaged(rgb, grid.shape[1])):
            component = scale * ((picture - mean) @ axis)
            grid[channel, t] = volume.averaged(component, grid.shape[2:])
    peak = max(float(grid[channel].abs().max()) for grid, channel in places)
    fit = min(1.0, PEAK / peak) if peak > 0 else 1.0
    field.decoder.skip.zero_()
    field.decoder.last.bias.copy_(mean.repeat(field.decoder.cell**2))
    for (grid, channel), axis, scale in zip(places, axes, scales, strict=False):
        grid[channel] *= fit
        weights = volume.pixel_weights(grid.shape[2:])
        field.decoder.skip[:, column : column + weights.shape[1]] = torch.kron(
            weights.to(axis), axis[:, None] / (scale * fit)
        )
        column += weights.shape[1]


@torch.no_grad()
def start_film(field: Field, rgb: UInt8[Tensor, "t h w 3"], matrix: Matrix) -> None:
    """Fills a film with the clip and tells the decoder how to show it.

    Args:
        field: With a film, and so with a head or a ``cell-mlp`` decoder.
        rgb: The clip.
        matrix: Of the source's own luma, which is what the film's is to be.
    """
    column, film = _found(field, FilmEncoding)[0]
    colours, decoder = (film_colours(matrix) / _COLOUR_UNIT).round() * _COLOUR_UNIT, field.decoder
    if isinstance(decoder, HeadDecoder):
        decoder.colours.copy_(colours)
    else:
        assert isinstance(decoder, MlpDecoder)
        decoder.skip.zero_()
        shown = in_rgb(colours, widened(plain_weight(), film.config.neighbours))
        decoder.skip[:, column : column + film.channels] = shown.to(decoder.skip)
        decoder.last.bias.fill_(0.5)
    axes = torch.linalg.inv(colours.double()).to(film.luma)
    rows, columns = film.chroma.shape[2:]
    for t, picture in enumerate(rgb):
        luma, *chroma = axes @ (picture.reshape(-1, 3).T / 255 - 0.5)
        film.luma[0, t] = luma.reshape(rgb.shape[1:3])
        planes = torch.stack(chroma).reshape(2, *rgb.shape[1:3])
        even = functional.pad(planes, (0, 2 * columns - planes.shape[2], 0, 2 * rows - planes.shape[1]), "replicate")
        film.chroma[:, t] = functional.avg_pool2d(even, 2)


def film_colours(matrix: Matrix) -> Float[Tensor, "3 3"]:
    """From (luma, blue difference, red difference) of a film to RGB, all around 0."""
    red, green, blue = LUMA_WEIGHTS[matrix]
    analysis = torch.tensor(
        [
            [red, green, blue],
            [-red / (2 - 2 * blue), -green / (2 - 2 * blue), 0.5],
            [0.5, -green / (2 - 2 * red), -blue / (2 - 2 * red)],
        ],
        dtype=torch.float64,
    )
    analysis[1:] *= COLOUR_SCALE
    return torch.linalg.inv(analysis).float()


def _averaged(rgb: UInt8[Tensor, "t h w 3"], count: int):
    """``count`` pictures in [0, 1], each the mean of its share of the clip; the clip is never held in float."""
    total = len(rgb)
    for i in range(count):
        first, last = i * total // count, max(-(-(i + 1) * total // count), i * total // count + 1)
        yield rgb[first:last].float().mean(0) / 255


def _found(field: Field, kind: type[Kind]) -> list[tuple[int, Kind]]:
    """The encodings of a kind, each with the number of its first feature."""
    found: list[tuple[int, Kind]] = []
    column = 0
    for encoding in field.encodings.values():
        if isinstance(encoding, kind):
            found.append((column, encoding))
        column += encoding.channels
    return found
