"""Which of the series that were found are meant, and what a network should see of their values."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from fnmatch import fnmatchcase

from src.data.dicom.files import pydicom
from src.data.dicom.series import Series
from src.errors import UserError

Choice = str | int | Sequence[str | int] | None
XRAYS = ("CR", "DX", "RG")
"""One kind of picture, taken with different plates."""
WINDOW = [-160, 240]
"""HU of soft tissue."""
SHOWN = 12
BESIDE = ("RTDOSE", "RTIMAGE")
"""Modalities of images that go with others; read only where data.modality says so."""


def listed(choice: Choice) -> list[str | int]:
    if choice is None:
        return []
    return [choice] if isinstance(choice, str | int) else list(choice)


def chosen_slices(series: Choice) -> tuple[tuple[str, str], ...]:
    """Of data.series, what chooses slices within a series: KEYWORD:VALUE with a keyword of DICOM."""
    pairs = [str(word).partition(":") for word in listed(series)]
    return tuple((k.strip(), v.strip()) for k, colon, v in pairs if colon and _keyword(k.strip()))


def chosen(found: Sequence[Series], series: Choice, modality: Choice, least: int) -> list[Series]:
    """The series that the keys choose and that have `least` slices or more, in the order of `found`.

    Raises UserError when a word matches nothing, or when kinds of images are mixed and no key chooses.
    """
    kinds = [str(kind).upper() for kind in listed(modality)]
    for kind in kinds:
        if not any(one.modality == kind for one in found):
            raise UserError(f"data.modality={kind}: there is none; found {told(found)}")
    kept = [one for one in found if (one.modality in kinds if kinds else one.modality not in BESIDE)]
    words = [word for word in listed(series) if not chosen_slices(word)]
    for word in words:
        if not any(matches(word, one) for one in kept):
            raise UserError(f"data.series={word}: matches no series; found {told(kept or found)}")
    kept = [one for one in kept if not words or any(matches(word, one) for word in words)]
    enough = [one for one in kept if one.slices >= least]
    if not enough:
        raise UserError(
            f"data.least={least}: no DICOM series has {least} or more slices; found {told(kept or found)}"
        )
    mixed = Counter("/".join(XRAYS) if one.modality in XRAYS else one.modality for one in enough)
    if len(mixed) > 1 and not kinds and not words:
        counts = ", ".join(f"{kind} {n}" for kind, n in mixed.most_common())
        raise UserError(f"data.modality: the series are of several kinds ({counts}); choose, such as "
                        f"data.modality={mixed.most_common()[0][0].split('/')[0]}")  # fmt: skip
    return enough


def matches(word: str | int, one: Series) -> bool:
    """Whether a word of data.series means this series: a number its SeriesNumber; a text its
    SeriesInstanceUID, or part of its SeriesDescription or ProtocolName in any case of letters; with * or ?
    all of one of them."""
    if isinstance(word, int) or word.isdigit():
        return one.number.isdigit() and int(one.number) == int(word)
    low, texts = word.lower(), [one.description.lower(), one.protocol.lower()]
    if "*" in low or "?" in low:
        return any(fnmatchcase(text, low) for text in texts)
    return word == one.uid or any(low in text for text in texts)


def suited(found: Sequence[Series]) -> str | list[float]:
    """What data.intensity=auto means for these series: a window of HU for CT, else percentiles."""
    kinds = Counter("CT" if one.modality == "CT" else "others" for one in found)
    if len(kinds) > 1:
        raise UserError(
            f"data.intensity=auto: {kinds['CT']} series are CT and {kinds['others']} are not; "
            "choose one with data.modality, or set data.intensity"
        )
    return list(WINDOW) if "CT" in kinds else "percentile"


def overview(found: Sequence[Series], kept: Sequence[Series]) -> list[tuple[str, ...]]:
    """Heads and rows of a table of all series: alike ones in one row, and how many of them are used."""
    alike: dict[tuple[str, str], list[Series]] = defaultdict(list)
    for one in found:
        alike[one.modality, one.words].append(one)
    used = {id(one) for one in kept}
    rows = [
        (
            *names,
            _range([one.slices for one in same]),
            str(len(same)),
            str(sum(id(one) in used for one in same)),
        )
        for names, same in sorted(alike.items())
    ]
    return [("modality", "series", "slices", "found", "used"), *rows]


def told(found: Sequence[Series]) -> str:
    """The kinds of series in one line."""
    rows = [
        f"{n} of {kind} {words!r} with {slices} slices"
        for kind, words, slices, n, _ in overview(found, [])[1:]
    ]
    more = [f"and {len(rows) - SHOWN} more kinds"] if len(rows) > SHOWN else []
    return ", ".join([*rows[:SHOWN], *more]) or "none"


def _range(numbers: Sequence[int]) -> str:
    least, most = min(numbers), max(numbers)
    return str(least) if least == most else f"{least}..{most}"


def _keyword(word: str) -> bool:
    return pydicom().datadict.tag_for_keyword(word) is not None
