"""`experiment check FILE`: every hash of an archive compared, each claim decided anew from its figures."""

from __future__ import annotations

import gzip
import io
import tempfile
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from rich.console import Console

from ganatomy.config.security.elsewhere import checked
from ganatomy.errors import UserError
from ganatomy.experiments.archive.container import Container, digest
from ganatomy.experiments.archive.crate import METADATA
from ganatomy.experiments.archive.subject import Decided, decided
from ganatomy.experiments.check import STALE, check
from ganatomy.experiments.fingerprint import fingerprint, fingerprint_of
from ganatomy.experiments.results.wording import finding
from ganatomy.experiments.spec import names
from ganatomy.experiments.store import CASES
from ganatomy.runs.integrity import checksums
from ganatomy.runs.integrity.contents import parsed

DOES_NOT_FOLLOW = 3
"""Exit code where all files are as they were packed, but a result does not follow from the figures."""
MOST = 100_000_000
"""Most bytes of a file that is read here, and of the scores of cases without their compression."""


def check_archive(path: Path, console: Console) -> None:
    """Check an archive and say what came out.

    Args:
        path: The zip, or the folder that it was unpacked to.
        console: Console for the lines.

    Raises:
        UserError: It is no archive, a file is not as it was packed, or it could do harm.
        DoesNotFollow: All files are as they were packed, but a result does not follow from the figures.
    """
    if not path.exists():
        raise UserError(f"{path}: there is no such file or folder")
    packed = Container(path)
    if faults := damage(packed):
        raise UserError("\n".join(f"{path}: {fault}" for fault in faults))
    with tempfile.TemporaryDirectory(prefix="archive-") as folder:
        scales, faults = follows(packed, unpacked(packed, Path(folder)))
        if faults:
            lines = (f"{path}: {fault.replace(f'{folder}/', '').partition(STALE)[0]}" for fault in faults)
            raise DoesNotFollow("\n".join(lines))
    for each in scales:
        for verdict in each.verdicts:
            console.print(finding(each.experiment, verdict), soft_wrap=True)
    said = "; ".join(each.said for each in scales)
    hashed = "" if path.is_dir() else f"; SHA-256 {digest(path)}"
    console.print(
        f"{path}: {len(packed.names)} files are as they were packed, every verdict follows from the figures "
        f"({said}{hashed})",
        soft_wrap=True,
    )


class DoesNotFollow(UserError):
    """The files of an archive are as they were packed, but a result does not follow from the figures."""

    code = DOES_NOT_FOLLOW


def damage(packed: Container) -> list[str]:
    """Return a line for each file that is missing, was added, or is not as checksums.txt lists it."""
    if lacks := {checksums.NAME, METADATA} - set(packed.names):
        return [f"has no {' and no '.join(sorted(lacks))}, so it is no archive of an experiment"]
    known = checksums.known_of(packed.read(checksums.NAME, MOST), f"{packed.path}: {checksums.NAME}")
    there = set(packed.names) - {checksums.NAME}
    faults = [f"{name}: is missing" for name in sorted(known.keys() - there)]
    faults += [f"{name}: was added, no checksum is known of it" for name in sorted(there - known.keys())]
    for name in sorted(there & known.keys()):
        try:
            with packed.open(name) as file:
                same = (digest(file),) == known[name]
        except zipfile.BadZipFile:  # the zip's own sum of the entry
            same = False
        faults += [] if same else [f"{name}: was changed"]
    return faults


def unpacked(packed: Container, folder: Path) -> Path:
    """Copy what the verdicts follow from into a folder of our own, and return that."""
    for name in packed.names:
        if PurePosixPath(name).parts[0] in ("experiments", "configurations"):
            content = packed.read(name, MOST)
            if name.endswith(CASES):
                _refuse_large(content, f"{packed.path}: {name}")
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
    if not (folder / "experiments").is_dir() or len(names(folder / "experiments")) != 1:
        raise UserError(f"{packed.path}: holds no experiment, or several; one is needed")
    return folder


def _refuse_large(content: bytes, name: str) -> None:
    """Refuse what grows without end when it is no longer compressed."""
    try:
        with gzip.open(io.BytesIO(content)) as file:
            known = len(file.read(MOST + 1))
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{name}: is no gzip ({error})") from error
    if known > MOST:
        raise UserError(f"{name}: holds more than {MOST // 1_000_000} MB, so it is refused")


def follows(packed: Container, root: Path) -> tuple[list[Decided], list[str]]:
    """Decide each claim anew, and name what does not follow: tables, verdicts, configurations, metadata.

    Args:
        packed: The archive, whose files are as they were packed.
        root: Folder with a copy of its experiment and configurations.

    Returns:
        The experiment at each scale, and a line for each fault.
    """
    (name,) = names(root / "experiments")
    try:
        if faults := check(root / "experiments", [name]):
            return [], faults
        scales = decided(root / "experiments", name, Path("runs"))
        return scales, [*_configurations(scales, root), *_described(packed, scales)]
    except UserError as error:
        return [], str(error).splitlines()
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        return [], [f"its files do not hold results ({error!r})"]


def _configurations(scales: Sequence[Decided], root: Path) -> list[str]:
    """Compare the configuration of each arm with what its words compose to, as a run's hash does."""
    faults = []
    for each in scales:
        for run in each.arms:
            path = root / "configurations" / each.experiment.scale / f"{run.arm}.yaml"
            content: Any = checked(path).content if path.is_file() else None
            if not isinstance(content, dict) or fingerprint_of(content) != fingerprint(run.words):
                faults.append(f"{path}: is not the configuration of {run.arm}")
    return faults


def _described(packed: Container, scales: Sequence[Decided]) -> list[str]:
    """Compare the claims and the files in ro-crate-metadata.json with those that are there."""
    graph = parsed(METADATA, packed.read(METADATA, MOST))["@graph"]
    files = {entity["@id"] for entity in graph if entity["@type"] == "File"}
    claims = [(entity["name"], entity["description"]) for entity in graph if entity["@type"] == "Claim"]
    there = set(packed.names) - {METADATA, checksums.NAME}
    faults = [] if files == there else [f"{METADATA}: lists other files than are here"]
    found = [(str(v.claim), finding(each.experiment, v)) for each in scales for v in each.verdicts]
    return faults + ([] if claims == found else [f"{METADATA}: has other verdicts than the figures"])
