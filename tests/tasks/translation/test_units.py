"""An unsigned image in, a CT in HU out: what is written, in every format, and what is scored."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
import tifffile
import torch
from PIL import Image
from torch import Tensor, nn

from ganatomy.config.resolve import validate
from ganatomy.data.io.dicom.outputs.about import About
from ganatomy.data.io.dicom.outputs.derived import write_derived
from ganatomy.data.io.dicom.read import read_series
from ganatomy.predict.command import predict
from tests.data.io.dicom.make import CT, MR, enhanced, pattern, save, series
from tests.predict.test_predict import settings, table

SHAPE, AFFINE = (12, 10, 6), np.diag([1.0, 1.5, 2.5, 1])
LOW, HIGH = -1024, 1500
ACQUIRED = {
    "EchoTime": 30.0, "RepetitionTime": 500.0, "ScanningSequence": "SE", "SequenceVariant": "SK",
    "MagneticFieldStrength": 3.0, "ImagedNucleus": "1H", "FlipAngle": 90, "ReceiveCoilName": "HEAD",
    "SliceThickness": 2.5, "ImageType": ["ORIGINAL", "PRIMARY", "M", "SE"], "SeriesDescription": "t1",
}  # fmt: skip


def hounsfield(mr: np.ndarray) -> np.ndarray:
    """What the planted network makes of raw values: with fractions, below 0, and beyond 16 bits."""
    return 10.3 * mr.astype(np.float64) - 1000.45


class Planted(nn.Module):
    """`hounsfield` in the network's units, whatever is learned."""

    def __init__(self, in_channels: int, out_channels: int, **ignored: Any) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones((), dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        values = (10.3 * x.double() - 1000.45 - LOW) / (HIGH - LOW)
        return values.to(x.dtype) + 0 * self.weight.to(x.dtype)


def scan(number: int, top: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(number)
    return rng.integers(0, top, SHAPE), rng.integers(LOW, HIGH, SHAPE, endpoint=True).astype(np.int16)


def written(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values), -(2**15), 2**15 - 1)


def nifti(path: Path, array: np.ndarray) -> None:
    nib.save(nib.Nifti1Image(array, AFFINE), path)


def meta(path: Path, array: np.ndarray) -> None:
    image = sitk.GetImageFromArray(array.transpose(2, 1, 0))
    image.SetSpacing((1.0, 1.5, 2.5))
    sitk.WriteImage(image, str(path))


def picture(path: Path, array: np.ndarray) -> None:
    if path.suffix == ".png":
        Image.fromarray(array[..., 0]).save(path)
    else:
        tifffile.imwrite(path, array[..., 0])


def read(path: Path) -> np.ndarray:
    if path.name.endswith(".nii.gz"):
        image = nib.load(path)
        assert image.get_data_dtype() == np.int16 and image.dataobj.slope == 1
        return np.asarray(image.dataobj)
    if path.suffix == ".mha":
        array = sitk.GetArrayFromImage(sitk.ReadImage(str(path))).transpose(2, 1, 0)
    else:
        array = tifffile.imread(path)[..., None]
    assert array.dtype == np.int16
    return array


FORMATS: dict[str, tuple[Callable[[Path, np.ndarray], None], str, str, type, int, str]] = {
    "nifti": (nifti, "nii.gz", "nii.gz", np.uint16, 4000, ".nii.gz"),
    "meta": (meta, "mha", "mha", np.uint16, 4000, ".mha"),
    "picture": (picture, "png", "tif", np.uint8, 255, ".tiff"),
}
"""Writer, endings of image and target, type and range of the image, ending of a prediction."""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, Path]]:
    """A run on each format with the planted network, and the folder of its data."""
    from ganatomy.train import train
    from tests.conftest import composed

    made: dict[str, tuple[Path, Path]] = {}

    def of(form: str, *words: str) -> tuple[Path, Path]:
        if form in made:
            return made[form]
        folder = tmp_path_factory.mktemp(form)
        write, image, target, kind, top, _ = FORMATS[form]
        for number in range(5):
            (folder / f"data/{number}").mkdir(parents=True)
            mr, ct = scan(number, top)
            write(folder / f"data/{number}/mr.{image}", mr.astype(kind))
            write(folder / f"data/{number}/ct.{target}", ct)
        dims = 2 if form == "picture" else 3
        text = f"task=translation data=folder data.root={folder / 'data'} data.image=*/mr.{image} "
        text += f"data.target='{{folder}}/ct.{target}' data.target_modality=CT data.spatial_dims={dims} "
        text += f"data.intensity=none data.target_intensity=[{LOW},{HIGH}] data.split=[2,1,2] data.size=null "
        text += "data.batch_size=2 trainer.max_steps=1 trainer.val_every=1 trainer.threads=1 logger=none "
        text += "trainer.accelerator=cpu callbacks.progress=none callbacks.report=false callbacks.samples=0 "
        text += f"save_predictions=all paths.cache={folder / 'cache'} model.discriminator=null "
        text += "model.generator._target_=tests.tasks.translation.test_units.Planted"
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("GANATOMY_TARGETS", "tests.tasks.translation.test_units.")
            train(validate(composed(*text.split(), *words, tiny=False)), folder / "run")
        made[form] = folder / "run", folder / "data"
        return made[form]

    return of


