"""Identifiers left in DICOM headers, and hints of text in pixels: by names of tags, never by values."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ganatomy.data.io.dicom.confidentiality import PROFILE, REPEATED, UIDS
from ganatomy.data.io.dicom.files import files_below, opened
from ganatomy.data.io.readers import is_dicom
from ganatomy.data.problems import files_of
from ganatomy.data.records import Record, Source

DATES = ("DA", "TM", "DT")
TEXTS = ("ST", "LT", "UT", "UC")
FREE = ("Description", "Comments", "Text", "History", "Notes", "Label", "Instructions", "Reason")
"""Ends of the keywords of short texts that are typed freely."""
PLACEHOLDERS = (
    "anonymous",
    "anonymized",
    "anonymised",
    "anon",
    "deidentified",
    "de-identified",
    "removed",
    "none",
)
"""Values, in lower case, that name nobody."""
CAPTURED = "1.2.840.10008.5.1.4.1.1.7"
"""SOP classes of secondary captures begin with this."""
WITH_TEXT = ("US", "SC", "OT", "XC", "ES", "DOC", "ECG")
"""Modalities whose pictures often show text."""
SCREEN = ("SECONDARY", "SCREEN SAVE", "SCREENSHOT", "SCREEN CAPTURE")
NO_PROFILE = "no tag of the DICOM PS3.15 basic profile is filled in"


@dataclass
class Identifiers:
    """Number of files in which each tag is filled in.

    Attributes:
        files: Files that were read.
        names: Tags of persons, places, numbers and devices.
        texts: Tags of free text, which may name a person.
        dates: Tags of dates and times.
        placeholders: Tags of which a value such as ANONYMOUS takes the place.
        private: Files with private elements.
        drawn: Files with an overlay, a curve, or a thumbnail.
        burned: Files with BurnedInAnnotation=YES.
        doubtful: Why a file may hold text in its pixels, for files that do not say.
        faces: Files with RecognizableVisualFeatures=YES.
        removed: Files with PatientIdentityRemoved=YES.
    """

    files: int = 0
    names: Counter[str] = field(default_factory=Counter)
    texts: Counter[str] = field(default_factory=Counter)
    dates: Counter[str] = field(default_factory=Counter)
    placeholders: Counter[str] = field(default_factory=Counter)
    private: int = 0
    drawn: Counter[str] = field(default_factory=Counter)
    burned: int = 0
    doubtful: Counter[str] = field(default_factory=Counter)
    faces: int = 0
    removed: int = 0


def dicom_files(source: Source, records: Sequence[Record]) -> list[Path]:
    """Return the DICOM files of a data set; of a DICOM tree all of them, used or not."""
    if getattr(source, "private", False) and hasattr(source, "folder"):
        return [
            path for path in files_below(source.folder)[0] if path.suffix.lower() not in (".csv", ".json")
        ]
    if not hasattr(source, "paths"):
        return []
    roles = [role for role in ("image", "target") if any(files_of(record, role) for record in records)]
    paths = {path for record in records for role in roles for path in source.paths(record, role)}
    return sorted(path for path in paths if path.is_file() and is_dicom(path))


def identifiers(paths: Iterable[Path]) -> Identifiers:
    """Read the headers of files and count what is left in them; files that are not DICOM are left out."""
    found = Identifiers()
    for path in paths:
        try:
            header = opened(path, pixels=False)
            seen, private = _seen(header)
        except Exception:  # no DICOM, or damaged in one of many ways; the survey names those
            continue
        found.files += 1
        found.private += private
        for kind, words in seen.items():
            getattr(found, kind).update(words)
        _pixels(found, header)
    return found


def _seen(header: Any) -> tuple[dict[str, set[str]], bool]:
    """Return keywords by attribute of `Identifiers`, and True if there are private elements."""
    seen: dict[str, set[str]] = defaultdict(set)
    private = False
    for element in _elements(header):
        word, group = element.keyword, element.tag.group
        if element.tag.is_private:
            private = True
        elif group & 0xFF01 in REPEATED:
            seen["drawn"].add(REPEATED[group & 0xFF01].lower())
        elif word and not _empty(element):
            if kind := _kind(element):
                seen[kind].add(word)
            if word == "IconImageSequence":
                seen["drawn"].add("thumbnail")
    return seen, private


def _elements(dataset: Any) -> Iterator[Any]:
    """Yield the elements of a dataset and of its sequences; of private ones only themselves."""
    for element in dataset:
        yield element
        if element.VR == "SQ" and not element.tag.is_private:
            for item in element.value:
                yield from _elements(item)


def _kind(element: Any) -> str:
    """Return the attribute of `Identifiers` that counts an element; empty if it identifies nobody."""
    word, vr = element.keyword, element.VR
    if vr in DATES:
        return "dates"
    if vr != "PN" and (word not in PROFILE or word in UIDS or vr == "UI" or word == "IconImageSequence"):
        return ""
    if vr in TEXTS or (vr in ("LO", "SH") and word.endswith(FREE)):
        return "texts"
    if vr in ("PN", "LO", "SH", "CS") and str(element.value).strip(" ^").lower() in PLACEHOLDERS:
        return "placeholders"
    return "names"


def _empty(element: Any) -> bool:
    if element.VR == "SQ":  # references by UID alone identify nobody
        return all(
            inner.VR in ("UI", "SQ") or _empty(inner) for item in element.value for inner in _elements(item)
        )
    return element.value is None or not str(element.value).strip(" ^[]") or element.value == b""


def _pixels(found: Identifiers, header: Any) -> None:
    """Count what a header says of text in its pixels."""
    found.removed += _says(header, "PatientIdentityRemoved", "YES")
    found.faces += _says(header, "RecognizableVisualFeatures", "YES")
    if "Rows" not in header:
        return
    if header.get("BurnedInAnnotation"):
        found.burned += _says(header, "BurnedInAnnotation", "YES")
        return
    value = header.get("ImageType") or ()
    kinds = {str(part).upper() for part in ((value,) if isinstance(value, str) else value)}
    modality = str(header.get("Modality") or "").upper()
    if shown := [kind for kind in SCREEN if kind in kinds]:
        found.doubtful[f"ImageType {shown[0]}"] += 1
    elif str(header.get("SOPClassUID") or "").startswith(CAPTURED):
        found.doubtful["secondary capture"] += 1
    elif modality in WITH_TEXT:
        found.doubtful[f"Modality {modality}"] += 1


def _says(header: Any, keyword: str, word: str) -> bool:
    return str(header.get(keyword) or "").upper() == word


def summary(found: Identifiers) -> dict[str, str]:
    """Return name and text of what was found, for the terminal and the page; empty without DICOM files."""
    if not found.files:
        return {}
    rows = {
        "identifiers": _counted(found.names, found.files) or NO_PROFILE,
        "free text that may name a person": _counted(found.texts, found.files),
        "dates and times": _counted(found.dates, found.files),
        "placeholders, such as ANONYMOUS": _counted(found.placeholders, found.files),
        "private elements": _of(found.private, found.files) if found.private else "",
        "overlays, curves, thumbnails": _counted(found.drawn, found.files),
        "text in pixels": _text(found),
        "faces": f"RecognizableVisualFeatures=YES in {_of(found.faces, found.files)}" if found.faces else "",
        "said to be without identity": (
            f"PatientIdentityRemoved=YES in {_of(found.removed, found.files)}" if found.removed else ""
        ),
    }
    return {name: words for name, words in rows.items() if words}


def _text(found: Identifiers) -> str:
    parts = []
    if found.burned:
        parts.append(f"burned in, BurnedInAnnotation=YES, in {_of(found.burned, found.files)}")
    if found.doubtful:
        reasons = ", ".join(f"{why} ({n})" for why, n in found.doubtful.most_common())
        where = _of(found.doubtful.total(), found.files)
        parts.append(f"may be there in {where} without BurnedInAnnotation: {reasons}")
    return "; ".join(parts)


def _counted(counter: Counter[str], files: int) -> str:
    """Return the tags of each count together, the most frequent first."""
    by_count: dict[int, list[str]] = defaultdict(list)
    for word, count in counter.items():
        by_count[count].append(word)
    groups = [f"{', '.join(sorted(words))} ({_of(n, files)})" for n, words in by_count.items()]
    return "; ".join(group for _, group in sorted(zip((-n for n in by_count), groups, strict=True)))


def _of(count: int, files: int) -> str:
    many = "file" if files == 1 else "files"
    return f"all {files} {many}" if count == files > 1 else f"{count} of {files} {many}"
