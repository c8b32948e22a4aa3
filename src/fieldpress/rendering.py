"""Volume rendering, as functions over tensors and callables: rays to samples, samples to colours.

::

    rays ── lay into the cube ──> Path ── bins, jitter, empty space skipped ──> Samples (packed, ray after ray)
    Samples ── field ──> colour and density ── composite ──> colour, opacity and distance of every ray

A density is absorption per 1/128 of the cube's side, so what a place absorbs does not depend on who looks at it or on
how finely a path is sampled. Source of the model: Max 1995; NeRF (Mildenhall et al. 2020).
"""

import math
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from fieldpress.signals.space import Space

UNIT = 128.0
"""Lengths are counted in this part of the cube's side."""
_LEAST_BINS = 64
_FAR = 1e6
"""A point so far along a ray, in multiples of the scene's size, stands for infinity."""
_WIDER = 4
"""Cells along a side of a cell of the map that is asked first."""
_TOGETHER = 8
"""Bins that are asked for together: half of them are at most as long as a cell of that map, if paths are straight."""
_BENT = 1.1
"""Between its ends a bent path is farther from their middle than the ends are, at most by this factor."""


class Path(NamedTuple):
    """Rays as they run through the cube; places along a path are numbered from 0, near, to 1, far.

    Attributes:
        start, step: Straight paths: (rays, 3) each. Contracted ones: origins and directions where the ball is 1.
        first, last: Distances from the camera at 0 and 1 in world units, and what weighs them; (rays,) each.
        hit: Whether a ray meets the cube at all.
        contracted: As the space says.
    """

    start: Float[Tensor, "rays 3"]
    step: Float[Tensor, "rays 3"]
    first: Float[Tensor, "rays 2"]
    last: Float[Tensor, "rays 2"]
    hit: Bool[Tensor, "rays"]
    contracted: bool

    def at(self, shares: Float[Tensor, "rays n"]) -> tuple[Tensor, Tensor, Tensor]:
        """The three coordinates in the cube of places along the paths, each (rays, n)."""
        if not self.contracted:
            x, y, z = (torch.addcmul(self.start[:, i, None], shares, self.step[:, i, None]) for i in range(3))
            return x, y, z
        distances = _contracted_distance(shares, self.first[:, :1])
        inner = (self.start * self.step).sum(1)[:, None]
        squared = torch.addcmul(self.start.square().sum(1)[:, None], distances, distances + 2 * inner).clamp_min_(1.0)
        inverse = squared.rsqrt()
        factor = (2 - inverse) * inverse / 4
        x, y, z = (
            torch.addcmul(self.start[:, i, None], distances, self.step[:, i, None]).mul_(factor).add_(0.5)
            for i in range(3)
        )
        return x, y, z

    def part(self, rays: Int[Tensor, "n"]) -> "Path":
        """The paths of these rays."""
        start, step, first, last, hit = (values.index_select(0, rays) for values in self[:5])
        return Path(start, step, first, last, hit, self.contracted)

    def lengths(self, bins: int, columns: Int[Tensor, "n"], rays: Int[Tensor, "n"]) -> Float[Tensor, "n"]:
        """Of one of ``bins`` equal parts of each of these rays' paths, in :data:`UNIT`."""
        if not self.contracted:
            return self.step.norm(dim=1).mul_(UNIT / bins)[rays]
        ends = torch.stack([columns, columns + 1], 1) / bins
        x, y, z = (axis[:, 1] - axis[:, 0] for axis in self.part(rays).at(ends))
        return x.square_().addcmul_(y, y).addcmul_(z, z).sqrt_().mul_(UNIT)

    def distances(self, shares: Float[Tensor, "n"], rays: Int[Tensor, "n"]) -> Float[Tensor, "n"]:
        """World distances from the camera of places along these rays."""
        first = self.first.index_select(0, rays)
        if self.contracted:
            return _contracted_distance(shares, first[:, 0]) * first[:, 1]
        last = self.last.index_select(0, rays)
        near, far = (1 - shares) * last[:, 1], shares * first[:, 1]
        return (near * first[:, 0] + far * last[:, 0]) / (near + far)


def _contracted_distance(shares: Tensor, near: Tensor) -> Tensor:
    """Half of the way up to twice the ball's radius, then on to infinity, as smoothly as that goes."""
    outer = (1 - shares.clamp(0.5, 1 - 1 / _FAR)).reciprocal()
    return torch.where(shares < 0.5, torch.maximum(4 * shares, near), outer)


