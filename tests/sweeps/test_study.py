"""A study on its storage: what is drawn, what may change, and a worker that runs its trials."""

from __future__ import annotations

import csv
import io
import statistics
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.study import Study
from optuna.trial import Trial, TrialState
from rich.console import Console

from ganatomy.errors import UserError
from ganatomy.sweeps.objectives import second_value
from ganatomy.sweeps.plan import Plan, read_plan, try_space
from ganatomy.sweeps.space import read_space, suggest
from ganatomy.sweeps.study import open_storage, open_study, prepare, settled, wanted
from ganatomy.sweeps.summary import front, show, summarise
from ganatomy.sweeps.worker import Worker
from tests.sweeps.conftest import plot, settings

Plans = Callable[..., Plan]


def work(plan: Plan) -> Study:
    study = prepare(plan)
    assert Worker(plan, open_storage(plan)).work() is None
    return study


@pytest.mark.parametrize("sampler", ["random", "tpe", "gp"])
def test_what_a_trial_draws_depends_on_seed_and_number_alone(sampler: str, plan: Plans) -> None:
    """Not on the worker or on the order in which trials begin, while none has a score."""
    first = plan(study="first", trials=3, sampler={"name": sampler, "seed": 5})
    second, other = replace(first, study="second"), replace(first, study="other", sampler={"name": sampler})
    drawn: list[dict[int, Any]] = []
    for plans, order in ((first, (0, 1, 2)), (second, (2, 0, 1)), (other, (0, 1, 2))):
        prepare(plans)
        values = {}
        for number in order:
            storage = open_storage(plans)
            study = open_study(plans, storage, number)
            trial = study.trials[number]
            storage.set_trial_state_values(trial._trial_id, state=TrialState.RUNNING)
            values[number] = suggest(Trial(study, trial._trial_id), list(plans.space))
        drawn.append(values)
    assert drawn[0] == drawn[1] != drawn[2]
    assert len({str(values) for values in drawn[0].values()}) == 3


def test_a_grid_is_walked_once_and_ends(plan: Plans) -> None:
    space = {"model.optimizer.generator.lr": [1.0e-3, 2.0e-3, 3.0e-3], "update": ["shared", "textbook"]}
    grid = plan(trials=100, sampler={"name": "grid"}, space=tuple(read_space(space)))
    assert wanted(grid) == 6
    study = prepare(grid)
    points = [trial.system_attrs["fixed_params"] for trial in study.trials]
    assert len({str(sorted(point.items())) for point in points}) == 6


def test_seeds_give_a_mean_and_a_spread_and_none_runs_twice(plan: Plans, tmp_path: Path) -> None:
    seeded = plan(trials=2, seeds=(0, 1, 2), storage=f"sqlite:///{tmp_path}/study.db")
    study = work(seeded)
    for trial in study.trials:
        scores = trial.user_attrs["scores"]
        assert trial.value == statistics.fmean(scores)
        assert scores == pytest.approx([scores[0] + 0.01 * seed for seed in range(3)])  # as the stand-in says
        starts = [len(path.read_text().splitlines()) for path in seeded.place(trial.number).glob("*/starts")]
        assert starts == [1, 1, 1]
    assert not (seeded.directory / "journal.log").exists()
    work(seeded)  # started again, it has nothing to do
    assert len(study.trials) == 2
    assert len(work(replace(seeded, trials=3)).trials) == 3  # more of them are the only ones that run
    assert (seeded.place(0) / "seed_0/starts").read_text().count("\n") == 1


def test_a_trial_given_back_keeps_its_values_and_goes_on(plan: Plans) -> None:
    one = plan(trials=1)
    plot(one.directory, t0="hang")
    study = prepare(one)
    worker = Worker(one, open_storage(one))
    original = worker.leases.beat

    def beat(trial: Any, **more: Any) -> bool:
        if (one.place(0) / "seed_0/metrics.csv").exists():
            worker.asked = 15
        return original(trial, **more)

    worker.leases.beat = beat  # type: ignore[method-assign]
    assert worker.work() == 15
    (waiting,) = study.trials
    assert waiting.state == TrialState.WAITING and not settled(study, 1)
    assert Worker(one, open_storage(one)).work() is None
    (done,) = study.trials
    assert done.state == TrialState.COMPLETE and done.params == waiting.params and settled(study, 1)
    assert "resume=" in (one.place(0) / "seed_0/starts").read_text().splitlines()[1]


