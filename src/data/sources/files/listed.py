"""Base of data sets whose files are named by a table or an annotation: these lie below the data's folder."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ganatomy.data.problems import files_of
from ganatomy.data.records import Fault, Record
from ganatomy.data.sources.files.base import Files
from ganatomy.data.sources.files.claims import ROLES
from ganatomy.errors import UserError

ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
"""Beginning of a URL, or a drive letter of Windows."""


@dataclass(kw_only=True)
class ListedFiles(Files):
    """Files that are named inside another file, which may come from elsewhere.

    Attributes:
        outside: also read files that do not lie below `root`. Symbolic links below `root` are always
            followed: whoever owns the folder made them.
    """

    outside: bool = False

    def completed(self, records: Sequence[Record], notes: Sequence[Fault] = ()) -> list[Record]:
        """Return the records with the faults between them.

        Args:
            records: Records of the source.
            notes: Faults and notes of the whole data set.

        Raises:
            UserError: If a record names a file that is not below `root`, unless `outside` is set.
        """
        for record in records:
            for role in ROLES:
                for name in files_of(record, role):
                    if why := self._elsewhere(name):
                        raise UserError(
                            f"{record.case}: its {role} {name} {why} data.root={self.root}, and only files "
                            "there are read; move it there, or set data.outside=true"
                        )
        return super().completed(records, notes)

    def _elsewhere(self, name: str) -> str:
        """Return why a name does not lead to a file below the folder; empty if it does."""
        if "\0" in name:
            return "holds a NUL character and is no file of"
        if self.outside:
            return ""
        slashed = name.replace("\\", "/")
        if (ADDRESS.match(name) or slashed.startswith("~")) and not (self.folder / name).exists():
            return "is an address or a path of another system, not a file of"
        for spelt in {name, slashed}:
            path = Path(posixpath.normpath(posixpath.join(self.folder.absolute().as_posix(), spelt)))
            below = path.is_relative_to(self.folder.absolute()) or path.is_relative_to(self.place)
            if not below or (".." in spelt.split("/") and not _real(self.folder, spelt, self.place)):
                return "is outside"
        return ""


def _real(folder: Path, name: str, place: Path) -> bool:
    """Return True if a path with `..` stays below `place`, also where it passes a symbolic link."""
    return (folder / name).resolve().is_relative_to(place)
