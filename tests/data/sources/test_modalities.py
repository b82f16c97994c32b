"""Two modalities of a case and the mask beside them, in the layouts that people have."""

from __future__ import annotations

import json

import nibabel
import numpy as np
import pytest

from ganatomy.data.datamodule import DataModule
from ganatomy.data.quality.faults import examined
from ganatomy.data.quality.leaks import leaks
from ganatomy.data.regrid import Grid, regrid
from ganatomy.data.sources.decathlon import Decathlon
from ganatomy.data.sources.dicom import Dicom
from ganatomy.data.sources.folder import Folder
from ganatomy.data.sources.table import Table
from ganatomy.errors import UserError
from tests.data.io.dicom.make import CT, MR, pattern, series

SHAPE = (9, 8, 5)
AFFINE = np.diag([-1.0, 1.2, 2.0, 1.0])
MRI = {"Modality": "MR", "SOPClassUID": MR}
TOMOGRAPHY = {"Modality": "CT", "SOPClassUID": CT, "RescaleSlope": 1, "RescaleIntercept": -1024}


def sides(number):
    """An unsigned MR, a CT in HU, and the region of both."""
    rng = np.random.default_rng(number)
    mask = np.zeros(SHAPE, np.uint8)
    mask[2:7, 1:6, 1:4] = 1
    return {
        "mr": rng.integers(0, 4000, SHAPE).astype(np.uint16),
        "ct": rng.integers(-1000, 2000, SHAPE).astype(np.int16),
        "mask": mask,
    }


