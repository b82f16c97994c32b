"""Help on narrow terminals: nothing is cut or lost, commands stay whole, pipes get it as it is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ganatomy.text.folding import folded
from tests.commands import environment

pytestmark = pytest.mark.skipif(os.name != "posix", reason="terminals of Windows are another thing")

HELP = """Read a data set once and say what is in it.

Usage: tool check [key=value] ...

data: first, second, third

  --key        what it means, in some words that need room
               and a second line
  --other=1    short

Examples:
  ganatomy train task=segmentation data=folder   a line to type
"""


def test_wide_enough_is_left_alone() -> None:
    """No line is touched that fits, but for comments that were folded before."""
    lines = [line for line in HELP.splitlines() if "room" not in line and "second line" not in line]
    assert [line for line in folded(HELP, 200).splitlines() if "room" not in line] == lines


@pytest.mark.parametrize("width", [40, 60, 80])
def test_no_word_is_lost_and_no_line_too_wide(width: int) -> None:
    lines = folded(HELP, width).splitlines()
    assert " ".join(lines).split() == HELP.split()
    assert [line for line in lines if len(line) > width] == (
        ["  ganatomy train task=segmentation data=folder"] if width < 46 else []
    )


def test_comments_stand_beside_or_under() -> None:
    """A column of 24 and more holds comments; else they stand under what they explain."""
    assert "  --key        what it means, in some words\n               that need room" in folded(HELP, 44)
    assert "  --key\n      what it means, in some\n" in folded(HELP, 30)
    assert "data=folder\n      a line to type" in folded(HELP, 60)
    assert "data: first, second,\n  third" in folded(HELP, 20)
    groups = "data: " + "another, " * 12 + "last\nmodel: one, two\n"
    assert folded(groups, 60).splitlines()[-1] == "model: one, two", "a group of its own, not prose"


def test_prose_goes_on_over_its_lines() -> None:
    prose = "A sentence of many words " + "and more of them " * 5 + "that its writer\nended a line below.\n"
    assert folded(prose, 50).splitlines()[-1].endswith("a line below.")
    assert all(len(line) > 35 for line in folded(prose, 50).splitlines()[:-1])


@pytest.mark.parametrize("verb", [[], ["check"]])
def test_in_a_terminal_of_sixty_columns(verb: list[str], tmp_path: Path) -> None:
    """The commands themselves, in a terminal: as one line for each is for a pipe."""
    line = [sys.executable, "-m", "ganatomy", *verb, "--help"]
    piped = subprocess.run(line, env=environment(), cwd=tmp_path, capture_output=True, text=True, check=True)
    ours, theirs = os.openpty()
    columns = {**environment(), "COLUMNS": "60"}
    with subprocess.Popen(line, env=columns, cwd=tmp_path, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        written = b""
        while chunk := _read(ours):
            written += chunk
    os.close(ours)
    assert process.returncode == 0
    lines = written.decode().splitlines()
    assert " ".join(lines).split() == piped.stdout.split()
    assert max(len(line) for line in piped.stdout.splitlines()) > 80, "a pipe has no width"
    assert not [
        line for line in lines if len(line) > 60 and not line.lstrip().startswith(("ganatomy", "python"))
    ]


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # the other side is closed
        return b""