@pytest.mark.parametrize("sampler", ["tpe", "random", "gp"])
def test_two_objectives_are_those_of_the_runs_and_none_is_pruned(sampler: str, plan: Plans) -> None:
    """The stand-in takes the longer the larger its learning rate is."""
    two = plan(trials=6, seeds=(0, 1), second="seconds", sampler={"name": sampler}, pruner={"name": "median"})
    plot(two.directory, t1="fail")
    study = work(two)
    assert [direction.name for direction in study.directions] == ["MAXIMIZE", "MINIMIZE"]
    for trial in study.trials:
        if trial.number == 1:
            assert trial.state == TrialState.FAIL
            continue
        seconds = 100 * trial.params["model.optimizer.generator.lr"]
        assert trial.values == pytest.approx([statistics.fmean(trial.user_attrs["scores"]), seconds])
    done = [trial for trial in study.trials if trial.values]
    assert {t.number for t in front(two, done)} == {t.number for t in study.best_trials}
    files = {path.name for path in summarise(two, study)}
    assert files >= {"best.yaml", "front.png", *(f"front_{t.number}.yaml" for t in study.best_trials)}
    with (two.directory / "trials.csv").open(newline="") as file:
        rows = {int(row["trial"]): row for row in csv.DictReader(file)}
    assert {number for number, row in rows.items() if row["front"] == "1"} == {
        t.number for t in study.best_trials
    }
    assert float(rows[0]["second"]) == study.trials[0].values[1] and rows[1]["second"] == ""
    text = io.StringIO()
    show(two, study, Console(file=text, width=120))
    assert "seconds" in text.getvalue() and "5 done, 1 failed" in text.getvalue()
    with pytest.raises(UserError, match="begun with another second"):
        prepare(replace(two, second="copies"))


