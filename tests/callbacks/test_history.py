"""metrics.csv: rows by step, columns as they come."""

from __future__ import annotations

import csv
from pathlib import Path

from ganatomy.callbacks.history import History


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_values_of_one_step_share_a_row(tmp_path: Path) -> None:
    history = History(tmp_path / "metrics.csv")
    history.log_metrics({"loss": 1.5}, 1)
    history.log_metrics({"loss": 1.25}, 2)
    history.log_metrics({"val/dice": 0.5}, 2)
    history.save()
    assert rows(tmp_path / "metrics.csv") == [
        {"step": "1", "loss": "1.5", "val/dice": ""},
        {"step": "2", "loss": "1.25", "val/dice": "0.5"},
    ]


def test_a_resumed_history_ends_at_the_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    history = History(path)
    for step in range(1, 6):
        history.log_metrics({"loss": float(step)}, step)
    history.save()
    again = History(path, resume_at=3)
    again.log_metrics({"loss": 9.0}, 4)
    again.save()
    assert [(row["step"], row["loss"]) for row in rows(path)] == [
        ("1", "1.0"),
        ("2", "2.0"),
        ("3", "3.0"),
        ("4", "9.0"),
    ]
