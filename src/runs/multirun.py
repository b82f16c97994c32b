"""Results of all jobs of a multirun: one table on the terminal, and one file."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from ganatomy.invocation import redacted
from ganatomy.runs.directory import HEALTHY, Run, write_atomically
from ganatomy.runs.integrity.checked import warn_once
from ganatomy.runs.integrity.checksums import Damaged
from ganatomy.runs.integrity.contents import parsed
from ganatomy.text.tables import csv_text

NOTES = "jobs"
"""Folder of a multirun in which every job leaves its command line, wherever it runs."""
_folder: Path | None = None


def given_words(hydra: Any) -> list[str]:
    """Return the overrides of a job as they were given: `${...}` in one refers to the configuration."""
    words: Any = OmegaConf.to_container(hydra.overrides.task, resolve=False)
    return [str(word) for word in words]


class Jobs(Callback):
    """Hydra callback that records where a multirun writes, and the command line of each job."""

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        global _folder
        _folder = Path(config.hydra.sweep.dir).absolute()

    def on_job_start(self, config: DictConfig, **kwargs: Any) -> None:
        if config.hydra.mode == RunMode.MULTIRUN:
            folder = Path(config.hydra.sweep.dir).absolute()
            note = {
                "words": [redacted(word) for word in given_words(config.hydra)],
                "run": str(config.hydra.sweep.subdir),
            }
            write_atomically(folder / NOTES / f"{config.hydra.job.num}.json", json.dumps(note).encode())


def finish() -> bool:
    """Write multirun.csv and show the table, where this process led a multirun.

    Returns:
        True if the game of a job failed.
    """
    rows = table(_folder) if _folder is not None else []
    if _folder is None or not rows:
        return False
    columns = dict.fromkeys(name for row in rows for name in row)
    path = write_atomically(_folder / "multirun.csv", csv_text(list(columns), rows).encode())
    _show(rows, path)
    return any(row["game"] not in ("", HEALTHY) for row in rows)


def table(folder: Path) -> list[dict[str, Any]]:
    """Return a row for each job: what was varied, its status, best validation score and final scores."""
    notes = _notes(folder)
    given = {
        number: dict(word.lstrip("+~").partition("=")[::2] for word in note["words"])
        for number, note in notes.items()
    }
    varied = [
        key
        for key in dict.fromkeys(key for words in given.values() for key in words)
        if len({words.get(key) for words in given.values()}) > 1
    ]
    rows = []
    for number in sorted(notes):
        run = Run(folder / notes[number]["run"])
        files = ("status.json", "config.yaml", "metrics.json")
        status, config, final = (_read(run, name) for name in files)
        row: dict[str, Any] = {"run": notes[number]["run"]} | {k: given[number].get(k, "") for k in varied}
        row |= {
            "status": status.get("status", "not begun"),
            "game": status.get("game", ""),
            "monitor": config.get("task", {}).get("monitor", ""),
        }
        row["best"] = (status.get("best") or {}).get("score", "")
        rows.append(row | final)
    return rows


def _notes(folder: Path) -> dict[int, dict[str, Any]]:
    """Return the note of each job by its number; one that cannot be read is left out with a line."""
    notes = {}
    for path in (folder / NOTES).glob("*.json"):
        try:
            note = parsed(path.name, path.read_bytes())
            notes[int(path.stem)] = {"words": [str(word) for word in note["words"]], "run": str(note["run"])}
        except (ValueError, KeyError, TypeError) as error:
            warn_once(f"{path}: is damaged ({error}); the job is not in the table")
    return notes


def _read(run: Run, name: str) -> dict[str, Any]:
    """Return a file of a run; nothing, and a line, if it is damaged."""
    try:
        return run.read(name) or {}
    except Damaged as error:
        warn_once(f"{error}; the table goes without it")
        return {}


def _show(rows: list[dict[str, Any]], path: Path) -> None:
    """Print what was varied, and the score by which each run chose its weights."""
    from rich.table import Table

    from ganatomy.runs.terminal import Terminal

    drawn = Table(title=f"Multirun: {path}", title_justify="left", box=None, padding=(0, 2))
    shown = list(rows[0])[: list(rows[0]).index("monitor")]
    for name in (*shown, "best validation", "test"):
        drawn.add_column(name, justify="left" if name in shown else "right")
    for row in rows:
        monitor = row["monitor"]
        test = monitor.replace("val/", "test/")
        scores = (_number(monitor, row["best"]), _number(test, row.get(test, "")))
        drawn.add_row(*(str(row[name]) for name in shown), *scores)
    console = Terminal()
    console.print(drawn, soft_wrap=True)


def _number(name: str, value: Any) -> str:
    return f"{name} {value:.4g}" if isinstance(value, float) and math.isfinite(value) else ""
