"""Memory that runs out is one line that names the place and the batch that may fit."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ganatomy.config.mistakes import memory
from ganatomy.config.mistakes.explain import explain
from ganatomy.config.schema import Config, DataConfig, TaskConfig, UpdateConfig
from ganatomy.errors import UserError
from tests import commands
from tests.conftest import TINY, environment

CUDA = (
    "CUDA out of memory. Tried to allocate 6.00 GiB. GPU 0 has a total capacity of 12.00 GiB of which "
    "2.00 GiB is free. Including non-PyTorch memory, this process has 10.00 GiB memory in use. Of the "
    "allocated memory 10.00 GiB is allocated by PyTorch, and 0 bytes is reserved by PyTorch but unallocated."
)
VAST = """
import torch
class Vast(torch.nn.Module):
    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.c = torch.nn.Conv2d(in_channels, out_channels, 1)
    def forward(self, x):
        if x.device.type != "meta":
            torch.empty(2**60, dtype=torch.uint8)
        return self.c(x)
"""
CFG = Config.model_construct(
    data=DataConfig.model_construct(batch_size=16, patch=None),
    task=TaskConfig.model_construct(window=None),
    update=UpdateConfig.model_construct(accumulate=1),
)


def line(error: BaseException, cfg: Config = CFG, begun: bool = True) -> str:
    with pytest.raises(UserError) as found, memory.explained(cfg, begun):
        raise error
    return str(found.value)


def test_half_a_batch_or_what_the_message_says_if_that_is_less() -> None:
    """Of 16 GiB 12 are there: 12 rows at most, so half of 16; of 70 GiB 10: 2 rows."""
    said = line(torch.OutOfMemoryError(CUDA))
    assert "out of memory in training when 6 GiB more were asked for; 16 images at once are too many" in said
    assert "8 may fit: update.accumulate=2" in said and "data.batch_size=8" in said
    tight = CUDA.replace("6.00 GiB", "60.00 GiB").replace("2.00 GiB is", "0.00 GiB is")
    assert "2 may fit: update.accumulate=8" in line(torch.OutOfMemoryError(tight))  # 16 x 10 / 70


def test_one_image_that_does_not_fit() -> None:
    alone = CFG.model_copy(update={"update": UpdateConfig.model_construct(accumulate=16)})
    assert "no batch fits: set a smaller data.size, or fewer channels" in line(MemoryError(), alone)


def test_what_no_allocator_gives() -> None:
    """Real messages of torch and numpy."""
    with pytest.raises(RuntimeError) as torch_says:
        torch.empty(2**60, dtype=torch.uint8)
    with pytest.raises(MemoryError) as numpy_says:
        np.ones(2**58, np.uint8)
    assert "when 1 EiB more were asked for" in line(torch_says.value)
    assert "out of memory in reading the data when 256 PiB" in line(numpy_says.value, begun=False)
    assert "data.cache=disk" in line(numpy_says.value, begun=False)
    for error in (torch_says.value, numpy_says.value):
        assert str(explain(error)).startswith("error: out of memory when")


def test_other_errors_pass() -> None:
    with pytest.raises(RuntimeError, match="a bug"), memory.explained(CFG):
        raise RuntimeError("a bug")
    assert explain(RuntimeError("a bug")) is None


@pytest.mark.parametrize("stage", ["training", "validation", "the test"])
def test_a_run_that_runs_out_says_where_and_is_failed(
    run: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, stage: str
) -> None:
    from ganatomy.tasks.segmentation.task import SegmentationTask

    name = {"training": "training_step", "validation": "validation_step", "the test": "test_step"}[stage]

    def full(*args: Any) -> None:
        raise torch.OutOfMemoryError(CUDA)

    monkeypatch.setattr(SegmentationTask, name, full)
    with pytest.raises(UserError, match=f"out of memory in {stage} when 6 GiB more were asked for; "):
        run("out", "trainer.max_steps=2", "trainer.val_every=1")
    status = json.loads((tmp_path / "out" / "status.json").read_text())
    assert status["status"] == "failed" and status["why"].startswith(f"out of memory in {stage}")


def test_the_command_ends_with_one_line(tmp_path: Path) -> None:
    """The real allocator refuses what this network asks for."""
    (tmp_path / "vast.py").write_text(VAST)
    words = [*TINY, "model.generator={_target_: vast.Vast}", "run_dir=out"]
    line = [sys.executable, "-m", "src.train", *words]
    ended = commands.run(line, tmp_path, environment(GANATOMY_TARGETS="vast."))
    assert ended.returncode == 2 and "Traceback" not in ended.stderr, ended.stderr
    assert (
        ended.stderr.strip().splitlines()[-1].startswith("error: out of memory in a trial of two images when")
    )
