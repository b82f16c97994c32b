"""Several processes by the real command: the numbers of one, and an end together whatever happens."""

from __future__ import annotations

import csv
import json
import math
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import torch

from tests import commands
from tests.conftest import ROOT, TINY, environment
from tests.pages import blocks
from tests.ranks import ddp, together

PLAIN = {
    "data.batch_size": 5,  # which neither two nor three processes can share evenly
    "trainer.max_steps": 5,
    "trainer.val_every": 5,
    "update.clip.generator": 0.5,
}


def plain_sgd(player: str, rate: float) -> list[str]:
    """Words for this player. Adam would make steps of the rounding noise in gradients that are zero."""
    at = f"model.optimizer.{player}"
    return [f"~{at}.betas", f"~{at}.fused", f"{at}._target_=torch.optim.SGD", f"{at}.lr={rate}"]


# The discriminator's rate: penalties on gradients multiply float32's rounding by second derivatives.
SGD = [*plain_sgd("generator", 0.02), *plain_sgd("discriminator", 0.001)]
BRIEF = [word for word in TINY if not word.startswith("model.")]
MOMENTUM = "+model.optimizer.generator.momentum=0.9"
CASES: dict[str, tuple[int, list[str]]] = {
    "segmentation": (
        3,
        [
            "update.n_critic=2",
            "model.adversarial.loss=relativistic_average",
            "model.adversarial.penalties=[{name: gradient_penalty}, {name: lecam}, {name: spectral_norm}]",
            "model.adversarial.augment={name: ada, start: 0.7, interval: 2, images: 100}",
            "model.adversarial.weight={name: adaptive, share: 0.2}",
            "data.sampling=classes:1",
            "task.postprocess=auto",
            "task.scores=[cldice]",
            *(word for word in TINY if word.startswith("model.")),
        ],
    ),
    "enhancement": (
        2,
        [
            "update=textbook",
            "update.accumulate=2",
            "trainer.bucket_mb=0.001",
            "model.adversarial.loss=least_squares",
            "model.adversarial.penalties=[{name: r1, every: 2}, {name: weight_clip, limit: 0.1}]",
            "model.adversarial.augment={name: diffaugment, policy: [translation, cutout, contrast]}",
            "model.generator.channels=[4,8]",
            "model.discriminator.channels=[4,8]",
        ],
    ),
    "synthesis": (
        2,
        [
            "model.generator.channels=4",
            "model.generator.refine=0",  # a ratio of tiny powers, checkerboard, shows its rounding at 3e-6
            "model.discriminator.channels=4",
            "save_samples=3",
            "trainer.bucket_mb=0.001",
            "task.imagenet=false",
        ],
    ),  # BatchNorm, R1 and R2
    "detection": (
        3,
        [
            "data.split=[4,1,1]",
            "model.generator.stem=4",
            "model.generator.head=4",
            "model.generator.body.channels=[4,8]",
            "model.generator.body.strides=[2]",
            "model.generator.body.out_channels=4",
            "model.discriminator.channels=4",
            "model.discriminator.num_layers_d=1",
        ],
    ),
    "anomaly": (  # two phases; the gradient penalty of fanogan
        2,
        [
            "data.subjects=8",
            "data.split=[4,2,2]",
            "data.healthy=0.5",
            "data.radius=[20,30]",
            "model.generator.channels=4",
            "model.generator.latent=6",
            "model.discriminator.channels=4",
            *plain_sgd("encoder", 0.01),
            "task.denoising_steps=1",
            "task.search_images=0",
            "task.components=3",
        ],
    ),
}


def words(task: str, *more: str) -> list[str]:
    _, own = CASES[task]
    size = [f"{key}={value}" for key, value in PLAIN.items()]
    brief = [word for word in BRIEF if word.partition("=")[0] not in PLAIN]
    return [f"task={task}", *brief, *own, *SGD, *size, *more]


def checkpoint(run: Path) -> dict[str, Any]:
    return torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)


def assert_alike(one: Path, several: Path, within: float = 1e-6) -> None:
    """Weights, averages, buffers and optimisers, the history and the scores."""
    first, second = checkpoint(one), checkpoint(several)
    for name, value in first["state_dict"].items():
        scale = float(value.double().abs().max()) if value.numel() else 0.0
        other = second["state_dict"][name]
        torch.testing.assert_close(other, value, rtol=0, atol=within * max(scale, 1.0), msg=name)
    assert first["batches_done"] == second["batches_done"]
    old, new = (list(csv.DictReader((run / "metrics.csv").open())) for run in (one, several))
    for a, b in zip(old, new, strict=True):
        for name in (name for name in a if a[name] and not name.startswith("time/")):
            assert float(b[name]) == pytest.approx(float(a[name]), rel=5e-6, abs=5e-6, nan_ok=True), name
    a, b = (
        {k: math.nan if v is None else v for k, v in json.loads((run / "metrics.json").read_text()).items()}
        for run in (one, several)
    )
    assert a == pytest.approx(b, rel=1e-6, abs=1e-6, nan_ok=True)


