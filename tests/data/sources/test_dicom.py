"""Which series of a tree are cases, what they are called, and what is said of the rest."""

from __future__ import annotations

import hashlib
import shutil

import numpy as np
import pytest
from pydicom.uid import generate_uid

from ganatomy.data.datamodule import DataModule
from ganatomy.data.io.dicom.choice import chosen
from ganatomy.data.io.dicom.series import Series
from ganatomy.data.io.readers import ReadError
from ganatomy.data.known import doubts
from ganatomy.data.problems import told_once
from ganatomy.data.sources.dicom import Dicom
from ganatomy.data.sources.folder import Folder
from ganatomy.errors import UserError
from tests.data.io.dicom.make import CR, CT, DOSE, MR, dataset, enhanced, pattern, save, series

VOLUME = pattern(7, 6, 4)
MRI = {"Modality": "MR", "SOPClassUID": MR}


def notes(source):
    """What a run says at its start of the files of a tree."""
    return told_once(fault for record in source.records() for fault in record.problems)


@pytest.fixture
def tree(tmp_path):
    """T1 and T2 of two patients, and a localiser of one slice."""
    for number, person in enumerate(("ann", "bob")):
        for place, words in enumerate(("AX T1 mprage", "t2 tse"), 2):
            series(
                tmp_path / person / words.replace(" ", "_"),
                pattern(7, 6, 4, seed=10 * number + place),
                PatientID=person,
                SeriesDescription=words,
                SeriesNumber=place,
                ProtocolName="head",
                **MRI,
            )
    series(tmp_path / "ann" / "loc", pattern(7, 6, 1), PatientID="ann", SeriesDescription="localizer", **MRI)
    return tmp_path


@pytest.mark.parametrize(
    ("choice", "cases"),
    [
        (None, 4), ("T2", 2), ("t2*", 2), ("*t1", 0), ("AX*", 2), (3, 2), ("3", 2), (["T1", 3], 4),
        ("head", 4), ("T3", 0), (["T1", "T3"], 0), (7, 0),
    ],
)  # fmt: skip
def test_series_are_chosen_by_words_and_numbers(tree, choice, cases):
    source = Dicom(root=str(tree), series=choice)
    if cases:
        assert len(source.records()) == cases
        return
    with pytest.raises(
        UserError, match=r"data.series=.*matches no series; found 2 of MR 'AX T1 mprage' with 4 slices"
    ):
        source.records()


def test_a_series_is_chosen_by_its_uid(tree):
    uid = Dicom(root=str(tree)).kept[0].uid
    assert len(Dicom(root=str(tree), series=uid).records()) == 1


def test_check_tells_what_is_there(tree):
    source = Dicom(root=str(tree), series="T2")
    assert source.overview() == [
        ("modality", "series", "slices", "found", "used"),
        ("MR", "AX T1 mprage", "4", "2", "0"),
        ("MR", "localizer", "1", "1", "0"),
        ("MR", "t2 tse", "4", "2", "2"),
    ]


def test_mixed_kinds_need_a_choice(tree):
    series(tree / "ct", VOLUME, PatientID="ann")
    with pytest.raises(
        UserError, match=r"several modalities \(MR 4, CT 1\); choose one, such as data.modality=MR"
    ):
        Dicom(root=str(tree)).records()
    assert len(Dicom(root=str(tree), modality="CT").records()) == 1
    assert Dicom(root=str(tree), modality="CT").modalities == ("CT",)
    assert Dicom(root=str(tree), modality="MR").modalities == ("MR",)
    assert len(Dicom(root=str(tree), modality=["ct", "MR"]).records()) == 5
    with pytest.raises(UserError, match=r"data.modality=PT: no series has it; found 1 of CT"):
        Dicom(root=str(tree), modality="PT").records()


