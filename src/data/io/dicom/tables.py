"""Look-up tables of DICOM: colour palettes and modality tables (PS3.3, C.7.6.3.1.5, C.7.9 and C.11.1)."""

from __future__ import annotations

from typing import Any

import numpy as np

COLOURS = ("Red", "Green", "Blue")


def coloured(stored: np.ndarray, file: Any) -> np.ndarray:
    """Return palette indices as colours [..., 3] in uint8 or uint16, the depth of the tables' entries."""
    if file.get("AlphaPaletteColorLookupTableDescriptor") is not None:
        raise ValueError("its palette has an alpha channel, which is not supported")
    heads = [file.get(f"{colour}PaletteColorLookupTableDescriptor") for colour in COLOURS]
    if any(head is None for head in heads):
        raise ValueError("it is a PALETTE COLOR image without its three palettes")
    if file.get("SegmentedRedPaletteColorLookupTableData") is not None:
        tables = _segmented(file, int(heads[0][0]) & 0xFFFF or 65536)
    else:
        data = [file.get(f"{colour}PaletteColorLookupTableData") for colour in COLOURS]
        tables = [_entries(head, table, _little(file)) for head, table in zip(heads, data, strict=True)]
    kind = np.uint8 if int(heads[0][2]) == 8 else np.uint16
    return np.stack(
        [_looked_up(stored, table, head, file) for table, head in zip(tables, heads, strict=True)], -1
    ).astype(kind)


def by_modality_table(stored: np.ndarray, file: Any) -> tuple[np.ndarray, int]:
    """Return the stored values after the first Modality LUT, and the largest possible value."""
    item = file.ModalityLUTSequence[0]
    head = item.get("LUTDescriptor")
    if head is None or item.get("LUTData") is None:
        raise ValueError("its Modality LUT is incomplete")
    bits = int(head[2])
    values = _looked_up(stored, _entries(head, item.LUTData, _little(file)), head, file)
    return values.astype(np.uint8 if bits <= 8 else np.uint16), 2**bits - 1


def _looked_up(stored: np.ndarray, table: np.ndarray, head: Any, file: Any) -> np.ndarray:
    """Return the entries of a table; values outside its range take its first or last entry."""
    first = int(head[1])
    first = (first + 2**15) % 2**16 - 2**15 if file.get("PixelRepresentation") else first % 2**16
    found: np.ndarray = table[np.clip(stored.astype(np.int64) - first, 0, len(table) - 1)]
    return found


def _entries(head: Any, data: Any, little: bool) -> np.ndarray:
    """Return the numbers of a table, given as a list or as bytes.

    Bytes are 16-bit words with one entry each or, low byte first, two 8-bit entries.
    """
    count = int(head[0]) & 0xFFFF or 65536
    if isinstance(data, bytes):
        words = np.frombuffer(data + b"\0" * (len(data) % 2), "<u2" if little else ">u2")
        table = words if len(data) >= 2 * count else words.astype("<u2").view(np.uint8)
    else:
        table = np.atleast_1d(np.asarray(data, np.int64)) & 0xFFFF
    if len(table) < count or not 8 <= int(head[2]) <= 16:
        raise ValueError(
            f"its look-up table has {len(table)} entries, not the stated {count} of {head[2]} bits"
        )
    return table[:count].astype(np.int64)


def _segmented(file: Any, count: int) -> list[np.ndarray]:
    from pydicom.pixels.processing import apply_color_lut

    if count > 256 and int(file.RedPaletteColorLookupTableDescriptor[2]) == 8:
        raise ValueError(f"its segmented palettes of 8 bits have {count} entries, which is not supported")
    first = int(file.RedPaletteColorLookupTableDescriptor[1])
    colours = apply_color_lut(np.arange(count) + first, file)
    return [colours[:, place].astype(np.int64) for place in range(3)]


def _little(file: Any) -> bool:
    """Return True if the file is little endian."""
    return bool(file.file_meta.TransferSyntaxUID.is_little_endian)
