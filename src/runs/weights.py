"""Content of generator.safetensors, the weights of a finished run."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn


def weights(network: nn.Module) -> bytes:
    """Return the content of the file for this network, the generator that was tested."""
    import safetensors.torch

    state = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    content: bytes = safetensors.torch.save(state)
    return content
