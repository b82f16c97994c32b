"""Places that results are written to: what nothing can be written to is refused before any work is done."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from ganatomy.errors import UserError

FILE, FOLDER = "a file", "a folder"
KINDS = {stat.S_IFREG: FILE, stat.S_IFDIR: FOLDER, stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
"""What lies at a path, by the type of its inode; all others are devices."""


def refuse_no_file(path: Path) -> None:
    """Raise UserError if `path`, the key `output` of a command, can be no file.

    Files are written beside their place and moved there, so a device or a pipe would be replaced by a file.

    Args:
        path: Place of the file; one that is there is not looked into.

    Raises:
        UserError: There is a folder, a pipe or a device, or no folder can be made above.
    """
    _refuse(path, FILE, "name a file")


def refuse_no_folder(path: Path) -> None:
    """Raise UserError if `path`, the key `output` of a command, can be no folder.

    Args:
        path: Place of the folder, which may be there.

    Raises:
        UserError: There is a file, a pipe or a device, or no folder can be made above.
    """
    _refuse(path, FOLDER, "name a folder")


def refuse_no_page(path: Path) -> None:
    """Raise UserError if `path`, the key `output` of a command, can be no page.

    Args:
        path: Place of the page.

    Raises:
        UserError: It does not end in .html, or no file can be written there.
    """
    if path.suffix.lower() not in (".html", ".htm"):
        raise UserError(f"output: {path} is no name of a page; give one that ends in .html")
    refuse_no_file(path)


def _refuse(path: Path, wanted: str, remedy: str) -> None:
    if (there := _kind(path)) not in ("", wanted):
        raise UserError(f"output: {path} is {there} where {wanted} is needed; {remedy}")
    above = next(folder for folder in path.absolute().parents if _kind(folder))
    if (found := _kind(above)) != FOLDER:
        raise UserError(f"output: {above} is {found} where a folder is needed; {remedy} elsewhere")
    folder = path if there == FOLDER else above
    if not os.access(folder, os.W_OK):
        raise UserError(f"output: no permission to write in {folder}; {remedy} elsewhere")


def _kind(path: Path) -> str:
    """Return what lies at a path, in words; empty for nothing."""
    place = path.absolute().parts[1:3]
    if place[:1] in (("dev",), ("proc",), ("sys",)) and place[1:] not in ((), ("shm",)):
        return "a device"  # /dev/stdout may lead to an ordinary file: it would be replaced
    try:
        return KINDS.get(stat.S_IFMT(path.stat().st_mode), "a device")
    except (FileNotFoundError, NotADirectoryError):
        return "a link that leads nowhere" if path.is_symlink() else ""
    except OSError as error:
        raise UserError(f"output: {path} cannot be read ({error.strerror}); name another") from error
