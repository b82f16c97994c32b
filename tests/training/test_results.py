"""What results.py writes beside the scores."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ganatomy.callbacks.guard import Guard
from ganatomy.callbacks.history import History
from ganatomy.guard.record import Look
from ganatomy.runs.directory import Run
from ganatomy.training.results import behind, with_subjects


def test_rows_tell_which_cases_are_one_persons() -> None:
    """By number, in the order of the names; a row may be a slice of a case."""
    owners = {"b1": "Smith", "a1": "Young", "b2": "Smith"}
    records = [SimpleNamespace(case=case, subject=subject) for case, subject in owners.items()]
    rows = with_subjects([{"case": "a1"}, {"case": "b1 3"}, {"case": "b2"}], records)
    assert [row["subject"] for row in rows] == [1, 0, 0]
    assert list(rows[0]) == ["case", "subject"]


def test_a_finished_run_keeps_a_copy_of_its_whole_history(run: Callable[..., Path]) -> None:
    """The row of the test comes after the last checkpoint."""
    whole = run("whole")
    content = (whole / "metrics.csv").read_bytes()
    assert b"test/dice" in content and (whole / "copies/metrics.csv").read_bytes() == content


def watchers(source: str, scores: dict[int, float], folder: Path) -> dict[str, list[Any]]:
    """A trainer's loggers and callbacks, one of which has seen these validations."""
    if source == "history":
        history = History(folder / "metrics.csv")
        for step, score in scores.items():
            history.log_metrics({"val/psnr": score, "loss": 1.0}, step)
            history.log_metrics({"loss": 1.0}, step + 1)
        return {"loggers": [history], "callbacks": []}
    guard = Guard()
    for step, score in scores.items():
        guard.record.look(Look(step, score=score))
    return {"loggers": [], "callbacks": [guard]}


@pytest.mark.parametrize("source", ["history", "guard"])
@pytest.mark.parametrize(("ours", "said"), [(31.35, True), (32.75, False), (float("nan"), False)])
def test_the_last_lines_say_what_a_run_is_behind(
    tmp_path: Path, source: str, ours: float, said: bool
) -> None:
    cases = {f"Smith {n}": n for n in range(6)}
    rows = [{"case": case, "psnr": ours + 0.1 * (n % 2)} for case, n in cases.items()]
    task: Any = SimpleNamespace(
        monitor="val/psnr",
        main_score="psnr",
        final={"test/psnr": ours + 0.05, "baseline/tv/psnr": 32.7},
        case_scores=rows,
        baseline_cases={"tv": [{"case": case, "psnr": 32.7} for case in cases]},
        batches_done=20,  # of the tested checkpoint
        rate_left=1.0,
    )
    records = [SimpleNamespace(case=case, subject=case) for case in cases]
    data = SimpleNamespace(records={"test": records})
    seen = watchers(source, {20: 30.0, 40: 31.0, 60: 31.4}, tmp_path)
    trainer: Any = SimpleNamespace(datamodule=data, max_steps=60, **seen)
    plain, lines = behind(Run(tmp_path), task, trainer, 60)
    assert len(plain) == len(lines) == said
    if said:
        assert lines[0].startswith(
            "behind total variation (tv): PSNR 31.40 of 32.70 dB (-1.300 [-1.357 to -1.243]"
        )
        assert (
            "over 6 subjects); 60 steps: the validation score was still rising (+0.40 dB since step 40)"
            in lines[0]
        )
        assert plain[0]["line"] == lines[0] and "Smith" not in str(plain)
        trainer.max_steps = 600  # the guard ended it
        _, (line,) = behind(Run(tmp_path), task, trainer, 60)
        assert line == lines[0].split(";")[0]
