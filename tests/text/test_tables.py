"""Cells that a spreadsheet would run are escaped, and every text comes back as it was."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ganatomy.data.io.text_tables import rows_of
from ganatomy.errors import UserError
from ganatomy.text.tables import csv_rows, csv_text, escaped, restored

SRC = Path(__file__).resolve().parents[2] / "src"
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
FORMULAS = [
    "=1+1", "+1+1", "-1+1", "@SUM(A1)", "=HYPERLINK(\"http://x\")", "\t=1", "\r=1",
    "\n=1", "\tx", "\rx", "\nx",
    " =1", "\u00a0=1", "\u200b=1", "\ufeff=1", "\u202e=1", "＝1", "＋1", "－1+1", "＠A",
    "﹦1", "-", "--1", "'=1", "''@",
]  # fmt: skip
NUMBERS = ["-0.5", "+1e-3", "nan", "-inf", "inf", "0", "-1", "1.", "-.5", "1E+10"]


def runs(cell: str) -> bool:
    """Spreadsheets take a cell for a formula by its first character, blanks and what is invisible aside."""
    return bool(re.match(r"[\s\u200b\ufeff\u202e]*[=+\-@＝＋－＠﹦]|[\t\r\n]", cell))


@pytest.mark.parametrize("cell", FORMULAS)
def test_a_formula_is_text(cell: str) -> None:
    _, (written,) = csv.reader(io.StringIO(csv_text(["a"], [{"a": cell}]), newline=""))
    assert not runs(written) and restored(written) == cell


@pytest.mark.parametrize("cell", [*NUMBERS, "case-1", "a=b", "'quoted'", "", "Ünal", "1-2"])
def test_numbers_and_plain_text_stay(cell: str) -> None:
    assert escaped(cell) == cell
    if cell in NUMBERS:
        assert escaped(float(cell)) == str(float(cell))


@given(st.lists(st.tuples(TEXT, TEXT), min_size=1), TEXT)
@example([("a\nb", "a\rb"), ("'", '"'), ("'=", "a\r\nb")], "=x")
@example([("", "")], "")
def test_every_text_comes_back(rows: list[tuple[str, str]], column: str) -> None:
    names = [column, f"{column}2"]
    table = [dict(zip(names, row, strict=True)) for row in rows]
    text = csv_text(names, table)
    assert csv_rows(text) == table
    cells = [cell for line in csv.reader(io.StringIO(text, newline="")) for cell in line]
    number = re.compile(r"[+-]?[\d.]+(e[+-]?\d+)?|[+-]?(inf|nan)", re.I)
    assert not [cell for cell in cells if runs(cell) and not number.fullmatch(cell)]


def test_a_table_of_the_user_is_restored(tmp_path: Path) -> None:
    path = tmp_path / "index.csv"
    path.write_text(csv_text(["image", "kind"], [{"image": "a.png", "kind": "=x"}]))
    assert rows_of(path, "table") == [(2, {"image": "a.png", "kind": "=x"})]


def test_a_cell_of_no_column_is_refused() -> None:
    with pytest.raises(ValueError, match="no such column: b"):
        csv_text(["a"], [{"b": 1}])


def test_nothing_else_writes_csv() -> None:
    """A writer of its own would escape nothing."""
    own = re.compile(r"csv\.(writer|DictWriter)|\.to_csv\(|savetxt\(")
    found = {path.relative_to(SRC).as_posix() for path in SRC.rglob("*.py") if own.search(path.read_text())}
    assert found == {"text/tables.py"}


def test_names_with_hidden_characters_are_refused(tmp_path: Path) -> None:
    from ganatomy.data.sources.table import Table

    for cell, sign in (("a\nb.png", r"\n"), ("a\x1b[31m.png", r"\x1b"), ("a\u202egnp.png", r"\u202e")):
        (tmp_path / "index.csv").write_text(csv_text(["image"], [{"image": cell}]))
        with pytest.raises(UserError) as refused:
            Table(root=str(tmp_path)).records()
        assert str(refused.value) == (
            f"index.csv, row 2: its image holds the hidden character {sign}; remove it"
        )
