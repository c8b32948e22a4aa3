"""The laws of guides, for every kind and every compressor."""

import io
from typing import Any, get_args, get_type_hints

import numpy as np
import pytest
import torch
from torch import nn

from fieldpress.compressors import (
    COMPRESSORS,
    Compressor,
    Dictionary,
    Entropy,
    LowRank,
    Octants,
    Raw,
    Tucker,
    Uniform,
    Video,
)
from fieldpress.compressors.guides import Guidance, Guide, build_guide
from fieldpress.places import Places

COMPRESSED: dict[str, Compressor] = {
    "raw": Raw(precision="float16"),
    "uniform": Uniform(bits=3),
    "entropy": Entropy(step=0.3, unit="absolute"),
    "tucker": Tucker(ranks=0.3, parts=Entropy(step=0.1, unit="absolute")),
    "video": Video(codec="svt-av1", crf=50, preset="12", amplitude=0.5),
    "lowrank": LowRank(rank=1, parts=Entropy(step=0.1, unit="absolute")),
    "octants": Octants(parts=Uniform(bits=3)),
    "dictionary": Dictionary(bits=4),
}
KINDS = get_args(get_type_hints(Guidance)["kind"])
SHAPES = [(1, 3, 26, 32), (2, 3, 13, 16)]  # a film, to the video compressor

every_compressor = pytest.mark.parametrize("compressor", COMPRESSED.values(), ids=COMPRESSED)
every_kind = pytest.mark.parametrize("kind", KINDS)


def grids(seed: int = 0) -> list[nn.Parameter]:
    """Smooth, with noise, within the video compressor's range."""
    torch.manual_seed(seed)
    waves = [sum(np.sin(index / 5) for index in np.indices(shape)[1:]) / 10 for shape in SHAPES]
    return [nn.Parameter(torch.tensor(wave, dtype=torch.float32) + 0.05 * torch.randn(wave.shape)) for wave in waves]


def guide_of(compressor: Compressor, kind: str, tensors: list[nn.Parameter], **times: Any) -> Guide:
    return build_guide(compressor, Guidance(kind=kind, **times), tensors)  # pyright: ignore[reportArgumentType]


def round_trip(compressor: Compressor, tensors: list[Any]) -> list[torch.Tensor]:
    arrays = [tensor.detach().numpy() for tensor in tensors]
    decoded = compressor.decode_all(compressor.encode_all(arrays), [array.shape for array in arrays])
    return [torch.from_numpy(array) for array in decoded]


def learn(tensors: list[nn.Parameter], size: float = 0.01) -> None:
    """What a few training steps might do."""
    with torch.no_grad():
        for tensor in tensors:
            tensor += size * torch.randn(tensor.shape)


def assert_equal(found: list[Any], expected: list[Any], **how: Any) -> None:
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a.detach(), b.detach(), **(how or {"rtol": 0, "atol": 0}))


def test_every_registered_compressor_is_tested_here():
    assert set(COMPRESSED) == set(COMPRESSORS)


@every_kind
@every_compressor
def test_after_settling_the_tensors_hold_what_the_bytes_decode_to(compressor: Compressor, kind: str):
    tensors = grids()
    guide = guide_of(compressor, kind, tensors)
    for share in (0.0, 0.5):
        if guide.is_due(share):
            guide.advance(tensors, share)
        learn(tensors)
    data = guide.settle(tensors)
    decoded = compressor.decode_all(data, SHAPES)
    assert_equal(tensors, [torch.from_numpy(array) for array in decoded])
    assert guide.bits == 8 * len(data)


@every_compressor
def test_project_overwrites_the_tensors_with_their_round_trip(compressor: Compressor):
    tensors = grids()
    expected = round_trip(compressor, tensors)
    guide_of(compressor, "project", tensors).advance(tensors, 0.0)
    assert_equal(tensors, expected)


