"""The series of a tree, told by the headers alone, and what else lies there."""

from __future__ import annotations

import filecmp
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from src.data.dicom.files import digest, files_below, opened, pydicom

TAGS = (
    "SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "PatientID", "Modality",
    "SeriesDescription", "ProtocolName", "SeriesNumber", "Rows", "NumberOfFrames",
)  # fmt: skip
STORAGE = "1.2.840.10008.5.1.4.1.1."
NO_IMAGES = tuple(STORAGE + end for end in ("4.2", "66.4", "66.7"))
"""Spectra and segmentations: they have rows and columns too."""
CINE = tuple(
    STORAGE + end
    for end in (
        "3", "3.1", "7.1", "7.2", "7.3", "7.4", "12.1", "12.1.1", "12.2", "12.2.1", "20", "481.1", "77.1.1.1",
        "77.1.2.1", "77.1.4.1", "77.1.6",
    )
)  # fmt: skip
"""Classes whose frames follow each other in time, or are tiles: no slices."""


@dataclass
class Series:
    """One series of one patient: its files in order, and what its header calls it.

    patient: the PatientID, else the study, else the folder. slices: files, or their frames where these are
    slices.
    """

    uid: str
    patient: str
    person: str
    modality: str = "?"
    description: str = ""
    protocol: str = ""
    number: str = ""
    slices: int = 0
    paths: list[Path] = field(default_factory=list)
    images: dict[str, Path] = field(default_factory=dict)

    @property
    def words(self) -> str:
        """What people call it. May hold what somebody typed at the scanner, a name too."""
        return self.description or self.protocol or f"number {self.number or '?'}"


@dataclass
class Found:
    """The image series of a tree, and in words what was passed over."""

    series: list[Series]
    notes: list[str]


def find_series(root: Path) -> Found:
    """Every image series below `root`, in the order of the files. Reads headers only.

    Files that are no DICOM, or hold no image, are counted; a copy of a file of the same series (the same
    SOPInstanceUID and bytes) counts once.
    """
    paths, lost = files_below(root)
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
        except Exception:  # a header can be damaged in many ways, a folder be closed to us
            damaged.append(path)
    told = [
        (sum(objects.values()), f"DICOM without an image ({_counted(objects)})"),
        (sum(strange.values()), f"no DICOM ({_counted(strange)})"),
        (len(damaged), f"headers that cannot be read (such as {damaged[0] if damaged else ''})"),
        (nameless, "DICOM without a SeriesInstanceUID"),
        (copies, "copies of others"),
        (lost, "links that lead nowhere"),
    ]
    for one in series.values():
        one.images.clear()
    return Found(list(series.values()), [f"files passed over: {n}, {what}" for n, what in told if n])


def patient(header: Any, path: Path, root: Path) -> tuple[str, str]:
    """A name for the person of a file that does not show who it is, and the text it is made of: the
    PatientID, else the study, else the folder."""
    person = str(header.get("PatientID") or "")
    text = person or str(header.get("StudyInstanceUID") or path.parent.relative_to(root).as_posix())
    return "patient-" + digest(text), person


def _put(series: dict[tuple[str, str], Series], header: Any, path: Path, root: Path) -> bool:
    """Add a file to its series, unless it is a copy of one that is there."""
    name, person = patient(header, path, root)
    uid = str(header.SeriesInstanceUID)
    mine = series.get((uid, name))
    if mine is None:
        description, protocol, number = (
            str(header.get(word) or "").strip()
            for word in ("SeriesDescription", "ProtocolName", "SeriesNumber")
        )
        modality = str(header.get("Modality") or "?")
        mine = series[uid, name] = Series(uid, name, person, modality, description, protocol, number)
    image = str(header.get("SOPInstanceUID") or "")
    if image in mine.images and filecmp.cmp(path, mine.images[image], shallow=False):
        return False
    if image:
        mine.images[image] = path
    mine.paths.append(path)
    flowing = str(header.get("SOPClassUID")) in CINE
    mine.slices += 1 if flowing else int(header.get("NumberOfFrames") or 1)
    return True


def _ending(path: Path) -> str:
    """Of a file's name; numbers are part of it, as those of UIDs."""
    return path.suffix.lower() if path.suffix and not path.suffix[1:].isdigit() else "no ending"


def _counted(counter: Counter[str]) -> str:
    return ", ".join(f"{name} {n}" for name, n in counter.most_common())
