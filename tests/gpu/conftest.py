"""Tests marked `gpu` are skipped where there is none; `python benchmarks/gpu.py --tests` runs them on one."""

from __future__ import annotations

import pytest
import torch


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("gpu") and not torch.cuda.is_available():
        pytest.skip("needs a CUDA device; python benchmarks/gpu.py --tests runs it on one")
