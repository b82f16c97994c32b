"""Calibration of a finished run on its own test cases, against numbers from the probabilities themselves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torchmetrics.functional.classification import multiclass_calibration_error

from ganatomy.data.sources.folder import Folder
from ganatomy.errors import UserError
from ganatomy.inference.applied import applied
from ganatomy.inference.ensembles.ensemble import load_runs
from ganatomy.inference.ensembles.judged import Judged, losses, on_file
from ganatomy.inference.loaded import LoadedRun, load_run
from ganatomy.tasks.shared.as_written import Originals

Finished = Callable[[str], Path]


def judge_test(loaded: LoadedRun, source: Folder) -> tuple[Judged, list[dict[str, Any]], list[Any]]:
    """Run the test of a run on a source; its doubts, its rows of scores, its batches with probabilities."""
    data = applied(loaded, source)
    loaded.task.originals = Originals(data)
    judged, seen = Judged(loaded, loaded.task.originals), []
    for number, record in enumerate(data.records["test"]):
        batch = data.batch(record, data.make(record))
        with loaded.precision():
            loaded.task.test_step(batch, number)
            judged.add(batch)
            seen.append((batch, loaded.task.soft_prediction(batch)))
    return judged, loaded.task.tables["test"].per_case(), seen


@pytest.fixture
def labelled(finished: Finished) -> tuple[Path, Folder]:
    run = finished("segmentation")
    words = {"classes": ["background", "bright"], "label_values": [0, 255], "channels": 1, "size": 32}
    files = Folder(
        root=str(run.parent / "files"), image="images/*", label="masks/{name}", spatial_dims=2, **words
    )
    return run, files


def test_scores_are_those_of_the_probabilities(labelled: tuple[Path, Folder]) -> None:
    run, source = labelled
    loaded = load_runs(run, doubt=True)
    judged, rows, seen = judge_test(loaded, source)
    parts, truths = [], []
    for batch, soft in seen:
        own = on_file(judged.files, batch, 0, soft[0])  # type: ignore[arg-type]
        truth = source.load(next(r for r in source.records() if r.case == batch["case"][0]))["label"][0]
        assert own.shape[1:] == truth.squeeze().shape and np.allclose(own.sum(0), 1, atol=1e-6)
        parts.append(own.reshape(2, -1))
        truths.append(truth.ravel())
    p, t = (
        torch.from_numpy(np.concatenate(parts, 1).T.copy()),
        torch.from_numpy(np.concatenate(truths).astype(int)),
    )
    found = judged.metrics(rows)
    assert found["ece"] == pytest.approx(float(multiclass_calibration_error(p, t, 2, 15, "l1")), abs=1e-5)
    with_them = judged.with_doubt(rows)
    assert {"dice", "entropy", "ece", "ece/bright"} <= set(with_them[0]) and len(with_them) == len(rows)
    doubt = np.array([row["entropy"] for row in with_them])
    loss = 1 - np.array([row["dice"] for row in with_them])
    ordered = loss[np.argsort(doubt)]
    wanted = np.mean([ordered[: k + 1].mean() for k in range(len(ordered))])
    assert found["aurc/entropy"] == pytest.approx(wanted)
    pictures = judged.pictures(rows)
    assert set(pictures) == {"reliability.png", "risk_coverage.png"}
    assert all(content.startswith(b"\x89PNG") for content in pictures.values())


def test_a_run_without_members_is_refused(finished: Finished) -> None:
    with pytest.raises(UserError, match="without doubt"):
        Judged(load_run(finished("segmentation")), None)


def test_the_loss_is_what_the_task_has() -> None:
    assert losses([{"case": "a", "dice": 0.75, "dice/x": 0.5}]) == ("1 - Dice", [0.25])
    assert losses([{"case": "a", "mae": 3.0}]) == ("MAE", [3.0])
    assert losses([{"case": "a", "found": 1.0}]) is None and losses([]) is None


def test_the_size_of_the_run_holds_whatever_the_source_has(labelled: tuple[Path, Folder]) -> None:
    run, source = labelled
    loaded = load_run(run)
    other = Folder(root=str(run.parent / "files"), image="images/*", spatial_dims=2)
    record = source.records()[1]
    ours, theirs = (applied(loaded, each).make(record)["image"] for each in (other, source))
    assert ours.shape == theirs.shape and np.array_equal(ours, theirs)
