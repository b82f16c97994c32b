"""Scores of runs: from the written file, without pairs, and by another run that does not suit."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import yaml
from skimage.metrics import structural_similarity

from ganatomy.errors import UserError

HALVES = range(12)
SIDE, SLICES = 24, 3


@pytest.fixture
def small() -> Callable[..., list[str]]:
    def of(*words: str) -> list[str]:
        return [
            *("task=translation", "data=folder", "data.size=24", "data.batch_size=2", "data.workers=0"),
            *("data.image=mr/*", 'data.target="ct/{name}"', "data.intensity=percentile"),
            *("data.target_intensity=[-1024,1500]", "data.split=[2,1,1]", *words),
        ]

    return of


@pytest.fixture
def heads(tmp_path: Path) -> Path:
    """Unsigned MR and signed CT of twelve heads of three slices; four MR have no CT, four CT have no MR."""
    draw, root = np.random.default_rng(0), tmp_path / "heads"
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE / 2
    for number in HALVES:
        radius = np.hypot(y / 9, x / (7 + number % 3))[..., None] + 0.02 * np.arange(SLICES)
        mr = 300 * (radius < 1) + draw.normal(0, 10, radius.shape)
        ct = np.where(radius < 0.8, 40, np.where(radius < 1, 900, -1000)) + draw.normal(0, 5, radius.shape)
        files = {"mr": mr.clip(0).astype(np.uint16), "ct": ct.astype(np.int16)}
        for name, values in {**files, "body": (radius < 1).astype(np.uint8)}.items():
            (root / name).mkdir(parents=True, exist_ok=True)
            file = nib.Nifti1Image(values, np.diag([-1.0, -1, 2, 1]))
            nib.save(file, root / name / f"head{number:02d}.nii.gz")
    return root


UNET = ["model.generator.channels=[4,8]", "model.discriminator=null"]


def test_scores_are_those_of_the_written_files(train_small: Any, heads: Path) -> None:
    """Read both files again: the same numbers, in HU, in the mask's file, slice by slice, on the window."""
    words = [f"data.root={heads}", *UNET, "save_predictions=all", "task.data_range=[-1024,3071]"]
    run = train_small("run", *words, 'data.mask="body/{name}"')
    with (run / "scores.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3
    for row, written in zip(rows, sorted((run / "predictions").glob("*.nii.gz")), strict=True):
        ours = nib.load(written).get_fdata()
        name = f"{row['case'].removeprefix('mr_')}.nii.gz"
        truth, mask = (nib.load(heads / folder / name).get_fdata() for folder in ("ct", "body"))
        inside = mask > 0
        assert float(row["mae"]) == pytest.approx(np.abs(ours - truth)[inside].mean(), rel=1e-6)
        ours, truth = (np.clip(values, -1024, 3071) + 1024 for values in (ours, truth))
        squared = ((ours - truth)[inside] ** 2).mean()
        assert float(row["psnr"]) == pytest.approx(10 * np.log10(4095**2 / squared), rel=1e-6)
        values = []
        for z in range(SLICES):
            there = inside[..., z]
            planes = (np.where(there, image[..., z], 0) for image in (truth, ours))
            _, found = structural_similarity(*planes, data_range=4095, full=True)
            values.append(found[3:-3, 3:-3][there[3:-3, 3:-3]])
        assert float(row["ssim"]) == pytest.approx(np.concatenate(values).mean(), rel=1e-6)
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["test/mae"] == pytest.approx(np.mean([float(row["mae"]) for row in rows]), rel=1e-6)
    assert {"test/swd", "test/kid/random", "floor/swd", "baseline/histogram/swd"} <= set(metrics)
    assert metrics["baseline/histogram/multiscale_ssim"] > 0 and "test/cycle_error" not in metrics


def test_without_pairs_sets_choose_the_checkpoint(train_small: Any, heads: Path) -> None:
    """No score against a target is given, and none can be monitored."""
    for number in HALVES:
        (heads / ("mr" if number % 2 else "ct") / f"head{number:02d}.nii.gz").unlink()
    ways, sides = ("to_target", "to_source"), ("target", "source")
    words = [
        *(f"data.root={heads}", "model=cyclegan", "data.unpaired=true", "task.baselines=[histogram]"),
        *(f"model.generator.{way}.channels=[4,8]" for way in ways),
        *(f"model.generator.{way}.blocks=1" for way in ways),
        *(f"model.discriminator.{side}.channels=4" for side in sides),
    ]
    with pytest.raises(
        UserError, match=r"^task\.monitor: val/psnr compares with targets, .* choose val/swd$"
    ):
        train_small("psnr", *words, "task.monitor=val/psnr")
    run = train_small("run", *words)
    metrics = json.loads((run / "metrics.json").read_text())
    given = {name for name in metrics if name.startswith("test/")}
    assert given == {"test/swd", "test/kid/random", "test/cycle_error"}
    assert np.isfinite(metrics["test/swd"]) and np.isfinite(metrics["baseline/histogram/swd"])
    assert yaml.safe_load((run / "config.yaml").read_text())["task"]["monitor"] == "val/swd"
    columns = (run / "scores.csv").read_text().splitlines()[0].split(",")
    assert columns == ["case", "cycle_error", "subject"]


def test_an_evaluator_has_to_read_images_like_the_targets(
    train_small: Any, heads: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run that does not suit is refused before a step, and the line says why."""
    root = f"data.root={heads}"
    words = [root, 'data.subject="{stem}"', *UNET]
    (heads / "bone").mkdir()
    for path in sorted((heads / "ct").iterdir()):
        ct = nib.load(path)
        bone = nib.Nifti1Image((ct.get_fdata() > 500).astype(np.uint8), ct.affine)
        nib.save(bone, heads / "bone" / path.name)
    segmented = ["task=segmentation", root, "data.image=ct/*", "data.target=null", 'data.label="bone/{name}"']
    segmented += ['data.subject="{stem}"', "data.classes=[background,bone]", "data.target_intensity=null"]
    segmented += [*UNET, "model.generator.strides=[2]", "data.intensity=[-1024,1500]"]
    reading, translated = train_small("reading", *segmented), train_small("translated", *words)
    for run, more, why in (
        (reading, ["data.target_intensity=zscore"], r"has data\.intensity=\[-1024,1500\]"),
        (translated, [], "is not a run of task=segmentation or task=detection"),
        (heads, [], "is no run directory"),
        (reading, ["data.split_seed=1"], r"was trained on \d of this run's 3 test subjects"),
        (reading, ["data.size=32"], r"has data\.size=24, this run 32"),
    ):
        with pytest.raises(UserError, match=rf"^task\.evaluator: .*{why}"):
            train_small("refused", *words, f"task.evaluator={run}", *more)
    with pytest.raises(UserError, match=r"^task\.lesion: .* finds no tumour; choose among bone$"):
        train_small("named", *words, f"task.evaluator={reading}", "task.lesion=tumour")
    assert "knows no subject" not in capsys.readouterr().err
    run = train_small("read", *words, f"task.evaluator={reading}", 'data.subject="mr_{stem}"')
    assert "reading knows no subject of this run by name" in capsys.readouterr().err
    metrics = json.loads((run / "metrics.json").read_text())
    assert {"test/evaluator_dice", "test/evaluator_hd95", "baseline/forest/evaluator_dice"} <= set(metrics)
