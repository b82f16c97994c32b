"""Runs that are killed anywhere and resumed, for the tests and for benchmarks/kills.py.

A process that has imported everything and trained nothing is forked for every start (`forkserver`), so a
start costs a second or two. The forked one runs the command `train` in a process group of its own.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import random
import shutil
import signal
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.test_resume import assert_same_end

SMALL = [
    *("data.batch_size=4", "data.slices=4", "trainer.threads=1", "trainer.accelerator=cpu"),
    *("trainer.max_steps=13", "trainer.val_every=5", "trainer.log_every=1", "callbacks.checkpoint_every=3"),
    *("callbacks.progress=none", "callbacks.report=false", "callbacks.samples=0"),
]
STEPS = 13
PATCH = ["model.discriminator.channels=4", "model.discriminator.num_layers_d=1"]
UNET = ["model.generator.channels=[4,8]", "model.generator.strides=[2]"]
CONVOLUTIONS = ["model.generator.channels=4", "model.discriminator.channels=4"]
CENTERNET = ["model.generator.stem=4", "model.generator.head=4", "model.generator.body.channels=[4,8]"]
CENTERNET += ["model.generator.body.strides=[2]", "model.generator.body.out_channels=4"]
ENHANCE = ["data.subjects=6", "data.size=16", "data.augment=[]"]
SYNTHESIZE = ["data.subjects=6", "data.split=[4,1,1]", "data.size=24", "task.imagenet=false"]
FIND = ["data.subjects=8", "data.split=[4,2,2]", "data.size=16", "data.healthy=0.5", "data.radius=[20,30]"]
FIND += ["task.denoising_steps=1", "task.search_images=0", "task.components=3"]
TASKS: dict[str, dict[str, list[str]]] = {
    "segmentation": {
        "adversarial_unet": ["data.subjects=6", "data.size=32", *UNET, *PATCH],
        "semi": [
            *("data.subjects=6", "data.size=16", "data.label_fraction=0.5", "task.semi.start=0", *UNET),
            "model.discriminator.channels=[4,8]",
        ],
    },
    "enhancement": {
        "pix2pix": [*ENHANCE, "model.generator.channels=[4,8]", *PATCH],
        "wgan_denoise": [
            *(*ENHANCE, "model.generator.channels=4", "model.discriminator.channels=[4,4]"),
            "update.n_critic=2",
        ],
    },
    "detection": {
        "centernet_gan": ["data.subjects=6", "data.split=[4,1,1]", "data.size=32", *CENTERNET, *PATCH]
    },
    "synthesis": {
        "fast": [*SYNTHESIZE, *CONVOLUTIONS],
        "stylegan2": [*SYNTHESIZE, *CONVOLUTIONS, "model.generator.style=8"],
    },
    "anomaly": {
        "fanogan": [*FIND, *CONVOLUTIONS, "model.generator.latent=6", "task.method.share=0.667"],
        "ganomaly": [*FIND, *CONVOLUTIONS, "model.generator.latent=6"],
    },
}
"""Words of the smallest run of a model, by task."""


@dataclass(frozen=True)
class Job:
    """A run to be killed."""

    task: str
    model: str
    precision: str = "32-true"
    processes: int = 1
    logger: str = "csv"

    @property
    def words(self) -> list[str]:
        own = TASKS[self.task][self.model]
        choices = [f"task={self.task}", f"model={self.model}", f"logger={self.logger}"]
        return [*choices, f"trainer.precision={self.precision}", *SMALL, *own]

    def __str__(self) -> str:
        many = f", {self.processes} processes" if self.processes > 1 else ""
        return f"{self.task} {self.model}, {self.precision}{many}{', W&B offline' * (self.logger == 'wandb')}"


@dataclass
class Kills:
    """What came of the kills of one run."""

    killed: int = 0
    writing: int = 0
    early: int = 0
    difference: str = ""


@dataclass(frozen=True)
class Moment:
    """A kill `later` seconds after step `step` ended, or after the `write`-th write of a checkpoint began."""

    step: int = 0
    write: int = 0
    later: float = 0.0


def moments(count: int, writing: int, draw: random.Random) -> list[Moment]:
    """Draw kill points, `writing` of them while a checkpoint is written; in order of their steps."""
    at = sorted(draw.sample(range(1, STEPS), count - writing))
    drawn = [Moment(step=step, later=draw.uniform(0, 0.05)) for step in at]
    for _ in range(writing):
        place = draw.randint(0, len(drawn))
        write = draw.randint(1, 2 if place else 4)  # so many come for certain, also in the last steps
        drawn.insert(place, Moment(write=write, later=draw.uniform(0, 0.0005)))
    return drawn


@dataclass(frozen=True)
class Planned:
    """A run of the campaign, and when it is killed."""

    job: Job
    points: list[Moment]


def _campaign() -> list[Planned]:
    """Return forty kills, ten of them while a checkpoint is written."""
    jobs = [
        Job("segmentation", "adversarial_unet"),
        Job("segmentation", "adversarial_unet", "bf16-mixed", processes=2),
        Job("segmentation", "semi", "bf16-mixed"),
        Job("enhancement", "pix2pix", processes=2),
        Job("enhancement", "wgan_denoise", "bf16-mixed", logger="wandb"),
        Job("detection", "centernet_gan", logger="wandb"),
        Job("detection", "centernet_gan", "bf16-mixed", processes=2),
        Job("synthesis", "fast"),
        Job("synthesis", "fast", "bf16-mixed", processes=2, logger="wandb"),
        Job("synthesis", "stylegan2"),
        Job("anomaly", "fanogan", processes=2),
        Job("anomaly", "fanogan", "bf16-mixed"),
        Job("anomaly", "ganomaly", logger="wandb"),
        Job("enhancement", "pix2pix", "bf16-mixed"),
    ]
    draw = random.Random(20)
    return [Planned(job, moments(3 - (n >= 12), int(n < 10), draw)) for n, job in enumerate(jobs)]


CAMPAIGN = _campaign()


class Started:
    """The processes of a run."""

    def __init__(self, job: Job, words: Sequence[str], folder: Path) -> None:
        context = multiprocessing.get_context("forkserver")
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        context.set_forkserver_preload(["tests.kills_preload"])
        self.steps: Any = context.Value("i", 0, lock=False)
        self.processes = []
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        for rank in range(job.processes):
            environment = dict(os.environ)
            if job.processes > 1:
                environment |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "RANK": str(rank)}
                environment |= {"WORLD_SIZE": str(job.processes), "LOCAL_WORLD_SIZE": str(job.processes)}
                environment |= {"LOCAL_RANK": str(rank), "TORCHELASTIC_RUN_ID": "kills", "GROUP_RANK": "0"}
            given = (list(words), folder, environment, self.steps)
            process: Any = context.Process(target=_train, args=given)
            process.start()
            self.processes.append(process)

    def alive(self) -> bool:
        return all(process.is_alive() for process in self.processes)

    def kill(self) -> None:
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
        self.end()

    def end(self) -> list[int | None]:
        """Wait; return the exit codes."""
        for process in self.processes:
            process.join(300)
        return [process.exitcode for process in self.processes]


def _train(words: list[str], folder: Path, environment: dict[str, str], steps: Any) -> None:
    """Be the command `train` in a process group of its own; steps done are told to the parent."""
    os.setsid()
    os.environ.update(environment)
    os.chdir(folder)
    output = os.open("output.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)

    from ganatomy.tasks.gan_module import GanModule
    from ganatomy.train import main

    step = GanModule.training_step

    def counted(self: GanModule, batch: Any, index: int) -> None:
        step(self, batch, index)
        steps.value = self.batches_done

    GanModule.training_step = counted  # type: ignore[method-assign]
    sys.argv = ["train", *words]
    main()


def finish(job: Job, folder: Path, name: str) -> Path:
    """Run a job to its end without any kill."""
    codes = Started(job, [*job.words, f"run_dir={name}"], folder).end()
    assert set(codes) == {0}, (folder / "output.txt").read_text()
    return folder / name


def kill_and_resume(job: Job, folder: Path, points: Sequence[Moment]) -> Kills:
    """Kill a run at each of these points, resume it, and compare its end with an undisturbed run's.

    Args:
        job: The run.
        folder: Empty folder to work in.
        points: When to kill.
    """
    whole, cut = finish(job, folder, "whole"), folder / "cut"
    kills = Kills()
    for point in points:
        started = Started(job, _words(job, cut), folder)
        reached = _wait(started, cut / "checkpoints", point)
        started.kill()
        if reached:
            kills.killed += 1
            kills.writing += any((cut / "checkpoints").glob(".*.tmp"))
            kills.early += not (cut / "checkpoints/last.ckpt").exists()
        elif (cut / "metrics.json").exists():
            break
    codes = Started(job, _words(job, cut), folder).end()
    if set(codes) != {0}:
        kills.difference = (folder / "output.txt").read_text()[-2000:]
        return kills
    try:
        assert_same_end(whole, cut)
        for name in ("generator.safetensors", "scores.csv"):
            if (whole / name).exists():
                assert (whole / name).read_bytes() == (cut / name).read_bytes(), name
        assert not [*cut.rglob(".*.tmp")], "temporary files"
    except AssertionError as error:
        kills.difference = str(error) or "differs"
    return kills


def _words(job: Job, cut: Path) -> list[str]:
    """Return the words that go on with a run, or begin it where it has no checkpoint."""
    if (cut / "checkpoints/last.ckpt").exists():
        return [f"resume={cut}"]
    shutil.rmtree(cut, ignore_errors=True)
    return [*job.words, f"run_dir={cut}"]


def _wait(started: Started, checkpoints: Path, point: Moment) -> bool:
    """Wait for the point; return False if the run ended before."""
    writes, before = 0, False
    while started.alive():
        if point.step and started.steps.value >= point.step:
            break
        now = _writing(checkpoints)
        writes, before = writes + (now and not before), now
        if point.write and writes >= point.write:
            break
        time.sleep(0.0002 if point.write else 0.002)
    else:
        return False
    time.sleep(point.later)
    return True


def _writing(checkpoints: Path) -> bool:
    return any(_temporary(checkpoints))


def _temporary(checkpoints: Path) -> Iterator[str]:
    with contextlib.suppress(FileNotFoundError), os.scandir(checkpoints) as entries:
        yield from (entry.name for entry in entries if entry.name.endswith(".tmp"))
