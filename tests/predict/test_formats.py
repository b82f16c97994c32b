"""Every format comes back as it was given, DICOM as a derived series or a segmentation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import highdicom
import nibabel as nib
import numpy as np
import pydicom
import pytest
import SimpleITK
from PIL import Image

from ganatomy.inference.loaded import LoadedRun, load_run
from ganatomy.predict import setup
from ganatomy.predict.command import predict
from tests.data.io.dicom import make
from tests.finished import OBLIQUE, blobs
from tests.predict.test_predict import settings, table

Finished = Callable[[str], Path]
RAMP = (blobs(3, 20, 18, 9) * 2000 - 500).round()


def nifti(path: Path) -> Path:
    image = nib.Nifti1Image(RAMP.astype(np.int16), OBLIQUE)
    image.header.set_slope_inter(0.25, -3)
    nib.save(image, path / "scan.nii.gz")
    return path / "scan.nii.gz"


def mha(path: Path) -> Path:
    image = SimpleITK.GetImageFromArray(RAMP.astype(np.int16).T)
    image.SetSpacing((0.7, 0.9, 2.5))
    image.SetOrigin((10.0, -20.0, 5.0))
    image.SetDirection([0.0, -1, 0, 1, 0, 0, 0, 0, 1])
    SimpleITK.WriteImage(image, str(path / "scan.mha"))
    return path / "scan.mha"


def png(path: Path) -> Path:
    Image.fromarray((blobs(4, 31, 40) * 65_535).astype(np.uint16)).save(path / "scan.png")
    return path / "scan.png"


def jpeg(path: Path) -> Path:
    planes = [(blobs(n, 48, 40) * 255).astype(np.uint8) for n in range(3)]
    Image.fromarray(np.stack(planes, -1)).save(path / "scan.jpg", quality=95)
    return path / "scan.jpg"


def dicom(path: Path) -> Path:
    make.series(path / "series", (RAMP + 500).astype(np.int16))
    return path / "series"


@pytest.fixture
def identity(finished: Finished, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Have the run answer with its input, with another number of channels."""

    def of(channels: int) -> None:
        def load(*args: Any, **more: Any) -> LoadedRun:
            loaded = load_run(finished("enhancement"))
            loaded.task.predict = lambda batch: batch["image"]  # type: ignore[method-assign]
            return replace(loaded, preprocessing=replace(loaded.preprocessing, channels=channels))

        monkeypatch.setattr(setup, "load_runs", load)

    return of


def values(path: Path) -> tuple[np.ndarray, str]:
    """Return what a reader of the format gives, and its type."""
    if path.suffix == ".mha":
        image = SimpleITK.ReadImage(str(path))
        return SimpleITK.GetArrayFromImage(image).astype(float), image.GetPixelIDTypeAsString()
    if path.name.endswith(".nii.gz"):
        image = nib.load(path)
        return image.get_fdata(), str(image.get_data_dtype())
    with Image.open(path) as picture:
        return np.asarray(picture).astype(float), picture.mode


@pytest.mark.parametrize(
    ("write", "channels", "unit"), [(nifti, 1, 0.25), (mha, 1, 1), (png, 1, 1), (jpeg, 3, 1)]
)
def test_an_identity_gives_the_file_back(
    tmp_path: Path,
    identity: Any,
    finished: Finished,
    write: Callable[[Path], Path],
    channels: int,
    unit: float,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "in").mkdir()
    source = write(tmp_path / "in")
    identity(channels)
    assert predict(settings(finished("enhancement"), tmp_path / "in", tmp_path / "out")) == 0
    made = tmp_path / "out" / table(tmp_path / "out")[0]["output"]
    assert made.name == ("scan.png" if write is jpeg else source.name)  # JPEG would lose what it is given
    assert ("note: JPEG loses detail: written as PNG" in capsys.readouterr().out) == (write is jpeg)
    (ours, kind), (theirs, other) = values(made), values(source)
    assert kind == other and ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() <= unit
    if write is nifti:
        one, two = nib.load(made), nib.load(source)
        assert np.array_equal(one.affine, two.affine) and one.dataobj.slope == two.dataobj.slope
    if write is mha:
        one, two = (SimpleITK.ReadImage(str(path)) for path in (made, source))
        for what in ("GetSpacing", "GetOrigin", "GetDirection"):
            assert getattr(one, what)() == getattr(two, what)()


def test_a_dicom_series_comes_back_as_a_series(tmp_path: Path, identity: Any, finished: Finished) -> None:
    source = dicom(tmp_path)
    identity(1)
    assert predict(settings(finished("enhancement"), source, tmp_path / "out")) == 0
    [row] = table(tmp_path / "out")
    made = [pydicom.dcmread(tmp_path / "out" / name) for name in row["output"].split("; ")]
    given = {str(file.SOPInstanceUID): file for file in map(pydicom.dcmread, source.iterdir())}
    assert len(made) == len(given) and row["input"] == ""  # names of files may identify a person
    for file in made:
        before = given[str(file.SourceImageSequence[0].ReferencedSOPInstanceUID)]
        assert np.abs(file.pixel_array.astype(int) - before.pixel_array.astype(int)).max() <= 1
        assert file.ImagePositionPatient == before.ImagePositionPatient
        assert file.PixelSpacing == before.PixelSpacing and file.PatientID == before.PatientID
        assert file.SeriesInstanceUID != before.SeriesInstanceUID
        assert row["weights_sha256"] in file.DerivationDescription
    assert (tmp_path / "out/keys.csv").stat().st_mode & 0o077 == 0


def test_a_label_map_of_a_series_is_a_segmentation(tmp_path: Path, finished: Finished) -> None:
    source, run = dicom(tmp_path), finished("segmentation")
    assert predict(settings(run, source, tmp_path / "out")) == 0
    [row] = table(tmp_path / "out")
    found = highdicom.seg.segread(tmp_path / "out" / row["output"])
    assert found.get_segment_description(1).SegmentLabel == "bright"
    uids = {str(pydicom.dcmread(path).SOPInstanceUID) for path in source.iterdir()}
    referred = {str(uid) for _, _, uid in found.get_source_image_uids()}
    assert referred <= uids and referred
    assert predict(settings(run, source, tmp_path / "flat", format="nifti")) == 0
    [flat] = table(tmp_path / "flat")
    label = np.asarray(nib.load(tmp_path / "flat" / flat["output"]).dataobj)
    shown = found.get_pixels_by_source_instance(sorted(referred), combine_segments=True)
    assert int((label > 0).sum()) == int((shown > 0).sum()) > 0


def test_identifiers_are_removed_on_demand(tmp_path: Path, identity: Any, finished: Finished) -> None:
    source = dicom(tmp_path)
    identity(1)
    config = settings(finished("enhancement"), source, tmp_path / "out", identifiers="remove")
    assert predict(config) == 0
    before = pydicom.dcmread(next(source.iterdir()))
    [row] = table(tmp_path / "out")
    made = [pydicom.dcmread(tmp_path / "out" / name) for name in row["output"].split("; ")]
    assert before.PatientID and len(made) == RAMP.shape[2]
    for file in made:  # the pseudonym, keyed with the secret of these data
        assert str(file.PatientID) == row["case"].partition("_series-")[0]
