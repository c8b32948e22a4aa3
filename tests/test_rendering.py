"""Rays, paths and the sums along them: by hand, and a second way in float64."""

import math
from dataclasses import replace

import pytest
import torch
from octrees import BALL, BOX
from torch import Tensor

from fieldpress.rendering import (
    UNIT,
    Occupancy,
    Path,
    Samples,
    before,
    bins_for,
    composite,
    lay,
    reached,
    sample,
    weights_of,
)
from fieldpress.signals.space import Space
from fieldpress.training.scene import spread

FULL = Occupancy.of(torch.zeros(4, 4, 4, dtype=torch.int32))


def rays(space: Space, count: int = 50) -> tuple[Tensor, Tensor]:
    """From around the scene towards it, a few past it."""
    generator = torch.Generator().manual_seed(3)
    origins = torch.randn(count, 3, generator=generator)
    origins = 2.5 * origins / origins.norm(dim=1, keepdim=True)
    towards = 0.7 * torch.randn(count, 3, generator=generator) - origins
    return origins, towards / towards.norm(dim=1, keepdim=True)


def in_cube(space: Space, where: Tensor) -> Tensor:
    """Places of the world, (n, 3) in float64, in the cube: what the documentation of the space says, word by word."""
    matrix = torch.tensor(space.matrix, dtype=torch.float64).reshape(4, 4)[:3]
    mapped = where @ matrix[:, :3].T + matrix[:, 3]
    if not space.contracted:
        return mapped
    length = mapped.norm(dim=1, keepdim=True)
    drawn_in = torch.where(length > 1, (2 - 1 / length) * mapped / length, mapped)
    return drawn_in / 4 + 0.5


def along(path: Path, shares: Tensor) -> Tensor:
    """Places along all paths, (rays, shares, 3)."""
    return torch.stack(path.at(shares.float().expand(len(path.hit), -1)), 2)


SPACES = {"box": BOX, "ball": BALL}
every_space = pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)


# Paths


@every_space
def test_a_place_along_a_path_is_that_of_its_distance(space: Space):
    origins, directions = rays(space)
    path = lay(space, origins, directions)
    shares = torch.linspace(0.02, 0.97, 9)
    number = torch.arange(len(origins))[path.hit].repeat_interleave(len(shares))
    distances = path.distances(shares.repeat(int(path.hit.sum())), number).double()
    world = origins.double()[number] + distances[:, None] * directions.double()[number]
    found = along(path, shares)[path.hit].reshape(-1, 3).double()
    # Single precision: 1e-7 of a distance of up to 100, where one unit of the world is up to half the cube.
    torch.testing.assert_close(found, in_cube(space, world), rtol=0, atol=2e-5)


@every_space
def test_distances_rise_along_a_path(space: Space):
    path = lay(space, *rays(space))
    shares = torch.linspace(0, 1, 33)
    for ray in path.hit.nonzero().flatten().tolist():
        distances = path.distances(shares, torch.full((33,), ray))
        assert (distances.diff() >= 0).all()
        assert distances[-1] > distances[0]


@every_space
def test_paths_stay_in_the_cube(space: Space):
    path = lay(space, *rays(space))
    places = along(path, torch.linspace(0, 1, 17))[path.hit]
    assert float(places.min()) > -1e-5  # rounding of single precision
    assert float(places.max()) < 1 + 1e-5


def test_a_path_through_a_box_by_hand():
    path = lay(BOX, torch.tensor([[0.5, 0.0, -3.0]]), torch.tensor([[0.0, 0.0, 1.0]]))
    assert path.hit.tolist() == [True]
    torch.testing.assert_close(
        along(path, torch.tensor([0.0, 0.5, 1.0]))[0],
        torch.tensor([[0.75, 0.5, 0.0], [0.75, 0.5, 0.5], [0.75, 0.5, 1.0]]),
    )
    torch.testing.assert_close(
        path.distances(torch.tensor([0.0, 0.5, 1.0]), torch.zeros(3).long()), torch.tensor([2.0, 3.0, 4.0])
    )


def test_a_path_that_begins_inside_begins_at_the_camera():
    path = lay(BOX, torch.zeros(1, 3), torch.tensor([[1.0, 0.0, 0.0]]))
    torch.testing.assert_close(
        along(path, torch.tensor([0.0, 1.0]))[0], torch.tensor([[0.5, 0.5, 0.5], [1.0, 0.5, 0.5]])
    )


def test_nothing_is_seen_nearer_than_near():
    path = lay(replace(BOX, near=0.25), torch.zeros(1, 3), torch.tensor([[1.0, 0.0, 0.0]]))
    torch.testing.assert_close(path.distances(torch.zeros(1), torch.zeros(1).long()), torch.tensor([0.25]))


