"""Content of generator.safetensors, the weights of a finished run, and of the tensors kept beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor, nn


def weights(network: nn.Module) -> bytes:
    """Return the content of the file for this network, the generator that was tested."""
    return tensors(network.state_dict())


def tensors(state: Mapping[str, Tensor]) -> bytes:
    """Return the content of a safetensors file with these tensors."""
    import safetensors.torch

    plain: dict[str, Tensor] = {}
    seen = set()
    for name, value in state.items():
        value = value.detach().cpu().contiguous()
        memory = value.untyped_storage().data_ptr()
        plain[name] = value.clone() if memory in seen else value  # a layer under two names
        seen.add(memory)
    content: bytes = safetensors.torch.save(plain)
    return content
