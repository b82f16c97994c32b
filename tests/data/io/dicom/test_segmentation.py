"""DICOM SEG: read again by highdicom and by pydicom alone; references, codes, and the exact label map."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.sr.codedict import codes

from ganatomy.data.io.dicom.outputs import About, write_seg
from ganatomy.data.io.dicom.outputs.concepts import LISTS, OTHER_NAMES, concepts_of
from ganatomy.data.io.dicom.read import read_series
from tests.data.io.dicom.make import CR, dataset, enhanced, oblique, pattern, save, series

highdicom = pytest.importorskip("highdicom")
ABOUT = About(weights="9f" * 32, run="segment")
CLASSES = ["background", "left kidney", "liver_tumour", "nothing", "class 4"]
VOLUME = pattern(7, 5, 6)
LABEL = np.zeros((1, 7, 5, 6), np.int64)
LABEL[0, 2:4, 1:3, 2:5], LABEL[0, 5, 4, 1], LABEL[0, 0, :, 3] = 1, 2, 4
"""[1,columns,rows,slices]: asymmetric, with slices 0 and 5 empty and class 3 absent."""


def by_pydicom(content: bytes, sources: list[pydicom.Dataset]) -> np.ndarray:
    """The label map [columns,rows,slices] by the references of its frames, slices as `sources`."""
    file = pydicom.dcmread(io.BytesIO(content))
    frames = file.pixel_array.reshape(-1, file.Rows, file.Columns)
    at = {str(source.SOPInstanceUID): number for number, source in enumerate(sources)}
    label = np.zeros((file.Columns, file.Rows, len(sources)), int)
    for frame, group in zip(frames, file.PerFrameFunctionalGroupsSequence, strict=True):
        (item,) = group.DerivationImageSequence[0].SourceImageSequence
        source = sources[at[item.ReferencedSOPInstanceUID]]
        assert item.ReferencedSOPClassUID == source.SOPClassUID
        if "ImagePositionPatient" in source:
            assert group.PlanePositionSequence[0].ImagePositionPatient == source.ImagePositionPatient
        number = group.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        label[..., at[item.ReferencedSOPInstanceUID]][frame.T > 0] = number
    return label


def sorted_sources(paths: list[Path], directions: np.ndarray | None = None) -> list[pydicom.Dataset]:
    normal = np.cross(*(oblique() if directions is None else directions))
    return sorted(map(pydicom.dcmread, paths), key=lambda file: float(normal @ file.ImagePositionPatient))


@pytest.mark.parametrize("frame", ["1.2.3.4", None], ids=["frame of reference", "none"])
def test_the_label_map_and_its_references_come_back(tmp_path, frame):
    """An oblique series whose files are in another order than its slices."""
    paths = series(tmp_path, VOLUME, **({"FrameOfReferenceUID": frame} if frame else {}))
    _, affine = read_series(paths)
    content = write_seg(paths[3:] + paths[:3], LABEL, CLASSES, ABOUT, affine)
    sources = sorted_sources(paths)
    assert np.array_equal(by_pydicom(content, sources), LABEL[0])
    seg = highdicom.seg.segread(io.BytesIO(content))
    uids = [file.SOPInstanceUID for file in sources]
    again = seg.get_pixels_by_source_instance(
        uids, combine_segments=True, assert_missing_frames_are_empty=True
    )
    assert np.array_equal(again.transpose(2, 1, 0), LABEL[0])
    referenced = seg.ReferencedSeriesSequence[0]
    assert referenced.SeriesInstanceUID == sources[0].SeriesInstanceUID
    assert {item.ReferencedSOPInstanceUID for item in referenced.ReferencedInstanceSequence} == set(uids)
    for word in ("StudyInstanceUID", "PatientID", *(["FrameOfReferenceUID"] if frame else [])):
        assert seg.get(word) == sources[0].get(word)
    assert seg.SeriesInstanceUID != sources[0].SeriesInstanceUID and seg.Modality == "SEG"


def test_the_volume_of_highdicom_lies_where_ours_lies(tmp_path):
    paths = series(tmp_path, VOLUME, FrameOfReferenceUID="1.2.3.4")
    _, affine = read_series(paths)
    full = LABEL.copy()
    full[0, 6, 0, :] = 1
    seg = highdicom.seg.segread(io.BytesIO(write_seg(paths, full, CLASSES, ABOUT, affine)))
    volume = seg.get_volume(combine_segments=True)
    lps = np.diag([-1.0, -1, 1, 1]) @ affine
    for place in np.argwhere(full[0]):
        index = np.linalg.solve(volume.affine, lps @ [*place, 1])[:3]
        assert np.allclose(index, np.rint(index), atol=1e-3)
        assert volume.array[tuple(np.rint(index).astype(int))] == full[0][tuple(place)]


def test_segments_have_names_codes_colours_and_an_algorithm(tmp_path):
    paths = series(tmp_path, VOLUME, SeriesDescription="venous")
    own = {"class 4": "10200004|SCT|Liver"}
    seg = highdicom.seg.segread(io.BytesIO(write_seg(paths, LABEL, CLASSES, ABOUT, codes=own)))
    assert list(seg.segment_numbers) == [1, 2, 3, 4]
    told = [seg.get_segment_description(number) for number in seg.segment_numbers]
    assert [one.segment_label for one in told] == CLASSES[1:]
    kinds = [(one.segmented_property_category.meaning, one.segmented_property_type.meaning) for one in told]
    assert kinds == [
        ("Anatomical Structure", "Kidney"),
        ("Morphologically Abnormal Structure", "Neoplasm"),
        ("Tissue", "Tissue"),
        ("Anatomical Structure", "Liver"),
    ]
    side = told[0].SegmentedPropertyTypeCodeSequence[0].SegmentedPropertyTypeModifierCodeSequence[0]
    assert (side.CodeValue, side.CodeMeaning) == ("7771000", "Left")
    assert len({tuple(one.RecommendedDisplayCIELabValue) for one in told}) == 4
    for one in told:
        assert one.algorithm_type.value == "AUTOMATIC"
        (how,) = one.SegmentationAlgorithmIdentificationSequence
        assert (how.AlgorithmName, how.AlgorithmVersion) == ("GANatomy", ABOUT.version)
        assert how.AlgorithmFamilyCodeSequence[0].CodeValue == "123110"
    assert "Not for diagnosis" in seg.ContentDescription and seg.SeriesDescription.endswith(": venous")


def test_the_same_input_and_weights_give_the_same_bytes(tmp_path):
    paths = series(tmp_path, VOLUME, SeriesDate="20200102", SeriesTime="101112")
    content = write_seg(paths, LABEL, CLASSES, ABOUT)
    assert write_seg(paths[::-1], LABEL, CLASSES, ABOUT) == content
    file = pydicom.dcmread(io.BytesIO(content))
    assert (file.ContentDate, file.ContentTime) == ("20200102", "101112")
    other = pydicom.dcmread(io.BytesIO(write_seg(paths, LABEL, CLASSES, About(weights="aa" * 32))))
    assert other.SOPInstanceUID != file.SOPInstanceUID and other.SeriesInstanceUID != file.SeriesInstanceUID


def test_frames_of_one_file_are_referenced_by_number(tmp_path):
    order = [3, 0, 5, 1, 4, 2]
    path = save(enhanced(VOLUME, order), tmp_path / "a.dcm")
    _, affine = read_series([path])
    seg = highdicom.seg.segread(io.BytesIO(write_seg([path], LABEL, CLASSES, ABOUT, affine)))
    uid = pydicom.dcmread(path).SOPInstanceUID
    again = seg.get_pixels_by_source_frame(
        uid, list(range(1, 7)), combine_segments=True, assert_missing_frames_are_empty=True
    )
    assert np.array_equal(again.transpose(2, 1, 0), LABEL[0][:, :, order])


def test_a_picture_without_a_place_refers_to_its_image(tmp_path):
    path = save(dataset(pattern(5, 6), SOPClassUID=CR, ImagerPixelSpacing=[0.2, 0.2]), tmp_path / "a.dcm")
    label = np.arange(30).reshape(1, 5, 6) % 3
    content = write_seg([path], label, CLASSES[:3], ABOUT)
    assert np.array_equal(by_pydicom(content, [pydicom.dcmread(path)])[..., 0].T, label[0])
    assert len(highdicom.seg.segread(io.BytesIO(content)).segment_numbers) == 2


@pytest.mark.parametrize("empty", [True, False], ids=["no voxel at all", "every voxel"])
def test_extremes_come_back(tmp_path, empty):
    paths = series(tmp_path, VOLUME, FrameOfReferenceUID="1.2.3.4")
    label = np.full_like(LABEL, 0 if empty else 3)
    content = write_seg(paths, label, CLASSES, ABOUT)
    assert np.array_equal(by_pydicom(content, sorted_sources(paths)), label[0])
    assert len(highdicom.seg.segread(io.BytesIO(content)).segment_numbers) == 4


def test_identifiers_are_removed_on_demand(tmp_path):
    paths = series(tmp_path, VOLUME, PatientName="Doe^Jane", StudyDate="20200102", StudyID="471108154711")
    about = About(identifiers="remove", patient="patient-1f")
    content = write_seg(paths, LABEL, CLASSES, about)
    file = pydicom.dcmread(io.BytesIO(content))
    assert not any(word in content for word in (b"Doe", b"20200102", b"471108154711"))
    assert file.PatientID == "patient-1f" and file.PatientIdentityRemoved == "YES"


def test_values_of_masks_become_numbers_of_classes(tmp_path):
    paths = series(tmp_path, VOLUME)
    values = np.array([0, 255, 7, 100, 30])
    content = write_seg(paths, values[LABEL], CLASSES, ABOUT, label_values=values.tolist())
    assert content == write_seg(paths, LABEL, CLASSES, ABOUT)
    with pytest.raises(ValueError, match="the numbers -1 to"):
        write_seg(paths, LABEL + 200, CLASSES, ABOUT, label_values=values.tolist())


def test_what_does_not_fit_is_refused(tmp_path):
    paths = series(tmp_path / "a", VOLUME)
    for label, classes, words in (
        (LABEL[..., 1:], CLASSES, "the result has the shape"),
        (LABEL, CLASSES[:4], "the numbers 0 to 4; one channel and numbers below 4"),
        (LABEL - 1, CLASSES, "the numbers -1 to 3"),
        (LABEL, CLASSES[:1], "numbers below 1"),
    ):
        with pytest.raises(ValueError, match=words):
            write_seg(paths, label, classes, ABOUT)
    with pytest.raises(ValueError, match="a slice is missing"):
        write_seg(paths[:2] + paths[3:], LABEL[..., 1:], CLASSES, ABOUT)
    with pytest.raises(ValueError, match=r"'Liver' of class 4: write CODE\|SCHEME\|MEANING"):
        write_seg(paths, LABEL, CLASSES, ABOUT, codes={"class 4": "Liver"})


def test_every_other_name_is_in_a_list_of_dicom():
    known = {word for kind, _ in LISTS for word in getattr(codes, kind).concepts}
    assert {word for word in OTHER_NAMES.values() if word not in known} == set()


@pytest.mark.parametrize(
    ("name", "category", "code"),
    [
        ("Liver", "Anatomical Structure", "10200004"),
        ("liver", "Anatomical Structure", "10200004"),
        ("RightKidney", "Anatomical Structure", "64033007"),
        ("kidney-cyst", "Morphologically Abnormal Structure", "367643001"),
        ("lesion", "Morphologically Abnormal Structure", "52988006"),
        ("edema", "Morphologically Abnormal Structure", "79654002"),
        ("white matter", "Anatomical Structure", "389080008"),
        ("csf", "Anatomical Structure", "65216001"),
        ("pancreas", "Anatomical Structure", "15776009"),
        ("Hippocampus_anterior", "Anatomical Structure", "5366008"),
        ("anterior", "Tissue", "85756007"),
        ("left ventricle", "Anatomical Structure", "87878005"),
        ("non-lesion", "Tissue", "85756007"),
        ("NonEnhancingLesion", "Morphologically Abnormal Structure", "C81175"),
        ("peritumoral edema", "Morphologically Abnormal Structure", "79654002"),
        ("malignant", "Morphologically Abnormal Structure", "108369006"),
        ("zone 7", "Tissue", "85756007"),
        ("", "Tissue", "85756007"),
    ],
)
def test_common_names_have_their_codes(name, category, code):
    held, kind, _ = concepts_of(name)
    assert (held.meaning, kind.value) == (category, code)
