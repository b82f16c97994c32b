"""Runs with regions, an ignore label and a region of interest, with an adversary and without."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from ganatomy.adversarial import read_output
from ganatomy.config.resolve import load, validate
from ganatomy.data.records import Record
from ganatomy.data.sources.folder import Folder
from ganatomy.errors import UserError
from ganatomy.export.bundle.scripts.answers import Labels
from ganatomy.inference.applied import applied
from ganatomy.inference.loaded import load_run
from ganatomy.inference.predictor import Predictor
from ganatomy.tasks.segmentation.classes import Regions
from ganatomy.training import build
from tests.ranks import together
from tests.tasks.conftest import SMALL
from tests.tasks.segmentation.test_task import PATCH
from tests.test_processes import assert_alike, plain_sgd
from tests.test_resume import assert_same, assert_same_end, checkpoint, run_until

NET = ["model.generator.channels=[4,8]", "model.generator.strides=[2]"]
D, ALONE = [f"model.{word}" for word in PATCH], ["model.discriminator=null"]
REGIONS = "data.regions={whole: [1,2], core: [2]}"
SIDE, SPLIT = 20, "data.split=[5,2,3]"


@pytest.fixture
def small() -> Callable[..., list[str]]:
    """The words of a small run of this task."""
    return lambda *words: ["task=segmentation", "data=folder", *NET, *words]


def pictures(root: Path, seed: int = 0, unknown: int = 255, known_outside: bool = True) -> list[str]:
    """Write ten pictures with labels 0 to 2, of which some voxels have the value `unknown`, and a mask.

    `seed` decides the labels outside of the mask alone.
    """
    grid = np.indices((SIDE, SIDE))
    inside = ((grid - SIDE / 2 + 0.5) ** 2).sum(0) < 80
    for n in range(10):
        draw, other = np.random.default_rng(n), np.random.default_rng([seed, n])
        centre = draw.integers(6, 14, 2)
        away = ((grid - centre[:, None, None]) ** 2).sum(0)
        label = np.select([away < 6, away < 20], [2, 1], 0)
        image = 60 + 40 * label + draw.normal(0, 9, label.shape)
        label = np.where((away >= 20) & (away < 34), unknown, label)
        if known_outside:
            label = np.where(inside, label, other.choice([0, 1, 2, unknown], label.shape))
        for name, array in (("images", image), ("masks", label), ("fields", inside * 255)):
            (root / name).mkdir(parents=True, exist_ok=True)
            Image.fromarray(array.clip(0, 255).astype(np.uint8)).save(root / name / f"p{n}.png")
    words = [f"data.root={root}", "data.label='masks/{name}'", f"data.ignore_label={unknown}"]
    return [*words, "data.classes=[background,edema,core]", f"data.size={SIDE}", SPLIT]


MASK = "data.mask='fields/{name}'"
KINDS = {
    "classes": [],
    "regions, patches": [REGIONS, "data.patch=16", "data.foreground=0.8"],
    "alone": [*ALONE, "task.class_weights=auto", "task.loss={dice_ce: 1, boundary: 0.1, topk: 1}"],
    "softened, gate": ["task.masks=softened", "task.gate=0.9", "task.postprocess=auto"],
}


@pytest.mark.parametrize("kind", KINDS)
def test_labels_that_do_not_count_change_no_bit(train_small: Any, tmp_path: Path, kind: str) -> None:
    """Neither weights nor scores, nor baselines; nor does the number that marks what nobody knows."""
    words = [MASK, *D, *KINDS[kind], "trainer.max_steps=3", "trainer.val_every=3", "logger=csv"]
    words = [
        word for word in words if "discriminator." not in word or "model.discriminator=null" not in words
    ]
    runs = []
    for name, seed, unknown in (("one", 0, 255), ("other", 1, 7)):
        own = pictures(tmp_path / "data" / name, seed, unknown)
        runs.append(train_small(name, *own, *words))
    states = [checkpoint(run)["state_dict"] for run in runs]
    assert_same(*states)
    assert (runs[0] / "metrics.json").read_text() == (runs[1] / "metrics.json").read_text()
    assert json.loads((runs[0] / "metrics.json").read_text())["test/dice"] is not None


def test_a_label_that_counts_changes_the_weights(train_small: Any, tmp_path: Path) -> None:
    """The test above would see a difference: without the mask there is one."""
    words = [*D, "trainer.max_steps=3", "trainer.val_every=3"]
    runs = [
        train_small(name, *pictures(tmp_path / "data" / name, seed), *words)
        for name, seed in (("one", 0), ("other", 1))
    ]
    with pytest.raises(AssertionError):
        assert_same(*(checkpoint(run)["state_dict"] for run in runs))


@pytest.mark.parametrize("masks", ["soft", "softened", "straight_through"])
@pytest.mark.parametrize("regions", [[], [REGIONS]], ids=["classes", "regions"])
def test_no_gradient_comes_from_where_nothing_counts(
    prepared: Any, tmp_path: Path, regions: list[str], masks: str
) -> None:
    data, task = prepared(*pictures(tmp_path / "data"), MASK, *D, *regions, f"task.masks={masks}")
    batch = next(iter(data.train_dataloader()))
    valid = batch["mask"] & (batch["label"] >= 0)
    assert 0.1 < float(valid.float().mean()) < 0.9
    logits = torch.randn(task.generate(batch).shape, generator=torch.Generator().manual_seed(0))
    logits.requires_grad_()
    real, fake = task.discriminator_inputs(batch, logits)
    judged = read_output(task.discriminator(fake)).logits
    sum(each.sum() for each in (*task.task_losses(batch, logits).values(), *judged)).backward()
    assert logits.grad is not None and not logits.grad.masked_select(~valid).any()
    assert logits.grad.masked_select(valid).count_nonzero() > 0.9 * valid.sum() * logits.shape[1]
    assert torch.equal(real.masked_select(~valid), fake.masked_select(~valid))


def test_unlabelled_images_have_a_region_of_interest_too(prepared: Any, tmp_path: Path) -> None:
    own = pictures(tmp_path / "data", known_outside=False)
    semi = ["model=semi", "data.unlabelled_fraction=0.5", "data.label_fraction=0.4", "task.semi.start=0"]
    data, task = prepared(*own, MASK, *semi, "model.discriminator.channels=[4,4]")
    batch = next(iter(data.train_dataloader()))
    task.batches_done = 5
    logits = torch.randn(4, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0)).requires_grad_()
    losses = task.task_losses(batch, logits)
    assert "self_training" in losses
    (losses["self_training"] + losses["unlabelled"]).backward()
    assert logits.grad is not None and not logits.grad.masked_select(~batch["mask"]).any()
    assert logits.grad[2:].any() and not logits.grad[:2].any()


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Words for regions, an ignore label and a mask at once, in short runs."""
    own = pictures(tmp_path_factory.mktemp("pictures"))
    return [*own, MASK, REGIONS, *D, "data.patch=16", "task.gate=0.9", "task.postprocess=auto"]


