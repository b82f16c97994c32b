"""Row of a run: everything that the table and the page say of it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ganatomy.index.folders import Folder
from ganatomy.index.results import Value, behind, pairing, players, sharing, values
from ganatomy.index.small_files import SmallFiles, number_of, section, text_of
from ganatomy.index.state import relative, state_of

DATED = re.compile(r"(\d{4}-\d\d-\d\d)_(\d\d-\d\d-\d\d)")
"""Date and time in the name of a run directory."""
FIRST_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True)
class Row:
    """A run.

    Attributes:
        path: Run directory.
        name: Path below the folder that was searched, as it is on the disk.
        state: A word of `state.STATES`.
        why: Reason of the state; of a failed game, its name.
        task: Task, such as segmentation.
        data: Name of the data set.
        model: Classes of the players.
        scores: Main scores; that which the checkpoint was chosen by first.
        twin: Main score of the same run without discriminator.
        worse_than: Baselines that the run is behind.
        seconds: Duration.
        size: Bytes on the disk.
        begun: Seconds since 1970.
        seed: Seed.
        steps: Steps done; of a run that is not finished, those planned.
        faults: A line for each damaged file.
        names: Names of the entries in the run directory.
    """

    path: Path
    name: str
    state: str
    why: str
    task: str
    data: str
    model: str
    scores: tuple[Value, ...]
    twin: float | None
    worse_than: tuple[str, ...]
    seconds: float | None
    size: int
    begun: float
    seed: int | None
    steps: int | None
    faults: tuple[str, ...]
    names: frozenset[str]

    @property
    def score(self) -> Value | None:
        """Main score."""
        return self.scores[0] if self.scores else None

    @property
    def behind(self) -> str:
        """Return the baselines and the twin that the run is behind, or nothing."""
        score, twin = self.score, self.twin
        lost = score is not None and twin is not None and score.sign * (twin - score.number) > 0
        return ", ".join(dict.fromkeys([*self.worse_than, *(["twin"] if lost else [])]))

    @property
    def label(self) -> str:
        """Words for the state."""
        return {"game": f"game failed: {self.why}", "dead": "dead: process is gone"}.get(
            self.state, self.state
        )


def read_rows(folders: Sequence[Folder], root: Path, step: Callable[[], object]) -> list[Row]:
    """Read the runs; the newest is first.

    Args:
        folders: Run directories.
        root: Folder that was searched.
        step: Called after each run.
    """
    read = []
    for folder in folders:
        read.append(_row(folder, root))
        step()
    read.sort(key=lambda pair: (pair[0].begun, pair[0].name))
    rows = [row for row, _ in read]
    for place, twin in enumerate(sharing([key for _, key in read])):
        if twin is not None:
            rows[place] = replace(rows[place], twin=_same_score(rows[place], rows[twin]))
    return rows[::-1]


def _same_score(row: Row, twin: Row) -> float | None:
    return next((v.number for v in twin.scores if row.score and v.name == row.score.name), None)


def _row(folder: Folder, root: Path) -> tuple[Row, tuple[str, bool]]:
    files = SmallFiles(folder.path)
    state, why = state_of(files)
    foreign = state == "foreign"
    status = {} if foreign else files.read("status.json")
    config = {} if foreign else files.read("config.yaml")
    scored = state in ("done", "game") or "metrics.json" in folder.names
    metrics = files.read("metrics.json") if scored and not foreign else {}
    here = files.read("environment.json") if "environment.json" in folder.names and not foreign else {}
    ended = state in ("done", "game")
    scores = values(metrics, text_of(section(config, "task").get("monitor")))
    row = Row(
        path=folder.path,
        name=relative(folder.path, root),
        state=state,
        why=why,
        task=_task(config),
        data=_data(config, here),
        model=players(config),
        scores=tuple(scores),
        twin=None,
        worse_than=behind(status, scores[0] if scores else None),
        seconds=number_of(status.get("seconds")),
        size=folder.size,
        begun=_begun(folder.path),
        seed=_whole(config.get("seed")),
        steps=_steps(status, ended) or _whole(section(config, "trainer").get("max_steps")),
        faults=tuple(dict.fromkeys(files.faults)),
        names=frozenset(folder.names),
    )
    return row, pairing(config)


def _task(config: Mapping[str, Any]) -> str:
    target = text_of(section(config, "task").get("_target_"))
    return target.rpartition(".")[2].removesuffix("Task").lower()


def _data(config: Mapping[str, Any], here: Mapping[str, Any]) -> str:
    """Return the choice of `data` on the command line, else the folder of the data, else its class."""
    words = here.get("command")
    typed = [word[5:] for word in words if str(word).startswith("data=")] if isinstance(words, list) else []
    node = section(config, "data")
    folder = Path(text_of(node.get("root"))).name
    kind = text_of(node.get("_target_")).rpartition(".")[2].lower()
    chosen = typed[-1] if typed and re.fullmatch(r"[\w-]+", typed[-1]) else ""
    return (folder if chosen in ("", kind, "folder", "table", "dicom", "coco") else chosen) or chosen or kind


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _steps(status: Mapping[str, Any], ended: bool) -> int | None:
    found = FIRST_NUMBER.match(text_of(status.get("why"))) if ended else None
    return int(found[0][:12]) if found else None


def _begun(run: Path) -> float:
    """Return the time in a run's name, else that of its config.yaml or of the directory."""
    if found := DATED.search(run.name):
        try:
            return time.mktime(time.strptime(found[1] + found[2], "%Y-%m-%d%H-%M-%S"))
        except (ValueError, OverflowError):
            pass
    for path in (run / "config.yaml", run):
        try:
            return path.stat().st_mtime
        except OSError:
            continue
    return 0.0
