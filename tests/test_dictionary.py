"""Dictionaries: codes and their coder, k-means, and what special guidance learns."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from fieldpress.coding.codes import decode_codes, encode_codes
from fieldpress.coding.hashing import hashed_codes
from fieldpress.coding.integers import encode_integers
from fieldpress.coding.marks import Groups
from fieldpress.compressors import Dictionary, Entropy, Known, Raw
from fieldpress.compressors.assignment import cheapest
from fieldpress.compressors.coded_grid import CodedGrid
from fieldpress.compressors.dictionary_guide import DictionaryGuide
from fieldpress.compressors.guides import Guidance, Moment, build_guide
from fieldpress.compressors.kmeans import kmeans, nearest, revived, usage
from fieldpress.errors import ConfigError, FormatError
from fieldpress.places import Places
from fieldpress.training.optimiser import LazyAdam

NOW = Moment(0.5)


def smooth(*shape: int, noise: float = 0.1) -> np.ndarray:
    """Waves that differ from channel to channel, and noise."""
    random = np.random.default_rng(0)
    waves = [sum(np.sin(index / (4 + c) + c) for index in np.indices(shape[1:])) for c in range(shape[0])]
    return (np.stack(waves) + random.normal(0, noise, shape)).astype(np.float32)


# Codes


@pytest.mark.parametrize("shape", [(30, 31), (5, 16, 17), (3, 4, 5)], ids=str)
@pytest.mark.parametrize("count", [2, 16, 60])
def test_codes_come_back(shape: tuple[int, ...], count: int):
    entries, codes = kmeans(smooth(3, *shape).reshape(3, -1).T.copy(), count)
    data = encode_codes(codes.reshape(shape), entries)
    np.testing.assert_array_equal(decode_codes(data, shape, entries), codes.reshape(shape))


def test_codes_of_a_smooth_grid_cost_far_less_than_their_entropy():
    entries, codes = kmeans(smooth(4, 6, 40, 40).reshape(4, -1).T.copy(), 64)
    shares = np.bincount(codes) / len(codes)
    entropy = -float(np.sum(shares * np.log2(shares))) * len(codes) / 8
    size = len(encode_codes(codes.reshape(6, 40, 40), entries))
    # Neighbours say much here; on trained grids ranks save 30 %, the plain coder with its contexts 15 %.
    assert size < 0.6 * entropy
    assert size < 0.9 * len(encode_integers(codes.reshape(1, 6, 40, 40)))


def test_codes_without_neighbours_worth_asking_cost_their_bits():
    codes = np.random.default_rng(0).integers(0, 16, (40, 40))
    entries = np.random.default_rng(1).normal(size=(16, 2)).astype(np.float32)
    assert len(encode_codes(codes, entries)) <= 40 * 40 * 4 / 8 + 40  # and a table


def sparse(cells: int) -> list[np.ndarray]:
    """Codes of three groups, most of them 5: others come in runs, and where the group before has some."""
    random = np.random.default_rng(0)
    busy = np.repeat(random.random(cells // 20 + 1) < 0.1, 20)[:cells]
    groups = [np.where(busy & (random.random(cells) < 0.7), random.integers(0, 16, cells), 5) for _ in range(3)]
    return [codes.reshape(cells, 1) for codes in groups]


@pytest.mark.parametrize("cells", [16, 17, 33, 1000, 20_000])
def test_codes_of_which_most_are_one_come_back(cells: int):
    entries, before = np.eye(16, 2, dtype=np.float32), Groups(cells)
    for codes in sparse(cells):
        data = encode_codes(codes, entries, before)
        np.testing.assert_array_equal(decode_codes(data, codes.shape, entries, before), codes)
        before.add(codes, entries)


def test_groups_before_and_cells_around_say_where_a_rare_code_is():
    groups, entries = sparse(20_000), np.eye(16, 2, dtype=np.float32)
    two = Groups(20_000)
    for codes in groups[:2]:
        two.add(codes, entries)
    alone, known = (len(encode_codes(groups[2], entries, before)) for before in (None, two))
    plain = len(encode_integers(groups[2][None]))
    assert alone < 0.85 * plain  # runs of 20 cells
    assert known < 0.93 * alone  # and two groups that share them
    values = len(encode_integers(groups[2][groups[2] != 5][None, :, None]))
    assert known > values  # which cost what they cost


def test_cells_with_no_code_but_one_take_a_handful_of_bytes():
    codes = np.full((50_000, 1), 3)
    assert len(encode_codes(codes, np.eye(8, 2, dtype=np.float32))) < 16


@pytest.mark.parametrize("ranked", [False, True])
def test_a_code_outside_the_dictionary_is_refused(ranked: bool):
    shape = (16, 16) if ranked else (4, 4)
    entries, codes = kmeans(smooth(2, *shape, noise=0.0).reshape(2, -1).T.copy(), 8)
    data = encode_codes(codes.reshape(shape), entries)
    decode_codes(data, shape, entries)
    with pytest.raises(FormatError, match=r"outside 0 to \d"):
        decode_codes(data, shape, entries[:2])


def test_random_codes_are_the_spatial_hash_of_instant_ngp():
    codes = hashed_codes((2, 5, 6, 7), 9)
    for group, t, row, column in [(0, 0, 0, 0), (0, 4, 5, 6), (1, 2, 3, 4)]:
        place = column ^ row * 2654435761 ^ t * 805459861 ^ group * 3674653429
        assert codes[group, t, row, column] == place % 2**9


# K-means


def test_kmeans_finds_clusters_and_orders_them():
    random = np.random.default_rng(0)
    centres = np.array([[-3, -3], [0, 0], [0, 4], [5, 5]], np.float32)
    rows = np.repeat(centres, 50, axis=0) + random.normal(0, 0.1, (200, 2)).astype(np.float32)
    entries, codes = kmeans(random.permutation(rows), 4)
    np.testing.assert_allclose(entries, centres, atol=0.06)  # means of 50: four times their deviation of 0.014
    assert np.bincount(codes).tolist() == [50] * 4


def test_kmeans_of_few_distinct_rows_is_exact():
    rows = np.repeat(np.array([[0, 0], [2, 3], [1e38, -3e38]], np.float32), 5, axis=0)
    for some in (rows[:10], rows[5:], -1e-30 * rows[:10]):
        entries, codes = kmeans(some, 8)
        size = np.abs(some).max()
        np.testing.assert_allclose(entries[codes] / size, some / size, atol=1e-7)  # float32, of the largest


def test_kmeans_beats_a_random_choice_of_entries():
    rows = smooth(4, 50, 50).reshape(4, -1).T.copy()
    entries, codes = kmeans(rows, 32)
    chosen = rows[np.random.default_rng(0).choice(len(rows), 32, replace=False)]
    errors = [np.square(rows - found).mean() for found in (entries[codes], chosen[nearest(rows, chosen)])]
    assert errors[0] < 0.7 * errors[1]


def test_unused_entries_move_beside_the_one_that_errs_most():
    rows = np.array([[0.0], [0.1], [8.0], [10.0]], np.float32)
    entries = np.array([[0.05], [9.0], [99.0]], np.float32)
    moved = revived(entries, *usage(rows, nearest(rows, entries), entries))
    assert abs(moved[2, 0] - 9.0) == pytest.approx(1.0)
    np.testing.assert_array_equal(moved[:2], entries[:2])


# The compressor


def test_more_codes_than_cells_are_refused_before_training():
    with pytest.raises(ConfigError, match="8 bits are 256 codes, more than the 255 cells of a grid of shape"):
        Dictionary(bits=8).check([(4, 3, 5), (32, 8), (8,), (2, 15, 17)])


def test_of_many_grids_only_some_have_to_suit():
    # The first levels of an octree have few corners, whatever a dictionary for the others has.
    Dictionary(bits=8).check([(2, 15, 17), (4, 16, 16), (32, 8), (8,)])
    Dictionary(bits=8).check([(32, 8), (8,)])


@pytest.mark.parametrize("settings", [{"bits": 0}, {"bits": 17}, {"groups": 0}, {"rate": float("nan")}])
def test_impossible_settings_are_refused(settings: dict[str, float]):
    with pytest.raises(ConfigError, match=f"dictionary: {next(iter(settings))} is"):
        Dictionary(**settings)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("shape", [(9,), (20, 30), (2, 3, 4)], ids=str)
def test_what_has_no_cells_or_too_few_goes_to_parts(shape: tuple[int, ...]):
    array = smooth(*shape)
    assert Dictionary(bits=4, parts=Entropy()).encode(array) == Entropy().encode(array)


def test_a_decoded_grid_has_at_most_as_many_feature_vectors_as_codes():
    decoded = Dictionary(bits=3).decode(Dictionary(bits=3).encode(smooth(3, 20, 20)), (3, 20, 20))
    assert len(np.unique(decoded.reshape(3, -1), axis=1).T) <= 8


def test_product_codes_err_less_than_one_code_of_the_same_entries():
    array = smooth(4, 30, 30)
    errors = []
    for groups in (1, 2, 4):
        compressor = Dictionary(bits=4, groups=groups)
        errors.append(np.square(compressor.decode(compressor.encode(array), array.shape) - array).mean())
    assert errors[0] > errors[1] > errors[2]


def test_random_codes_cost_nothing_but_their_entries():
    compressor = Dictionary(bits=4, codes="random", entries=Raw())
    assert len(compressor.encode(smooth(3, 20, 20))) == 3 * 16 * 4 + 2  # two bytes of length


def test_bytes_behind_random_codes_are_refused():
    compressor = Dictionary(bits=4, codes="random")
    with pytest.raises(FormatError, match="not known what they are hashed from"):
        compressor.decode(compressor.encode(smooth(3, 20, 20)) + b"x", (3, 20, 20))


def scattered(count: int = 300) -> tuple[np.ndarray, Places]:
    """A list of cells, of which every code has several, and where they are."""
    corners = np.stack(np.unravel_index(np.arange(0, 33**3, 33**3 // count)[:count], (33,) * 3), 1).astype(np.int16)
    return np.random.default_rng(0).normal(size=(4, count, 1)).astype(np.float32), Places(32, corners)


def test_random_codes_of_cells_in_space_stay_when_others_are_left_out():
    compressor = Dictionary(bits=4, codes="random", groups=2)
    array, places = scattered()
    codes = compressor.static_codes(array.shape, places)
    left = np.arange(0, 300, 3)
    fewer = Places(32, places.corners[left])
    np.testing.assert_array_equal(compressor.static_codes((4, 100, 1), fewer), codes[:, left])
    assert np.bincount(codes.ravel(), minlength=16).min() > 10
    assert (codes[0] != codes[1]).mean() > 0.5


def test_random_codes_of_cells_in_space_need_their_places():
    compressor = Dictionary(bits=4, codes="random", groups=2, entries=Raw())
    array, places = scattered()
    data = compressor.encode_after([array], Known((), (places,)))
    found = compressor.decode_after(data, [array.shape], Known((), (places,)))[0]
    entries, codes = compressor.fit(array, places)
    np.testing.assert_array_equal(found, compressor.look_up(entries, codes))
    with pytest.raises(FormatError, match="not known what they are hashed from"):
        compressor.decode(data, array.shape)


def test_random_codes_of_before_are_hashed_from_indices_wherever_the_cells_are():
    compressor = Dictionary(bits=4, codes="random", groups=2)
    array, places = scattered()
    data = compressor.encode(array)
    found = compressor.decode_after(data, [array.shape], Known((), (places,)))[0]
    np.testing.assert_array_equal(found, compressor.decode(data, array.shape))


# Special guidance


def begun(compressor: Dictionary, *shape: int) -> tuple[DictionaryGuide, nn.Parameter]:
    """A guide at work on one grid."""
    tensor = nn.Parameter(torch.from_numpy(smooth(*shape)))
    guide = build_guide(compressor, Guidance(kind="special"), [tensor])
    assert isinstance(guide, DictionaryGuide)
    guide.advance([tensor], 0.0)
    return guide, tensor


def shown(grid: CodedGrid) -> torch.Tensor:
    """What the codes stand for, of a grid in one group."""
    return grid.features()[:, grid.codes[0].long()]


@pytest.mark.parametrize("codes", ["learned", "kmeans", "random"])
def test_what_is_shown_are_entries(codes):
    guide, tensor = begun(Dictionary(bits=3, codes=codes), 2, 9, 10)
    torch.testing.assert_close(tensor.detach(), shown(guide.coded_grids()[0]), rtol=0, atol=0)


def test_the_gradient_of_an_entry_is_the_sum_over_its_cells():
    guide, tensor = begun(Dictionary(bits=2, codes="kmeans"), 2, 9, 10)
    grid = guide.coded_grids()[0]
    entries = grid.entries.detach().clone().requires_grad_()
    ((grid.scale * entries)[:, grid.codes[0].long()] ** 3).sum().backward()
    tensor.grad = None
    (tensor**3).sum().backward()
    guide.learn([tensor], NOW)
    assert entries.grad is not None
    torch.testing.assert_close(grid.entries.grad, entries.grad)


@pytest.mark.parametrize("price", [0.0, 0.1])
def test_the_commonest_entry_rests_where_bits_have_a_price(price: float):
    guide, tensor = begun(Dictionary(bits=2), 2, 9, 10)
    grid = guide.coded_grids()[0]
    grid.codes.fill_(1)
    grid.codes.view(-1)[:50] = 3
    tensor.grad = torch.ones_like(tensor)
    guide.learn([tensor], Moment(0.5, bit_price=price))
    assert grid.entries.grad is not None
    assert grid.entries.grad[:, 1].all()
    assert grid.entries.grad[:, 3].any() == (price == 0)


def test_momentum_does_not_move_an_entry_at_rest():
    guide, tensor = begun(Dictionary(bits=2), 2, 9, 10)
    grid = guide.coded_grids()[0]
    grid.codes.fill_(1)
    before = grid.entries.detach().clone()
    tensor.grad = torch.ones_like(tensor)
    moment = Moment(0.5, bit_price=1e-9, curvature=1.0)
    guide.learn([tensor], moment)
    with torch.no_grad():
        grid.entries.add_(0.5)  # as an optimiser might
    guide.show([tensor], moment)
    torch.testing.assert_close(grid.entries - before, torch.tensor([0.5, 0.0, 0.5, 0.5]).expand(2, 4))


@pytest.mark.parametrize("corner_by_corner", [False, True])
def test_every_cell_shows_its_entries_where_most_are_at_rest(corner_by_corner: bool):
    tensor = nn.Parameter(torch.from_numpy(smooth(4, 300, 1)))
    if corner_by_corner:
        tensor = nn.Parameter(tensor.detach().movedim(0, 2).contiguous().movedim(2, 0))
    guide = build_guide(Dictionary(bits=2, groups=2), Guidance(kind="special"), [tensor])
    assert isinstance(guide, DictionaryGuide)
    guide.advance([tensor], 0.0)
    grid = guide.coded_grids()[0]
    grid._renewed = 40  # as few as of a large grid
    random = torch.Generator().manual_seed(0)
    optimiser = LazyAdam([{"params": [tensor], "lr": 0.05}, *({**g, "lr": g["rate"]} for g in guide.learners())])
    moment = Moment(0.5, bit_price=1e-2, curvature=1.0)
    for _ in range(30):
        tensor.grad = torch.randn(tensor.shape, generator=random)
        guide.learn([tensor], moment)
        optimiser.step()
        guide.show([tensor], moment)
        expected = [
            grid.features()[group][:, codes.long()] for group, codes in zip(grid.groups, grid.codes, strict=True)
        ]
        assert torch.equal(tensor.detach(), torch.cat(expected))
    assert (grid.usage().amax(1) < 300).all()


def test_entries_that_are_tuned_alone_leave_codes_and_the_optimiser_out():
    guide, tensor = begun(Dictionary(bits=2, codes="kmeans"), 2, 9, 10)
    before = guide.coded_grids()[0].codes.clone()
    tensor.sum().backward()
    guide.learn([tensor], NOW)
    assert tensor.grad is None
    guide.show([tensor], NOW)
    assert torch.equal(guide.coded_grids()[0].codes, before)


def test_updates_of_shown_values_reach_the_latents_and_turn_codes():
    guide, tensor = begun(Dictionary(bits=2), 1, 9, 10)
    grid = guide.coded_grids()[0]
    latent = grid.latent.clone()
    lowest, highest = grid.features().min(), grid.features().max()
    tensor.sum().backward()
    guide.learn([tensor], NOW)
    with torch.no_grad():
        tensor[0, 3, 4] += 100.0  # as an optimiser might
    guide.show([tensor], NOW)
    assert grid.latent[0, 3, 4] > 90  # what it was, 100, and a little towards the entry
    assert tensor[0, 3, 4] == highest
    still = torch.ones(9, 10, dtype=torch.bool)
    still[3, 4] = False
    assert (grid.latent - latent)[0][still].abs().max() < 0.05 * (highest - lowest)


def test_slices_that_a_step_has_not_read_keep_their_codes():
    guide, tensor = begun(Dictionary(bits=3), 2, 4, 9, 10)
    grid = guide.coded_grids()[0]
    before = grid.codes.clone()
    values = torch.ones(2, 9, 10)
    index = torch.tensor([[0, 1], [2, 2]])
    tensor.grad = torch.sparse_coo_tensor(index, values, tensor.shape, check_invariants=False)
    guide.learn([tensor], NOW)
    with torch.no_grad():
        tensor[:, 2] -= 1.0
    guide.show([tensor], NOW)
    changed = (grid.codes != before)[0].flatten(1).any(dim=1)
    assert changed.tolist() == [False, False, True, False]


def chosen_at(price: float, felt: tuple[float, float] = (1.0, 1.0)) -> tuple[CodedGrid, torch.Tensor]:
    """A grid whose first row alone the loss depends on, after a step that moved nothing; its codes without a price.

    Gradients of its two channels have these sizes, and are not correlated.
    """
    guide, tensor = begun(Dictionary(bits=3), 2, 9, 10)
    grid = guide.coded_grids()[0]
    before = grid.codes.clone()
    tensor.grad = torch.zeros_like(tensor)
    tensor.grad[:, 0] = torch.tensor(felt)[:, None]
    tensor.grad[1, 0, ::2] *= -1
    moment = Moment(0.5, bit_price=2 * price, curvature=2.0)
    guide.learn([tensor], moment)
    guide.show([tensor], moment)
    return grid, before


def test_without_a_price_of_bits_codes_are_those_of_the_nearest_entries():
    grid, before = chosen_at(0.0)
    assert torch.equal(grid.codes, before)


def test_cells_that_the_loss_does_not_depend_on_take_the_shortest_code():
    grid, before = chosen_at(1e-9)
    assert torch.equal(grid.codes[0, 0], before[0, 0])
    assert (grid.codes[0, 1:] == before.flatten().bincount().argmax()).all()


@pytest.mark.parametrize("felt", [(1.0, 1.0), (1.4, 0.2), (0.2, 1.4)])
def test_a_code_is_the_cheapest_in_length_and_in_what_the_loss_feels(felt: tuple[float, float]):
    price = 0.05
    grid, before = chosen_at(price, felt)
    counts = before.flatten().bincount(minlength=8) + 1.0
    lengths = (counts.sum() / counts).log2()
    # Squares of gradients have a mean of 1 in the first row. Its latents were pulled to what was chosen, but only then.
    start = torch.from_numpy(smooth(2, 9, 10))[:, 0]
    sensitivity = torch.tensor(felt).square() + 0.05
    squares = (start[:, :, None] - grid.features()[:, None]).square()
    costs = (sensitivity[:, None, None] * squares).sum(0) / 2 + price * lengths
    assert torch.equal(grid.codes[0, 0].long(), costs.argmin(1))
    assert not torch.equal(grid.codes[0, 0], before[0, 0])


def test_channels_that_move_the_loss_together_are_told_from_those_that_cancel():
    guide, tensor = begun(Dictionary(bits=3), 2, 9, 10)
    grid = guide.coded_grids()[0]
    with torch.no_grad():
        grid.entries.copy_(torch.tensor([[-9.0] * 6 + [0.0, 0.3], [-9.0] * 6 + [0.3, 0.3]]))
        tensor.copy_(torch.tensor([0.5, -0.2])[:, None, None].expand_as(tensor) * grid.scale)
    grid.latent.copy_(tensor.detach())
    tensor.grad = torch.ones_like(tensor)  # the loss feels the sum: 0.3 here, as in the entry that is farther away
    moment = Moment(0.5, bit_price=1e-12, curvature=1.0)
    guide.learn([tensor], moment)
    guide.show([tensor], moment)
    distances = (grid.features()[:, 6:] - tensor.new_tensor([[0.5], [-0.2]]) * grid.scale).square().sum(0)
    assert distances[0] > distances[1]
    assert (grid.codes == 6).all()


def test_dead_entries_are_revived():
    guide, tensor = begun(Dictionary(bits=3), 2, 20, 20)
    grid = guide.coded_grids()[0]
    with torch.no_grad():
        grid.entries[:, 4:] = 50.0
        grid.codes.copy_(
            torch.from_numpy(nearest(grid.latent.flatten(1).T.numpy(), grid.features().T.numpy())).view_as(grid.codes)
        )
    assert (grid.usage() == 0).sum() == 4
    guide.advance([tensor], 0.5)
    assert (grid.usage() == 0).sum() == 0
    assert grid.usage().sum() == 400


@pytest.mark.parametrize("price", [0.0, 1.0])
def test_cells_at_rest_are_not_handed_to_dead_entries_where_bits_have_a_price(price: float):
    guide, tensor = begun(Dictionary(bits=3), 2, 20, 20)
    moment = Moment(0.5, bit_price=price, curvature=1.0)
    tensor.grad = torch.full_like(tensor, 1e-3)
    guide.learn([tensor], moment)
    grid = guide.coded_grids()[0]
    grid.codes.fill_(2)
    guide.advance([tensor], 0.5)
    assert bool((grid.codes == 2).all()) == (price > 0)


def test_random_codes_begin_with_training_and_others_when_guidance_does():
    tensors = [nn.Parameter(torch.from_numpy(smooth(2, 9, 10)))]
    guidance = Guidance(kind="special", start=0.4)
    due = {codes: build_guide(Dictionary(bits=3, codes=codes), guidance, tensors).is_due(0.0) for codes in CODES}
    assert due == {"learned": False, "kmeans": False, "random": True}


CODES = ("learned", "kmeans", "random")


def trained_error(compressor: Dictionary) -> float:
    """Squared error of blurred grids against their target, after training and settling."""
    torch.manual_seed(0)
    target = torch.from_numpy(smooth(1, 30, 30))
    mix = torch.tensor([[1.0, 0.25]])
    tensor = nn.Parameter(0.01 * torch.randn(2, 30, 30))
    guide = build_guide(compressor, Guidance(kind="special", start=0.4, every=0.1), [tensor])
    optimiser = LazyAdam([{"params": [tensor], "lr": 0.02}, *({**g, "lr": g["rate"]} for g in guide.learners())])

    def error() -> torch.Tensor:
        blurred = nn.functional.avg_pool2d(tensor, 3, 1, 1, count_include_pad=False)
        return (torch.einsum("oc,cyx->oyx", mix, blurred) - target).square().mean()

    for step in range(250):
        if guide.is_due(step / 250):
            guide.advance([tensor], step / 250)
        optimiser.zero_grad(set_to_none=True)
        error().backward()
        guide.learn([tensor], NOW)
        optimiser.step()
        guide.show([tensor], NOW)
    guide.settle([tensor])
    return error().item()


def test_learned_codes_beat_entries_that_are_tuned_alone():
    learned = trained_error(Dictionary(bits=3))
    tuned = trained_error(Dictionary(bits=3, codes="kmeans"))
    assert learned < 0.8 * tuned


def test_a_guide_goes_on_from_its_checkpoint():
    compressor = Dictionary(bits=3)
    guide, tensor = begun(compressor, 2, 20, 20)
    other = DictionaryGuide(compressor, guide.guidance, [tensor])
    other.load_state_dict(guide.state_dict())
    for each in (guide, other):
        tensor.grad = torch.ones_like(tensor)
        each.learn([tensor], NOW)
        each.show([tensor], NOW)
    assert torch.equal(guide.coded_grids()[0].codes, other.coded_grids()[0].codes)
    assert guide.size([tensor]) == other.size([tensor]) > 0


def test_the_cheapest_entry_is_that_of_all():
    random = torch.Generator().manual_seed(0)
    values, entries = (torch.randn(3, count, generator=random) for count in (2000, 16))
    lengths = torch.linspace(0.2, 9, 16).roll(5)
    for price in (0.0, 0.01, 0.3, 100.0):
        prices = price * torch.rand(2000, generator=random)
        costs = (values[:, :, None] - entries[:, None]).square().sum(0) / 2 + prices[:, None] * lengths
        found = cheapest(values, entries, prices, lengths)
        torch.testing.assert_close(costs.gather(1, found[:, None])[:, 0], costs.amin(1))


def test_the_size_told_at_round_trips_is_about_what_would_be_written():
    guide, tensor = begun(Dictionary(bits=2), 2, 60, 60)
    grid = guide.coded_grids()[0]
    random = torch.Generator().manual_seed(0)
    grid.codes.copy_(torch.randint(0, 4, grid.codes.shape, generator=random))
    known = guide.bits
    guide.advance([tensor], 0.5)
    assert guide.bits > 2 * known  # of smooth codes
    assert guide.bits == pytest.approx(guide.size([tensor]), rel=0.1)


def test_what_is_settled_has_the_size_that_was_told():
    guide, tensor = begun(Dictionary(bits=3), 2, 20, 20)
    with torch.no_grad():
        guide.coded_grids()[0].latent.mul_(1.3)
    told = guide.size([tensor])
    assert 8 * len(guide.settle([tensor])) == told


def test_tensors_that_a_dictionary_does_not_suit_stay_free():
    tensors = [nn.Parameter(torch.from_numpy(smooth(2, 20, 20))), nn.Parameter(torch.from_numpy(smooth(5, 3)))]
    free = tensors[1].detach().clone()
    guide = build_guide(replace(Dictionary(bits=3)), Guidance(kind="special"), tensors)
    guide.advance(tensors, 0.0)
    guide.show(tensors, NOW)
    assert torch.equal(tensors[1].detach(), free)
