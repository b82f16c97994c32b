"""Old names in a sweep's file: a study that was begun with them goes on, and runs get today's."""

from __future__ import annotations

import pytest

from ganatomy.config import renamed, translate
from ganatomy.errors import UserError
from ganatomy.sweeps.plan import read_plan, try_space
from tests.sweeps.conftest import settings

OLD, NEW = "trainer.look", "trainer.val_every"
SPACE = {"trainer.max_steps": [8, 16], OLD: {"choices": [2, 4], "when": {"trainer.max_steps": 8}}}


@pytest.fixture(autouse=True)
def planted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renamed, "MOVED_KEYS", {NEW: OLD, "trainer.log_every": "trainer.note"})
    monkeypatch.setattr(translate, "_announced", set())


def test_an_old_key_that_varies_and_one_that_is_fixed(capsys: pytest.CaptureFixture[str]) -> None:
    plan = read_plan(settings(space=SPACE, train=["logger=csv", "trainer.note=3"]), [], [])
    try_space(plan)
    assert plan.words({"trainer.max_steps": 8, OLD: 2}) == [
        "logger=csv",
        "trainer.log_every=3",
        "trainer.max_steps=8",
        f"{NEW}=2",
    ]
    assert list(plan.identity()["space"]) == list(SPACE), "what the study is known by"
    assert capsys.readouterr().err.splitlines() == [
        "trainer.note: renamed to trainer.log_every",
        f"space.{OLD}: renamed to {NEW}",
    ]


def test_the_command_line_wins_over_the_file() -> None:
    """By either name: the two are other places."""
    plan = read_plan(settings(train=["logger=csv", f"{OLD}=3"]), [f"{NEW}=2"], [])
    assert plan.val_every == 2


def test_both_names_in_one_place_are_refused() -> None:
    with pytest.raises(UserError, match=rf"^space: {OLD}: is called {NEW} now, which is given too"):
        read_plan(settings(space={**SPACE, NEW: [1]}), [], [])
    with pytest.raises(UserError, match=f"^train: {OLD}: is called {NEW} now"):
        read_plan(settings(train=[f"{OLD}=3", f"{NEW}=2"]), [], [])
    with pytest.raises(UserError, match=rf"^space\.{OLD}: is set already"):
        try_space(read_plan(settings(space=SPACE, train=["logger=csv", f"{NEW}=2"]), [], []))
