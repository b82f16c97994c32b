"""DICOM, as pydicom writes it; compressed by imagecodecs or pydicom."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from tests.data.formats.rows import COLOUR, DEEP, DEEP_COLOUR, GREY, SMOOTH, SMOOTH_COLOUR, VOLUME, Row, last
from tests.data.io.dicom.make import CT, DOSE, ORIGIN, SPACING, affine, dataset, enhanced, save

PLAIN = np.eye(4)
BITS12 = (GREY.astype(np.uint16) * 16 + 3) & 0xFFF
SIGNED12 = (BITS12.astype(np.int16) - 2048).astype(np.int16)
STACK = (VOLUME + 100).astype(np.uint16)
"""[columns,rows,slices]"""
SIXTEEN = np.arange(256) * 200


def file(make: Callable[[], Dataset]) -> Callable[[Path], Path]:
    return lambda folder: save(make(), folder / "a.dcm")


def stored(array: np.ndarray, bits: int | None = None, **tags: Any) -> Callable[[Path], Path]:
    return file(lambda: dataset(array, bits, 3 if array.ndim == 3 and array.shape[-1] == 3 else 1, **tags))


def packed(array: np.ndarray, bits: int, syntax: Any, stream: Any, **tags: Any) -> Callable[[Path], Path]:
    """Of one compressed frame."""

    def make() -> Dataset:
        made = dataset(array, bits, 3 if array.ndim == 3 else 1, **tags)
        made.PixelData = encapsulate([stream(array)])
        made["PixelData"].VR = "OB"
        made.file_meta.TransferSyntaxUID = syntax
        return made

    return file(make)


def by_runs(array: np.ndarray, colours: int = 1) -> Callable[[Path], Path]:
    def make() -> Dataset:
        made = dataset(array, colours=colours)
        made.compress(RLELossless)
        return made

    return file(make)


def palette(
    indices: np.ndarray, tables: list[np.ndarray], bits: int, first: int = 0, **tags: Any
) -> Callable[[Path], Path]:
    def make() -> Dataset:
        made = dataset(indices, **tags)
        made.PhotometricInterpretation = "PALETTE COLOR"
        for colour, table in zip(("Red", "Green", "Blue"), tables, strict=True):
            word = f"{colour}PaletteColorLookupTableDescriptor"
            setattr(made, word, [len(table), first, bits])
            made[word].VR = "US"
            setattr(made, f"{colour}PaletteColorLookupTableData", table.tobytes())
        return made

    return file(make)


def segmented() -> Dataset:
    """Ramps of 256 entries: discrete first, then linear."""
    made = dataset(GREY, PhotometricInterpretation="PALETTE COLOR")
    for place, colour in enumerate(("Red", "Green", "Blue"), 1):
        word = f"{colour}PaletteColorLookupTableDescriptor"
        setattr(made, word, [256, 0, 16])
        made[word].VR = "US"
        words = np.array([0, 1, place, 1, 255, place + 255 * place], np.uint16)
        setattr(made, f"Segmented{colour}PaletteColorLookupTableData", words.tobytes())
    return made


def table(bits: int) -> Callable[[Path], Path]:
    """A modality table that turns 8 bits round."""

    def make() -> Dataset:
        made, item = dataset(GREY), Dataset()
        item.LUTDescriptor, item.ModalityLUTType = [256, 0, bits], "US"
        item.LUTData = [int(v) for v in (255 - np.arange(256)) * (1 if bits == 8 else 200)]
        item["LUTDescriptor"].VR = item["LUTData"].VR = "US"
        made.ModalityLUTSequence = [item]
        return made

    return file(make)


def padded(**tags: Any) -> Callable[[Path], Path]:
    def make() -> Dataset:
        pixels = SIGNED12.copy()
        pixels[0] = -2000
        made = dataset(pixels, RescaleSlope=1, RescaleIntercept=-1024, PixelPaddingValue=-2000, **tags)
        made["PixelPaddingValue"].VR = "SS"
        return made

    return file(make)


def headless(folder: Path) -> Path:
    """Without preamble and group 0002."""
    import pydicom

    made = dataset(DEEP)
    del made.file_meta
    pydicom.dcmwrite(folder / "a.dcm", made, implicit_vr=True, little_endian=True, enforce_file_format=False)
    return folder / "a.dcm"


def one_bit() -> Dataset:
    made = dataset(GREY, BitsAllocated=1, BitsStored=1, HighBit=0)
    bits = np.packbits((GREY % 2).reshape(-1), bitorder="little").tobytes()
    made.PixelData = bits + b"\0" * (len(bits) % 2)
    return made


def dose(frames: bool) -> Dataset:
    pixels = np.ascontiguousarray(STACK.transpose(2, 1, 0)) if frames else STACK[:, :, 0].T.copy()
    made = dataset(pixels.astype(np.uint32), SOPClassUID=DOSE, Modality="RTDOSE", DoseGridScaling="0.25")
    if frames:
        made.ImageOrientationPatient, made.PixelSpacing = [1, 0, 0, 0, 1, 0], list(SPACING[:2])
        made.ImagePositionPatient = list(ORIGIN)
        made.GridFrameOffsetVector = [2.5 * n for n in range(len(pixels))]
    return made


def frames(order: list[int], kind: str = "CT", each: Any = (), **tags: Any) -> Callable[[Path], Path]:
    return file(lambda: enhanced(STACK, order, each, kind, **tags))


def slopes(order: list[int]) -> list[dict[str, Any]]:
    return [{"PixelValueTransformationSequence.RescaleSlope": 1 + n} for n in order]


def echoes() -> list[dict[str, Any]]:
    return [{"MREchoSequence.EffectiveEchoTime": 4.6 + 75.4 * (n // 3)} for n in range(6)]


ORDER = [3, 0, 5, 1, 4, 2]
ROWS: tuple[Row, ...] = (
    Row("8 bits", stored(GREY), GREY[None], affine=PLAIN),
    Row("8 bits, signed", stored(GREY.view(np.int8)), GREY.view(np.int8)[None], affine=PLAIN),
    Row("16 bits", stored(DEEP), DEEP[None], affine=PLAIN),
    Row("16 bits, signed", stored(DEEP.view(np.int16)), DEEP.view(np.int16)[None], affine=PLAIN),
    Row("12 bits of 16", stored(BITS12, 12), BITS12[None], affine=PLAIN),
    Row("12 bits of 16, an overlay above", stored(BITS12 | 0x5000, 12), BITS12[None], affine=PLAIN),
    Row("12 bits of 16, signed", stored(SIGNED12, 12), SIGNED12[None], affine=PLAIN),
    Row(
        "12 bits of 16, signed, zeros above",
        stored(SIGNED12.view(np.uint16) & 0xFFF, 12, PixelRepresentation=1),
        SIGNED12[None],
        affine=PLAIN,
    ),
    Row("32 bits", stored(DEEP.astype(np.uint32) << 16), DEEP[None].astype(np.uint32) << 16, affine=PLAIN),
    Row("32 bits, signed", stored(-DEEP.astype(np.int32)), -DEEP[None].astype(np.int32), affine=PLAIN),
    Row("1 bit", file(one_bit), (GREY % 2)[None], affine=PLAIN),
    Row("float", stored(GREY / np.float32(7)), (GREY / np.float32(7))[None], affine=PLAIN),
    Row("double", stored(GREY / 7.0), (GREY / 7.0)[None].astype(np.float32), affine=PLAIN),
    Row("implicit VR", stored(DEEP, syntax=ImplicitVRLittleEndian), DEEP[None], affine=PLAIN),
    Row("big-endian", stored(DEEP.astype(">u2"), syntax=ExplicitVRBigEndian), DEEP[None], affine=PLAIN),
    Row("deflated", stored(DEEP, syntax=DeflatedExplicitVRLittleEndian), DEEP[None], affine=PLAIN),
    Row("without preamble", headless, DEEP[None], affine=PLAIN),
    Row("run lengths (RLE)", by_runs(DEEP), DEEP[None], affine=PLAIN),
    Row(
        "JPEG-LS, 12 bits",
        packed(BITS12, 12, JPEGLSLossless, imagecodecs.jpegls_encode),
        BITS12[None],
        affine=PLAIN,
    ),
    Row(
        "JPEG-LS, 12 bits, signed",
        packed(SIGNED12, 12, JPEGLSLossless, lambda a: imagecodecs.jpegls_encode(a.view(np.uint16) & 0xFFF)),
        SIGNED12[None],
        affine=PLAIN,
    ),
    Row(
        "JPEG lossless",
        packed(BITS12, 12, JPEGLosslessSV1, lambda a: imagecodecs.ljpeg_encode(a, bitspersample=12)),
        BITS12[None],
        affine=PLAIN,
    ),
    Row(
        "JPEG 2000 lossless",
        packed(
            DEEP,
            16,
            JPEG2000Lossless,
            lambda a: imagecodecs.jpeg2k_encode(a, codecformat="J2K", level=0, reversible=True),
        ),
        DEEP[None],
        affine=PLAIN,
    ),
    Row(
        "HTJ2K lossless", packed(DEEP, 16, HTJ2KLossless, imagecodecs.htj2k_encode), DEEP[None], affine=PLAIN
    ),
    Row(
        "JPEG",
        packed(SMOOTH, 8, JPEGBaseline8Bit, lambda a: imagecodecs.jpeg8_encode(a, level=100)),
        SMOOTH[None],
        affine=PLAIN,
        near=4,
    ),
    Row(
        "JPEG, YBR_FULL_422",
        packed(
            last(SMOOTH_COLOUR),
            8,
            JPEGBaseline8Bit,
            lambda a: imagecodecs.jpeg8_encode(a, level=100, subsampling="422"),
            PhotometricInterpretation="YBR_FULL_422",
        ),
        SMOOTH_COLOUR,
        colour=True,
        affine=PLAIN,
        near=6,
    ),
    Row("RGB", stored(last(COLOUR)), COLOUR, colour=True, affine=PLAIN),
    Row("RGB, 16 bits", stored(last(DEEP_COLOUR)), DEEP_COLOUR, colour=True, affine=PLAIN),
    Row(
        "RGB by planes",
        file(
            lambda: dataset(
                last(COLOUR), colours=3, PlanarConfiguration=1, PixelData=COLOUR.tobytes() + b"\0"
            )
        ),
        COLOUR,
        colour=True,
        affine=PLAIN,
    ),
    Row("RGB, run lengths", by_runs(last(COLOUR), 3), COLOUR, colour=True, affine=PLAIN),
    Row(
        "palette, 16 bits",
        palette(GREY, [(SIXTEEN + k).astype("<u2") for k in range(3)], 16),
        np.stack([SIXTEEN[GREY] + k for k in range(3)]).astype(np.uint16),
        colour=True,
        affine=PLAIN,
    ),
    Row(
        "palette, 8 bits",
        palette(GREY, [(np.arange(256) // k).astype(np.uint8) for k in (1, 2, 3)], 8),
        np.stack([GREY // k for k in (1, 2, 3)]),
        colour=True,
        affine=PLAIN,
    ),
    Row(
        "palette, 8 bits in words",
        palette(GREY, [(np.arange(256) // k).astype("<u2") for k in (1, 2, 3)], 8),
        np.stack([GREY // k for k in (1, 2, 3)]),
        colour=True,
        affine=PLAIN,
    ),
    Row(
        "palette from 100 on",
        palette(GREY.astype(np.uint16) + 100, [(SIXTEEN + k).astype("<u2") for k in range(3)], 16, 100),
        np.stack([SIXTEEN[GREY] + k for k in range(3)]).astype(np.uint16),
        colour=True,
        affine=PLAIN,
    ),
    Row(
        "palette, big-endian",
        palette(
            GREY.astype(">u2"),
            [(SIXTEEN + k).astype(">u2") for k in range(3)],
            16,
            syntax=ExplicitVRBigEndian,
        ),
        np.stack([SIXTEEN[GREY] + k for k in range(3)]).astype(np.uint16),
        colour=True,
        affine=PLAIN,
    ),
    Row(
        "palette in segments",
        file(segmented),
        np.stack([k + k * GREY.astype(np.uint16) for k in (1, 2, 3)]),
        colour=True,
        affine=PLAIN,
    ),
    Row(
        "slope 1, intercept -1024 (HU)",
        stored(BITS12, 12, RescaleSlope=1, RescaleIntercept=-1024),
        BITS12[None].astype(np.int32) - 1024,
        affine=PLAIN,
    ),
    Row(
        "slope 0.5, intercept 3",
        stored(DEEP, RescaleSlope=0.5, RescaleIntercept=3),
        (DEEP[None] * 0.5 + 3).astype(np.float32),
        affine=PLAIN,
    ),
    Row("modality table of 8 bits", table(8), 255 - GREY[None], affine=PLAIN),
    Row("modality table of 16 bits", table(16), (255 - GREY[None].astype(np.uint16)) * 200, affine=PLAIN),
    Row(
        "MONOCHROME1",
        stored(BITS12, 12, PhotometricInterpretation="MONOCHROME1"),
        4095 - BITS12[None],
        affine=PLAIN,
    ),
    Row(
        "MONOCHROME1, signed",
        stored(SIGNED12, 12, PhotometricInterpretation="MONOCHROME1"),
        -1 - SIGNED12[None],
        affine=PLAIN,
    ),
    Row(
        "padding of -2000",
        padded(),
        np.maximum(np.where(np.arange(5)[:, None] > 0, SIGNED12, -4096), SIGNED12[1:].min())[None].astype(
            np.int32
        )
        - 1024,
        affine=PLAIN,
    ),
    Row(
        "RT dose, a plane",
        file(lambda: dose(False)),
        (STACK[:, :, 0].T * 0.25)[None].astype(np.float32),
        affine=PLAIN,
    ),
    Row(
        "RT dose",
        file(lambda: dose(True)),
        (STACK * 0.25)[None].astype(np.float32),
        affine=affine(np.array([[1.0, 0, 0], [0, 1, 0]])),
    ),
    Row("enhanced CT", frames([0, 1, 2, 3, 4, 5]), STACK[None], affine=affine()),
    Row("enhanced CT, frames in another order", frames(ORDER), STACK[None], affine=affine()),
    Row(
        "enhanced MR, a slope each frame",
        frames(ORDER, "MR", slopes(ORDER)),
        (STACK.astype(np.int32) * np.arange(1, 7, dtype=np.int32))[None],
        affine=affine(),
    ),
    Row(
        "enhanced CT of one frame",
        frames([2]),
        STACK[None, :, :, 2].swapaxes(1, 2),
        affine=np.diag([0.8, 0.6, 1, 1]),
    ),
    Row(
        "enhanced CT, a frame missing",
        frames([0, 1, 3, 4]),
        "a slice is missing: steps of 2.50 to 5.00 mm; export the series again",
    ),
    Row(
        "enhanced MR of two echoes",
        frames([0, 1, 2, 0, 1, 2], "MR", echoes()),
        "differ in EffectiveEchoTime (4.6, 80",
    ),
    Row(
        "enhanced CT of two stacks",
        frames(
            [0, 1, 2],
            each=[{}, {}, {"PlaneOrientationSequence.ImageOrientationPatient": [1, 0, 0, 0, 0, -1]}],
        ),
        "its slices differ in direction",
    ),
    Row(
        "frames in time (ultrasound)",
        stored(np.stack([GREY] * 4), SOPClassUID="1.2.840.10008.5.1.4.1.1.3.1", Modality="US"),
        "holds 4 frames (US) without a position in space",
    ),
    Row(
        "segmentation (SEG)",
        stored(GREY, SOPClassUID="1.2.840.10008.5.1.4.1.1.66.4"),
        "is a DICOM segmentation (SEG), which is not supported",
    ),
    Row("tiled slide", stored(GREY, SOPClassUID="1.2.840.10008.5.1.4.1.1.77.1.6"), "is a tiled slide"),
    Row("12 bits in the upper ones of 16", stored(BITS12 << 4, 12, HighBit=15), "lie in the upper bits"),
    Row("HSV", stored(last(COLOUR), PhotometricInterpretation="HSV"), "of the kind HSV are not supported"),
    Row(
        "MONOCHROME1 in HU",
        stored(BITS12, 12, PhotometricInterpretation="MONOCHROME1", Modality="CT", SOPClassUID=CT),
        "MONOCHROME1 but quantitative",
    ),
    Row("slope 0", stored(BITS12, 12, RescaleSlope=0), "its RescaleSlope is 0"),
)
