"""The campaign of docs/reliability.md: failed games are named, healthy ones are not, some are taken back."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks._game_data import SETS_OF_DATA, source
from benchmarks._game_lists import FAILED, HEALTHY, TAKEN_BACK
from benchmarks._game_tables import alarmed, outcome, right, swd

ROOT = Path(__file__).resolve().parents[2]

MISSING = ", ".join(name for name in SETS_OF_DATA if not source(name).is_dir())
pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(bool(MISSING), reason=f"GANATOMY_DATA has no {MISSING}"),
]


def played(kind: str, folder: Path) -> Path:
    """Play all games of a kind, and return the directory of their runs."""
    words = ["--runs", str(folder), "--only", kind, "--held-out", "--jobs", str(min(4, os.cpu_count() or 1))]
    subprocess.run([sys.executable, str(ROOT / "benchmarks/games.py"), *words], check=True)
    return folder / kind


def test_failed_games_are_named(tmp_path: Path) -> None:
    runs = played("failed", tmp_path)
    found = {game.name: right(game, outcome(runs / game.name) or {"exit": None}) for game in FAILED}
    shown = [found[game.name] for game in FAILED if not game.held_out]
    wrong = [name for name, good in found.items() if not good]
    assert len(shown) >= 20 and sum(shown) >= 0.9 * len(shown), wrong
    assert sum(found.values()) >= 0.9 * len(found) - 1, wrong  # one more may be missed where nobody looked


def test_healthy_games_raise_no_alarm(tmp_path: Path) -> None:
    runs = played("healthy", tmp_path)
    outcomes = {game.name: outcome(runs / game.name) for game in HEALTHY}
    assert len(outcomes) >= 40 and None not in outcomes.values()
    assert {name: found for name, found in outcomes.items() if found is None or alarmed(found)} == {}


def test_half_of_the_games_taken_back_beat_the_mean_image(tmp_path: Path) -> None:
    runs = played("rollback", tmp_path)
    scores = {name: swd(runs / name) for name in TAKEN_BACK}
    better = [
        name for name, (score, trivial) in scores.items() if score is not None and score < (trivial or 0)
    ]
    assert len(better) >= 4, scores
