"""A run that 062eb33 made goes on, and judges images, with the code of today."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ganatomy.runs.directory import Run
from tests.test_resume import assert_same_end, checkpoint, run_until

OLD = Path(__file__).parent / "old_runs/062eb33"
"""Of a run that 062eb33 made with `SEGMENTS` on `images`: config.yaml with PLACE for the folder, data.json,
and the names and shapes in its last checkpoint."""
SMALL = [
    "data=folder",
    "data.image=images/*.npy",
    "data.label='masks/{name}'",
    "data.classes=[outside,inside]",
    "data.size=32",
    "data.batch_size=4",
    "data.cache=none",
    "trainer.max_steps=8",
    "trainer.val_every=4",
    "trainer.log_every=1",
    "trainer.threads=1",
    "trainer.accelerator=cpu",
    "callbacks.progress=none",
    "callbacks.report=false",
    "callbacks.samples=0",
    "logger=csv",
]
SEGMENTS = [
    *SMALL,
    "model.generator.channels=[4,8]",
    "model.generator.strides=[2]",
    "model.discriminator.channels=4",
    "model.discriminator.num_layers_d=1",
]


def images(folder: Path) -> None:
    """Twelve arrays of noise with a brighter rectangle, and its mask."""
    rng = np.random.default_rng(0)
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for number in range(12):
        mask = np.zeros((32, 32), np.uint8)
        mask[3 + number : 12 + number, 6:20] = 1
        image = rng.integers(0, 100, (32, 32)) + 100 * mask
        np.save(folder / f"images/case_{number:02}.npy", image.astype(np.uint8))
        np.save(folder / f"masks/case_{number:02}.npy", mask)


@pytest.fixture
def trained(compose: Callable[..., dict[str, Any]], tmp_path: Path) -> Callable[..., Path]:
    """Train on the images in this process; the value is the run directory."""
    from ganatomy.config.resolve import validate
    from ganatomy.train import train

    images(tmp_path / "set")

    def of(name: str, *words: str) -> Path:
        resumed = words[0].startswith("resume=")
        cfg = compose(*words, *([] if resumed else [f"data.root={tmp_path / 'set'}"]), tiny=False)
        train(validate(cfg), tmp_path / name)
        return tmp_path / name

    return of


def made_old(run: Path, place: Path) -> None:
    """Give a run directory the files that 062eb33 wrote of it: no checksums and no copies among them."""
    (run / "checksums.txt").unlink()
    shutil.rmtree(run / "copies")
    text = (OLD / "config.yaml").read_text().replace("root: PLACE", f"root: {place}/set")
    (run / "config.yaml").write_text(text.replace("PLACE", str(place)))
    shutil.copy(OLD / "data.json", run)


@pytest.fixture
def stopped(trained: Callable[..., Path], tmp_path: Path) -> Path:
    """The old run as it was when it was stopped in the middle."""
    run_until(5, trained, "old", *SEGMENTS)
    made_old(tmp_path / "old", tmp_path)
    return tmp_path / "old"


def test_an_old_run_goes_on(trained: Callable[..., Path], stopped: Path) -> None:
    """The weights are those of a run that was never stopped, the hash of its data is as it was."""
    names = {name: list(value.shape) for name, value in checkpoint(stopped)["state_dict"].items()}
    assert names == json.loads((OLD / "state.json").read_text())
    whole = trained("whole", *SEGMENTS)
    assert_same_end(whole, trained("old", f"resume={stopped}"))
    old, new = json.loads((OLD / "data.json").read_text()), Run(stopped).read("data.json")
    assert {key: new[key] for key in old} == old
    assert new == Run(whole).read("data.json")
    assert Run(stopped).read("status.json")["status"] == "done"


def test_an_old_run_judges(trained: Callable[..., Path], stopped: Path, tmp_path: Path) -> None:
    trained("old", f"resume={stopped}")
    made_old(stopped, tmp_path)
    words = ["task=synthesis", "model=spade", f"task.evaluator={stopped}", *SMALL, "trainer.max_steps=4"]
    words += ["model.generator.channels=4", "model.generator.hidden=4", "model.discriminator.channels=4"]
    scores = Run(trained("drawn", *words)).read("metrics.json")
    assert 0 <= scores["test/judge_dice"] <= 1
    assert scores["floor/judge_dice"] == pytest.approx(
        Run(stopped).read("metrics.json")["test/dice"], abs=1e-6
    )


def contents(run: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(run.rglob("*")) if path.is_file()}


def test_an_old_run_is_not_dealt_anew(trained: Callable[..., Path], stopped: Path, tmp_path: Path) -> None:
    """Cases that came stop it before anything is written, and are left out where that is asked for."""
    from ganatomy.errors import UserError

    for name in ("images", "masks"):
        shutil.copy(tmp_path / f"set/{name}/case_03.npy", tmp_path / f"set/{name}/case_00b.npy")
    before = contents(stopped)
    with pytest.raises(UserError, match=r"1 subject \(images/case_00b\) added, 12 cases became 13"):
        trained("old", f"resume={stopped}")
    assert contents(stopped) == before
    kept = trained("old", f"resume={stopped}", "data.changed=keep")
    (tmp_path / "set").rename(tmp_path / "more")
    images(tmp_path / "set")
    assert_same_end(trained("whole", *SEGMENTS), kept)
    assert Run(kept).read("data.json") == Run(tmp_path / "whole").read("data.json")
