"""With `trainer.deterministic=true` torch refuses kernels that add in no fixed order; the games need none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from tests.gpu.step import GAMES, Played

REFUSED = (
    "nll_loss",
    "avg_pool3d_backward",
    "_adaptive_avg_pool2d_backward",
    "_adaptive_avg_pool3d_backward",
    "adaptive_max_pool2d_backward",
    "fractional_max_pool",
    "max_unpool",
    "upsample_linear1d_backward",
    "upsample_bilinear2d_backward",
    "upsample_bicubic2d_backward",
    "upsample_trilinear3d_backward",
    "reflection_pad1d_backward",
    "reflection_pad2d_backward",
    "reflection_pad3d_backward",
    "_ctc_loss",
    "put_",
    "histc",
    "median",
    "grid_sampler_2d_backward",
    "grid_sampler_3d_backward",
    "cumsum",
)
"""Beginnings of names of operations in the list of `torch.use_deterministic_algorithms` (2.13) that raise."""


class Names(TorchDispatchMode):
    """Collect the names of all operations."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.found.add(func.overloadpacket.__name__)
        return func(*args, **(kwargs or {}))


@pytest.fixture
def deterministic() -> Iterator[None]:
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize("name", GAMES)
def test_a_default_game_needs_no_kernel_that_cannot_repeat_itself(deterministic: None, name: str) -> None:
    played, names = Played(name, "meta"), Names()
    for number in range(4):
        played.step(number, names)
    assert "convolution_backward" in names.found
    assert not [found for found in names.found if found.startswith(REFUSED)]
