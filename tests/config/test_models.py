"""A model serves the tasks that it names; any other is told which models would."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ganatomy.config.locations import CONF
from ganatomy.config.models import check_model, tasks_of
from ganatomy.config.resolve import validate
from ganatomy.config.schema import Config
from ganatomy.errors import UserError

SERVED = {
    "segmentation": {"adversarial_unet", "article", "pix2pix"},
    "enhancement": {"article", "dugan", "pix2pix", "residual_unet", "srgan", "wgan_denoise"},
    "synthesis": {
        *("article", "dcgan", "fast", "fast_class", "fastgan", "fastgan_class"),
        *("r3gan", "r3gan_class", "rectified_flow", "rectified_flow_class"),
        *("spade", "stylegan2", "stylegan2_class", "vaegan"),
    },
}
MODELS = sorted(set().union(*SERVED.values()))


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("task", SERVED)
def test_every_pair_is_served_or_refused_in_one_line(compose: Any, task: str, model: str) -> None:
    words = [f"task={task}", f"model={model}", *(["data=nih_cxr"] if model.endswith("_class") else [])]
    if model in SERVED[task]:
        validate(compose(*words, tiny=False))
        return
    with pytest.raises(UserError) as refusal:
        validate(compose(*words, tiny=False))
    line = str(refusal.value)
    assert line.startswith(f"model={model}: does not serve task={task}; choose ") and "\n" not in line
    assert SERVED[task] <= set(line.partition("choose ")[2].split(", "))


def test_every_model_serves_a_task_that_exists() -> None:
    tasks = {path.stem for path in (CONF / "task").glob("*.yaml")}
    served = {model: set(tasks_of(CONF / f"model/{model}.yaml")) for model in MODELS}
    assert all(names & tasks for names in served.values())
    assert {model for model, names in served.items() if "synthesis" in names} == SERVED["synthesis"]


def test_a_task_that_has_no_article(command: Any, tmp_path: Path) -> None:
    (tmp_path / "mine/task").mkdir(parents=True)
    (tmp_path / "mine/task/dreaming.yaml").write_text((CONF / "task/segmentation.yaml").read_text())
    done = command(f"hydra.searchpath=[file://{tmp_path}/mine]", "task=dreaming", "model=article")
    assert done.returncode == 2
    assert done.stderr == "error: model=article: does not serve task=dreaming; choose another task\n"


def test_a_model_that_names_no_task_is_its_owners_affair(compose: Any) -> None:
    cfg = compose("task=synthesis", "model=pix2pix", "model.tasks=null", tiny=False)
    check_model(Config.from_plain(cfg), "pix2pix")


def test_through_the_real_command(command: Any, tmp_path: Path) -> None:
    done = command("task=segmentation", "model=dcgan", "run_dir=out")
    assert done.returncode == 2 and len(done.stderr.strip().splitlines()) == 1
    assert done.stderr.startswith("error: model=dcgan: does not serve task=segmentation; choose ")
    assert not (tmp_path / "out").exists()
