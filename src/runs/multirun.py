"""Results of all jobs of a multirun: one table on the terminal, and one file."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from ganatomy.runs.directory import HEALTHY, Run, write_atomically

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
            note = {"words": given_words(config.hydra), "run": str(config.hydra.sweep.subdir)}
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
    text = io.StringIO()
    writer = csv.DictWriter(text, list(columns), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    path = write_atomically(_folder / "multirun.csv", text.getvalue().encode())
    _show(rows, path)
    return any(row["game"] not in ("", HEALTHY) for row in rows)


def table(folder: Path) -> list[dict[str, Any]]:
    """Return a row for each job: what was varied, its status, best validation score and final scores."""
    notes = {int(note.stem): json.loads(note.read_text()) for note in (folder / NOTES).glob("*.json")}
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
        status, config = run.read("status.json") or {}, run.read("config.yaml") or {}
        row: dict[str, Any] = {"run": notes[number]["run"]} | {k: given[number].get(k, "") for k in varied}
        row |= {
            "status": status.get("status", "not begun"),
            "game": status.get("game", ""),
            "monitor": config.get("task", {}).get("monitor", ""),
        }
        row["best"] = (status.get("best") or {}).get("score", "")
        rows.append(row | (run.read("metrics.json") or {}))
    return rows


def _show(rows: list[dict[str, Any]], path: Path) -> None:
    """Print what was varied, and the score by which each run chose its weights."""
    from rich.console import Console
    from rich.table import Table

    drawn = Table(title=f"Multirun: {path}", title_justify="left", box=None, padding=(0, 2))
    shown = list(rows[0])[: list(rows[0]).index("monitor")]
    for name in (*shown, "best validation", "test"):
        drawn.add_column(name, justify="left" if name in shown else "right")
    for row in rows:
        monitor = row["monitor"]
        test = monitor.replace("val/", "test/")
        scores = (_number(monitor, row["best"]), _number(test, row.get(test, "")))
        drawn.add_row(*(str(row[name]) for name in shown), *scores)
    console = Console()
    console.print(drawn, soft_wrap=True)


def _number(name: str, value: Any) -> str:
    return f"{name} {value:.4g}" if isinstance(value, float) and math.isfinite(value) else ""
