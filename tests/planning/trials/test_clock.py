"""Times of a trial's steps, against made-up runs whose mean step is known."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ganatomy.config.resolve import validate
from ganatomy.planning.trials import clock as clocks
from ganatomy.planning.trials.clock import STEPS, WARM, Clock, period_of, shortened, usual
from ganatomy.training import build
from tests.conftest import composed

PHASES = ["task=anomaly", "data.subjects=6", "data.size=32", "data.slices=2", "trainer.max_steps=300"]


def test_a_step_is_the_mean_over_a_period() -> None:
    every_fourth = [9.0 if step % 4 == 0 else 1.0 for step in range(WARM, WARM + 12)]
    assert usual(every_fourth, 4) == pytest.approx((9 + 3 * 1) / 4)
    assert usual(every_fourth[:11], 4) == pytest.approx((9 + 3 * 1) / 4), "a last period that was cut"
    assert usual([2.0, 4.0], 16) == 3.0
    assert usual([1.0] * 19 + [50.0], 1) == 1.0, "others' work made one slow"


def built(*words: str, tiny: bool = True) -> tuple[Any, Any]:
    cfg = validate(composed(*words, tiny=tiny))
    data = build.build_data(cfg)
    data.setup()
    cfg = build.complete(cfg, data)
    return cfg, build.build_task(cfg, data.mask_classes)


def test_the_period_is_that_of_all_penalties_together() -> None:
    game = ["task=segmentation", "model.adversarial.penalties=[{name: r1, every: 4}, {name: r2, every: 6}]"]
    assert period_of(built(*game)[1]) == 12
    assert period_of(built("task=segmentation")[1]) == 1


def test_each_phase_counts_by_its_share_of_the_run() -> None:
    cfg, task = built(*PHASES, "task.method.share=0.75", tiny=False)
    shares = shortened(task, cfg.trainer.max_steps)
    first = cfg.trainer.max_steps * 0.75
    assert shares == pytest.approx([0.75, 0.25])
    assert task.phases[0].until == WARM + STEPS < first
    assert shortened(SimpleNamespace(), 9) == [1.0]  # type: ignore[arg-type]


def test_a_run_of_two_phases_is_timed_in_both(monkeypatch: pytest.MonkeyPatch) -> None:
    """0.3 s a step in three quarters of a run, 0.6 s in the rest; the first steps of each are slower."""
    now = [0.0]
    monkeypatch.setattr(clocks, "time", SimpleNamespace(monotonic=lambda: now[0]))
    found, trainer = Clock([0.75, 0.25]), SimpleNamespace(should_stop=False)
    found.on_train_start(trainer, None)  # type: ignore[arg-type]
    for number, seconds in ((0, 0.3), (1, 0.6)):
        for step in range(WARM + STEPS):
            assert not trainer.should_stop
            now[0] += seconds + (step < WARM)
            found.on_train_batch_end(trainer, SimpleNamespace(number=number), None, None, 0)  # type: ignore[arg-type]
    assert trainer.should_stop
    assert found.step == pytest.approx(0.75 * 0.3 + 0.25 * 0.6)


def test_what_comes_once_in_an_evaluation_is_not_multiplied(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second to warm up, 0.1 s a case and 2 s of pictures: 20 cases in place of 10 take one more."""
    now = [0.0]
    monkeypatch.setattr(clocks, "time", SimpleNamespace(monotonic=lambda: now[0]))
    found: Any = Clock()
    run = SimpleNamespace()
    for split in ("validation", "test"):
        getattr(found, f"on_{split}_start")(run, None)
        now[0] += 1.0
        for rows in (4, 4, 2):
            if split == "test":
                found.on_test_batch_start(run, None, None, 0)
            now[0] += 0.1 * rows
            getattr(found, f"on_{split}_batch_end")(run, None, None, {"case": ["a"] * rows}, 0)
        now[0] += 2.0
        getattr(found, f"on_{split}_end")(run, None)
        lap = getattr(found, split)
        assert lap.seconds == pytest.approx(4.0)
        assert lap.further == pytest.approx(1.0)
    assert found.test.preparing == pytest.approx(1.0)


def test_one_batch_says_nothing_of_a_further_one(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(clocks, "time", SimpleNamespace(monotonic=lambda: now[0]))
    lap = clocks.Lap()
    lap.begin()
    lap.end()
    assert lap.further == lap.seconds == 0.0, "no batch at all"
    lap.begin()
    now[0] += 3.0
    lap.add(4)
    lap.end()
    assert lap.further == lap.seconds == 3.0
