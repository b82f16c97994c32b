"""Errors of cases, as someone reads them who applies a run and set none of its keys."""

from __future__ import annotations

import re
from pathlib import Path

ADVICE = re.compile(r"(?:;|(?<=\?)) set data\.\w+=[^;]*?(?:, or (?P<other>[^;]*))?(?=;|$)")
"""Advice to set a key of the data, which a finished run has already, and what else would help."""
KEY = re.compile(r"\bdata\.(\w+)=")


def said(error: Exception, root: Path) -> str:
    """Return an error in one line, with paths below a folder, and without advice to train another run.

    Args:
        error: What reading or preparing a case raised.
        root: Folder of the inputs.

    Example:
        >>> error = "in/a.nii: has 3 channels, not data.channels=1; set data.channels=3, or keep one"
        >>> said(ValueError(error), Path("in"))
        "a.nii: has 3 channels, not the run's channels=1; keep one"
    """
    words = " ".join(str(error).split()) or type(error).__name__
    words = words.replace(f"{root}/", "").replace(str(root), root.name)
    words = ADVICE.sub(lambda found: f"; {found['other']}" if found["other"] else "", words)
    return KEY.sub(r"the run's \1=", words)
