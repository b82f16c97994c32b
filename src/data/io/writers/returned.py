"""A prediction in the format of its input."""

from __future__ import annotations

import numpy as np

from ganatomy.data.io.writers.encoded import encoded
from ganatomy.data.io.writers.original import Original


def returned(values: np.ndarray, affine: np.ndarray, like: Original) -> tuple[str, bytes]:
    """Return suffix and content of a file in the format of the input: shape, position, type and units of it.

    `like.form.note` says why the format is another one, if it is. Without a form (Analyze, arrays that are
    no files) the file is that of `encoded`. DICOM series are returned by `dicom.outputs`.

    Args:
        values: [C,*spatial], in the units of the input; label maps with `like.holding(an integer type)`.
        affine: [4,4], voxel index to mm. Where it is not that of the input (super-resolution), it is written.
        like: the input file.
    """
    if like.form is None:
        return encoded(values, affine, like)
    return like.form.at(affine).encoded(like.stored(values), (like.slope, like.inter))