@pytest.mark.parametrize(
    ("origin", "direction"),
    [
        ((0.0, 0.0, 3.0), (0.0, 0.0, 1.0)),  # looks away
        ((2.0, 0.0, 3.0), (0.0, 0.0, -1.0)),  # passes by, along an axis
        ((3.0, 0.0, 0.0), (0.0, 1.0, 0.0)),
        ((2.0, 2.0, 3.0), (0.0, 0.6, -0.8)),
    ],
)
def test_rays_that_miss_the_cube_hit_nothing(origin: tuple[float, ...], direction: tuple[float, ...]):
    path = lay(BOX, torch.tensor([origin]), torch.tensor([direction]))
    assert path.hit.tolist() == [False]
    assert not len(sample(path, 8, FULL).rays)


def test_a_contracted_path_by_hand():
    path = lay(BALL, torch.tensor([[0.0, 0.0, -2.0]]), torch.tensor([[0.0, 0.0, 1.0]]))
    shares = torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0])
    # Half of the path is the first 2 units, then 1 / (1 - share).
    torch.testing.assert_close(path.distances(shares[:4], torch.zeros(4).long()), torch.tensor([0.05, 1.0, 2.0, 4.0]))
    places = along(path, shares)[0, :, 2]
    ahead = [0.5 - (2 - 1 / 1.95) / 4, 0.25, 0.5, 0.5 + 1.5 / 4, 1.0]
    torch.testing.assert_close(places, torch.tensor(ahead), rtol=0, atol=1e-5)


# Samples


@every_space
def test_there_is_a_sample_in_the_middle_of_every_bin_of_a_full_scene(space: Space):
    path = lay(space, *rays(space))
    samples = sample(path, 16, FULL)
    middles = (torch.arange(16) + 0.5) / 16
    torch.testing.assert_close(samples.places, along(path, middles)[path.hit].reshape(-1, 3))
    assert torch.equal(samples.rays, path.hit.nonzero().flatten().repeat_interleave(16))


@every_space
def test_the_lengths_of_samples_are_those_of_their_bins(space: Space):
    path = lay(space, *rays(space))
    samples = sample(path, 16, FULL)
    ends = along(path, torch.arange(17) / 16)[path.hit].double()
    torch.testing.assert_close(
        samples.lengths.double(), UNIT * ends.diff(dim=1).norm(dim=2).flatten(), rtol=1e-4, atol=1e-4
    )


def test_jitter_moves_a_sample_inside_of_its_bin():
    path = lay(BOX, *rays(BOX))
    jitter = torch.rand(50, 16, generator=torch.Generator().manual_seed(0))
    samples = sample(path, 16, FULL, jitter)
    expected = ((torch.arange(16) + jitter) / 16)[path.hit].flatten()
    torch.testing.assert_close(samples.shares, expected)
    torch.testing.assert_close(samples.lengths, sample(path, 16, FULL).lengths)


def test_only_cells_that_are_there_are_sampled():
    cells = torch.full((4, 4, 4), -1, dtype=torch.int32)
    cells[2, 1, 3], cells[1, 2, 0] = 7, 9
    path = lay(BOX, *rays(BOX, 400))
    everywhere, found = sample(path, 16, FULL), sample(path, 16, Occupancy.of(cells))
    at = [tuple(place) for place in (everywhere.places * 4).int().clamp(0, 3).tolist()]
    chosen = torch.tensor([place in ((2, 1, 3), (1, 2, 0)) for place in at])
    assert 5 < int(chosen.sum()) < len(chosen) / 10
    for ours, theirs in zip(found[:4], everywhere.where(chosen)[:4], strict=True):
        assert torch.equal(ours, theirs)
    assert found.cells.tolist() == [
        7 if place == (2, 1, 3) else 9 for place, is_in in zip(at, chosen, strict=True) if is_in
    ]