@pytest.fixture(autouse=True)
def allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANATOMY_TARGETS", "tests.tasks.translation.test_units.")


@pytest.mark.parametrize("form", FORMATS)
def test_the_test_writes_whole_hu_of_16_bits_and_scores_what_it_wrote(trained: Any, form: str) -> None:
    run, _ = trained(form)
    top, errors, unrounded = FORMATS[form][4], [], []
    for row in table(run):
        number = int(row["case"].split("_")[0])
        mr, ct = scan(number, top)
        mr, ct = (mr, ct) if form != "picture" else (mr[..., :1], ct[..., :1])
        (file,) = (run / "predictions").glob(f"{row['prediction']}.*")
        np.testing.assert_array_equal(read(file), written(hounsfield(mr)))
        errors.append(np.abs(written(hounsfield(mr)) - ct).mean())
        unrounded.append(np.abs(hounsfield(mr) - ct).mean())
    scores = json.loads((run / "metrics.json").read_text())
    assert len(errors) == 2 and scores["test/mae"] == pytest.approx(np.mean(errors), rel=1e-6)
    if form == "picture":  # nothing is clipped: from memory it is the same, but for rounding
        assert scores["test/mae"] == pytest.approx(np.mean(unrounded), abs=0.5)


@pytest.mark.parametrize("form", FORMATS)
def test_predict_returns_the_format_and_says_what_it_clipped(trained: Any, form: str, tmp_path: Path) -> None:
    run, _ = trained(form)
    write, image, _, kind, top, ending = FORMATS[form]
    mr, _ = scan(9, top)
    (tmp_path / "in").mkdir()
    write(tmp_path / f"in/new.{image}", mr.astype(kind))
    predict(settings(run, tmp_path / f"in/new.{image}", tmp_path / "out"))
    array = read(tmp_path / f"out/new{ending}")
    mr = mr if form != "picture" else mr[..., :1]
    np.testing.assert_array_equal(array, written(hounsfield(mr)))
    beyond = int((hounsfield(mr) > 2**15 - 0.5).sum())
    warning = table(tmp_path / "out")[0]["warnings"]
    assert (
        (f"{beyond} values lie beyond int16 (-32768 to 32767)" in warning)
        == (beyond > 0)
        == (form != "picture")
    )


def test_a_ct_of_an_mr_series_is_a_ct_series(trained: Any, tmp_path: Path) -> None:
    run, _ = trained("nifti")
    mr, _ = scan(9, 4000)
    paths = series(
        tmp_path / "mr", mr.astype(np.uint16), Modality="MR", SOPClassUID=MR, PatientID="p", **ACQUIRED
    )
    predict(settings(run, tmp_path / "mr", tmp_path / "out"))
    files = sorted((tmp_path / "out").glob("*/*.dcm"))
    raw, _ = read_series(paths)
    made, _ = read_series(files)
    np.testing.assert_array_equal(made, written(hounsfield(raw)))
    for path in files:
        file = pydicom.dcmread(path)
        assert (file.Modality, file.SOPClassUID, list(file.ImageType)[:2]) == (
            "CT",
            CT,
            ["DERIVED", "SECONDARY"],
        )
        assert (file.RescaleType, file.RescaleSlope, file.RescaleIntercept) == ("HU", 1, 0)
        assert (file.PixelRepresentation, file.BitsStored, file.SliceThickness) == (1, 16, 2.5)
        assert not [
            key
            for key in ACQUIRED
            if key in file and key not in ("SliceThickness", "ImageType", "SeriesDescription")
        ]
        assert "synthetic CT, not for diagnosis" in file.SeriesDescription
        assert file.PatientID == "p" and file.SourceImageSequence[0].ReferencedSOPClassUID == MR


def derived(
    paths: list[Path], modality: str | None, values: np.ndarray | None = None
) -> list[pydicom.Dataset]:
    array, affine = read_series(paths)
    values = array.astype(float) if values is None else values
    files = write_derived(paths, values, affine, About(), (), "US", "", modality)
    return [pydicom.dcmread(pydicom.filebase.DicomBytesIO(content)) for _, content in files]


def test_values_whose_modality_is_not_known_claim_none(tmp_path: Path) -> None:
    paths = series(tmp_path, pattern(7, 6, 4), Modality="MR", SOPClassUID=MR, **ACQUIRED)
    for file in derived(paths, "OT"):
        assert file.Modality == "OT" and file.SOPClassUID.name == "Secondary Capture Image Storage"
        assert "EchoTime" not in file and file.ImagePositionPatient


def test_a_contrast_of_the_same_modality_keeps_its_class(tmp_path: Path) -> None:
    paths = series(tmp_path, pattern(7, 6, 4), Modality="MR", SOPClassUID=MR, **ACQUIRED)
    (file, *_) = derived(paths, "MR")
    assert file.Modality == "MR" and file.SOPClassUID == MR and file.EchoTime == 30


def test_a_file_of_many_frames_is_not_written_as_another_modality(tmp_path: Path) -> None:
    path = save(enhanced(pattern(7, 6, 4), range(4), modality="MR"), tmp_path / "a.dcm")
    with pytest.raises(
        ValueError, match=r"one file of many frames of MR, of which no series of CT is written"
    ):
        derived([path], "CT")
