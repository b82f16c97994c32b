"""What a comparison needs of a finished run, read from its directory alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganatomy.config.versions import as_today
from ganatomy.errors import UserError
from ganatomy.runs.directory import HEALTHY
from ganatomy.runs.integrity.checked import read_file
from ganatomy.text.names import printable

NODES = 20_000
"""Most values of a configuration."""


@dataclass(frozen=True)
class Finished:
    """A finished run.

    Attributes:
        path: Run directory.
        config: Its configuration, by today's names.
        metrics: Flat name to value.
        cases: Name of each test case to its scores, in the order of scores.csv.
        subjects: Name of each test case to its subject.
        digests: Name of each test case to the digest of its image and truth; without those that are unknown.
        tested: Digests of all test cases, also of a task without scores of cases.
        unit: Unit of distances, mm or px.
        game: Name of the game that failed, or empty.
    """

    path: Path
    config: Mapping[str, Any]
    metrics: Mapping[str, float]
    cases: Mapping[str, Mapping[str, float]]
    subjects: Mapping[str, str]
    digests: Mapping[str, str]
    tested: frozenset[str]
    unit: str
    game: str

    @property
    def shown(self) -> str:
        """Return the path for display."""
        return printable(str(self.path))

    def score(self, case: str, name: str) -> float:
        """Return a score of a case; NaN if it has none."""
        return self.cases[case].get(name, math.nan)


def read_finished(path: Path) -> Finished:
    """Read a finished run.

    Raises:
        UserError: It is no run directory, is not finished, has no test scores, or has a damaged file.
    """
    if not path.is_dir():
        raise UserError(f"runs: {path} is no folder; give run directories, as in runs=[runs/a,runs/b]")
    if not (path / "config.yaml").is_file() and not (path / "status.json").is_file():
        raise UserError(f"runs: {path} is no run directory (it has no config.yaml)")
    status, config, metrics = (_keys(path, name) for name in ("status.json", "config.yaml", "metrics.json"))
    if status.get("status") != "done" or not metrics:
        state = status.get("status") or "not started"
        done = "has no test scores" if state == "done" else f"is not finished ({printable(str(state))})"
        raise UserError(f"runs: {path} {done}; resume it, and give it again")
    data = _keys(path, "data.json")
    if lost := next((name for name in ("task", "model") if not isinstance(config.get(name), dict)), ""):
        raise UserError(f"runs: {path}/config.yaml: is damaged (it has no section {lost})")
    if _too_large(config):
        raise UserError(f"runs: {path}/config.yaml: is no configuration (more than {NODES} values)")
    try:
        cases = _cases(read_file(path, "scores.csv") or [], metrics)
        contents = (data.get("contents") or {}).get("test") or {}
        names = (data.get("subjects") or {}).get("test") or []
        numbers = {case: number for case, (number, _) in cases.items()}
        game = str(status.get("game") or HEALTHY)
        return Finished(
            path=path,
            config=as_today(config, lambda section, key: True),  # so that a key of today has its first value
            metrics={name: value for name, item in metrics.items() if (value := _number(item)) is not None},
            cases={case: scores for case, (_, scores) in cases.items()},
            subjects={case: _subject(number, names, case) for case, number in numbers.items()},
            digests={case: digest for case in cases if (digest := _of_case(case, contents))},
            tested=frozenset(map(str, contents.values())),
            unit=str(data.get("units", "mm")),
            game="" if game == HEALTHY else game,
        )
    except UserError:  # a damaged file, whose line names it
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(
            f"runs: {path}: its files do not hold a result ({error!r}); leave it out, or train it again"
        ) from error


def _keys(path: Path, name: str) -> dict[str, Any]:
    found = read_file(path, name) if (path / name).exists() or name == "config.yaml" else None
    return dict(found or {})


def _too_large(node: Any) -> bool:
    """Return True for more values than a configuration has: aliases of YAML can unfold without end."""
    waiting, seen = [node], 0
    while waiting and seen <= NODES:
        value = waiting.pop()
        seen += 1
        if isinstance(value, dict | list):
            waiting += value.values() if isinstance(value, dict) else value
    return seen > NODES


def _number(item: Any) -> float | None:
    return float(item) if isinstance(item, int | float) and not isinstance(item, bool) else None


def _cases(rows: list[dict[str, str]], metrics: Mapping[str, Any]) -> dict[str, tuple[str, dict[str, float]]]:
    """Return for each case the number of its subject, and the columns of the row that are scores."""
    names = [name for name in (rows[0] if rows else ()) if f"test/{name}" in metrics]
    found = {}
    for row in rows:
        if row["case"] in found:
            raise ValueError("scores.csv names a case twice")
        found[row["case"]] = (row.get("subject", ""), {name: float(row[name] or "nan") for name in names})
    return found


def _subject(number: str, names: list[str], case: str) -> str:
    """Return the subject of a row: numbers count the sorted subjects of the test split."""
    if number.isdigit() and int(number) < len(names):
        return f"name {sorted(names)[int(number)]}"
    return f"number {number}" if number else f"case {case}"


def _of_case(case: str, contents: Mapping[str, str]) -> str:
    """Return the digest of a case; that of its volume for a slice, whose name has a blank and a number."""
    return str(contents.get(case) or contents.get(case.rpartition(" ")[0]) or "")