def write(path, array, affine=AFFINE):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".gz":
        nibabel.save(nibabel.Nifti1Image(array, affine), path)
        return
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(array.transpose(2, 1, 0))
    lps = np.diag([-1.0, -1.0, 1.0]) @ affine[:3]
    spacing = np.linalg.norm(lps[:, :3], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetOrigin(lps[:, 3].tolist())
    image.SetDirection((lps[:, :3] / spacing).reshape(-1).tolist())
    sitk.WriteImage(image, str(path), useCompression=True)


def challenge(root, ending, cases=6):
    for number in range(cases):
        for name, array in sides(number).items():
            write(root / f"1BA{number:03d}" / f"{name}{ending}", array)
    names = {"image": f"*/mr{ending}", "target": f"{{folder}}/ct{ending}", "mask": f"{{folder}}/mask{ending}"}
    return Folder(root=str(root), spatial_dims=3, **names)


@pytest.mark.parametrize("ending", [".nii.gz", ".mha"])
def test_a_folder_for_each_case_as_challenges_ship_it(tmp_path, ending):
    source = challenge(tmp_path, ending, 2)
    for number, record in enumerate(source.records()):
        case, faults = examined(record, source)
        assert not [fault for fault in faults if fault.grave]
        truth = sides(number)
        for key, name in (("image", "mr"), ("target", "ct"), ("mask", "mask")):
            np.testing.assert_array_equal(case[key][0], truth[name])
        assert case["image"].dtype == np.uint16 and case["mask"].dtype == bool
        np.testing.assert_allclose(case["affine"], AFFINE, atol=1e-5)


@pytest.mark.parametrize("dims", [2, 3])
def test_a_mask_reaches_batches_on_the_grid_of_its_image(tmp_path, dims):
    """It is moved as the image is: by orientation, spacing, patches and padding."""
    source = challenge(tmp_path, ".nii.gz")
    source.spatial_dims = dims
    data = DataModule(
        source, batch_size=2, patch=[12, 4, 4][:dims], target_intensity=[-1000, 2000], cache="none"
    )
    for batch in (next(iter(data.train_dataloader())), next(iter(data.test_dataloader()))):
        assert (
            batch["mask"].dtype.is_floating_point is False
            and batch["mask"].dtype == batch["mask"].bool().dtype
        )
        assert batch["mask"].shape == (len(batch["image"]), 1, *batch["image"].shape[2:])
    record = data.records["test"][0]
    ready, truth = data.cache.get(record), sides(int(record.case[4:6]))
    volume = np.moveaxis(ready["mask"], 0, -1) if dims == 2 else ready["mask"]
    grid = Grid(ready["affine"], volume.shape[1:])
    np.testing.assert_array_equal(regrid(volume, grid, Grid(AFFINE, SHAPE), 0)[0], truth["mask"].astype(bool))


def test_patches_are_centred_on_the_mask_where_nothing_is_labelled(tmp_path):
    source = challenge(tmp_path, ".nii.gz")
    data = DataModule(source, batch_size=1, patch=[1, 1, 1], foreground=1.0, cache="memory")
    items = data.train_items()
    assert all(bool(items[epoch, index]["mask"].all()) for epoch in range(4) for index in range(len(items)))


def test_a_mask_that_cannot_be_used_is_a_fault(tmp_path):
    source = challenge(tmp_path, ".nii.gz", 4)
    truth = sides(0)
    write(tmp_path / "1BA000/mask.nii.gz", 0 * truth["mask"])
    write(tmp_path / "1BA001/mask.nii.gz", truth["mask"], np.diag([1.0, 1.2, 2.0, 1.0]))
    write(tmp_path / "1BA002/mask.nii.gz", np.where(truth["mask"], np.nan, 0).astype(np.float32))
    (tmp_path / "1BA003/mask.nii.gz").unlink()
    faults = [examined(record, source)[1] for record in source.records()]
    words = [next(fault.words for fault in found if fault.grave) for found in faults]
    assert "1BA000/mr.nii.gz: its mask is empty" in words[0]
    assert "1BA001/mask.nii.gz: its affine puts it" in words[1]
    assert "1BA002/mask.nii.gz: the mask holds values that are NaN" in words[2]
    assert "1BA003/mask.nii.gz" in words[3]
    with pytest.raises(UserError, match=r"its mask is empty, so nothing of it would be learned or scored"):
        DataModule(source, batch_size=1, cache="none").setup()


def test_a_source_without_mask_files_says_so():
    from ganatomy.data.sources.brain import Brain

    with pytest.raises(UserError, match=r"data\.mask=masks/x\.png: Brain reads no masks .*choose auto"):
        DataModule(Brain(subjects=6, size=16, slices=2), batch_size=1, mask="masks/x.png")


def test_columns_of_a_table_are_channels_target_and_mask(tmp_path):
    rows = ["t1,t2,ct,body,who"]
    for number in range(2):
        truth = sides(number)
        for name in ("mr", "ct", "mask"):
            write(tmp_path / f"{name}{number}.nii.gz", truth[name])
        write(tmp_path / f"t2{number}.nii.gz", truth["mr"][::-1].copy())
        rows.append(f"mr{number}.nii.gz,t2{number}.nii.gz,ct{number}.nii.gz,mask{number}.nii.gz,p{number}")
    (tmp_path / "index.csv").write_text("\n".join(rows))
    keys = {"image": ["t1", "t2"], "target": "ct", "mask": "body", "case": "who"}
    source = Table(root=str(tmp_path), **keys, channels=2, target_channels=1, spatial_dims=3)
    case = source.load(source.records()[1])
    truth = sides(1)
    np.testing.assert_array_equal(case["image"], np.stack([truth["mr"], truth["mr"][::-1]]))
    np.testing.assert_array_equal(case["target"][0], truth["ct"])
    np.testing.assert_array_equal(case["mask"][0], truth["mask"].astype(bool))


def decathlon(root, together):
    """Three contrasts, in one file a case (Decathlon) or in one file each (nnU-Net)."""
    names = {"0": "T1w", "1": "T2w", "2": "FLAIR"}
    for number in range(2):
        arrays = [sides(10 * number + n)["mr"] for n in range(3)]
        if together:
            write(root / f"imagesTr/c{number}.nii.gz", np.stack(arrays, -1))
        for n, array in enumerate(arrays if not together else ()):
            write(root / f"imagesTr/c{number}_{n:04d}.nii.gz", array)
        write(root / f"labelsTr/c{number}.nii.gz", sides(number)["mask"])
        write(root / f"masksTr/c{number}.nii.gz", sides(number)["mask"])
    key = "modality" if together else "channel_names"
    about = {key: names, "labels": {"0": "background", "1": "x"}, "numTraining": 2, "file_ending": ".nii.gz"}
    about["training"] = [
        {"image": f"./imagesTr/c{n}.nii.gz", "label": f"./labelsTr/c{n}.nii.gz"} for n in range(2)
    ]
    (root / "dataset.json").write_text(json.dumps(about))


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("target", ["t2W", 1])
def test_a_contrast_of_dataset_json_is_the_target_of_the_others(tmp_path, together, target):
    decathlon(tmp_path, together)
    source = Decathlon(root=str(tmp_path), target=target, mask="masksTr/{case}.nii.gz")
    records = source.records()
    assert not leaks(records) and (source.channels, source.target_channels) == (2, 1)
    case = source.load(records[1])
    np.testing.assert_array_equal(case["image"], np.stack([sides(10)["mr"], sides(12)["mr"]]))
    np.testing.assert_array_equal(case["target"], sides(11)["mr"][None])
    np.testing.assert_array_equal(case["mask"][0], sides(1)["mask"].astype(bool))
    one = Decathlon(root=str(tmp_path), image=["FLAIR"], target=target)
    np.testing.assert_array_equal(one.load(one.records()[0])["image"], sides(2)["mr"][None])


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"target": "T3"}, r"data\.target=T3: no such channel; dataset\.json has 0 T1w, 1 T2w, 2 FLAIR"),
        ({"target": "T2w", "image": [0, 1]}, r"T2w is a channel of the image too"),
        ({"target": [0, 1, 2]}, r"takes all 3 channels and leaves none for the image"),
    ],
)
def test_wrong_contrasts_are_refused(tmp_path, keys, words):
    decathlon(tmp_path, True)
    with pytest.raises(UserError, match=words):
        Decathlon(root=str(tmp_path), **keys)


