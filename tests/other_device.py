"""A second device to test placement with, where there is no GPU.

``other_device()`` makes torch answer for ``cuda``: there seems to be one device, and whatever is asked to be on it
becomes an :class:`OtherTensor`, which says that it is on ``cuda:0`` and holds an ordinary tensor. Operations run on
what is held, on the CPU, after a check of what CUDA would refuse:

* tensors of both devices in one operation. Numbers, that is CPU tensors without axes, may join in arithmetic; indices
  on the CPU may index a tensor on the device, not the other way round; copies may go anywhere;
* NumPy on what is on the device, without ``.cpu()`` first;
* a generator that draws on the CPU, for numbers on the device;
* products of matrices of integers, which CUDA does not have.

What convolutions are given is rounded as cuDNN rounds it by default, to TF32. Operations that make the CPU wait for the
device are counted: those that ask it for a number, and those that hand it numbers and do not say ``non_blocking``.

This is no GPU. Not simulated are

* CUDA's arithmetic: orders of summation, and atomics, by which sums differ from run to run;
* its speed, and its memory: how much there is, and what is pinned;
* kernels that do not exist for some type or size, but for the products above;
* autocast, inference mode (here it only records no gradients), generators on the device, streams, graphs, compilation;
* devices that checkpoints name: tensors are saved as if they were on the CPU;
* other processes, and threads, in which nothing new can be put on the device;
* gradients that an operation of our own returns on the wrong device, until something is done with them.

Operations that change the shape of a tensor in place, or write several, are refused here, though CUDA has them.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, NamedTuple
from unittest.mock import patch

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

DEVICE = torch.device("cuda", 0)
_STAND_IN = torch.device("lazy", 0)
"""What torch's own code, that of C++, sees in its place: a device that gradients can be found on in any build."""
_NAMES = {DEVICE.type, _STAND_IN.type}

_aten = torch.ops.aten
_COPIES = {_aten.copy_, _aten._to_copy}
_INDEXED = {_aten.index, _aten.index_put, _aten.index_put_, _aten._index_put_impl_, _aten._unsafe_index}
_TAKE_NUMBERS = {_aten.masked_fill, _aten.masked_fill_, _aten.fill, _aten.fill_, _aten.where}
"""Beside element-wise arithmetic: what takes a CPU tensor without axes for a number."""
_PRODUCTS = {_aten.mm, _aten.bmm, _aten.addmm, _aten.addmm_, _aten.baddbmm, _aten.mv, _aten.addmv, _aten.dot}
_WAITS = {_aten._local_scalar_dense, _aten.nonzero, _aten.is_nonzero, _aten.equal, _aten.unique_dim, _aten._unique2}
"""What hands a number, or a shape that depends on numbers, to the CPU."""


class OtherTensor(Tensor):
    """A tensor on the device; ``held`` has its numbers."""

    held: Tensor

    @staticmethod
    def __new__(cls, held: Tensor) -> "OtherTensor":
        strided = held.layout == torch.strided
        made = Tensor._make_wrapper_subclass(
            cls,
            held.shape,
            strides=held.stride() if strided else None,
            storage_offset=held.storage_offset() if strided else None,
            dtype=held.dtype,
            layout=held.layout,
            device=_STAND_IN,
        )
        made.held = held
        return made

    def __init__(self, held: Tensor) -> None:
        del held

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {})

    @property
    def device(self) -> torch.device:
        return DEVICE

    @property
    def data(self) -> Tensor:
        return Tensor.data.__get__(self)  # pyright: ignore[reportAttributeAccessIssue]

    @data.setter
    def data(self, value: Tensor) -> None:
        if not isinstance(value, OtherTensor):
            raise RuntimeError("a tensor on the device is given data of the CPU")
        Tensor.data.__set__(self, value)  # pyright: ignore[reportAttributeAccessIssue]
        self.held = value.held

    @property
    def is_cuda(self) -> bool:
        return True

    @property
    def is_cpu(self) -> bool:
        return False

    def to(self, *args: Any, **kwargs: Any) -> Tensor:
        device, dtype, _, _ = torch._C._nn._parse_to(*args, **{k: v for k, v in kwargs.items() if k != "copy"})
        if device is None or device.type not in _NAMES or kwargs.get("copy"):
            return super().to(*args, **kwargs)
        return self if dtype is None else super().to(dtype)

    def cuda(self, *args: Any, **kwargs: Any) -> Tensor:
        return self

    def numpy(self, *, force: bool = False) -> Any:
        if force:
            return self.detach().cpu().numpy()
        raise TypeError(f"can't convert {DEVICE} device type tensor to numpy. Use Tensor.cpu() first.")

    def tolist(self) -> Any:
        return self.cpu().tolist()

    def __array__(self, dtype: Any = None) -> Any:
        return self.numpy()

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.held.__reduce_ex__(protocol)

    def __repr__(self) -> str:
        return f"OtherTensor({self.held!r})"


class _Names(TorchFunctionMode):
    """Has the stand-in where the device is named."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if "device" in kwargs:
            kwargs = {**kwargs, "device": _stand_in(kwargs["device"])}
        return func(*map(_stand_in, args), **kwargs) if func is Tensor.to else func(*args, **kwargs)


def _stand_in(device: Any) -> Any:
    named = isinstance(device, torch.device | str) and torch.device(device).type == DEVICE.type
    return _STAND_IN if named else device


class _Placed(TorchDispatchMode):
    """Puts on the device what is asked to be made there."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {}, self.waits)


class _Facts(NamedTuple):
    """What an operation's schema says."""

    takes_numbers: bool
    """A CPU tensor without axes is a number to it."""
    written: str | None
    """The argument that it writes into and returns."""
    position: int
    """Of that argument."""


