"""What the network receives, mapped back, is what the file holds; what cannot be read is named."""

from __future__ import annotations

import gzip
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from ganatomy.data.datamodule import DataModule
from ganatomy.data.io.readers import ReadError, read, suffix
from ganatomy.data.io.writers import packed
from ganatomy.data.pipeline import collate, plain, slices
from ganatomy.data.records import Record
from ganatomy.data.sources.dicom import Dicom
from ganatomy.data.sources.files.base import Files
from ganatomy.data.sources.folder import Folder
from ganatomy.data.transforms.prepare import Preparation, restore
from ganatomy.errors import UserError

FILES = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def oblique(spacing=(0.7, 1.3, 2.5)) -> np.ndarray:
    turn = np.linalg.qr(np.eye(3) + 0.3 * np.random.default_rng(1).standard_normal((3, 3)))[0]
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = turn @ np.diag(spacing), [-40, 12, 7]
    return affine


def back(folder: Files, record: Record, **settings) -> np.ndarray:
    """What a batch holds of a case, brought back to the units and the grid of its file."""
    case = Preparation(folder.spatial_dims, **settings)(folder.load(record))
    if case["image"].ndim == 4 and folder.spatial_dims == 2:
        batch = collate(slices(record, case))
        units = batch["image"] * batch["scale"][:, :, None, None] + batch["offset"][:, :, None, None]
        return restore(units.permute(1, 2, 3, 0).numpy(), case)
    row = plain({key: torch.from_numpy(np.array(value)) for key, value in case.items()})
    return restore((row["image"] * row["scale"] + row["offset"]).numpy(), case)


@pytest.mark.parametrize("intensity", ["zscore", "percentile", "range", "none", (-160.0, 240.0)])
@pytest.mark.parametrize("spatial_dims", [2, 3])
@pytest.mark.parametrize("dtype", [np.int16, np.uint16, np.float32])
def test_volumes_come_back(tmp_path, volume, dtype, spatial_dims, intensity):
    low, high = {np.int16: (-1024, 3071), np.uint16: (0, 65535), np.float32: (-1000, 3000)}[dtype]
    values = np.random.default_rng(0).uniform(low, high, (6, 7, 8)).astype(dtype)
    written = volume("v.nii.gz", values, oblique())
    folder = Folder(root=str(tmp_path), image="*.nii.gz", spatial_dims=spatial_dims)
    (record,) = folder.records()
    unit = 1 if dtype is not np.float32 else 0.002
    assert np.abs(back(folder, record, intensity=intensity)[0] - written.astype(np.float64)).max() < unit / 2


def test_colour_pictures_come_back(tmp_path, picture):
    written = picture("a.png", shape=(20, 16, 3))
    folder = Folder(root=str(tmp_path), image="*.png", channels=3)
    (record,) = folder.records()
    assert np.abs(back(folder, record) - np.moveaxis(written, -1, 0)).max() < 0.5


@pytest.mark.parametrize("name", ["deep.png", "deep.tif"])
def test_sixteen_bits_stay_sixteen(tmp_path, picture, name):
    values = np.random.default_rng(0).integers(0, 65536, (20, 16)).astype(np.uint16)
    picture(name, values)
    folder = Folder(root=str(tmp_path), image="*")
    (record,) = folder.records()
    assert np.abs(back(folder, record)[0] - values).max() < 0.5


def test_resampling_does_not_round(tmp_path, volume):
    """Small integers between two others, on a grid of the same shape shifted by half a voxel."""
    volume("v.nii", np.arange(10, dtype=np.uint8).reshape(10, 1, 1).repeat(4, 1).repeat(4, 2))
    folder = Folder(root=str(tmp_path), image="v.nii", spatial_dims=3, size=9)
    case = Preparation(3, "none", None, size=(9, 4, 4), resize="stretch")(folder.load(folder.records()[0]))
    assert (case["image"] != case["image"].round()).mean() > 0.5


def test_float_tiffs_and_stacks_keep_their_values(tmp_path):
    tifffile = pytest.importorskip("tifffile")
    stack = np.random.default_rng(0).standard_normal((4, 5, 6)).astype(np.float32) * 1e4
    tifffile.imwrite(tmp_path / "stack.tif", stack, photometric="minisblack")
    array, grid = read(tmp_path / "stack.tif")
    assert np.array_equal(array[0], stack.transpose(1, 2, 0)) and grid.shape == (5, 6, 4)


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_dicom_series_come_back_in_hounsfield_units(tmp_path, series, compressed, spatial_dims):
    written, affine = series("study/one", compressed=compressed)
    source = Dicom(root=str(tmp_path), spatial_dims=spatial_dims)
    (record,) = source.records()
    case = source.load(record)
    assert np.array_equal(case["image"][0], written)
    assert np.allclose(case["affine"], affine)
    assert np.abs(back(source, record)[0] - written).max() < 0.5


