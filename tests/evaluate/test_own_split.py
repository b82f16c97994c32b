"""On its own test cases a run scores as its training said; the baselines come from the run's files."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from tests.evaluate.conftest import SEGMENTATION, evaluated, trained

RUNS = {
    "segmentation": ["data.subjects=8", "data.split=[2,1,1]", "data.slices=2", "data.size=32", *SEGMENTATION],
    "enhancement": [
        *("task=enhancement", "data.subjects=8", "data.split=[2,1,1]", "data.size=16", "data.slices=2"),
        *("data.augment=[]", "model.generator.channels=[4,8]", "model.discriminator=null"),
    ],
    "detection": [
        *("task=detection", "data.size=32", "data.subjects=8", "data.split=[2,1,1]", "data.slices=4"),
        *("model.generator.stem=4", "model.generator.head=4", "model.generator.body.channels=[4,8]"),
        *(
            "model.generator.body.strides=[2]",
            "model.generator.body.out_channels=4",
            "model.discriminator=null",
        ),
    ],
    "anomaly": [
        *("task=anomaly", "data.subjects=8", "data.split=[2,1,1]", "data.slices=4", "data.size=16"),
        *("data.healthy=0.5", "data.radius=[20,30]", "task.denoising_steps=2", "task.components=3"),
        *("model=fanogan", "model.generator.channels=4", "model.discriminator.channels=4"),
        *("model.generator.latent=6", "task.search_images=2", "task.search_steps=2"),
    ],
    "synthesis": [
        *("task=synthesis", "data.size=24", "task.imagenet=false", "data.subjects=6", "data.split=[4,1,1]"),
        *("data.slices=8", "model=fast", "model.generator.channels=4", "model.discriminator.channels=4"),
    ],
}
CLOCK = "images_per_second"


@pytest.mark.parametrize("task", RUNS)
def test_the_scores_are_those_of_training(task: str, tmp_path: Path) -> None:
    run = trained(tmp_path / "run", *RUNS[task])
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    found = evaluated(tmp_path / "out", f"run={run}")
    theirs = json.loads((run / "metrics.json").read_text())
    assert theirs.keys() <= found.metrics.keys()
    needs_training = (
        {name for name in theirs if name.startswith(("baseline/", "floor/", "test/nearest", "test/copied"))}
        if task == "synthesis"
        else set()
    )
    assert all(found.metrics[name] is None for name in needs_training)
    for name in theirs.keys() - needs_training:
        if CLOCK not in name:
            ours, known = (np.nan if v is None else v for v in (found.metrics[name], theirs[name]))
            np.testing.assert_allclose(ours, known, atol=1e-6, rtol=1e-6, err_msg=name)
    assert any(name.startswith("baseline/") and v is not None for name, v in found.metrics.items()) == (
        task != "synthesis"
    )
    if (run / "scores.csv").is_file():
        with (run / "scores.csv").open() as file:
            for row, ours in zip(csv.DictReader(file), found.rows, strict=True):
                assert row.items() <= ours.items()
    assert before == {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    if task == "synthesis":
        assert "training images are needed" in found.page
