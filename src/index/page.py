"""Page of all runs: one file of HTML that needs no server and loads nothing."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from string import Template
from urllib.parse import quote

from ganatomy.errors import UserError
from ganatomy.index.results import Value
from ganatomy.index.rows import Row
from ganatomy.index.state import STATES
from ganatomy.index.wording import date_text, middle_out, steps_text, took
from ganatomy.runs.integrity.outputs import refuse_no_page
from ganatomy.text.names import printable
from ganatomy.text.sizes import bytes_text

LIMIT = 4_900_000
"""Bytes of a page, unless its text alone is longer."""
MARK = '<meta name="generator" content="GANatomy index">'
MOST_COLUMNS = 16
"""Columns for further scores."""
TOLD = ("game", "running", "dead", "damaged", "foreign", "preempted")
"""States whose reason is shown: the error of a failed run may name a case."""
HEADS = ("", "run", "status", "task", "data", "model", "score", "baseline", "twin")
SAID = {"game": "game failed"}
"""States by other words than their own."""
LAST = ("took", "size", "begun", "seed", "steps")
NUMBERS = {"score", "baseline", "twin", *LAST}
SPARSE = {"baseline", "twin"}
"""Columns that are shown only if a run has a value there."""


def room_for_pictures(text: str) -> int:
    """Return the characters that a page of this text has left for pictures."""
    return LIMIT - len(text.encode())


def refuse_foreign(output: Path) -> None:
    """Raise UserError if a page of this name would replace something that is no index."""
    refuse_no_page(output)
    try:
        stands = output.read_bytes()[:4000] if output.exists() else MARK.encode()
    except OSError as error:
        raise UserError(f"output: {output} cannot be read ({error.strerror}); give another name") from error
    if MARK.encode() not in stands:
        raise UserError(f"output: {output} is there and is no page of index; give another name")


def page(
    rows: Sequence[Row], pictures: Sequence[str], output: Path, title: str, remarks: Sequence[str]
) -> str:
    """Return the page.

    Args:
        rows: Runs, in the order that they are shown in first.
        pictures: Source of each run's picture, or empty.
        output: File of the page, to which links are relative.
        title: Title.
        remarks: Lines below the title.
    """
    template = Path(__file__).with_name("page.html").read_text(encoding="utf-8")
    script = Path(__file__).with_name("page.js").read_text(encoding="utf-8")
    extra = further(rows)
    body = "".join(
        _row(row, source, output.parent, extra) for row, source in zip(rows, pictures, strict=True)
    )
    return Template(template).substitute(
        title=escape(printable(title)),
        mark=MARK,
        hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        script=script,
        facts="".join(f"<span>{escape(fact)}</span>" for fact in _facts(rows, remarks)),
        tasks=_options(row.task for row in rows),
        data=_options(row.data for row in rows),
        states=_options((state for row in rows for state in _states(row)), list(STATES)),
        heads=_heads(extra),
        body=body,
    )


def further(rows: Sequence[Row]) -> list[Value]:
    """Return one value of each further score that has a column."""
    found: dict[str, Value] = {}
    for row in rows:
        for value in row.scores[1:]:
            found.setdefault(value.name, value)
    return list(found.values())[:MOST_COLUMNS]


def _facts(rows: Sequence[Row], remarks: Sequence[str]) -> list[str]:
    counts = Counter(row.state for row in rows)
    states = ", ".join(f"{counts[state]} {SAID.get(state, state)}" for state in STATES if counts[state])
    size = bytes_text(sum(row.size for row in rows))
    made = time.strftime("%Y-%m-%d %H:%M")
    return [f"{len(rows)} runs: {states}", size, f"as of {made}", *map(printable, remarks)]


def _options(values: Iterable[str], order: Sequence[str] = ()) -> str:
    counts = Counter(value for value in values if value)
    names = [name for name in order if name in counts] or sorted(counts)
    return "".join(
        f'<option value="{escape(printable(name))}">{escape(_said(name))} ({counts[name]})</option>'
        for name in names
    )


def _states(row: Row) -> set[str]:
    """Return the states under which a row is found: one with a damaged file is found there, too."""
    return {row.state, *(["damaged"] if row.faults else [])}


def _said(name: str) -> str:
    return middle_out(SAID.get(name, name), 40)


def _heads(extra: Sequence[Value]) -> str:
    plain = "".join(_head(name, name in NUMBERS, style=" o" * (name in SPARSE)) for name in HEADS)
    scores = "".join(_head(value.heading, True, value.sign, " x") for value in extra)
    return plain + scores + "".join(_head(name, True) for name in LAST)


def _head(name: str, number: bool, sign: int = 0, style: str = "") -> str:
    """Return a head that sorts: the best, largest or newest first, and texts by the alphabet."""
    if not name:
        return '<th scope="col" class="o"><span class="hidden">picture</span></th>'
    first = "up" if not number or sign < 0 else "down"
    kind = f"{'n' if number else 't'}{style}"
    button = f'<button type="button">{escape(name)}</button>'
    return f'<th scope="col" class="{kind}" data-first="{first}">{button}</th>'


def _row(row: Row, source: str, folder: Path, extra: Sequence[Value]) -> str:
    name = escape(middle_out(row.name, 110))
    full = escape(printable(row.name))
    link = (
        f'<a href="{_link(row.path / "report.html", folder)}">{name}</a>'
        if "report.html" in row.names
        else name
    )
    picture = f'<img src="{source}" alt="">' if source else ""
    why = escape(printable(row.why)) if row.state in TOLD and row.state != "game" else ""
    faults = "".join(f'<small class="fault">{escape(printable(fault))}</small>' for fault in row.faults)
    meaning = escape(STATES[row.state])
    state = f'<b class="{row.state}" title="{meaning}">{escape(printable(row.label))}</b>'
    state += f"<small>{why}</small>" * bool(why and why not in faults) + faults
    generator, _, other = row.model.partition(" + ")
    texts = "".join(f"<td>{escape(middle_out(text, 48))}" for text in (row.task, row.data, generator))
    texts += f"<small>+ {escape(middle_out(other, 48))}</small>" if other else ""
    numbers = _scores(row) + "".join(_further(row, value) for value in extra)
    last = (
        (row.seconds, "" if row.seconds is None else took(row.seconds)),
        (row.size, bytes_text(row.size)),
        (row.begun, date_text(row.begun)),
        (row.seed, "" if row.seed is None else str(row.seed)),
        (row.steps, steps_text(row)),
    )
    tail = "".join(_number(value, escape(text)) for value, text in last)
    word = f' data-s="{row.state}"' + (" data-f" if row.faults else "")
    first = f"<td data-v>{picture}" if picture else "<td>"
    return f'<tr{word}>{first}<td title="{full}">{link}<td>{state}{texts}{numbers}{tail}\n'


def _scores(row: Row) -> str:
    """Return the cells of main score, best baseline and twin; what is better than both is in colour."""
    score = row.score
    if score is None:
        return "<td><td><td>"
    others = [score.baseline[1]] if score.baseline else []
    others += [] if row.twin is None else [row.twin]
    best = bool(score.sign and others) and all(score.sign * score.number > score.sign * o for o in others)
    heading = escape(printable(score.heading))
    style = ' class="best"' if best else ""
    goodness = (score.sign or 1) * score.number
    cells = f'<td{style} data-v="{goodness:.6g}" data-k="{heading}">{score.text()}<small>{heading}</small>'
    if row.behind:
        cells += f'<small class="behind">behind {escape(middle_out(printable(row.behind), 40))}</small>'
    base = score.baseline
    cells += (
        _number(base[1], f"{score.text(base[1])}<small>{escape(middle_out(base[0], 24))}</small>")
        if base
        else "<td>"
    )
    return cells + ("<td>" if row.twin is None else _number(row.twin, score.text(row.twin)))


def _further(row: Row, wanted: Value) -> str:
    found = next((value for value in row.scores if value.name == wanted.name), None)
    return "<td>" if found is None else _number(found.number, found.text())


def _number(value: float | None, text: str) -> str:
    return "<td>" if value is None else f'<td data-v="{value:.10g}">{text}'


def _link(path: Path, folder: Path) -> str:
    """Return the address of a file relative to the folder of the page."""
    there = os.path.relpath(path, folder)
    return quote(os.fsencode(re.sub(r"^(?=[^/]*:)", "./", there)))
