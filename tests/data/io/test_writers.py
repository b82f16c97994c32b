"""A prediction in the format of its input: read again by our door, and by the libraries of each format."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
import tifffile
from PIL import Image

from ganatomy.data.io.readers import read, read_label
from ganatomy.data.io.writers import original, returned
from ganatomy.data.records import Record
from tests.data.formats.page import FAMILIES, One, opened
from tests.data.formats.rows import CLASSES, OBLIQUE, VOLUME, Row

READABLE = [
    (family, row)
    for family, rows in FAMILIES.items()
    for row in rows
    if family != "DICOM" and not isinstance(row.right, str)
]
TURNED = np.diag([2.0, 3.0, 4.0, 1.0])
TURNED[:3, :3] = [[1.6, -1.8, 0], [1.2, 2.4, 0], [0, 0, 4]]
SOURCE = {"spatial_dims": 3}


def given_back(
    path: Path,
    values: np.ndarray | None = None,
    dtype: type | None = None,
    place: np.ndarray | None = None,
    **how,
) -> Path:
    """What the identity, or other values, of a file's case are written as, beside it."""
    like = original(One(path, **how), Record("a", "a"))
    if values is None:
        values = read(path, how.get("axes"), how.get("spatial_dims"))[0].astype(float)
    like = like.holding(np.dtype(dtype)) if dtype else like
    affine = read(path, how.get("axes"), how.get("spatial_dims"))[1].affine if place is None else place
    ending, content = returned(values, affine, like)
    assert returned(values, affine, like)[1] == content, "the same bytes each time"
    out = path.with_name(f"result{ending}")
    out.write_bytes(content)
    return out


@pytest.mark.parametrize(
    ("family", "row"), READABLE, ids=[f"{family}: {row.form}" for family, row in READABLE]
)
def test_the_identity_gives_the_file_back(tmp_path, family: str, row: Row):
    """Numbers, type, grid and colours; label maps as integers."""
    path = row.write(tmp_path)
    array, grid = opened(row, path)
    how = {
        "axes": row.axes,
        "spatial_dims": row.dims or (3 if array.ndim == 4 else 2),
        "channels": len(array),
    }
    dtype = np.dtype(f"u{array.dtype.itemsize}").type if row.label and array.dtype.kind == "f" else None
    out = given_back(
        path, array.astype(float), dtype or (array.dtype.type if row.label else None), grid.affine, **how
    )
    if row.label:
        again, place = read_label(out, row.values, row.axes, row.dims)
        assert again.dtype.kind in "iu"
    else:
        again, place = read(out, row.axes, row.dims)
        assert again.dtype == array.dtype and place.colour == grid.colour
    assert np.array_equal(again, array) and np.array_equal(place.affine, grid.affine)


def oblique(
    path: Path, shape: tuple[int, ...] = (5, 7, 6), kind: type = nibabel.Nifti1Image, endian: str = "<"
) -> Path:
    """An int16 NIfTI with a slope, both codes and a name in its header."""
    header = (nibabel.Nifti2Header if kind is nibabel.Nifti2Image else nibabel.Nifti1Header)(
        endianness=endian
    )
    numbers = np.random.default_rng(0).integers(-3000, 3000, shape).astype(np.int16)
    image = kind(numbers, None, header, dtype=np.int16)
    image.set_sform(OBLIQUE, 1)
    image.set_qform(TURNED, 2)
    image.header["pixdim"][4] = 1.7
    image.header.set_xyzt_units("mm", "sec")
    image.header["descrip"] = b"Doe^Jane"
    image.header.set_slope_inter(0.25, -100.5)
    path.write_bytes(image.to_bytes())
    return path


@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
@pytest.mark.parametrize("endian", ["<", ">"])
@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 1), (5, 7, 6), (5, 7, 6, 1), (5, 7, 6, 3), (5, 7, 6, 1, 3)])
def test_a_nifti_keeps_header_shape_and_numbers_as_nibabel_reads_them(tmp_path, kind, endian, shape):
    path = oblique(tmp_path / "scan.nii", shape, kind, endian)
    out = given_back(path, channels=shape[-1] if len(shape) > 3 else 1, **SOURCE)
    assert out.suffix == ".nii"
    before, after = nibabel.load(path), nibabel.load(out)
    assert type(after) is kind and after.shape == shape and after.header.endianness == endian
    assert after.get_data_dtype().newbyteorder("=") == np.int16
    raw = [np.asarray(image.dataobj.get_unscaled()) for image in (before, after)]
    assert np.array_equal(*raw)
    assert (after.dataobj.slope, after.dataobj.inter) == (0.25, -100.5)
    for key in ("pixdim", "qform_code", "sform_code", "srow_x", "quatern_d", "qoffset_x", "xyzt_units"):
        assert np.array_equal(before.header[key], after.header[key]), key
    assert b"Doe" not in out.read_bytes()


