"""The lists and tables of the campaign: complete, and unable to call a miss a hit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import _game_tables
from benchmarks._game_lists import FAILED, HEALTHY, TAKEN_BACK
from benchmarks._game_tables import MARKS, alarmed, outcome, right, swd, tables, write
from ganatomy.guard.events import ADVICE

ROOT = Path(__file__).resolve().parents[2]
TASKS = {path.stem for path in (ROOT / "conf/task").glob("*.yaml")}
MODELS = {path.stem for path in (ROOT / "conf/model").glob("*.yaml")}


def test_the_games_are_enough_and_all_tasks_and_models_play() -> None:
    shown = [game for game in FAILED if not game.held_out]
    assert len(shown) >= 20 and len({game.task for game in shown}) >= 4
    assert len({game.name for game in FAILED}) == len(FAILED)
    assert all(game.names and game.names <= set(ADVICE) for game in FAILED)  # names that the guard has
    healthy = [game for game in HEALTHY if not game.held_out]
    assert len(healthy) >= 30 and len({game.name for game in HEALTHY}) == len(HEALTHY)
    assert {game.task for game in healthy} == TASKS and {game.model for game in healthy} == MODELS
    assert len(TAKEN_BACK) == 8 and set(TAKEN_BACK) <= {game.name for game in shown}


def test_some_games_are_held_out() -> None:
    assert sum(game.held_out for game in FAILED) >= 5 and sum(game.held_out for game in HEALTHY) >= 10


@pytest.mark.parametrize(
    ("exit_code", "game", "good"),
    [
        (3, "weights_thrown", True),
        (2, "not_finite", True),
        (0, "weights_thrown", False),
        (3, "healthy", False),
        (3, "few_images", False),
        (1, "weights_thrown", False),
        (None, None, False),
    ],
)
def test_a_name_is_right_only_with_the_exit_code_of_a_failed_game(
    exit_code: int | None, game: str | None, good: bool
) -> None:
    wanted = next(game for game in FAILED if game.name == "rates_x100")
    assert right(wanted, {"exit": exit_code, "game": game}) is good


@pytest.mark.parametrize(
    ("found", "alarm"),
    [
        ({"exit": 0, "game": "healthy", "events": []}, False),
        ({"exit": 0, "game": "healthy", "events": [{"name": "overfitting", "fatal": False}]}, False),
        ({"exit": 0, "game": "healthy", "events": [{"name": "collapse", "fatal": True}]}, True),
        ({"exit": 3, "game": "collapse", "events": []}, True),
        ({"exit": 2, "game": None, "events": None}, True),
        ({"exit": None, "game": None, "events": None}, True),
    ],
)
def test_an_alarm_is_a_fatal_event_or_another_end(found: dict[str, Any], alarm: bool) -> None:
    assert alarmed(found) is alarm


def planted(place: Path, exit_code: int, **status: object) -> None:
    """Write what is read of a run."""
    place.mkdir(parents=True)
    (place / "outcome.json").write_text(json.dumps({"exit": exit_code, "seconds": 1.0, "words": []}))
    (place / "status.json").write_text(json.dumps({"status": "done", **status}))


def test_tables_go_between_the_marks_and_nowhere_else(tmp_path: Path) -> None:
    event = {"name": "weights_thrown", "step": 20, "fatal": True}
    planted(tmp_path / "failed/rates_x100", 3, game="weights_thrown", events=[event])
    planted(tmp_path / "failed/d_rate_0", 0, game="healthy", events=[])
    planted(tmp_path / f"healthy/{HEALTHY[0].name}", 0, game="healthy", events=[])
    back = {"event": "weights_thrown", "step": 20, "back_to": 0, "key": "k", "before": 0.04, "after": 0.004}
    planted(tmp_path / "rollback/rates_x100", 0, game="healthy", events=[event], rollbacks=[back])
    (tmp_path / "rollback/rates_x100/metrics.csv").write_text(
        "step,test/swd,baseline/mean/swd\n150,90.0,400.0\n"
    )
    text = tables(tmp_path, ("failed", "healthy", "rollback"))
    assert "1 of 2 named rightly" in text and "| weights_thrown | weights_thrown (20) | yes |" in text
    assert "**no** (wanted: discriminator_frozen)" in text and "an alarm in 0 of 1" in text
    assert f"{len(FAILED) - 2} of {len(FAILED)} not played yet" in text
    assert "1 of 1 end better" in text and "k 0.04 → 0.004 (weights_thrown, step 20 → 0)" in text
    page = tmp_path / "page.md"
    page.write_text(f"# Page\n\n{MARKS[0]}\nthe last table\n{MARKS[1]}\n\nBelow.\n")
    write(text, page)
    write(text, page)
    assert page.read_text().startswith("# Page\n") and page.read_text().endswith(f"{MARKS[1]}\n\nBelow.\n")
    assert text in page.read_text() and "the last table" not in page.read_text()
    page.write_text("# Page\n")
    with pytest.raises(SystemExit, match="needs one line"):
        write(text, page)


def test_a_run_that_was_not_made_is_no_outcome(tmp_path: Path) -> None:
    assert outcome(tmp_path) is None and swd(tmp_path) == (None, None)


def test_the_page_has_the_place_of_the_tables() -> None:
    assert all(_game_tables.PAGE.read_text(encoding="utf-8").count(mark) == 1 for mark in MARKS)
