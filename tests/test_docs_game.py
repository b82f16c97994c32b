"""docs/game.md and docs/tasks.md name what there is, with its papers; the example of the game is run."""

from __future__ import annotations

import contextlib
import io
import re

from ganatomy import LOSSES, PENALTIES
from ganatomy.adversarial import UPDATES
from tests.conftest import ROOT
from tests.pages import DOCS, blocks

GAME = (DOCS / "game.md").read_text(encoding="utf-8")
TASKS = (DOCS / "tasks.md").read_text(encoding="utf-8")


def first_cells(text: str, head: str) -> list[str]:
    """The names in the first column of the table whose head begins so."""
    table = text.split(f"\n| {head}")[1].split("\n\n")[0]
    return [name for row in table.splitlines()[2:] for name in re.findall(r"`([^`]+)`", row.split(" | ")[0])]


def test_the_example_prints_what_stands_below() -> None:
    (example,), (said,) = blocks("game.md", "python"), blocks("game.md", "text")
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(example, "<docs/game.md>", "exec"), {"__name__": "__main__"})
    assert out.getvalue() == said


def test_every_loss_penalty_and_order_is_explained() -> None:
    assert set(first_cells(GAME, "`model.adversarial.loss=")) == set(LOSSES)
    assert set(first_cells(GAME, "`model.adversarial.penalties=")) == set(PENALTIES)
    assert set(first_cells(GAME, "`update=")) == set(UPDATES)
    rows = {row.split("`")[1]: row for row in GAME.splitlines() if row.startswith("| `")}
    for name, loss in LOSSES.items():
        assert (" | yes | " in rows[name]) == bool(loss.zero_sum), name


def test_the_papers_named_are_those_of_the_code() -> None:
    folders = (ROOT / "src/adversarial", ROOT / "src/tasks/synthesis/methods")
    code = "".join(path.read_text(encoding="utf-8") for folder in folders for path in folder.rglob("*.py"))
    for number in set(re.findall(r"\b\d{4}\.\d{5}\b", GAME)):
        assert number in code, number


def test_every_model_is_in_the_table_with_the_paper_that_its_file_names() -> None:
    assert sorted(first_cells(TASKS, "`model=`")) == sorted(
        path.stem for path in (ROOT / "conf/model").glob("*.yaml")
    )
    for row in TASKS.split("\n## Models")[1].split("\n## ")[0].splitlines():
        name = re.match(r"\| `(\w+)`", row)
        for number in re.findall(r"\b\d{4}\.\d{4,5}\b", row) if name else []:
            head = (ROOT / f"conf/model/{name[1]}.yaml").read_text(encoding="utf-8")
            assert number in head, f"{name[1]}: {number}"
