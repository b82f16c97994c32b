"""Operations for which the host would wait for a GPU, seen on a machine without one.

The networks and the batch lie on torch's device "meta", where nothing is computed. What depends on values is
an error of torch there, as is mixing it with tensors of the host; what torch allows is counted here.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from tests.conftest import ROOT

OURS = (f"{ROOT / 'src'}/", f"{ROOT / 'ganatomy'}/")
"""Beginnings of our files' paths; the folder of a clone may be called ganatomy, too."""
LOOKS = {
    "_local_scalar_dense",
    "is_nonzero",
    "equal",
    "nonzero",
    "nonzero_static",
    "masked_select",
    "bincount",
}
LOOKS |= {"unique_consecutive", "_unique2", "unique_dim", "histc", "linalg_eigh", "_linalg_svd"}
"""Names of operations whose result, or whose size, the host must know."""


def tensors(value: Any) -> Iterator[Tensor]:
    """Yield the tensors in arguments or results."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for entry in value.values():
            yield from tensors(entry)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for entry in value:
            yield from tensors(entry)


class FromValues(TorchFunctionMode):
    """Notes tensors that are made of Python's numbers on the device: torch copies them, and waits."""

    makers = (torch.tensor, torch.as_tensor, torch.asarray, Tensor.new_tensor)

    def __init__(self, waits: Waits) -> None:
        super().__init__()
        self.waits = waits

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        of_values = func in self.makers and not (args and isinstance(args[-1], Tensor))
        if of_values and result.device.type == self.waits.device:
            self.waits.note(func.__name__)
        return result


class Waits(TorchDispatchMode):
    """Collect the operations for which the host would wait for the device.

    Attributes:
        found: Name of each, with the line of the package that asks for it.
    """

    def __init__(self, device: str = "meta") -> None:
        super().__init__()
        self.device = device
        self.found: list[str] = []
        self.from_values = FromValues(self)

    def __enter__(self) -> Waits:
        self.from_values.__enter__()
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        self.from_values.__exit__(*error)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = func.overloadpacket.__name__
        if name == "_local_scalar_dense" and args[0].device.type == self.device:
            self.note(name)
            return -1 if args[0].dtype == torch.long else 0
        try:
            result = func(*args, **kwargs)
        except (RuntimeError, NotImplementedError):
            self.note(name)
            raise
        given = [x.device.type == self.device for x in tensors([args, kwargs])]
        if any(given) and self._waits(name, args, kwargs):
            self.note(name)
        if name in ("_to_copy", "copy_") and self._crosses(args, result):
            at_once = kwargs.get("non_blocking", args[2] if name == "copy_" and len(args) > 2 else False)
            if not at_once:
                self.note(name)
        return result

    def _waits(self, name: str, args: Any, kwargs: Any) -> bool:
        if name in ("index", "index_put", "index_put_", "_index_put_impl_"):
            return any(x.dtype in (torch.bool, torch.uint8) for x in tensors(args[1]))
        if name == "repeat_interleave":
            return kwargs.get("output_size") is None
        return name in LOOKS

    def _crosses(self, args: Any, result: Tensor) -> bool:
        source = args[1] if len(args) > 1 and isinstance(args[1], Tensor) else args[0]
        return source.device.type != result.device.type

    def note(self, name: str) -> None:
        frames = [f for f in traceback.extract_stack() if f.filename.startswith(OURS)]
        where = f"{frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno}" if frames else "elsewhere"
        self.found.append(f"{name} at {where}")
