"""A finished run says of a new case that it is unlike its training cases, from the run directory alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ganatomy.inference.familiar import reasons
from ganatomy.inference.inputs import inputs
from ganatomy.training.preprocessing import Preprocessing


def test_a_run_knows_its_own_kind_of_files(finished: Callable[[str], Path]) -> None:
    run = finished("enhancement")
    plain = json.loads((run / "preprocessing.json").read_text())
    kept = Preprocessing.from_plain(plain)
    assert kept.familiarity and kept.familiarity["cases"] >= 4
    assert str(run.parent) not in json.dumps(plain["familiarity"]) and "v0" not in json.dumps(plain)
    source = inputs(kept, run.parent / "files/noisy")
    cases = [source.load(record) for record in source.records()]
    assert len(cases) == 8 and not any(reasons(kept.familiarity, case) for case in cases)
    case = cases[0]
    wide = case | {"spacing": case["spacing"] * 2, "affine": case["affine"] @ np.diag([2, 2, 2, 1])}
    standard = case | {"image": (case["image"] - case["image"].mean()) / case["image"].std()}
    assert next(reason.kind for reason in reasons(kept.familiarity, wide)) == "spacing"
    assert "look standardised" in " ".join(map(str, reasons(kept.familiarity, standard)))
    assert reasons(None, wide) == []