def test_jpeg2000_series_are_read(tmp_path, series):
    """Through pydicom's handlers; the encoder is pylibjpeg's own, the truth is what went in."""
    pytest.importorskip("openjpeg")
    import pydicom
    from pydicom.uid import JPEG2000Lossless

    written, _ = series("one")
    for path in (tmp_path / "one").iterdir():
        file = pydicom.dcmread(path)
        file.compress(JPEG2000Lossless)
        file.save_as(path)
    source = Dicom(root=str(tmp_path))
    assert np.array_equal(source.load(source.records()[0])["image"][0], written)


def test_dicom_patients_stay_nameless_and_apart(tmp_path, series):
    series("a", person="Jane^Doe")
    series("b", person="Jane^Doe")
    series("c", person="John^Roe")
    records = Dicom(root=str(tmp_path)).records()
    assert len({record.subject for record in records}) == 2 and len({record.case for record in records}) == 3
    assert not any("Doe" in record.case + record.subject for record in records)


@pytest.mark.parametrize("fault", ["missing", "twice", "position", "truncated"])
def test_broken_series_are_named(tmp_path, series, fault):
    series("one", depth=6, **({"ImagePositionPatient": None} if fault == "position" else {}))
    source = Dicom(root=str(tmp_path))
    (record,) = source.records()
    paths = (
        sorted(source.paths(record, "image"), key=_height)
        if fault != "position"
        else source.paths(record, "image")
    )
    if fault == "missing":
        record.content["image"].remove(paths[2].relative_to(tmp_path).as_posix())
    if fault == "twice":
        paths[2].write_bytes(paths[3].read_bytes())
    if fault == "truncated":
        paths[2].write_bytes(paths[2].read_bytes()[:-60])
    with pytest.raises(ReadError, match=r"^patient-[0-9a-f]{32}_series-[0-9a-f]{32}: (?!.*\bone\b)"):
        source.load(record)


def _height(path) -> float:
    import pydicom

    return float(pydicom.dcmread(path, stop_before_pixels=True).ImagePositionPatient[2])


@FILES
@given(data=st.data())
def test_any_nifti_comes_back_or_is_refused(tmp_path, data):
    """Random shapes, types, spacings and values, among them NaN and constants."""
    dtype = data.draw(st.sampled_from([np.uint8, np.int16, np.uint16, np.int32, np.float32]))
    shape = data.draw(st.tuples(*[st.integers(1, 6)] * data.draw(st.sampled_from([2, 3, 4]))))
    width = {"width": 32} if dtype is np.float32 else {}
    bound = {"min_value": -(2.0**40), "max_value": 2.0**40} if width else {}
    values = data.draw(hnp.arrays(dtype, shape, elements=hnp.from_dtype(np.dtype(dtype), **bound)))
    spacing = data.draw(st.tuples(*[st.floats(0.05, 20)] * 3))
    nibabel.save(nibabel.Nifti1Image(values, oblique(spacing)), tmp_path / "v.nii")
    channels = shape[3] if len(shape) == 4 else 1
    folder = Folder(root=str(tmp_path), image="v.nii", spatial_dims=3, channels=channels)
    (record,) = folder.records()
    case = folder.load(record)
    expected = np.moveaxis(values, -1, 0) if len(shape) == 4 else values[None]
    expected = expected[..., None] if len(shape) == 2 else expected  # a plane is a volume of one slice
    assert np.array_equal(case["image"], expected, equal_nan=True)
    assert np.allclose(case["spacing"], spacing, rtol=1e-4)
    spread = float(np.ptp(values.astype(np.float64))) + float(np.abs(values.astype(np.float64)).max())
    least = np.finfo(np.float32).tiny  # numbers below it lose digits by being scaled
    assert np.abs(back(folder, record) - expected.astype(np.float64)).max() <= 1e-6 * spread + least


