"""Settings of the machine: chosen by evidence and timing, said, kept, and never moving the run itself."""

from __future__ import annotations

import copy
import csv
import json
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf

from ganatomy.config.resolve import validate
from ganatomy.config.schema import Config
from ganatomy.data.datamodule import DataModule
from ganatomy.machine import processor
from ganatomy.tasks.base import AdversarialTask
from ganatomy.training import build, preflight
from ganatomy.training.machine import evidence, planner, timing
from ganatomy.training.machine.choice import Choice
from ganatomy.training.machine.planner import plan_machine
from ganatomy.training.machine.trial import Trial
from tests.conftest import composed
from tests.test_resume import assert_same, assert_same_end, run_until

AUTO = ["trainer.precision=auto", "trainer.channels_last=auto", "trainer.threads=auto"]
LONG = [*AUTO, "trainer.max_steps=100", "trainer.val_every=100"]
SYNTHESIS = [
    "task=synthesis",
    "data.subjects=6",
    "data.size=32",
    "data.slices=3",
    "data.batch_size=4",
    "model.generator.channels=4",
    "model.discriminator.channels=4",
    "trainer.threads=1",
    "trainer.accelerator=cpu",
]
Built = tuple[Config, AdversarialTask, DataModule]


def built(*words: str, tiny: bool = True) -> Built:
    """A game as `train` sets it up, before anything is timed."""
    cfg = validate(composed(*LONG, *words, tiny=tiny))
    data = build.build_data(cfg)
    data.setup()
    cfg = build.complete(cfg, data)
    task = build.build_task(cfg, data.mask_classes)
    preflight.plan_update(cfg.update, task, data)
    return cfg, task, data