def test_a_second_objective_is_of_the_best_step_or_of_the_whole_run(plan: Plans) -> None:
    copies = plan(trials=1, second="copies")
    (trial,) = work(copies).trials
    assert trial.values[1] == pytest.approx(0.25 * trial.values[0])
    run = copies.place(0) / "seed_0"
    (run / "metrics.csv").write_text("step,val/hd95\n4,3.5\n8,2.5\n12,1.5\n")
    assert second_value(run, "val/hd95") == 2.5 and second_value(run, "val/asd") is None
    missing = replace(copies, second="val/hd95", study="missing", directory=copies.directory.parent / "other")
    (trial,) = work(missing).trials
    assert trial.state == TrialState.FAIL and "val/hd95 is no number" in trial.user_attrs["error"]


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ("test/dice", "second: test/dice: give seconds, copies, or a validation score other than val/dice"),
        ("val/dice", "second: val/dice: give seconds"),
        ("hours", "second: hours: give seconds"),
        ("val/nothing", "second: val/nothing does not say which way is better; take another score"),
    ],
)
def test_a_second_objective_chooses_by_no_test_score(second: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_plan(settings(second=second), [], [])
    assert read_plan(settings(second="val/hd95"), [], []).directions() == ["maximize", "minimize"]


def test_a_study_keeps_its_space_and_its_words(plan: Plans) -> None:
    first = plan(trials=2)
    prepare(first)
    prepare(replace(first, trials=5, jobs=3, sampler={"name": "random"}))
    other = read_space({"model.optimizer.generator.lr": {"low": 1.0e-4, "high": 2.0e-2, "log": True}})
    for changed, name in (
        ({"space": tuple(other)}, "space.model.adversarial.loss"),
        ({"train": ("logger=csv", "trainer.max_steps=7")}, "train"),
        ({"seeds": (0, 1)}, "seeds"),
    ):
        with pytest.raises(UserError, match=f"begun with another {name}"):
            prepare(replace(first, **changed))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"sampler": {"name": "tpee"}}, "sampler.name: no such choice 'tpee'; did you mean 'tpe'?"),
        (
            {"sampler": {"name": "tpe", "n_startup": 3}},
            "sampler.n_startup: TPESampler takes no such argument",
        ),
        ({"pruner": {"name": "none", "x": 1}}, "pruner.x: NopPruner takes no such argument"),
        ({"storage": "nonsense"}, "storage: cannot be opened"),
        ({"storage": "postgresql+psycopg://me@127.0.0.1:1/x"}, "storage: cannot be opened"),
    ],
)
def test_a_wrong_choice_is_one_line(changed: dict[str, Any], message: str, plan: Plans) -> None:
    with pytest.raises(UserError) as told:
        prepare(plan(**changed))
    assert str(told.value).startswith(message) and "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("kind", "package", "mend"),
    [
        ("postgresql+psycopg", "psycopg", r"pip install 'ganatomy\[postgres\]'$"),
        ("postgresql", "psycopg2", r"write postgresql\+psycopg://"),
        ("mysql+pymysql", "pymysql", r"install the driver of mysql\+pymysql, or write sqlite:///FILE"),
    ],
)
def test_a_database_without_its_driver_says_what_to_install(
    kind: str, package: str, mend: str, plan: Plans, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without(*_: Any, **__: Any) -> None:
        raise ModuleNotFoundError(f"No module named '{package}'")

    monkeypatch.setattr(optuna.storages, "RDBStorage", without)
    with pytest.raises(UserError, match=f"^storage: No module named '{package}'; {mend}"):
        prepare(plan(storage=f"{kind}://me@127.0.0.1:1/x"))


@pytest.mark.parametrize(
    ("changed", "given", "message"),
    [
        ({"space": {"model.lr": [1.0]}}, [], "space.model.lr: model.lr: no such key"),
        (
            {"space": {"data.batch_size": {"low": -1, "high": 4}}},
            [],
            "space.data.batch_size: data.batch_size: ",
        ),
        ({"space": {"update": ["shared", "txtbook"]}}, [], "space.update: update=txtbook: no such choice"),
        ({"space": {"seed": [1, 2]}}, [], "space.seed: is set already"),
        ({}, ["trails=3"], "trails: no such key; did you mean 'trials'?"),
        ({}, ["seed=3"], "seed: is set by the sweep for each trial; give seeds=[...]"),
        ({}, ["logger=none"], "logger: a sweep reads the scores"),
        ({}, ["task.monitor=val/nothing"], "direction: val/nothing does not say which way is better"),
        ({"trials": 0}, [], "trials: "),
        ({"space": {}}, [], "space: is empty; choose one with +sweep=NAME (see --help)"),
    ],
)
def test_a_mistake_ends_it_before_the_first_trial(
    changed: dict[str, Any], given: list[str], message: str
) -> None:
    with pytest.raises(UserError) as told:
        try_space(read_plan(settings(**changed), given, []))
    assert str(told.value).startswith(message) and "\n" not in str(told.value)


def test_a_score_that_is_better_low_is_minimised() -> None:
    lower = read_plan(settings(space={"update": ["shared", "textbook"]}), ["task=synthesis"], [])
    assert (lower.score, lower.direction) == ("val/swd", "minimize")


def test_hyperbands_resources_are_steps(plan: Plans) -> None:
    study = open_study(banded := plan(pruner={"name": "hyperband"}), open_storage(prepared(banded)), 0)
    pruner: Any = study.pruner
    assert isinstance(pruner, optuna.pruners.HyperbandPruner)
    assert (pruner._min_resource, pruner._max_resource) == (150, 600)


def prepared(plan: Plan) -> Plan:
    prepare(plan)
    return plan
