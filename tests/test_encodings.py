"""Encodings against other ways to compute the same, their gradients, and how much they read."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from drawn import filled
from torch.func import functional_call
from torch.nn.functional import grid_sample
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from fieldpress.config import from_plain, to_plain
from fieldpress.encodings import Planes, Volume
from fieldpress.encodings.levels import Level, read_slices
from fieldpress.encodings.planes import PlanesEncoding
from fieldpress.encodings.volume import VolumeEncoding
from fieldpress.errors import ConfigError
from fieldpress.field import Lattice, Points
from fieldpress.interfaces import Encoding, EncodingConfig
from fieldpress.interpolation import extend, resample, steps_per_cell, taps


def centres(count: int, size: int | None = None, start: int = 0) -> torch.Tensor:
    return (torch.arange(start, start + count, dtype=torch.float64) + 0.5) / (size or count)


def places(count: int = 200) -> torch.Tensor:
    """Anywhere in the cube, borders and corners included, but no closer to a cell's centre than 1/200 of a cell.

    (Closer than 2**-10 they would be taken for the centre.) The prime number of places does it.
    """
    drawn = torch.randint(98, (count, 3), generator=torch.Generator().manual_seed(4)).double() / 97
    return torch.cat([drawn, torch.cartesian_prod(*[torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64)] * 3)])


# One axis


def test_a_coordinate_between_two_centres_takes_its_share_of_each():
    found = taps(torch.tensor([0.4]), 5)  # 0.4 x 5 = 2 is the border of cells 1 and 2
    assert (found.lower.item(), found.upper.item(), found.share) == (1, 2, 0.5)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 256, 1001, 16_384])
def test_the_centre_of_a_cell_is_that_cell_alone(size: int):
    found = taps(centres(size).float(), size)
    assert found.whole
    assert torch.equal(found.lower, torch.arange(size))


@pytest.mark.parametrize("size", [1, 2, 3, 7, 256, 1001, 16_384])
def test_the_nearest_cell_is_the_one_around_the_coordinate(size: int):
    inside = (torch.arange(size)[:, None] + torch.tensor([0.01, 0.5, 0.99])) / size
    assert torch.equal(taps(inside, size, nearest=True).lower, torch.arange(size)[:, None].expand(size, 3))


def test_a_coordinate_on_a_border_belongs_to_the_cell_behind_it_however_it_is_rounded():
    border = torch.arange(1, 1000).float() / 1000
    assert torch.equal(taps(border, 1000, nearest=True).lower, torch.arange(1, 1000))


@pytest.mark.parametrize("nearest", [False, True])
@pytest.mark.parametrize("offset", [-1, 0, 1])
def test_edges_clamp(nearest: bool, offset: int):
    values = torch.tensor([3.0, 5.0, 8.0])
    ends = resample(values, 0, taps(torch.tensor([0.0, 1.0]), 3, offset=offset, nearest=nearest))
    # Cells 3, 5, 8 and on to both sides the same again; 0 and 1 lie half a cell outside the outer centres.
    linear, whole = {-1: (3.0, 6.5), 0: (3.0, 8.0), 1: (4.0, 8.0)}, {-1: (3.0, 8.0), 0: (3.0, 8.0), 1: (5.0, 8.0)}
    expected = (whole if nearest else linear)[offset]
    torch.testing.assert_close(ends, torch.tensor(expected))


def test_a_single_cell_holds_everywhere():
    assert torch.equal(resample(torch.tensor([4.0]), 0, taps(torch.tensor([0.0, 0.3, 1.0]), 1)), torch.full((3,), 4.0))


@pytest.mark.parametrize(
    ("coordinates", "size", "steps"),
    [
        (centres(8), 8, 1),
        (centres(8), 4, 2),
        (centres(9), 3, 3),
        (centres(5, 8, 3), 4, 2),
        (centres(4), 8, None),
        (centres(9), 6, None),
        (centres(8).flip(0), 8, None),
        (centres(1), 1, None),
        (torch.tensor([0.1, 0.1]), 4, None),
    ],
)
def test_steps_per_cell(coordinates: torch.Tensor, size: int, steps: int | None):
    assert steps_per_cell(coordinates, size) == steps


def test_an_even_run_goes_on_beyond_its_ends():
    torch.testing.assert_close(extend(centres(3, 10, 4), 2), centres(7, 10, 2))


# Against grid_sample, and against a loop


def sampled(grid: torch.Tensor, points: torch.Tensor, mode: str) -> torch.Tensor:
    """PyTorch's own lookup: (channels, ...) at (n, axes), cell centres half a cell inside, edges clamped."""
    where = 2 * points.flip(-1) - 1  # grid_sample wants x first, and -1 to 1
    where = where.reshape(1, -1, *[1] * (points.shape[1] - 1), points.shape[1])
    return grid_sample(grid[None], where, mode, "border", align_corners=False).flatten(2)[0]