@pytest.fixture(autouse=True)
def same_threads() -> Iterator[None]:
    """A run of two threads leaves other tests on one."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def own_cache(tmp_path: Path) -> list[str]:
    return [f"paths.cache={tmp_path}/cache"]


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> dict[timing.Setting, float]:
    """Hundredths of a second of an update by setting, in place of a clock; 1 where nothing is planted."""
    times: dict[timing.Setting, float] = defaultdict(lambda: 1.0)
    monkeypatch.setattr(Trial, "seconds", lambda self, half, layout, clock: times[half, tuple(layout)] / 100)
    monkeypatch.setattr(processor, "bfloat16_unit", lambda device: "a unit")
    return times


def test_the_fastest_setting_is_chosen(planted: dict[timing.Setting, float], own_cache: list[str]) -> None:
    planted[True, ()] = 0.6
    planted[True, ("generator",)] = 0.5
    planted[True, ("discriminator",)] = 0.7
    cfg, line = plan_machine(*built(*own_cache))
    assert (cfg.trainer.precision, cfg.trainer.channels_last) == ("bf16-mixed", "generator")
    assert line.startswith("machine: bfloat16 (by a unit), channels last in generator, 2.00 times as fast")


def test_both_layouts_and_no_half(planted: dict[timing.Setting, float], own_cache: list[str]) -> None:
    planted[True, ()] = 1.2
    planted[False, ("generator", "discriminator")] = 0.9
    cfg, _ = plan_machine(*built(*own_cache))
    assert (cfg.trainer.precision, cfg.trainer.channels_last) == ("32-true", True)


def test_noise_chooses_nothing(planted: dict[timing.Setting, float], own_cache: list[str]) -> None:
    planted[True, ()] = planted[False, ("generator",)] = 0.98
    cfg, line = plan_machine(*built(*own_cache))
    assert (cfg.trainer.precision, cfg.trainer.channels_last) == ("32-true", False)
    assert "times as fast" not in line
    assert line.startswith("machine: float32 (bfloat16 was tried and is not faster here); ")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["task=enhancement", "model=srgan", "degradation=downsample2"], "was not compared for"),
        (["task=enhancement", "model=wgan_denoise"], "was not compared for"),
    ],
)
def test_half_needs_evidence(words: list[str], reason: str) -> None:
    cfg = validate(composed(*words, tiny=False))
    assert reason in evidence.reason_against(cfg)


def test_half_needs_a_unit(
    planted: dict[timing.Setting, float], own_cache: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    planted[True, ()] = 0.1
    monkeypatch.setattr(processor, "bfloat16_unit", lambda device: "")
    cfg, line = plan_machine(*built(*own_cache))
    assert cfg.trainer.precision == "32-true"
    assert "has no unit for bfloat16" in line


def test_what_was_asked_for_stays(planted: dict[timing.Setting, float], own_cache: list[str]) -> None:
    planted[True, ()] = planted[False, ("generator",)] = 0.1
    words = ["trainer.precision=32-true", "trainer.channels_last=discriminator", "trainer.threads=1"]
    cfg, task, data = built(*own_cache, *words)
    same, line = plan_machine(cfg, task, data)
    assert same is cfg
    assert line == ""
    planted[False, ("discriminator",)] = 2.0
    cfg, _ = plan_machine(*built(*own_cache, *words[1:]))
    assert (cfg.trainer.channels_last, cfg.trainer.threads) == ("discriminator", 1)


def test_a_short_run_is_as_it_was() -> None:
    words = ["trainer.max_steps=99"]
    cfg, line = plan_machine(*built(*words))
    assert (cfg.trainer.precision, cfg.trainer.channels_last, cfg.trainer.threads) == ("32-true", False, None)
    assert "fewer than 100 steps" in line


def test_more_threads_are_left_out_where_they_harm(
    planted: dict[timing.Setting, float], own_cache: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def seconds(self: Trial, half: bool, layout: Any, clock: Any) -> float:
        return 2.6 if torch.get_num_threads() > 1 else 1.0

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        monkeypatch.setattr(Trial, "seconds", seconds)
        cfg, line = plan_machine(*built(*own_cache))
        assert torch.get_num_threads() == 2  # the caller sets what was chosen
        assert cfg.trainer.threads == 1
        assert "1 thread, as 2 take 2.6 times as long on this busy machine" in line
        monkeypatch.setattr(Trial, "seconds", lambda self, half, layout, clock: 1.0)
        assert plan_machine(*built(*own_cache))[0].trainer.threads is None
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(
    "words",
    [
        [],
        SYNTHESIS,
        ["model.adversarial.weight={name: adaptive, share: 0.2}", "model.ema_half_life=100.0"],
    ],
)
def test_the_run_does_not_notice_that_it_was_timed(words: list[str], own_cache: list[str]) -> None:
    game = built(*own_cache, *words, tiny="task=synthesis" not in words)
    _, task, _ = game
    before = copy.deepcopy(task.state_dict())
    torch.manual_seed(7)
    wanted = torch.rand(5)
    torch.manual_seed(7)
    plan_machine(*game)
    assert torch.equal(torch.rand(5), wanted)
    assert_same(before, task.state_dict())
    assert all(weight.grad is None for weight in task.parameters())


@pytest.mark.parametrize("words", [["update.accumulate=3"], ["data.batch_size=1"], ["update.n_critic=3"]])
def test_any_batch_can_be_timed(words: list[str], own_cache: list[str]) -> None:
    _, line = plan_machine(*built(*own_cache, *words))
    assert "could not be timed" not in line


def test_a_choice_is_remembered(
    planted: dict[timing.Setting, float], own_cache: list[str], tmp_path: Path
) -> None:
    planted[True, ()] = 0.5
    first, said = plan_machine(*built(*own_cache))
    planted[True, ()] = 3.0
    again, line = plan_machine(*built(*own_cache))
    assert (again.trainer, line) == (first.trainer, said)
    trial, line = plan_machine(*built(*own_cache, "model.optimizer.generator.lr=0.5", "seed=3"))
    assert (trial.trainer, line) == (first.trainer, said), "trials of a sweep compute alike"
    for changed in ("model.generator.channels=[4,12]", "data.size=48", "data.batch_size=2"):
        other, _ = plan_machine(*built(*own_cache, changed))
        assert other.trainer.precision == "32-true", changed
    for file in (tmp_path / "cache/machine").iterdir():
        file.write_text('{"precision": ')
    again, _ = plan_machine(*built(*own_cache))
    assert again.trainer.precision == "32-true"


def test_a_game_that_cannot_be_copied_trains_all_the_same(
    own_cache: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: AdversarialTask, memo: object) -> None:
        raise TypeError("no")

    cfg, task, data = built(*own_cache)
    monkeypatch.setattr(type(task), "__deepcopy__", refuse, raising=False)
    chosen, line = plan_machine(cfg, task, data)
    assert chosen.trainer.precision == "32-true"
    assert "could not be timed: TypeError" in line


def test_a_run_goes_on_as_it_began_where_others_would_be_chosen(
    run: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = Choice("bf16-mixed", ("generator",), 2)
    monkeypatch.setattr(planner, "_alone", lambda cfg, task, data: (chosen, ""))
    whole = run("whole", *AUTO)
    run_until(5, run, "cut", *AUTO)
    kept = OmegaConf.load(whole / "config.yaml").trainer
    assert (kept.precision, kept.channels_last, kept.threads) == ("bf16-mixed", "generator", 2)
    assert json.loads((whole / "environment.json").read_text())["threads"] == 2
    assert is_last(whole, "generator") and is_last(whole, "average.module")
    assert not is_last(whole, "discriminator")

    monkeypatch.setattr(planner, "_alone", lambda cfg, task, data: (Choice("32-true"), ""))
    cut = run("cut", resume=True)
    assert OmegaConf.load(cut / "config.yaml").trainer == kept
    assert_same_end(whole, cut)


def is_last(directory: Path, player: str) -> bool:
    """Whether the kernels of a player in last.ckpt have their channels innermost."""
    state = torch.load(directory / "checkpoints/last.ckpt", weights_only=True)["state_dict"]
    kernels = [w for name, w in state.items() if name.startswith(player) and w.dim() == 4]
    told = [w for w in kernels if min(w.shape[1:]) > 1]  # else both layouts are one
    assert told
    found = {w.is_contiguous(memory_format=torch.channels_last) for w in told}
    assert len(found) == 1
    return found.pop()


def test_the_evidence_is_that_of_the_experiment() -> None:
    """A game is in the table if, at both lengths, halves and floats differ by less than seeds do."""
    folders = sorted((Path(__file__).parents[3] / "experiments").glob("precision*"))
    arms: dict[str, list[str]] = {}
    rows: list[dict[str, str]] = []
    for folder in folders:
        spec: Any = OmegaConf.to_container(OmegaConf.load(folder / "experiment.yaml"))
        base = [word for word in spec["base"] if word.startswith("task=")]
        arms |= {name: [*base, *arm["words"]] for name, arm in spec["arms"].items()}
        with (folder / "results/runs.csv").open(newline="") as file:
            rows += list(csv.DictReader(file))
    scores = {"enhancement": "psnr", "detection": "map50", "anomaly": "auroc", "synthesis": "swd"}
    scores["translation"] = "mae"
    as_good = defaultdict(set)
    failed = set()
    for arm in arms:
        if not arm.endswith("_float"):
            continue
        name = f"test/{scores.get(arm.split('_')[0], 'dice')}"
        floats, halves = (
            [float(row[name]) for row in rows if row["arm"] == one]
            for one in (arm, arm.removesuffix("float") + "half")
        )
        assert len(floats) == len(halves) == 3
        cfg = build_config(arms[arm])
        near = abs(statistics.fmean(floats) - statistics.fmean(halves)) <= max(floats) - min(floats)
        as_good[cfg.task.target] |= {*evidence.classes(cfg)}
        if not near:
            failed.add(cfg.task.target)
    wanted = {task: found for task, found in as_good.items() if task not in failed}
    assert {task: set(found) for task, found in evidence.AS_GOOD.items()} == wanted


def build_config(words: list[str]) -> Config:
    return validate(composed(*words, tiny=False))
