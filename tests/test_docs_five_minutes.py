"""docs/five_minutes.md: each command answers what stands below it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.answers import PAGE, answer, answers
from tests.own_data import write_all
from tests.pages import blocks

ANSWERS = answers()


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own")
    write_all(folder)
    return folder


@pytest.mark.parametrize(("command", "said"), ANSWERS, ids=[str(n) for n in range(len(ANSWERS))])
def test_a_command_answers_what_stands_below_it(command: str, said: str, here: Path) -> None:
    assert answer(command, here) == said


def test_every_command_has_its_answer() -> None:
    assert [command for command, _ in ANSWERS] == blocks(PAGE.name, "sh")


def test_all_but_the_last_find_no_fault() -> None:
    *good, (_, bad) = ANSWERS
    assert len(good) >= 9 and all("\n0 faults that stop training" in said for _, said in good)
    assert "\nfault: " in f"\n{bad}"