def looped(grid: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    """A sum over all corners of a cell, place by place: (channels, ...) at (n, axes)."""
    found = torch.zeros(len(grid), len(points), dtype=grid.dtype)
    for n, place in enumerate(points.tolist()):
        spot = [min(max(p * size - 0.5, 0), size - 1) for p, size in zip(place, grid.shape[1:], strict=True)]
        for corner in torch.cartesian_prod(*[torch.arange(2)] * len(spot)).reshape(-1, len(spot)).tolist():
            weight, cell = 1.0, []
            for position, size, upper in zip(spot, grid.shape[1:], corner, strict=True):
                share = position - int(position)
                weight *= share if upper else 1 - share
                cell.append(min(int(position) + upper, size - 1))
            found[:, n] += weight * grid[(slice(None), *cell)]
    return found


LOOKUPS: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "grid_sample": lambda grid, points: sampled(grid, points, "bilinear"),
    "a loop": looped,
}
every_lookup = pytest.mark.parametrize("lookup", LOOKUPS.values(), ids=LOOKUPS)


@every_lookup
def test_planes_are_read_bilinearly_in_the_order_xy_yt_xt(lookup: Callable[..., torch.Tensor]):
    planes: PlanesEncoding = filled(Planes(2, xy=((5, 7), (3, 1)), yt=((4, 6),), xt=((2, 9),)))
    t, y, x = points = places().T
    expected = [
        *(lookup(grid, torch.stack([y, x], 1)) for grid in planes.get_submodule("xy").parameters()),
        *(lookup(grid, torch.stack([t, x], 1)) for grid in planes.get_submodule("yt").parameters()),
        *(lookup(grid, torch.stack([t, y], 1)) for grid in planes.get_submodule("xt").parameters()),
    ]
    torch.testing.assert_close(planes(Points(points.T)), torch.cat(expected), rtol=1e-9, atol=1e-9)


@every_lookup
def test_a_volume_is_read_trilinearly_with_its_neighbours(lookup: Callable[..., torch.Tensor]):
    volume: VolumeEncoding = filled(Volume((Level(2, 4, 5, 7), Level(1, 2, 3, 4))))
    expected = []
    for grid in volume.levels:
        _, _, height, width = grid.shape
        shifts = [
            torch.tensor([0, row / height, column / width], dtype=torch.float64)
            for row in (-1, 0, 1)
            for column in (-1, 0, 1)
        ]
        shifted = [lookup(grid, places() + shift) for shift in shifts]
        expected.append(torch.stack(shifted, 1).flatten(0, 1))
    torch.testing.assert_close(volume(Points(places())), torch.cat(expected), rtol=1e-9, atol=1e-9)


def test_a_volume_without_neighbours_is_the_centre_of_one_with_them():
    levels = (Level(2, 4, 5, 7),)
    small, large = filled(Volume(levels, neighbours=1)), filled(Volume(levels, neighbours=3))
    torch.testing.assert_close(small(Points(places())), large(Points(places())).unflatten(0, (2, 9))[:, 4])


def test_a_nearest_volume_is_read_at_whole_cells():
    volume = filled(Volume((Level(2, 4, 5, 7),), interpolation="nearest"))
    (grid,) = volume.levels
    inside = places()[:200] * 0.99
    t, y, x = (inside * torch.tensor([4, 5, 7])).long().T
    expected = [
        grid[:, t, (y + row).clamp(0, 4), (x + column).clamp(0, 6)] for row in (-1, 0, 1) for column in (-1, 0, 1)
    ]
    assert torch.equal(volume(Points(inside)), torch.stack(expected, 1).flatten(0, 1))