def lay(space: Space, origins: Float[Tensor, "rays 3"], directions: Float[Tensor, "rays 3"]) -> Path:
    """The paths of rays through the cube.

    Args:
        space: How the world is laid into it.
        origins: World coordinates.
        directions: Of length 1.
    """
    matrix = torch.tensor(space.matrix, dtype=torch.float64, device=origins.device).reshape(4, 4)
    at_origin = origins.double() @ matrix[:, :3].T + matrix[:, 3]
    per_distance = directions.double() @ matrix[:, :3].T
    if space.contracted:
        scale = per_distance[:, :3].norm(dim=1)
        first = torch.stack([space.near * scale, 1 / scale], 1)
        unit = per_distance[:, :3] / scale[:, None]
        hit = torch.ones(len(origins), dtype=torch.bool, device=origins.device)
        return Path(at_origin[:, :3].float(), unit.float(), first.float(), first.float(), hit, True)
    # Inside means 0 <= x <= w for all three coordinates: linear along a ray, so each bounds the distance from one side.
    size = 1 / matrix[:3, :3].norm(dim=1).min().clamp_min(1e-12)
    low, high = origins.new_full((len(origins),), space.near).double(), size.expand(len(origins)) * _FAR
    w, w_slope = at_origin[:, 3:], per_distance[:, 3:]
    inside = torch.cat([at_origin[:, :3], w - at_origin[:, :3], w - 1e-6], 1)
    slopes = torch.cat([per_distance[:, :3], w_slope - per_distance[:, :3], w_slope], 1)
    bounds = -inside / torch.where(slopes == 0, 1e-30, slopes)
    low = torch.maximum(low, torch.where(slopes > 0, bounds, -torch.inf).amax(1))
    high = torch.minimum(high, torch.where(slopes < 0, bounds, torch.inf).amin(1))
    hit = (low < high) & ~((slopes == 0) & (inside < 0)).any(1)
    low, high = torch.where(hit, low, 0.0), torch.where(hit, high, 1.0)
    ends = [at_origin + distance[:, None] * per_distance for distance in (low, high)]
    weights = [end[:, 3].clamp_min(1e-9) for end in ends]
    start, stop = (end[:, :3] / weight[:, None] for end, weight in zip(ends, weights, strict=True))
    first, last = (torch.stack(pair, 1).float() for pair in zip((low, high), weights, strict=True))
    return Path(start.float(), (stop - start).float(), first, last, hit, False)


class Occupancy(NamedTuple):
    """Where something is, so that empty space is not even looked at sample by sample.

    Attributes:
        cells: The cells of a grid: a number each, -1 where nothing is.
        near: The same from afar, with four cells along a side of each of these: whether anything is in one, or in one
            of the 26 around it.
    """

    cells: Int[Tensor, "s s s"]
    near: Bool[Tensor, "w w w"]

    @staticmethod
    def of(cells: Int[Tensor, "s s s"]) -> "Occupancy":
        """Made for a map of cells; the side is a power of two."""
        within = min(_WIDER, len(cells))
        wide = len(cells) // within
        taken = (cells >= 0).view(wide, within, wide, within, wide, within).any(5).any(3).any(1)
        return Occupancy(cells, functional.max_pool3d(taken[None, None].float(), 3, 1, 1)[0, 0] > 0)


class Samples(NamedTuple):
    """Places along rays, packed: ray after ray, near to far.

    Attributes:
        places: In the cube, (n, 3).
        lengths: Of the path that each stands for, in :data:`UNIT`.
        rays: Which ray each is on; rises.
        shares: Where along its path it is.
        cells: What the map of cells holds there.
    """

    places: Float[Tensor, "n 3"]
    lengths: Float[Tensor, "n"]
    rays: Int[Tensor, "n"]
    shares: Float[Tensor, "n"]
    cells: Int[Tensor, "n"]

    def where(self, chosen: Tensor) -> "Samples":
        """Those chosen, by number or by true and false."""
        return Samples(*(values[chosen] for values in self))


def bins_for(side: int) -> int:
    """Samples along a path for cells of this size: about one for each cell that it crosses."""
    return max(_LEAST_BINS, side)