@pytest.mark.slow
@pytest.mark.parametrize("task", [name for name in CASES if (ROOT / f"conf/task/{name}.yaml").is_file()])
def test_several_processes_train_as_one(command: Any, tmp_path: Path, task: str) -> None:
    """One task with our own launcher, the others as under torchrun."""
    count, _ = CASES[task]
    for name, more in {"one": [], **({"several": ddp(count)} if task == "segmentation" else {})}.items():
        done = command(*words(task, f"run_dir={name}", *more))
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip().splitlines()[-1] == f"run: {name}" and done.stdout.count("run: ") == 1
    if task != "segmentation":
        said = together(count, tmp_path, *words(task, "run_dir=several"))
        assert ["run: several" in each.splitlines() for each in said] == [True] + [False] * (count - 1)
        done.stdout = said[0]
    assert_alike(tmp_path / "one", tmp_path / "several")
    for path in (tmp_path / "one").glob("synthetic/images/*.nii.gz"):
        ours, theirs = (
            nibabel.load(tmp_path / name / "synthetic/images" / path.name).get_fdata()
            for name in ("one", "several")
        )
        np.testing.assert_allclose(theirs, ours, atol=1e-5 * np.abs(ours).max())
    files = [{p.name for p in (tmp_path / name).rglob("*")} for name in ("one", "several")]
    assert files[0] == files[1] and not list(tmp_path.rglob("*.tmp"))
    header = (tmp_path / "several" / "metrics.csv").read_text().splitlines()[0]
    assert "time/reducing" in header
    assert f"averaging gradients over {count} processes" in done.stdout + done.stderr


