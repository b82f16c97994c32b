"""The model card says what the run knows, with right intervals, and names nobody."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from ganatomy.export.card import card, scores
from ganatomy.runs.directory import Run

CFG: dict[str, Any] = {
    "model": {
        "generator": {"_target_": "ganatomy.networks.image_to_image.unet.UNet"},
        "discriminator": {"_target_": "monai.networks.nets.PatchDiscriminator"},
        "adversarial": {"loss": "hinge"},
    },
    "trainer": {"max_steps": 10},
    "data": {
        "_target_": "ganatomy.data.sources.folder.Folder",
        "batch_size": 4,
        "augment": [],
        "root": "/secret",
    },
    "seed": 0,
}
DATA = {
    "cases": {"train": 3, "val": 1, "test": 6},
    "subjects": {"train": ["Anna Alt", "Bo"], "val": ["Cy"], "test": [f"Name{n}" for n in range(6)]},
    "channels": 1,
    "classes": ["background", "le|sion"],
    "labelled": 2,
    "hash": "abc",
}
FACTS = {
    "task": "segmentation",
    "spatial_dims": 2,
    "weights_sha256": "f00",
    "preparation": {"Intensity": "zscore"},
}
DICE = [0.5, 0.7, 0.6, 0.9, 0.8, 0.65]
HEADINGS = (
    "Model details",
    "Intended use",
    "Factors",
    "Metrics",
    "Evaluation data",
    "Training data",
    "Quantitative analyses",
    "Ethical considerations",
    "Caveats and recommendations",
)


def written(folder: Path, licence: str | None = None, task: str = "segmentation", **status: Any) -> str:
    folder.mkdir(exist_ok=True)
    run = Run(folder)
    run.write("status.json", {"status": "done", "game": "healthy", "events": [], **status})
    run.write(
        "metrics.json", {"test/dice": float(np.mean(DICE)), "baseline/otsu/dice": 0.3, "twin/dice": 0.66}
    )
    run.write("data.json", DATA)
    rows = [f"Name{n},{value},{n}" for n, value in enumerate(DICE)]
    run.write_bytes("scores.csv", "\n".join(["case,dice,subject", *rows, ""]).encode())
    return card.model_card(run, CFG, {**FACTS, "task": task}, licence, 1234)


def test_interval_over_subjects_against_students(tmp_path: Path) -> None:
    text = written(tmp_path / "run")
    low, high = stats.t.interval(0.95, 5, np.mean(DICE), stats.sem(DICE))
    assert f"| Dice ↑ | {np.mean(DICE):.3f} | {low:.3f} to {high:.3f} | 0.300 | 0.660 |" in text


def test_headings_of_the_paper_and_what_was_asked_for(tmp_path: Path) -> None:
    text = written(tmp_path / "run", licence="CC-BY-4.0")
    assert [line[3:] for line in text.splitlines() if line.startswith("## ")] == list(HEADINGS)
    for words in (
        "Licence: CC-BY-4.0",
        "1,234 weights",
        "3 cases of 2 subjects (training)",
        "6 cases of 6 subjects",
    ):
        assert words in text
    assert "those of 2 of 3 cases" in text and "without a discriminator" in text and "le\\|sion" in text
    assert "Licence: not stated" in written(tmp_path / "other")


def test_nobody_is_named(tmp_path: Path) -> None:
    text = written(tmp_path / "run")
    names = [name for split in DATA["subjects"].values() for name in split]  # type: ignore[attr-defined]
    assert not [name for name in [*names, "/secret", str(tmp_path)] if name in text]


def test_a_failed_game_comes_first(tmp_path: Path) -> None:
    event = {
        "name": "collapse",
        "step": 7,
        "player": "generator",
        "cause": "all alike",
        "advice": "x",
        "fatal": True,
    }
    text = written(tmp_path / "run", game="collapse", events=[event], task="synthesis")
    assert text.index("**The game of this run failed (collapse). Do not use these weights.**") < text.index(
        "## "
    )
    assert "collapse, step 7: all alike" in text and "The game failed (collapse): these numbers" in text
    assert "**This run did not finish** (status: failed)" in written(tmp_path / "other", status="failed")


@pytest.mark.parametrize(
    ("share", "expected", "game", "words"),
    [
        (0.01, 0.01, "healthy", "No sign of copies"),
        (0.4, 0.01, "healthy", "Copies of training images are likely"),
        (0.4, 0.2, "healthy", "too few images to tell"),
        (0.0, 0.01, "collapse", "not judged"),
        (None, None, "healthy", "were not searched for"),
    ],
)
def test_what_is_said_about_copies(
    share: float | None, expected: float | None, game: str, words: str
) -> None:
    assert words in scores.memorisation({"test/copied": share, "floor/copied": expected}, game)


def test_the_finding_of_the_runs_own_test_is_the_one_told() -> None:
    shares = {"test/copied": 0.01, "floor/copied": 0.01}
    text = scores.memorisation(shares, "healthy", "copies are likely: 1% too near, 1% expected")
    assert text.startswith("**Copies of training images: copies are likely.** 1% of the synthetic images")


def test_a_score_that_is_no_mean_of_cases_gets_no_interval(tmp_path: Path) -> None:
    written(tmp_path / "run")
    run = Run(tmp_path / "run")
    run.write(
        "metrics.json", {"test/dice": 0.123, "test/auroc": 0.8, "test/auroc_low": 0.7, "test/auroc_high": 0.9}
    )
    text = card.model_card(run, CFG, FACTS, None, None)
    assert "| Dice ↑ | 0.123 | – |" in text and "| AUROC ↑ | 0.800 | 0.700 to 0.900 |" in text


@pytest.mark.slow
def test_card_of_a_real_run(finished: Callable[[str], Path], tmp_path: Path) -> None:
    from ganatomy.errors import UserError
    from ganatomy.export.export import export
    from tests.export.conftest import config

    run = Path(shutil.copytree(finished("enhancement"), tmp_path / "run"))
    export(config(run, tmp_path / "cards/", format="card"), lambda line: None)
    first = (tmp_path / "cards/MODEL_CARD.md").read_bytes()
    assert b"Trained against UNetDiscriminator" in first and b"virtual images, no patients" in first
    status = json.loads((run / "status.json").read_text())
    Run(run).write("status.json", {**status, "game": "collapse"})
    with pytest.raises(UserError, match=r"its game failed \(collapse\).*force=true"):
        export(config(run, tmp_path / "failed.onnx"), lambda line: None)
    export(config(run, tmp_path / "failed/", format="card", force=True), lambda line: None)
    assert "The game of this run failed" in (tmp_path / "failed/MODEL_CARD.md").read_text()
