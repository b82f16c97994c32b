"""Processes that are started together, told where they stand, and end with one error."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from ganatomy.config.plans.grammar import quoted
from ganatomy.config.schema import TrainerConfig
from ganatomy.errors import UserError
from ganatomy.launch.distributed import devices_and_nodes, join_group
from ganatomy.launch.reports import is_peer_failure
from ganatomy.runs import multirun
from ganatomy.runs.directory import Run
from ganatomy.runs.process_place import ProcessPlace, process_place
from tests.conftest import ROOT

WORKER = """
import os, signal, sys, time
from ganatomy.launch.launcher import follow_parent
from ganatomy.launch.reports import report_error
from ganatomy.errors import UserError
from ganatomy.runs.lock import InUse
rank, act = os.environ.get("RANK", "alone"), dict(word.split("=") for word in sys.argv[1:])
follow_parent()
signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
open(f"{os.environ['GANATOMY_RUN']}/{rank}.pid", "w").write(str(os.getpid()))
print("rank", rank, os.environ.get("WORLD_SIZE"), flush=True)
sys.stderr.write(f"words of {rank}\\n")
match act.get("r" + rank, "end"):
    case "user":
        sys.exit(report_error(UserError("data: case 7 is empty"), "error: data: case 7 is empty"))
    case "theirs":
        sys.exit(report_error(InUse("resume: run is in use"), "error: resume: run is in use"))
    case "bug":
        try:
            1 / 0
        except ZeroDivisionError as error:
            sys.exit(report_error(error, None))
    case "lost":
        time.sleep(0.3)
        sys.exit(report_error(RuntimeError("[gloo] Connection closed by peer"), None))
    case "kill":
        time.sleep(0.3)
        os.kill(os.getpid(), signal.SIGKILL)
    case "silent":
        os._exit(7)
    case "wait":
        time.sleep(60)
"""
LEADER = """
import sys
from pathlib import Path
from ganatomy.launch import launcher
launcher.GRACE = 2.0
folder, count, *words = sys.argv[1:]
try:
    launcher.launch([sys.executable, "-m", "worker"], words, int(count), Path(folder))
except launcher.ProcessFailed as error:
    sys.stderr.write(error.text + "\\n")
    sys.exit(error.code)
