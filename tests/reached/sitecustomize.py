"""Notes where each UserError is made, if GANATOMY_REACHED names a folder; see tests/reached/report.py.

Python runs a module of this name at start-up if its folder is on PYTHONPATH, so commands note theirs, too.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).resolve().parents[2]
PREFIXES = tuple(f"{ROOT / name}{os.sep}" for name in ("ganatomy", "src"))  # one is a link to the other


def note_errors(folder: Path) -> None:
    """Have each UserError of this process and its forks add the calls above it to a file in the folder."""
    from ganatomy.errors import UserError

    folder.mkdir(parents=True, exist_ok=True)
    seen: set[str] = set()
    file = os.open(folder / "calls.txt", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def noted(self: UserError, *values: object) -> None:
        ValueError.__init__(self, *values)
        new = [call for call in calls(self) if call not in seen]
        seen.update(new)
        if new:
            os.write(file, "".join(new).encode())  # at once and whole, for this process may be killed

    UserError.__init__ = noted  # type: ignore[assignment]


def calls(made: BaseException) -> list[str]:
    """Return the calls of src/ that made the error, the innermost first: file, line, column, which it is."""
    found: list[str] = []
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and frame.f_locals.get("self") is made:  # an __init__ of its own makes no other
        frame = frame.f_back
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith(PREFIXES):
            place = list(frame.f_code.co_positions())[frame.f_lasti // 2]
            file = name[len(next(filter(name.startswith, PREFIXES))) :]
            found.append(f"{file}\t{place[0]}\t{place[2]}\t{'called' if found else 'made'}\n")
        frame = frame.f_back
    return found


if named := os.environ.get("GANATOMY_REACHED"):
    note_errors(Path(named))
