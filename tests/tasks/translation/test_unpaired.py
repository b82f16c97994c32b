"""Runs of unpaired sides through the real command: resumed bit for bit, or refused in one line."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ganatomy.config.resolve import validate
from ganatomy.errors import UserError
from ganatomy.train import train
from tests.conftest import TINY, composed
from tests.finished import blobs
from tests.test_resume import assert_same_end, checkpoint, run_until

SMALL = [
    "task=translation",
    "data=brain_contrasts",
    *(word for word in TINY if not word.startswith("model.")),
    "data.slices=4",
    "data.cache=memory",
    "trainer.max_steps=6",
    "trainer.val_every=3",
]
NETWORKS = [
    *(
        f"model.generator.{way}.{key}"
        for way in ("to_target", "to_source")
        for key in ("channels=[4,6]", "blocks=1")
    ),
    *(
        f"model.discriminator.{side}.{key}"
        for side in ("target", "source")
        for key in ("channels=4", "num_layers_d=1")
    ),
]
"""Four small players of CycleGAN."""
CYCLE = [*SMALL, "model=cyclegan", *NETWORKS]


@pytest.fixture
def played(compose: Callable[..., dict[str, Any]], tmp_path: Path) -> Callable[..., Path]:
    """Train a tiny CycleGAN in this process; the value is the run directory."""

    def of(name: str, *words: str, resume: bool = False) -> Path:
        directory = tmp_path / name
        more = [f"resume={directory}"] if resume else []
        train(validate(compose(*(more or [*CYCLE, *words]), tiny=False)), directory)
        return directory

    return of


@pytest.mark.slow
def test_a_resumed_run_draws_the_same_targets(played):
    """Sides of different length, so that their epochs end at different steps."""
    words = ["data.unpaired=disjoint", "data.split=[5,1,1]", "data.subjects=7", "data.batch_size=3"]
    whole = played("whole", *words)
    run_until(4, played, "cut", *words)
    assert_same_end(whole, played("cut", resume=True))
    sides = json.loads((whole / "data.json").read_text())["sides"]
    train_sides = [set(sides[side]["subjects"]["train"]) for side in ("images", "targets")]
    assert [len(side) for side in train_sides] == [3, 2] and not set.intersection(*train_sides)


def test_the_targets_are_drawn_by_the_seed(played):
    """A run of pairs in the order of an unpaired one would end with the same weights whatever is drawn."""
    first, other = (
        checkpoint(played(f"run{n}", f"data.unpaired={how}")) for n, how in enumerate(("true", "disjoint"))
    )
    name = next(iter(first["state_dict"]))
    assert not (first["state_dict"][name] == other["state_dict"][name]).all()


def test_a_model_of_pairs_is_refused(compose, tmp_path):
    words = [*SMALL, "model=translation_unet", "data.unpaired=true"]
    with pytest.raises(UserError) as refused:
        train(validate(compose(*words, tiny=False)), tmp_path / "run")
    assert str(refused.value).startswith("data.unpaired=true: this model learns from pairs")
    assert "\n" not in str(refused.value)


def test_a_model_without_pairs_is_not_shown_pairs(compose, tmp_path):
    with pytest.raises(UserError, match=r"data\.unpaired=false: this model learns without pairs"):
        train(validate(compose(*CYCLE, "data.unpaired=false", tiny=False)), tmp_path / "run")


def test_a_wrong_value_is_refused(compose):
    with pytest.raises(UserError) as refused:
        validate(compose(*CYCLE, "data.unpaired=half", tiny=False))
    assert "data.unpaired: choose false, true or disjoint" in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.fixture(scope="module")
def two_folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run on eight-bit images and sixteen-bit targets of other people."""
    root = tmp_path_factory.mktemp("folders")
    for side, count, top in (("a", 14, 255), ("b", 11, 40_000)):
        (root / "files" / side).mkdir(parents=True)
        for n in range(count):
            values = blobs(ord(side) + n, 32, 32) * top
            kind = np.uint8 if top == 255 else np.uint16
            Image.fromarray(values.astype(kind)).save(root / f"files/{side}/{side}{n}.png")
    words = [
        word for word in CYCLE if not word.startswith(("data.slices", "data.subjects", "data=", "data.cache"))
    ]
    words += ["data=folder", f"data.root={root}/files", "data.image=a/*", "data.target=b/*"]
    words += ["data.target_intensity=[0,40000]", "data.batch_size=3", "save_predictions=all"]
    train(validate(composed(*words, tiny=False)), root / "run")
    return root


def test_two_folders_of_other_people_are_trained_on_and_scored(two_folders):
    about = json.loads((two_folders / "run/data.json").read_text())
    assert about["sides"]["images"]["cases"] == {"train": 10, "val": 2, "test": 2}
    assert about["sides"]["targets"]["cases"] == {"train": 7, "val": 2, "test": 2}
    kept = json.loads((two_folders / "run/preprocessing.json").read_text())["target"]
    assert (kept["dtype"], kept["offset"], kept["scale"]) == ("uint16", [0.0], [40_000.0])
    written = [np.asarray(Image.open(path)) for path in (two_folders / "run/predictions").glob("case_*.png")]
    assert [image.dtype for image in written] == [np.uint16, np.uint16]  # the type and units of the targets
    assert all(image.max() > 255 for image in written)
    scores = json.loads((two_folders / "run/metrics.json").read_text())
    assert np.isfinite(scores["test/swd"]) and "test/mae" not in scores


@pytest.mark.slow
def test_they_are_evaluated_and_predicted_as_in_the_test_of_the_run(two_folders, command):
    command("run=run", "output=scored", module="src.evaluate", cwd=two_folders, check=True)
    scores = json.loads((two_folders / "run/metrics.json").read_text())
    again = json.loads((two_folders / "scored/metrics.json").read_text())
    for name in ("test/swd", "test/cycle_error"):
        assert again[name] == pytest.approx(scores[name]), name
    rows = list(csv.DictReader((two_folders / "run/predictions.csv").open(newline="")))
    number = rows[0]["case"].removeprefix("a_")
    words = ["run=run", f"input=files/a/{number}.png", "output=answers"]
    command(*words, module="src.predict", cwd=two_folders, check=True)
    answer, same = (
        Image.open(two_folders / name) for name in (f"answers/{number}.png", "run/predictions/case_0001.png")
    )
    np.testing.assert_allclose(*(np.asarray(each, float) for each in (answer, same)), atol=1)  # rounded
