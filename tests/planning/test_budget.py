"""Steps for a time, and less memory, by closed forms."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ganatomy.errors import UserError
from ganatomy.planning import budget
from ganatomy.planning.draft import Draft
from ganatomy.planning.trials.measuring import REPORT, Measured
from ganatomy.planning.trials.usage import GB
from tests.planning.planted import made_up

FOUND = Measured(
    start=10, read=5, set_up=5, step=0.1, checkpoint=1.0, validation=4.0, test=40 - REPORT, memory=2 * GB
)
"""60 s whatever the steps, and 0.11 s a step, as there is a checkpoint every 100."""


def draft(minutes: float = 10.0, memory: float = 8.0, **plain: Any) -> Draft:
    known = {
        "trainer": {"max_steps": 600, "val_every": 150},
        "callbacks": {"checkpoint_every": 100},
        "data": {"batch_size": 16, "patch": [64, 64], "size": None},
        "model": {"generator": {}, "discriminator": None},
    }
    return Draft(made_up(), {**known, **plain}, (), "segmentation", 60 * minutes, memory)


def test_steps_fill_the_time() -> None:
    plan = draft()
    budget.choose_steps(plan, FOUND)
    steps = plan.get("trainer.max_steps")
    assert steps == int((0.95 * 600 - 60 - 5 * 4) / 0.11) // 10 * 10  # three figures
    assert plan.get("trainer.val_every") == -(-steps // 5)
    minutes, memory = budget.estimate(plan, FOUND)
    assert minutes == pytest.approx((60 + steps * 0.11 + 5 * 4) / 60)
    assert minutes == pytest.approx(0.95 * 10, rel=0.01)
    assert memory == 2.0


def test_few_steps_are_said_to_be_few() -> None:
    reasons = []
    for minutes in (2.0, 3.0):  # 427 and 900 steps
        plan = draft(minutes)
        budget.choose_steps(plan, FOUND)
        reasons.append(plan.rows["trainer.max_steps"].why)
    assert reasons[0].startswith("2 min at 0.1 s a step; few, as most networks learn for a thousand")
    assert reasons[1] == "3 min at 0.1 s a step"


def test_zoomed_images_are_left_out_where_time_is_short() -> None:
    """The test takes 40 s or less here, and two validations 8 s: more than a quarter of 3 minutes."""
    for minutes, short in ((3.0, True), (6.0, False)):
        plan = draft(minutes, task={"zooms": [0.85, 1.15]})
        assert budget.is_evaluated_too_long(plan, FOUND) == short
        plan.given = ("task.zooms",)
        assert not budget.is_evaluated_too_long(plan, FOUND)
    plan = draft(3.0, task={"zooms": []})
    plan.put("task.zooms", [0.85, 1.15], "tighter")
    budget.evaluate_sooner(plan)
    assert plan.get("task.zooms") == []
    assert (
        plan.rows["task.zooms"].why == "tighter; but in 3 min they would take more than a quarter of the time"
    )
    assert not budget.is_evaluated_too_long(plan, FOUND)


def test_dear_validations_are_fewer() -> None:
    plan = draft()
    budget.choose_steps(plan, replace(FOUND, validation=30.0))
    assert -(-plan.get("trainer.max_steps") // plan.get("trainer.val_every")) == 2


def test_the_estimate_is_of_the_users_own_steps() -> None:
    plan = draft()
    plan.given = ("trainer.max_steps",)
    budget.choose_steps(plan, FOUND)
    assert plan.get("trainer.max_steps") == 600
    assert budget.estimate(plan, FOUND)[0] == pytest.approx((60 + 600 * 0.11 + 5 * 4) / 60)


def test_a_short_time_has_fewer_validations_before_it_is_refused() -> None:
    found = replace(FOUND, validation=2.0)  # 60 s, 2 of 2 s, and 20 steps of 0.11 s: 66.2 s
    plan = draft(minutes=66.5 / 0.95 / 60)
    budget.choose_steps(plan, found)
    assert plan.get("trainer.max_steps") == 22
    assert plan.get("trainer.val_every") == 11


def test_steps_that_the_user_set_are_not_refused_for_the_time() -> None:
    plan = draft(minutes=0.5)
    plan.given = ("trainer.max_steps",)
    budget.choose_steps(plan, FOUND)
    assert plan.get("trainer.max_steps") == 600


def test_a_time_that_is_too_short_is_refused_with_one_that_is_not() -> None:
    with pytest.raises(
        UserError, match=r"plan_minutes: 1 minutes leave no 20 steps .*give at least (1\.3|1\.4)"
    ):
        budget.choose_steps(draft(minutes=1.0), FOUND)
    budget.choose_steps(draft(minutes=1.4), FOUND)


def test_a_patch_of_few_slices_does_not_grow_where_memory_shrinks_it() -> None:
    plan = draft(memory=1.5, data={"batch_size": 2, "patch": [96, 96, 16], "size": None})
    plan.data = made_up(3)
    budget.shrink(plan, FOUND)  # 0.775 of 1.5 GB above an idle process: 0.80 of each side
    assert plan.get("data.patch") == [72, 72, 16]


def test_a_little_too_much_is_shrunk_and_not_refused() -> None:
    plan = draft(memory=2.3, data={"batch_size": 2, "patch": [80, 80, 32], "size": None})
    plan.data = made_up(3)
    assert budget.too_much(plan, FOUND)  # 2.0 of 1.955 GB
    budget.shrink(plan, FOUND)
    assert plan.get("data.patch") == [72, 72, 32]


def test_memory_takes_from_the_batch_and_then_from_the_patch() -> None:
    plan = draft(memory=1.0)
    assert budget.too_much(plan, FOUND)
    assert not budget.too_much(draft(memory=2.5), FOUND)
    budget.shrink(plan, FOUND)  # 0.35 of 1.5 GB above an idle process
    assert plan.get("data.batch_size") == 2  # the power of 2 below 16 * 0.233
    assert plan.get("data.patch") == [64, 64]
    budget.shrink(plan, FOUND)
    assert plan.get("data.batch_size") == 2
    assert plan.get("data.patch") == 32  # 64 times the root of 0.233, in eights and no less than 32
    with pytest.raises(UserError, match="plan_memory: a run takes 2 GB with the smallest batch"):
        budget.shrink(plan, FOUND)


def test_images_of_a_size_that_the_user_set_are_cut_into_patches() -> None:
    whole = {"batch_size": 2, "patch": None, "size": 80}
    plan = draft(memory=1.0, data=dict(whole))
    plan.given = ("data.size",)
    budget.shrink(plan, FOUND)
    assert plan.get("data.size") == 80
    assert plan.get("data.patch") == 32  # 80 times the root of 0.233
    alone = draft(memory=1.0, data=dict(whole))
    budget.shrink(alone, FOUND)
    assert alone.get("data.size") == 32 and alone.get("data.patch") is None


def test_a_cache_that_fills_the_memory_goes_to_disk() -> None:
    plan = draft(memory=1.0, data={"batch_size": 16, "patch": [64, 64], "size": None, "cache": "memory"})
    budget.shrink(plan, replace(FOUND, cached=GB))
    assert plan.words() == {"data.cache": "disk"}
    assert plan.rows["data.cache"].why == "prepared cases would take 1 of 1 GB"


def test_less_than_an_idle_process_is_refused() -> None:
    with pytest.raises(UserError, match=r"plan_memory: 0\.4 GB are too few"):
        budget.shrink(draft(memory=0.4), FOUND)


def test_what_the_user_set_is_not_made_smaller() -> None:
    plan = draft(memory=1.0)
    plan.given = ("data.batch_size", "data.patch")
    with pytest.raises(UserError, match="give more memory"):
        budget.shrink(plan, FOUND)
    assert plan.get("data.batch_size") == 16
