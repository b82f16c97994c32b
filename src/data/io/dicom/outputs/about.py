"""Statement of what made a DICOM file, and UIDs that are the same each time the same thing is made."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any, Literal

from ganatomy.errors import one_of
from ganatomy.version import __version__

CAUTION = "Made by an algorithm. Not for diagnosis."
LONGEST = 64
"""Characters of a text of the kind LO."""


@dataclass(frozen=True)
class About:
    """Statement of what made a file.

    Attributes:
        algorithm: Name of the algorithm.
        weights: SHA-256 of the weights, in hexadecimal.
        run: Name of the run.
        version: Version of the algorithm.
        settings: Text of all else that decides the values (mirrors, alpha, ...): it enters the UIDs, so
            that two files with different pixels never have the same.
        identifiers: `keep` has the output carry the patient's identity exactly as the input does; `remove`
            applies the Basic Profile of DICOM PS3.15.
        patient: With `remove`, the pseudonym that becomes PatientID and PatientName.
        secret: With `remove`, a secret that keys the new UIDs.

    Example:
        >>> one, other = About(weights="9f" * 32), About(weights="00" * 32)
        >>> one.key("1.2.3") == one.key("1.2.3"), one.key("1.2.3") == other.key("1.2.3")
        (True, False)
    """

    algorithm: str = "GANatomy"
    weights: str = ""
    run: str = ""
    version: str = __version__
    settings: str = ""
    identifiers: Literal["keep", "remove"] = "keep"
    patient: str = ""
    secret: str = ""

    def __post_init__(self) -> None:
        one_of("identifiers", self.identifiers, ("keep", "remove"))

    def key(self, *words: str) -> str:
        """Return a UID (ITU-T X.667, name-based) of these words and of all that decides the values."""
        return named_uid(self.algorithm, self.version, self.weights, self.settings, *words)

    @property
    def title(self) -> str:
        """Name and version of the algorithm."""
        return f"{self.algorithm} {self.version}"

    @property
    def description(self) -> str:
        """One sentence for a person who reads the header, with the weights' hash."""
        run = f", run {self.run}" if self.run else ""
        weights = f", weights SHA-256 {self.weights}" if self.weights else ""
        return f"{self.title}{run}{weights}. {CAUTION}"[:1024]

    def series_description(self, before: str, what: str = "not for diagnosis") -> str:
        """Return a SeriesDescription: the algorithm and, as far as there is room, that of the source."""
        text = f"{self.title}, {what}"
        return (f"{text}: {before}" if before else text)[:LONGEST].rstrip()


def named_uid(*words: str) -> str:
    """Return the UID 2.25.N of a name-based UUID of these words."""
    return f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, chr(0).join(words)).int}"


def code(concept: Any) -> Any:
    """Return a coded concept as the item of a code sequence."""
    from pydicom.dataset import Dataset

    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator = concept.value, concept.scheme_designator
    item.CodeMeaning = concept.meaning
    return item
