"""MetaImage and NRRD, as SimpleITK and hands write them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from tests.data.formats.rows import COLOUR, VOLUME, Row, written
from tests.data.formats.volumes import FRAMES, first

DIRECTION = np.array([[0.0, 0, 1], [1, 0, 0], [0, -1, 0]])
SPACING, ORIGIN = np.array([0.5, 2, 3]), np.array([-7.0, 11, 13])
LPS = np.eye(4)
LPS[:3] = np.c_[DIRECTION * SPACING, ORIGIN]
RAS = np.diag([-1.0, -1, 1, 1]) @ LPS
"""Of what `itk` writes: NIfTI's axes are ITK's with the first two turned about."""
FIELDS = {"space": "left-posterior-superior", "directions": "(2,0,0) (0,3,0) (0,0,4)", "origin": "(10,20,30)"}


def itk(
    name: str, array: np.ndarray = VOLUME, vectors: bool = False, compressed: bool = False
) -> Callable[[Path], Path]:
    """By SimpleITK: [x,y,z] or, with `vectors`, [x,y,z,C]."""

    def save(path: Path) -> None:
        axes = array.ndim - vectors
        order = (*range(axes)[::-1], axes)[: array.ndim]
        image = sitk.GetImageFromArray(np.ascontiguousarray(array.transpose(order)), isVector=vectors)
        if axes == 3:
            image.SetDirection(DIRECTION.ravel())
            image.SetSpacing(SPACING)
            image.SetOrigin(ORIGIN)
        sitk.WriteImage(image, str(path), compressed)

    return written(name, save)


def nrrd(
    space: str | None, directions: str = "(2,0,0) (0,3,0) (0,0,4)", more: str = "", data: bytes | None = None
) -> Callable[[Path], Path]:
    """By hand, from the definition of the format (teem.sourceforge.net/nrrd/format.html)."""
    head = "NRRD0005\ntype: int16\ndimension: 3\nsizes: 5 7 6\nencoding: raw\nendian: little\n"
    if space:
        head += f"space: {space}\nspace directions: {directions}\nspace origin: (10,20,30)\n"
    content = f"{head}{more}\n".encode() + (VOLUME.astype("<i2").tobytes("F") if data is None else data)
    return written("a.nrrd", lambda path: path.write_bytes(content))


def kinds(order: str, array: np.ndarray) -> Callable[[Path], Path]:
    sizes = " ".join(map(str, array.shape))
    head = f"NRRD0005\ntype: uint8\ndimension: 3\nsizes: {sizes}\nencoding: raw\nkinds: {order}\n\n"
    return written("a.nrrd", lambda path: path.write_bytes(head.encode() + array.tobytes("F")))


def without_voxels(name: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        path = itk(name)(folder)
        for other in folder.glob("*raw*"):
            other.unlink()
        return path

    return write


def renamed(name: str, other: str) -> Callable[[Path], Path]:
    return lambda folder: itk(name)(folder).rename(folder / other)


def meta(more: str) -> Callable[[Path], Path]:
    """By hand: MetaIO's keys, which ITK reads but in part."""
    head = "NDims = 3\nDimSize = 5 7 6\nElementSpacing = 2 3 4\nOffset = 10 20 30\n"
    content = f"{head}{more}ElementType = MET_SHORT\nElementDataFile = LOCAL\n".encode() + VOLUME.astype(
        "<i2"
    ).tobytes("F")
    return written("a.mha", lambda path: path.write_bytes(content))


def placed(signs: tuple[int, int, int], step: float = 1) -> np.ndarray:
    """RAS affine of the hand-written ones, by the sign of each axis."""
    steps = np.diag([2.0, 3, 4, 1]) * step
    steps[:3, 3], steps[3, 3] = np.array([10.0, 20, 30]) * step, 1
    return np.diag([*signs, 1.0]) @ steps


