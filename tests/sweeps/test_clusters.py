"""Jobs by joblib and by submitit, and the SLURM scripts beside a stand-in for the scheduler."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOT, TINY, environment
from tests.sweeps.conftest import STUB, wait_for

SMALL = [*TINY, "trainer.max_steps=2"]
LR = "model.optimizer.generator.lr"
Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.mark.slow
def test_multirun_by_joblib_gives_a_run_a_job(command: Command, tmp_path: Path) -> None:
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher", reason="pip install 'ganatomy[cluster]'")
    words = ["--multirun", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "hydra.sweep.dir=jobs"]
    done = command(*words, *SMALL, "seed=0,1")
    assert done.returncode == 0, done.stderr
    for job in ("0", "1"):
        status = json.loads((tmp_path / "jobs" / job / "status.json").read_text())
        assert status["status"] == "done"


@pytest.mark.slow
def test_submitits_local_executor_runs_the_job_file_that_it_made(command: Command, tmp_path: Path) -> None:
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher", reason="pip install 'ganatomy[cluster]'")
    words = ["--multirun", "hydra/launcher=submitit_local", "hydra.sweep.dir=jobs", "seed=3"]
    done = command(*words, *SMALL)
    assert done.returncode == 0, done.stderr
    assert list((tmp_path / "jobs/.submitit").rglob("*_submitted.pkl"))
    assert json.loads((tmp_path / "jobs/0/status.json").read_text())["status"] == "done"
    assert json.loads((tmp_path / "jobs/0/environment.json").read_text())["seed"] == 3


@pytest.fixture
def cluster(tmp_path: Path) -> dict[str, str]:
    """The environment of an array job; `scontrol` writes down what it is asked."""
    (tmp_path / "bin").mkdir()
    scontrol = tmp_path / "bin/scontrol"
    scontrol.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n')
    scontrol.chmod(0o755)
    ids = {
        "JOB_ID": "71",
        "ARRAY_JOB_ID": "70",
        "ARRAY_TASK_ID": "2",
        "JOB_NAME": "runs",
        "SUBMIT_DIR": str(tmp_path),
    }
    slurm = {f"SLURM_{name}": value for name, value in ids.items()}
    return environment(PATH=f"{tmp_path}/bin:{os.environ['PATH']}", PYTHON=str(tmp_path / "python"), **slurm)


def job(script: str, cluster: dict[str, str], *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        ["bash", str(ROOT / "scripts/slurm" / script), *words], cwd="/", env=cluster, text=True
    )


def test_an_array_of_runs_is_queued_again_and_goes_on(cluster: dict[str, str], tmp_path: Path) -> None:
    python = tmp_path / "python"  # stands for `python -m src.train`: hangs at first, goes on when resumed
    python.write_text(f'#!/bin/sh\nshift 2\nexec {sys.executable} {STUB} "$@"\n')
    python.chmod(0o755)
    (tmp_path / "runs.txt").write_text(f"seed=8 {LR}=1e-3\nseed=9 {LR}=2e-3\n")
    run = tmp_path / "runs/runs_70/2"
    (tmp_path / "plot.json").write_text('{"70": "hang"}')
    first = job("runs.sbatch", cluster, "runs.txt")
    wait_for((run / "metrics.csv").exists)
    first.send_signal(signal.SIGUSR1)
    assert first.wait(60) == 128 + signal.SIGTERM
    assert (tmp_path / "asked").read_text() == "requeue 71\n"
    assert job("runs.sbatch", cluster, "runs.txt").wait(60) == 0
    starts = [json.loads(line) for line in (run / "starts").read_text().splitlines()]
    assert starts == [["seed=9", f"{LR}=2e-3", "run_dir=runs/runs_70/2"], ["resume=runs/runs_70/2"]]
    assert (tmp_path / "asked").read_text() == "requeue 71\n", "what is done is not queued again"


def test_a_worker_that_is_preempted_is_queued_again(cluster: dict[str, str], tmp_path: Path) -> None:
    """The sweep's own part, giving its trial back, is tested where sweeps are."""
    python = tmp_path / "python"
    python.write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/words\n[ -f {tmp_path}/asked ] && exit 0\n'
        f"trap 'exit 143' TERM\ntouch {tmp_path}/ready\nwhile :; do sleep 0.05; done\n"
    )
    python.chmod(0o755)
    first = job("sweep.sbatch", cluster, "+sweep=mine", "space={a: [1, 2]}")
    wait_for((tmp_path / "ready").exists)
    first.terminate()
    assert first.wait(60) == 128 + signal.SIGTERM
    assert job("sweep.sbatch", cluster, "+sweep=mine", "space={a: [1, 2]}").wait(60) == 0
    assert (tmp_path / "asked").read_text() == "requeue 71\n"
    assert (tmp_path / "words").read_text() == 2 * "-m src.sweep +sweep=mine space={a: [1, 2]}\n"
