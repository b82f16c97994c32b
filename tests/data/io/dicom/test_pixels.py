"""Values of single files: by closed forms, by pydicom's own functions where these are right, and by GDCM."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.pixels import apply_color_lut, apply_modality_lut
from pydicom.uid import ExplicitVRBigEndian, JPEGLosslessSV1, JPEGLSLossless, RLELossless

from ganatomy.data.io.readers import ReadError, read
from tests.data.io.dicom.make import CT, DOSE, dataset, pattern, save

ROW, COLUMN = 6, 5


def got(tmp_path, file) -> np.ndarray:
    return read(save(file, tmp_path / "a.dcm"))[0]


def palette(file: Dataset, tables: list[np.ndarray], bits: int, first: int = 0) -> Dataset:
    file.PhotometricInterpretation = "PALETTE COLOR"
    for colour, table in zip(("Red", "Green", "Blue"), tables, strict=True):
        word = f"{colour}PaletteColorLookupTableDescriptor"
        setattr(file, word, [len(table) % 65536, first, bits])
        file[word].VR = "SS" if file.PixelRepresentation else "US"
        setattr(file, f"{colour}PaletteColorLookupTableData", table.tobytes() + b"\0" * (table.nbytes % 2))
    return file


def modality_table(file: Dataset, numbers: list[int], first: int, bits: int) -> Dataset:
    item = Dataset()
    item.LUTDescriptor, item.ModalityLUTType = [len(numbers), first, bits], "US"
    item["LUTDescriptor"].VR = "SS" if first < 0 else "US"
    item.LUTData = numbers
    item["LUTData"].VR = "US"
    file.ModalityLUTSequence = [item]
    return file


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32])
@pytest.mark.parametrize("units", [(1, 0), (1, -1024), (2, 5), (0.25, -3), (-1, 0)])
def test_slope_and_intercept(tmp_path, dtype, units):
    info = np.iinfo(dtype)
    stored = np.linspace(info.min, info.max, ROW * COLUMN).astype(dtype).reshape(ROW, COLUMN)
    slope, intercept = units
    file = dataset(stored, RescaleSlope=slope, RescaleIntercept=intercept)
    exact = stored.astype(object) * slope + intercept
    value = got(tmp_path, file)
    if slope == 0.25:
        assert value.dtype == np.float32
        assert np.allclose(value[0], exact.astype(float), rtol=1e-7)
    else:
        assert value.dtype.kind in "iu" and (value[0].astype(object) == exact).all()


@pytest.mark.parametrize("tags", [{"RescaleSlope": 0}, {"RescaleSlope": "", "RescaleIntercept": ""}])
def test_a_slope_that_is_empty_is_none_and_one_of_0_is_refused(tmp_path, tags):
    stored = pattern(ROW, COLUMN)
    file = dataset(stored, **tags)
    if tags["RescaleSlope"] == 0:
        with pytest.raises(ReadError, match=r"a\.dcm.*RescaleSlope is 0"):
            got(tmp_path, file)
    else:
        assert np.array_equal(got(tmp_path, file)[0], stored)


@pytest.mark.parametrize("first", [0, 100])
@pytest.mark.parametrize("bits", [8, 12, 16])
def test_a_modality_table_replaces_the_slope(tmp_path, first, bits):
    stored = pattern(ROW, COLUMN, top=4095)
    numbers = [(4095 - i) * (2**bits - 1) // 4095 for i in range(4096)]
    file = modality_table(dataset(stored, 12, RescaleSlope=3), numbers, first, bits)
    expected = np.array(numbers)[np.clip(stored.astype(int) - first, 0, 4095)]
    value = got(tmp_path, file)
    assert np.array_equal(value[0], expected) and value.dtype == (np.uint8 if bits == 8 else np.uint16)
    if bits != 12:  # for which pydicom has no type
        reread = pydicom.dcmread(tmp_path / "a.dcm")
        assert np.array_equal(value[0], apply_modality_lut(reread.pixel_array.astype(np.int64), reread))


def test_a_modality_table_of_signed_pixels(tmp_path):
    stored = np.array([[-5, -3, 0], [1, 6, 9]], np.int16)
    file = modality_table(dataset(stored), [10, 20, 30, 40, 50], -3, 16)
    assert got(tmp_path, file)[0].tolist() == [[10, 10, 40], [50, 50, 50]]


@pytest.mark.parametrize("signed", [False, True])
def test_monochrome1_is_turned_within_the_range_of_its_bits(tmp_path, signed):
    stored = (pattern(ROW, COLUMN).astype(np.int16) - 2048 * signed).astype(np.int16 if signed else np.uint16)
    file = dataset(stored, 12, PhotometricInterpretation="MONOCHROME1", RescaleSlope=2, RescaleIntercept=-10)
    top = -1 if signed else 4095
    assert np.array_equal(got(tmp_path, file)[0], 2 * (top - stored.astype(int)) - 10)


def test_monochrome1_equals_gdcm(tmp_path):
    sitk = pytest.importorskip("SimpleITK")
    for stored in (pattern(ROW, COLUMN), pattern(ROW, COLUMN, top=65535).view(np.int16)):
        path = save(dataset(stored, 16, PhotometricInterpretation="MONOCHROME1"), tmp_path / "a.dcm")
        assert np.array_equal(read(path)[0][0], sitk.GetArrayFromImage(sitk.ReadImage(str(path)))[0])


def test_monochrome1_with_a_modality_table(tmp_path):
    """The table first, then what is white becomes black."""
    stored = np.array([[0, 1, 2, 3]], np.uint8)
    file = modality_table(dataset(stored), [5, 60, 200, 255], 0, 8)
    file.PhotometricInterpretation = "MONOCHROME1"
    assert got(tmp_path, file)[0].tolist() == [[250, 195, 55, 0]]


def test_monochrome1_of_a_measure_is_refused(tmp_path):
    file = dataset(pattern(4, 4), 12, Modality="CT", PhotometricInterpretation="MONOCHROME1")
    with pytest.raises(ReadError, match="MONOCHROME1 but quantitative"):
        got(tmp_path, file)


@pytest.mark.parametrize("padding", [-2000, 63536])
@pytest.mark.parametrize("signed", [False, True])
def test_padding_lies_at_the_least_other_value(tmp_path, signed, padding):
    """Whatever sign the writer gave it."""
    stored = np.array([[-2000, -2000, 24], [1064, 40, 24]], np.int16)
    file = dataset(stored if signed else stored.view(np.uint16), RescaleSlope=1, RescaleIntercept=-1024)
    file.PixelPaddingValue = padding
    file["PixelPaddingValue"].VR = "SS" if padding < 0 else "US"
    assert got(tmp_path, file)[0].tolist() == [[-1000, -1000, -1000], [40, -984, -1000]]


def test_padding_up_to_a_limit_and_an_image_of_padding(tmp_path):
    stored = np.array([[0, 3, 5], [9, 6, 40]], np.uint16)
    tags = {"PixelPaddingValue": 0, "PixelPaddingRangeLimit": 5}
    assert got(tmp_path, dataset(stored, 12, **tags))[0].tolist() == [[6, 6, 6], [9, 6, 40]]
    assert got(tmp_path, dataset(stored * 0 + 3, 12, **tags))[0].tolist() == [[3, 3, 3], [3, 3, 3]]
    white = dataset(stored, 12, PhotometricInterpretation="MONOCHROME1", PixelPaddingValue=0)
    assert got(tmp_path, white)[0].tolist() == [[4055, 4092, 4090], [4086, 4089, 4055]]


def test_padding_after_lossy_compression_is_known_by_its_range_alone(tmp_path):
    """Where padding lies near -2000 a value of -2000 means nothing."""
    stored = np.array([[-2003, -2000, -1998], [24, 1064, 40]], np.int16)
    tags = {"PixelPaddingValue": -2010, "LossyImageCompression": "01"}
    file = dataset(stored, **{**tags, "PixelPaddingValue": -2000})
    assert np.array_equal(got(tmp_path, file)[0], stored)
    file = dataset(stored, **tags, PixelPaddingRangeLimit=-1990)
    assert got(tmp_path, file)[0].tolist() == [[24, 24, 24], [24, 1064, 40]]


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("first", [0, 7])
@pytest.mark.parametrize("big", [False, True])
def test_palettes_are_looked_up(tmp_path, bits, first, big):
    stored = pattern(ROW, COLUMN, top=300)
    tables = [
        (np.arange(256) * k * 3 % 2**bits).astype(f"{'>' if big else '<'}u{bits // 8}") for k in (1, 2, 3)
    ]
    file = (
        dataset(stored.astype(">u2") if big else stored, syntax=ExplicitVRBigEndian)
        if big
        else dataset(stored)
    )
    if big and bits == 8:  # words of 16 bits: the first entry in the lower half
        tables = [table.view(">u2").astype("<u2").view(np.uint8) for table in tables]
    value = got(tmp_path, palette(file, tables, bits, first))
    expected = [np.arange(256) * k * 3 % 2**bits for k in (1, 2, 3)]
    assert value.dtype == (np.uint8 if bits == 8 else np.uint16)
    assert np.array_equal(value, [table[np.clip(stored.astype(int) - first, 0, 255)] for table in expected])


def test_palettes_of_8_bits_with_more_than_256_entries(tmp_path):
    """pydicom 3.0.2 counts their indices in 8 bits."""
    stored = np.array([[0, 255, 256, 1000]], np.uint16)
    tables = [(np.arange(1024) // k).astype(np.uint8) for k in (4, 5, 6)]
    assert got(tmp_path, palette(dataset(stored), tables, 8))[:, 0].tolist() == [
        [0, 63, 64, 250],
        [0, 51, 51, 200],
        [0, 42, 42, 166],
    ]


def test_palettes_of_8_bits_in_words(tmp_path):
    stored = pattern(ROW, COLUMN, top=255).astype(np.uint8)
    tables = [(np.arange(256) * k % 256).astype("<u2") for k in (1, 2, 3)]
    value = got(tmp_path, palette(dataset(stored), tables, 8))
    assert value.dtype == np.uint8 and np.array_equal(value, [table[stored] for table in tables])


def test_segmented_palettes(tmp_path):
    """A step of ten entries and a ramp over the other 246."""
    stored = np.array([[0, 9, 10, 255]], np.uint8)
    file = palette(dataset(stored), [np.zeros(256, np.uint16)] * 3, 16)
    for place, colour in enumerate(("Red", "Green", "Blue"), 1):
        del file[f"{colour}PaletteColorLookupTableData"]
        words = [0, 10, *[100 * place] * 10, 1, 246, 100 * place + 246]
        setattr(file, f"Segmented{colour}PaletteColorLookupTableData", np.array(words, np.uint16).tobytes())
    value = got(tmp_path, file)[:, 0]
    assert value.tolist() == [[100 * p, 100 * p, 100 * p + 1, 100 * p + 246] for p in (1, 2, 3)]
    reread = pydicom.dcmread(tmp_path / "a.dcm")
    assert np.array_equal(value.T, apply_color_lut(reread.pixel_array, reread)[0])


@pytest.mark.parametrize("planes", [0, 1])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_colour_by_pixel_and_by_plane(tmp_path, planes, dtype):
    wanted = pattern(ROW, COLUMN, 3, top=np.iinfo(dtype).max).astype(dtype)
    file = dataset(wanted, colours=3, PlanarConfiguration=planes)
    file.PixelData = np.ascontiguousarray(wanted.transpose(2, 0, 1) if planes else wanted).tobytes()
    assert np.array_equal(got(tmp_path, file), wanted.transpose(2, 0, 1))


@pytest.mark.parametrize("kind", ["YBR_FULL", "YBR_FULL_422"])
def test_luminance_and_chroma_become_colour(tmp_path, kind):
    """PS3.3, C.7.6.3.1.2: Y 100, Cb 110, Cr 150."""
    half = kind.endswith("422")
    file = dataset(np.zeros((4, 4, 3), np.uint8), colours=3, PhotometricInterpretation=kind)
    file.PixelData = bytes([100, 100, 110, 150] * 8) if half else bytes([100, 110, 150] * 16)
    red, green, blue = 100 + 1.402 * 22, 100 - 0.344136 * -18 - 0.714136 * 22, 100 + 1.772 * -18
    assert np.abs(got(tmp_path, file) - np.array([red, green, blue])[:, None, None]).max() <= 1


def test_dose_is_scaled(tmp_path):
    stored = np.arange(48, dtype=np.uint32).reshape(6, 8)
    file = dataset(stored, Modality="RTDOSE", SOPClassUID=DOSE, DoseGridScaling="0.001", NumberOfFrames=1)
    assert np.allclose(got(tmp_path, file)[0], stored / 1000, rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floats(tmp_path, dtype):
    stored = np.linspace(-2, 7, ROW * COLUMN, dtype=dtype).reshape(ROW, COLUMN)
    value = got(tmp_path, dataset(stored))
    assert value.dtype == np.float32 and np.array_equal(value[0], stored.astype(np.float32))


def test_overlays_in_the_upper_bits_are_no_part_of_the_pixels(tmp_path):
    wanted = pattern(ROW, COLUMN)
    assert np.array_equal(got(tmp_path, dataset(wanted | 0x5000, 12))[0], wanted)


def test_fewer_signed_bits_than_are_allocated(tmp_path):
    stored = np.array([[0x0FFF, 0x0800, 0x07FF]], np.uint16)
    assert got(tmp_path, dataset(stored, 12, PixelRepresentation=1))[0].tolist() == [[-1, -2048, 2047]]


def test_run_lengths(tmp_path):
    wanted = pattern(ROW, COLUMN)
    file = dataset(wanted, 12)
    file.compress(RLELossless)
    assert np.array_equal(got(tmp_path, file)[0], wanted)


@pytest.mark.parametrize("codec", ["jpegls", "ljpeg"])
@pytest.mark.parametrize("signed", [False, True])
def test_compressed_pixels_of_12_bits(tmp_path, codec, signed):
    """Signed ones too, for which pydicom 3.0.2 with pylibjpeg gives numbers of no sign."""
    imagecodecs = pytest.importorskip("imagecodecs")
    bits = pattern(16, 20)
    file = dataset(bits, 12, PixelRepresentation=int(signed))
    options = {"bitspersample": 12} if codec == "ljpeg" else {}
    file.PixelData = encapsulate([getattr(imagecodecs, f"{codec}_encode")(bits, **options)])
    file["PixelData"].VR = "OB"
    file.file_meta.TransferSyntaxUID = JPEGLSLossless if codec == "jpegls" else JPEGLosslessSV1
    wanted = bits.astype(int) - 4096 * (bits >= 2048) * signed
    assert np.array_equal(got(tmp_path, file)[0], wanted)


def test_a_file_without_its_preamble_is_read(tmp_path):
    wanted = pattern(ROW, COLUMN)
    file = dataset(wanted, 12)
    path = tmp_path / "a.dcm"
    with path.open("wb") as stream:
        pydicom.filewriter.write_dataset(
            pydicom.filebase.DicomFileLike(stream), _implicit(file), parent_encoding="iso8859"
        )
    assert np.array_equal(read(path)[0][0], wanted)


def _implicit(file: Dataset) -> Dataset:
    file.set_original_encoding(True, True)
    return file


REFUSED = {
    "segmentation": ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.66.4"}, "segmentation.*convert it to NIfTI"),
    "slide": ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.77.1.6"}, "tiled slide"),
    "upper bits": ({"HighBit": 15}, "HighBit 15, BitsStored 12"),
    "kind": ({"PhotometricInterpretation": "HSV"}, "HSV are not supported"),
    "no palette": ({"PhotometricInterpretation": "PALETTE COLOR"}, "without its three palettes"),
    "one colour": ({"PhotometricInterpretation": "RGB"}, "1 samples per pixel of the kind RGB"),
    "time": ({"NumberOfFrames": 3, "Modality": "US"}, r"3 frames \(US\) without a position in space"),
    "a slice of many": ({"SOPClassUID": CT, "NumberOfFrames": 2}, "without a position in space"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_read_is_named(tmp_path, name):
    tags, words = REFUSED[name]
    stored = pattern(*([tags["NumberOfFrames"]] if "NumberOfFrames" in tags else []), ROW, COLUMN)
    with pytest.raises(ReadError, match=rf"a\.dcm: .*{words}"):
        got(tmp_path, dataset(stored, 12, **tags))


def test_a_file_without_pixels_is_named(tmp_path):
    file = dataset(pattern(ROW, COLUMN), 12)
    del file.PixelData
    with pytest.raises(ReadError, match="holds no pixels"):
        got(tmp_path, file)
