"""The examples, by the real command: a CycleGAN as a task of one's own, outside the package."""

from __future__ import annotations

import csv
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch

from tests.conftest import ROOT, TINY
from tests.ranks import ddp
from tests.test_processes import assert_alike, checkpoint, plain_sgd

CYCLEGAN = [
    f"--config-dir={ROOT / 'examples/cycle'}",
    "task=cycle",
    *(word for word in TINY if not word.startswith(("model.", "data.batch_size"))),
    "data.batch_size=5",  # which two processes cannot share evenly
    *(f"model.generator.{name}.{key}" for name in ("ab", "ba") for key in ("channels=4", "blocks=1")),
    *(f"model.discriminator.{name}.{key}" for name in "ab" for key in ("channels=4", "num_layers_d=1")),
    "model.adversarial.penalties=[{name: r1, gamma: 1.0}, {name: lecam}]",
    "model.adversarial.augment={name: ada, start: 0.7, interval: 2, images: 100}",
    "task.identity=5.0",
    "trainer.max_steps=4",
    "trainer.val_every=2",
]
SGD = [*plain_sgd("generator", 0.01), *plain_sgd("discriminator", 0.001), "update.clip.generator=0.5"]


@pytest.fixture
def translate(command: Callable[..., Any]) -> Callable[..., subprocess.CompletedProcess[str]]:
    def of(*words: str) -> subprocess.CompletedProcess[str]:
        done: subprocess.CompletedProcess[str] = command(*words, env={"GANATOMY_TARGETS": "examples."})
        assert done.returncode == 0, done.stderr
        return done

    return of


@pytest.mark.slow
def test_cyclegan_trains_is_tested_and_goes_on(translate: Any, tmp_path: Path) -> None:
    """Two steps and then two more hold what four at once hold."""
    said = translate(*CYCLEGAN, "run_dir=one").stderr
    assert "counted for the discriminators a, b" in said
    translate(*CYCLEGAN, "trainer.max_steps=2", "run_dir=two")
    translate("resume=two", "trainer.max_steps=4")
    first, second = checkpoint(tmp_path / "one"), checkpoint(tmp_path / "two")
    assert first["state_dict"].keys() == second["state_dict"].keys()
    assert all(value.equal(second["state_dict"][name]) for name, value in first["state_dict"].items())
    scores = json.loads((tmp_path / "one/metrics.json").read_text())
    assert "test/psnr" in scores and "baseline/input/psnr" in scores
    names = set(safetensors.torch.load_file(tmp_path / "one/generator.safetensors"))
    assert {name.split(".")[0] for name in names} == {"ab", "ba"}


@pytest.mark.slow
def test_each_discriminator_is_logged_penalised_and_remembered(translate: Any, tmp_path: Path) -> None:
    translate(*CYCLEGAN, "run_dir=one")
    translate(*CYCLEGAN, "run_dir=free", "model.adversarial.penalties=[{name: r1, gamma: 0.0}]", "name=free")
    rows = list(csv.DictReader((tmp_path / "one/metrics.csv").open()))
    for name in "ab":
        for key in ("discriminator/{}/adversarial", "discriminator/{}/r1", "generator/{}/adversarial"):
            assert float(rows[0][f"loss/{key.format(name)}"]) > 0
        assert rows[0][f"logits/{name}/real"] and rows[0][f"augment/{name}/p"]
    with_it, without = (checkpoint(tmp_path / run)["state_dict"] for run in ("one", "free"))
    assert {"penalties.a.1.real_mean", "penalties.b.1.real_mean", "augment.a.p", "augment.b.p"} <= set(
        with_it
    )
    for name in "ab":
        weights = [
            key for key in without if key.startswith(f"discriminator.{name}.") and key.endswith("weight")
        ]
        assert weights and all(not with_it[key].equal(without[key]) for key in weights)


@pytest.mark.slow
def test_two_processes_train_the_cyclegan_as_one(translate: Any, tmp_path: Path) -> None:
    for name, more in {"one": [], "several": ddp(2)}.items():
        translate(*CYCLEGAN, *SGD, f"run_dir={name}", *more)
    assert_alike(tmp_path / "one", tmp_path / "several")


def test_without_its_discriminators_it_is_the_cycle_alone(translate: Any, tmp_path: Path) -> None:
    words = [word for word in CYCLEGAN if not word.startswith("model.discriminator")]
    assert "supervised" in translate(*words, "model.discriminator=null", "run_dir=cycle").stderr
    rows = list(csv.DictReader((tmp_path / "cycle/metrics.csv").open()))
    assert rows[0]["loss/generator/cycle_a"] and "loss/discriminator/total" not in rows[0]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (
            ["model.discriminator.a=null"],
            "model.discriminator.a: is no network; give it a _target_, as b has",
        ),
        (
            ["~model.discriminator.a"],
            "discriminator_inputs: a, b, but the discriminators are b; give (real, fake) of each",
        ),
        (["model.discriminator.b.channells=4"], "model.discriminator.b.channells: no such key"),
        (["+model.discriminator.b.chan=4"], "model.discriminator.b.chan: PatchDiscriminator takes no such"),
        (["+model.generator.keys=${model.generator.ab}"], "model.generator.keys: this cannot be the name of"),
    ],
)
def test_mistakes_in_one_of_several_networks_are_one_line(command: Any, words: list[str], line: str) -> None:
    done = command(*CYCLEGAN, *words, env={"GANATOMY_TARGETS": "examples."})
    assert done.returncode == 2 and line in done.stderr and "Traceback" not in done.stderr
