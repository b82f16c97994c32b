"""Coded concepts of classes: SNOMED CT codes of DICOM's own lists for segments (PS3.16)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

LISTS = (
    ("cid7194", "MorphologicallyAbnormalStructure"),
    ("cid7192", "AnatomicalStructure"),
    ("cid7191", "Tissue"),
)
"""Context groups of segment types, in the order of search, each with its category (CID 7150)."""
OTHER_NAMES = {
    "cancer": "Neoplasm", "carcinoma": "Neoplasm", "tumor": "Neoplasm", "tumour": "Neoplasm",
    "malignant": "Neoplasm", "benign": "Lesion", "finding": "Lesion", "anomaly": "Lesion",
    "haemorrhage": "Hemorrhage", "bleeding": "Hemorrhage", "oedema": "Edema",
    "gm": "GrayMatter", "grey matter": "GrayMatter", "wm": "WhiteMatter", "csf": "CerebrospinalFluid",
    "hippocampus anterior": "Hippocampus", "hippocampus posterior": "Hippocampus",
    "lungs": "Lung", "kidneys": "Kidney", "teeth": "Tooth", "fat": "AdiposeTissue", "bone": "BoneTissue",
    "muscle": "MuscleTissue", "oesophagus": "Esophagus", "urinary bladder": "Bladder",
    "vessel": "BloodVessel", "vessels": "BloodVessel",
}  # fmt: skip
"""Name of a class, or its last words, to the keyword of a concept."""
SIDES = {"left": ("7771000", "Left"), "right": ("24028007", "Right")}
OPPOSITE = ("no", "non", "not", "without", "outside", "around", "peri")
"""Words that turn the meaning of the ones after them."""
GENERIC = "Tissue"
"""Category and type of a class that is in no list: SNOMED CT 85756007."""
GIVEN = re.compile(r"([^|^]+)[|^]([^|^]+)[|^]([^|^]+)")

Concepts = tuple[Any, Any, Any]
"""Category, type, and side or None."""


def concepts_of(name: str, given: Mapping[str, str] | None = None) -> Concepts:
    """Return category, type and side of a class, by its name.

    Args:
        name: Name of the class, such as `left kidney` or `liver_tumor`: the longest end of it that is in a
            list counts, if no word such as `non` stands before it.
        given: Name of a class to `CODE|SCHEME|MEANING`, such as `10200004|SCT|Liver`, of the type.

    Returns:
        Coded concepts; (Tissue, Tissue, None) if the name is in no list.

    Raises:
        ValueError: A given code has another form.

    Example:
        >>> category, kind, side = concepts_of("left kidney")
        >>> category.meaning, kind.value, kind.meaning, side.meaning
        ('Anatomical Structure', '64033007', 'Kidney', 'Left')
        >>> concepts_of("class 3")[1].meaning
        'Tissue'
    """
    from pydicom.sr.codedict import codes
    from pydicom.sr.coding import Code

    words = _words(name)
    side = next((Code(SIDES[w][0], "SCT", SIDES[w][1]) for w in words if w in SIDES), None)
    known = {kind: getattr(codes, kind).concepts for kind, _ in LISTS}
    categories = codes.cid7150.concepts
    if given and name in given:
        found = GIVEN.fullmatch(given[name].strip())
        if found is None:
            raise ValueError(f"the code {given[name]!r} of {name}: write CODE|SCHEME|MEANING")
        own = Code(*(part.strip() for part in found.groups()))
        held = [
            categories[category] for kind, category in LISTS if any(own == c for c in known[kind].values())
        ]
        return (held or [categories[GENERIC]])[0], own, side
    plain = [word for word in words if word not in SIDES]
    ends = [plain[start:] for start in range(0 if not set(OPPOSITE) & set(words) else len(plain), len(plain))]
    for end in [words, *ends]:
        spoken = OTHER_NAMES.get(" ".join(end), "".join(end))
        for kind, category in LISTS:
            match = next((c for word, c in known[kind].items() if word.lower() == spoken.lower()), None)
            if match is not None and match.meaning != "Background":
                return categories[category], match, None if end is words else side
    return categories[GENERIC], categories[GENERIC], side


def _words(name: str) -> list[str]:
    """Return the words of a name in lower case: `LeftKidney`, `left_kidney` and `left-kidney` are alike."""
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return [word.lower() for word in re.split(r"[^0-9A-Za-z]+", apart) if word]