def test_a_nifti_takes_other_numbers_of_channels_and_types(tmp_path):
    """A label map and a float map of a 4D image, on its grid; a compressed file stays compressed."""
    path = tmp_path / "scan.nii.gz"
    nibabel.save(nibabel.load(oblique(tmp_path / "scan.nii", (5, 7, 6, 3))), path)
    (tmp_path / "scan.nii").unlink()
    label = np.arange(210).reshape(1, 5, 7, 6) % 3
    image = nibabel.load(given_back(path, label, np.uint8, channels=3, **SOURCE))
    assert image.shape == (5, 7, 6) and image.get_data_dtype() == np.uint8
    assert np.array_equal(np.asarray(image.dataobj), label[0])
    out = given_back(path, label / 7, np.float32, channels=3, **SOURCE)
    assert out.name.endswith(".nii.gz") and nibabel.load(out).get_data_dtype() == np.float32
    assert np.allclose(nibabel.load(out).affine, OBLIQUE)


@pytest.mark.parametrize("ending", [".mha", ".mhd", ".nrrd", ".nhdr"])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("dims", [2, 3, 4])
def test_metaimage_and_nrrd_keep_all_that_simpleitk_reads(tmp_path, ending, packed, dims):
    numbers = np.random.default_rng(0).integers(-900, 900, (3, 6, 5, 7)).astype(np.int16)[(0,) * (4 - dims)]
    image = sitk.GetImageFromArray(numbers, isVector=False)
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(min(dims, 3),) * 2))[0]
    direction = np.eye(dims)
    direction[: len(turn), : len(turn)] = turn
    image.SetDirection(direction.reshape(-1).tolist())
    image.SetSpacing([0.7, 1.3, 2.9, 1.5][:dims])
    image.SetOrigin([-12.3, 45.6, 7.8, 0.0][:dims])
    image.SetMetaData("PatientName", "Doe^Jane")
    sitk.WriteImage(image, str(tmp_path / f"scan{ending}"), packed)
    out = given_back(tmp_path / f"scan{ending}", channels=3 if dims == 4 else 1, **SOURCE)
    assert out.suffix == {".mhd": ".mha", ".nhdr": ".nrrd"}.get(ending, ending)
    again = sitk.ReadImage(str(out))
    for get in ("GetSize", "GetPixelID", "GetNumberOfComponentsPerPixel", "GetDimension"):
        assert getattr(again, get)() == getattr(image, get)(), get
    for get in ("GetSpacing", "GetOrigin", "GetDirection"):
        before = getattr(sitk.ReadImage(str(tmp_path / f"scan{ending}")), get)()
        assert getattr(again, get)() == before, get
    assert np.array_equal(sitk.GetArrayFromImage(again), numbers)
    assert b"Doe" not in out.read_bytes()


def test_vectors_and_a_label_map_of_a_metaimage(tmp_path):
    vectors = np.random.default_rng(0).random((6, 5, 7, 3)).astype(np.float64)
    image = sitk.GetImageFromArray(vectors, isVector=True)
    image.SetSpacing((0.5, 0.6, 0.7))
    sitk.WriteImage(image, str(tmp_path / "scan.mha"))
    again = sitk.ReadImage(str(given_back(tmp_path / "scan.mha", channels=3, **SOURCE)))
    assert again.GetPixelIDTypeAsString() == "vector of 64-bit float" and again.GetSpacing() == (
        0.5,
        0.6,
        0.7,
    )
    assert np.abs(sitk.GetArrayFromImage(again) - vectors).max() < 1e-7  # read as float32
    label = np.arange(210).reshape(1, 7, 5, 6) % 4
    again = sitk.ReadImage(str(given_back(tmp_path / "scan.mha", label, np.uint8, channels=3, **SOURCE)))
    assert again.GetPixelID() == sitk.sitkUInt8 and again.GetSpacing() == (0.5, 0.6, 0.7)
    assert np.array_equal(sitk.GetArrayFromImage(again).transpose(2, 1, 0), label[0])


def test_pictures_keep_depth_colours_and_resolution(tmp_path):
    rng = np.random.default_rng(0)
    for name, array in {
        "grey8": rng.integers(0, 256, (9, 7)).astype(np.uint8),
        "grey16": rng.integers(0, 65536, (9, 7)).astype(np.uint16),
        "rgb": rng.integers(0, 256, (9, 7, 3)).astype(np.uint8),
    }.items():
        (tmp_path / name).mkdir()
        Image.fromarray(array).save(tmp_path / name / "a.png", dpi=(150, 300))
        with Image.open(given_back(tmp_path / name / "a.png", channels=3 if array.ndim == 3 else 1)) as out:
            assert out.format == "PNG" and np.array_equal(np.array(out), array)
            assert np.allclose(out.info["dpi"], (150, 300), atol=0.02)
            assert np.array(out).dtype == array.dtype


