"""Training patients are told from others where a run has memorised them, and not where it has not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score, roc_curve
from torch import Tensor, nn

from ganatomy.data.records import Split
from ganatomy.errors import UserError
from ganatomy.evaluate.data import EvaluatedData
from ganatomy.evaluate.membership import audit
from ganatomy.evaluate.membership.attacks import attacked, restore_discriminator
from ganatomy.evaluate.membership.audit import cases_of
from ganatomy.evaluate.membership.told import Images, Told
from ganatomy.inference.loaded import LoadedRun, load_run
from ganatomy.tasks.synthesis.normalisation import Normalisation
from ganatomy.tasks.synthesis.task import SynthesisTask
from tests.evaluate.conftest import evaluated, trained

SYNTHESIS = [
    *("task=synthesis", "data.size=32", "task.imagenet=false", "data.subjects=60", "data.split=[1,1,1]"),
    *("data.slices=2", "model=fast", "model.generator.channels=4", "model.discriminator.channels=4"),
]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A synthesis run of two slices of 60 virtual heads: 20 each in training, validation and test."""
    return trained(tmp_path_factory.mktemp("membership") / "run", *SYNTHESIS)


class Planted(nn.Module):
    """A generator that returns given images with faint noise, in turn, whatever it is asked for."""

    latent = 4

    def __init__(self, images: Tensor, normalisation: Normalisation) -> None:
        super().__init__()
        self.images, self.turn = normalisation.normalise(images), 0
        self.draw = torch.Generator().manual_seed(0)

    def forward(self, z: Tensor, *conditioning: Tensor) -> Tensor:
        places = torch.arange(self.turn, self.turn + len(z)) % len(self.images)
        self.turn += len(z)
        images = self.images[places]
        return images + 0.05 * torch.randn(images.shape, generator=self.draw)


def data_of(loaded: LoadedRun, *splits: Split) -> tuple[EvaluatedData, set[str]]:
    """The cases of some splits, and which of them are of the training."""
    chosen, members = cases_of(loaded)
    about = {case for split in splits for case in contents(loaded)[split]}
    chosen = replace(chosen, records=[record for record in chosen.records if record.case in about])
    return EvaluatedData(loaded, chosen, loaded.path.parent / "cache"), members


def contents(loaded: LoadedRun) -> dict[str, dict[str, str]]:
    import json

    found: dict[str, dict[str, str]] = json.loads((loaded.path / "data.json").read_text())["contents"]
    return found


def planted(run: Path, split: Split) -> Images:
    """Attack training and test with a generator that returns the images of a split."""
    loaded = load_run(run, "cpu")
    task: Any = loaded.task
    images = torch.cat([batch["image"] for batch in data_of(loaded, split)[0].test_dataloader()])
    network = Planted(images, task.normalisation)
    if task.average is not None:
        task.average.module = network
    else:
        task.generator = network
    data, members = data_of(loaded, "train", "test")
    return attacked(loaded, data, members, 60, with_logits=False)


def test_a_generator_that_returns_training_images_gives_them_away(run: Path) -> None:
    images = planted(run, "train")
    told = Told.of(images.scores["nearest"], images)
    assert images.patients == (20, 20)
    assert told.auroc > 0.9 and told.low > 0.5 and told.beyond > 0.8
    assert "can be told from others" in told.line("nearest", images.patients)


def test_a_generator_that_returns_images_of_neither_gives_nobody_away(run: Path) -> None:
    images = planted(run, "val")
    told = Told.of(images.scores["nearest"], images)
    assert told.low < 0.5 < told.high
    assert "no sign" in told.line("nearest", images.patients)


def test_the_auroc_is_scikit_learns() -> None:
    draw = np.random.default_rng(0)
    member = np.arange(300) < 200
    scores = draw.normal(member * 0.5, 1).round(1)  # with ties
    images = Images({"nearest": scores}, member, [f"p{n // 2}" for n in range(300)])
    told = Told.of(scores, images)
    assert told.auroc == pytest.approx(roc_auc_score(member, scores), abs=1e-12)
    assert told.low < told.auroc < told.high
    scores = draw.normal(member * 1.0, 1)
    false, true, _ = roc_curve(member, scores, drop_intermediate=False)
    told = Told.of(scores, images)
    assert told.beyond == pytest.approx(true[false <= 0.01].max())  # true positives at 1 % of false ones


