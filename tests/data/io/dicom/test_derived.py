"""Derived series: read by our reader, by pydicom and by SimpleITK; their references, UIDs and refusals."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.dataset import Dataset
from pydicom.pixels import apply_modality_lut

from ganatomy.data.io.dicom.outputs import About, write_derived, write_seg
from ganatomy.data.io.dicom.read import read_series
from ganatomy.data.io.readers import read
from ganatomy.data.quality.identifiers import identifiers
from ganatomy.errors import UserError
from tests.data.formats.page import FAMILIES, opened
from tests.data.formats.rows import Row
from tests.data.io.dicom.make import DOSE, dataset, enhanced, pattern, save, series

ABOUT = About(weights="9f" * 32, run="denoise")
VOLUME = pattern(7, 5, 6)
READABLE = [row for row in FAMILIES["DICOM"] if not isinstance(row.right, str) and "RT dose" not in row.form]
CT = {"RescaleSlope": 1, "RescaleIntercept": -1024, "FrameOfReferenceUID": "1.2.3.4", "SeriesNumber": 7}


def saved(folder: Path, files: list[tuple[str, bytes]]) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files:
        (folder / name).write_bytes(content)
    return sorted(folder.iterdir())


@pytest.mark.parametrize("row", READABLE, ids=[row.form for row in READABLE])
def test_the_identity_gives_the_file_back(tmp_path, row: Row):
    path = row.write(tmp_path)
    array, grid = opened(row, path)
    (out,) = saved(tmp_path / "out", write_derived([path], array.astype(float), grid.affine, ABOUT))
    again, place = read(out)
    assert np.array_equal(again, array) and again.dtype == array.dtype and place.colour == grid.colour
    assert np.array_equal(place.affine, grid.affine)
    before, after = pydicom.dcmread(path, force=True), pydicom.dcmread(out)
    assert after.file_meta.TransferSyntaxUID == pydicom.uid.ExplicitVRLittleEndian
    if before.get("PhotometricInterpretation", "").startswith("MONO") and "ModalityLUTSequence" not in before:
        for word in ("BitsStored", "PixelRepresentation", "PhotometricInterpretation", "RescaleSlope"):
            expected = 8 if word == "BitsStored" and before.get(word) == 1 else before.get(word)
            assert after.get(word) == expected, word


def test_a_series_lies_where_its_source_lies_for_simpleitk(tmp_path):
    """Of another library: the same voxels, spacing, origin and direction, in another series."""
    paths = series(tmp_path / "in", VOLUME, **CT)
    values, affine = read_series(paths)
    saved(tmp_path / "out", write_derived(paths, values.astype(float), affine, ABOUT))
    volumes = []
    for folder in ("in", "out"):
        reader = sitk.ImageSeriesReader()
        (uid,) = reader.GetGDCMSeriesIDs(str(tmp_path / folder))
        reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(tmp_path / folder), uid))
        volumes.append((uid, reader.Execute()))
    (before, one), (after, two) = volumes
    assert before != after
    assert np.array_equal(sitk.GetArrayFromImage(one), sitk.GetArrayFromImage(two))
    for get in ("GetSpacing", "GetOrigin", "GetDirection", "GetPixelID"):
        assert getattr(one, get)() == getattr(two, get)(), get


def test_each_slice_names_its_source_and_what_made_it(tmp_path):
    paths = series(tmp_path / "in", VOLUME, PatientName="Müller^Jan", SpecificCharacterSet="ISO_IR 192",
                   SeriesDescription="T1", ImageType=["ORIGINAL", "PRIMARY", "AXIAL"], **CT)  # fmt: skip
    values, affine = read_series(paths)
    values = values + 10.4
    out = [pydicom.dcmread(io.BytesIO(content)) for _, content in write_derived(paths, values, affine, ABOUT)]
    sources = {str(file.SOPInstanceUID): file for file in map(pydicom.dcmread, paths)}
    assert len({file.SeriesInstanceUID for file in out}) == 1
    assert len({file.SOPInstanceUID for file in out} - sources.keys()) == 6
    for number, file in enumerate(out):
        source = sources[file.SourceImageSequence[0].ReferencedSOPInstanceUID]
        assert file.SourceImageSequence[0].ReferencedSOPClassUID == source.SOPClassUID
        assert file.ReferencedSeriesSequence[0].SeriesInstanceUID == source.SeriesInstanceUID
        assert file.SOPInstanceUID == file.file_meta.MediaStorageSOPInstanceUID
        for word in ("StudyInstanceUID", "FrameOfReferenceUID", "PatientID", "PatientName", "PixelSpacing",
                     "ImagePositionPatient", "ImageOrientationPatient", "Modality"):  # fmt: skip
            assert file.get(word) == source.get(word), word
        assert list(file.ImageType) == ["DERIVED", "SECONDARY", "AXIAL"] and file.SeriesNumber == 1007
        assert file.SeriesDescription.startswith("GANatomy ") and file.SeriesDescription.endswith(": T1")
        assert "Not for diagnosis" in file.DerivationDescription and "9f9f" in file.DerivationDescription
        assert "Not for diagnosis" in file.ImageComments and "BurnedInAnnotation" not in file
        units = apply_modality_lut(file.pixel_array, file)
        assert np.abs(units.T - np.minimum(values[0, :, :, number], 3071)).max() <= 0.5


def test_uids_and_bytes_follow_from_input_weights_and_settings(tmp_path):
    paths = series(tmp_path / "in", VOLUME, **CT)
    values, affine = read_series(paths)

    def made(about: About) -> list[tuple[str, bytes]]:
        return write_derived(paths[::-1] if about.run else paths, values.astype(float), affine, about)

    assert made(ABOUT) == made(ABOUT)
    uids = set()
    for about in (ABOUT, About(weights="aa" * 32), About(weights="aa" * 32, settings="alpha=0.5")):
        files = [pydicom.dcmread(io.BytesIO(content)) for _, content in made(about)]
        uids |= {file.SOPInstanceUID for file in files} | {files[0].SeriesInstanceUID}
        assert [file.InstanceNumber for file in files] == [1, 2, 3, 4, 5, 6]
    assert len(uids) == 3 * 7


def test_several_series_of_one_source_are_told_apart(tmp_path):
    """Two maps beside an image in units of its own: no two files with one UID, and names to tell them by."""
    paths = series(tmp_path / "in", VOLUME, **CT)
    values, affine = read_series(paths)
    made = [
        pydicom.dcmread(io.BytesIO(write_derived(paths, values, affine, ABOUT, (), "US", kind)[0][1]))
        for kind in ("", "entropy", "deviation")
    ]
    assert len({file.SeriesInstanceUID for file in made}) == len({file.SOPInstanceUID for file in made}) == 3
    assert "entropy" in made[1].SeriesDescription and "entropy" not in made[2].SeriesDescription


def test_padding_stays_padding_and_nothing_else_becomes_it(tmp_path):
    pixels = VOLUME.astype(np.int16) - 1000
    pixels[0] = -2000
    paths = series(tmp_path / "in", pixels, PixelPaddingValue=-2000, PixelPaddingRangeLimit=-1990, stored=16)
    values, affine = read_series(paths)
    changed = values.astype(float)
    changed[0, 3] = -1995
    out = write_derived(paths, changed, affine, ABOUT)
    stored = np.stack([pydicom.dcmread(io.BytesIO(content)).pixel_array.T for _, content in out], -1)
    assert (stored[0] == -2000).all() and (stored[3] == -1989).all()
    assert np.array_equal(stored[[1, 2, 4, 5, 6]], pixels[[1, 2, 4, 5, 6]])


def test_slices_with_slopes_of_their_own_hold_larger_values(tmp_path):
    """PET: the slope of a slice is only as large as its source needs."""
    each = [{"RescaleSlope": 0.5 + n, "RescaleIntercept": 0} for n in range(6)]
    paths = series(tmp_path / "in", VOLUME, each=each)
    values, affine = read_series(paths)
    again = read_series(saved(tmp_path / "a", write_derived(paths, values, affine, ABOUT)))[0]
    assert np.array_equal(again, values)
    doubled = read_series(saved(tmp_path / "b", write_derived(paths, values * 2, affine, ABOUT)))[0]
    assert np.abs(doubled - 2 * values).max() <= 0.51 * 2 * 5.5


def test_other_units_get_a_scaling_of_their_own(tmp_path):
    paths = series(tmp_path / "in", VOLUME, WindowCenter=40, WindowWidth=400)
    values, affine = read_series(paths)
    made = np.linspace(-1000.3, 2000.7, values.size).reshape(values.shape)
    again, _ = read_series(saved(tmp_path / "a", write_derived(paths, made, affine, ABOUT, units="HU")))
    file = pydicom.dcmread(sorted((tmp_path / "a").iterdir())[0])
    assert np.abs(again - made).max() <= 0.51 * 3001 / 65534 and file.RescaleType == "HU"
    assert file.BitsStored == 16 and "WindowCenter" not in file
    whole = np.rint(made)
    again, _ = read_series(saved(tmp_path / "b", write_derived(paths, whole, affine, ABOUT, units="HU")))
    assert np.array_equal(again, whole) and again.dtype == np.int32


def test_frames_name_the_frames_they_come_from(tmp_path):
    order = [3, 0, 2, 1]
    each = [{"MRImageFrameTypeSequence.FrameType": ["ORIGINAL", "PRIMARY", "M", "NONE"]}] * 4
    path = save(enhanced(VOLUME, order, each, "MR", ImageType=["ORIGINAL", "PRIMARY", "M", "NONE"]),
                tmp_path / "a.dcm")  # fmt: skip
    values, affine = read_series([path])
    ((_, content),) = write_derived([path], values + 1.0, affine, ABOUT)
    file, source = pydicom.dcmread(io.BytesIO(content)), pydicom.dcmread(path)
    assert list(file.ImageType) == ["DERIVED", "PRIMARY", "M", "NONE"]
    for place, (new, old) in enumerate(
        zip(file.PerFrameFunctionalGroupsSequence, source.PerFrameFunctionalGroupsSequence, strict=True)
    ):
        item = new.DerivationImageSequence[0].SourceImageSequence[0]
        assert (item.ReferencedSOPInstanceUID, item.ReferencedFrameNumber) == (
            source.SOPInstanceUID,
            place + 1,
        )
        assert new.PlanePositionSequence == old.PlanePositionSequence
        assert new.MRImageFrameTypeSequence[0].FrameType[0] == "DERIVED"
    assert np.array_equal(file.pixel_array, np.minimum(source.pixel_array + 1, 4095))
    other = write_derived([path], values - 500.5, affine, ABOUT, units="HU")
    assert np.abs(read_series(saved(tmp_path / "b", other))[0] - (values - 500.5)).max() <= 4095 / 65534


def test_what_belongs_to_the_source_alone_is_left_out(tmp_path):
    icon = Dataset()
    icon.Rows = 1
    paths = series(tmp_path / "in", VOLUME, IconImageSequence=[icon], SmallestImagePixelValue=3, **CT)
    for path in paths:
        file = pydicom.dcmread(path)
        file.private_block(0x0009, "ACME", create=True).add_new(1, "LO", "secret words")
        file.add_new(0x60003000, "OW", b"\0" * 8)
        file.save_as(path)
    values, affine = read_series(paths)
    for _, content in write_derived(paths, values, affine, ABOUT):
        file = pydicom.dcmread(io.BytesIO(content))
        assert not any(element.tag.is_private or element.tag.group == 0x6000 for element in file)
        assert "IconImageSequence" not in file and "SmallestImagePixelValue" not in file
        assert b"secret words" not in content


def test_identifiers_are_removed_on_demand(tmp_path):
    """By our own check, by the bytes, and with references that still meet."""
    said = {"PatientName": "Doe^Jane", "PatientID": "471108154711", "InstitutionName": "St Elsewhere",
            "StudyDate": "20200102", "StudyDescription": "knee of Mrs Doe", "SeriesDescription": "Doe T1",
            "AccessionNumber": "A471108154711", "OperatorsName": "Roe^Max"}  # fmt: skip
    request = Dataset()
    request.RequestedProcedureDescription, request.ScheduledProcedureStepID = "of Mrs Doe", "S471108154711"
    region = Dataset()
    region.PersonName, region.ReferencedSOPInstanceUID = "Roe^Max", "1.2.3.471108154711.5"
    nested = {"RequestAttributesSequence": [request], "AnatomicRegionSequence": [region]}
    paths = series(tmp_path / "in", VOLUME, **nested, **said, **CT)
    values, affine = read_series(paths)
    about = About(weights="9f" * 32, identifiers="remove", patient="patient-1f", secret="x" * 32)
    files = write_derived(paths, values, affine, about)
    sources = {str(file.SOPInstanceUID) for file in map(pydicom.dcmread, paths)}
    opened_files = [pydicom.dcmread(io.BytesIO(content)) for _, content in files]
    for file, (_, content) in zip(opened_files, files, strict=True):
        assert not any(
            word.encode() in content for word in ("Doe", "471108154711", "Elsewhere", "20200102", "Roe")
        )
        assert not any(uid.encode() in content for uid in sources)
        assert file.PatientID == "patient-1f" and file.PatientIdentityRemoved == "YES"
    assert len({(file.StudyInstanceUID, file.FrameOfReferenceUID) for file in opened_files}) == 1
    left = identifiers(saved(tmp_path / "out", files))
    assert set(left.names) == {"PatientID", "PatientName"} and not left.dates and left.removed == 6
    assert set(left.texts) <= {"SeriesDescription", "DerivationDescription", "ImageComments",
                               "ContributionDescription"}  # fmt: skip
    again = write_derived(paths, values, affine, about)
    assert again == files
    assert np.array_equal(read_series(sorted((tmp_path / "out").iterdir()))[0], values)


def test_text_in_pixels_is_not_called_removed(tmp_path):
    paths = series(tmp_path / "in", VOLUME, BurnedInAnnotation="YES", **CT)
    values, affine = read_series(paths)
    with pytest.raises(ValueError, match=r"identifiers=remove: text is burned into its pixels"):
        write_derived(paths, values, affine, About(identifiers="remove"))
    for _, content in write_derived(paths, values, affine, ABOUT):
        assert pydicom.dcmread(io.BytesIO(content)).BurnedInAnnotation == "YES"
    with pytest.raises(UserError, match="identifiers=some: choose keep, remove"):
        About(identifiers="some")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda v, a: (v[..., 1:], a), r"the result has the shape \[7, 5, 5\], the series \[7, 5, 6\]"),
        (lambda v, a: (v, a + np.eye(4)[:, [3, 0, 1, 2]]), r"the result lies .* mm off the series"),
        (lambda v, a: (np.concatenate([v, v]), a), "has 2 channels; a DICOM image has 1, or 3 colours"),
        (lambda v, a: (np.full_like(v, np.nan), a), "holds values that are no numbers"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, change, words):
    paths = series(tmp_path / "in", VOLUME)
    values, affine = read_series(paths)
    with pytest.raises(ValueError, match=words):
        write_derived(paths, *change(values.astype(float), affine), ABOUT)


def test_part_of_a_file_and_doses_are_refused(tmp_path):
    each = [{"FrameContentSequence.StackID": word} for word in "AAABBB"]
    path = save(enhanced(VOLUME, range(6), each), tmp_path / "a.dcm")
    chosen = [("StackID", "A")]
    values, affine = read_series([path], chosen)
    with pytest.raises(ValueError, match="only 3 of the 6 frames of a file were read"):
        write_derived([path], values, affine, ABOUT, chosen)
    dose = save(dataset(VOLUME[:, :, 0], SOPClassUID=DOSE, DoseGridScaling="0.5"), tmp_path / "b.dcm")
    values, affine = read_series([dose])
    with pytest.raises(ValueError, match="is an RT dose"):
        write_derived([dose], values, affine, ABOUT)


def test_chosen_slices_are_those_that_are_written(tmp_path):
    each = [{"EchoTime": 4.6 + 10 * (n % 2)} for n in range(6)]
    paths = series(tmp_path / "in", VOLUME, each=each)
    chosen = [("EchoTime", "14.6")]
    values, affine = read_series(paths, chosen)
    out = saved(tmp_path / "out", write_derived(paths, values + 1.0, affine, ABOUT, chosen))
    assert len(out) == 3 and np.array_equal(read_series(out)[0], np.minimum(values + 1, 4095))


def test_grey_becomes_colour_and_colour_grey(tmp_path):
    paths = series(tmp_path / "in", VOLUME, **CT)
    values, affine = read_series(paths)
    colours = np.random.default_rng(0).integers(0, 256, (3, *values.shape[1:])).astype(float)
    again = read_series(saved(tmp_path / "a", write_derived(paths, colours, affine, ABOUT)))[0]
    assert np.array_equal(again, colours) and again.dtype == np.uint8
    path = save(dataset(pattern(5, 6, 3, top=255).astype(np.uint8), colours=3), tmp_path / "b.dcm")
    grey = np.arange(30.0).reshape(1, 5, 6)
    (out,) = saved(tmp_path / "b", write_derived([path], grey, None, ABOUT))
    assert (
        np.array_equal(read(out)[0], grey) and pydicom.dcmread(out).PhotometricInterpretation == "MONOCHROME2"
    )


BUNDLED = Path(pydicom.__file__).parent / "data" / "test_files"
SCANNED = (
    "CT_small.dcm", "MR_small.dcm", "MR_small_bigendian.dcm", "MR_small_implicit.dcm", "ExplVR_BigEnd.dcm",
    "SC_rgb_rle_32bit.dcm", "SC_rgb_small_odd.dcm", "JPEG2000.dcm", "JPGExtended.dcm", "examples_palette.dcm",
)  # fmt: skip
"""Files of scanners that come with pydicom, some of them not in order."""


@pytest.mark.parametrize("name", SCANNED)
def test_files_of_scanners_come_back_and_get_segments(tmp_path, name):
    highdicom = pytest.importorskip("highdicom")
    path = BUNDLED / name
    if not path.is_file():
        pytest.skip("not in this pydicom")
    values, affine = read_series([path])
    label = np.zeros((1, *values.shape[1:]), int)
    label[0, 2:5, 3:6] = 1
    for identities in ("keep", "remove"):
        about = About(weights="aa", identifiers=identities)
        ((_, content),) = write_derived([path], values.astype(float), affine, about)
        file = pydicom.dcmread(io.BytesIO(content))
        assert file.SourceImageSequence[0].ReferencedSOPInstanceUID != file.SOPInstanceUID
        seg = highdicom.seg.segread(io.BytesIO(write_seg([path], label, ["rest", "one"], about, affine)))
        assert seg.SegmentSequence[0].SegmentLabel == "one"
    (out,) = saved(tmp_path, write_derived([path], values.astype(float), affine, ABOUT))
    again, place = read_series([out])
    assert np.array_equal(again, values) and again.dtype == values.dtype and np.allclose(place, affine)


@pytest.mark.parametrize("word", ["SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"])
def test_a_file_that_nothing_can_refer_to_is_refused(tmp_path, word):
    file = dataset(pattern(5, 6))
    delattr(file, word)
    with pytest.raises(ValueError, match=f"has no {word}, so nothing can refer to it"):
        write_derived([save(file, tmp_path / "a.dcm")], np.zeros((1, 5, 6)), None, ABOUT)