def test_a_jpeg_comes_back_without_loss_and_says_why(tmp_path):
    array = np.random.default_rng(0).integers(0, 256, (16, 24, 3)).astype(np.uint8)
    Image.fromarray(array).save(tmp_path / "a.jpg", quality=80)
    like = original(One(tmp_path / "a.jpg"), Record("a", "a"))
    assert like.form.note.startswith("JPEG loses detail: written as PNG")
    out = given_back(tmp_path / "a.jpg", channels=3)
    with Image.open(out) as png, Image.open(tmp_path / "a.jpg") as jpeg:
        assert png.format == "PNG" and np.array_equal(np.array(png), np.array(jpeg.convert("RGB")))


def test_pages_of_a_tiff_stay_pages(tmp_path):
    tifffile.imwrite(
        tmp_path / "a.tif", np.moveaxis(VOLUME, -1, 0), photometric="minisblack", byteorder=">",
        resolution=(250.0, 125.0), resolutionunit="CENTIMETER", compression="zlib",
    )  # fmt: skip
    back = given_back(tmp_path / "a.tif", **SOURCE)
    assert back.suffix == ".tif"
    with tifffile.TiffFile(back) as out:
        assert np.array_equal(out.asarray(), np.moveaxis(VOLUME, -1, 0)) and out.byteorder == ">"
        tags = out.pages[0].tags
        assert tags["XResolution"].value == (250, 1) and int(tags["ResolutionUnit"].value) == 3


def test_bare_arrays_keep_axes_names_and_byte_order(tmp_path):
    numbers = np.random.default_rng(0).integers(-900, 900, (6, 5, 7)).astype(">i2")
    np.save(tmp_path / "a.npy", numbers)
    again = np.load(given_back(tmp_path / "a.npy", axes="DHW", **SOURCE))
    assert again.dtype == np.dtype(">i2") and np.array_equal(again, numbers)
    (tmp_path / "b").mkdir()
    np.savez(tmp_path / "b/a.npz", scan=numbers)
    with np.load(given_back(tmp_path / "b/a.npz", axes="DHW", **SOURCE)) as again:
        assert again.files == ["scan"] and np.array_equal(again["scan"], numbers)


def test_a_label_map_beside_a_picture_is_a_png_of_class_numbers(tmp_path):
    Image.fromarray(np.zeros(CLASSES.shape, np.uint16)).save(tmp_path / "a.png")
    out = given_back(tmp_path / "a.png", CLASSES[None].astype(int), np.uint8)
    with Image.open(out) as image:
        assert image.mode == "L" and np.array_equal(np.array(image), CLASSES)


def test_numbers_are_rounded_and_clipped_to_the_type(tmp_path):
    Image.fromarray(np.zeros((2, 3), np.uint8)).save(tmp_path / "a.png")
    out = given_back(tmp_path / "a.png", np.array([[[-5, 0.4, 0.6], [254.4, 256, 1e9]]]))
    assert np.array_equal(np.array(Image.open(out)), [[0, 0, 1], [254, 255, 255]])


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.mha", "a.nrrd", "a.mgz", "flat.nii", "frames.nii"])
def test_a_finer_grid_is_written_where_it_lies(tmp_path, name):
    """Of super-resolution: twice the voxels along x, half a voxel off."""
    turn = np.diag([-0.8, 1.5, 2.0, 1.0])
    turn[:3, :3] = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0] @ turn[:3, :3]
    turn[:3, 3] = [5, -6, 7]
    shape = {"flat.nii": (6, 7), "frames.nii": (6, 7, 5, 2)}.get(name, (6, 7, 5))
    array = np.zeros(shape, np.int16)
    if name.endswith((".mha", ".nrrd")):
        image = sitk.GetImageFromArray(array.T)
        lps = np.diag([-1.0, -1, 1, 1]) @ turn
        step = np.linalg.norm(lps[:3, :3], axis=0)
        image.SetSpacing(step.tolist())
        image.SetDirection((lps[:3, :3] / step).reshape(-1).tolist())
        image.SetOrigin(lps[:3, 3].tolist())
        sitk.WriteImage(image, str(tmp_path / name))
    else:
        kind = nibabel.MGHImage if name.endswith("mgz") else nibabel.Nifti1Image
        nibabel.save(kind(array, turn), tmp_path / name)
    fine = read(tmp_path / name)[1].affine @ np.diag([0.5, 1, 1, 1])
    fine[:3, 3] += fine[:3, 0] / 2
    values = np.arange(12 * 7 * (1 if name == "flat.nii" else 5), dtype=float).reshape(1, 12, 7, -1)
    out = given_back(
        tmp_path / name, values, None, fine, channels=shape[3] if len(shape) > 3 else 1, **SOURCE
    )
    again, place = read(out)
    assert np.array_equal(again, values) and np.allclose(place.affine, fine, atol=1e-4)
    assert out.name.endswith(name[name.index(".") :])
