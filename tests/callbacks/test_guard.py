"""The look leaves no trace, and a game that fails is named in the run's files."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from ganatomy.callbacks import guard
from ganatomy.callbacks.guard import distinct
from ganatomy.callbacks.pairing import Pairing
from ganatomy.callbacks.probe import (
    change,
    diversity,
    greatest_change,
    probe,
    probe_batch,
    separated,
    some_weights,
)
from ganatomy.config.resolve import validate
from ganatomy.guard import outcome
from ganatomy.training import build

RATE = "model.optimizer.{}.lr={}"


def status(run: Path) -> dict[str, Any]:
    return dict(json.loads((run / "status.json").read_text()))


def names(run: Path) -> list[str]:
    return [event["name"] for event in status(run)["events"]]


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A verdict after four steps."""
    monkeypatch.setattr(outcome, "ENOUGH_STEPS", 4)


def test_separation_is_the_area_under_the_curve() -> None:
    draw = np.random.default_rng(0)
    real, fake = draw.normal(1, 1, 30).round(1), draw.normal(0, 1, 20).round(1)
    expected = roc_auc_score([1] * 30 + [0] * 20, [*real, *fake])
    assert float(separated(torch.tensor(real), torch.tensor(fake))) == pytest.approx(expected, abs=1e-6)


def test_what_fakes_have_of_the_variety_of_real_images() -> None:
    torch.manual_seed(0)
    real, condition = torch.randn(16, 1, 8, 8), torch.randn(16, 3, 8, 8)

    def of(fake: torch.Tensor) -> float:
        return diversity([torch.cat([condition, real], 1)], [torch.cat([condition, fake], 1)])

    assert of(real[:1].expand(16, -1, -1, -1)) == pytest.approx(0, abs=1e-9)
    assert of(2 * torch.randn(16, 1, 8, 8)) == pytest.approx(4, rel=0.2)
    noise, blocks = 8 * torch.randn(16, 1, 128, 128), torch.kron(real, torch.ones(16, 16))
    assert diversity([blocks], [noise]) < 1.2  # although its pixels vary 64 times as much


@pytest.mark.parametrize(
    "words",
    [
        ["task=segmentation"],
        ["task=enhancement", "model=pix2pix", "model.discriminator.num_layers_d=1"],
        ["task=detection", "data.radius=[10,20]", "data.slices=6"],
    ],
)
def test_a_look_takes_no_more_images_at_once_than_a_step(compose: Any, words: list[str]) -> None:
    """The answers are those to all images at once, as far as sums in another order are equal."""
    small = ["data.subjects=12", "data.split=[4,1,1]", "data.size=32"]
    cfg = validate(compose(*words, *small, "trainer.threads=1", tiny=False))
    data = build.build_data(cfg)
    data.setup()
    task = build.build_task(build.complete(cfg, data), data.mask_classes)
    batch = probe_batch(data, torch.device("cpu"))
    assert len(batch["image"]) == 16
    seen: list[int] = []
    for network in (task.game.generator, task.game.discriminator):
        network.register_forward_pre_hook(lambda _, given: seen.append(max(map(len, given))))
    whole, few = probe(task, batch, 16), probe(task, batch, 3)
    assert set(seen) == {16, 3, 1}
    for name, value in vars(whole).items():
        assert vars(few)[name] == pytest.approx(value, rel=1e-4), name


@pytest.mark.parametrize(("words", "rows"), [([], 4), (["update=textbook", "update.accumulate=2"], 2)])
def test_a_run_shows_the_players_the_images_of_a_micro_batch(
    run: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, words: list[str], rows: int
) -> None:
    asked: list[int] = []

    def recorded(task: Any, batch: Any, rows: int) -> Any:
        asked.append(rows)
        return probe(task, batch, rows)

    monkeypatch.setattr(guard, "probe", recorded)
    run("run", "data.batch_size=4", *words)
    assert set(asked) == {rows}


def test_equal_images_of_the_training_data_are_counted_without_copies() -> None:
    draw = np.random.default_rng(0)
    rows = torch.from_numpy(draw.integers(0, 2, (40, 4)).astype(np.float32))
    assert distinct(rows) == len(np.unique(rows.numpy(), axis=0)) < 40


@pytest.mark.parametrize(
    ("answers", "low", "high"),
    [("own", 0.0, 0.0), ("others", 0.8, 1.2), ("empty", 0.99, 1.01), ("outlier", 0.0, 0.05)],
)
def test_whether_answers_belong_to_their_images(answers: str, low: float, high: float) -> None:
    truth = torch.from_numpy(np.random.default_rng(0).normal(size=(64, 1, 16, 16)))
    truth[20:50] = 0  # half of the cases hold nothing
    given = {"own": truth, "others": truth.roll(25, 0), "empty": torch.zeros_like(truth), "outlier": truth}
    answer = given[answers].clone()
    if answers == "outlier":
        answer[0] *= 1e6
    pairing = Pairing()
    for rows in range(0, 64, 16):
        batch = {"image": truth[rows : rows + 16], "target": truth[rows : rows + 16]}
        pairing.add(batch, answer[rows : rows + 16], classes=0)
    assert low <= pairing.match() <= high
    assert np.isnan(pairing.match())


def test_images_are_compared_with_targets_even_where_there_are_label_maps() -> None:
    images = torch.randn(16, 1, 16, 16)
    pairing = Pairing()
    batch = {"image": images, "target": images, "label": torch.zeros(16, 1, 16, 16, dtype=torch.long)}
    pairing.add(batch, images + 0.01, classes=0)
    assert pairing.match() == 0


