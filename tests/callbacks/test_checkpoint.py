"""When checkpoints are written, and how a run goes on from damaged ones."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from ganatomy.callbacks import checkpoint as module
from ganatomy.callbacks.checkpoint import Checkpoints
from ganatomy.errors import UserError
from ganatomy.runs.checkpoints import checkpoint_file
from tests.test_resume import assert_same_end, run_until

STEPS = ["callbacks.checkpoint_every=3", "trainer.val_every=4", "trainer.max_steps=12"]
STOP = 11


@pytest.fixture(scope="module")
def kept() -> dict[str, Path]:
    """Runs made by the first test that needs them: `whole`, and `cut` at STOP."""
    return {}


@pytest.fixture
def cut(
    run: Any, tmp_path: Path, kept: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """The uninterrupted run, and a copy of one that was stopped with last at 11, last-1 at 9, best at 8."""
    if not kept:
        folder = tmp_path_factory.mktemp("kept")
        whole = run("whole", *STEPS)
        run_until(STOP, run, "cut", *STEPS)
        for name in ("whole", "cut"):
            kept[name] = Path(shutil.move(tmp_path / name, folder / name))
        assert whole.name in kept
    shutil.copytree(kept["cut"], tmp_path / "cut")
    return kept["whole"], tmp_path / "cut"


def step_of(path: Path) -> int:
    step: int = checkpoint_file.load(path)["batches_done"]
    return step


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 4
    path.write_bytes(content)


def halve(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def replace(path: Path) -> None:
    torch.save({"state_dict": {}}, path)


DAMAGES: list[Callable[[Path], None]] = [flip, halve, replace, Path.unlink]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_last_one_costs_some_steps_and_nothing_else(
    run: Any, cut: tuple[Path, Path], damage: Callable[[Path], None], capsys: Any
) -> None:
    whole, broken = cut
    places = {path.name: step_of(path) for path in (broken / "checkpoints").iterdir()}
    assert places == {"last.ckpt": 11, "last-1.ckpt": 9, "best.ckpt": 8}
    damage(broken / "checkpoints/last.ckpt")
    capsys.readouterr()
    assert_same_end(whole, run("cut", resume=True))
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "last.ckpt" in line]
    assert line.endswith("going on from last-1.ckpt, step 9")
    assert json.loads((broken / "status.json").read_text())["why"] == "12 steps"


def test_with_both_damaged_the_best_is_gone_on_from(run: Any, cut: tuple[Path, Path], capsys: Any) -> None:
    whole, broken = cut
    for name in ("last.ckpt", "last-1.ckpt"):
        flip(broken / "checkpoints" / name)
    capsys.readouterr()
    assert_same_end(whole, run("cut", resume=True))
    assert capsys.readouterr().err.count("going on from best.ckpt, step 8") == 2


def test_lost_best_weights_are_said_at_the_start_and_at_the_end(
    run: Any, cut: tuple[Path, Path], capsys: Any, monkeypatch: Any
) -> None:
    """Planted: no later validation is as good as the one that is lost."""
    _, broken = cut
    halve(broken / "checkpoints/best.ckpt")
    load = Checkpoints.load_state_dict

    def unbeaten(self: Checkpoints, kept: dict[str, Any]) -> None:
        load(self, {**kept, "best_score": 2.0} if kept["best_score"] is not None else kept)

    monkeypatch.setattr(Checkpoints, "load_state_dict", unbeaten)
    capsys.readouterr()
    run("cut", resume=True)
    said = capsys.readouterr()
    assert "best.ckpt: is cut short, or no checkpoint; the best weights (step 8) are gone" in said.err
    status = json.loads((broken / "status.json").read_text())
    note = "best.ckpt of step 8 (val/dice 2) was damaged: the best weights since then are tested, those of"
    assert status["why"] == f"12 steps; {note} step 12" and note in " ".join(said.out.split())
    assert status["best"]["step"] == 12 and status["best"]["missing"] == {"score": 2.0, "step": 8}
    assert step_of(broken / "checkpoints/best.ckpt") == 12


def test_lost_best_weights_that_are_beaten_are_no_matter(run: Any, cut: tuple[Path, Path]) -> None:
    whole, broken = cut
    assert step_of(whole / "checkpoints/best.ckpt") == 12
    (broken / "checkpoints/best.ckpt").unlink()
    assert_same_end(whole, run("cut", resume=True))


def test_best_weights_that_are_lost_after_the_training(run: Any, tmp_path: Path, monkeypatch: Any) -> None:
    """The test takes the last weights; a later resume validates them and keeps them as the best."""
    end = Checkpoints.on_train_end

    def lose(self: Checkpoints, *given: Any) -> None:
        end(self, *given)
        flip(self.run.best)

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "on_train_end", lose)
        run("cut", "trainer.max_steps=4")
    status = json.loads((tmp_path / "cut/status.json").read_text())
    assert status["status"] == "done" and status["why"].endswith("checksum): the last weights are tested")
    run("cut", resume=True)
    status = json.loads((tmp_path / "cut/status.json").read_text())
    assert status["best"]["step"] == 4 and status["best"]["missing"]["step"] == 4
    assert step_of(tmp_path / "cut/checkpoints/best.ckpt") == 4


def test_a_checkpoint_of_another_model_is_refused_before_anything_is_written(
    run: Any, cut: tuple[Path, Path], tmp_path: Path
) -> None:
    _, broken = cut
    run("other", "model.discriminator=null", "trainer.max_steps=1")
    shutil.copy(tmp_path / "other/checkpoints/last.ckpt", broken / "checkpoints/last.ckpt")
    before = {path: path.read_bytes() for path in broken.rglob("*") if path.is_file()}
    with pytest.raises(
        UserError, match=r"last\.ckpt: is not of the model in config\.yaml; weights: \d+ missing"
    ):
        run("cut", resume=True)
    assert {path: path.read_bytes() for path in broken.rglob("*") if path.is_file()} == before


def test_a_checkpoint_of_another_run_is_refused_or_left(
    run: Any, cut: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Same shapes, other seed: only the name that it carries tells."""
    whole, broken = cut
    for name in ("last", "best"):
        path = broken / "checkpoints" / f"{name}.ckpt"
        own = path.read_bytes()
        state = checkpoint_file.load(path)
        state["run"] = "of another one"
        path.write_bytes(checkpoint_file.encode(state))
        before = {path: path.read_bytes() for path in broken.rglob("*") if path.is_file()}
        if name == "last":
            with pytest.raises(UserError, match=r"last\.ckpt: is of another run; put the run's own file"):
                run("cut", resume=True)
            assert {path: path.read_bytes() for path in broken.rglob("*") if path.is_file()} == before
            path.write_bytes(own)
    (broken / "environment.json").write_bytes(b"")
    capsys.readouterr()
    run("cut", resume=True)
    assert "best.ckpt: is of another run; the best weights (step 8) are gone" in capsys.readouterr().err
    assert name_of(broken) == name_of(whole)


def name_of(run: Path) -> str:
    name: str = json.loads((run / "environment.json").read_text())["run"]
    assert checkpoint_file.load(run / "checkpoints/last.ckpt")["run"] == name
    return name


@pytest.mark.parametrize("within, first", [(60.0, 4), (0.0, 1)])
def test_the_first_one_comes_after_a_validation_or_a_while(
    run: Any, monkeypatch: Any, within: float, first: int
) -> None:
    written: list[int] = []
    save = Checkpoints._save_last

    def noted(self: Checkpoints, trainer: Any) -> None:
        written.append(trainer.lightning_module.batches_done)
        save(self, trainer)

    monkeypatch.setattr(module, "FIRST_WITHIN", within)
    monkeypatch.setattr(Checkpoints, "_save_last", noted)
    run("a", "callbacks.checkpoint_every=100", "trainer.val_every=4", "trainer.max_steps=7")
    assert sorted(set(written)) == [first, 7]