def sparse(side: int) -> Occupancy:
    """Every other cell, drawn, of every fiftieth block of 4 x 4 x 4 of them."""
    generator = torch.Generator().manual_seed(1)
    taken = torch.rand((side // 4,) * 3, generator=generator) < 0.02
    for axis in range(3):
        taken = taken.repeat_interleave(4, axis)
    taken &= torch.rand((side,) * 3, generator=generator) < 0.5
    cells = torch.full((side,) * 3, -1, dtype=torch.int32)
    cells[taken] = torch.arange(int(taken.sum()), dtype=torch.int32)
    return Occupancy.of(cells)


def assert_same(ours: Samples, theirs: Samples) -> None:
    """The same samples; how many are computed at a time may move a number by the last bit."""
    assert torch.equal(ours.rays, theirs.rays)
    assert torch.equal(ours.cells, theirs.cells)
    for some, others in zip(ours[:2], theirs[:2], strict=True):
        torch.testing.assert_close(some, others, rtol=1e-4, atol=1e-5)


@every_space
@pytest.mark.parametrize("distance", [0.3, 1.0, 3.0])
@pytest.mark.parametrize("side", [32, 128])
def test_space_that_is_empty_from_afar_is_empty(space: Space, distance: float, side: int):
    few = sparse(side)
    assert few.near.float().mean() < 0.5
    nothing_skipped = few._replace(near=torch.ones_like(few.near))
    origins, directions = rays(space, 2000)
    path = lay(space, distance * origins, directions)
    jitter = torch.rand(2000, bins_for(side), generator=torch.Generator().manual_seed(2))
    for drawn in (None, jitter):
        expected = sample(path, bins_for(side), nothing_skipped, drawn)
        assert len(expected.rays) > 100
        assert_same(sample(path, bins_for(side), few, drawn), expected)


@every_space
def test_stretches_of_a_path_have_its_samples(space: Space):
    path, few = lay(space, *rays(space)), sparse(32)
    whole = sample(path, 64, few)
    stretches = [sample(path, 64, few, among=(first, first + 16)) for first in range(0, 64, 16)]
    together = Samples(*(torch.cat(values) for values in zip(*stretches, strict=True)))
    in_order = torch.argsort(together.rays, stable=True)
    assert_same(together.where(in_order), whole)


def test_a_fine_octree_has_a_bin_for_every_cell_along_a_side():
    assert [bins_for(side) for side in (4, 64, 256)] == [64, 64, 256]


# Sums


def packed(rays_of: list[int], dtype: torch.dtype = torch.float64) -> Samples:
    """Samples on these rays, everything else drawn."""
    generator = torch.Generator().manual_seed(8)
    count = len(rays_of)
    lengths = torch.rand(count, generator=generator, dtype=dtype) + 0.1
    shares = torch.rand(count, generator=generator, dtype=dtype)
    numbers = torch.tensor(rays_of)
    for ray in set(rays_of):
        shares[numbers == ray] = shares[numbers == ray].sort().values
    return Samples(torch.zeros(count, 3, dtype=dtype), lengths, numbers, shares, torch.zeros(count).int())


RAYS_OF = [0, 0, 0, 2, 2, 3, 3, 3, 3, 5]
"""Of ten samples on seven rays; 1, 4 and 6 have none."""


def test_three_samples_by_hand():
    samples = packed([0, 0, 0])._replace(lengths=torch.tensor([1.0, 2.0, 4.0]).double())
    density = torch.tensor([0.5, 0.25, 1.0]).double()
    colours = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]).double()
    rendered = composite(colours.T, density, samples, 1)
    one, other = math.exp(-0.5), math.exp(-0.5)  # what the first and the second let through
    weights = [1 - one, one * (1 - other), one * other * (1 - math.exp(-4.0))]
    torch.testing.assert_close(rendered.weights, torch.tensor(weights).double())
    torch.testing.assert_close(rendered.colours, torch.tensor([weights]).double())
    torch.testing.assert_close(rendered.opacity, torch.tensor([1 - math.exp(-5.0)]).double())


def test_rays_do_not_see_each_other():
    samples = packed(RAYS_OF)
    generator = torch.Generator().manual_seed(9)
    density, values = torch.rand(10, generator=generator).double(), torch.rand(3, 10, generator=generator).double()
    together = composite(values, density, samples, 7)
    for ray in range(7):
        own = samples.rays == ray
        alone = composite(values[:, own], density[own], samples.where(own)._replace(rays=samples.rays[own] * 0), 1)
        torch.testing.assert_close(together.colours[ray], alone.colours[0])
        torch.testing.assert_close(together.opacity[ray], alone.opacity[0])
        torch.testing.assert_close(together.weights[own], alone.weights)
    assert not together.opacity[[1, 4, 6]].any()


def test_the_gradients_of_composite():
    samples = packed(RAYS_OF)
    generator = torch.Generator().manual_seed(9)
    density = torch.rand(10, generator=generator).double().requires_grad_()
    values = torch.rand(3, 10, generator=generator).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda v, d: tuple(composite(v, d, samples, 7)), (values, density))


def test_the_gradients_of_composite_by_hand():
    # Two samples that absorb a and b: opacity is 1 - exp(-a - b), and the first weight 1 - exp(-a).
    samples = packed([0, 0])._replace(lengths=torch.ones(2).double())
    density = torch.tensor([0.5, 0.25]).double().requires_grad_()
    values = torch.tensor([[1.0, 0.0]]).double()
    rendered = composite(values, density, samples, 1)
    (rendered.opacity[0] + 2 * rendered.colours[0, 0]).backward()
    both, first = math.exp(-0.75), math.exp(-0.5)
    assert density.grad is not None
    torch.testing.assert_close(density.grad, torch.tensor([both + 2 * first, both]).double())


