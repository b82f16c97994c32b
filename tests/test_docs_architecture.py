"""docs/architecture.md names what is there: every room once, every file, and who may import whom."""

from __future__ import annotations

import re

import pytest

from tests.conftest import ROOT
from tests.pages import DOCS
from tests.test_imports import KNOWS

PAGE = (DOCS / "architecture.md").read_text(encoding="utf-8")
DRAWING = (DOCS / "images/architecture.svg").read_text(encoding="utf-8")
ROOMS = {path.parent for path in (ROOT / "src").rglob("*.py")}


def section(title: str) -> str:
    return PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]


def rows(title: str) -> list[list[str]]:
    """The cells of a section's table, without its head."""
    lines = [line for line in section(title).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def words(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def test_every_room_is_described_once() -> None:
    described = [words(row[0])[0] for row in rows("The rooms")]
    there = {f"{path.relative_to(ROOT).as_posix()}/" for path in ROOMS}
    assert sorted(described) == sorted(there)


def test_files_named_in_a_room_are_in_it() -> None:
    for room, text in rows("The rooms"):
        folder = ROOT / words(room)[0]
        missing = [name for name in words(text) if name.endswith(".py") and not (folder / name).is_file()]
        assert not missing, room


def test_every_path_exists() -> None:
    paths = {word for word in words(PAGE) if re.fullmatch(r"(src|conf|tests|docs)/[\w./]*", word)}
    assert len(paths) > 60
    assert not [path for path in sorted(paths) if not (ROOT / path).exists()]


def test_the_drawing_has_the_rooms_and_files() -> None:
    names = set(re.findall(r'class="name"[^>]*>([^<]+)<', DRAWING))
    assert names - {"train · check · sweep · experiment"} == set(KNOWS)
    for text in re.findall(r'class="file"[^>]*>([^<]+)<', DRAWING):
        for name in text.replace("&lt;task&gt;", "segmentation").split(", "):
            assert list((ROOT / "src").glob(name)), name


def allowed() -> dict[str, set[str]]:
    """Room -> what the page lets it import from."""
    every = set(KNOWS)
    found: dict[str, set[str]] = {}
    for rooms, others, *_ in rows("The floors"):
        names, listed = words(rooms), set(words(others))
        if others.startswith("all but"):
            listed = every - listed - set(names)
        elif others.startswith("what"):
            listed = found["tasks"] - {"optim"} | (listed - {"optim"})
        found |= dict.fromkeys(names, listed)
    return found


@pytest.mark.parametrize("room", KNOWS)
def test_the_floors_are_those_of_the_test(room: str) -> None:
    assert allowed()[room] == KNOWS[room]


def test_twelve_questions_have_twelve_answers() -> None:
    questions, answers = section("Where is it answered?").split("<details>")
    numbered = [re.findall(r"^(\d+)\. ", text, re.M) for text in (questions, answers)]
    assert numbered[0] == numbered[1] == [str(number) for number in range(1, 13)]
    above = PAGE.split("<details>")[0]
    for path in re.findall(r"`src/([\w/.]+)`", answers):
        assert path.split("/")[-1] in above, f"{path} is an answer, and the page says nothing of it before"
