"""Slices in space: files and frames in any order give one volume and affine, or one line says why not."""

from __future__ import annotations

import numpy as np
import pytest

from ganatomy.data.io.dicom import read_series
from ganatomy.data.io.readers import ReadError, read
from tests.data.io.dicom.make import (
    DOSE,
    MR,
    ORIGIN,
    SPACING,
    affine,
    dataset,
    enhanced,
    oblique,
    pattern,
    save,
    series,
)

VOLUME = pattern(7, 6, 5)  # columns, rows, slices
NORMAL = np.cross(*oblique())
PLACES = [ORIGIN + 2.5 * n * NORMAL for n in range(5)]


def with_echo(*echoes: float) -> list[dict[str, float]]:
    return [{"EchoTime": echo} for echo in echoes]


def test_a_series_equals_what_simpleitk_reads(tmp_path):
    sitk = pytest.importorskip("SimpleITK")
    series(tmp_path, VOLUME, RescaleSlope=1, RescaleIntercept=-1024)
    files = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(tmp_path))
    theirs = sitk.ReadImage(files)
    lps = np.eye(4)
    lps[:3, :3] = np.array(theirs.GetDirection()).reshape(3, 3) * theirs.GetSpacing()
    lps[:3, 3] = theirs.GetOrigin()
    ours, place = read_series(sorted(tmp_path.iterdir()))
    assert np.array_equal(ours[0], sitk.GetArrayFromImage(theirs).transpose(2, 1, 0))
    assert np.array_equal(ours[0], VOLUME.astype(int) - 1024)
    assert np.allclose(place, np.diag([-1.0, -1, 1, 1]) @ lps, atol=1e-4)


def test_a_tilted_gantry_shears_the_affine(tmp_path):
    flat = np.array([[1.0, 0, 0], [0, 1, 0]])
    step = np.array([0, 0.7, 2.5])
    paths = series(tmp_path, VOLUME, [ORIGIN + n * step for n in range(5)], flat)
    ours, place = read_series(paths)
    assert np.array_equal(ours[0], VOLUME) and np.allclose(place, affine(flat, step), atol=1e-5)


def test_slopes_of_each_slice(tmp_path):
    each = [{"RescaleSlope": 0.5 + n, "RescaleIntercept": n} for n in range(5)]
    ours, _ = read_series(series(tmp_path, VOLUME, each=each, Modality="PT"))
    assert ours.dtype == np.float32
    assert np.allclose(ours[0], VOLUME * (0.5 + np.arange(5)) + np.arange(5), rtol=1e-6)


def test_padding_of_a_series_lies_at_the_least_value_of_all_slices(tmp_path):
    stored = VOLUME // 2 + 100
    stored[3, 2, 1], stored[0, 0, :] = 50, 0
    ours, _ = read_series(
        series(tmp_path, stored, PixelPaddingValue=0, RescaleIntercept=-1024, RescaleSlope=1)
    )
    assert (ours[0, 0, 0] == 50 - 1024).all() and (ours[0, 1:] == stored[1:].astype(int) - 1024).all()


def test_white_for_low_in_a_series(tmp_path):
    paths = series(tmp_path, VOLUME, PhotometricInterpretation="MONOCHROME1", Modality="MR", SOPClassUID=MR)
    assert np.array_equal(read_series(paths)[0][0], 4095 - VOLUME)


def test_colour_slices(tmp_path):
    wanted = pattern(3, 7, 6, 5, top=255).astype(np.uint8)
    for number in range(5):
        file = dataset(np.ascontiguousarray(wanted[..., number].transpose(2, 1, 0)), colours=3)
        file.SeriesInstanceUID, file.PixelSpacing = "1.2.3", list(SPACING[:2])
        file.ImageOrientationPatient = [f"{v:.8f}" for v in oblique().reshape(-1)]
        file.ImagePositionPatient = [f"{v:.6f}" for v in PLACES[number]]
        save(file, tmp_path / f"{number}")
    ours, place = read_series(sorted(tmp_path.iterdir()))
    assert np.array_equal(ours, wanted) and np.allclose(place, affine(), atol=1e-5)