def test_a_dose_and_structures_beside_a_ct_are_passed_over(tmp_path):
    series(tmp_path / "ct", VOLUME)
    dose = dataset(pattern(5, 6, 7), SOPClassUID=DOSE, Modality="RTDOSE", DoseGridScaling="1")
    save(dose, tmp_path / "dose.dcm")
    for number, kind in enumerate(("RTSTRUCT", "SR", "SR")):
        other = dataset(pattern(2, 2), Modality=kind)
        del other.Rows, other.PixelData
        save(other, tmp_path / f"other{number}.dcm")
    save(
        dataset(pattern(2, 2), SOPClassUID="1.2.840.10008.5.1.4.1.1.66.4", Modality="SEG"), tmp_path / "s.dcm"
    )
    (tmp_path / "notes.txt").write_text("none")
    (tmp_path / "._image").write_bytes(b"\0" * 200)
    (tmp_path / "DICOMDIR").write_bytes(b"\0" * 200)
    source = Dicom(root=str(tmp_path))
    assert len(source.records()) == 1 and source.intensity() == [-160, 240]
    assert notes(source) == [
        "files passed over: 4, DICOM without an image (SR 2, RTSTRUCT 1, SEG 1)",
        "files passed over: 1, no DICOM (.txt 1)",
    ]


@pytest.mark.filterwarnings("ignore:Invalid value for VR IS")
def test_a_header_that_cannot_be_read_is_counted(tmp_path):
    series(tmp_path / "a", VOLUME)
    (bad,) = series(tmp_path / "b", pattern(7, 6, 1), NumberOfFrames=1)
    bad.write_bytes(bad.read_bytes().replace(b"IS\x02\x001 ", b"IS\x02\x00x "))
    source = Dicom(root=str(tmp_path))
    assert len(source.records()) == 1
    assert notes(source) == ["files passed over: 1, headers that cannot be read (keys.csv names them)"]
    assert source.keys()[-1]["folder"] == str(bad)


def test_nothing_that_is_large_enough_says_what_there_is(tmp_path):
    save(
        dataset(pattern(9, 5, 5), SOPClassUID="1.2.840.10008.5.1.4.1.1.3.1", Modality="US"), tmp_path / "cine"
    )
    with pytest.raises(
        UserError, match=r"data.least=3: no DICOM series has 3 .* found 1 of US 'number \?' with 1 sl"
    ):
        Dicom(root=str(tmp_path)).records()


def test_frames_of_one_file_count_as_slices(tmp_path):
    save(enhanced(VOLUME, range(4)), tmp_path / "a")
    source = Dicom(root=str(tmp_path))
    (record,) = source.records()
    assert np.array_equal(source.load(record)["image"][0], VOLUME)


def test_links_are_followed_once(tmp_path):
    series(tmp_path / "store" / "a", VOLUME)
    series(tmp_path / "store" / "b", VOLUME)
    chosen = tmp_path / "chosen"
    chosen.mkdir()
    (chosen / "mine").symlink_to(tmp_path / "store" / "a")
    (chosen / "again").symlink_to(tmp_path / "store" / "a")
    (chosen / "loop").symlink_to(chosen)
    (chosen / "lost").symlink_to(tmp_path / "nowhere")
    source = Dicom(root=str(chosen))
    (record,) = source.records()
    assert np.array_equal(source.load(record)["image"][0], VOLUME)
    assert notes(source) == ["files passed over: 1, links that lead nowhere"]
    (tmp_path / "store" / "link").symlink_to(tmp_path / "store" / "b")
    first = {record.content["image"][0] for record in Dicom(root=str(tmp_path / "store")).records()}
    assert all(name[0] in "ab" for name in first)


def test_copies_count_once_and_other_bytes_under_one_uid_are_named(tmp_path):
    paths = series(tmp_path / "a", VOLUME)
    shutil.copytree(tmp_path / "a", tmp_path / "copy")
    source = Dicom(root=str(tmp_path))
    (record,) = source.records()
    assert notes(source) == ["files passed over: 4, copies of others"]
    assert np.array_equal(source.load(record)["image"][0], VOLUME)
    other = tmp_path / "copy" / paths[0].name
    other.write_bytes(other.read_bytes()[:-2] + b"\7\7")
    source = Dicom(root=str(tmp_path))
    with pytest.raises(ReadError, match=r"^patient-.*two of its files have the same SOPInstanceUID"):
        source.load(source.records()[0])


