"""Find the series of a folder tree from the headers alone, and count the files that are not images."""

from __future__ import annotations

import filecmp
import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ganatomy.data.io.dicom.files import files_below, opened, pydicom

TAGS = (
    "SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "PatientID", "Modality",
    "SeriesDescription", "ProtocolName", "SeriesNumber", "Rows", "NumberOfFrames",
)  # fmt: skip
STORAGE = "1.2.840.10008.5.1.4.1.1."
NO_IMAGES = tuple(STORAGE + end for end in ("4.2", "66.4", "66.7"))
"""Spectra and segmentations: they have Rows and Columns but are not images."""
CINE = tuple(
    STORAGE + end
    for end in (
        "3", "3.1", "7.1", "7.2", "7.3", "7.4", "12.1", "12.1.1", "12.2", "12.2.1", "20", "481.1", "77.1.1.1",
        "77.1.2.1", "77.1.4.1", "77.1.6",
    )
)  # fmt: skip
"""SOP classes whose frames are a time series or tiles, not slices."""
COMMON = (
    ".txt",
    ".xml",
    ".json",
    ".csv",
    ".pdf",
    ".zip",
    ".gz",
    ".nii",
    ".png",
    ".jpg",
    ".jpeg",
    ".tif",
    ".md",
)
"""Extensions that notes name."""


@dataclass
class Series:
    """One series of one patient: its files in order, and the names in its header.

    Attributes:
        uid: SeriesInstanceUID.
        owner: the PatientID, else the study, else the folder. Private.
        person: the PatientID, empty if there is none. Private.
        modality: CT, MR, ...
        description: SeriesDescription.
        protocol: ProtocolName.
        number: SeriesNumber.
        study: StudyInstanceUID. Private.
        slices: number of files, or of their frames where these are slices.
        paths: the files.
        images: SOPInstanceUID -> file; used only to find copies.
        token: digest of the SOPInstanceUIDs, which only who has the files knows.
    """

    uid: str
    owner: str
    person: str
    modality: str = "?"
    description: str = ""
    protocol: str = ""
    number: str = ""
    study: str = ""
    slices: int = 0
    paths: list[Path] = field(default_factory=list)
    images: dict[str, Path] = field(default_factory=dict)
    token: str = ""

    @property
    def words(self) -> str:
        """Return the name of the series for display. It may hold text typed at the scanner, even a name."""
        return self.description or self.protocol or f"number {self.number or '?'}"


@dataclass
class Found:
    """The image series of a folder tree, and what was ignored.

    Attributes:
        series: The series.
        notes: Notes about the ignored files.
        damaged: Files whose header cannot be read.
    """

    series: list[Series]
    notes: list[str]
    damaged: list[Path] = field(default_factory=list)


def find_series(root: Path, files: Sequence[Path] | None = None) -> Found:
    """Return every image series below `root`, in the order of the files. Only headers are read.

    Files that are not DICOM, or hold no image, are counted. A copy of a file in the same series (same
    SOPInstanceUID and bytes) counts once.

    Args:
        root: The folder.
        files: Files below it that are looked at; None for all.
    """
    paths, broken = files_below(root) if files is None else (sorted(files), 0)
    series: dict[tuple[str, str], Series] = {}
    strange: Counter[str] = Counter()
    objects: Counter[str] = Counter()
    damaged: list[Path] = []
    copies = nameless = 0
    for path in paths:
        try:
            header = opened(path, TAGS)
            if "Rows" not in header or str(header.get("SOPClassUID")) in NO_IMAGES:
                objects[str(header.get("Modality") or "not named")] += 1
            elif not header.get("SeriesInstanceUID"):
                nameless += 1
            else:
                copies += not _put(series, header, path, root)
        except pydicom().errors.InvalidDicomError:
            strange[_ending(path)] += 1
        except Exception:  # headers can be damaged in many ways, folders unreadable
            damaged.append(path)
    counts = [
        (sum(objects.values()), f"DICOM without an image ({_counted(objects)})"),
        (sum(strange.values()), f"no DICOM ({_counted(strange)})"),
        (len(damaged), "headers that cannot be read (keys.csv names them)"),
        (nameless, "DICOM without a SeriesInstanceUID"),
        (copies, "copies of others"),
        (broken, "links that lead nowhere"),
    ]
    for one in series.values():
        one.token = hashlib.sha256("\n".join(sorted(one.images)).encode()).hexdigest()
        one.images.clear()
    notes = [f"files passed over: {n}, {what}" for n, what in counts if n]
    return Found(list(series.values()), notes, damaged)


def _owner(header: Any, path: Path, root: Path) -> tuple[str, str]:
    """Return what tells the patient of a file from others, and the PatientID (empty if there is none)."""
    person = str(header.get("PatientID") or "")
    text = person or str(header.get("StudyInstanceUID") or path.parent.relative_to(root).as_posix())
    return text, person


def _put(series: dict[tuple[str, str], Series], header: Any, path: Path, root: Path) -> bool:
    """Add a file to its series; return False if it is a copy of a file that is there already."""
    name, person = _owner(header, path, root)
    uid = str(header.SeriesInstanceUID)
    entry = series.get((uid, name))
    if entry is None:
        description, protocol, number = (
            str(header.get(word) or "").strip()
            for word in ("SeriesDescription", "ProtocolName", "SeriesNumber")
        )
        modality = str(header.get("Modality") or "?")
        study = str(header.get("StudyInstanceUID") or "")
        entry = Series(uid, name, person, modality, description, protocol, number, study)
        series[uid, name] = entry
    image = str(header.get("SOPInstanceUID") or "")
    if image in entry.images and filecmp.cmp(path, entry.images[image], shallow=False):
        return False
    if image:
        entry.images[image] = path
    entry.paths.append(path)
    cine = str(header.get("SOPClassUID")) in CINE
    entry.slices += 1 if cine else int(header.get("NumberOfFrames") or 1)
    return True


def _ending(path: Path) -> str:
    """Return a file's extension if it is a common one: others may be parts of UIDs or of names."""
    return path.suffix.lower() if path.suffix.lower() in COMMON else "no common ending"


def _counted(counter: Counter[str]) -> str:
    return ", ".join(f"{name} {n}" for name, n in counter.most_common())
