"""The runs of one cross-validation: every case scored by the run that did not train on it, in one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ganatomy.data.records import SPLITS
from ganatomy.errors import UserError
from ganatomy.evaluate import one
from ganatomy.evaluate.cases import contents_of, names_of, own_cases
from ganatomy.evaluate.evaluation import Evaluation
from ganatomy.evaluate.intervals import intervals, pooled
from ganatomy.evaluate.scored import OURS, Scored
from ganatomy.evaluate.settings import EvaluateConfig
from ganatomy.evaluate.table import of_source
from ganatomy.inference.loaded import LoadedRun, load_run
from ganatomy.metrics.registry import describe
from ganatomy.pictures.scores import table
from ganatomy.text import sizes

Row = dict[str, Any]
RANKS = ("auroc", "ap")
"""Scores that rank all cases by one network's scale, which differs from fold to fold."""


def evaluate(config: EvaluateConfig, words: Sequence[str]) -> Evaluation:
    """Score the test cases of each run of a cross-validation and pool them.

    Args:
        config: Settings of the command.
        words: Words of the command line.

    Raises:
        UserError: The runs are no folds of one cross-validation.
    """
    for key in ("data", "twin", "split"):
        if getattr(config, key) not in (None, "test"):
            raise UserError(
                f"{key}: several runs are pooled over their own test cases; leave {key} out, or give one run"
            )
    runs = config.runs
    first = load_run(runs[0], config.device)
    check_folds([contents_of(Path(run)) for run in runs], runs)
    found: list[Scored] = []
    owners: dict[str, str] = {}
    for number, run in enumerate(runs):
        loaded = first if number == 0 else load_run(run, config.device)
        _check_alike(first, loaded)
        data = one.data_of(loaded, own_cases(loaded, "test"), config)
        found.append(one.counted(loaded, data))
        own = {record.case: record.subject for record in data.records["test"]}
        if shared := set(own.values()) & set(owners.values()):
            raise UserError(
                f"run={run}: {len(shared)} of its test subjects are tested by another run too; the folds of "
                "one cross-validation share none"
            )
        owners |= own
    rows = _rows(found, owners)
    metrics, missing = _metrics(found, rows)
    ends = {source: intervals(of_source(metrics, source), own) for source, own in rows.items() if own}
    return Evaluation(
        f"{len(runs)} folds, each case by the run that was not trained on it",
        [
            f"{sizes.counted(len(owners), 'case')} of {sizes.counted(len(set(owners.values())), 'subject')}",
            *(f"fold {n}: {one_name(run)}" for n, run in enumerate(runs)),
        ],
        metrics,
        rows,
        ends,
        one.lines_of(metrics, first, rows),
        missing,
        first.preprocessing.units,
        parts={"Scores of each fold": _by_fold(found, first.preprocessing.units)},
    )


def same_test(runs: Sequence[str]) -> bool:
    """Return True if the test cases of all runs are the same, so that they can answer as one."""
    tested = [set(contents_of(Path(run)).get("test", {})) for run in runs]
    return all(cases == tested[0] for cases in tested)


def check_folds(contents: Sequence[Mapping[str, Mapping[str, str]]], runs: Sequence[str]) -> None:
    """Raise UserError unless the runs test every case of one data set exactly once.

    Args:
        contents: Cases of each split of each run, with their digests.
        runs: Names of the runs, for messages.
    """
    every = [{case: d for split in SPLITS for case, d in each.get(split, {}).items()} for each in contents]
    tested = [set(each.get("test", {})) for each in contents]
    for run, cases in zip(runs[1:], every[1:], strict=True):
        if cases != every[0]:
            raise UserError(
                f"run={run}: has other cases than {runs[0]}; name the folds of one cross-validation"
            )
    seen: set[str] = set()
    for run, own in zip(runs, tested, strict=True):
        if own & seen:
            raise UserError(
                f"run={run}: {len(own & seen)} of its {len(own)} test cases are tested by a run before "
                "it; the folds of one cross-validation share none (data.folds=5 data.fold=0, 1, ...)"
            )
        seen |= own
    if lost := set(every[0]) - seen:
        raise UserError(
            f"run: {len(lost)} of {len(every[0])} cases are in no run's test; name all folds of the "
            "cross-validation"
        )


def _check_alike(first: LoadedRun, other: LoadedRun) -> None:
    """Raise UserError if two runs have another task, other classes or other rules of scoring."""
    pairs: dict[str, list[Any]] = {
        "another task": [type(run.task).__name__ for run in (first, other)],
        "other classes": [names_of(run) for run in (first, other)],
        "another task.scored": [run.task.scored for run in (first, other)],
    }
    for what, (ours, theirs) in pairs.items():
        if ours != theirs:
            raise UserError(f"run={other.path}: has {what} than {first.path}; name the folds of one model")


def one_name(run: str) -> str:
    """Return the name of a run's directory."""
    return run.rstrip("/").rpartition("/")[2]


def _rows(found: Sequence[Scored], owners: Mapping[str, str]) -> dict[str, list[Row]]:
    """Return the rows of all folds by source, with subjects numbered over all of them."""
    numbers = {name: place for place, name in enumerate(sorted(set(owners.values())))}
    rows: dict[str, list[Row]] = {}
    for fold, each in enumerate(found):
        for source, own in each.rows.items():
            for row in own:
                subject = owners.get(row["case"], owners.get(str(row["case"]).rpartition(" ")[0], ""))
                rows.setdefault(source, []).append({**row, "subject": numbers[subject], "fold": fold})
    return rows


def _metrics(
    found: Sequence[Scored], rows: Mapping[str, Sequence[Row]]
) -> tuple[dict[str, float], dict[str, str]]:
    """Return the pooled scores, NaN for those that cannot be pooled, and why."""
    metrics = dict.fromkeys((name for each in found for name in each.metrics), float("nan"))
    for source, own in rows.items():
        start = "test/" if source == OURS else f"baseline/{source}/"
        values = {f"{start}{name}": value for name, value in pooled(own).items() if name not in RANKS}
        metrics |= {name: value for name, value in values.items() if name in metrics}
    for name in (name for name in metrics if describe(name.split("/")[1]).counts):
        metrics[name] = sum(each.metrics.get(name, 0.0) for each in found)
    missing = {key: why for each in found for key, why in each.missing.items()}
    lost = [name for name, value in metrics.items() if name.startswith("test/") and value != value]
    for name in lost:
        if not any(name.startswith(start) for start in missing):
            missing[name] = "no mean over cases, and so given for each fold alone"
    return metrics, missing


def _by_fold(found: Sequence[Scored], unit: str) -> tuple[list[str], list[list[str]]]:
    """Return heads and rows of a table with a column for each fold."""
    tables = [table(each.metrics, unit=unit) for each in found]
    heads = ["score", *(f"fold {number}" for number in range(len(found)))]
    lines = list(dict.fromkeys(line for each in tables for line in each.lines()))
    return heads, [
        [heading, *(each.text(score, row, OURS) for each in tables)] for score, row, heading in lines
    ]
