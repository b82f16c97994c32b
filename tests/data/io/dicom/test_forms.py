"""The rows of the table of formats that are DICOM."""

from __future__ import annotations

import numpy as np
import pytest

from ganatomy.data.io.readers import ReadError, read
from tests.data.formats.dicom import ROWS


@pytest.mark.parametrize("row", ROWS, ids=[row.form for row in ROWS])
def test_the_pattern_comes_back_or_the_reason_is_named(tmp_path, row):
    path = row.write(tmp_path)
    if isinstance(row.right, str):
        with pytest.raises(ReadError) as caught:
            read(path)
        assert row.right in str(caught.value)
        return
    array, grid = read(path)
    assert array.shape == row.right.shape and array.dtype == row.right.dtype
    assert np.abs(array.astype(float) - row.right).max() <= row.near
    assert np.allclose(grid.affine, row.affine, atol=1e-5)