@pytest.fixture
def scans(tmp_path):
    """An MR and a CT of each of three patients, in one frame."""
    for number in range(3):
        study = f"1.2.3.{number}"
        for name, tags in (("mr", MRI), ("ct", TOMOGRAPHY)):
            volume = pattern(7, 6, 4, seed=number, top=4000)
            tags = {"StudyInstanceUID": study, "SeriesDescription": name, **tags}
            series(tmp_path / f"in/{number}/{name}", volume, PatientID=f"p{number}", **tags)
    return tmp_path / "in"


def dicom(root, **keys):
    return Dicom(root=str(root), **keys)


@pytest.mark.parametrize("keys", [{"target_modality": "CT"}, {"target_series": "ct"}])
def test_series_of_two_modalities_are_pairs_of_a_patient(scans, keys):
    source = dicom(scans, **keys)
    records = source.records()
    assert len(records) == 3 and not any(record.problems for record in records if record != records[0])
    for record in records:
        case = source.load(record)
        np.testing.assert_array_equal(case["target"].astype(int), case["image"].astype(int) - 1024)
    assert source.target_modality == "CT" and all(row[-1] == "3" for row in source.overview()[1:])


def test_a_patient_with_no_target_or_two_is_a_fault_without_a_name(scans):
    series(scans / "0/more", pattern(7, 6, 4), PatientID="p0", StudyInstanceUID="1.2.3.0", **TOMOGRAPHY)
    series(scans / "9/mr", pattern(7, 6, 4), PatientID="p9", **MRI)
    words = [
        str(f) for record in dicom(scans, target_modality="CT").records() for f in record.problems if f.grave
    ]
    assert len(words) == 2
    assert any("its patient has 2 series of data.target_modality=CT; choose one" in line for line in words)
    assert any("its patient has no series of data.target_modality=CT; add it" in line for line in words)
    assert not any(secret in line for line in words for secret in ("p0", "p9", "more"))


def test_the_target_of_the_same_study_is_taken_where_a_patient_has_several(scans):
    series(scans / "0/later", pattern(7, 6, 4, seed=9), PatientID="p0", StudyInstanceUID="1.9", **TOMOGRAPHY)
    source = dicom(scans, target_modality="CT")
    for record in source.records():
        case = source.load(record)
        np.testing.assert_array_equal(case["target"].astype(int), case["image"].astype(int) - 1024)


def test_a_target_on_another_grid_is_refused_or_resampled(tmp_path):
    x = np.indices((20, 18, 10)).astype(float)
    fine = (3 * x[0] + 2 * x[1] - x[2] * 4).astype(np.float32)
    coarse = (
        3 * 2 * np.indices((10, 9, 10))[0] + 4 * np.indices((10, 9, 10))[1] - 4 * np.indices((10, 9, 10))[2]
    )
    write(tmp_path / "a/mr.nii.gz", fine, np.eye(4))
    write(tmp_path / "a/ct.nii.gz", coarse.astype(np.float32), np.diag([2.0, 2.0, 1.0, 1.0]))
    keys = {"root": str(tmp_path), "image": "*/mr.nii.gz", "target": "{folder}/ct.nii.gz", "spatial_dims": 3}
    source = Folder(**keys)
    fault = examined(source.records()[0], source)[1][0].words
    assert "shape 10x9x10" in fault and "or set data.target_grid=image" in fault
    source = Folder(**keys, target_grid="image")
    case = source.load(source.records()[0])
    np.testing.assert_allclose(case["target"][0][:19, :17], fine[:19, :17], atol=1e-3)  # linear: exact
