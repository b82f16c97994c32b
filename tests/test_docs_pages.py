"""The list of pages is whole, links lead somewhere; the glossary and CONTRIBUTING name what is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

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


def prose(path: Path) -> str:
    """A page without its blocks and without code in its lines."""
    text = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.S | re.M)
    return re.sub(r"``.+?``|`[^`\n]*`", "", text)


def anchors(path: Path) -> set[str]:
    """The anchors that GitHub, and our site, give the headings of a page."""
    text = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.S | re.M)
    found: dict[str, int] = {}
    for heading in re.findall(r"^#+ (.+)$", text, re.M):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
        slug = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        found[slug] = found.get(slug, -1) + 1
    return {slug if n == 0 else f"{slug}-{n}" for slug, last in found.items() for n in range(last + 1)}


WRITTEN = [
    *ROOT.glob("*.md"),
    *DOCS.glob("*.md"),
    *(
        path
        for place in ("experiments", "findings", "benchmarks", "examples")
        for path in (ROOT / place).rglob("*.md")
    ),
]


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_and_anchor_of_a_page_is_there(path: Path) -> None:
    for place, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]*))?\)", prose(path)):
        target = (path.parent / place).resolve() if place else path
        assert target.exists(), place
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target), f"{place}#{anchor}"


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_rows_of_a_table_have_as_many_cells_as_its_head(path: Path) -> None:
    """A bar within a cell begins another, and cells beyond the head are dropped."""
    text = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.S | re.M)
    for table in re.findall(r"(?:^\|.*\n)+", text, re.M):
        head, *rows = table.splitlines()
        bars = len(re.findall(r"(?<!\\)\|", head))
        assert not [row for row in rows if len(re.findall(r"(?<!\\)\|", row)) != bars]


def test_an_anchor_is_that_of_github() -> None:
    assert {"what-g-really-minimises", "the-shared-step-and-why-it-is-exact"} <= anchors(DOCS / "game.md")
    assert "ensembles-and-doubt" in anchors(DOCS / "after.md")


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
