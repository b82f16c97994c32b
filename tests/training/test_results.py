"""What results.py writes beside the scores."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

from ganatomy.training.results import with_subjects


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
