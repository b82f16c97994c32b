"""Trials that a server forks: what becomes of one is its own affair."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from ganatomy.launch.warm import Server
from ganatomy.sweeps import workers
from ganatomy.sweeps.plan import Plan
from ganatomy.sweeps.study import prepare
from tests.conftest import environment
from tests.sweeps.conftest import plot


@pytest.mark.slow
def test_a_sweep_whose_trials_die_keeps_its_server(
    checked: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", environment()["PYTHONPATH"])
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    launch = (sys.executable, "-m", "tests.sweeps.stub_train")
    plan = replace(checked, directory=tmp_path / "study", launch=launch, warm=True, trials=6, jobs=2)
    plot(plan.directory, t1="fail", t3="killed")
    study = prepare(plan)
    servers: list[Server] = []
    start = Server.start

    def noted(self: Server) -> None:
        start(self)
        servers.append(self)

    monkeypatch.setattr(Server, "start", noted)
    assert workers.run(plan, study) is None
    states = {trial.number: trial.state.name for trial in study.get_trials()}
    assert states == {number: "FAIL" if number in (1, 3) else "COMPLETE" for number in range(6)}
    assert "SIGKILL" in study.trials[3].user_attrs["error"] and len(servers) == 1
    assert not servers[0].alive()
