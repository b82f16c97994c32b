"""Tables of games.py: what the guard named, beside what was wrong."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks._game_lists import FAILED, HEALTHY, TAKEN_BACK
from benchmarks._games import FailedGame
from benchmarks._results import table

PAGE = Path(__file__).resolve().parents[1] / "docs/reliability.md"
MARKS = "<!-- games.py -->", "<!-- end of games.py -->"
COMMAND = "python benchmarks/games.py --held-out --write"
ENDED_IN_ERROR = 2
FAILED_GAME = 3


def outcome(place: Path) -> dict[str, Any] | None:
    """Return how a run ended: exit code, words, game, events, rollbacks; None if it has not been run."""
    if not (place / "outcome.json").exists():
        return None
    found: dict[str, Any] = json.loads((place / "outcome.json").read_text())
    status = place / "status.json"
    said: dict[str, Any] = json.loads(status.read_text()) if status.exists() else {}
    return found | {key: said.get(key) for key in ("status", "game", "events", "rollbacks")}


def right(game: FailedGame, found: dict[str, Any]) -> bool:
    """Return True if the run ended with the exit code of a failed game (or of an error) and a right name."""
    return found["exit"] in (ENDED_IN_ERROR, FAILED_GAME) and found["game"] in game.names


def alarmed(found: dict[str, Any]) -> bool:
    """Return True if a healthy run ended other than well, or anything fatal was said on the way."""
    fatal = any(event.get("fatal") for event in found["events"] or ())
    return found["exit"] != 0 or found["game"] not in (None, "healthy") or fatal


def tables(runs: Path, only: Sequence[str]) -> str:
    """Return the tables of the sets asked for, of what has been run."""
    makers = {"failed": failed, "healthy": healthy, "rollback": taken_back}
    return "\n\n".join(makers[name](runs / name) for name in only)


def failed(runs: Path) -> str:
    """One row a failed game, the held-out ones last."""
    rows, counts = [], {False: [0, 0], True: [0, 0]}
    for game in FAILED:
        if (found := outcome(runs / game.name)) is None:
            continue
        good = right(game, found)
        counts[game.held_out][0] += good
        counts[game.held_out][1] += 1
        rows.append(
            (
                game.what,
                game.task,
                _words(game.words),
                found["exit"],
                found["game"] or "-",
                _events(found["events"]),
                "yes" if good else f"**no** ({_either(game.names)})",
                "held out" if game.held_out else "",
            )
        )
    head = ("what is wrong", "task", "words", "exit", "game", "events (step)", "named rightly", "")
    said = (
        f"Failed games of 150 steps: {_count(counts)} named rightly, that is with exit code 3\n"
        "(2 for `not_finite`) and as `game` one of the names fixed in `benchmarks/_games.py`\n"
        "before the guard saw the game. Held-out games were shown to nobody while the guard's\n"
        "thresholds were chosen first; the text above says what was mended after they were played."
    )
    return f"{said}{_missing(len(rows), len(FAILED))}\n\n{table(head, rows)}"


def healthy(runs: Path) -> str:
    """One row a healthy run, the held-out ones last."""
    rows, counts = [], {False: [0, 0], True: [0, 0]}
    for game in HEALTHY:
        if (found := outcome(runs / game.name)) is None:
            continue
        alarm = alarmed(found)
        counts[game.held_out][0] += alarm
        counts[game.held_out][1] += 1
        rows.append(
            (
                game.task,
                game.model,
                game.data,
                game.seed,
                found["exit"],
                f"**{found['game']}**" if alarm else "none",
                _events(found["events"]),
                "held out" if game.held_out else "",
            )
        )
    head = ("task", "model", "data", "seed", "exit", "alarm", "warnings (step)", "")
    said = f"Healthy runs of 300 steps at the models' own rates: an alarm in {_count(counts)}."
    return f"{said}{_missing(len(rows), len(HEALTHY))}\n\n{table(head, rows)}"


def taken_back(runs: Path) -> str:
    """One row a failed game played with guard=rollback, beside the better of two trivial baselines."""
    rows, better = [], 0
    for game in FAILED:
        if game.name not in TAKEN_BACK or (found := outcome(runs / game.name)) is None:
            continue
        score, trivial = swd(runs / game.name)
        good = score is not None and trivial is not None and score < trivial
        better += good
        changes = "; ".join(
            f"{back.get('key')} {_number(back.get('before'))} → {_number(back.get('after'))} "
            f"({back.get('event')}, step {back.get('step')} → {back.get('back_to')})"
            for back in found["rollbacks"] or ()
        )
        rows.append(
            (
                game.what,
                found["exit"],
                found["game"] or "-",
                changes or "none",
                *(f"{value:.0f}" if value is not None else "-" for value in (score, trivial)),
                "yes" if good else "no",
            )
        )
    head = ("what is wrong", "exit", "game", "taken back", "SWD", "SWD of the mean image", "better")
    said = (
        f"With `guard=rollback`: {better} of {len(rows)} end better than the mean image of the training set."
    )
    return f"{said}{_missing(len(rows), len(TAKEN_BACK))}\n\n{table(head, rows)}"


def swd(place: Path) -> tuple[float | None, float | None]:
    """Return test/swd of a run and of the mean training image; None for what is not there."""
    file = place / "metrics.csv"
    scores: dict[str, float] = {}
    if file.exists():
        with file.open(newline="") as lines:
            for row in csv.DictReader(lines):
                scores |= {key: float(row[key]) for key in ("test/swd", "baseline/mean/swd") if row.get(key)}
    return scores.get("test/swd"), scores.get("baseline/mean/swd")


def write(text: str, page: Path = PAGE) -> None:
    """Put the tables between the marks of a page.

    Raises:
        SystemExit: if the page has no marks.
    """
    begin, end = MARKS
    before = page.read_text(encoding="utf-8")
    if before.count(begin) != 1 or before.count(end) != 1:
        raise SystemExit(f"{page}: needs one line {begin} and, below, one {end}")
    new = f"{begin}\n`{COMMAND}`\n\n{text}\n{end}"
    page.write_text(
        re.sub(f"(?s){re.escape(begin)}.*{re.escape(end)}", lambda _: new, before), encoding="utf-8"
    )


def _count(counts: dict[bool, list[int]]) -> str:
    (shown, of_shown), (held, of_held) = counts[False], counts[True]
    return f"{shown} of {of_shown}" + (f", and {held} of {of_held} held out" if of_held else "")


def _missing(played: int, listed: int) -> str:
    return f" **{listed - played} of {listed} not played yet.**" if played < listed else ""


def _words(words: Sequence[str]) -> str:
    """Return the words that matter to a reader: those after the data and before the steps."""
    left = ("task=", "data", "trainer.max", "trainer.val", "task.imagenet")
    kept = [word for word in words if not word.startswith(left) or word.startswith("data.split=")]
    return f"`{' '.join(kept)}`" if kept else ""


def _events(events: Sequence[dict[str, Any]] | None) -> str:
    return ", ".join(f"{event['name']} ({event['step']})" for event in events or ()) or "none"


def _either(names: frozenset[str]) -> str:
    return "wanted: " + " or ".join(sorted(names))


def _number(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
