"""One whole run through the real command: every file of the run directory, and what stands in it."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
import yaml
from PIL import Image

from tests import commands
from tests.conftest import ROOT, TINY, environment
from tests.wandb_files import rows_of

LOSSES = {
    "loss/generator/total",
    "loss/generator/adversarial",
    "loss/generator/dice_ce",
    "loss/discriminator/total",
    "loss/discriminator/adversarial",
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """(run directory, what the command printed)."""
    folder = tmp_path_factory.mktemp("elsewhere")
    words = [w for w in TINY if not w.startswith(("logger", "callbacks.samples", "callbacks.report"))]
    line = [sys.executable, "-m", "src.train", *words, "logger=wandb", "callbacks.samples=2", "name=first"]
    result = commands.run(line, folder)
    assert result.returncode == 0, result.stderr
    last = result.stdout.strip().splitlines()[-1]
    assert last.startswith("run: ")
    return folder / last.removeprefix("run: "), result.stdout


def test_every_file_of_the_contract(finished: tuple[Path, str]) -> None:
    run, _ = finished
    assert run.parent.name == "segmentation" and run.name.endswith("_first")
    files = (
        "config.yaml environment.json data.json metrics.csv metrics.json scores.csv generator.safetensors "
    )
    files += "report.html status.json checkpoints/last.ckpt checkpoints/best.ckpt samples/step_000004.png"
    for name in files.split():
        assert (run / name).stat().st_size > 0, name
    assert list((run / "wandb").glob("offline-run-*"))
    assert json.loads((run / "status.json").read_text())["status"] == "done"
    assert len(json.loads((run / "data.json").read_text())["subjects"]["train"]) == 4
    config = yaml.safe_load((run / "config.yaml").read_text())
    assert config["model"]["discriminator"]["in_channels"] == 5  # the image and four classes
    picture = np.asarray(Image.open(run / "samples" / "step_000004.png"))
    assert picture.ndim == 3 and picture.std() > 10


def test_scores_stand_beside_the_baseline(finished: tuple[Path, str]) -> None:
    run, printed = finished
    scores = json.loads((run / "metrics.json").read_text())
    for name in ("dice", "dice/csf", "dice/gm", "dice/wm", "hd95", "hd95/gm"):
        assert np.isfinite(scores[f"test/{name}"])
        assert np.isfinite(scores[f"baseline/mean_label/{name}"])
    assert "mean" in printed and "gm" in printed


def test_history_has_every_loss_at_every_step(finished: tuple[Path, str]) -> None:
    rows = list(csv.DictReader(io.StringIO((finished[0] / "metrics.csv").read_text())))
    trained = [row for row in rows if row["loss/generator/total"]]
    assert [int(row["step"]) for row in trained] == list(range(1, 9))
    assert all(np.isfinite(float(row[name])) for row in trained for name in LOSSES)


def test_wandb_record_holds_losses_scores_and_pictures(finished: tuple[Path, str]) -> None:
    (record,) = (finished[0] / "wandb").glob("offline-run-*/run-*.wandb")
    history = list(rows_of(record))
    written = {row["trainer/global_step"]: row for row in history if "loss/generator/total" in row}
    assert sorted(written) == list(range(1, 9))
    rows = {
        int(row["step"]): row
        for row in csv.DictReader(io.StringIO((finished[0] / "metrics.csv").read_text()))
    }
    for step, row in written.items():
        for name in LOSSES:
            assert row[name] == pytest.approx(float(rows[step][name]))
    validated = [row["trainer/global_step"] for row in history if "val/dice" in row]
    assert validated == [4, 8]
    names = [
        name for row in history for name in ("samples/validation", "samples/test") if f"{name}/path" in row
    ]
    assert names == ["samples/validation"] * 2 + ["samples/test"]
    for row in (row for row in history if any(key.endswith("/path") for key in row)):
        picture = {key.rpartition("/")[2]: value for key, value in row.items()}
        image = np.asarray(Image.open(record.parent / "files" / picture["path"]))
        assert image.shape[:2] == (picture["height"], picture["width"]) and image.std() > 10


def test_the_saved_generator_is_the_one_that_was_tested(finished: tuple[Path, str]) -> None:
    from ganatomy.config.resolve import load
    from ganatomy.config.schema import Config
    from ganatomy.training.build import build_task

    run, _ = finished
    cfg = Config.from_plain(load(run))
    task = build_task(cfg, ("background", "csf", "gm", "wm"))
    task.load_state_dict(torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"])
    saved = safetensors.torch.load_file(run / "generator.safetensors")
    for name, value in task.evaluator.state_dict().items():
        assert torch.equal(saved[name], value)


def test_help_shows_choices_and_examples(command: Any) -> None:
    result = command("--help")
    assert result.returncode == 0
    groups = dict(line.split(": ") for line in result.stdout.splitlines() if line.count(": ") == 1)
    assert "segmentation" in groups["task"].split(", ") and {"shared", "textbook"} <= set(
        groups["update"].split(", ")
    )
    assert "sweep" not in groups and "model/generator" in groups
    assert "python -m src.train resume=" in result.stdout


def test_printing_a_configuration_imports_no_torch() -> None:
    code = "import sys; sys.argv = ['train', '--cfg', 'job']; from ganatomy.train import main; main()"
    code += "; sys.exit('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment(), capture_output=True, text=True
    )
    assert done.returncode == 0 and "max_steps" in done.stdout


def test_a_multirun_goes_on_after_a_job_that_fails(command: Any, tmp_path: Path) -> None:
    done = command("--multirun", *TINY, "trainer.max_steps=0,1,2", "hydra.sweep.dir=sweep")
    assert done.returncode == 2
    assert "error: trainer.max_steps: must be 1 or more, got 0" in done.stderr
    states = [json.loads((tmp_path / "sweep" / n / "status.json").read_text())["status"] for n in ("1", "2")]
    assert states == ["done", "done"]


def test_online_is_never_the_default(compose: Any) -> None:
    logger = compose(tiny=False)["logger"]
    assert logger == {"name": "wandb", "project": "ganatomy", "mode": "offline", "artifacts": False}


@pytest.mark.parametrize("judged", ["best", "last"])
def test_the_checkpoint_that_is_tested_is_a_choice(
    run: Any, judged: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pytorch_lightning as pl

    tested = []
    test = pl.Trainer.test

    def watched(self: Any, *args: Any, **more: Any) -> Any:
        tested.append(Path(more["ckpt_path"]).name)
        return test(self, *args, **more)

    monkeypatch.setattr(pl.Trainer, "test", watched)
    run(judged, "trainer.max_steps=2", "trainer.val_every=2", f"trainer.test_checkpoint={judged}")
    assert tested == [f"{judged}.ckpt"]