@pytest.mark.parametrize("bins", [1, 7, 64, 300])
def test_a_constant_density_absorbs_by_length_whatever_the_bins(bins: int):
    path = lay(BOX, *rays(BOX))
    samples = sample(path, bins, FULL)
    density = torch.full((len(samples.rays),), 0.013)
    rendered = composite(torch.ones(3, len(density)), density, samples, 50)
    length = UNIT * torch.where(path.hit, (path.step).norm(dim=1), 0.0)
    torch.testing.assert_close(rendered.opacity, 1 - torch.exp(-0.013 * length), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("bins", [256, 512])
def test_a_constant_density_in_a_contracted_space_absorbs_by_length_in_the_cube(bins: int):
    path = lay(BALL, *rays(BALL))
    samples = sample(path, bins, FULL)
    density = torch.full((len(samples.rays),), 0.013)
    rendered = composite(torch.ones(3, len(density)), density, samples, 50)
    fine = along(path, torch.linspace(0, 1, 20_001)).double()
    length = UNIT * fine.diff(dim=1).norm(dim=2).sum(1).float()
    # The path bends in the cube: chords of bins are shorter, by the square of their number.
    torch.testing.assert_close(rendered.opacity, 1 - torch.exp(-0.013 * length), rtol=1e-3, atol=1e-5)


def test_sums_before_a_sample():
    values = torch.tensor([1.0, 2.0, 3.0, 10.0, 20.0])
    assert before(values, torch.tensor([0, 0, 0, 2, 2]), 4).tolist() == [0.0, 1.0, 3.0, 0.0, 10.0]


def test_sums_stay_exact_over_a_million_samples():
    values, numbers = torch.full((1_000_000,), 0.1), torch.arange(1_000_000) // 100
    found = before(values, numbers, 10_000)
    # In single precision a running sum of 100,000 would be off by 0.004.
    torch.testing.assert_close(found[-1], torch.tensor(9.9), rtol=1e-6, atol=0)


def test_only_samples_that_light_reaches_count():
    samples = packed([0, 0, 0, 1])._replace(lengths=torch.ones(4).double())
    density = torch.tensor([0.0001, 9.0, 9.0, 0.5]).double()
    # The first absorbs next to nothing, the third is behind a wall that lets 0.0001 through.
    assert reached(density, samples, 2, 1e-3).tolist() == [False, True, False, True]


def test_what_was_absorbed_before_takes_light_away():
    samples = packed(RAYS_OF)
    absorbed = torch.rand(10, generator=torch.Generator().manual_seed(9)).double()
    whole = weights_of(absorbed, samples.rays, torch.zeros(7).double())
    # Of each ray, the nearer ones.
    first = torch.tensor([True, True, False, True, False, True, True, False, False, True])
    ahead = torch.zeros(7).double().index_add_(0, samples.rays[first], absorbed[first])
    torch.testing.assert_close(weights_of(absorbed[~first], samples.rays[~first], ahead), whole[~first])


def spread_of_pairs(weights: Tensor, samples: Samples, bins: int, count: int) -> Tensor:
    """Every pair of samples of a ray: their distance, weighted by both, and a third of each one's bin."""
    total = weights.new_zeros(())
    for i in range(len(weights)):
        for j in range(len(weights)):
            if samples.rays[i] == samples.rays[j]:
                total = total + weights[i] * weights[j] * (samples.shares[i] - samples.shares[j]).abs()
        total = total + weights[i] ** 2 / (3 * bins)
    return total / count


def test_spread_is_the_sum_over_all_pairs():
    samples = packed(RAYS_OF)
    density = torch.rand(10, generator=torch.Generator().manual_seed(9)).double()
    rendered = composite(torch.ones(3, 10).double(), density, samples, 7)
    torch.testing.assert_close(spread(rendered, samples, 16), spread_of_pairs(rendered.weights, samples, 16, 7))


def test_the_gradients_of_spread():
    samples = packed(RAYS_OF)
    density = torch.rand(10, generator=torch.Generator().manual_seed(9)).double().requires_grad_()
    colours = torch.ones(3, 10).double()
    fast = torch.autograd.grad(spread(composite(colours, density, samples, 7), samples, 16), density)[0]
    absorbed = density * samples.lengths
    light = torch.exp(-before(absorbed.detach(), samples.rays, 7))
    assert light.shape == (10,)
    weights = []
    for i in range(10):
        earlier = [j for j in range(i) if samples.rays[j] == samples.rays[i]]
        weights.append(torch.exp(-absorbed[earlier].sum()) * (1 - torch.exp(-absorbed[i])))
    slow = torch.autograd.grad(spread_of_pairs(torch.stack(weights), samples, 16, 7), density)[0]
    torch.testing.assert_close(fast, slow)
