"""Kept results: a line for each run in runs.csv, a row for each test case in cases.csv.gz, without names."""

from __future__ import annotations

import gzip
import hashlib
import math
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ganatomy.config.mistakes.suggestions import nearest
from ganatomy.errors import UserError
from ganatomy.experiments.fingerprint import data_hash, digest
from ganatomy.experiments.plan import PlannedRun
from ganatomy.experiments.spec import Experiment
from ganatomy.runs.directory import Run, write_atomically
from ganatomy.runs.integrity.checked import read_file, warn_once
from ganatomy.runs.integrity.checksums import Damaged
from ganatomy.runs.integrity.contents import rows_of
from ganatomy.text.tables import csv_text

KEPT = ("torch", "monai", "numpy")
HEAD = (
    "arm",
    "seed",
    "config",
    "data",
    "test",
    "commit",
    "python",
    *KEPT,
    "device",
    "threads",
    "seconds",
    "steps",
)
LINES, CASES = "runs.csv", "cases.csv.gz"
Key = tuple[str, int]


@dataclass(frozen=True)
class Result:
    """Kept result of a run: its line, and for each test case the subject's number and the scores."""

    line: Mapping[str, str]
    cases: Sequence[Mapping[str, float]] = field(default=())

    @property
    def key(self) -> Key:
        return self.line["arm"], int(self.line["seed"])

    def score(self, name: str) -> float:
        """Return a score of the whole test set; NaN where the run has none."""
        return float(self.line.get(name) or math.nan)


def done(directory: Path) -> bool:
    """Return True if a run directory holds a finished run."""
    return bool(Run(directory).known_status().get("status") == "done")


def seconds(directory: Path) -> float | None:
    """Return the seconds that a run took, from the file beside its directory; None if it cannot be read."""
    path = directory.with_suffix(".seconds")
    try:
        found = float(path.read_text(encoding="utf-8")) if path.is_file() else None
    except ValueError:
        warn_once(f"{path}: is damaged; the time of this run is lost")
        return None
    return found if found is None or math.isfinite(found) else None


def collect(run: PlannedRun, experiment: Experiment, directory: Path | None = None) -> Result:
    """Read the result of a finished run.

    Args:
        run: The planned run.
        experiment: Experiment that names the scores to keep.
        directory: Run directory, if not that of the plan.

    Raises:
        UserError: A score of a claim is not among the run's scores, or a file of the run is damaged.
    """
    folder = directory or run.directory
    try:
        return _collected(run, experiment, folder)
    except Damaged as error:
        raise UserError(f"{error}; {_way(folder)}") from error
    except UserError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"{folder}: its files do not hold a result ({error!r}); {_way(folder)}") from error


def _way(folder: Path) -> str:
    return f"end the run again with resume={folder}, or remove {folder} to have it run anew"


def _collected(run: PlannedRun, experiment: Experiment, folder: Path) -> Result:
    here, data, scores = (_file(folder, f"{name}.json") for name in ("environment", "data", "metrics"))
    final = {k: math.nan if v is None else float(v) for k, v in scores.items()}
    metrics = _last(folder) | final
    for name, (one, other) in experiment.spec.gaps.items():
        if one in metrics and other in metrics:
            metrics[name] = metrics[one] - metrics[other]
    wanted = {side.score for c in experiment.claims for side in (c.left, c.right) if side.arm == run.arm}
    for name in sorted(wanted - metrics.keys()):
        raise UserError(
            f"claims: {run.arm}.{name}: its runs have no such score{nearest(name, metrics)} "
            f"(see {folder}/metrics.json)"
        )
    git = here.get("git") or {}
    took = seconds(folder)
    line = {
        "arm": run.arm,
        "seed": str(run.seed),
        "config": run.config,
        "data": data_hash(data),
        "test": digest(data["subjects"]["test"]),
        "commit": git.get("commit", "")[:12] + ("+" if git.get("dirty") else ""),
        "python": here["python"],
        **{name: str(here["versions"][name]) for name in KEPT},
        "device": here["processor"] if here["device"] == "cpu" else here["device"],
        "threads": str(here["threads"]),
        "seconds": "" if took is None else f"{took:.0f}",
        "steps": str((_file(folder, "status.json").get("why") or "").split(" ")[0]),
        **{name: repr(metrics[name]) for name in experiment.scores if name in metrics},
    }
    return Result(line, _cases(folder, experiment.scores))