# Gradients


def of_grid(encoding: Encoding, name: str, query: Lattice | Points) -> Callable[[torch.Tensor], torch.Tensor]:
    return lambda grid: functional_call(encoding, {name: grid}, (query,))


GRADIENT_QUERIES: dict[str, Lattice | Points] = {
    "points": Points(places(6)[:6]),
    "aligned lattice": Lattice(centres(2, 3), centres(4), centres(3)),
    "finer lattice": Lattice(centres(2, 3), centres(8), centres(6)),
    "other lattice": Lattice(torch.tensor([0.2, 0.6]).double(), centres(3), centres(4)),
}


@pytest.mark.parametrize("query", GRADIENT_QUERIES.values(), ids=GRADIENT_QUERIES)
@pytest.mark.parametrize("interpolation", ["linear", "nearest"])
def test_the_gradient_of_a_volume_is_that_of_finite_differences(query: Lattice | Points, interpolation: Any):
    volume = filled(Volume((Level(1, 3, 4, 3),), interpolation=interpolation))
    grid = volume.levels[0].detach().clone().requires_grad_()
    # Times one: gradcheck wants a dense gradient, and a leaf would have a sparse one.
    assert torch.autograd.gradcheck(lambda grid: of_grid(volume, "levels.0", query)(grid * 1), grid)


@pytest.mark.parametrize("query", GRADIENT_QUERIES.values(), ids=GRADIENT_QUERIES)
def test_the_gradient_of_planes_is_that_of_finite_differences(query: Lattice | Points):
    planes = filled(Planes(2, xy=((4, 3),), yt=((2, 3),), xt=((3, 2),)))
    for name in ("xy.0", "yt.0", "xt.0"):
        grid = planes.get_parameter(name).detach().clone().requires_grad_()
        assert torch.autograd.gradcheck(of_grid(planes, name, query), grid)


