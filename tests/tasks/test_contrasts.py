"""Several contrasts in, a target of its own out: units, channels and files, through the training function."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ganatomy.config.resolve import validate
from ganatomy.errors import UserError
from ganatomy.metrics.enhancement import score_case
from ganatomy.tasks.enhancement.data_range import span_of

SHAPE = (20, 18, 6)
ROLES = ("mr", "ct")
AFFINE = np.diag([1.0, 1.5, 2.5, 1])


class Second(nn.Module):
    """The second of its channels, whatever is learned."""

    residual = True

    def __init__(self, in_channels: int, out_channels: int, **ignored: Any) -> None:
        super().__init__()
        self.told = (in_channels, out_channels)
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        return x[:, 1:] + 0 * self.weight


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """Five subjects: an unsigned MR, a CT of -1024 to 1500 HU, and a copy of that as a second contrast."""
    for n in range(5):
        rng = np.random.default_rng(n)
        mr = rng.integers(0, 4000, SHAPE).astype(np.uint16)
        ct = rng.integers(-1024, 1500, SHAPE, endpoint=True).astype(np.int16)
        for role, array in (("mr", mr), ("ct", ct), ("prior", ct)):
            (tmp_path / "data" / role).mkdir(parents=True, exist_ok=True)
            nib.save(nib.Nifti1Image(array, AFFINE), tmp_path / f"data/{role}/s{n}.nii.gz")
    rows = ["image,target", *(f"mr/s{n}.nii.gz;prior/s{n}.nii.gz,ct/s{n}.nii.gz" for n in range(5))]
    (tmp_path / "data/index.csv").write_text("\n".join(rows) + "\n")
    return tmp_path / "data"


@pytest.fixture
def train(compose: Any, scans: Path, tmp_path: Path, monkeypatch: Any) -> Callable[..., Path]:
    """One step on the scans, with the planted generator unless `model` is named."""
    from ganatomy.train import train

    monkeypatch.setenv("GANATOMY_TARGETS", "tests.tasks.test_contrasts.")

    def of(*words: str, planted: bool = True) -> Path:
        common = f"task=enhancement data=table data.root={scans} data.target=target data.split=[2,1,2]"
        common += " degradation=none data.batch_size=2 data.size=null trainer.max_steps=1 trainer.val_every=1"
        common += " trainer.threads=1 trainer.accelerator=cpu callbacks.progress=none callbacks.report=false"
        common += " callbacks.samples=1 logger=none save_predictions=all data.channels=2"
        if planted:
            common += " model.generator._target_=tests.tasks.test_contrasts.Second model.discriminator=null"
        cfg = compose(*common.split(), *words, tiny=False)
        train(validate(cfg), tmp_path / "run")
        return tmp_path / "run"

    return of


ONE_CT = ["data.target_channels=1", "data.target_intensity=[-1024,1500]"]
EACH = "data.intensity=[percentile,[-1024,1500]]"


@pytest.mark.parametrize("dims", [2, 3])
def test_two_contrasts_to_one_ct_is_written_as_a_ct(train: Any, scans: Path, dims: int) -> None:
    """What goes through is the CT: the file is its file, and the scores are those of the same image."""
    run = train(*ONE_CT, EACH, f"data.spatial_dims={dims}")
    with (run / "predictions.csv").open() as file:
        named = {row["prediction"]: row["case"] for row in csv.DictReader(file)}
    assert len(named) == 2
    for name, case in named.items():
        theirs = nib.load(scans / f"ct/{case[3:5]}.nii.gz")
        ours = nib.load(run / f"predictions/{name}.nii.gz")
        assert ours.get_data_dtype() == np.int16
        np.testing.assert_array_equal(ours.affine, theirs.affine)
        np.testing.assert_array_equal(ours.get_fdata(), theirs.get_fdata())
    scores = json.loads((run / "metrics.json").read_text())
    assert scores["test/mae"] < 1e-3 and scores["test/psnr"] >= 120
    assert not [name for name in scores if name.startswith("baseline/")]  # a filtered MR is no CT


def test_every_key_is_in_the_runs_configuration(train: Any) -> None:
    from ganatomy.config.resolve import load

    task = load(train(*ONE_CT, EACH, planted=True))["task"]
    assert task["own_target"] is True and task["data_range"] == [-1024, 1500]


@pytest.mark.parametrize("model", ["pix2pix", "residual_unet"])
def test_models_with_a_discriminator(train: Any, model: str) -> None:
    small = {
        "pix2pix": "generator.channels=[4,8] discriminator.channels=4 discriminator.num_layers_d=1",
        "residual_unet": "generator.channels=[4,8] generator.residual=false discriminator.channels=[4,8]",
    }
    words = [f"model={model}", *(f"model.{word}" for word in small[model].split())]
    run = train(*ONE_CT, EACH, *words, planted=False)
    assert np.isfinite(json.loads((run / "metrics.json").read_text())["test/psnr"])


@pytest.mark.parametrize(
    ("words", "refusal"),
    [
        (["data.channels=2"], r"ct/s\d\.nii\.gz: has 1 of data\.channels=2; set data\.target_channels=1"),
        ([EACH, "data.target_channels=1"], r"the target has 1; set data\.target_intensity"),
        (
            ["data.intensity=[zscore,zscore,none]"],
            r"data\.intensity=\[zscore,zscore,none\]: 3 settings for 2",
        ),
        (
            [*ONE_CT, "data.target_intensity=[zscore,none]"],
            r"data\.target_intensity=.*: 2 settings for 1 channels",
        ),
        ([*ONE_CT, "task.data_range=[1,2,3]"], r"task\.data_range=\[1,2,3\]: 3 settings for 1 channels"),
        (
            [*ONE_CT, "data.target=null", "degradation=rician"],
            r"data\.target_intensity.* no target of their own",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(train: Any, words: list[str], refusal: str) -> None:
    with pytest.raises(UserError, match=refusal):
        train(*words)


def test_a_network_that_adds_to_its_input_needs_equal_channels(train: Any) -> None:
    with pytest.raises(UserError, match=r"model\.generator\.residual: 1 channels out .* to 2 in"):
        train(*ONE_CT, planted=False)


@pytest.mark.parametrize("task", ["synthesis", "anomaly"])
def test_each_channel_its_own_in_other_tasks(compose: Any, scans: Path, tmp_path: Path, task: str) -> None:
    from ganatomy.train import train

    kinds = scans / "kinds.csv"
    rows = []
    for number, n in enumerate((0, 2, 4, 1, 3, 0, 1)):  # each case its own files
        files = [
            shutil.copy(scans / f"{role}/s{n}.nii.gz", scans / f"{role}{number}.nii.gz") for role in ROLES
        ]
        rows.append(f"{';'.join(Path(file).name for file in files)},{('healthy', 'ill')[n % 2]}")
    splits = ["train", "train", "val", "val", "test", "test", "test"]
    lines = [f"{row},{split},c{n}" for n, (row, split) in enumerate(zip(rows, splits, strict=True))]
    kinds.write_text("\n".join(["image,kind,split,case", *lines]))
    words = f"task={task} data=table data.table=kinds.csv data.root={scans} data.kind=kind data.case=case"
    words += f" data.given_split=split data.channels=2 {EACH} data.size=[16,16] data.resize=letterbox"
    words += " trainer.max_steps=2 trainer.val_every=1 trainer.threads=1 trainer.accelerator=cpu logger=none"
    words += " data.batch_size=2 callbacks.progress=none callbacks.report=false callbacks.samples=0"
    words += " save_predictions=1"
    if task == "synthesis":
        words += " task.imagenet=false save_samples=2 task.max_images=4 task.nearest=2"
    else:
        words += " model=autoencoder task.denoising_steps=1 task.search_images=0"
    cfg = compose(*words.split(), tiny=False)
    train(validate(cfg), tmp_path / "run")
    saved = nib.load(next((tmp_path / "run/predictions").glob("case_*")))
    assert saved.shape[:3] == SHAPE
    if task == "synthesis":
        made = nib.load(tmp_path / "run/synthetic/images/0001.nii.gz").get_fdata()
        assert made.shape[-1] == 2 and saved.shape[-1] == 2
        assert saved.get_data_dtype() == np.int32  # holds what unsigned and signed files of 16 bits do
        assert abs(np.median(saved.get_fdata()[..., 0]) - 2000) < 1500  # the MR's units, and the CT's
        assert abs(np.median(saved.get_fdata()[..., 1]) - 238) < 1500


def test_scores_of_channels_in_units_of_their_own_are_means() -> None:
    rng = np.random.default_rng(0)
    truth = torch.from_numpy(
        np.stack([rng.normal(0, 1000, (1, 32, 32)), rng.normal(0, 1e-3, (1, 32, 32))], 1)
    )
    wrong = truth * 1.1
    alone = [score_case(wrong[:, c : c + 1], truth[:, c : c + 1]) for c in (0, 1)]
    assert alone[0]["psnr"] == pytest.approx(alone[1]["psnr"], abs=3)  # 20 dB below the range, in any units
    together = score_case(wrong, truth, span_of(["zscore", "percentile"]))
    for name, value in together.items():
        assert value == pytest.approx((alone[0][name] + alone[1][name]) / 2)
    assert span_of([-160, 240]) == 400 and span_of([[-160, 240], "zscore"]) == [400, None]