def _file(folder: Path, name: str) -> Any:
    found = read_file(folder, name)
    if found is None:
        raise Damaged(f"{folder / name}: is missing")
    return found


def _last(folder: Path) -> dict[str, float]:
    """Return the last value of each validation score."""
    rows = _file(folder, "metrics.csv")
    return {k: float(v) for row in rows for k, v in row.items() if k.startswith("val/") and v}


def _cases(folder: Path, scores: Sequence[str]) -> list[dict[str, float]]:
    """Return the kept scores of each case with the subject's number, in the file's order."""
    rows = read_file(folder, "scores.csv") or []
    names = [name for name in scores if rows and name.startswith("test/") and name[5:] in rows[0]]
    return [
        {"subject": float(row["subject"]), **{name: float(row[name[5:]]) for name in names}}
        for row in (rows if names else [])
    ]


def load(experiment: Experiment) -> dict[Key, Result]:
    """Read results/; empty where nothing was run, UserError for a broken file."""
    folder = experiment.results
    if not (folder / LINES).is_file():
        return {}
    try:
        text = (folder / LINES).read_text(encoding="utf-8")
        if not text.endswith("\n"):
            raise ValueError("is cut")
        lines = rows_of(text)
        packed = (folder / CASES).read_bytes() if (folder / CASES).is_file() else None
        cases: dict[Key, list[dict[str, float]]] = {}
        for row in rows_of(gzip.decompress(packed).decode()) if packed is not None else ():
            key = row.pop("arm"), int(row.pop("seed"))
            cases.setdefault(key, []).append({k: float(v) for k, v in row.items() if v != ""})
        found = [Result(line, cases.get((line["arm"], int(line["seed"])), ())) for line in lines]
    except (Damaged, KeyError, ValueError, OSError, EOFError, zlib.error) as error:
        raise UserError(
            f"{folder}: {LINES} or {CASES} is broken ({error!r}); restore them, or remove {folder}"
        ) from error
    return {result.key: result for result in found}


def valid(
    found: Mapping[Key, Result], runs: Iterable[PlannedRun], experiment: Experiment
) -> dict[Key, Result]:
    """Return the results of the planned configurations that have every score.

    Args:
        found: Kept results.
        runs: Planned runs.
        experiment: Experiment that names the scores.
    """
    kept = {}
    for run in runs:
        result = found.get(run.key)
        if result and result.line["config"] == run.config and set(experiment.scores) <= result.line.keys():
            kept[result.key] = result
    return kept


def save(experiment: Experiment, results: Mapping[Key, Result]) -> None:
    """Write both files, each whole or not at all; their bytes depend on the results alone."""
    order = list(experiment.spec.arms)
    rows = sorted(results.values(), key=lambda result: (order.index(result.key[0]), result.key[1]))
    lines = [dict(result.line) for result in rows]
    cases = [
        {"arm": result.key[0], "seed": result.key[1], **{k: _short(k, v) for k, v in case.items()}}
        for result in rows
        for case in result.cases
    ]
    scored = [name for name in experiment.scores if any(name in case for case in cases)]
    content = csv_text(["arm", "seed", "subject", *scored], cases).encode()
    write_atomically(experiment.results / CASES, gzip.compress(content, mtime=0))
    text = csv_text([*HEAD, *experiment.scores], lines)
    write_atomically(experiment.results / LINES, text.encode())


def _short(name: str, value: float) -> str:
    return f"{value:.0f}" if name == "subject" else repr(value)


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
