"""Identifiers in DICOM headers: each planted tag is named with its count, and no value is ever shown."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.datadict import dictionary_has_tag, dictionary_VR, tag_for_keyword
from pydicom.dataset import Dataset

from ganatomy.data.io.dicom.confidentiality import EMPTIED, PROFILE, REMOVED, UIDS
from ganatomy.data.quality.identifiers import Identifiers, dicom_files, identifiers, summary
from ganatomy.data.sources.dicom import Dicom
from ganatomy.data.sources.folder import Folder
from tests.data.io.dicom.make import dataset, pattern, save, series

VOLUME = pattern(40, 36, 4)
SECRET = "Zyxw"
"""Begins every planted value: must not be shown anywhere."""
PLANTED = {
    "PatientName": f"{SECRET}^Jane", "PatientID": f"{SECRET}4711", "InstitutionName": f"{SECRET} General",
    "OperatorsName": f"{SECRET}^Max", "StationName": f"{SECRET}7", "DeviceSerialNumber": f"{SECRET}8",
}  # fmt: skip
TEXTS = {"StudyDescription": f"knee of {SECRET}", "ImageComments": f"{SECRET} moved"}
DATES = {"StudyDate": "20200102", "AcquisitionTime": "101112", "PatientBirthDate": "19610304"}


def told_of(folder: Path) -> dict[str, str]:
    return summary(identifiers(sorted(path for path in folder.rglob("*") if path.is_file())))


def test_each_planted_tag_is_named_with_its_count(tmp_path):
    series(tmp_path / "a", VOLUME, **PLANTED, **TEXTS, **DATES)
    series(tmp_path / "b", VOLUME, PatientID="", PatientName="ANONYMOUS", PatientIdentityRemoved="YES")
    found = identifiers(path for path in tmp_path.rglob("*") if path.is_file())
    assert found.files == 8
    assert found.names == dict.fromkeys(PLANTED, 4)
    assert found.texts == dict.fromkeys(TEXTS, 4) and found.dates == dict.fromkeys(DATES, 4)
    assert found.placeholders == {"PatientName": 4} and found.removed == 4 and found.private == 0
    rows = summary(found)
    assert rows["identifiers"].endswith("StationName (4 of 8 files)")
    assert SECRET not in str(rows) and "20200102" not in str(rows)


def test_sequences_private_elements_and_drawings_are_looked_into(tmp_path):
    (path, *_) = series(tmp_path, VOLUME, PatientID="")
    file = pydicom.dcmread(path)
    request = Dataset()
    request.RequestedProcedureDescription, request.RequestingPhysician = f"of {SECRET}", f"{SECRET}^Roe"
    inner = Dataset()
    inner.PersonName, inner.ObservationDateTime = f"{SECRET}^Doe", "20200102101112"
    request.ReferencedStudySequence = [inner]
    reference = Dataset()
    reference.ReferencedSOPInstanceUID = "1.2.3"
    file.ReferencedPerformedProcedureStepSequence = [reference]  # a UID alone
    file.RequestAttributesSequence = [request]
    file.private_block(0x0009, f"{SECRET} CREATOR", create=True).add_new(1, "LO", f"{SECRET} private")
    file.add_new(0x60003000, "OW", b"\0\0")
    icon = Dataset()
    icon.Rows = 1
    file.IconImageSequence = [icon]
    file.save_as(path)
    found = identifiers([path])
    held = ("RequestAttributesSequence", "ReferencedStudySequence", "RequestingPhysician", "PersonName")
    assert found.names == dict.fromkeys(held, 1)
    assert found.texts == {"RequestedProcedureDescription": 1} and found.private == 1
    assert found.dates == {"ObservationDateTime": 1}
    assert found.drawn == {"overlay": 1, "thumbnail": 1}


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ({"BurnedInAnnotation": "YES"}, "burned in, BurnedInAnnotation=YES, in 1 of 1 file"),
        ({"BurnedInAnnotation": "NO", "Modality": "US"}, None),
        ({"Modality": "US"}, "may be there in 1 of 1 file without BurnedInAnnotation: Modality US (1)"),
        ({"Modality": "CT", "ImageType": ["DERIVED", "SECONDARY"]}, "ImageType SECONDARY (1)"),
        ({"Modality": "CT", "ImageType": ["DERIVED", "PRIMARY", "SCREEN SAVE"]}, "ImageType SCREEN SAVE (1)"),
        ({"Modality": "CR", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"}, "secondary capture (1)"),
        ({"Modality": "OT", "ImageType": "ORIGINAL"}, "Modality OT (1)"),
        ({"Modality": "CT", "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"]}, None),
    ],
)
def test_text_in_pixels_is_told_as_far_as_tags_tell(tmp_path, tags, words):
    save(dataset(pattern(4, 5), **tags), tmp_path / "a.dcm")
    said = told_of(tmp_path).get("text in pixels")
    assert (said is None) if words is None else (words in said)


def test_a_clean_file_and_none_at_all(tmp_path):
    save(dataset(pattern(4, 5), PatientID="", Modality="MR"), tmp_path / "a.dcm")
    assert told_of(tmp_path) == {"identifiers": "no tag of the DICOM PS3.15 basic profile is filled in"}
    (tmp_path / "notes.txt").write_text(SECRET)
    assert summary(identifiers([tmp_path / "notes.txt"])) == {} == summary(Identifiers())


def test_all_files_of_a_tree_are_read_and_the_dicom_ones_of_a_folder(tmp_path):
    series(tmp_path / "ct", VOLUME)
    report = dataset(pattern(2, 2), Modality="SR", PatientName=f"{SECRET}^Jane")
    del report.Rows, report.PixelData
    save(report, tmp_path / "report")
    source = Dicom(root=str(tmp_path))
    assert identifiers(dicom_files(source, source.records())).names["PatientName"] == 1
    save(dataset(pattern(4, 5), PatientName=f"{SECRET}^Jane"), tmp_path / "pictures/a.dcm")
    np.save(tmp_path / "pictures/b.npy", np.zeros((4, 5)))
    folder = Folder(root=str(tmp_path / "pictures"), image="*")
    assert [path.name for path in dicom_files(folder, folder.records())] == ["a.dcm"]


def test_check_shows_names_of_tags_and_no_value(tmp_path, compose, capsys):
    """At the terminal and on the page."""
    from ganatomy.check import check
    from ganatomy.config.schema import Config
    from ganatomy.training.build import build_data

    for number in range(3):
        person = {"PatientName": f"{SECRET}^{number}", "PatientID": f"{SECRET}{number}"}
        series(tmp_path / f"{SECRET}{number}", pattern(40, 36, 4, seed=number), **person, **TEXTS, **DATES)
    words = ["data=dicom", f"data.root={tmp_path}", f"data.cache_dir={tmp_path}/../cache"]
    check(build_data(Config.from_plain(compose(*words, tiny=False))), 0, 0, tmp_path / "../check.html")
    said, page = capsys.readouterr().out, (tmp_path / "../check.html").read_text()
    for text in (said, page):
        assert "PatientID, PatientName (all 12 files)" in text and "StudyDate" in text
        assert "ImageComments, StudyDescription (all 12 files)" in text
        assert SECRET not in page and "20200102" not in text
    assert SECRET not in said.replace(f"{SECRET} moved", "")


def test_a_tree_without_a_usable_series_is_told_of_before_it_is_refused(tmp_path, compose, capsys):
    """Single ultrasound pictures: the files most likely to show a name."""
    from ganatomy.check import opened
    from ganatomy.config.schema import Config
    from ganatomy.errors import UserError

    save(dataset(pattern(4, 5), Modality="US", PatientName=f"{SECRET}^Jane"), tmp_path / "in/a.dcm")
    config = Config.from_plain(compose("data=dicom", f"data.root={tmp_path}/in", tiny=False))
    with pytest.raises(UserError, match="no DICOM series has 3 or more slices"):
        opened(config)
    said = capsys.readouterr().out
    assert "Modality US (1)" in said and "PatientName" in said and SECRET not in said


def test_the_profile_holds_what_the_standard_names():
    """Keywords of pydicom's dictionary; each has one action, and UIDs are UIDs."""
    assert len(PROFILE) == len(EMPTIED) + len(REMOVED) + len(UIDS) > 600
    assert all(dictionary_has_tag(tag_for_keyword(word) or 0) for word in PROFILE)
    assert {dictionary_VR(word) for word in UIDS} == {"UI"}
    assert {"PatientName", "PatientID", "PatientBirthDate", "AccessionNumber", "StudyDate"} <= EMPTIED
    assert {"InstitutionAddress", "OtherPatientIDs", "PatientAddress", "ImageComments"} <= REMOVED
    assert {"SOPInstanceUID", "StudyInstanceUID", "FrameOfReferenceUID"} <= UIDS
    assert not PROFILE & {"SOPClassUID", "Rows", "PixelData", "Modality", "RescaleSlope", "PixelSpacing"}
