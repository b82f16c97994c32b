"""The scores of a run on some cases: the loop of its own test, with the baselines that were kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

from ganatomy.errors import UserError
from ganatomy.evaluate.cases import names_of
from ganatomy.evaluate.data import EvaluatedData
from ganatomy.inference.applied import to_device
from ganatomy.inference.ensembles.judged import Judged
from ganatomy.inference.loaded import LoadedRun
from ganatomy.runs import baselines
from ganatomy.runs.integrity.checked import read_file
from ganatomy.tasks.shared.as_written import Originals
from ganatomy.training.evaluators import attach_evaluator
from ganatomy.training.results import with_subjects

Row = dict[str, Any]
OURS = "this run"
BY_EVALUATOR = (
    *("test/judge_", "test/evaluator_", "test/lesion_", "test/false_lesions"),
    *("floor/judge_", "floor/evaluator_", "floor/lesion_", "floor/false_lesions"),
)
"""Beginnings of the scores that `task.evaluator` gives."""


@dataclass
class Scored:
    """Scores of a run on some cases.

    Attributes:
        metrics: Scores by flat name, as in metrics.json: `test/dice`, `baseline/otsu/dice`; NaN for one that
            training gave and that cannot be had here.
        rows: By source (this run, then the baselines) a row for each case, with the number of its `subject`.
        missing: Why scores are not there, by the beginning of their names.
        pictures: Figures of calibration and doubt by file name.
        drawn: By source and score, ends of intervals that the rows do not determine.
    """

    metrics: dict[str, float] = field(default_factory=dict)
    rows: dict[str, list[Row]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    pictures: dict[str, bytes] = field(default_factory=dict)
    drawn: dict[str, dict[str, tuple[float, float]]] = field(default_factory=dict)


def scored(loaded: LoadedRun, data: EvaluatedData, step: Callable[[int], None], doubt: bool) -> Scored:
    """Score a run on cases as in its own test.

    Args:
        loaded: The run; with `doubt` one of `ganatomy.inference.ensembles.ensemble`.
        data: The cases.
        step: Called with the number of cases that were just scored.
        doubt: Score calibration and doubt too.
    """
    task, missing = loaded.task, dict[str, str]()
    data.check(loaded, tuple(names_of(loaded)))
    task.originals = Originals(data, data.target_form())
    kept = baselines.read(loaded.path)
    if kept is None and needs_file(loaded):
        missing["baseline/"] = f"the run has no {baselines.NAME}; resume={loaded.path} writes it"
    else:
        with torch.no_grad():
            task.restore_baselines(kept or {}, data)
    if loaded.cfg.task.extra.get("evaluator"):
        try:
            attach_evaluator(loaded.cfg, task, data)
        except UserError as error:
            missing |= dict.fromkeys(BY_EVALUATOR, str(error))
    judged = Judged(loaded, task.files_of("test")) if doubt else None
    with loaded.precision():
        for number, batch in enumerate(data.test_dataloader()):
            batch = to_device(batch, loaded.device)
            task.test_step(batch, number)
            if judged is not None:
                judged.add(batch)
            step(len(set(batch["case"])))
    tables = {name: table for name, table in task.tables.items() if name not in ("val", "test")}
    drawn = {name: ends_of(table, data) for name, table in task.tables.items() if name != "val"}
    others = {name: table.per_case() for name, table in tables.items() if hasattr(table, "per_case")}
    found = Scored(task.final_scores("test"), missing=missing)
    if judged is not None:
        found.metrics |= {f"test/{name}": value for name, value in judged.metrics(task.case_scores).items()}
        found.pictures = judged.pictures(task.case_scores)
        task.case_scores = judged.with_doubt(task.case_scores)
    found.drawn = {OURS if name == "test" else name: ends for name, ends in drawn.items() if ends}
    rows = {OURS: task.case_scores, **others}
    found.rows = {name: with_subjects(own, data.records["test"]) for name, own in rows.items() if own}
    _add_missing(loaded, found)
    return found


def ends_of(table: Any, data: EvaluatedData) -> dict[str, tuple[float, float]]:
    """Return ends of intervals over subjects that a table computes itself; {} with fewer than 2 subjects."""
    if not hasattr(table, "bootstrap"):
        return {}
    names = sorted({record.subject for record in data.records["test"]})
    subjects = {record.case: names.index(record.subject) for record in data.records["test"]}
    found: dict[str, tuple[float, float]] = table.bootstrap(subjects) if len(names) > 1 else {}
    return found


def needs_file(loaded: LoadedRun) -> bool:
    """Return True if the run's test scored baselines that are fitted on data."""
    before: dict[str, Any] = read_file(loaded.path, "metrics.json") or {}
    free = ("input", "identity", "bicubic", "chance", "search", "ungated", "raw")
    named = {name.split("/")[1] for name in before if name.startswith("baseline/")}
    return bool(named - set(free)) and not loaded.task.from_noise


def _add_missing(loaded: LoadedRun, found: Scored) -> None:
    """Set the scores that training gave, and that are not there, to NaN, with the reason."""
    before: dict[str, Any] = read_file(loaded.path, "metrics.json") or {}
    lost = [name for name in before if name.startswith(("test/", "baseline/", "floor/"))]
    lost = [name for name in lost if name not in found.metrics and _of_every_set(name, before)]
    found.metrics |= dict.fromkeys(lost, float("nan"))
    for name in lost:
        if any(name.startswith(start) for start in found.missing):
            continue
        start = f"{'/'.join(name.split('/')[:-1])}/" if not name.startswith("test/") else name
        if loaded.task.from_noise:
            found.missing[start] = "training images are needed, and they are no part of a run"
        elif name.startswith("floor/"):
            found.missing["floor/"] = "training images are needed, and they are no part of a run"
        elif name.startswith("baseline/"):
            found.missing[start] = f"larger than the {baselines.LIMIT >> 20} MiB that a run keeps of one"


def _of_every_set(name: str, before: dict[str, Any]) -> bool:
    """Return False for a score that only some sets have, such as the rate of findings in empty volumes."""
    return name.split("/")[-1] not in ("false_positive_rate", "true_positive_rate", "empty")
