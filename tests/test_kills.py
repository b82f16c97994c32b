"""N steps equal k steps, SIGKILL and a resume, bit for bit: over tasks, models, precisions and processes."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.kills import CAMPAIGN, Job, kill_and_resume, moments

FEW = [
    Job("segmentation", "adversarial_unet"),
    Job("synthesis", "fast", "bf16-mixed", processes=2),
    Job("anomaly", "fanogan", logger="wandb"),
]


@pytest.mark.slow
@pytest.mark.parametrize("job", FEW, ids=str)
def test_two_kills_change_nothing(tmp_path: Path, job: Job) -> None:
    """One at some step, one while a checkpoint is being written; six in all."""
    done = kill_and_resume(job, tmp_path, moments(2, 1, random.Random(FEW.index(job))))
    assert done.killed == 2 and not done.difference, done


@pytest.mark.long
@pytest.mark.parametrize("number", range(len(CAMPAIGN)), ids=lambda number: str(CAMPAIGN[number].job))
def test_the_campaign(tmp_path: Path, number: int) -> None:
    """Forty kills, as benchmarks/kills.py makes and tabulates them."""
    done = kill_and_resume(CAMPAIGN[number].job, tmp_path, CAMPAIGN[number].points)
    assert done.killed == len(CAMPAIGN[number].points) and not done.difference, done
