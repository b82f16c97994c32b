"""One pattern in many storage forms: read right, or refused with the reason, never another array.

The table stands in tests/data/formats, a file a format; docs/formats.md is written from it by
`python -m tests.data.formats.page`.
"""

from __future__ import annotations

import sys
from collections import Counter

import nibabel
import numpy as np
import pytest

from ganatomy.data.io.readers import ReadError, parts, read, sifted
from ganatomy.data.io.writers import encoded, original
from ganatomy.data.quality.faults import examined
from ganatomy.data.sources.folder import Folder
from ganatomy.data.transforms.prepare import Preparation, restore
from ganatomy.errors import UserError
from tests.data.formats import itk, png, tiff, volumes
from tests.data.formats.arrays import npy
from tests.data.formats.page import FAMILIES, PAGE, opened, page
from tests.data.formats.rows import CLASSES, COLOUR, DEEP_COLOUR, GREY, OBLIQUE, VOLUME, Row, last

TABLE = [(family, row) for family, rows in FAMILIES.items() for row in rows]


@pytest.mark.parametrize(("family", "row"), TABLE, ids=[f"{family}: {row.form}" for family, row in TABLE])
def test_the_pattern_comes_back_or_the_reason_is_named(tmp_path, family: str, row: Row):
    path = row.write(tmp_path)
    if isinstance(row.right, str):
        with pytest.raises(ReadError) as caught:
            opened(row, path)
        assert row.right in str(caught.value) and str(path) in str(caught.value)
        return
    array, grid = opened(row, path)
    assert array.shape == row.right.shape and array.dtype == row.right.dtype and array.dtype.isnative
    assert np.abs(array.astype(float) - row.right).max() <= row.near
    assert grid.shape == array.shape[1:] and grid.colour == row.colour
    affine = np.eye(4) if row.affine is None and array.ndim == 3 else row.affine
    assert affine is None or np.allclose(grid.affine, affine, atol=1e-5)


def test_the_table_is_long_and_most_of_it_is_read():
    read_right = [row for _, row in TABLE if not isinstance(row.right, str)]
    assert len(TABLE) >= 60 and len(read_right) >= 48
    assert max(Counter((family, row.form) for family, row in TABLE).values()) == 1


def test_the_page_is_what_the_table_gives():
    assert PAGE.read_text() == page(), "write it anew: python -m tests.data.formats.page"


@pytest.mark.parametrize("write", [tiff.tif(tiff.STACK), npy(VOLUME)], ids=["tiff", "npy"])
@pytest.mark.parametrize("orientation", ["PLS", "RAS", None])
@pytest.mark.parametrize("dims", [2, 3])
def test_pages_without_orientation_stay_as_they_are(tmp_path, write, orientation, dims):
    array, grid = read(write(tmp_path))
    case = {"image": array, "affine": grid.affine, "spacing": grid.spacing}
    ready = Preparation(dims, intensity="none", orientation=orientation)(case)
    seen = np.moveaxis(ready["image"], 0, -1) if dims == 2 else ready["image"]  # slices first
    if orientation == "RAS":  # columns run to the right and rows to the front: turned, as was asked
        seen = seen.swapaxes(1, 2)[:, ::-1, ::-1]
    assert np.array_equal(seen[0], VOLUME)
    assert np.array_equal(
        restore(np.moveaxis(ready["image"], 0, -1) if dims == 2 else ready["image"], ready)[0], VOLUME
    )


def test_bytes_and_not_endings_choose_the_reader(tmp_path):
    for name in ("a.png", "b", "c.nii.gz", "d.jfif"):
        (tmp_path / name).write_bytes(tiff.tif(GREY)(tmp_path).read_bytes())
        assert np.array_equal(read(tmp_path / name)[0][0], GREY)


def test_a_folder_takes_each_image_once_and_counts_the_rest(tmp_path):
    volumes.nifti(VOLUME, "a.img", nibabel.Nifti1Pair)(tmp_path)
    itk.itk("b.mhd")(tmp_path)
    for name in ("._a.img", "Thumbs.db", ".DS_Store", "notes.txt", "x.txt"):
        (tmp_path / name).write_bytes(b"?")
    taken, over = sifted(tmp_path.iterdir())
    assert [path.name for path in taken] == ["a.img", "b.mhd"]
    assert over == {".txt": 2, ".raw": 1, "._*": 1, "Thumbs.db": 1, ".DS_Store": 1}
    assert [path.name for path in parts(taken[0])] == ["a.img", "a.hdr"]
    assert [path.name for path in parts(taken[1])] == ["b.mhd", "b.raw"]
    assert [record.case for record in Folder(root=str(tmp_path), image="*", spatial_dims=3).records()] == [
        "a",
        "b",
    ]
    assert len(Folder(root=str(tmp_path), image="*.hdr", spatial_dims=3).records()) == 1


def test_colour_becomes_grey_and_frames_do_not(tmp_path):
    """Three echoes are no red, green and blue; weights of luminance by ITU-R BT.601."""
    tiff.tif(last(COLOUR), photometric="rgb")(tmp_path)
    folder = Folder(root=str(tmp_path), image="a.tif")
    grey = folder.load(folder.records()[0])["image"][0]
    assert np.allclose(grey, 0.299 * COLOUR[0] + 0.587 * COLOUR[1] + 0.114 * COLOUR[2], atol=1e-3)
    volumes.nifti(volumes.FRAMES)(tmp_path)
    folder = Folder(root=str(tmp_path), image="a.nii.gz", spatial_dims=3)
    with pytest.raises(ReadError, match=r"a\.nii\.gz: has 3 channels that are not colours.*data\.channels=3"):
        folder.load(folder.records()[0])