@FILES
@given(
    name=st.sampled_from(["a.png", "a.jpg", "a.tif", "a.nii.gz", "a.nii", "a.npy"]),
    cut=st.floats(0, 1),
    noise=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=4),
)
def test_damage_gives_an_error_that_names_the_file_or_an_image(tmp_path, name, cut, noise):
    path, values = tmp_path / name, np.random.default_rng(0).integers(0, 255, (12, 10)).astype(np.uint8)
    if ".nii" in name:
        nibabel.save(nibabel.Nifti1Image(values[..., None], np.eye(4)), path)
    elif name.endswith(".npy"):
        np.save(path, values)
    else:
        Image.fromarray(values).save(path)
    content = bytearray(path.read_bytes())
    for place, value in noise:
        content[int(place * (len(content) - 1))] = value
    path.write_bytes(content[: int(cut * len(content)) + 1])
    try:
        array, grid = read(path)
    except ReadError as error:
        assert name in str(error)
    else:
        assert array.shape[1:] == grid.shape and array.size and np.isfinite(grid.affine).all()


def test_truncated_volumes_never_pass(tmp_path, volume):
    volume("v.nii.gz", np.random.default_rng(0).integers(0, 999, (30, 30, 30)).astype(np.int16))
    whole = (tmp_path / "v.nii.gz").read_bytes()
    for share in (0.1, 0.5, 0.9, 0.999):
        (tmp_path / "v.nii.gz").write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(ReadError, match=r"v\.nii\.gz: cannot be read"):
            read(tmp_path / "v.nii.gz")


def test_what_is_not_there_is_named(tmp_path):
    with pytest.raises(ReadError, match=r"gone\.png: is not there"):
        read(tmp_path / "gone.png")


def test_slices_need_volumes_and_volumes_need_volumes(tmp_path, picture):
    for name in "abcdef":
        picture(f"{name}.png")
    data = DataModule(Folder(root=str(tmp_path), image="*.png", spatial_dims=3), batch_size=2)
    with pytest.raises(UserError, match=r"a\.png.*data\.spatial_dims=2"):
        data.setup()


@pytest.mark.parametrize(
    "name",
    [
        "a.png",
        "a.PNG",
        "a",
        ".hidden",
        ".a.png",
        "a.",
        "..",
        "a.b.c",
        "a.nii.gz",
        "a.gz",
        "d.x/a",
        "d.x/a.tif",
        "",
    ],
)
def test_endings_are_those_of_pathlib(name):
    expected = ".nii.gz" if name == "a.nii.gz" else Path(name).suffix.lower()
    assert suffix(name) == suffix(Path(name)) == expected


def gz_cases(content: bytes) -> dict[str, bytes]:
    packed = gzip.compress(content, 6)
    half = len(content) // 2
    flipped = bytearray(packed)
    flipped[len(packed) // 2] ^= 255
    return {
        "whole": packed,
        "two members": gzip.compress(content[:half]) + gzip.compress(content[half:]),
        "zeros behind": packed + bytes(512),
        "cut": packed[: len(packed) // 2],
        "second member cut": gzip.compress(content[:half]) + gzip.compress(content[half:])[:-200],
        "one byte wrong": bytes(flipped),
        "no stream": packed[:11] + bytes([255]) * 400,
    }


@pytest.mark.parametrize("name", ["scan.nii.gz", "scan.mgz", "scan.nii", "scan.img.gz"])
def test_gzip_by_isal_gives_what_zlib_gives_or_one_line(tmp_path, name):
    voxels = np.random.default_rng(0).integers(-500, 500, (12, 10, 8), dtype=np.int16)
    kind = nibabel.MGHImage if name.endswith("mgz") else nibabel.Nifti1Image
    if name.endswith("img.gz"):
        kind = nibabel.Nifti1Pair
    nibabel.save(kind(voxels, np.diag([1.0, 2, 3, 1])), tmp_path / name)
    path = tmp_path / name
    content = path.read_bytes()
    content = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    for what, blob in gz_cases(content).items():
        path.write_bytes(blob)
        try:
            plain = gzip.decompress(blob) == content
        except Exception:
            plain = False
        if plain:
            assert (read(path)[0] == voxels[None]).all(), what
        else:
            with pytest.raises(ReadError, match=str(path)):
                read(path)


def test_packed_files_are_gzip_of_no_date():
    content = np.arange(5000, dtype=np.int32).tobytes()
    assert gzip.decompress(packed(content)) == content
    assert packed(content)[4:8] == bytes(4)