@pytest.mark.parametrize("times", [[0], [1, 3], [3, 1], [2, 2, 0], [0, 1, 2, 3]], ids=str)
def test_the_sparse_gradient_of_slices_is_the_dense_one(times: list[int]):
    index = torch.tensor(times)
    grid = torch.randn(2, 4, 3, 5, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(2, len(times), 3, 5, dtype=torch.float64)
    (sparse,) = torch.autograd.grad((read_slices(grid, index) * weight).sum(), grid)
    (dense,) = torch.autograd.grad((grid.index_select(1, index) * weight).sum(), grid)
    assert sparse.is_sparse
    torch.testing.assert_close(sparse.to_dense(), dense)


def test_a_step_on_two_pictures_has_a_gradient_of_two_slices():
    volume = filled(Volume((Level(1, 50, 6, 8),)))
    volume(Lattice(centres(50)[[7, 30]], centres(6), centres(8))).sum().backward()
    gradient = volume.levels[0].grad.coalesce()
    assert gradient.indices().tolist() == [[0, 0], [7, 30]]
    assert gradient.values().shape == (2, 6, 8)


# How much is read: counted, not timed


class _Made(TorchDispatchMode):
    """Counts the numbers that operations write; views write none."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if isinstance(result, torch.Tensor) and result.is_floating_point():
            sources = {arg.untyped_storage().data_ptr() for arg in args if isinstance(arg, torch.Tensor)}
            made = result.untyped_storage().data_ptr() not in sources and "empty" not in func.__name__
            if made or func._schema.is_mutable:
                self.numbers += result.numel()
        return result


@contextmanager
def counting() -> Iterator[_Made]:
    with torch.no_grad(), _Made() as made:
        yield made


def made_by(encoding: Encoding, query: Lattice, weight: torch.Tensor | None = None) -> int:
    with counting() as made:
        encoding(query) if weight is None else encoding.linear(query, weight)
    return made.numbers


def test_a_linear_layer_over_planes_is_multiplied_per_plane_and_not_per_pixel():
    planes = filled(Planes(4, xy=((6, 5), (12, 10)), yt=((3, 5),), xt=((3, 6),)))
    frames, height, width, out = 30, 24, 40, 16
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        planes.linear(Lattice(centres(frames), centres(height), centres(width)), torch.ones(out, 16).double())
    expected = 2 * out * 4 * (2 * height * width + frames * width + frames * height)
    assert counter.get_total_flops() == expected


def test_a_plane_over_y_and_x_is_read_once_for_all_pictures():
    planes, weight = filled(Planes(4, xy=((6, 5),), yt=(), xt=())), torch.ones(2, 4).double()
    queries = [Lattice(centres(frames), centres(24), centres(40)) for frames in (1, 1000)]
    assert made_by(planes, queries[0], weight) == made_by(planes, queries[1], weight)


def test_reading_planes_costs_less_than_a_number_per_pixel():
    planes, weight = filled(Planes(1, xy=((6, 5),), yt=((7, 5),), xt=((7, 6),))), torch.ones(1, 3).double()
    frames, height, width = 40, 48, 64
    made = made_by(planes, Lattice(centres(frames), centres(height), centres(width)), weight)
    # The three planes are added per pixel: that makes a number twice. Reading all of them by pixel makes dozens.
    assert made < 3 * frames * height * width


def test_an_aligned_volume_is_read_without_interpolation_and_its_neighbours_copied_once():
    volume = filled(Volume((Level(1, 8, 24, 40),)))
    pixels = 2 * 24 * 40
    made = made_by(volume, Lattice(centres(2, 8, 3), centres(24), centres(40)))
    # Nine neighbours, twice (side by side, then beside other levels), and the slices with a margin.
    assert made < 2 * 9 * pixels + 3 * 1.2 * pixels


def test_neighbours_share_their_interpolation_where_the_lattice_is_finer_than_the_grid():
    volume = filled(Volume((Level(1, 1, 30, 40),)))
    query = Lattice(centres(1), centres(60), centres(80))
    pixels = 60 * 80
    # Interpolated apart, each of nine neighbours would cost at least 3 numbers more.
    assert made_by(volume, query) < 2 * 9 * pixels + 8 * pixels


def test_one_pixel_of_many_pictures_does_not_read_the_whole_grid():
    level = Level(1, 300, 90, 160)
    query = Lattice(centres(300), centres(1, 90, 5), centres(1, 160, 7))
    assert made_by(filled(Volume((level,))), query) < 50 * 300  # the grid has 4 million numbers


def test_one_pixel_at_a_high_scale_does_not_read_far_around_it():
    volume = filled(Volume((Level(1, 1, 10, 10),)))
    query = Lattice(centres(1), centres(2, 10_000, 5000), centres(2, 10_000, 5000))
    assert made_by(volume, query) < 1000  # a margin of a cell on each side would be two thousand pixels wide


def test_pictures_between_two_slices_read_each_slice_once():
    volume = filled(Volume((Level(1, 2, 30, 40),)))
    few, many = (Lattice(torch.linspace(0.3, 0.7, n).double(), centres(30), centres(40)) for n in (2, 50))
    assert made_by(volume, many) < 25.5 * made_by(volume, few)


# Sizes that cannot be


@pytest.mark.parametrize(
    "config",
    [
        {"id": "planes", "channels": 1, "xy": [], "yt": [], "xt": []},
        {"id": "planes", "channels": 0, "xy": [[2, 2]], "yt": [], "xt": []},
        {"id": "planes", "channels": 1, "xy": [[2, 0]], "yt": [], "xt": []},
        {"id": "planes", "channels": 1, "xy": [[2, 2, 2]], "yt": [], "xt": []},
        {"id": "volume", "levels": [], "neighbours": 3, "interpolation": "linear"},
        to_plain(Volume((Level(1, 1, 1, 1),))) | {"neighbours": 5},
        to_plain(Volume((Level(1, 1, 1, 1),))) | {"interpolation": "cubic"},
        to_plain(Volume((Level(1, 1, 1, 1),))) | {"levels": [{"channels": 1, "frames": 0, "height": 1, "width": 1}]},
    ],
    ids=str,
)
def test_impossible_sizes_are_refused(config: dict[str, Any]):
    with pytest.raises(ConfigError):
        from_plain(EncodingConfig, config, "field.encodings")
