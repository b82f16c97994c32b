"""One file or folder of many: written with the same bytes from the same content, read from strangers.

Entries are not compressed: zlib's versions differ in their bytes, figures and weights gain nothing, and a
small file cannot become a large one.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from ganatomy.errors import UserError
from ganatomy.experiments.archive.run_files import Content
from ganatomy.text.sizes import bytes_text

FIRST_DAY = (1980, 1, 1, 0, 0, 0)
"""Date of every entry: the earliest that zip can hold."""
NAME = re.compile(r"(?!\.)[\w.+-]+(/(?!\.)[\w.+-]+)*", re.ASCII)
"""Names of files: relative, without `..`, hidden files, blanks and signs that a system reads otherwise."""
CHUNK = 1 << 20


def digest(content: Content | IO[bytes]) -> str:
    """Return the SHA-256 of bytes, of a file, or of what is left of a stream."""
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest()
    if isinstance(content, Path):
        with content.open("rb") as file:
            return digest(file)
    found = hashlib.sha256()
    while part := content.read(CHUNK):
        found.update(part)
    return found.hexdigest()


def size(content: Content) -> int:
    """Return the bytes of a file."""
    return len(content) if isinstance(content, bytes) else content.stat().st_size


def write_zip(path: Path, files: Mapping[str, Content]) -> None:
    """Write a zip whose bytes depend on names and contents alone; whole or not at all."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive:
            for name in sorted(files):
                content = files[name]
                entry = zipfile.ZipInfo(name, FIRST_DAY)
                entry.create_system, entry.external_attr = 3, (stat.S_IFREG | 0o644) << 16
                entry.file_size = size(content)
                with archive.open(entry, "w") as target:
                    if isinstance(content, bytes):
                        target.write(content)
                    else:
                        with content.open("rb") as source:
                            shutil.copyfileobj(source, target, CHUNK)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


class Container:
    """An archive to read: a zip, or the folder that it was unpacked to.

    Args:
        path: The zip or folder.

    Raises:
        UserError: It is neither; or it holds a link, a folder or device in place of a file, a name that leads
            out of it, a name twice, or an entry that is compressed or encrypted.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.archive: zipfile.ZipFile | None = None
        try:
            if path.is_dir():
                self.names = self._in_folder()
            else:
                self.archive = zipfile.ZipFile(path)
                self.names = self._in_zip(self.archive)
        except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError) as error:
            raise UserError(f"{path}: is no archive of an experiment ({error})") from error
        for name in self.names:
            if not NAME.fullmatch(name):
                raise self._refused(name, "such names may lead out of the archive")
        folded = {name.casefold() for name in self.names}
        if len(folded) < len(self.names):
            raise UserError(f"{path}: refused: a name is there twice; take the archive as it was published")

    def open(self, name: str) -> IO[bytes]:
        """Open a file of the archive."""
        return self.archive.open(name) if self.archive else (self.path / name).open("rb")

    def read(self, name: str, most: int) -> bytes:
        """Return the bytes of a file.

        Args:
            name: Its name.
            most: Most bytes that are read.

        Raises:
            UserError: It is larger, or its entry in the zip is damaged.
        """
        try:
            with self.open(name) as file:
                content = file.read(most + 1)
        except zipfile.BadZipFile as error:
            raise UserError(f"{self.path}: {name}: is damaged ({error})") from error
        if len(content) > most:
            raise UserError(f"{self.path}: {name}: is larger than {bytes_text(most)}, so it is refused")
        return content

    def _in_folder(self) -> list[str]:
        names = []
        for folder, folders, files in os.walk(self.path):
            for name in (*folders, *files):
                path = Path(folder, name)
                mode = path.lstat().st_mode
                relative = path.relative_to(self.path).as_posix()
                if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                    raise self._refused(relative, "it is a link, pipe or device")
                if stat.S_ISREG(mode):
                    names.append(relative)
        return names

    def _in_zip(self, archive: zipfile.ZipFile) -> list[str]:
        for entry in archive.infolist():
            kind = stat.S_IFMT(entry.external_attr >> 16)
            if kind not in (0, stat.S_IFREG) or entry.is_dir():
                raise self._refused(entry.filename, "it is a link, folder or device")
            if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1:
                raise self._refused(entry.filename, "it is compressed or encrypted, which no archive writes")
        return [entry.orig_filename for entry in archive.infolist()]

    def _refused(self, name: str, why: str) -> UserError:
        return UserError(f"{self.path}: refused: {name!r}: {why}; take the archive as it was published")
