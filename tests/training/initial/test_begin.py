"""Runs that start from weights: what is loaded and recorded, and that the game goes on as any other."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
import yaml

from ganatomy.errors import UserError
from ganatomy.runs.checkpoints.identity import identify
from ganatomy.runs.integrity.checksums import sha256
from tests.conftest import TINY
from tests.ranks import together
from tests.test_processes import SGD, assert_alike
from tests.test_resume import assert_same_end, run_until

Begun = Callable[..., Any]
Command = Callable[..., Any]
FROZEN = ["freeze=[generator.model.0]", "freeze_discriminator=1"]


def weights_of(run: Path) -> dict[str, torch.Tensor]:
    return safetensors.torch.load_file(run / "generator.safetensors")


def state(run: Path, name: str = "last.ckpt") -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = torch.load(run / "checkpoints" / name, weights_only=True)["state_dict"]
    return found


def is_frozen(name: str) -> bool:
    """True for the parameters that FROZEN names."""
    kept = ("generator.model.0.", "average.module.model.0.", "discriminator.initial_conv.")
    return name.startswith(kept)


def test_both_players_and_the_average_start_from_the_tested_weights(source: Path, begun: Begun) -> None:
    task, beginning = begun(f"init={source}")
    for name, value in weights_of(source).items():
        assert torch.equal(task.generator.state_dict()[name], value), name
        assert torch.equal(task.average.module.state_dict()[name], value), name
    best = state(source, "best.ckpt")
    for name, value in task.discriminator.state_dict().items():
        assert torch.equal(best[f"discriminator.{name}"], value), name
    assert task.average.images == 0  # it averages anew, from these weights on
    assert [line.partition(":")[2].split(";")[0].strip() for line in beginning.lines] == [
        f"generator from {source}/generator.safetensors: 21 of 21 tensors",
        f"discriminator from {source}/checkpoints/best.ckpt: 5 of 5 tensors",
    ]
    assert beginning.record["generator"] == {"loaded": 21, "of": 21, "new": []}


def test_one_player_alone(source: Path, begun: Begun) -> None:
    random, _ = begun()
    weights = weights_of(source)
    of_g, _ = begun(f"init={source}", "init_players=generator")
    of_d, _ = begun(f"init={source}", "init_players=discriminator")
    for name, value in of_g.discriminator.state_dict().items():
        assert torch.equal(value, random.discriminator.state_dict()[name]), name
    for name, value in of_d.generator.state_dict().items():
        assert torch.equal(value, random.generator.state_dict()[name]), name
    assert all(torch.equal(of_g.generator.state_dict()[name], value) for name, value in weights.items())


def test_the_twin_starts_from_the_same_weights(source: Path, begun: Begun) -> None:
    one, _ = begun(f"init={source}")
    twin, beginning = begun(f"init={source}", "model.discriminator=null")
    assert twin.discriminator is None and len(beginning.lines) == 1
    for name, value in one.generator.state_dict().items():
        assert torch.equal(value, twin.generator.state_dict()[name]), name


def test_a_game_starts_from_its_twin(twin: Path, begun: Begun) -> None:
    """The twin has no discriminator to give, and none is asked for."""
    task, beginning = begun(f"init={twin}")
    assert all(torch.equal(task.generator.state_dict()[n], v) for n, v in weights_of(twin).items())
    assert beginning.lines[1] == f"init: discriminator new; {twin} holds none that belongs to its generator"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["data.spatial_dims=3", "~data.slices", "data.size=16"], "they are for 2D images, its own for 3D"),
        ([f"init_hash={'0' * 64}"], "init_hash: generator.safetensors of .* is not the file"),
    ],
)
def test_another_model_is_refused_in_one_line(
    source: Path, begun: Begun, words: list[str], line: str
) -> None:
    with pytest.raises(UserError, match=line) as caught:
        begun(f"init={source}", *words)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("target", "why"), [("mylab.Net", "they are of Net"), ("", "other names or sizes")])
def test_a_network_that_shares_nothing_is_refused(
    source: Path, begun: Begun, tmp_path: Path, target: str, why: str
) -> None:
    safetensors.torch.save_file({"layer.weight": torch.zeros(4, 1, 3, 3)}, tmp_path / "net.safetensors")
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({"model": {"generator": {"_target_": target}}}))
    with pytest.raises(UserError, match=f"none of its weights fits into this run's generator, UNet .{why}"):
        begun(f"init={tmp_path}/net.safetensors", "init_players=generator")


def test_subjects_that_the_source_was_trained_on_are_counted(source: Path, begun: Begun) -> None:
    """Another split of the same subjects; with the same one nothing is said."""
    _, same = begun(f"init={source}")
    assert "test_subjects" not in same.record
    _, other = begun(f"init={source}", "data.folds=3", "data.fold=1")
    trained = json.loads((source / "data.json").read_text())["subjects"]["train"]
    assert len(trained) == 4 and 0 < other.record["test_subjects"] <= 2
    assert f"init: {other.record['test_subjects']} of the 2 test subjects are named like" in other.lines[-1]
    assert not any(subject in line for line in other.lines for subject in trained)


def test_a_hash_without_a_source_is_refused(begun: Begun) -> None:
    with pytest.raises(UserError, match="init names none"):
        begun(f"init_hash={'0' * 64}")


def test_other_channels_and_classes_are_named(source: Path, begun: Begun, tmp_path: Path) -> None:
    """Weights of a network of three channels and seven classes, whose run is known."""
    run = tmp_path / "run"
    run.mkdir()
    weights = weights_of(source)
    wider = {n: v.repeat(1, 3, 1, 1) if v.dim() > 2 and v.shape[1] == 1 else v for n, v in weights.items()}
    head = {name for name, value in weights.items() if value.shape[:1] == (4,) and name.startswith("model.2")}
    head |= {
        name
        for name, value in weights.items()
        if value.dim() > 2 and value.shape[1] == 4 and "model.2" in name
    }
    assert head
    other = {
        n: torch.zeros(*(7 if side == 4 else side for side in v.shape)) if n in head else v
        for n, v in wider.items()
    }
    content = safetensors.torch.save({n: v.contiguous() for n, v in other.items()})
    (run / "generator.safetensors").write_bytes(content)
    config = yaml.safe_load((source / "config.yaml").read_text())
    config["model"]["generator"] |= {"in_channels": 3, "out_channels": 7}
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    task, beginning = begun(f"init={run}", "init_players=generator")
    first = [name for name, value in weights.items() if value.dim() > 2 and value.shape[1] == 1]
    for name in first:  # three equal filters: their sum
        torch.testing.assert_close(task.generator.state_dict()[name], 3 * weights[name])
    assert "3 -> 1 input channels, summed" in beginning.lines[0]
    assert set(beginning.record["generator"]["new"]) == head and "there" in beginning.lines[0]


def test_frozen_weights_stay_and_the_source_is_recorded(source: Path, run: Any) -> None:
    """Weight decay on everything that learns; the averaged generator's frozen part stays too."""
    at = "model.optimizer.generator"
    decay = [f"{at}._target_=torch.optim.AdamW", f"+{at}.weight_decay=0.5"]
    made = run("made", f"init={source}", *FROZEN, *decay)
    before, after = state(source, "best.ckpt"), state(made)
    start = {f"generator.{n}": v for n, v in weights_of(source).items()}
    start |= {f"average.module.{n}": v for n, v in weights_of(source).items()}
    start |= {name: value for name, value in before.items() if name.startswith("discriminator.")}
    for name, value in start.items():
        assert torch.equal(after[name], value) == is_frozen(name), name
    config = yaml.safe_load((made / "config.yaml").read_text())
    digest = sha256((source / "generator.safetensors").read_bytes())
    assert (config["init"], config["init_hash"]) == (str(source), digest)
    record = json.loads((made / "environment.json").read_text())["init"]
    assert record["sha256"] == digest and record["discriminator_file"] == "checkpoints/best.ckpt"
    assert json.loads((made / "status.json").read_text())["status"] == "done"