def sample(
    path: Path,
    bins: int,
    occupancy: Occupancy,
    jitter: Float[Tensor, "rays bins"] | None = None,
    among: tuple[int, int] | None = None,
) -> Samples:
    """One sample in every bin of every path that is in a cell with a number.

    Args:
        path: From :func:`lay`.
        bins: Equal parts of each path.
        occupancy: The cells.
        jitter: Where in its bin each sample lies, in [0, 1); the middle if none.
        among: The first bin and the one after the last to look at; all if none.
    """
    first, last = among or (0, bins)
    together = math.gcd(_TOGETHER, first, last)
    rays, groups = _promising(path, torch.arange(first, last + 1, together, device=path.start.device) / bins, occupancy)
    columns = (first + groups * together)[:, None] + torch.arange(together, device=path.start.device)
    shares = (columns + (0.5 if jitter is None else jitter[rays[:, None], columns])) / bins
    x, y, z = path.part(rays).at(shares)
    found = occupancy.cells.flatten().index_select(0, _flat(x, y, z, len(occupancy.cells)))
    chosen = (found >= 0).nonzero()[:, 0]
    found, columns, shares, x, y, z = (
        values.flatten().index_select(0, chosen) for values in (found, columns, shares, x, y, z)
    )
    rays = rays.index_select(0, chosen // together)
    return Samples(torch.stack([x, y, z], 1), path.lengths(bins, columns, rays), rays, shares, found)


def _promising(path: Path, borders: Float[Tensor, "n"], occupancy: Occupancy) -> tuple[Tensor, Tensor]:
    """The stretches between neighbouring borders on which something may be: their rays, and their numbers."""
    wide = len(occupancy.near)
    ends = path.at(borders.expand(len(path.start), len(borders)))
    x, y, z = ((axis[:, :-1] + axis[:, 1:]) / 2 for axis in ends)
    near = occupancy.near.flatten().index_select(0, _flat(x, y, z, wide)).view(x.shape)
    # Whatever is within a cell's side of a place is in its cell or in one of those around it.
    far = torch.stack([axis.diff(dim=1).abs_() for axis in ends]).amax(0) > (2 + 1e-4) / wide / (
        _BENT if path.contracted else 1
    )
    rays, groups = ((near | far) & path.hit[:, None]).nonzero(as_tuple=True)
    return rays, groups


def _flat(x: Tensor, y: Tensor, z: Tensor, side: int) -> Int[Tensor, "n"]:
    """The cells that places are in, as flat numbers."""
    flat = x.mul(side).int().clamp_(0, side - 1)
    flat.mul_(side).add_(y.mul(side).int().clamp_(0, side - 1))
    flat.mul_(side).add_(z.mul(side).int().clamp_(0, side - 1))
    return flat.flatten()


def weights_of(
    absorbed: Float[Tensor, "n"], rays: Int[Tensor, "n"], ahead: Float[Tensor, "rays"]
) -> Float[Tensor, "n"]:
    """What each sample adds to what its ray sees: the light that gets there, times the share that it absorbs.

    Args:
        absorbed: Density times length, near to far.
        rays: Which ray each is on; rises.
        ahead: What each ray's earlier samples have absorbed.
    """
    return torch.exp(-before(absorbed, rays, len(ahead)) - ahead[rays]) * -torch.expm1(-absorbed)


def reached(density: Float[Tensor, "n"], samples: Samples, rays: int, least: float) -> Bool[Tensor, "n"]:
    """Which samples add at least so much to what their ray sees: light still gets there, and they absorb some."""
    return weights_of(density * samples.lengths, samples.rays, density.new_zeros(rays)) > least


def before(values: Float[Tensor, "n"], rays: Int[Tensor, "n"], count: int) -> Float[Tensor, "n"]:
    """The sum of the values before each, on its ray."""
    total = values.double().cumsum(0)
    before = total - values
    starts = torch.searchsorted(rays, torch.arange(count, device=rays.device))
    offsets = torch.cat([total.new_zeros(1), total])[starts]
    return (before - offsets[rays]).to(values.dtype)


class Rendered(NamedTuple):
    """What rays see.

    Attributes:
        colours: Weighted by opacity, (rays, channels): lay them over a background.
        opacity: The share of the light that the scene gives, (rays,).
        weights: What each sample adds, (samples,).
    """

    colours: Float[Tensor, "rays channels"]
    opacity: Float[Tensor, "rays"]
    weights: Float[Tensor, "n"]


def composite(
    values: Float[Tensor, "channels n"], density: Float[Tensor, "n"], samples: Samples, rays: int
) -> Rendered:
    """Sums up what samples absorb and give, near to far; differentiable in values and densities.

    Args:
        values: Colours of the samples, channels first.
        density: Their densities.
        samples: Where they are.
        rays: How many there are.
    """
    colours, opacity, weights = _Composite.apply(values, density * samples.lengths, samples.rays, rays)  # pyright: ignore[reportGeneralTypeIssues]
    return Rendered(colours, opacity, weights)


class _Composite(torch.autograd.Function):
    """weight = exp(-sum before) (1 - exp(-own)), with the gradient written down.

    With g_i the gradient that reaches weight i, what sample k absorbs gets ``g_k T_k e_k - sum of g_i w_i behind it``,
    T the light before a sample and e = exp(-own).
    """

    @staticmethod
    def forward(ctx: Any, values: Tensor, absorbed: Tensor, rays: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
        light = torch.exp(-before(absorbed, rays, count))
        kept = torch.exp(-absorbed)
        weights = light * (1 - kept)
        colours = values.new_zeros(count, len(values)).index_add_(0, rays, (values * weights).T)
        opacity = values.new_zeros(count).index_add_(0, rays, weights)
        ctx.save_for_backward(values, light, kept, weights, rays)
        ctx.count = count
        return colours, opacity, weights

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        of_colours, of_opacity, of_weights = gradients
        values, light, kept, weights, rays = ctx.saved_tensors
        per_sample = of_colours[rays].T
        reaching = (values * per_sample).sum(0) + of_opacity[rays] + of_weights
        given = reaching * weights
        behind = _sums(given, rays, ctx.count)[rays] - before(given, rays, ctx.count) - given
        return per_sample * weights, reaching * light * kept - behind, None, None


def _sums(values: Tensor, rays: Tensor, count: int) -> Tensor:
    return values.new_zeros(count).index_add_(0, rays, values)