def test_a_run_goes_on_bit_for_bit(train_small: Any, everything: list[str]) -> None:
    words = [*everything, "trainer.max_steps=5", "trainer.val_every=2", "logger=csv"]
    whole = train_small("whole", *words)
    run_until(3, train_small, "cut", *words)
    assert_same_end(whole, train_small("cut", resume=True))
    task = load(whole)["task"]
    expected = {"regions": {"whole": [1, 2], "core": [2]}, "order": [[0, 1], [1, 2]]}
    assert task["label_map"] == {**expected, "ignores": True, "masked": True}


@pytest.mark.slow
def test_two_processes_train_as_one(command: Any, everything: list[str], tmp_path: Path) -> None:
    words = [
        "task=segmentation",
        "data=folder",
        *NET,
        *everything,
        "data.batch_size=5",
        "trainer.max_steps=4",
    ]
    words += [*plain_sgd("generator", 0.02), *plain_sgd("discriminator", 0.001), "trainer.val_every=4"]
    words += ["trainer.log_every=1", "trainer.threads=1", "trainer.accelerator=cpu", "callbacks.report=false"]
    words += ["callbacks.samples=0", "logger=csv"]
    done = command(*words, "run_dir=one")
    assert done.returncode == 0, done.stderr
    together(2, tmp_path, *words, "run_dir=several")
    assert_alike(tmp_path / "one", tmp_path / "several")


