"""DICOM, as pydicom writes it."""

from __future__ import annotations

from tests.data.formats.rows import Row

ROWS: tuple[Row, ...] = ()