MIXED = {
    "echoes": (
        {"each": with_echo(4.6, 4.6, 4.6, 80, 80)},
        r"4 of its 5.*EchoTime \(4.6, 80.*series=EchoTime:4.6",
    ),
    "times": (
        {"each": [{"TemporalPositionIdentifier": n // 3 + 1} for n in range(5)]},
        r"TemporalPositionIdentifier \(1, 2\)",
    ),
    "weights": ({"each": [{"DiffusionBValue": 1000.0 * (n // 3)} for n in range(5)]}, "DiffusionBValue"),
    "kinds": (
        {"each": [{"ImageType": ["ORIGINAL", "PRIMARY", "MP"[n // 3], "SE"]} for n in range(5)]},
        "ImageType.*choose, such as data.series=ImageType:M",
    ),
}


def test_echoes_are_not_mixed_wherever_they_lie(tmp_path):
    paths = series(tmp_path, VOLUME, each=with_echo(4.6, 80, 4.6, 80, 4.6))
    with pytest.raises(
        ValueError, match=r"differ in EchoTime \(4.6, 80.*\): choose, such as data.series=EchoTime:4.6"
    ):
        read_series(paths)
    near = series(tmp_path / "near", VOLUME, each=with_echo(4.6, 4.61, 4.6, 4.6, 4.59))
    assert np.array_equal(read_series(near)[0][0], VOLUME)


def test_slices_that_no_setting_chooses_are_to_be_moved(tmp_path):
    each = [{"AcquisitionTime": f"1010{n:02d}"} for n in range(5)]
    places = [PLACES[n] for n in (0, 1, 2, 0, 1)]
    with pytest.raises(
        ValueError, match=r"differ in AcquisitionTime \(101000, .*; move them to series of their own"
    ):
        read_series(series(tmp_path, VOLUME, places, each=each))


def test_frames_with_one_place_for_all_have_none(tmp_path):
    tags = {"ImagePositionPatient": [0, 0, 0], "ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}
    file = dataset(pattern(4, 5, 6), Modality="NM", PixelSpacing=[1, 1], **tags)
    with pytest.raises(ReadError, match=r"4 frames \(NM\) without a position in space"):
        read(save(file, tmp_path / "a.dcm"))


@pytest.mark.parametrize("name", MIXED)
def test_slices_at_one_place_are_told_apart(tmp_path, name):
    tags, words = MIXED[name]
    places = [PLACES[n] for n in (0, 1, 2, 0, 1)]
    with pytest.raises(ValueError, match=words):
        read_series(series(tmp_path, VOLUME, places, **tags))


@pytest.mark.parametrize(
    ("places", "directions", "words"),
    [
        ([0, 1, 2, 4, 5], None, "a slice is missing: steps of 2.50 to 5.00 mm; export the series again"),
        ([0, 1, 2, 2.5, 3.5], None, "unevenly: steps of 1.25 to 2.50 mm"),
        ([0, 0, 1, 2, 3], None, "2 of its 5 slices lie at the same place.*remove the copies"),
        ([0, 1, 2, 3, 4], [[1, 0, 0, 0, 0, -1]], "differ in direction.*1 of 5"),
        ([0, 1, 2, 3, 4], [[2, 0, 0, 0, 1, 0]] * 5, "not a pair of orthogonal unit vectors"),
    ],
)
def test_what_is_no_volume_is_named(tmp_path, places, directions, words):
    each = [{} for _ in range(5)]
    for own, direction in zip(each[::-1], directions or [], strict=False):
        own["ImageOrientationPatient"] = direction
    if directions and len(directions) == 1:  # all but the first
        each = [{}, *[{"ImageOrientationPatient": directions[0]}] * 4]
    with pytest.raises(ValueError, match=words):
        read_series(series(tmp_path, VOLUME, [ORIGIN + 2.5 * n * NORMAL for n in places], each=each))


def test_slices_of_other_spacing_or_size_are_named(tmp_path):
    with pytest.raises(ValueError, match="differ in PixelSpacing"):
        read_series(
            series(tmp_path / "a", VOLUME, each=[{"PixelSpacing": [0.8, 0.6 + n / 9]} for n in range(5)])
        )
    paths = series(tmp_path / "b", VOLUME) + series(tmp_path / "c", pattern(9, 6, 5))
    with pytest.raises(ValueError, match="differ in size"):
        read_series(paths)


def test_pictures_in_one_series_say_how_they_are_read(tmp_path):
    for number in range(2):
        save(dataset(pattern(4, 4), Modality="DX", SeriesInstanceUID="1.2"), tmp_path / f"{number}")
    with pytest.raises(ValueError, match=r"2 files \(DX\) as pictures: data=folder"):
        read_series(sorted(tmp_path.iterdir()))


@pytest.mark.parametrize("modality", ["CT", "MR"])
@pytest.mark.parametrize("order", [range(5), [3, 0, 4, 2, 1]])
def test_frames_in_any_order_are_one_volume(tmp_path, modality, order):
    each = [
        {
            "PixelValueTransformationSequence.RescaleSlope": 2 + n,
            "PixelValueTransformationSequence.RescaleIntercept": -n,
        }
        for n in order
    ]
    path = save(enhanced(VOLUME, order, each, modality), tmp_path / "a.dcm")
    ours, grid = read(path)
    assert np.array_equal(ours[0], VOLUME.astype(int) * (2 + np.arange(5)) - np.arange(5))
    assert np.allclose(grid.affine, affine(), atol=1e-5)


def test_a_missing_frame_is_named(tmp_path):
    with pytest.raises(ReadError, match=r"a\.dcm.*a slice is missing: steps of 2.50 to 5.00"):
        read(save(enhanced(VOLUME, [0, 1, 3, 4]), tmp_path / "a.dcm"))


def test_a_series_of_several_files_of_frames(tmp_path):
    paths = [save(enhanced(VOLUME, order), tmp_path / f"{n}") for n, order in enumerate(([4, 1], [0, 2, 3]))]
    ours, place = read_series(paths)
    assert np.array_equal(ours[0], VOLUME) and np.allclose(place, affine(), atol=1e-5)


def test_echoes_of_frames_are_refused_or_chosen(tmp_path):
    order = [0, 1, 2, 0, 1, 2]
    each = [{"MREchoSequence.EffectiveEchoTime": echo} for echo in (4.6, 4.6, 4.6, 80.0, 80.0, 80.0)]
    file = enhanced(VOLUME, order, each, "MR")
    stored = pattern(6, 6, 7, seed=1)
    file.PixelData = stored.tobytes()
    path = save(file, tmp_path / "a.dcm")
    with pytest.raises(ReadError, match=r"6 of its 6 slices.*EffectiveEchoTime \(4.6, 80.0\)"):
        read(path)
    for half, echo in enumerate(("4.6", "80")):
        ours, place = read_series([path], [("EffectiveEchoTime", echo)])
        assert np.array_equal(ours[0], stored[3 * half : 3 * half + 3].transpose(2, 1, 0))
        assert np.allclose(place, affine(), atol=1e-5)
    with pytest.raises(ValueError, match=r"no slice has the EffectiveEchoTime 5.*there are 4.6, 80.0"):
        read_series([path], [("EffectiveEchoTime", "5")])


def test_stacks_of_other_directions_are_refused(tmp_path):
    each = [{"FrameContentSequence.StackID": str(n // 3)} for n in range(5)]
    for own in each[3:]:
        own["PlaneOrientationSequence.ImageOrientationPatient"] = [1, 0, 0, 0, 0, -1]
    with pytest.raises(ReadError, match=r"differ in direction \(3 of 5.*StackID \(0, 1\)"):
        read(save(enhanced(VOLUME, range(5), each), tmp_path / "a.dcm"))


def test_an_enhanced_file_of_one_frame_is_a_picture_in_its_units(tmp_path):
    each = [{"PixelValueTransformationSequence.RescaleSlope": 3}]
    ours, grid = read(save(enhanced(VOLUME, [2], each), tmp_path / "a.dcm"))
    assert np.array_equal(ours[0], 3 * VOLUME[:, :, 2].T.astype(int))
    assert np.allclose(grid.spacing, SPACING[:2])


def test_frames_that_the_header_does_not_describe_are_refused(tmp_path):
    file = enhanced(VOLUME, range(5))
    del file.PerFrameFunctionalGroupsSequence[-1]
    with pytest.raises(ReadError, match="describes 4 frames"):
        read(save(file, tmp_path / "a.dcm"))


def test_a_dose_lies_where_its_offsets_say(tmp_path):
    stored = VOLUME.transpose(2, 1, 0).astype(np.uint32)
    file = dataset(np.ascontiguousarray(stored), SOPClassUID=DOSE, Modality="RTDOSE", DoseGridScaling="0.5")
    file.ImageOrientationPatient, file.PixelSpacing = [1, 0, 0, 0, 1, 0], list(SPACING[:2])
    file.ImagePositionPatient, file.GridFrameOffsetVector = list(ORIGIN), [0, 2.5, 5, 7.5, 10]
    ours, grid = read(save(file, tmp_path / "a.dcm"))
    assert np.array_equal(ours[0], VOLUME / 2)
    assert np.allclose(grid.affine, affine(np.array([[1.0, 0, 0], [0, 1, 0]])))