def test_patients_without_an_id_are_told_by_their_study(tmp_path):
    """All files in one folder: two studies of two series each."""
    for study in ("1.2.3", "1.2.4"):
        for _ in range(2):
            series(tmp_path, VOLUME, PatientID="", StudyInstanceUID=study)
    records = Dicom(root=str(tmp_path)).records()
    assert len({record.case for record in records}) == 4 and len({record.subject for record in records}) == 2


def test_one_series_uid_of_two_patients_is_two_series(tmp_path):
    uid = generate_uid()
    for person in ("ann", "bob"):
        series(tmp_path / person, VOLUME, PatientID=person, SeriesInstanceUID=uid)
    records = Dicom(root=str(tmp_path)).records()
    assert len({record.subject for record in records}) == len(records) == 2


def test_slices_within_a_series_are_chosen(tmp_path):
    half = [{"EchoTime": 4.6}] * 4
    uid = generate_uid()
    series(tmp_path / "a", VOLUME, each=half, SeriesInstanceUID=uid, **MRI)
    late = pattern(7, 6, 4, seed=5)
    series(tmp_path / "b", late, each=[{"EchoTime": 80}] * 4, SeriesInstanceUID=uid, **MRI)
    plain = Dicom(root=str(tmp_path))
    (record,) = plain.records()
    with pytest.raises(ReadError, match=r"choose, such as data.series=EchoTime:4\.6"):
        plain.load(record)
    source = Dicom(root=str(tmp_path), series="EchoTime:80")
    (some,) = source.records()
    assert np.array_equal(source.load(some)["image"][0], late)
    assert source.content(some) != plain.content(record)
    assert source.fingerprint(some) != plain.fingerprint(record)


def test_the_way_in_which_a_series_is_chosen_is_no_part_of_its_content(tree):
    """One hash of data and one entry of the cache, whether T2 alone lies there or is asked for."""
    every, some = Dicom(root=str(tree)), Dicom(root=str(tree), series="T2", modality="mr")
    of = {record.case: record for record in every.records()}
    assert len(of) == 4 and len(some.records()) == 2
    for record in some.records():
        assert some.content(record) == every.content(of[record.case])
        assert some.fingerprint(record) == every.fingerprint(of[record.case])


def test_the_hash_of_a_series_is_what_it_was(tmp_path):
    """Files by their bytes in order, and settings: no name, so that it is equal whatever the secret."""
    paths = series(tmp_path / "a", VOLUME, PatientID="ann", SeriesInstanceUID="1.2.3")
    source = Dicom(root=str(tmp_path))
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(paths)]
    (record,) = source.records()
    assert source.content(record) == f"files-1 {digests} {{}} (1, None, False)"


@pytest.mark.parametrize(("tags", "expected"), [({}, [-160, 240]), (MRI, "percentile")])
def test_the_window_is_chosen_by_modality(tmp_path, tags, expected):
    series(tmp_path / "a", VOLUME, **tags)
    data = DataModule(Dicom(root=str(tmp_path)), 1, intensity="auto")
    assert data.intensity == data.preparation.intensity == expected
    assert str(expected) in repr(data.preparation)


def test_no_window_suits_two_modalities(tmp_path):
    series(tmp_path / "a", VOLUME)
    series(tmp_path / "b", VOLUME, **MRI)
    with pytest.raises(UserError, match="1 series are CT and 1 are not"):
        DataModule(Dicom(root=str(tmp_path), modality=["CT", "MR"]), 1, intensity="auto")
    with pytest.raises(UserError, match="only data=dicom"):
        DataModule(Folder(root=str(tmp_path)), 1, intensity="auto")


def test_a_window_of_ct_is_doubted_for_mr_alone(tmp_path):
    series(tmp_path / "ct", VOLUME)
    series(tmp_path / "mr", VOLUME, **MRI)
    mr, ct = (Dicom(root=str(tmp_path), modality=kind) for kind in ("MR", "CT"))
    assert "a window in HU, but the series are MR" in doubts(mr, [-160, 240])[0]
    assert doubts(mr, "percentile") == doubts(mr, [0, 900]) == doubts(ct, [-160, 240]) == []