def spectral_norms(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The state with the norm that a power iteration is for in place of its two vectors.

    Rounding of the weight turns the vectors by it over the gap to the next singular value, however small.
    """
    found = {name: value for name, value in state.items() if not name.endswith(("0._u", "0._v"))}
    for name in state:
        if name.endswith("0._u"):
            weight = state[name.removesuffix("0._u") + "original"].flatten(1)
            norm = state[name] @ weight @ state[name.removesuffix("u") + "v"]
            found[f"{name}: spectral norm"] = norm
    return found


@pytest.mark.slow
def test_a_run_goes_on_with_more_processes_and_with_fewer(command: Any, tmp_path: Path) -> None:
    """Two processes, then three, then one: as if one had done it all, the momentum of its optimiser too."""
    steps = [w for w in words("segmentation", MOMENTUM) if not w.startswith("trainer.max_steps")]
    assert command(*steps, "trainer.max_steps=6", "run_dir=one").returncode == 0
    begun = command(*steps, "trainer.max_steps=3", "run_dir=several", *ddp(2))
    assert begun.returncode == 0, begun.stderr
    gone = command("resume=several", "trainer.max_steps=5", "trainer.devices=3")
    assert gone.returncode == 0, gone.stderr
    last = command("resume=several", "trainer.max_steps=6", "trainer.devices=1")
    assert last.returncode == 0, last.stderr
    a, b = (checkpoint(tmp_path / name) for name in ("one", "several"))
    assert a["batches_done"] == b["batches_done"] == 6
    ones, others = (spectral_norms(state["state_dict"]) for state in (a, b))
    assert any(name.endswith("spectral norm") for name in ones)
    for name, value in ones.items():
        atol = 1e-6 * max(1.0, float(value.abs().max()))
        torch.testing.assert_close(others[name], value, rtol=0, atol=atol, msg=name)
    for old, new in zip(a["optimizer_states"], b["optimizer_states"], strict=True):
        for key, state in old["state"].items():
            momentum = state["momentum_buffer"]
            if momentum is not None:
                torch.testing.assert_close(
                    new["state"][key]["momentum_buffer"], momentum, rtol=1e-4, atol=1e-6
                )


LONG = ["trainer.max_steps=100000", "trainer.val_every=100000", "callbacks.checkpoint_every=1", "run_dir=run"]
PLANTED = """
import os, signal

def fail(*_):
    raise RuntimeError("planted in one process")

def plant(*_):  # fails at the next step: an error raised here could land inside a library's own try
    import torch
    torch.manual_seed = fail

def hang(*_):
    import time
    time.sleep(3600)

def plant_hang(*_):
    import torch
    torch.manual_seed = hang

if os.environ.get("RANK") == "1":
    signal.signal(signal.SIGUSR2, plant)
    signal.signal(signal.SIGWINCH, plant_hang)
"""


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Callable[..., tuple[subprocess.Popen[str], list[int]]]]:
    """A run of two processes that has done a step: the command, and the two by number."""
    (tmp_path / "sitecustomize.py").write_text(PLANTED)
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    started: list[subprocess.Popen[str]] = []

    def start(*more: str) -> tuple[subprocess.Popen[str], list[int]]:
        line = [sys.executable, "-m", "src.train", *TINY, *LONG, *ddp(2), *more]
        line = [word for word in line if word not in ("trainer.max_steps=8", "trainer.val_every=4")]
        command = subprocess.Popen(
            line, cwd=tmp_path, env=environment(PYTHONPATH=path), stderr=subprocess.PIPE, text=True
        )
        started.append(command)
        wait_for((tmp_path / "run/checkpoints/last.ckpt").exists, 400, command)
        return command, children(command.pid)

    yield start
    for command in started:
        for pid in [*children(command.pid), command.pid]:
            if alive(pid):
                os.kill(pid, signal.SIGKILL)
        command.communicate()


def children(pid: int) -> list[int]:
    """In the order they were started, which is that of their numbers."""
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in listed.read_text().split()] if listed.exists() else []


def alive(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


def wait_for(found: Callable[[], bool], seconds: float, command: subprocess.Popen[str] | None = None) -> None:
    end = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < end, "waited too long"
        assert command is None or command.poll() is None, command.communicate()[1]
        time.sleep(0.05)


def status(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "run/status.json").read_text())
    return found


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="processes are looked for in /proc")
@pytest.mark.parametrize(
    "victim, how, code, state, said",
    [
        (1, signal.SIGKILL, 1, "failed", "error: process 1 of 2 was killed by SIGKILL"),
        (0, signal.SIGKILL, 1, "failed", "error: process 0 of 2 was killed by SIGKILL"),
        (
            1,
            signal.SIGUSR2,
            1,
            "failed",
            "error: process 1 of 2 failed: RuntimeError: planted in one",
        ),
        (0, signal.SIGTERM, 143, "preempted", "go on with: python -m src.train resume=run"),
        (None, signal.SIGTERM, 143, "preempted", "go on with: python -m src.train resume=run"),
    ],
    ids=["other killed", "first killed", "one raises", "first asked to stop", "command asked to stop"],
)
def test_all_end_together(
    running: Any, tmp_path: Path, victim: int | None, how: signal.Signals, code: int, state: str, said: str
) -> None:
    command, ranks = running()
    os.kill(command.pid if victim is None else ranks[victim], how)
    message = command.communicate(timeout=60)[1]
    assert command.returncode == code, message
    assert said in message and message.count("Traceback") <= 1 and "gloo" not in message
    assert status(tmp_path)["status"] == state
    wait_for(lambda: not any(map(alive, ranks)), 5)


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="processes are looked for in /proc")
@pytest.mark.parametrize(
    "how, said",
    [
        (signal.SIGWINCH, "process 1 of 2 did not come: it is in ganatomy.tasks.gan_module.training_step"),
        (signal.SIGSTOP, "process 1 of 2 does not answer (it was stopped, or its machine is gone)"),
    ],
    ids=["one hangs", "one is stopped"],
)
def test_a_process_that_does_not_come_is_named(
    running: Any, tmp_path: Path, how: signal.Signals, said: str
) -> None:
    command, ranks = running("trainer.hang_after=15")
    os.kill(ranks[1], how)
    message = command.communicate(timeout=100)[1]
    assert command.returncode == 1, message
    (line,) = [line for line in message.splitlines() if line.startswith("error: ")]
    assert said in line and "; process 0 of 2 waited" in line and "(training, step " in line
    assert "gloo" not in message and "Traceback" not in message
    state = status(tmp_path)
    assert state["status"] == "failed" and said in state["why"]
    wait_for(lambda: not any(map(alive, ranks)), 5)


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="processes are looked for in /proc")
def test_nobody_outlives_the_command(running: Any, tmp_path: Path) -> None:
    command, ranks = running()
    command.kill()
    wait_for(lambda: not any(map(alive, ranks)), 30)
    assert status(tmp_path)["status"] == "failed"


def test_a_taken_port_is_one_line(command: Any) -> None:
    with socket.socket() as taken:
        taken.bind(("", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = command(*TINY, *ddp(2), env={"MASTER_PORT": port})
    assert done.returncode == 2
    assert done.stderr.strip().startswith(f"error: MASTER_PORT: port {port} is taken by another program")
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.slow
def test_under_torchrun(tmp_path: Path) -> None:
    """One directory, though each process composes its own; by numbers, as a bare machine knows no names."""
    where = ["--rdzv-backend=c10d", "--rdzv-endpoint=127.0.0.1:0", "--local-addr=127.0.0.1"]
    line = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", *where, "-m"]
    run = ["src.train", *TINY, "trainer.max_steps=1", "trainer.val_every=1"]
    done = subprocess.run(
        [*line, *run], cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    (directory,) = (tmp_path / "runs/segmentation").iterdir()
    assert done.stdout.strip().splitlines()[-1] == f"run: runs/segmentation/{directory.name}"
    assert "devices: 2" in (directory / "config.yaml").read_text()


@pytest.mark.slow
def test_under_srun(tmp_path: Path) -> None:
    """As SLURM starts it: one process a task, which learns from its environment where it stands."""
    with socket.socket() as probe:
        probe.bind(("", 0))
        port = str(probe.getsockname()[1])
    common = {"SLURM_STEP_ID": "0", "SLURM_JOB_ID": "7", "SLURM_NTASKS": "2", "SLURM_STEP_NUM_TASKS": "2"}
    common |= {
        "SLURM_NTASKS_PER_NODE": "2",
        "SLURM_STEP_NUM_NODES": "1",
        "SLURM_NODELIST": "localhost",
        "SLURM_NODEID": "0",
    }
    common |= {"MASTER_PORT": port, "MASTER_ADDR": "127.0.0.1", "SLURM_JOB_NAME": "train"}
    line = [sys.executable, "-m", "src.train", *TINY, "trainer.max_steps=1", "trainer.val_every=1"]
    tasks = [
        commands.start(line, tmp_path, environment(**common, SLURM_PROCID=rank, SLURM_LOCALID=rank))
        for rank in "01"
    ]
    said = [task.communicate(timeout=300) for task in tasks]
    assert [task.returncode for task in tasks] == [0, 0], said
    (directory,) = (tmp_path / "runs/segmentation").iterdir()
    assert said[0][0].strip().endswith(directory.name) and not said[1][0]


def test_the_batch_script_of_the_page_starts_what_it_says(tmp_path: Path, compose: Any) -> None:
    """Run by a shell, with a stand-in for srun that notes its words."""
    script = next(block for block in blocks("cluster.md", "sh") if "#SBATCH" in block)
    stand_in = tmp_path / "srun"
    stand_in.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/said\n')
    stand_in.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    subprocess.run(["bash", "-eu", "-c", script], env={"PATH": path, "SLURM_JOB_ID": "7"}, check=True)
    first, *line = (tmp_path / "said").read_text().splitlines()
    assert first == "--kill-on-bad-exit=1" and line[:3] == ["python", "-m", "src.train"]
    cfg = compose(*line[3:], tiny=False)
    assert cfg["run_dir"] == "runs/synthesis/7" and cfg["data"]["workers"] == 6


@pytest.mark.slow
def test_a_multirun_of_distributed_jobs(command: Any, tmp_path: Path) -> None:
    """Each job has its processes, one that cannot be leaves the others alone, and a table ends it."""
    sweep = ["--multirun", "update=shared,textbook", "data.batch_size=1,4", "hydra.sweep.dir=sweep"]
    small = [word for word in TINY if not word.startswith(("data.batch_size", "trainer.max_steps"))]
    done = command(*sweep, *small, "trainer.max_steps=1", *ddp(2))
    assert done.returncode == 2
    assert done.stderr.count("error: data.batch_size: 1 is the batch of all processes; give at least 2") == 2
    rows = list(csv.DictReader((tmp_path / "sweep/multirun.csv").open()))
    assert [(r["update"], r["data.batch_size"], r["status"]) for r in rows] == [
        ("shared", "1", "not begun"),
        ("shared", "4", "done"),
        ("textbook", "1", "not begun"),
        ("textbook", "4", "done"),
    ]
    assert all(float(row["test/dice"]) >= 0 for row in rows[1::2])
    assert "textbook" in done.stdout and "test/dice" in done.stdout


@pytest.mark.parametrize(
    "more, message",
    [
        (["trainer.devices=5"], "data.batch_size: 4 is the batch of all processes; give at least 5"),
        (["trainer.num_nodes=2"], "trainer.num_nodes: 2 machines are started by srun or torchrun"),
    ],
)
def test_refused_in_one_line(command: Any, more: list[str], message: str) -> None:
    done = command(*TINY, *more)
    assert done.returncode == 2 and message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
