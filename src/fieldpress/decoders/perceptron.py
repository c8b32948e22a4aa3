"""What perceptron decoders share: the sizes, first weights and products of their layers.

Of a field that is about to be loaded only the shapes are built, on torch's device for that. There nothing is drawn:
normal numbers would make torch load its compiler, for a second, to do nothing.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn

MAX_WIDTH, MAX_DEPTH = 4096, 16


def check_sizes(noun: str, width: int, depth: int) -> None:
    """Refuses sizes that no file may hold.

    Raises:
        ValueError: A size is out of range; the message begins with the noun.
    """
    if not (1 <= width <= MAX_WIDTH and 1 <= depth <= MAX_DEPTH):
        raise ValueError(
            f"{noun} decoder has a width of 1 to {MAX_WIDTH} and a depth of 1 to {MAX_DEPTH}, got {width} and {depth}"
        )


def hidden_shapes(features: int, width: int, depth: int) -> dict[str, tuple[int, ...]]:
    """The weights of ``depth`` layers by name, (out, in) and (out,)."""
    return {
        f"hidden.{i}.{name}": shape
        for i, (fan_in, fan_out) in enumerate(pairwise([features] + [width] * depth))
        for name, shape in (("weight", (fan_out, fan_in)), ("bias", (fan_out,)))
    }


def hidden_layers(features: int, width: int, depth: int) -> nn.ModuleList:
    """The modules of these weights."""
    return nn.ModuleList(nn.Linear(i, o) for i, o in pairwise([features] + [width] * depth))


def normal(*shape: int, divisor: float) -> Tensor:
    """Normal numbers of a deviation of 1 / divisor, to start from."""
    if torch.get_default_device().type == "meta":
        return torch.empty(shape)
    return torch.randn(shape) / divisor


def start_hidden(layers: nn.ModuleList, slope: float = 0.0) -> None:
    """Fresh weights for layers before rectifiers with this slope below zero. Source: He et al. 2015."""
    for layer in layers:
        if layer.weight.is_meta:
            continue
        nn.init.kaiming_normal_(layer.weight, a=slope)  # pyright: ignore[reportArgumentType]
        nn.init.zeros_(layer.bias)  # pyright: ignore[reportArgumentType]


def linear_layer(layer: nn.Linear, features: Tensor) -> Tensor:
    """``layer`` along the first axis, bias included, as one matrix product."""
    flat = torch.addmm(layer.bias[:, None], layer.weight, features.flatten(1))
    return flat.reshape(len(flat), *features.shape[1:])
