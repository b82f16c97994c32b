"""Damage to the files of a run, and what `train resume=` reads from them before it trains."""

from __future__ import annotations

import random
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ganatomy.callbacks.history import History
from ganatomy.config.resolve import load
from ganatomy.data.splits.held import Held
from ganatomy.errors import UserError
from ganatomy.runs.checkpoints import resumption
from ganatomy.runs.directory import Run
from ganatomy.runs.integrity.restore import restore

PAGE = 4096
KINDS = {"flip": 1000, "cut": 200, "page": 50}
"""How many of each kind the campaign has."""
SILENT, TRACEBACK = "silent", "traceback"


@dataclass(frozen=True)
class Outcome:
    """What became of a run with damaged files: `how` in a word or two, and the lines that it wrote."""

    how: str
    lines: Sequence[str]

    @property
    def went_on(self) -> bool:
        return self.how in ("went on", "earlier checkpoint")


def read_again(run: Path) -> list[str]:
    """Every file of a run that a command reads again."""
    inside = (path for folder in (".", "copies", "checkpoints") for path in sorted((run / folder).iterdir()))
    shown = ("report.html",)  # written for people
    return [str(path.relative_to(run)) for path in inside if path.is_file() and path.name not in shown]


def spoilt(kind: str, content: bytes, draw: random.Random) -> bytes:
    """The content with one bit flipped, cut, or with a page of zeros."""
    while True:
        if kind == "flip":
            place = draw.randrange(len(content))
            byte = content[place] ^ (1 << draw.randrange(8))
            changed = content[:place] + bytes([byte]) + content[place + 1 :]
        elif kind == "cut":
            changed = content[: draw.randrange(len(content))]
        else:
            start = PAGE * draw.randrange(-(-len(content) // PAGE))
            zeros = bytes(min(PAGE, len(content) - start))
            changed = content[:start] + zeros + content[start + PAGE :]
        if changed != content:
            return changed


def read_for_resume(run: Path) -> tuple[dict[str, Any], list[str], str]:
    """What a resumed run reads, the lines it writes about it, and the checkpoint it goes on from."""
    lines = restore(run)
    held = Held.of("run", Run(run).read("data.json"))
    chosen = resumption(run / "checkpoints")
    read = {
        "config": load(run),
        "held": held,
        "history": History(run / "metrics.csv", chosen.step).rows,
        "status": Run(run).read("status.json"),
        "environment": Run(run).read("environment.json"),
    }
    return read, [*lines, *chosen.lines], chosen.path.name


expected = cache(read_for_resume)
"""What is read from the sound run."""


def outcome(whole: Path, place: Path, damage: dict[str, bytes]) -> Outcome:
    """Damage a copy of a sound run and read it as a resumed run does."""
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(whole, place)
    for name, content in damage.items():
        (place / name).write_bytes(content)
    try:
        read, lines, checkpoint = read_for_resume(place)
    except UserError as error:
        files = all(str(place) in line for line in str(error).splitlines())
        return Outcome("refused" if files else TRACEBACK, str(error).splitlines())
    except Exception as error:
        return Outcome(TRACEBACK, [repr(error)])
    if not all(any(Path(name).name in line for line in lines) for name in damage):
        return Outcome(SILENT, lines)
    sound, none, newest = expected(whole)
    assert not none
    if checkpoint == newest:
        return Outcome("went on" if read == sound else SILENT, lines)
    same = all(value == sound[key] for key, value in read.items() if key != "history")
    same &= all(sound["history"][step] == row for step, row in read["history"].items())
    return Outcome("earlier checkpoint" if same else SILENT, lines)


def campaign(
    whole: Path, place: Path, counts: dict[str, int], seed: int = 0
) -> list[tuple[str, str, Outcome]]:
    """(kind, file, outcome) of so many cases of each kind, the files in turn."""
    draw = random.Random(seed)
    names = read_again(whole)
    done = []
    for kind, count in counts.items():
        for number in range(count):
            name = names[number % len(names)]
            content = spoilt(kind, (whole / name).read_bytes(), draw)
            done.append((kind, name, outcome(whole, place, {name: content})))
    return done


def several(whole: Path, place: Path, count: int, seed: int = 1) -> list[tuple[str, str, Outcome]]:
    """(kind, files, outcome) of damage to two or three files at once."""
    draw = random.Random(seed)
    done = []
    for _ in range(count):
        names = draw.sample(read_again(whole), draw.choice((2, 3)))
        kinds = [draw.choice(list(KINDS)) for _ in names]
        damage = {
            name: spoilt(kind, (whole / name).read_bytes(), draw)
            for kind, name in zip(kinds, names, strict=True)
        }
        done.append((", ".join(kinds), ", ".join(names), outcome(whole, place, damage)))
    return done
