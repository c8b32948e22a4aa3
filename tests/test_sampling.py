"""What training looks at: every picture equally often, at the right places, edges included."""

from collections import Counter

import pytest
import torch

from fieldpress.field import Lattice, Points
from fieldpress.training.sampling import FrameSampler, PixelSampler


def clip(frames: int, height: int, width: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(frames)
    return torch.randint(256, (frames, height, width, 3), dtype=torch.uint8, generator=generator)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def cells(coordinates: torch.Tensor, count: int) -> list[int]:
    """Which pixels have these centres."""
    exact = coordinates.double() * count - 0.5
    assert (exact - exact.round()).abs().max() < 1e-3  # single precision
    return exact.round().long().tolist()


@pytest.mark.parametrize(("frames", "pixels"), [(1, 48), (2, 48), (5, 96), (5, 144), (7, 240), (3, 10**6)])
def test_no_picture_is_seen_twice_more_often_than_another(frames: int, pixels: int):
    sampler = FrameSampler(clip(frames, 6, 8), pixels, seeded())
    seen: Counter[int] = Counter(dict.fromkeys(range(frames), 0))
    for _ in range(60):
        query = sampler.draw().query
        assert isinstance(query, Lattice)
        drawn = cells(query.t, frames)
        assert len(set(drawn)) == len(drawn) == sampler.count
        seen.update(drawn)
        assert max(seen.values()) - min(seen.values()) <= 1


@pytest.mark.parametrize("pixels", [1, 7, 48, 100, 10**6])
@pytest.mark.parametrize("size", [(1, 1, 1), (3, 6, 8), (2, 1, 50), (4, 33, 5)], ids=str)
def test_pictures_are_the_clip_at_the_places_asked_for(size: tuple[int, int, int], pixels: int):
    rgb = clip(*size)
    sampler = FrameSampler(rgb, pixels, seeded())
    for _ in range(20):
        query, target = sampler.draw()
        assert isinstance(query, Lattice)
        t, y, x = (cells(axis, count) for axis, count in zip((query.t, query.y, query.x), size, strict=True))
        assert torch.equal(target, rgb[t][:, y][:, :, x].movedim(-1, 0).float() / 255)
        assert y == list(range(y[0], y[0] + len(y)))
        assert x == list(range(x[0], x[0] + len(x)))


def test_a_batch_holds_no_more_pixels_than_asked_for():
    for pixels in (50, 100, 1000, 5000):
        _, target = FrameSampler(clip(4, 40, 60), pixels, seeded()).draw()
        assert target[0].numel() <= pixels


def test_rows_at_the_edge_are_no_rarity():
    sampler = FrameSampler(clip(1, 40, 40), 100, seeded())  # crops of 10 x 10
    seen: Counter[int] = Counter()
    for _ in range(2000):
        query = sampler.draw().query
        assert isinstance(query, Lattice)
        seen.update(cells(query.y, 40))
    # Crops drawn inside alone would show the first row once in 31 draws and a middle one ten times.
    assert min(seen[0], seen[39]) > 0.4 * seen[20]


@pytest.mark.parametrize("size", [(1, 1, 1), (3, 6, 8), (2, 1, 50)], ids=str)
def test_pixels_are_the_clip_at_the_places_asked_for(size: tuple[int, int, int]):
    rgb = clip(*size)
    query, target = PixelSampler(rgb, 500, seeded()).draw()
    assert isinstance(query, Points)
    t, y, x = (cells(query.axis(axis), count) for axis, count in enumerate(size))
    assert torch.equal(target, rgb[t, y, x].T.float() / 255)


def test_pixels_come_from_the_whole_clip():
    query = PixelSampler(clip(3, 4, 5), 2000, seeded()).draw().query
    assert isinstance(query, Points)
    assert len(query.coordinates.unique(dim=0)) == 3 * 4 * 5


@pytest.mark.parametrize("kind", [FrameSampler, PixelSampler])
def test_the_same_generator_gives_the_same_batches(kind: type[FrameSampler] | type[PixelSampler]):
    draws = []
    for seed in (1, 1, 2):
        sampler = kind(clip(5, 20, 30), 100, seeded(seed))
        draws.append(torch.stack([sampler.draw().target.sum() for _ in range(10)]))
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


def test_the_pictures_still_to_come_survive_a_checkpoint():
    rgb = clip(5, 6, 8)
    whole = FrameSampler(rgb, 96, seeded())
    whole.draw()
    state, queue = whole._generator.get_state(), whole.state()
    later = [whole.draw().query.axis(0).flatten().tolist() for _ in range(9)]
    other = FrameSampler(rgb, 96, seeded(9))
    other._generator.set_state(state)
    other.load_state(queue)
    assert [other.draw().query.axis(0).flatten().tolist() for _ in range(9)] == later
