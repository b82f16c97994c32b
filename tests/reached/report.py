"""Which error messages of src/ no test has reached.

    GANATOMY_REACHED=/tmp/reached make test; .venv/bin/python -m tests.reached.report /tmp/reached

It fails if there is one that tests/unreached.csv does not list, and names the rows that this file needs no
longer. Run it on the code that the tests ran on; an old folder may be kept and added to.
"""

from __future__ import annotations

import argparse
import ast
import csv
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
SRC = ROOT / "src"
LIST = ROOT / "tests/unreached.csv"
CHECKS = {"one_of"}
"""Functions that raise for their caller, whose call is therefore a place of its own."""


class Message(NamedTuple):
    """A message by its file in src/, function and constant words: a line that moves changes none of them."""

    file: str
    function: str
    words: str


class Place(NamedTuple):
    """Where a call begins, and if the error must be made right there or may be by what is called."""

    file: str
    line: int
    column: int
    made: bool


def listed() -> dict[Message, str]:
    """Return the messages known to be unreached, and why they are."""
    rows = csv.DictReader(LIST.read_text(encoding="utf-8").splitlines())
    return {Message(row["file"], row["function"], row["words"]): row["why"] for row in rows}


def messages() -> dict[Message, list[Place]]:
    """Return every message of src/ with the places that make it."""
    texts = {path: path.read_text(encoding="utf-8") for path in sorted(SRC.rglob("*.py"))}
    trees = {path: ast.parse(text) for path, text in texts.items() if "raise " in text or "one_of(" in text}
    errors = {"UserError"}
    for text in texts.values():
        errors.update(re.findall(r"^class (\w+)\(UserError\)", text, re.M))
    functions = (
        node for tree in trees.values() for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)
    )
    makers = {node.name for node in functions if node.returns and ast.unparse(node.returns) in errors}
    found: dict[Message, list[Place]] = {}
    for path, tree in trees.items():
        for message, place in _of_file(path.relative_to(SRC).as_posix(), tree, errors, makers):
            found.setdefault(message, []).append(place)
    return found


def _of_file(
    file: str, tree: ast.Module, errors: set[str], makers: set[str]
) -> Iterator[tuple[Message, Place]]:
    raised = {id(node.exc) for node in ast.walk(tree) if isinstance(node, ast.Raise)}

    def walk(node: ast.AST, above: list[str]) -> Iterator[tuple[Message, Place]]:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            above = [*above, node.name]
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            if name in errors or name in CHECKS or (id(node) in raised and name in makers):
                message = Message(file, ".".join(above), " ".join("".join(_constants(node)).split()))
                yield message, Place(file, node.lineno, node.col_offset, name in errors)
        for child in ast.iter_child_nodes(node):
            yield from walk(child, above)

    yield from walk(tree, [])


def _constants(node: ast.AST) -> Iterator[str]:
    """Yield the texts of a call that stand in its message; what is filled in is an ellipsis."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.FormattedValue):
        yield "…"
    elif isinstance(node, ast.Call):
        for argument in node.args:
            yield from _constants(argument)
            yield " "
    else:
        for child in ast.iter_child_nodes(node):
            yield from _constants(child)


def reached(folder: Path) -> set[Place]:
    """Return the places that the tests reached, as tests/reached/sitecustomize.py noted them."""
    rows = (line.split("\t") for line in (folder / "calls.txt").read_text(encoding="utf-8").splitlines())
    return {Place(file, int(line), int(column), kind == "made") for file, line, column, kind in rows}


def unreached(places: dict[Message, list[Place]], there: set[Place]) -> set[Message]:
    """Return the messages that have a place where no error was made."""
    made = there | {place._replace(made=False) for place in there}
    return {message for message, own in places.items() if not all(place in made for place in own)}


def main() -> None:
    """Compare what was reached with the list."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="the one that GANATOMY_REACHED named")
    parser.add_argument("--room", default="", help="only files of src/ that begin so, such as data/io")
    given = parser.parse_args()
    places = {message: own for message, own in messages().items() if message.file.startswith(given.room)}
    say = sys.stdout.write
    missed, known = unreached(places, reached(given.folder)), set(listed()) & set(places)
    for title, those in (("unreached", missed - known), ("listed, but reached", known - missed)):
        for message in sorted(those):
            lines = ",".join(str(place.line) for place in places[message])
            say(f"{title}: src/{message.file}:{lines} ({message.function}): {message.words}\n")
    say(f"{len(places)} messages, {len(missed)} unreached, of which {len(missed & known)} are known\n")
    sys.exit(bool(missed - known))


if __name__ == "__main__":
    main()