def test_a_run_that_starts_elsewhere_has_another_name(compose: Any) -> None:
    """So that a checkpoint of the one is foreign to the other, though weights and configuration fit."""
    plain = compose()
    words = ({}, {"init_hash": "0" * 64}, {"init_hash": "1" * 64}, {"freeze": ["*.bias"]})
    names = [identify({**plain, **more}, "data") for more in words]
    assert len(set(names)) == 4
    older = {key: value for key, value in plain.items() if not key.startswith(("init", "freeze"))}
    assert identify(older, "data") == names[0]  # as runs of earlier versions are called


def test_a_resumed_run_is_an_uninterrupted_one_and_needs_no_source(
    source: Path, run: Any, tmp_path: Path
) -> None:
    kept = shutil.copytree(source, tmp_path / "kept")
    whole = run("whole", f"init={kept}", *FROZEN)
    run_until(3, run, "stopped", f"init={kept}", *FROZEN)
    shutil.rmtree(kept)
    resumed = run("stopped", resume=True)
    assert_same_end(whole, resumed)
    record = json.loads((resumed / "environment.json").read_text())["init"]
    assert record == json.loads((whole / "environment.json").read_text())["init"]


def test_a_rollback_to_the_start_starts_from_the_same_weights(source: Path, run: Any) -> None:
    """A rate that throws weights at once: the second game begins where the first did."""
    made = run("made", f"init={source}", *FROZEN, "guard=rollback", "model.optimizer.generator.lr=1e20")
    status = json.loads((made / "status.json").read_text())
    assert [row["back_to"] for row in status["rollbacks"]] == [0] and status["status"] == "done"
    for name, value in weights_of(source).items():
        if is_frozen(f"generator.{name}"):
            assert torch.equal(state(made)[f"generator.{name}"], value), name


def test_the_guard_looks_at_what_learns(run: Any) -> None:
    """All that it would look at of the generator is frozen: no player that does not move is named."""
    parts = ["model.0", "model.1", "model.2.0", "model.2.1.conv.unit0.conv.weight"]
    made = run("made", f"freeze=[{','.join(f'generator.{part}' for part in parts)}]")
    of_guard = torch.load(made / "checkpoints/last.ckpt", weights_only=True)["callbacks"]["Guard"]
    assert of_guard["looks"][-1]["moved"]["generator"] > 0.01


@pytest.mark.slow
def test_two_processes_train_as_one(source: Path, command: Command, tmp_path: Path) -> None:
    frozen = [*TINY, *SGD, f"init={source}", *FROZEN, "trainer.max_steps=4"]
    done = command(*frozen, "run_dir=one")
    assert done.returncode == 0, done.stderr
    for said in (done.stderr, "".join(together(2, tmp_path, *frozen, "run_dir=two"))):
        assert said.count("init: generator from") == 1 and said.count("freeze: 8 of 21") == 1
    assert_alike(tmp_path / "one", tmp_path / "two")