@every_compressor
def test_round_trip_shows_what_decodes(compressor: Compressor):
    tensors = grids()
    expected = round_trip(compressor, tensors)
    guide_of(compressor, "round-trip", tensors).advance(tensors, 0.0)
    assert_equal(tensors, expected)


@every_compressor
def test_round_trip_hands_the_compressor_what_it_was_handed_before_plus_what_was_learned(compressor: Compressor):
    tensors = grids()
    before = [tensor.detach().clone() for tensor in tensors]
    guide = guide_of(compressor, "round-trip", tensors)
    guide.advance(tensors, 0.0)
    torch.manual_seed(5)
    learn(tensors)
    torch.manual_seed(5)
    learned = [nn.Parameter(tensor.clone()) for tensor in before]
    learn(learned)
    assert_equal(guide.written(tensors), learned, rtol=0, atol=1e-6)  # a difference and a sum in single precision


def test_round_trip_keeps_steps_that_are_too_small_for_the_compressor_and_project_loses_them():
    kept = {}
    for kind in ("round-trip", "project"):
        tensors = [nn.Parameter(torch.zeros(2, 8))]
        guide = guide_of(Entropy(step=1.0, unit="absolute"), kind, tensors)
        for step in range(8):
            guide.advance(tensors, step / 8)
            with torch.no_grad():
                tensors[0] += 0.1  # 0.8 in the end: nearest to 1
        guide.settle(tensors)
        kept[kind] = tensors[0].unique().tolist()
    assert kept == {"round-trip": [1.0], "project": [0.0]}


@every_compressor
def test_proximal_leaves_the_tensors_alone(compressor: Compressor):
    tensors = grids()
    before = [tensor.detach().clone() for tensor in tensors]
    guide_of(compressor, "proximal", tensors).advance(tensors, 0.0)
    assert_equal(tensors, before)


@every_compressor
def test_proximal_pulls_towards_the_last_round_trip(compressor: Compressor):
    tensors = grids()
    expected = round_trip(compressor, tensors)
    guide = guide_of(compressor, "proximal", tensors, weight=3.0)
    guide.advance(tensors, 0.0)
    penalty = guide.penalty(tensors)
    assert penalty is not None
    penalty.backward()
    count = sum(tensor.numel() for tensor in tensors)
    torch.testing.assert_close(
        penalty.detach(), 3 * sum(((t.detach() - e) ** 2).sum() for t, e in zip(tensors, expected, strict=True)) / count
    )
    assert_equal(
        [tensor.grad for tensor in tensors],
        [6 * (t - e) / count for t, e in zip(tensors, expected, strict=True)],
        rtol=1e-5,
        atol=1e-10,
    )


@every_kind
def test_nothing_pulls_before_the_first_round_trip_or_without_proximal(kind: str):
    tensors = grids()
    guide = guide_of(Uniform(), kind, tensors)
    assert guide.penalty(tensors) is None
    if kind in ("project", "round-trip"):
        guide.advance(tensors, 0.0)
        assert guide.penalty(tensors) is None


def test_none_never_meets_the_compressor_before_it_settles():
    tensors = grids()
    guide = guide_of(Uniform(), "none", tensors)
    assert not any(guide.is_due(share) for share in (0.0, 0.5, 0.999, 1.0))
    assert_equal(guide.written(tensors), tensors)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "none"])
def test_round_trips_come_when_they_are_due(kind: str):
    tensors = grids()
    guide = guide_of(Uniform(), kind, tensors, start=0.2, every=0.3)
    met = []
    for share in (step / 100 for step in range(100)):
        if guide.is_due(share):
            guide.advance(tensors, share)
            met.append(share)
    assert met == [0.2, 0.5, 0.8]


