"""A header without identifiers, by the Basic Application Level Confidentiality Profile (PS3.15, table E.1-1).

Pixels are left as they are: a file that says that text is burned into them is refused.
"""

from __future__ import annotations

from typing import Any

from ganatomy.data.io.dicom.confidentiality import EMPTIED, REMOVED
from ganatomy.data.io.dicom.outputs.about import About, named_uid

STANDARD = "1.2.840.10008."
"""Root of the UIDs that DICOM defines, which identify nobody."""
KEPT = ("SOPClassUID", "ReferencedSOPClassUID", "TransferSyntaxUID")


def without_identifiers(header: Any, about: About) -> Any:
    """Remove what may identify a person from a header, in place; return it.

    Args:
        header: Dataset without pixels and private elements.
        about: Pseudonym of the patient, and the secret of the new UIDs.

    Raises:
        ValueError: The file says that text is burned into its pixels.
    """
    if str(header.get("BurnedInAnnotation") or "").upper() == "YES":
        raise ValueError(
            "identifiers=remove: text is burned into its pixels (BurnedInAnnotation=YES), which stays there; "
            "blank the text first, or set identifiers=keep"
        )
    _clean(header, about)
    header.PatientID = header.PatientName = about.patient
    return header


def mark_removed(header: Any, about: About) -> None:
    """State in a header that identifiers were removed, and how."""
    from pydicom.dataset import Dataset

    method = Dataset()
    method.CodeValue, method.CodingSchemeDesignator = "113100", "DCM"
    method.CodeMeaning = "Basic Application Confidentiality Profile"
    header.PatientIdentityRemoved = "YES"
    header.DeidentificationMethod = f"{about.title}: PS3.15 Basic Profile"[:64]
    header.DeidentificationMethodCodeSequence = [method]


def _clean(dataset: Any, about: About) -> None:
    for element in list(dataset):
        word = element.keyword
        if word in REMOVED or (element.VR == "PN" and word not in EMPTIED):
            del dataset[element.tag]
        elif word in EMPTIED:
            element.value = [] if element.VR == "SQ" else ""
        elif element.VR == "SQ":
            for item in element.value:
                _clean(item, about)
        elif element.VR == "UI" and word not in KEPT:
            element.value = _replaced(element.value, about)


def _replaced(value: Any, about: About) -> Any:
    if value is None or value == "":
        return value
    many = not isinstance(value, str)
    new = [
        str(uid)
        if str(uid).startswith(STANDARD)
        else named_uid("identifiers removed", about.secret, str(uid))
        for uid in (value if many else [value])
    ]
    return new if many else new[0]
