"""Masks that lossy compression, interpolation or anti-aliased colours have blurred are refused."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import zoom

from ganatomy.data.io.readers import ReadError
from ganatomy.data.label_values import thin
from ganatomy.data.quality.faults import examined
from ganatomy.data.sources.files.masks import class_numbers
from ganatomy.data.sources.folder import Folder

EDGES = r"lie on edges alone, as lossy compression \(JPEG\), interpolation or anti-aliased colours leave them"
PALETTE = [0, 0, 0, 255, 0, 0, 0, 255, 0] + 759 * [0]


def discs(values: tuple[int, ...] = (1, 2)) -> np.ndarray:
    """Two discs [96,96] of the first value, with one of the second in each."""
    y, x = np.mgrid[:96, :96]
    label = np.zeros((96, 96), np.uint8)
    for centre in (28, 68):
        for value, radius in zip(values, (18, 9), strict=True):
            label[(y - centre) ** 2 + (x - centre) ** 2 < radius**2] = value
    return label


def through_jpeg(label: np.ndarray) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(label).save(file, "JPEG", quality=85)
    return np.asarray(Image.open(file))


def enlarged(label: np.ndarray) -> np.ndarray:
    return zoom(label.astype(float), 2, order=1).round().astype(np.uint8)


def anti_aliased(label: np.ndarray) -> Image.Image:
    """The picture of a label map in colours, enlarged and saved with a palette of its own."""
    colours = np.array(PALETTE[:9], np.uint8).reshape(3, 3)[label]
    return Image.fromarray(colours).resize((192, 192), Image.Resampling.BILINEAR).quantize(64)


def saved(root: Path, mask: Any, ending: str = "png") -> Folder:
    """A data set of one image and the mask, of two classes."""
    for name in ("images", "masks"):
        (root / name).mkdir()
    mask = mask if isinstance(mask, Image.Image) else Image.fromarray(mask)
    mask.save(root / f"masks/1.{ending}")
    shade = np.random.default_rng(0).integers(0, 256, mask.size[::-1], np.uint8)
    Image.fromarray(shade).save(root / "images/1.png")
    return Folder(root=str(root), label="masks/{stem}.*", classes=["background", "organ", "lesion"])


def load(source: Folder) -> np.ndarray:
    label: np.ndarray = source.load(source.records()[0])["label"]
    return label


@pytest.mark.parametrize("given", [None, [0, 100, 200]])
@pytest.mark.parametrize("blur", [through_jpeg, enlarged])
def test_values_between_those_of_the_classes_are_described(
    tmp_path: Path, blur: Callable[[np.ndarray], np.ndarray], given: list[int] | None
) -> None:
    source = saved(tmp_path, blur(discs((100, 200))))
    source.label_values = given
    words = rf"masks/1\.png: label value \d+.* {EDGES}: make the mask again .*\(PNG, NIfTI\)$"
    with pytest.raises(ReadError, match=words):
        load(source)


def test_colours_of_anti_aliased_outlines_are_described(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match=rf"masks/1\.png: label value \d+, but data\.classes .*{EDGES}"):
        load(saved(tmp_path, anti_aliased(discs())))
    sharp = Image.fromarray(discs(), "P")
    sharp.putpalette(PALETTE)
    (tmp_path / "sharp").mkdir()
    assert np.array_equal(load(saved(tmp_path / "sharp", sharp))[0], discs())


def test_fractions_are_described_by_their_cause() -> None:
    smooth = zoom(discs().astype(np.float32), 1.7, order=1)[None]
    with pytest.raises(ReadError, match=rf"a\.nii: label values are not whole numbers .*{EDGES}"):
        class_numbers(smooth, Path("a.nii"), range(3))
    scaled = discs().astype(np.float32)[None] * 1.004  # one wrong value for each class
    with pytest.raises(ReadError, match=r"not whole numbers \(1\.004\); if a scale factor caused this"):
        class_numbers(scaled, Path("a.nii"), range(3))


def test_a_value_that_has_no_class_is_no_blur(tmp_path: Path) -> None:
    """Thick values, and a thin one alone, are named; so is the setting that reads them all."""
    for values, words in (
        ((1, 7), r"masks/1\.png: label value 7, but data\.classes names .*; data\.label_values=\[0,1,7\]"),
        ((60, 120), r"label value 60, .*; data\.label_values=\[0,60,120\] gives its values in the order of"),
    ):
        root = tmp_path / str(values)
        root.mkdir()
        with pytest.raises(ReadError, match=words):
            load(saved(root, discs(values)))
    line = discs()
    line[50] = 9
    with pytest.raises(ReadError, match=r"label value 9, .*; correct the mask, data\.classes or data\.la"):
        class_numbers(line[None], Path("a.png"), range(3))


@pytest.mark.parametrize("given, kept", [([0, 255], True), (None, False), ([0, 1], False)])
def test_jpeg_is_read_only_where_a_blur_would_show(tmp_path: Path, given: Any, kept: bool) -> None:
    """Values of classes that are close together may have become one another: nothing would tell."""
    source = saved(tmp_path, np.zeros((96, 96), np.uint8), "jpg")
    source.classes, source.label_values = ["background", "lesion"], given
    if kept:
        assert not load(source).any()
        return
    with pytest.raises(ReadError, match=r"masks/1\.jpg: numbers of classes or objects, which may have"):
        load(source)


@pytest.mark.parametrize("template", [False, True], ids=["values", "maps"])
def test_numbers_of_objects_that_a_blur_made_are_refused(tmp_path: Path, template: bool) -> None:
    def source(mask: np.ndarray, name: str) -> Folder:
        root = tmp_path / name
        root.mkdir()
        saved(root, mask)
        if template:
            return Folder(root=str(root), box_classes=["cell"], instances="masks/{name}")
        cells: dict[str, Any] = {"classes": ["background", "cell"], "boxes_from_label": True}
        return Folder(root=str(root), label="masks/{name}", instances="values", box_classes=["cell"], **cells)

    sharp = source(discs((40, 90)), "sharp")
    assert len(sharp.load(sharp.records()[0])["boxes"]) == 2
    smooth = source(enlarged(discs((40, 90))), "smooth")
    with pytest.raises(ReadError, match=rf"masks/1\.png: \d+ of its numbers, such as \d+, {EDGES}"):
        smooth.load(smooth.records()[0])


def test_classes_that_only_lie_between_others_are_noted(tmp_path: Path) -> None:
    """Interpolated numbers are classes too, where there are enough of them; thin layers in order are few."""
    names = [f"c{number}" for number in range(21)]
    for made, noted in ((enlarged(discs((10, 20))), True), (discs((10, 20)), False)):
        root = tmp_path / str(noted)
        root.mkdir()
        source = saved(root, made)
        source.classes = names
        _, found = examined(source.records()[0], source)
        words = [fault.words for fault in found if fault.kind == "edges"]
        assert bool(words) is noted and all("were masks resampled" in line for line in words)


def test_thin_values_are_those_without_an_inside() -> None:
    """By hand: a column of 5 between 0 and 9 is thin and between, one of 7 beside 9 alone is thin."""
    label = np.repeat(np.array([[0, 0, 0, 5, 9, 9, 9, 7]]), 4, 0)[None]
    assert thin(label).tolist() == [5, 7] and thin(label, between=True).tolist() == [5]
    assert thin(np.zeros((1, 3, 3, 3), np.uint8)).tolist() == []