@every_kind
def test_the_state_survives_a_checkpoint(kind: str):
    tensors = grids()
    guide = guide_of(Uniform(bits=3), kind, tensors, start=0.1)
    if guide.is_due(0.1):
        guide.advance(tensors, 0.1)
    learn(tensors)
    file = io.BytesIO()
    torch.save(guide.state_dict(), file)
    file.seek(0)
    other = guide_of(Uniform(bits=3), kind, tensors, start=0.1)
    other.load_state_dict(torch.load(file, weights_only=True))
    assert (other.due, other.bits) == (guide.due, guide.bits)
    assert_equal(other.written(tensors), guide.written(tensors))
    penalties = [each.penalty(tensors) for each in (guide, other)]
    assert (penalties[0] is None) == (penalties[1] is None)
    assert penalties[0] is None or torch.equal(*penalties)


@pytest.mark.parametrize(
    "times",
    [{"every": 0.0}, {"every": float("nan")}, {"start": -0.1}, {"settle": -0.1}, {"settle": 1.1}, {"weight": -1.0}],
)
def test_impossible_times_are_refused(times: dict[str, float]):
    with pytest.raises(ValueError, match=r"guidance|weight"):
        Guidance(**times)


@every_compressor
@every_kind
def test_cells_that_are_left_go_on_as_they_were(compressor: Compressor, kind: str):
    torch.manual_seed(0)
    tensors = [nn.Parameter(torch.randn(4, 300, 1)), nn.Parameter(torch.randn(3, 5))]
    guide = guide_of(compressor, kind, tensors)
    if kind != "none":
        guide.advance(tensors, 0.1)
    learn(tensors)
    written = guide.written(tensors)
    left = torch.arange(0, 300, 2)
    tensors[0].data = tensors[0].data[:, left]
    guide.trim(tensors, [left, None])
    learn(tensors, 0.0)
    if not isinstance(compressor, Tucker | LowRank):  # fewer cells have other factors
        assert_equal(guide.written(tensors), [written[0][:, left], written[1]])
    data = guide.settle(tensors)
    shapes = [tuple(tensor.shape) for tensor in tensors]
    decoded = guide.compressor.decode_all(data, shapes)
    assert_equal(list(tensors), [torch.from_numpy(array) for array in decoded])


@pytest.mark.parametrize("codes", ["learned", "kmeans", "random"])
def test_codes_of_cells_that_are_left_are_what_they_were(codes: Any):
    torch.manual_seed(0)
    corners = np.stack(np.unravel_index(np.arange(0, 4900, 16), (17,) * 3), 1).astype(np.int16)
    tensor = nn.Parameter(torch.randn(4, len(corners), 1))
    guide = guide_of(Dictionary(bits=4, codes=codes, entries=Raw()), "special", [tensor])
    guide.places = lambda: [Places(16, corners)]
    guide.meet([tensor])
    shown, left = tensor.detach().clone(), torch.arange(0, len(corners), 3)
    assert guide.compressor.spares_cells(placed=True)
    corners, tensor.data = corners[left.numpy()], tensor.data[:, left]
    guide.trim([tensor], [left])
    guide.settle([tensor])
    torch.testing.assert_close(tensor.detach(), shown[:, left])


def test_cells_are_spared_by_all_whose_others_would_not_be_the_same_without_them():
    assert all(compressor.spares_cells(placed) for compressor in COMPRESSED.values() for placed in (False, True))
    random = Dictionary(bits=4, codes="random")
    assert random.spares_cells(placed=True)
    assert not random.spares_cells(placed=False)
    assert not Tucker(ranks=(0.5, 16, 1.0)).spares_cells(placed=True)
    assert not Tucker(ranks=16).spares_cells(placed=True)


def test_a_grid_with_fewer_cells_than_entries_is_written_as_one():
    torch.manual_seed(0)
    tensor = nn.Parameter(torch.randn(4, 300, 1))
    guide = guide_of(Dictionary(bits=4), "special", [tensor])
    guide.meet([tensor])
    left = torch.arange(9)
    tensor.data = tensor.data[:, left]
    guide.trim([tensor], [left])
    assert guide.learners() == []
    data = guide.settle([tensor])
    assert_equal([tensor], [torch.from_numpy(Dictionary(bits=4).decode_all(data, [(4, 9, 1)])[0])])