def test_how_far_weights_went() -> None:
    layers = torch.nn.Sequential(*(torch.nn.Linear(40, 40) for _ in range(20)))
    before = some_weights(list(layers.parameters()))
    assert before.shape == (7, 256)
    with torch.no_grad():
        for parameter in layers.parameters():
            parameter *= 1.5
    now = some_weights(list(layers.parameters()))
    assert float(change(before, now)) == pytest.approx(0.5, rel=1e-5)
    now[1] = 4 * before[1]
    before[2] = 0  # began at 0
    assert float(greatest_change(before, now)) == pytest.approx(3, rel=1e-5)


def test_a_watched_run_has_the_numbers_of_one_that_is_not(run: Callable[..., Path]) -> None:
    from safetensors.torch import load_file

    watched, alone = run("watched"), run("alone", "guard=none")
    one, other = (load_file(path / "generator.safetensors") for path in (watched, alone))
    assert all(bool((one[name] == other[name]).all()) for name in one)
    rows = [list(csv.DictReader((path / "metrics.csv").open())) for path in (watched, alone)]
    for row, own in zip(*rows, strict=True):
        kept = {k: v for k, v in own.items() if not k.startswith("time/") and "per_second" not in k}
        assert {name: row[name] for name in kept} == kept
    assert status(watched)["game"] == "healthy"
    assert "game" not in status(alone)


@pytest.mark.usefixtures("soon")
def test_a_frozen_generator_is_named(run: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    found = run("frozen", RATE.format("generator", 0), "callbacks.report=true")
    assert status(found)["status"] == "done"
    assert status(found)["game"] == "generator_frozen"
    event = status(found)["events"][0]
    assert (event["name"], event["player"], event["step"]) == ("generator_frozen", "generator", 4)
    said = capsys.readouterr()
    assert "the game fails: step 4: generator_frozen" in said.err
    assert "The game failed" in said.out
    page = (found / "report.html").read_text()
    assert "The game failed: generator_frozen" in page
    assert "model.optimizer.generator.lr" in page


@pytest.mark.usefixtures("soon")
def test_stop_ends_the_training_and_scores_it(run: Callable[..., Path]) -> None:
    found = run("stopped", RATE.format("discriminator", 0), "guard=stop")
    assert status(found)["game"] == "discriminator_frozen"
    assert status(found)["why"] == "4 of 8 steps: guard=stop ended the training"
    rows = list(csv.DictReader((found / "metrics.csv").open()))
    assert int(rows[-1]["step"]) == 4
    assert "test/dice" in json.loads((found / "metrics.json").read_text())


@pytest.mark.usefixtures("soon")
def test_rollback_gets_the_event(run: Callable[..., Path]) -> None:
    found = run("back", RATE.format("generator", 0), "guard=rollback")
    assert [back["event"] for back in status(found)["rollbacks"]] == ["generator_frozen"]


@pytest.mark.usefixtures("soon")
def test_a_resumed_run_keeps_what_was_seen(run: Callable[..., Path]) -> None:
    words = [RATE.format("generator", 0), "callbacks.checkpoint_every=2"]
    whole = run("whole", *words)
    state = torch.load(whole / "checkpoints/last.ckpt", weights_only=True)["callbacks"]["Guard"]
    assert [look["step"] for look in state["looks"]] == [4, 8]
    run("whole", "guard=warn", resume=True)
    again = torch.load(whole / "checkpoints/last.ckpt", weights_only=True)["callbacks"]["Guard"]
    assert again["looks"] == state["looks"]
    first = status(whole)["events"][0]
    assert (first["name"], first["step"]) == ("generator_frozen", 4)


@pytest.mark.usefixtures("soon")
def test_a_run_that_is_no_longer_watched_keeps_no_verdict(
    run: Callable[..., Path], capsys: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    found = run("whole", RATE.format("generator", 0))
    assert status(found)["game"] == "generator_frozen"
    capsys.readouterr()
    run("whole", "guard=none", resume=True)
    assert status(found)["status"] == "done" and not {"game", "events"} & status(found).keys()
    said = capsys.readouterr()
    assert "failed" not in said.out and "Guard" not in said.err
    assert not [str(warned.message) for warned in recwarn if "'Guard'" in str(warned.message)]


def test_a_gradient_that_is_not_finite_is_an_event(run: Callable[..., Path], tmp_path: Path) -> None:
    from ganatomy.adversarial import NotFinite

    with pytest.raises(NotFinite):
        run("thrown", RATE.format("generator", "1e30"))
    assert status(tmp_path / "thrown")["status"] == "failed"
    assert status(tmp_path / "thrown")["game"] == "not_finite"


@pytest.mark.slow
def test_a_failed_game_exits_three(command: Callable[..., Any], tmp_path: Path) -> None:
    from tests.conftest import TINY

    words = [*TINY, "trainer.max_steps=100", "trainer.val_every=50", RATE.format("generator", 0)]
    done = command(*words, "run_dir=frozen")
    assert done.returncode == 3, done.stderr
    assert done.stdout.splitlines()[-1] == "run: frozen"
    several = command("--multirun", *words[:-1], "model.optimizer.generator.lr=0,1e-3", "hydra.sweep.dir=all")
    assert several.returncode == 3, several.stderr
    rows = list(csv.DictReader((tmp_path / "all/multirun.csv").open()))
    assert [(row["status"], row["game"]) for row in rows] == [
        ("done", "generator_frozen"),
        ("done", "healthy"),
    ]
