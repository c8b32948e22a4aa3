"""A start from a Tucker decomposition of the clip: core into the volume, factors into the planes.

A field reads a volume by one interpolation matrix for each axis, and a plane by a constant along the axis it does not
have. Its grids so are parts of Tucker decompositions whose other factors are given, and least squares finds them in
closed form, one after the other; all of it is done picture by picture, the clip is never held in float.

    colours     clip     ~ C x_t R_t x_y R_y x_x R_x x_colour axes       core C: the first three channels of the volume
    detail      rest     ~ M(t, cell) * D(y, x)                          M: the fourth channel, D: the finest xy plane
    projections rest     ~ P(t, x), P(t, y)                              its means along rows and columns: yt and xt

Colours are rotated to their principal axes, the colour factor of a higher-order SVD. What the volume's cells are too
coarse for is detail: within each cell it is a matrix of times by pixels, and its leading component is a pattern that
stays, D, and how much of it shows at each time, M: 1 where a still background shows, 0 while something passes before
it. It is found by alternating least squares from D = the mean over time (a power iteration; block-term decomposition,
De Lathauwer 2008). A sum of features cannot show a product; hidden units can, see :mod:`fieldpress.training.readout`.

Levels and channels that nothing is left for keep their small random numbers. In a proximal guide the first anchor is
the first round trip, and with ``guidance.start`` 0 that is the round trip of this start.
"""

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional

from fieldpress.decoders.mlp import MlpDecoder
from fieldpress.errors import ConfigError
from fieldpress.field import Field
from fieldpress.training.colours import principal_colours
from fieldpress.training.readout import fit_readout, multiply_features
from fieldpress.training.sites import Sites, Slices, sites

_ROUNDS = 2
"""Of alternating least squares; a third changes the started PSNR by less than 0.1 dB."""
_FAINTEST = 1e-6
"""Mean square of a detail below which its modulation tends to 0: a quarter of a code value, squared."""
_RAREST = 1e-3
"""Mean square of a modulation below which its detail tends to 0."""
_STRONGEST = 3.0
"""A modulation is clipped to plus and minus this: outliers would take the range of the channel."""


class _Clip:
    """The clip minus its mean, on principal axes, less what the volume's colours show; picture by picture."""

    def __init__(self, rgb: UInt8[Tensor, "t h w 3"]) -> None:
        self._rgb = rgb
        self.mean, self.axes = principal_colours(rgb)
        self.shown: list[Slices] = []

    def __len__(self) -> int:
        return len(self._rgb)

    @property
    def size(self) -> tuple[int, int, int]:
        frames, height, width, _ = self._rgb.shape
        return frames, height, width

    def picture(self, t: int) -> Float[Tensor, "3 h w"]:
        colours = ((self._rgb[t].float() / 255 - self.mean) @ self.axes.T).movedim(-1, 0)
        for k, slices in enumerate(self.shown):
            colours[k] -= slices.read(t)
        return colours


@torch.no_grad()
def start_from_tucker(field: Field, rgb: UInt8[Tensor, "t h w 3"]) -> None:
    """Fills the field's first volume and keyframes, and the decoder's linear path and first units.

    Args:
        field: With a volume, planes or both, in any sizes, and an ``mlp`` decoder.
        rgb: The clip.

    Raises:
        ConfigError: The field has neither a volume nor planes, or its decoder no linear path.
    """
    places, decoder = sites(field), field.decoder
    if not isinstance(decoder, MlpDecoder) or decoder.cell > 1 or not (places.volume or any(places.planes.values())):
        raise ConfigError("a Tucker start needs a volume or planes, and --decoder mlp; or use --init random")
    clip = _Clip(rgb)
    _fill_colours(clip, places)
    details = _fill_planes(clip, places)
    filled = [slices.site for slices in clip.shown]
    skip = torch.zeros_like(decoder.skip)
    for k, site in enumerate(filled):
        site.normalise()
        skip[:, site.column] = clip.axes[k] / site.scale
    for plane in places.planes.values():
        for k, site in enumerate(plane[:3]):
            site.normalise()
            skip[:, site.column] = clip.axes[k] / site.scale
    if details:
        modulation = places.volume[3]
        modulation.normalise()
        multiply_features(decoder, modulation, places.planes["xy"][:details])
    fit_readout(field, rgb, skip, clip.mean)


def _fill_colours(clip: _Clip, places: Sites) -> None:
    """The core: one principal colour for each of the first three sites of the volume."""
    core = [Slices(site, clip.size, places.nearest) for site in places.volume[:3]]
    for t in range(len(clip)):
        for slices, colour in zip(core, clip.picture(t), strict=False):
            slices.add(t, colour)
    clip.shown = core


def _fill_planes(clip: _Clip, places: Sites) -> int:
    """The factors; returns how many sites of the xy plane hold a detail that the volume's fourth site modulates."""
    xy, yt, xt = (places.planes.get(plane, []) for plane in ("xy", "yt", "xt"))
    still, rows, columns = _means(clip)
    details = 0
    if xy and len(places.volume) > 3:
        # Modulated are the colours that the finest level has room for.
        details = sum(site.grid.shape == xy[0].grid.shape for site in xy[:3])
        modulation = Slices(places.volume[3], clip.size, places.nearest)
        still[:details] = _modulated(clip, still[:details], modulation)
    for plane, content in ((xy, still), (yt, columns), (xt, rows)):
        for site, colour in zip(plane, content, strict=False):
            site.fill(colour)
    return details


def _means(clip: _Clip) -> tuple[Float[Tensor, "3 h w"], Float[Tensor, "3 t h"], Float[Tensor, "3 t w"]]:
    """What the volume leaves, averaged over times, over columns and over rows; each without what the others have."""
    frames, height, width = clip.size
    still = torch.zeros(3, height, width, device=clip.mean.device)
    rows = torch.empty(3, frames, height, device=clip.mean.device)
    columns = torch.empty(3, frames, width, device=clip.mean.device)
    for t in range(frames):
        picture = clip.picture(t)
        still += picture / frames
        rows[:, t], columns[:, t] = picture.mean(2), picture.mean(1)
    # As in an analysis of variance: the mean over time is the xy plane's, that of a whole picture the xt plane's.
    rows -= rows.mean(1, keepdim=True)
    columns -= columns.mean(1, keepdim=True)
    columns -= columns.mean(2, keepdim=True)
    return still, rows, columns


def _modulated(clip: _Clip, detail: Float[Tensor, "k h w"], modulation: Slices) -> Float[Tensor, "k h w"]:
    """The detail D of ``M * D``, from its mean over time; ``modulation`` takes M - 1."""
    count = len(detail)
    for _ in range(_ROUNDS):
        energy = functional.adaptive_avg_pool2d(detail.square().sum(0)[None], modulation.cells)[0] + _FAINTEST
        modulation.clear()
        for t in range(len(clip)):
            match = (clip.picture(t)[:count] * detail).sum(0)
            shown = functional.adaptive_avg_pool2d(match[None], modulation.cells)[0] / energy
            modulation.add_cells(t, shown.clamp_(-_STRONGEST, _STRONGEST) - 1)
        total, weight = torch.zeros_like(detail), torch.full_like(detail[0], _RAREST * len(clip))
        for t in range(len(clip)):
            factor = modulation.read(t) + 1
            total += factor * clip.picture(t)[:count]
            weight += factor.square()
        detail = total / weight
    return detail
