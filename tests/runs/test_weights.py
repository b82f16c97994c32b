"""The file of weights."""

from __future__ import annotations

import safetensors.torch
import torch
from torch import nn

from ganatomy.runs.weights import weights


def test_a_layer_under_two_names_is_kept_under_both() -> None:
    network = nn.Module()
    network.a = network.b = nn.Linear(2, 3)
    found = safetensors.torch.load(weights(network))
    wanted = network.state_dict()
    assert found.keys() == wanted.keys() == {"a.weight", "a.bias", "b.weight", "b.bias"}
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)
