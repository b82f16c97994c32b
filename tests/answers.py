"""docs/five_minutes.md: `python -m tests.answers` writes what its commands answer today."""

from __future__ import annotations

import re
import shlex
import sys
import tempfile
from pathlib import Path

from tests import commands
from tests.own_data import write_all
from tests.pages import DOCS

PAGE = DOCS / "five_minutes.md"
BLOCK = re.compile(
    r"(?P<head>^```sh\n(?P<command>(?:(?!```).*\n)+)```\n(?:(?!```).*\n)*```text\n)(?P<said>(?:(?!```).*\n)*)(?=```)",
    re.M,
)
"""A command and, in the next block, what it answers."""


def answer(command: str, folder: Path) -> str:
    """Return what a command of the page prints on a terminal of 100 columns, without its last empty lines."""
    program, *words = shlex.split(command.replace("\\\n", " "))
    assert program == "ganatomy", command
    secret = folder / "secret"
    if not secret.exists():
        secret.write_text("0123456789abcdef" * 4)
        secret.chmod(0o600)
    env = commands.environment(
        COLUMNS="100", GANATOMY_SECRET=str(secret), GANATOMY_CACHE=str(folder / "cache")
    )
    done = commands.run([sys.executable, "-m", "ganatomy", *words], folder, env)
    lines = [line.rstrip() for line in (done.stdout + done.stderr).splitlines()]
    return "\n".join(lines).strip("\n") + "\n"


def answers() -> list[tuple[str, str]]:
    """Return (command, what it answers) of the page."""
    return [(found["command"], found["said"]) for found in BLOCK.finditer(PAGE.read_text(encoding="utf-8"))]


def written_anew(text: str, folder: Path) -> str:
    """Return the page with the answers replaced."""
    return BLOCK.sub(lambda found: found["head"] + answer(found["command"], folder), text)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        write_all(Path(place))
        PAGE.write_text(written_anew(PAGE.read_text(encoding="utf-8"), Path(place)), encoding="utf-8")
