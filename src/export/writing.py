"""Writing of exported files: all of them or none, and nothing is replaced unasked."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from ganatomy.errors import UserError
from ganatomy.files import write_whole


def write_files(files: Mapping[Path, bytes], overwrite: bool) -> None:
    """Write files; one that is there with the same content stays.

    Args:
        files: Content by path.
        overwrite: Replace files of other content.

    Raises:
        UserError: A file is there, with other content.
        OSError: A file cannot be written; those that are new are removed again.
    """
    wanted = missing(files, overwrite)
    new = [path for path in wanted if not path.exists()]
    try:
        for path, content in wanted.items():
            write_whole(path, content)
    except OSError:
        for path in new:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
        raise


def missing(files: Mapping[Path, bytes], overwrite: bool) -> dict[Path, bytes]:
    """Return the files that are not there yet with this content.

    Args:
        files: Content by path.
        overwrite: Files of other content may be replaced.

    Raises:
        UserError: A file is there, with other content.
    """
    wanted = {path: content for path, content in files.items() if not _same(path, content)}
    for path in wanted:
        if path.is_symlink() or (path.exists() and not overwrite):
            raise UserError(f"output: {path} is there already; name another folder, or set overwrite=true")
    return wanted


def _same(path: Path, content: bytes) -> bool:
    return path.is_file() and not path.is_symlink() and path.read_bytes() == content


def write_folder(folder: Path, files: Mapping[Path, bytes], overwrite: bool) -> None:
    """Write a folder of files: it appears when all of them are there.

    Args:
        folder: The folder.
        files: Content by path below it.
        overwrite: Replace a folder that an export has written.

    Raises:
        UserError: The folder holds something else.
        OSError: It cannot be written; nothing is left of it.
    """
    if folder.exists() and not (overwrite and (folder / "configs/metadata.json").is_file()):
        raise UserError(f"output: {folder} is there already and is no bundle; name another")
    partial = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    try:
        for path, content in files.items():
            write_whole(partial / path, content)
        if folder.exists():
            shutil.rmtree(folder)
        partial.replace(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
