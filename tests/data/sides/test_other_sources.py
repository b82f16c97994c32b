"""Two sides of which cases have one alone: series of DICOM, and channels of nnU-Net's layout."""

from __future__ import annotations

import json

import numpy as np
import pytest

from ganatomy.data.datamodule import DataModule
from ganatomy.data.sources.decathlon import Decathlon
from ganatomy.data.sources.dicom import Dicom
from ganatomy.errors import UserError

SPLITS = ("train", "val", "test")


@pytest.fixture
def modalities(tmp_path, series):
    """Five patients with an MR, five with a CT, and one with both."""
    for n in range(11):
        if n < 6:
            series(f"mr{n}", person=f"P{n}", Modality="MR")
        if n > 4:
            series(f"ct{n}", person=f"P{n}")
    return tmp_path


def people(source: Dicom) -> dict[str, str]:
    rows = source.keys()
    return {row["PatientID"]: row["case"] for row in rows}


def dicom(root, **settings):
    return Dicom(root=str(root), modality="MR", target_modality="CT", spatial_dims=2, size=16, **settings)


def opened(source, **settings):
    settings = {"intensity": "zscore", "target_intensity": [-1024, 3000], "orientation": None, **settings}
    return DataModule(source, batch_size=2, **settings)


def test_series_of_two_modalities_of_different_patients(modalities):
    source = dicom(modalities)
    data = opened(source, unpaired=True, split=(3, 1, 1), on_error="skip")
    data.setup()
    assert {split: len(data.records[split]) for split in SPLITS}["train"] >= 3
    assert all(data.records[split] and data.target_cases(split) for split in SPLITS)
    images = {r.subject for split in SPLITS for r in data.records[split]}
    targets = {r.subject for split in SPLITS for r in data.target_cases(split)}
    assert len(images) == 6 and len(targets) == 6 and len(images & targets) == 1
    batch = next(iter(data.train_dataloader()))
    assert batch["image"].shape == batch["target"].shape == (2, 1, 16, 16)
    names = [*batch["case"], *batch["target_case"], *data.notes]
    assert all(name.startswith("patient-") for name in batch["target_case"])
    assert not any(secret in name for name in names for secret in ("mr0", "ct9", "P5"))
    keys = people(source)
    assert set(batch["target_case"]) <= set(keys.values()) and len(keys) == 11
    assert source.unknown([next(iter(data.alone("train"))).case]) == ""


def test_a_prepared_series_of_the_target_side_is_in_hounsfield_units(modalities, series):
    hu, _ = series("more", person="P99")
    data = opened(dicom(modalities), unpaired=True, patch=8)
    data.setup()
    name = people(data.source)["P99"]
    record = next(r for split in SPLITS for r in data.target_cases(split) if r.case == name)
    case = data.evaluated_target(record)
    assert case["target_offset"] == -1024 and case["target_scale"] == 4024
    values = case["target"] * 4024 - 1024
    assert hu.min() - 1 <= values.min() and values.max() <= hu.max() + 1


def test_without_the_key_a_patient_without_a_target_is_a_fault(modalities):
    """Too few cases are left without one for a split; the line says why."""
    with pytest.raises(UserError) as refused:
        opened(dicom(modalities)).setup()
    assert "5 of 6 cases have faults" in str(refused.value)
    assert "its patient has no series of data.target_modality=CT" in str(refused.value)
    assert "set data.unpaired=true" in str(refused.value) and "\n" not in str(refused.value)


@pytest.fixture
def channels(tmp_path, volume):
    """nnU-Net's layout: T1 of six cases, T2 of six others, and one case with both."""
    about = {
        "channel_names": {"0": "T1", "1": "T2"},
        "labels": {"background": 0, "tumour": 1},
        "numTraining": 13,
        "file_ending": ".nii.gz",
    }
    (tmp_path / "dataset.json").write_text(json.dumps(about))
    for n in range(13):
        volume(f"labelsTr/c{n:02}.nii.gz", (np.arange(6 * 7 * 8).reshape(6, 7, 8) % 5 == 0).astype(np.uint8))
        for channel in (0,) if n < 6 else (1,) if n > 6 else (0, 1):
            volume(f"imagesTr/c{n:02}_000{channel}.nii.gz")
    return tmp_path


def test_channels_of_which_cases_have_one(channels):
    source = Decathlon(root=str(channels), target="T2", spatial_dims=2, size=8)
    data = opened(source, unpaired=True, target_intensity=None)
    data.setup()
    assert {r.case for split in SPLITS for r in data.records[split]} == {f"c{n:02}" for n in range(7)}
    assert {r.case for split in SPLITS for r in data.target_cases(split)} == {
        f"c{n:02}" for n in range(6, 13)
    }
    batch = next(iter(data.train_dataloader()))
    assert batch["target"].shape == (2, 1, 8, 8) and "label" in batch


def test_channels_without_the_key_are_missing_files(channels):
    with pytest.raises(UserError, match=r"set data\.unpaired=true"):
        opened(Decathlon(root=str(channels), target="T2", spatial_dims=2, size=8)).setup()