@cache
def _facts(func: Any) -> _Facts:
    takes_numbers = torch.Tag.pointwise in func.tags or func.overloadpacket in _TAKE_NUMBERS
    arguments = [(i, a) for i, a in enumerate(func._schema.arguments) if a.alias_info and a.alias_info.is_write]
    if not arguments or not func._schema.returns:
        return _Facts(takes_numbers, None, 0)
    if len(arguments) > 1:
        raise NotImplementedError(f"{func} writes several tensors: not simulated")
    return _Facts(takes_numbers, arguments[0][1].name, arguments[0][0])


def _run(func: Any, args: Any, kwargs: dict[str, Any], waits: Counter[str] | None = None) -> Any:
    given = [*_flat(args), *_flat(kwargs.values())]
    tensors = [value for value in given if isinstance(value, Tensor)]
    there = any(isinstance(tensor, OtherTensor) for tensor in tensors)
    asked = next((value for value in given if isinstance(value, torch.device)), None)
    wanted = there if asked is None else asked.type in _NAMES
    if not there and not wanted:
        return func(*args, **kwargs)
    operation, facts = func.overloadpacket, _facts(func)
    _check(func, operation, facts, args, given, tensors)
    if waits is not None and _waits(operation, there, wanted, tensors, kwargs):
        waits[operation.__name__] += 1
    held = _held(args)
    if operation is _aten.convolution and held[8] == 1:
        held = [*map(_rounded, held[:2]), *held[2:]]
    found = func(*held, **{name: _held(value) for name, value in kwargs.items()})
    if facts.written is not None:
        return _unchanged(func, kwargs[facts.written] if facts.written in kwargs else args[facts.position])
    return _placed(found) if wanted else found


def _waits(operation: Any, there: bool, wanted: bool, tensors: list[Tensor], kwargs: dict[str, Any]) -> bool:
    """Whether the CPU waits: for an answer, or until what it hands over has arrived."""
    moves = operation in _COPIES or operation in _INDEXED
    arrives = wanted and moves and any(map(_is_here, tensors)) and not kwargs.get("non_blocking", False)
    return operation in _WAITS or (there and not wanted) or arrives


def _flat(values: Any) -> Iterator[Any]:
    for value in values:
        if isinstance(value, list | tuple):
            yield from value
        else:
            yield value


def _held(value: Any) -> Any:
    """What an operation is given on the CPU."""
    if isinstance(value, OtherTensor):
        return value.held
    if isinstance(value, list | tuple):
        return [_held(one) for one in value]
    return torch.device("cpu") if isinstance(value, torch.device) else value


def _placed(found: Any) -> Any:
    """What it gives, on the device."""
    if isinstance(found, list | tuple):
        return type(found)(map(_placed, found))
    return OtherTensor(found) if isinstance(found, Tensor) else found


def _unchanged(func: Any, tensor: Any) -> Any:
    """A tensor that was written in place, in its shape."""
    if isinstance(tensor, OtherTensor) and tensor.shape != tensor.held.shape:
        raise NotImplementedError(f"{func} changes the shape of a tensor in place: not simulated")
    return tensor


def _rounded(values: Tensor) -> Tensor:
    """To TF32, the 11 significant bits that cuDNN reads of a float32 by default, except with a group per channel."""
    if values.dtype != torch.float32:
        return values
    return ((values.contiguous().view(torch.int32) + (1 << 12)) & -(1 << 13)).view(torch.float32)


def _check(func: Any, operation: Any, facts: _Facts, args: Any, given: list[Any], tensors: list[Tensor]) -> None:
    """Raises what CUDA would."""
    if any(isinstance(value, torch.Generator) for value in given):  # those of the device cannot be made here
        raise RuntimeError(f"Expected a 'cuda' device type for generator but found 'cpu' ({func})")
    if operation in _PRODUCTS and not tensors[0].is_floating_point():
        raise RuntimeError(f'"{operation.__name__}_cuda" not implemented for {tensors[0].dtype} ({func})')
    if operation in _COPIES:
        return
    numbers = facts.takes_numbers
    if operation in _INDEXED:
        indexed, indices, *values = args
        if _is_here(indexed) and not all(index is None or _is_here(index) for index in indices):
            raise RuntimeError("indices should be either on cpu or on the same device as the indexed tensor (cpu)")
        tensors, numbers = [indexed, *(value for value in values if isinstance(value, Tensor))], True
    here = [tensor for tensor in tensors if _is_here(tensor)]
    if not here or len(here) == len(tensors):
        return
    written = facts.written is not None and _is_here(args[facts.position])
    if not numbers or written or any(tensor.ndim for tensor in here):
        raise RuntimeError(
            f"Expected all tensors to be on the same device, but found at least two devices, {DEVICE} and cpu! ({func})"
        )


def _is_here(tensor: Tensor) -> bool:
    return not isinstance(tensor, OtherTensor)


@contextmanager
def other_device() -> Iterator[Counter[str]]:
    """Within it, torch has a device ``cuda``; gives how often each operation made the CPU wait for it."""
    mode = _Placed()
    with (
        patch.object(torch.cuda, "is_available", lambda: True),
        patch.object(torch._C, "_InferenceMode", lambda on: torch.set_grad_enabled(torch.is_grad_enabled() and not on)),
        patch.object(torch.cuda, "_lazy_init", lambda: None),
        _Names(),
        mode,
    ):
        lifts = torch._C._only_lift_cpu_tensors()
        torch._C._set_only_lift_cpu_tensors(True)
        try:
            yield mode.waits
        finally:
            torch._C._set_only_lift_cpu_tensors(lifts)