def test_five_patients_of_either_kind_are_needed() -> None:
    told = Told(1.0, 1.0, 1.0, 1.0, 0.2)
    assert "too few patients" in told.line("nearest", (20, 4))
    assert "can be told" in told.line("nearest", (5, 5))


def test_the_discriminator_is_that_of_the_tested_weights(run: Path, tmp_path: Path) -> None:
    loaded = load_run(run, "cpu")
    assert restore_discriminator(loaded) == ""
    data, members = data_of(loaded, "train", "test")
    task = loaded.task
    assert isinstance(task, SynthesisTask)
    found = attacked(loaded, data, members, 8, with_logits=True).scores["logit"]
    for batch in data.test_dataloader():
        with torch.no_grad():
            logits = task.overfitting.logits(batch, batch["image"])
        np.testing.assert_allclose(found[: len(logits)], logits, rtol=1e-5, atol=1e-5)
        found = found[len(logits) :]
    for path in (run / "checkpoints").glob("*.ckpt"):
        path.rename(path.with_suffix(".away"))
    try:
        assert "no checkpoint" in restore_discriminator(load_run(run, "cpu"))
    finally:
        for path in (run / "checkpoints").glob("*.away"):
            path.rename(path.with_suffix(".ckpt"))


def test_the_command_writes_table_numbers_and_picture(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = evaluated(tmp_path / "out", f"run={run}", "membership=40")
    said = capsys.readouterr().out
    assert "Membership: 20 patients of the training against 40 others" in said
    assert said.count("membership: ") == 2
    for name in ("nearest", "logit"):
        assert 0 <= found.metrics[f"membership/{name}/auroc"] <= 1
        row = next(row for row in found.intervals if row["source"] == f"membership/{name}")
        assert float(row["low"]) == found.metrics[f"membership/{name}/low"] and row["subjects"] == "60"
    assert (tmp_path / "out/membership.png").read_bytes().startswith(b"\x89PNG")
    assert "Trained on, or not" in found.page


def test_what_cannot_be_audited_is_refused_in_a_line(
    run: Path, folder_run: tuple[Path, list[str], Path], tmp_path: Path
) -> None:
    other, words, _ = folder_run
    with pytest.raises(UserError, match="draws no images from noise; leave membership= out"):
        evaluated(tmp_path / "a", f"run={other}", "membership=40")
    with pytest.raises(UserError, match="membership: is asked of one run and its own data"):
        evaluated(tmp_path / "b", f"run={run}", "membership=40", *words)
    assert not list(tmp_path.iterdir())


def test_patients_without_labels_are_left_out(tmp_path: Path) -> None:
    words = [word for word in SYNTHESIS if "subjects" not in word]
    run = trained(tmp_path / "run", *words, "data.subjects=24", "data.label_fraction=0.5")
    chosen, members = cases_of(load_run(run, "cpu"))
    assert len(members) == 4 and len(chosen.records) == 20


@pytest.mark.parametrize("most", [19, 13, 1])
def test_more_cases_than_are_audited_are_spread_over_all(
    run: Path, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = load_run(run, "cpu")
    everything, trained_on = cases_of(loaded)
    monkeypatch.setattr(audit, "MOST", most)
    chosen, members = cases_of(loaded)
    assert len(members) == most and len(chosen.records) == 2 * most and members <= trained_on
    for kind in (True, False):  # no two neighbours that are kept have more than one too many between them
        cases = [record.case for record in everything.records if (record.case in trained_on) == kind]
        places = [cases.index(record.case) for record in chosen.records if record.case in cases]
        gaps = np.diff([-1, *places, len(cases)])
        assert gaps[1:-1].size == 0 or gaps[1:-1].max() - gaps[1:-1].min() <= 1
        assert gaps.max() <= len(cases) / most + 1