@pytest.fixture
def finished(train_small: Any, tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A run with regions and a mask whose predictions are saved; a parameter is its data.size."""
    own = [*pictures(tmp_path / "data")[:-2], f"data.size={getattr(request, 'param', SIDE)}", SPLIT]
    words = ["save_predictions=all", "trainer.max_steps=2", "callbacks.samples=2", "callbacks.report=true"]
    return Path(train_small("run", *own, MASK, REGIONS, *ALONE, *words))


@pytest.mark.parametrize("finished", [SIDE, 12], indirect=True)
def test_what_is_written_is_what_is_scored(finished: Path, tmp_path: Path) -> None:
    """Dice of the regions from the written files, by hand, where truth and mask count."""
    field = np.array(Image.open(tmp_path / "data/fields/p0.png")) > 0
    rows = {row["case"]: row for row in csv.DictReader((finished / "scores.csv").open())}
    for row in csv.DictReader((finished / "predictions.csv").open()):
        case = row["case"]
        written = np.array(Image.open(finished / f"predictions/{row['prediction']}.png"))
        truth = np.array(Image.open(tmp_path / f"data/masks/{case.removeprefix('images_')}.png"))
        assert not written[~field].any()
        for name, values in (("whole", [1, 2]), ("core", [2])):
            ours, theirs = (np.isin(each, values) & field & (truth != 255) for each in (written, truth))
            dice = 2 * (ours & theirs).sum() / (ours.sum() + theirs.sum())
            assert float(rows[case][f"dice/{name}"]) == pytest.approx(dice, abs=1e-6)
    assert len(rows) == 3


def test_files_without_a_mask_are_answered_and_say_so(finished: Path) -> None:
    loaded = load_run(finished, "cpu")
    root = load(finished)["data"]["root"]
    with_mask = Folder(root=root, mask="fields/{name}", size=SIDE)
    found = [
        Predictor(loaded, source)(source.records()[0]) for source in (with_mask, Folder(root=root, size=SIDE))
    ]
    assert not found[0].notes and "it has no mask" in found[1].notes[0]
    assert found[0].values is not None and found[1].values is not None
    field = np.array(Image.open(Path(root) / "fields/p0.png")).T > 0
    np.testing.assert_array_equal(np.squeeze(found[0].values)[field.T], np.squeeze(found[1].values)[field.T])


def test_the_body_is_found_in_files_to_be_predicted(train_small: Any, tmp_path: Path) -> None:
    own = pictures(tmp_path / "data")
    run = train_small("run", *own, "data.mask=auto", *ALONE, "trainer.max_steps=1")
    loaded = load_run(run, "cpu")
    data = applied(loaded, Folder(root=str(tmp_path / "data"), size=SIDE))
    record: Record = data.records["test"][0]
    batch = data.batch(record, data.make(record))
    assert not batch["mask"].all()
    assert not loaded.task.predict(batch)[~batch["mask"]].any()


@pytest.mark.parametrize("masked", [False, True])
def test_a_bundle_answers_as_the_task(masked: bool) -> None:
    labelling = Regions(("background", "edema", "core"), {"whole": [1, 2], "core": [2]}, [(0, 1), (1, 2)])
    soft = torch.rand(3, 2, 8, 8, generator=torch.Generator().manual_seed(0))
    mask = torch.rand(3, 1, 8, 8, generator=torch.Generator().manual_seed(1)) > 0.5
    data: dict[str, Any] = {
        "pred": soft,
        "image": soft[:, :1],
        "file": {"mask": mask.numpy()} if masked else {},
    }
    found = Labels(order=labelling.order)(data)["pred"]
    labels = labelling.labels(soft).long() * (mask if masked else 1)
    assert torch.equal(found.long(), labels.movedim(0, -1))


def test_other_tasks_do_not_take_what_nobody_knows_for_background(compose: Any, tmp_path: Path) -> None:
    own = ["data=folder", *pictures(tmp_path / "data")]
    for more, words in (
        (["task=synthesis", "model=spade"], "label_channels takes label maps as complete"),
        (["task=enhancement", "degradation=rician", REGIONS], "only task=segmentation learns regions"),
    ):
        cfg = validate(compose(*SMALL, *more[:1], *own, *more[1:], tiny=False))
        data = build.build_data(cfg)
        data.setup()
        with pytest.raises(UserError, match=words):
            build.complete(cfg, data)
