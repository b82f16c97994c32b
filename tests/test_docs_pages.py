"""The list of pages is whole; the glossary and CONTRIBUTING name what is there."""

from __future__ import annotations

import re

from tests.conftest import ROOT
from tests.pages import DOCS

GLOSSARY = (DOCS / "glossary.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def test_the_index_links_every_page() -> None:
    links = re.findall(r"\]\(([\w/.]+\.md)\)", (DOCS / "index.md").read_text(encoding="utf-8"))
    assert all((DOCS / link).is_file() for link in links)
    assert {path.name for path in DOCS.glob("*.md")} - {"index.md"} == {
        link for link in links if "/" not in link
    }


def test_every_word_of_the_glossary_has_one_meaning_and_a_place() -> None:
    rows = [line.strip("| ").split(" | ") for line in GLOSSARY.splitlines() if line.startswith("| ")]
    rows = [row for row in rows if row[0] not in ("word", "---")]
    words = [word.strip() for row in rows for word in row[0].split(",")]
    assert len(words) > 60 and len(words) == len(set(words))
    for word, meaning, where in rows:
        assert meaning.endswith(".") and len(re.findall(r"[.!?] [A-Z]", meaning)) < 3, word
        places = re.findall(r"`([^`]+)`", where)
        assert places and all((ROOT / place).exists() for place in places), word


def test_contributing_names_what_is_there() -> None:
    for link in re.findall(r"\]\((?!http)([^)#]+)", CONTRIBUTING):
        assert (ROOT / link).is_file(), link
    for targets in re.findall(r"`make ([a-z -]+)`", CONTRIBUTING):
        for target in targets.split():
            assert re.search(rf"^{target}:", MAKEFILE, re.M), target
    tests = {word for word in re.findall(r"(?:src|tests)/[\w/.]+", CONTRIBUTING) if not word.endswith(".")}
    assert not [path for path in sorted(tests) if not (ROOT / path).exists()]
