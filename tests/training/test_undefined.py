"""A score that cannot be told: said before the first step, null in every file; it chooses no weights."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ganatomy.errors import UserError
from ganatomy.pictures.scores import table
from ganatomy.runs.directory import Run, without_nan
from ganatomy.training.results import checkpoint_to_test

SEGMENTS = ["task=segmentation", "data.label='labels/{name}'", "data.classes=[background,organ,lesion]"]
SEGMENTS += ["model.generator.channels=[4,8]", "model.generator.strides=[2]"]
BOXES = ["task=detection", *SEGMENTS[1:3], "data.boxes_from_label=true", "model.generator.stem=4"]
BOXES += ["model.generator.head=4", "model.generator.body.channels=[4,8]", "model.generator.body.strides=[2]"]
BOXES += ["model.generator.body.out_channels=4"]
ANOMALIES = ["task=anomaly", *SEGMENTS[1:3], "task.lesion=lesion", "model=autoencoder"]
ANOMALIES += ["model.generator.channels=[4,8]", "task.denoising_steps=1", "task.search_images=0"]


def no_constant(word: str) -> None:
    raise AssertionError(f"{word} is no JSON")


@pytest.fixture
def train(compose: Any, tmp_path: Path) -> Callable[..., Path]:
    """Train two steps on six pictures that hold these classes: four to train on, one each for the rest."""
    from ganatomy.config.resolve import validate
    from ganatomy.train import train

    def of(words: Sequence[str], *holds: Sequence[int]) -> Path:
        rows = ["file,split"]
        for n, (split, classes) in enumerate(
            zip(["train"] * 4 + ["val", "test"], [*[holds[0]] * 4, *holds[1:]], strict=True)
        ):
            label = np.zeros((16, 16), np.uint8)
            for value in classes:
                label[2 : 6 + n, 7 * value - 6 : 7 * value] = value
            pixels = np.random.default_rng(n).integers(0, 99, label.shape) + 70 * label
            for role, array in (("images", pixels.astype(np.uint8)), ("labels", label)):
                (tmp_path / "data" / role).mkdir(parents=True, exist_ok=True)
                Image.fromarray(array).save(tmp_path / f"data/{role}/{n}.png")
            rows.append(f"images/{n}.png,{split}")
        (tmp_path / "data/splits.csv").write_text("\n".join(rows))
        common = f"data=folder data.root={tmp_path / 'data'} data.splits=splits.csv data.size=16"
        common += " data.batch_size=2 data.augment=[] trainer.max_steps=4 trainer.val_every=2"
        common += " trainer.threads=1 trainer.accelerator=cpu callbacks.progress=none logger=csv"
        cfg = compose(*words, *common.split(), "model.discriminator=null", tiny=False)
        train(validate(cfg), tmp_path / "run")
        return tmp_path / "run"

    return of


@pytest.mark.parametrize("words, score", [(SEGMENTS, "dice"), (BOXES, "map50")])
def test_without_anything_to_find_in_validation_the_last_weights_are_tested(
    train: Any, words: list[str], score: str, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pytorch_lightning as pl

    tested, test = [], pl.Trainer.test
    monkeypatch.setattr(
        pl.Trainer, "test", lambda *a, **k: (tested.append(Path(k["ckpt_path"]).name), test(*a, **k))[1]
    )
    run = train(words, (1, 2), (), (1,))
    printed = capsys.readouterr()
    what = "box" if score == "map50" else "organ or lesion"
    assert f"data: no validation image holds any {what}: val/{score} will be undefined\n" in printed.err
    assert f"data: no test image holds any lesion: test/{score} tells nothing of it\n" in printed.err
    told = f"val/{score} was undefined at every validation: the last weights are tested"
    assert tested == ["last.ckpt"] and " ".join(printed.out.split()).count(told) == 1
    files = {p.name: json.loads(p.read_text(), parse_constant=no_constant) for p in run.glob("*.json")}
    assert files["status.json"]["best"]["score"] is None and files["status.json"]["status"] == "done"
    assert files["status.json"]["why"] == f"4 steps; {told}"
    assert files["metrics.json"][f"test/{score}"] is not None
    if score == "map50":  # a class that is drawn where there is none has a Dice of 0
        assert files["metrics.json"]["test/map50/lesion"] is None
    assert told in (run / "report.html").read_text()


@pytest.mark.parametrize("words, what", [(SEGMENTS, "a voxel of a class"), (BOXES, "a box")])
def test_without_anything_to_learn_nothing_is_trained(train: Any, words: list[str], what: str) -> None:
    with pytest.raises(UserError, match=f"none of the 4 training images has {what}"):
        train(words, (), (1,), (1,))


@pytest.mark.parametrize("words", [SEGMENTS, BOXES])
def test_a_class_of_no_training_image_is_said(train: Any, words: list[str], capsys: Any) -> None:
    train(words, (1,), (1, 2), (1, 2))
    assert "data: no training image holds any lesion: it cannot be learned" in capsys.readouterr().err


def test_a_defined_score_is_nothing_to_talk_about(train: Any, capsys: Any) -> None:
    run = train(SEGMENTS, (1, 2), (1, 2), (1, 2))
    printed = capsys.readouterr()
    assert "undefined" not in printed.err + printed.out and "tells nothing" not in printed.err
    assert "cannot be learned" not in printed.err
    assert json.loads((run / "status.json").read_text())["why"] == "4 steps"


def test_a_test_without_anomalies_is_foreseen(train: Any, capsys: Any) -> None:
    run = train(ANOMALIES, (1,), (1,), (1,))
    told = capsys.readouterr().err
    for split, word in (("val", "validation"), ("test", "test")):
        assert f"data: no {word} image is anomalous: {split}/auroc will be undefined" in told
    assert json.loads((run / "metrics.json").read_text(), parse_constant=no_constant)["test/auroc"] is None


def test_json_has_null_for_what_is_no_number(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.write("some.json", {"a": math.nan, "b": [1.5, -math.inf, {"c": (math.inf, 2)}], "d": "nan"})
    read = json.loads((tmp_path / "some.json").read_text(), parse_constant=no_constant)
    assert read == {"a": None, "b": [1.5, None, {"c": [None, 2]}], "d": "nan"}
    assert without_nan(3) == 3


def test_tables_read_null_as_nan() -> None:
    scores = table({"test/dice": None, "test/iou": 0.5, "baseline/otsu/dice": 0.25})
    assert scores.text("dice", "mean", "this run") == "–" and scores.text("dice", "mean", "otsu") == "0.250"
    assert scores.best("dice", "mean") is None


@pytest.mark.parametrize("wanted, score, name", [("best", 0.5, "best"), ("last", math.nan, "last")])
def test_otherwise_the_weights_asked_for_are_tested(
    tmp_path: Path, wanted: str, score: float, name: str
) -> None:
    path, told = checkpoint_to_test(Run(tmp_path), None, {"score": score}, wanted)
    assert path.name == f"{name}.ckpt" and told == ""
