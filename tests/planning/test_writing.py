"""The file of a plan: each key under its reason, read back as it was written, never over another."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from ganatomy.config.compose import composed
from ganatomy.config.plans.reading import read_plan
from ganatomy.errors import UserError
from ganatomy.planning import checking
from ganatomy.planning.draft import Row
from ganatomy.planning.planner import Plan
from ganatomy.planning.writing import table, text_of_plan, write_plan

FLIP = {"_target_": "monai.transforms.RandFlipd", "keys": ["image", "label"], "prob": 0.5, "spatial_axis": 1}
PLAN = Plan(
    task="segmentation",
    given=("data=folder", "data.root='/my images'", 'data.label="masks/{name}"'),
    rows=(
        Row("trainer.max_steps", 120, "time"),
        Row("model.optimizer.generator.lr", 1e-05, "deep"),
        Row("data.size", [64, 48], "large: # and : in a reason"),
        Row("data.patch", None, "whole"),
        Row("data.augment", [FLIP], "flips " * 40),
    ),
    made_for={"dims": 2, "classes": ["background", "on: off"]},
    estimate={"minutes": 9.5, "memory_gb": 1.25, "machine": "x, 2 threads"},
)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    write_plan(PLAN, path)
    found = read_plan(path)
    assert found.choices == {"task": "segmentation", "data": "folder"}
    assert found.values == {
        "data.root": "/my images",
        "data.label": "masks/{name}",
        **{row.key: row.value for row in PLAN.rows},
    }
    assert found.about == {"plan_for": PLAN.made_for, "plan_estimate": PLAN.estimate}
    plain = composed([f"plan={path}"], check=True)
    assert plain["data"]["label"] == "masks/{name}"
    assert plain["data"]["augment"] == [FLIP]


def test_every_key_stands_below_its_reason() -> None:
    lines = text_of_plan(PLAN).splitlines()
    at = next(number for number, line in enumerate(lines) if line.strip() == "size: [64, 48]")
    assert lines[at - 1].strip() == "# large: # and : in a reason"
    assert max(map(len, lines)) < 160
    assert yaml.safe_load("\n".join(lines))["trainer"] == {"max_steps": 120}
    assert table(PLAN).row_count == len(PLAN.rows)


def test_another_file_is_not_written_over(tmp_path: Path) -> None:
    path = tmp_path / "new" / "plan.yaml"
    write_plan(PLAN, path)
    write_plan(PLAN, path)  # the same content
    path.write_text("mine")
    with pytest.raises(UserError, match="exists and differs; give overwrite=true"):
        write_plan(PLAN, path)
    assert path.read_text() == "mine"
    write_plan(PLAN, path, overwrite=True)
    assert read_plan(path).values["trainer.max_steps"] == 120
    with pytest.raises(UserError, match="cannot be written"):
        write_plan(PLAN, path / "below", overwrite=True)


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"plan_task": "detection"}, "task: check reads the data only"),
        ({"overwrite": True}, "overwrite: counts"),
        ({"minutes": 30.0}, "minutes: counts"),
        ({"memory": 4.0}, "memory: counts"),
    ],
)
def test_keys_of_plans_without_a_plan_are_refused(given: dict[str, Any], line: str) -> None:
    plain = {"plan": False, "plan_task": None, "overwrite": False, "minutes": 10.0, "memory": 8.0}
    config: Any = SimpleNamespace(**{**plain, **given})
    with pytest.raises(UserError, match=f"^{line}"):
        checking.files(config)
