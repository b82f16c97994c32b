"""Damage to the files of a run: one line, and the run goes on from a copy or an earlier checkpoint."""

from __future__ import annotations

import random
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.damage import KINDS, Outcome, campaign, read_again, several, spoilt

Command = Callable[..., subprocess.CompletedProcess[str]]


def judge(done: list[tuple[str, str, Outcome]], alone: bool = True) -> None:
    """None is silent, none ends in a traceback; of runs with one damaged file 95 % go on, with one line."""
    for kind, name, outcome in done:
        assert outcome.how in ("went on", "earlier checkpoint", "refused"), f"{kind} {name}: {outcome}"
        assert not alone or len(outcome.lines) == 1, f"{kind} {name}: {outcome}"
    assert not alone or sum(outcome.went_on for _, _, outcome in done) >= 0.95 * len(done)


@pytest.mark.slow
def test_damage_of_every_kind_to_every_file_is_noticed(run: Callable[..., Path], tmp_path: Path) -> None:
    whole = run("whole", "callbacks.checkpoint_every=3")
    files = len(read_again(whole))
    assert files >= 17, "the files of a run that are read again, their copies and the checkpoints"
    judge(campaign(whole, tmp_path / "damaged", {"flip": files, "cut": files, "page": 6}))
    judge(several(whole, tmp_path / "damaged", 4), alone=False)


@pytest.mark.long
def test_the_campaign(run: Callable[..., Path], command: Command, tmp_path: Path) -> None:
    whole = run("whole", "callbacks.checkpoint_every=3")
    judge(campaign(whole, tmp_path / "damaged", KINDS))
    judge(several(whole, tmp_path / "damaged", 50), alone=False)
    draw, place = random.Random(2), tmp_path / "real"
    for number in range(20):
        name = read_again(whole)[number % len(read_again(whole))]
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(whole, place)
        kind = draw.choice(list(KINDS))
        (place / name).write_bytes(spoilt(kind, (whole / name).read_bytes(), draw))
        done = command(f"resume={place}", "trainer.max_steps=10")
        assert "Traceback" not in done.stderr and Path(name).name in done.stderr + done.stdout, (kind, name)
        assert done.returncode in (0, 2), (kind, name, done.stderr)
