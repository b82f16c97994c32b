"""What a sweep leaves: the best configuration as a file, the table, the pictures; the spaces we ship."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
import yaml
from optuna.trial import TrialState, create_trial
from PIL import Image
from rich.console import Console

from ganatomy.config.compose import composed, experiment
from ganatomy.errors import UserError
from ganatomy.pictures import sweep as pictures
from ganatomy.sweeps.plan import Plan, read_plan, try_space
from ganatomy.sweeps.space import suggest, words
from ganatomy.sweeps.study import open_storage, prepare
from ganatomy.sweeps.summary import importance, show, summarise
from tests.conftest import ROOT
from tests.sweeps.conftest import settings

SHIPPED = sorted((ROOT / "conf/sweep").glob("*.yaml"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_space_we_ship_is_one_of_train_and_its_best_file_says_the_same(
    path: Path, tmp_path: Path
) -> None:
    """The words of a trial and the experiment file made of them compose to one configuration."""
    content = yaml.safe_load(path.read_text())
    assert content["study"] == path.stem
    plan = read_plan(settings(**content), [], [])
    try_space(plan)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    (tmp_path / "experiment").mkdir()
    for _ in range(2):
        line = [*plan.train, *words(suggest(study.ask(), list(plan.space)))]
        (tmp_path / "experiment/best.yaml").write_text(experiment(line, "a comment"))
        left, right = composed(["experiment=best"], [str(tmp_path)]), composed(line)
        for cfg in (left, right):
            cfg.pop("run_dir")  # has the time in it
        assert left == right


def test_small_numbers_lists_and_sections_survive_the_file(tmp_path: Path) -> None:
    line = [
        "model.optimizer.generator.lr=1e-05",
        "model.adversarial.penalties=[{name:r1,gamma:1e-3,every:16}]",
    ]
    line += ["model=pix2pix", "model.discriminator=null", "name=a.b", "data.subjects=6"]
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment/best.yaml").write_text(experiment(line, ""))
    cfg = composed(["experiment=best"], [str(tmp_path)])
    assert cfg["model"]["optimizer"]["generator"]["lr"] == 1e-5
    assert cfg["model"]["adversarial"]["penalties"] == [{"name": "r1", "gamma": 1e-3, "every": 16}]
    assert cfg["model"]["discriminator"] is None and cfg["name"] == "a.b" and cfg["data"]["subjects"] == 6
    for word in ("~task", "seed=0,1", "task@x=segmentation"):
        with pytest.raises(UserError, match="only key=value"):
            experiment([word], "")


@pytest.fixture
def known(plan: Callable[..., Plan]) -> tuple[Plan, Any]:
    """Twenty trials whose score is that of the learning rate alone; one pruned, one failed."""
    made = plan(trials=22, seeds=(0, 1))
    prepare(plan(trials=22, seeds=(0, 1)))
    optuna.delete_study(study_name=made.study, storage=open_storage(made))
    study = optuna.create_study(study_name=made.study, storage=open_storage(made), direction="maximize")
    rng = np.random.default_rng(0)
    over = {parameter.key: parameter.over for parameter in made.space}
    for index in range(20):
        rate = float(np.exp(rng.uniform(np.log(2e-4), np.log(2e-2))))
        params = dict(zip(over, (rate, ["hinge", "non_saturating"][index % 2]), strict=True))
        score = 1 - abs(np.log10(rate) + 3)
        attrs = {"scores": [score - 0.1, score + 0.1]}
        study.add_trial(create_trial(value=score, params=params, distributions=over, user_attrs=attrs))
    study.add_trial(
        create_trial(state=TrialState.PRUNED, params=params, distributions=over, intermediate_values={4: 0.1})
    )
    study.add_trial(create_trial(state=TrialState.FAIL, user_attrs={"error": "seed 0: no [room]"}))
    return made, study


def test_the_table_and_the_files_name_the_best(known: tuple[Plan, Any]) -> None:
    plan, study = known
    files = {path.name: path for path in summarise(plan, study)}
    assert set(files) == {"trials.csv", "best.yaml", "history.png", "importance.png", "parallel.png"}
    assert len(files["trials.csv"].read_text().splitlines()) == 23
    text = io.StringIO()
    show(plan, study, Console(file=text, width=100))
    lines = text.getvalue().splitlines()
    best = study.best_trial
    first = next(line for line in lines if "±" in line)
    assert first.split()[:4] == [
        str(best.number),
        f"{best.value:.4g}",
        "±",
        "0.14",
    ]  # 0.1 from the mean, twice
    assert "20 done, 1 pruned, 1 failed" in lines[0] and "no [room]" in lines[-1]
    shares = importance(study, [trial for trial in study.trials if trial.value is not None])
    assert shares["model.optimizer.generator.lr"] > 0.8
    for name in ("history", "importance", "parallel"):
        assert np.asarray(Image.open(files[f"{name}.png"]).convert("L")).std() > 5


def test_figures_of_little_are_left_out() -> None:
    assert pictures.history([(0, None, "fail")], "Dice", 1) is None
    assert pictures.parallel([{"a": 1}], [0.5], "Dice", 1) is None
    assert pictures.importance({}) is None
    assert pictures.parallel([{"a": 1, "b": "x"}, {"a": 1}], [0.5, 0.5], "Dice", -1) is not None


def test_names_are_as_short_as_they_stay_apart() -> None:
    names = [
        "model.optimizer.generator.lr",
        "model.optimizer.discriminator.lr",
        "model.ema_half_life",
        "update",
    ]
    assert pictures.shorten(names) == ["generator.lr", "discriminator.lr", "ema_half_life", "update"]
    assert pictures.shorten(["a.weight", "a.weight.share", "weight"]) == ["a.weight", "share", "weight"]