"""


@pytest.fixture
def start(tmp_path: Path) -> Any:
    """The processes, each doing what `r<number>=` says."""
    (tmp_path / "worker.py").write_text(WORKER)
    Run(tmp_path).status("running")

    def of(count: int, *words: str, **more: str) -> subprocess.Popen[str]:
        own = {k: v for k, v in os.environ.items() if not k.startswith(("MASTER_", "SLURM_", "RANK"))}
        path = os.pathsep.join([str(tmp_path), str(ROOT)])
        return subprocess.Popen(
            [sys.executable, "-c", LEADER, str(tmp_path), str(count), *words],
            env={**own, "PYTHONPATH": path, **more},
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return of


@pytest.mark.parametrize(
    "words, code, said",
    [
        (["r1=user", "r0=lost"], 2, "error: data: case 7 is empty"),
        (["r0=bug", "r1=lost"], 1, "ZeroDivisionError: division by zero"),
        (["r1=kill", "r0=lost"], 1, "error: process 1 of 2 was killed by SIGKILL"),
        (["r1=kill", "r0=wait"], 1, "error: process 1 of 2 was killed by SIGKILL"),
        (["r0=kill", "r1=lost"], 1, "error: process 0 of 2 was killed by SIGKILL"),
        (["r1=silent", "r0=wait"], 1, "words of 1\nerror: process 1 of 2 ended with exit code 7"),
    ],
)
def test_the_first_to_fail_is_shown_and_all_end(
    start: Any, tmp_path: Path, words: list[str], code: int, said: str
) -> None:
    begun = time.monotonic()
    command = start(2, *words)
    out, error = command.communicate(timeout=60)
    assert command.returncode == code and said in error and "gloo" not in error
    assert out == "rank 0 2\n"
    status = json.loads((tmp_path / "status.json").read_text())
    assert status["status"] == "failed" and status["why"] and "gloo" not in status["why"]
    assert time.monotonic() - begun < 50
    for pid in tmp_path.glob("*.pid"):
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid.read_text()), 0)


def test_all_well_and_one_alone(start: Any, tmp_path: Path) -> None:
    for count, said in ((3, "rank 0 3\n"), (1, "rank alone None\n")):
        command = start(count)
        assert command.communicate(timeout=60)[0] == said and command.returncode == 0
    assert json.loads((tmp_path / "status.json").read_text())["status"] == "running"


@pytest.mark.parametrize("how, code", [(signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_what_the_command_is_told_all_are_told(start: Any, tmp_path: Path, how: int, code: int) -> None:
    command = start(2, "r0=wait", "r1=wait")
    pids = [tmp_path / f"{rank}.pid" for rank in range(2)]
    end = time.monotonic() + 60
    while not all(pid.exists() and pid.read_text() for pid in pids) and time.monotonic() < end:
        time.sleep(0.05)
    command.send_signal(how)
    command.communicate(timeout=60)
    assert command.returncode == code
    while any(Path(f"/proc/{pid.read_text()}").exists() for pid in pids) and time.monotonic() < end:
        time.sleep(0.05)
    assert not any(Path(f"/proc/{pid.read_text()}").exists() for pid in pids)
    state = json.loads((tmp_path / "status.json").read_text())["status"]
    assert state == ("preempted" if how == signal.SIGTERM else "failed")


def test_a_taken_port_is_named(start: Any) -> None:
    with socket.socket() as taken:
        taken.bind(("", 0))
        taken.listen()
        command = start(2, MASTER_PORT=str(taken.getsockname()[1]))
        assert "is taken by another program; choose another" in command.communicate(timeout=60)[1]


TORCHRUN = {"TORCHELASTIC_RUN_ID": "x", "RANK": "5", "WORLD_SIZE": "8"} | {
    "LOCAL_RANK": "1",
    "LOCAL_WORLD_SIZE": "4",
}
SRUN = {"SLURM_STEP_ID": "0", "SLURM_PROCID": "5", "SLURM_STEP_NUM_TASKS": "8"} | {
    "SLURM_STEP_NUM_NODES": "2",
    "SLURM_LOCALID": "1",
}
BATCH = {"SLURM_PROCID": "0", "SLURM_NTASKS": "8", "SLURM_JOB_ID": "7"}


@pytest.mark.parametrize(
    "environment, expected",
    [
        ({}, None),
        (TORCHRUN, ProcessPlace(5, 8, 1, 4, "torchrun")),
        (SRUN, ProcessPlace(5, 8, 1, 4, "srun")),
        (BATCH, None),
        ({"TORCHELASTIC_RUN_ID": "x", "RANK": "0", "WORLD_SIZE": "1"}, None),
    ],
    ids=["alone", "torchrun", "srun", "a batch script", "torchrun with one"],
)
def test_where_a_process_stands(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], expected: ProcessPlace | None
) -> None:
    for name in {*TORCHRUN, *SRUN, *BATCH, "GANATOMY_LAUNCH"}:
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert process_place() == expected

    def counted(devices: int, nodes: int) -> tuple[int, int]:
        trainer = TrainerConfig.model_construct(devices=devices, num_nodes=nodes)
        return devices_and_nodes(trainer, resumes=False)

    assert counted(1, 1) == ((4, 2) if expected else (1, 1))
    if expected:
        with pytest.raises(UserError, match=f"3 processes are asked for, and {expected.launcher} started 8"):
            counted(3, 1)
        assert is_peer_failure(RuntimeError("[gloo/x] Connection closed by peer")) and not is_peer_failure(
            RuntimeError("planted")
        )
    else:
        with pytest.raises(UserError, match="2 machines are started by srun or torchrun"):
            counted(1, 2)


@pytest.mark.parametrize("path", ["runs/a=1,b=2", "it's here", "with space", "back\\slash'"])
def test_any_directory_passes_through_hydras_grammar(path: str) -> None:
    (word,) = OverridesParser.create().parse_overrides([f"hydra.run.dir={quoted(path)}"])
    assert word.value() == path


def test_the_table_of_a_multirun(tmp_path: Path) -> None:
    (tmp_path / multirun.NOTES).mkdir()
    jobs = [
        (["seed=0", "task=segmentation", "name=x"], "done"),
        (["seed=1", "task=enhancement", "name=x"], ""),
    ]
    for number, (words, state) in enumerate(jobs):
        note = json.dumps({"words": words, "run": str(number)})
        (tmp_path / multirun.NOTES / f"{number}.json").write_text(note)
        if state:
            run = Run(tmp_path / str(number))
            run.status(state, best={"score": 0.5, "step": 3})
            run.write("metrics.json", {"test/dice": 0.4})
            run.write("config.yaml", {"task": {"monitor": "val/dice"}})
    first, second = multirun.table(tmp_path)
    assert first == {
        "run": "0",
        "seed": "0",
        "task": "segmentation",
        "status": "done",
        "game": "",
        "monitor": "val/dice",
    } | {
        "best": 0.5,
        "test/dice": 0.4,
    }
    assert second["status"] == "not begun" and second["seed"] == "1" and "name" not in second


@pytest.mark.parametrize("state", ["done", "preempted"])
def test_a_refusal_to_go_on_leaves_the_status_as_it_was(start: Any, tmp_path: Path, state: str) -> None:
    """Nothing is written in a run that did not begin again."""
    Run(tmp_path).write("status.json", {"status": state})
    command = start(2, "r0=user", "r1=user")
    assert "data: case 7 is empty" in command.communicate(timeout=60)[1] and command.returncode == 2
    assert json.loads((tmp_path / "status.json").read_text()) == {"status": state}


def test_a_run_that_another_process_holds_keeps_its_status(start: Any, tmp_path: Path) -> None:
    """It says running, of the other one."""
    command = start(2, "r0=theirs", "r1=wait")
    assert "error: resume: run is in use" in command.communicate(timeout=60)[1] and command.returncode == 2
    assert json.loads((tmp_path / "status.json").read_text())["status"] == "running"


def test_an_error_of_one_process_names_it(start: Any, tmp_path: Path) -> None:
    """One that all report is the run's, and no process is named."""
    said = start(2, "r1=bug", "r0=lost").communicate(timeout=60)[1]
    assert "error: process 1 of 2 failed: ZeroDivisionError: division by zero" in said
    why = json.loads((tmp_path / "status.json").read_text())["why"]
    assert why == "process 1 of 2: ZeroDivisionError: division by zero"
    assert (
        "data: case 7 is empty (process 1 of 2)" in start(2, "r1=user", "r0=lost").communicate(timeout=60)[1]
    )
    assert "process" not in start(2, "r1=user", "r0=user").communicate(timeout=60)[1]


def test_a_port_that_is_taken_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        names = {"GANATOMY_LAUNCH": "x", "WORLD_SIZE": "2", "RANK": "0", "LOCAL_RANK": "0"}
        names |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
        for name, value in {**names, "GLOO_SOCKET_IFNAME": "lo", "NCCL_SOCKET_IFNAME": "lo"}.items():
            monkeypatch.setenv(name, value)
        trainer: Any = SimpleNamespace(accelerator="cpu", hang_after=60)
        line = f"^MASTER_PORT: port {port} on 127.0.0.1 is taken by another program; choose another$"
        with pytest.raises(UserError, match=line):
            join_group(trainer, tmp_path)
