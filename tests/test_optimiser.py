"""The optimiser against PyTorch's own, and worked by hand."""

import copy
from typing import Any

import pytest
import torch
from torch import nn

from fieldpress.training.optimiser import LazyAdam


def sparse(gradient: torch.Tensor, rows: list[int]) -> torch.Tensor:
    """The rows of a gradient that were read, the others left out; sparse over the first axis."""
    return torch.sparse_coo_tensor(torch.tensor([rows]), gradient[rows], gradient.shape, check_invariants=True)


def optimiser(parameters: list[nn.Parameter], **group: Any) -> LazyAdam:
    return LazyAdam([{"params": parameters, **group}])


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_dense_gradients_are_followed_like_adamw(weight_decay: float):
    torch.manual_seed(0)
    ours = [nn.Parameter(torch.randn(4, 5, dtype=torch.float64)), nn.Parameter(torch.randn(3, dtype=torch.float64))]
    theirs = copy.deepcopy(ours)
    how = {"lr": 0.02, "betas": (0.8, 0.97), "eps": 1e-8, "weight_decay": weight_decay}
    first, second = optimiser(ours, **how), torch.optim.AdamW(theirs, **how)
    for _ in range(7):
        for a, b in zip(ours, theirs, strict=True):
            a.grad = torch.randn_like(a)
            b.grad = a.grad.clone()
        first.step()
        second.step()
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)  # the same arithmetic, in another order


@pytest.mark.parametrize("blockwise", [False, True])
def test_a_sparse_gradient_of_everything_is_followed_like_a_dense_one(blockwise: bool):
    torch.manual_seed(0)
    dense, lazy = (nn.Parameter(torch.ones(4, 5, dtype=torch.float64)) for _ in range(2))
    optimisers = [optimiser([dense], lr=0.1, blockwise=blockwise), optimiser([lazy], lr=0.1, blockwise=blockwise)]
    for _ in range(5):
        dense.grad = torch.randn_like(dense)
        lazy.grad = sparse(dense.grad, [2, 0, 1, 3])
        for each in optimisers:
            each.step()
    torch.testing.assert_close(dense, lazy, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("blockwise", [False, True])
def test_slices_that_were_not_read_stay_as_they_are(blockwise: bool):
    torch.manual_seed(0)
    parameter = nn.Parameter(torch.randn(5, 3))
    before = parameter.detach().clone()
    lazy = optimiser([parameter], lr=0.1, blockwise=blockwise, weight_decay=0.5)
    for rows in ([1], [1, 3], [3]):
        parameter.grad = sparse(torch.randn(5, 3), rows)
        lazy.step()
    moved = (parameter.detach() != before).any(1).tolist()
    assert moved == [False, True, False, True, False]
    assert not lazy.state[parameter]["first"][[0, 2, 4]].any()


def test_a_slice_read_twice_in_a_step_moves_by_the_sum_of_its_gradients():
    once, twice = (nn.Parameter(torch.zeros(3, 2)) for _ in range(2))
    once.grad = sparse(torch.full((3, 2), 3.0), [1])
    twice.grad = torch.sparse_coo_tensor(
        torch.tensor([[1, 1]]), torch.tensor([[1.0, 1.0], [2.0, 2.0]]), (3, 2), check_invariants=True
    )
    optimiser([once], blockwise=True).step()
    optimiser([twice], blockwise=True).step()
    assert torch.equal(once, twice)


def test_blockwise_steps_worked_by_hand():
    parameter = nn.Parameter(torch.tensor([1.0, 2.0], dtype=torch.float64))
    lazy = optimiser([parameter], lr=0.1, betas=(0.8, 0.95), blockwise=True)
    parameter.grad = torch.tensor([0.3, -0.1], dtype=torch.float64)
    lazy.step()
    # First moment 0.2 g = (0.06, -0.02); mean square (0.09 + 0.01) / 2 = 0.05, its root 0.22360680.
    torch.testing.assert_close(parameter.detach(), torch.tensor([0.9731671843, 2.0089442719]).double())
    parameter.grad = torch.tensor([0.0, 0.2], dtype=torch.float64)
    lazy.step()
    # 0.8 (0.06, -0.02) + 0.2 (0, 0.2) = (0.048, 0.024); (0.95 x 0.0025 + 0.05 x 0.02) / (1 - 0.95**2) = 0.0346153846.
    expected = torch.tensor([0.9731671843 - 0.1 * 0.048 / 0.1860521, 2.0089442719 - 0.1 * 0.024 / 0.1860521]).double()
    torch.testing.assert_close(parameter.detach(), expected, rtol=1e-7, atol=0)


def test_blockwise_steps_keep_the_proportions_of_the_gradient_and_elementwise_ones_do_not():
    moved = {}
    for blockwise in (True, False):
        parameter = nn.Parameter(torch.zeros(2))
        parameter.grad = torch.tensor([1.0, 0.01])
        optimiser([parameter], lr=0.1, blockwise=blockwise).step()
        moved[blockwise] = (parameter[1] / parameter[0]).item()
    assert moved[True] == pytest.approx(0.01)
    assert moved[False] == pytest.approx(1.0)


@pytest.mark.parametrize("blockwise", [False, True])
def test_the_state_survives_a_checkpoint(blockwise: bool):
    torch.manual_seed(0)
    gradients = torch.randn(6, 4, 3)

    def run(parameter: nn.Parameter, lazy: LazyAdam, part: torch.Tensor) -> None:
        for gradient in part:
            parameter.grad = sparse(gradient, [0, 2])
            lazy.step()

    whole, broken = (nn.Parameter(torch.zeros(4, 3)) for _ in range(2))
    run(whole, optimiser([whole], blockwise=blockwise), gradients)
    first = optimiser([broken], blockwise=blockwise)
    run(broken, first, gradients[:3])
    second = optimiser([broken], blockwise=blockwise)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    run(broken, second, gradients[3:])
    assert torch.equal(whole, broken)


def test_a_parameter_that_loses_cells_goes_on_where_the_others_are():
    torch.manual_seed(0)
    left, gradients = torch.tensor([0, 2, 5]), torch.randn(6, 3, 7, 1)
    whole, cut, other = (
        nn.Parameter(torch.ones(3, 7, 1)),
        nn.Parameter(torch.ones(3, 7, 1)),
        nn.Parameter(torch.ones(2)),
    )
    all_the_while, first = optimiser([whole]), optimiser([cut, other])
    for gradient in gradients[:3]:
        whole.grad, cut.grad, other.grad = gradient.clone(), gradient.clone(), gradient[:2, 0, 0]
        all_the_while.step()
        first.step()
    cut.data, cut.grad = cut.data[:, left], None
    second = first.trimmed([{"params": [cut, other]}], {cut: left})
    before = other.detach().clone()
    for gradient in gradients[3:]:
        whole.grad, cut.grad, other.grad = gradient.clone(), gradient[:, left], None
        all_the_while.step()
        second.step()
    assert torch.equal(whole[:, left], cut)
    assert torch.equal(other, before)
    assert second.state[other]["step"] == 3


def test_a_parameter_that_was_never_moved_is_trimmed_like_a_new_one():
    parameter = nn.Parameter(torch.ones(3, 2, 1))
    trimmed = optimiser([parameter]).trimmed([{"params": [parameter]}], {parameter: torch.tensor([0, 1])})
    parameter.grad = torch.ones(3, 2, 1)
    trimmed.step()
    assert trimmed.state[parameter]["step"] == 1
