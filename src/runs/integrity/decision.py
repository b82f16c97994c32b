"""What stands in a run directory, and what is to be done about it before the run goes on."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Decision:
    """What is to be done before a run goes on: a line for each finding, and the contents to write by name."""

    lines: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    writes: dict[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Pair:
    """A file and its copy; None if not there, trusted if checksums.txt has the digest."""

    name: str
    file: bytes | None
    copy: bytes | None
    file_trusted: bool
    copy_trusted: bool
