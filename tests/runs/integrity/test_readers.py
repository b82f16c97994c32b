"""Commands that read a run of another command bear damage: from the copy, or one line that names the file."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ganatomy.callbacks.history import History
from ganatomy.errors import UserError
from ganatomy.experiments import store
from ganatomy.experiments.claims.claims import parse
from ganatomy.experiments.plan import PlannedRun
from ganatomy.experiments.spec import Experiment
from ganatomy.launch.train_process import TrainProcess, finished
from ganatomy.pictures.report import write_report
from ganatomy.runs.directory import Run
from ganatomy.runs.integrity import checked
from ganatomy.runs.multirun import table

DAMAGE = {"zeros": bytes(40), "no UTF-8": b"\xff\xfe{}", "garbage": b"}{,;\n1,2", "another type": b"[1]"}


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checked, "_said", set())


@pytest.fixture
def done(tmp_path: Path) -> Path:
    """A run directory of a run that ended."""
    run = Run(tmp_path / "jobs_of" / "0")
    run.write("config.yaml", {"task": {"monitor": "val/dice"}, "seed": 0})
    run.write("data.json", {"hash": "ab", "subjects": {"test": ["c"]}})
    run.write("environment.json", {"python": "3.12"})
    run.write("metrics.json", {"test/dice": 0.5})
    history = History(run.path / "metrics.csv")
    history.log_metrics({"val/dice": 0.25}, 4)
    history.save()
    run.keep_copy("metrics.csv")
    run.status("done", "8 steps", best={"score": 0.25, "step": 4})
    return run.path


@pytest.mark.parametrize("content", DAMAGE.values(), ids=DAMAGE)
def test_a_sweep_reads_the_copies(done: Path, content: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    process = TrainProcess([sys.executable, "-c", "0"], [], done.parent / "1")
    process.process.wait()
    process.directory = done
    for name in ("status.json", "metrics.csv"):
        (done / name).write_bytes(content)
    assert finished(done) == 0.25 and process.scores("val/dice") == [(4, 0.25)]
    said = capsys.readouterr().err.splitlines()
    assert [line.split(":")[0] for line in said] == [str(done / "status.json"), str(done / "metrics.csv")]
    for name in ("status.json", "metrics.csv"):
        (done / "copies" / name).write_bytes(content)
    assert finished(done) is None and process.scores("val/dice") == []
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_one_damaged_run_leaves_the_table_of_a_multirun(
    done: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    notes = done.parent / "jobs"
    notes.mkdir()
    for number in (0, 1):
        (notes / f"{number}.json").write_text(json.dumps({"words": [f"seed={number}"], "run": str(number)}))
    (notes / "2.json").write_bytes(b"\0")
    (done / "metrics.json").write_bytes(b"{")
    rows = table(done.parent)
    assert [(row["run"], row["status"], row["best"]) for row in rows] == [
        ("0", "done", 0.25),
        ("1", "not begun", ""),
    ]
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2 and str(notes / "2.json") in said[0] and str(done / "metrics.json") in said[1]


@pytest.mark.parametrize("name", ["metrics.json", "data.json", "environment.json"])
def test_an_experiment_names_the_file_and_both_ways_on(done: Path, name: str) -> None:
    for path in (done / name, done / "copies" / name):
        path.unlink(missing_ok=True)
    run = cast(PlannedRun, SimpleNamespace(directory=done, arm="a", seed=0, config="c"))
    experiment = cast(Experiment, SimpleNamespace(spec=SimpleNamespace(gaps={}), claims=[], scores=[]))
    with pytest.raises(UserError) as refusal:
        store.collect(run, experiment)
    assert str(done / name) in str(refusal.value) and f"resume={done}" in str(refusal.value)


def test_a_run_without_what_an_experiment_asks_for(done: Path) -> None:
    run = cast(PlannedRun, SimpleNamespace(directory=done, arm="a", seed=0, config="c"))
    spec = SimpleNamespace(gaps={})
    claims = [parse("a.test/dise > b.test/dise", 0.0)]
    experiment = cast(Experiment, SimpleNamespace(spec=spec, claims=claims, scores=[]))
    with pytest.raises(UserError, match=r"^claims: a\.test/dise: its runs have no such score; did you mean"):
        store.collect(run, experiment)
    Run(done).write("data.json", {})
    experiment = cast(Experiment, SimpleNamespace(spec=spec, claims=[], scores=[]))
    with pytest.raises(UserError, match=r": its files do not hold a result \(KeyError\('hash'\)\); "):
        store.collect(run, experiment)


def test_kept_results_that_are_damaged_are_not_used(tmp_path: Path) -> None:
    """Cut within a line, or a bit of the cases flipped; a digit of runs.csv is for verify to find."""
    experiment = cast(
        Experiment,
        SimpleNamespace(
            results=tmp_path / "results", scores=["test/dice"], spec=SimpleNamespace(arms={"a": None})
        ),
    )
    line = dict.fromkeys(store.HEAD, "1") | {"arm": "a", "seed": "0", "test/dice": "0.5"}
    result = store.Result(line, [{"subject": 1.0, "test/dice": 0.5}])
    store.save(experiment, {("a", 0): result})
    kept = store.load(experiment)
    assert kept["a", 0].score("test/dice") == 0.5 and kept["a", 0].cases == result.cases
    for name in (store.LINES, store.CASES):
        path = experiment.results / name
        content = path.read_bytes()
        for place in range(1, len(content)):
            if name == store.LINES and content[place - 1 : place] == b"\n":
                continue
            path.write_bytes(content[:place])
            with pytest.raises(UserError, match=r"runs\.csv or cases\.csv\.gz is broken"):
                store.load(experiment)
        path.write_bytes(content)
    noticed = 0
    for place in range(len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        try:
            assert store.load(experiment)["a", 0].cases == result.cases, "gzip's own header"
        except UserError:
            noticed += 1
    assert noticed > len(content) - 10


@pytest.mark.parametrize("content", DAMAGE.values(), ids=DAMAGE)
def test_a_report_goes_without_a_damaged_file(
    done: Path, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("environment.json", "metrics.csv"):
        (done / name).write_bytes(content)
    assert "0.5" in write_report(done).read_text()
    said = capsys.readouterr().err
    assert str(done / "environment.json") in said and "the report goes without it" in said


def test_a_damaged_history_of_an_earlier_version_is_one_line(tmp_path: Path) -> None:
    path: Any = tmp_path / "metrics.csv"
    path.write_text("step,loss\n1,0.5\ngarbage\n")
    with pytest.raises(UserError, match=r"metrics\.csv: has 1 cells in row 3 where its header names 2"):
        History(path, resume_at=3)