def test_keys_lead_back(tree):
    source = Dicom(root=str(tree))
    rows = source.keys()
    keys = {row["case"]: row for row in rows}
    assert set(keys) == {record.case for record in source.records()}
    for record in source.records():
        row = keys[record.case]
        assert row["folder"] == str(source.paths(record, "image")[0].parent)
        assert row["PatientID"] in row["folder"] and row["subject"] == record.subject


def test_radiographs_of_either_plate_are_one_kind(tmp_path):
    for number, kind in enumerate(("CR", "DX")):
        save(dataset(pattern(5, 6), SOPClassUID=CR, Modality=kind), tmp_path / f"{number}")
    assert len(Dicom(root=str(tmp_path), least=1, spatial_dims=2).records()) == 2


def test_a_label_of_unknown_braces_is_one_line(tmp_path):
    series(tmp_path / "a", VOLUME, SOPClassUID=CT)
    with pytest.raises(UserError, match=r"data.label=\{stem\}.nii.gz: only \{series\} and \{folder\}"):
        Dicom(root=str(tmp_path), label="{stem}.nii.gz", classes=["no", "yes"]).records()


def test_a_segmentation_is_no_label_that_is_read(tmp_path):
    series(tmp_path / "a", VOLUME)
    seg = dataset(pattern(2, 2), SOPClassUID="1.2.840.10008.5.1.4.1.1.66.4", Modality="SEG")
    save(seg, tmp_path / "label.dcm")
    source = Dicom(root=str(tmp_path), label="label.dcm", classes=["no", "yes"])
    with pytest.raises(ReadError, match=r"label\.dcm.*is a DICOM segmentation"):
        source.load(source.records()[0])


def test_damage_is_one_line(tmp_path):
    paths = series(tmp_path / "a", VOLUME, RescaleSlope=1)
    bad = paths[1].read_bytes()
    paths[1].write_bytes(bad.replace(b"0.8\\0.6", b"0.8\\x.6"))
    source = Dicom(root=str(tmp_path))
    with pytest.raises(ReadError, match=r"^patient-[0-9a-f]{32}_series-[0-9a-f]{32}: could not"):
        source.load(source.records()[0])


def test_series_of_different_length_are_sound(tmp_path):
    """Slices are no channels, of which all cases would have as many."""
    for number, slices in enumerate((4, 5, 7)):
        series(tmp_path / str(number), pattern(7, 6, slices), PatientID=str(number), **MRI)
    source = Dicom(root=str(tmp_path))
    assert not [fault for record in source.records() for fault in record.problems]
    assert sorted(source.load(r)["image"].shape[-1] for r in source.records()) == [4, 5, 7]


def test_a_list_of_patients_splits(tmp_path):
    for number in range(3):
        series(tmp_path / str(number), pattern(7, 6, 4, seed=number), PatientID=f"P{number}", **MRI)
    (tmp_path / "splits.csv").write_text("file,split\nP0,train\nP1,val\nP2,test\n")
    source = Dicom(root=str(tmp_path), splits="splits.csv")
    people = {row["case"]: row["PatientID"] for row in Dicom.keys(source)}
    assert {people[r.case]: r.split for r in source.records()} == {"P0": "train", "P1": "val", "P2": "test"}
    subject = next(row["subject"] for row in Dicom.keys(source) if row["PatientID"] == "P0")
    (tmp_path / "splits.csv").write_text(f"file,split\nP0,train\n{subject},val\n")
    with pytest.raises(
        UserError, match=f"^splits.csv: {subject} is named twice, with two splits; name it once"
    ):
        source.records()


def test_a_folder_of_doses_alone_holds_no_image() -> None:
    """Radiotherapy's grids are no images, unless data.modality names them."""
    dose = Series("1.2.3", "someone", "someone", modality="RTDOSE", slices=9)
    with pytest.raises(UserError, match=r"no DICOM file here holds an image; .*Found 1 of RTDOSE"):
        chosen([dose], None, None, 1)
    assert chosen([dose], None, "RTDOSE", 1) == [dose]
