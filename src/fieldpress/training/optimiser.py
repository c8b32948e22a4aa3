"""Adam for fields: lazy on grids that a step only partly reads, and with one step size per grid where asked.

*Lazy.* A gradient that is sparse over a tensor's leading axes (see ``read_slices``) updates the touched slices and
their moments alone, so a step costs what it reads, however long the clip.

*Block-wise.* Element-wise Adam moves every number by about the learning rate, those whose gradient is
noise like those whose gradient is signal; a compressor pays for that noise in bits. With one second moment per tensor
(after Adam-mini, Zhang et al. 2024) updates keep the gradient's proportions.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor, nn


class LazyAdam(torch.optim.Optimizer):
    """AdamW with sparse slices and, per group, ``blockwise`` second moments.

    Args:
        params: Parameter groups, each with ``params`` and optionally ``lr``, ``weight_decay``, ``blockwise``.
        lr: Step size.
        betas: Decay of the first and second moments. Block-wise first moments count the visits of a slice.
        eps: Added to the root of the second moment.
        weight_decay: Decoupled decay, on the touched slices.
    """

    def __init__(
        self,
        params: Iterable[dict[str, Any]],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.99),
        eps: float = 1e-12,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(
            list(params), {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "blockwise": False}
        )

    def trimmed(self, params: Iterable[dict[str, Any]], left: Mapping[nn.Parameter, Int[Tensor, "n"]]) -> "LazyAdam":
        """One that goes on with these parameters, some of which have lost cells along their second axis.

        Args:
            params: As those it was made with, or fewer of them.
            left: Which cells are left, of each parameter that has lost any.
        """
        other = LazyAdam(params)
        for parameter in (parameter for group in other.param_groups for parameter in group["params"]):
            cells, moments = left.get(parameter), dict(self.state[parameter])
            for key, value in moments.items():
                if cells is not None and isinstance(value, Tensor) and value.ndim == parameter.ndim:
                    moments[key] = value[:, cells]
            other.state[parameter] = moments
        return other

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """One update of every parameter that has a gradient."""
        assert closure is None, "closures are not supported"
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, group)

    def _update(self, parameter: nn.Parameter, group: dict[str, Any]) -> None:
        gradient = parameter.grad
        assert gradient is not None
        state = self.state[parameter]
        if not state:
            state["step"] = 0
            state["first"] = torch.zeros_like(parameter)
            state["second"] = parameter.new_zeros(()) if group["blockwise"] else torch.zeros_like(parameter)
        state["step"] += 1
        if not gradient.is_sparse:
            self._move(parameter, gradient, state["first"], state["second"], state["step"], group)
            return
        gradient = gradient.coalesce()
        index = tuple(gradient.indices())
        target, first = parameter[index], state["first"][index]
        second = state["second"] if group["blockwise"] else state["second"][index]
        self._move(target, gradient.values(), first, second, state["step"], group)
        parameter[index], state["first"][index] = target, first
        if not group["blockwise"]:
            state["second"][index] = second

    @staticmethod
    def _move(
        target: Tensor, gradient: Tensor, first: Tensor, second: Tensor, step: int, group: dict[str, Any]
    ) -> None:
        """Adam's arithmetic, in place on all of target, first and second."""
        beta1, beta2 = group["betas"]
        if group["weight_decay"]:
            target.mul_(1 - group["lr"] * group["weight_decay"])
        first.lerp_(gradient, 1 - beta1)
        if group["blockwise"]:
            second.lerp_(gradient.square().mean(), 1 - beta2)
        else:
            second.lerp_(gradient.square(), 1 - beta2)
        scale = (second / (1 - beta2**step)).sqrt_().add_(group["eps"])
        # A slice is visited rarely, so its first moment is left uncorrected when lazy: it warms up by itself.
        correction = 1.0 if group["blockwise"] else 1 - beta1**step
        if group["blockwise"]:
            target.sub_(first, alpha=group["lr"] / (correction * float(scale)))
        else:
            target.addcdiv_(first, scale, value=-group["lr"] / correction)
