"""gan_or_flow, before it is run: its arms compose, and what some do with the weights of another holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from ganatomy.experiments.plan import runs
from ganatomy.experiments.spec import read
from tests.conftest import ROOT
from tests.tasks.synthesis.methods.test_flow import COHORT, FLOW
from tests.test_processes import BRIEF


@pytest.mark.parametrize("scale", ["cpu", "paper"])
def test_its_arms_compose(scale: str) -> None:
    experiment = read(ROOT / "experiments", "gan_or_flow", scale)
    planned = {run.arm: run for run in runs(experiment, Path("runs")) if run.seed == 0}
    assert set(planned) == {"gan", "flow", "flow_4", "flow_1"}
    assert len({run.config for run in planned.values()}) == 4
    steps = {arm: [word for word in run.words if "max_steps=" in word][-1] for arm, run in planned.items()}
    assert steps["flow_4"] == steps["flow_1"] == "trainer.max_steps=1" != steps["gan"]
    assert [run.arm for run in planned["flow_1"].needs] == ["flow"]


def test_the_weights_stay_in_a_step_of_rate_0(command: Any, tmp_path: Path) -> None:
    words = [*BRIEF, "task=synthesis", "task.imagenet=false", *COHORT, *FLOW, "trainer.test_checkpoint=last"]
    assert command(*words, "run_dir=flow").returncode == 0
    more = ["init=flow", "model.generator.steps=1", "model.optimizer.generator.lr=0.0", "trainer.max_steps=1"]
    done = command(*words, *more, "trainer.val_every=1", "run_dir=flow_1")
    assert done.returncode == 0, done.stderr
    one, other = (load_file(tmp_path / name / "generator.safetensors") for name in ("flow", "flow_1"))
    assert one.keys() == other.keys() and all((one[key] == other[key]).all() for key in one)
    scores = [(tmp_path / name / "metrics.json").read_text() for name in ("flow", "flow_1")]
    assert scores[0] != scores[1], "the images are others"