def test_labels_are_read_by_what_they_may_hold(tmp_path):
    """Ids of an atlas that float32 cannot tell apart, and classes in a palette."""
    ids = [0, 312782546, 312782550]
    atlas = np.array(ids, float)[np.arange(210).reshape(5, 7, 6) % 3]
    (tmp_path / "labels").mkdir()
    volumes.nifti(atlas)(tmp_path / "labels")
    volumes.nifti(VOLUME)(tmp_path)
    settings = {"root": str(tmp_path), "label": "labels/{name}", "classes": ["bg", "one", "other"]}
    folder = Folder(image="a.nii.gz", label_values=ids, spatial_dims=3, **settings)
    assert np.array_equal(folder.load(folder.records()[0])["label"][0], np.arange(210).reshape(5, 7, 6) % 3)
    png.of(CLASSES % 3, kind=3, **png.PALETTE)(tmp_path / "labels")
    png.of(GREY)(tmp_path)
    folder = Folder(image="a.png", **settings)
    assert np.array_equal(folder.load(folder.records()[0])["label"][0], CLASSES % 3)


def test_ids_above_16_bits_do_not_wrap(tmp_path):
    (tmp_path / "labels").mkdir()
    volumes.nifti(VOLUME.astype(np.int32) + 65536)(tmp_path / "labels")
    volumes.nifti(VOLUME)(tmp_path)
    ids = np.unique(VOLUME.astype(np.int64) + 65536)
    names = [str(number) for number in ids]
    folder = Folder(
        root=str(tmp_path),
        image="a.nii.gz",
        label="labels/{name}",
        spatial_dims=3,
        classes=names,
        label_values=ids.tolist(),
    )
    label = folder.load(folder.records()[0])["label"][0]
    assert np.array_equal(ids[label], VOLUME.astype(np.int64) + 65536)


@pytest.mark.parametrize("package", ["imagecodecs", "tifffile", "SimpleITK"])
def test_a_package_that_is_not_there_is_named(tmp_path, monkeypatch, package):
    """In place of "replace the file": nothing is wrong with it."""
    paths = {
        "imagecodecs": png.of(DEEP_COLOUR, depth=16)(tmp_path),
        "tifffile": tiff.tif(GREY)(tmp_path),
        "SimpleITK": itk.itk("a.mha")(tmp_path),
    }
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UserError, match=rf'a\..* needs {package}: pip install "ganatomy\[data\]"'):
        read(paths[package])


def test_what_a_header_leaves_open_is_noted_of_its_case(tmp_path):
    """A voxel size of 0, and an sform far from the qform of the same code."""
    image = nibabel.Nifti1Image(VOLUME, np.eye(4))
    image.set_sform(np.eye(4), 1)
    image.set_qform(np.diag([-2.0, -2, 2, 1]), 1)
    nibabel.save(image, tmp_path / "two.nii")
    content = bytearray((tmp_path / "two.nii").read_bytes())
    content[80:84] = bytes(4)
    (tmp_path / "none.nii").write_bytes(content)
    assert np.array_equal(read(tmp_path / "two.nii")[1].affine, np.eye(4))
    source = Folder(root=str(tmp_path), image="*.nii", spatial_dims=3)
    told = {r.case: [f.words for f in examined(r, source)[1] if not f.grave] for r in source.records()}
    assert told["two"][0].startswith(f"{tmp_path / 'two.nii'}: sform and qform differ")
    assert told["none"][0].startswith(f"{tmp_path / 'none.nii'}: pixdim[1,2,3] should be non-zero")


def test_predictions_go_back_to_files_under_other_names(tmp_path):
    """Type, scaling and geometry of a compressed volume that is called .nii."""
    volumes.renamed("a.nii.gz", "a.nii")(tmp_path)
    folder = Folder(root=str(tmp_path), image="a.nii", spatial_dims=3)
    (record,) = folder.records()
    ending, content = encoded(VOLUME[None].astype(float), np.eye(4), original(folder, record))
    (tmp_path / f"b{ending}").write_bytes(content)
    array, grid = read(tmp_path / f"b{ending}")
    assert np.array_equal(array[0], VOLUME) and array.dtype == np.int16
    assert np.allclose(grid.affine, OBLIQUE)


def test_predictions_of_pages_lie_where_the_pages_lie(tmp_path):
    tiff.tif(tiff.STACK)(tmp_path)
    folder = Folder(root=str(tmp_path), image="a.tif", spatial_dims=3)
    (record,) = folder.records()
    case = folder.load(record)
    ending, content = encoded(case["image"].astype(float), case["affine"], original(folder, record))
    (tmp_path / f"b{ending}").write_bytes(content)
    array, grid = read(tmp_path / f"b{ending}")
    assert np.array_equal(array[0], VOLUME) and np.array_equal(grid.affine, case["affine"])


def test_axes_that_are_none_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"data\.axes=XYZ: give an order of H, W"):
        read(npy(VOLUME)(tmp_path), "XYZ")


def test_axes_are_part_of_what_a_case_is(tmp_path):
    npy(last(COLOUR))(tmp_path)
    told = []
    for axes in (None, "HWC"):
        folder = Folder(root=str(tmp_path), image="a.npy", channels=3, axes=axes)
        told.append(folder.content(folder.records()[0]))
    assert told[0] != told[1] and told[0].endswith("(3, None, False)")
