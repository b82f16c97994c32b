"""checksums.txt: SHA-256 of the files of a run that are read again, in the format of `sha256sum`.

A file's new digest is written before the file is, and the digest of what stands there stays as a comment:
both are accepted, so a kill between the two writes is no damage. The last line covers the lines above it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

from ganatomy.errors import UserError
from ganatomy.files import write_whole

NAME = "checksums.txt"
HEAD = "# checked by: sha256sum -c checksums.txt (`before`: what a file held until its last write)"
LAST = "# lines above: "
BEFORE = "# before: "
LINE = re.compile(rf"(?P<before>{BEFORE})?(?P<digest>[0-9a-f]{{64}})  (?P<name>(?!/|\S*\.\.)\S+)")

Known = dict[str, tuple[str, ...]]
"""File -> its accepted digests: of its last write, then of what stood there before."""


class Damaged(UserError):
    """A file does not hold what was written."""


def sha256(content: bytes) -> str:
    """Return the SHA-256 of bytes as hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def read_checksums(run: Path) -> Known | None:
    """Return the digests of a run's files; None for a run of a version that wrote none.

    Raises:
        Damaged: checksums.txt is not as it was written, in any bit.
    """
    path = run / NAME
    if not path.is_file():
        return None
    return known_of(path.read_bytes(), str(path))


def known_of(content: bytes, name: str) -> Known:
    """Return the digests that the content of a checksums.txt lists.

    Raises:
        Damaged: It is not as it was written, in any bit; `name` is that of the message.
    """
    known = _parsed(content)
    if rendered(known) != content:
        raise Damaged(f"{name}: is damaged")
    return known


def record(run: Path, contents: Mapping[str, bytes]) -> None:
    """Write the digests of contents that are about to be written, by file name.

    The digest of what stands there is kept beside the new one if it was accepted so far.
    """
    path = run / NAME
    known = readable_lines(run)
    for name, content in contents.items():
        new = sha256(content)
        stands = sha256((run / name).read_bytes()) if (run / name).is_file() else ""
        known[name] = (new, stands) if stands != new and stands in known.get(name, ()) else (new,)
    write_whole(path, rendered(known))


def readable_lines(run: Path) -> Known:
    """Return what the lines that can be read say, also in a damaged file."""
    path = run / NAME
    return _parsed(path.read_bytes()) if path.is_file() else {}


def _parsed(content: bytes) -> Known:
    """Return what the lines that can be read say."""
    known: Known = {}
    for line in content.decode("utf-8", "replace").split("\n"):
        if found := LINE.fullmatch(line):
            name = found["name"]
            known[name] = (*known.get(name, ()), found["digest"])
    return known


def rendered(known: Known) -> bytes:
    """Return the content of a checksums.txt that lists these digests."""
    lines = [HEAD]
    for name in sorted(known):
        lines += [f"{BEFORE if place else ''}{digest}  {name}" for place, digest in enumerate(known[name])]
    text = "".join(f"{line}\n" for line in lines)
    return f"{text}{LAST}{sha256(text.encode())}\n".encode()
