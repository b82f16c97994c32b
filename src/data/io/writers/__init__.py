"""Writers: an array [C,*spatial] as a file like the one it came from.

`encoded` is for run directories, where every volume is NIfTI and every picture PNG or TIFF; `returned` gives
a prediction back in the format of its input. docs/formats.md lists which format that is.
"""

from ganatomy.data.io.writers.encoded import PNG, encoded
from ganatomy.data.io.writers.form import Form
from ganatomy.data.io.writers.forms import form_of
from ganatomy.data.io.writers.nifti import nifti1, packed
from ganatomy.data.io.writers.original import Original, in_common, original
from ganatomy.data.io.writers.returned import returned

__all__ = [
    "PNG",
    "Form",
    "Original",
    "encoded",
    "form_of",
    "in_common",
    "nifti1",
    "original",
    "packed",
    "returned",
]
