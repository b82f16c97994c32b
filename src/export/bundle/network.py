"""The network of a bundle: one tensor in, one tensor out, as MONAI's checks want it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from ganatomy.export.graphs.graph import Graph


class Joined(nn.Module):
    """A network whose results are channels of one tensor; a score per image fills its channel.

    Args:
        network: Network with several results.
        dims: Spatial axes.
    """

    def __init__(self, network: nn.Module, dims: int) -> None:
        super().__init__()
        self.network, self.dims = network, dims

    def forward(self, image: Tensor) -> Tensor:
        first, *others = self.network(image)
        parts = [first]
        for each in others:
            if each.dim() == 1:
                ones = torch.ones_like(first[:, :1])
                parts.append(each.reshape(-1, *[1] * (self.dims + 1)) * ones)
            else:
                parts.append(each if each.dim() == self.dims + 2 else each.unsqueeze(1))
        return torch.cat(parts, 1)


def joined(graph: Graph) -> Graph:
    """Return a graph with one result, `pred`."""
    if len(graph.outputs) == 1:
        return replace(graph, outputs={"pred": next(iter(graph.outputs.values()))})
    words = "; ".join(f"{name}: {text}" for name, text in graph.outputs.items())
    module = Joined(graph.module, graph.dims).eval()
    return replace(graph, module=module, outputs={"pred": f"channels of one tensor, in this order: {words}"})