ROWS = (
    Row("MetaImage, .mha", itk("a.mha"), VOLUME[None], affine=RAS),
    Row("MetaImage, compressed", itk("a.mha", compressed=True), VOLUME[None], affine=RAS),
    Row("MetaImage, .mhd and .raw", itk("a.mhd"), VOLUME[None], affine=RAS),
    Row("MetaImage, named .png", renamed("a.mha", "a.png"), VOLUME[None], affine=RAS),
    Row("MetaImage, vectors", itk("a.mha", FRAMES, vectors=True), first(FRAMES), affine=RAS),
    Row("MetaImage, frames (four axes)", itk("a.mha", FRAMES), first(FRAMES)),
    Row(
        "MetaImage, a plane",
        itk("a.mha", VOLUME[..., 0]),
        VOLUME[None, ..., :1],
        affine=np.diag([-1.0, -1, 1, 1]),
    ),
    Row("MetaImage, float64", itk("a.mha", VOLUME / 3), (VOLUME[None] / 3).astype(np.float32), affine=RAS),
    Row(
        "MetaImage, mask in float64",
        itk("a.mha", VOLUME + 312782550.0),
        VOLUME[None] + 312782550.0,
        label=True,
    ),
    Row("MetaImage, by hand", meta(""), VOLUME[None], affine=placed((-1, -1, 1))),
    Row("MetaImage with a slope", meta("ElementToIntensityFunctionSlope = 2\n"), "Slope = 2 is not applied"),
    Row("MetaImage, .mhd without its .raw", without_voxels("a.mhd"), "its voxels, a.raw, are missing"),
    Row("NRRD, .nrrd", itk("a.nrrd"), VOLUME[None], affine=RAS),
    Row("NRRD, compressed", itk("a.nrrd", compressed=True), VOLUME[None], affine=RAS),
    Row("NRRD, .nhdr and .raw", itk("a.nhdr"), VOLUME[None], affine=RAS),
    Row("NRRD, .nhdr without its .raw", without_voxels("a.nhdr"), "a.raw, are missing"),
    Row("NRRD, vectors", itk("a.nrrd", FRAMES, vectors=True), first(FRAMES), affine=RAS),
    Row(
        "NRRD, left-posterior-superior",
        nrrd("left-posterior-superior"),
        VOLUME[None],
        affine=placed((-1, -1, 1)),
    ),
    Row("NRRD, RAS", nrrd("RAS"), VOLUME[None], affine=placed((1, 1, 1))),
    Row(
        "NRRD, left-anterior-superior",
        nrrd("left-anterior-superior"),
        VOLUME[None],
        affine=placed((-1, 1, 1)),
    ),
    Row(
        "NRRD, no space", nrrd(None, more="spacings: 2 3 4\n"), VOLUME[None], affine=np.diag([-2.0, -3, 4, 1])
    ),
    Row("NRRD, scanner-xyz", nrrd("scanner-xyz"), "not anatomical"),
    Row(
        "NRRD, lengths in microns",
        nrrd("RAS", more='space units: "um" "um" "um"\n'),
        VOLUME[None],
        affine=placed((1, 1, 1), 1e-3),
    ),
    Row("NRRD, lengths in pixels", nrrd("RAS", more='space units: "px" "px" "px"\n'), "space units px"),
    Row(
        "NRRD, big-endian",
        written(
            "a.nrrd",
            lambda path: path.write_bytes(
                nrrd("RAS")(path.parent).read_bytes().replace(b"little", b"big")[: -VOLUME.nbytes]
                + VOLUME.astype(">i2").tobytes("F")
            ),
        ),
        VOLUME[None],
        affine=placed((1, 1, 1)),
    ),
    Row("NRRD, RGB-color", kinds("RGB-color domain domain", COLOUR), COLOUR[..., None], True),
    Row(
        "NRRD, RGB-color last",
        kinds("domain domain RGB-color", np.moveaxis(COLOUR, 0, -1)),
        COLOUR[..., None],
        True,
    ),
    Row("NRRD, vectors first", kinds("vector domain domain", COLOUR), COLOUR[..., None]),
    Row("NRRD, cut short", nrrd("RAS", data=b"abc"), "cannot be read"),
)
