"""Help that fits the terminal: two columns stay beside each other while there is room."""

from __future__ import annotations

import io
import itertools
import re
import shutil
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

ROOM = 24
"""Columns that a comment needs beside what it explains."""
PAIR = re.compile(r"( *)(\S.*?)( {2,})(\S.*)")
"""Line of help with two columns."""
COMMAND = re.compile(r" +(?:ganatomy|python|eval) |Usage: ")
"""Beginning of a line to type, which is never broken."""
LIST = re.compile(r"[a-z/]+: ")
"""Beginning of a line that lists the choices of a group."""
LONG = 90
"""Characters of a line of prose that goes on in the next one."""


class Line(NamedTuple):
    """A line of help.

    Attributes:
        text: What stands alone in it, or in its first column, with the indentation.
        comment: Second column; empty without one.
        column: Where the second column begins; 0 without one.
    """

    text: str
    comment: str = ""
    column: int = 0


@contextmanager
def fitted() -> Iterator[None]:
    """Fold the help that is printed meanwhile to the width of the terminal; nothing else is touched."""
    if not {"--help", "-h", "help"} & set(sys.argv[1:]) or not sys.stdout.isatty():
        yield
        return
    terminal, sys.stdout = sys.stdout, io.StringIO()
    try:
        yield
    finally:
        written, sys.stdout = sys.stdout.getvalue(), terminal
        terminal.write(folded(written, shutil.get_terminal_size().columns))


def folded(text: str, width: int) -> str:
    """Return a text of help with no line wider than `width` columns, but for single words and commands.

    Args:
        text: Lines; two spaces and more part a first column from a comment.
        width: Columns of the terminal.

    >>> folded("  data=DIR   where the images are", 26).splitlines()
    ['  data=DIR', '      where the images are']
    """
    lines = _lines(text)
    folded_lines = []
    for column, group in itertools.groupby(lines, key=lambda line: line.column):
        block = list(group)
        fits = all(column + len(line.comment) <= width for line in block)
        beside = column and (fits or column + ROOM <= width)
        folded_lines += [_beside(line, width) if beside else _under(line, width) for line in block]
    return "\n".join(folded_lines)


def _lines(text: str) -> list[Line]:
    """Part the lines into columns; what was folded under a comment before joins it again."""
    found: list[Line] = []
    for line in text.split("\n"):
        indent = len(line) - len(line.lstrip())
        pair = PAIR.fullmatch(line)
        if found and found[-1].column and indent == found[-1].column:
            last = found[-1]
            found[-1] = last._replace(comment=f"{last.comment} {line.strip()}")
        elif found and _goes_on(found[-1].text, line):
            found[-1] = Line(f"{found[-1].text} {line}")
        elif pair and not line.strip().startswith("Usage:"):
            found.append(Line(pair[1] + pair[2], pair[4], pair.start(4)))
        else:
            found.append(Line(line))
    return found


def _goes_on(before: str, line: str) -> bool:
    """Return True for a line of prose that ends the sentence of the line before."""
    return line[:1].islower() and before[:1].isalpha() and len(before) > LONG and not LIST.match(line)


def _beside(line: Line, width: int) -> str:
    first = f"{line.text:<{line.column}}"
    return _fill(line.comment, width, first, " " * line.column)


def _under(line: Line, width: int) -> str:
    indent = " " * (len(line.text) - len(line.text.lstrip()))
    if line.comment:
        return f"{line.text}\n{_fill(line.comment, width, indent + '    ', indent + '    ')}"
    if COMMAND.match(line.text) or len(line.text) <= width:
        return line.text
    return _fill(line.text.strip(), width, indent, indent + "  " * bool(LIST.match(line.text)))


def _fill(text: str, width: int, first: str, others: str) -> str:
    return textwrap.fill(
        text,
        width,
        initial_indent=first,
        subsequent_indent=others,
        break_long_words=False,
        break_on_hyphens=False,
    )
