"""Names are shown as they are: no markup, no emoji code and no terminal escape of a name has an effect."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.table import Table

from ganatomy.data.problems import told_once
from ganatomy.data.quality.page import grid, listed
from ganatomy.data.quality.page import page as check_page
from ganatomy.data.records import Fault, Record
from ganatomy.launch.command import command
from ganatomy.pictures.figures import cases, history
from ganatomy.pictures.markup import facts, folded, scores, section
from ganatomy.pictures.scores import table
from ganatomy.pictures.table import score_table
from ganatomy.runs.console import print_status
from ganatomy.runs.terminal import Terminal

NAMES = [
    "[red]x[/red]", "[/]", "[link=http://x]y[/link]", "[bold", ":smile:", "\x1b[31mred\x1b[0m",
    "\x1b]0;title\x07", "a\u202eb", "<b>x</b>", "a\rb", "\x9b31m",
]  # fmt: skip
TAGS = ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "' onclick='x", "</style><b>"]


def drawn(what: Any) -> str:
    terminal = Terminal()
    terminal.file, terminal._force_terminal, terminal.width = io.StringIO(), True, 200
    terminal.print(what)
    return terminal.file.getvalue()


def harmless(name: str, text: str) -> bool:
    """The name stands there, its hidden characters spelt out, and only Rich's own styles are escapes."""
    spelt = "".join(ascii(c)[1:-1] if c in "\x1b\x07\u202e\r\x9b" else c for c in name)
    raw = ("\x1b[31m", "\x1b]", "\u202e", "\r", "\x9b", "\x07")
    return spelt in text and not any(sign in text for sign in raw)


@pytest.mark.parametrize("name", NAMES)
def test_a_name_on_the_terminal(name: str, capsys: Any) -> None:
    cells = Table(title=name)
    cells.add_column(name)
    cells.add_row(name)
    for text in (
        drawn(name),
        drawn(cells),
        drawn(score_table({f"test/dice/{name}": 0.5, "test/dice/b": 0.1})),
    ):
        assert harmless(name, text), text
    print_status(name)
    assert harmless(name, capsys.readouterr().err.removesuffix("\n"))
    (told,) = told_once([Fault("case", "kind", f"{name}: a fault")])
    assert harmless(name, told)


def test_the_line_of_a_mistake_spells_out_escapes(monkeypatch: Any, capsys: Any) -> None:
    monkeypatch.setattr("sys.argv", ["check", "data.root=\x1b[31mx"])
    with pytest.raises(SystemExit) as left:
        command("check")(lambda cfg: None)()
    said = capsys.readouterr().err
    assert left.value.code == 2 and "\x1b" not in said and said.startswith("error")


@pytest.mark.parametrize("name", TAGS)
def test_a_tag_in_a_name_is_text_on_a_page(name: str) -> None:
    parts = [
        section(name, facts([name]) + folded(name, name)),
        scores(table({f"test/dice/{name}": 0.5, "test/dice/b": 0.4, f"baseline/{name}/dice/b": 0.1})),
        check_page(name, {name: listed([Fault(name, name, name)]) + grid([name], [[name]])}),
    ]
    for page in parts:
        bare = page.replace("</style>", "", 1)
        assert name not in bare and "<script" not in bare and "<img" not in bare and "<b>" not in bare


@pytest.mark.parametrize("name", ["$\\frac$", "a$b$c", "$", "_x", "[red]"])
def test_a_formula_in_the_name_of_a_class_is_drawn_as_text(name: str) -> None:
    assert cases([{f"dice/{name}": "0.5"}], "dice")
    assert history([{"step": "1", f"loss/generator/{name}": "1", "loss/generator/b": "2"}])


def test_names_with_hidden_characters_are_faults() -> None:
    from ganatomy.data.quality.leaks import leaks

    faults = leaks([Record("a\nb", "s"), Record("c", "s\x1b"), Record("plain", "Ü [red]")])
    assert [str(fault) for fault in faults if fault.kind == "hidden character"] == [
        '"a\nb": the name has the hidden character \\n; rename it',
        '"s\\x1b": the subject has the hidden character \\x1b; rename it',
    ]
