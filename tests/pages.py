"""Code blocks of the pages in docs/, so that tests run what readers copy."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

DOCS = Path(__file__).resolve().parents[1] / "docs"


def blocks(page: str, language: str) -> list[str]:
    """Return the contents of the fenced blocks of one language, in order."""
    text = (DOCS / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.S | re.M)


def files(page: str, *languages: str) -> dict[str, str]:
    """Return the blocks that name their file in a first line `# path/of/file`, by that path."""
    named = {}
    for block in (block for language in languages for block in blocks(page, language)):
        first, _, content = block.partition("\n")
        if found := re.fullmatch(r"# ([\w./]+\.(?:py|yaml))", first):
            named[found[1]] = content.lstrip("\n")
    return named


def commands(page: str) -> list[str]:
    """Return the commands of the page's sh blocks, without those that set variables."""
    lines = [line for block in blocks(page, "sh") for line in block.splitlines()]
    return [line for line in lines if not line.startswith("export ")]


def answers(page: str) -> list[tuple[str, str]]:
    """Return (command, what it answers) of the page's console blocks."""
    found = []
    for block in blocks(page, "console"):
        for part in re.split(r"^\$ ", block, flags=re.M)[1:]:
            command, _, answer = part.partition("\n")
            found.append((command, answer))
    return found


class Block(NamedTuple):
    """A fenced block of a page.

    Attributes:
        page: Name of its file.
        number: Its number on the page, from 1.
        language: What stands behind the fence.
        content: What is in it.
        reason: Why no test runs it, a word of docs/not_run.md; "" if one does.
    """

    page: str
    number: int
    language: str
    content: str
    reason: str


def fenced(path: Path) -> list[Block]:
    """Return all blocks of a page, in order; `<!-- not run: REASON -->` above a fence is the reason."""
    found = re.findall(
        r"(?:^<!-- not run: (\w+) -->\n)?^```(\w*)\n(.*?)^```$",
        path.read_text(encoding="utf-8"),
        re.S | re.M,
    )
    return [
        Block(path.name, n, language, content, reason)
        for n, (reason, language, content) in enumerate(found, 1)
    ]
