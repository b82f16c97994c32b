"""Choice of series by data.series, data.modality and data.least, and the default intensity scaling."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from fnmatch import fnmatchcase

from ganatomy.data.io.dicom.files import pydicom
from ganatomy.data.io.dicom.series import Series
from ganatomy.errors import UserError

Choice = str | int | Sequence[str | int] | None
XRAYS = ("CR", "DX", "RG")
"""Radiographs, which differ in the detector only and count as one modality."""
WINDOW = [-160, 240]
"""HU of soft tissue."""
SHOWN = 12
AUXILIARY = ("RTDOSE", "RTIMAGE")
"""Modalities of images that accompany others; read only if data.modality names them."""


def listed(choice: Choice) -> list[str | int]:
    """Return a choice as a list; None is empty."""
    if choice is None:
        return []
    return [choice] if isinstance(choice, str | int) else list(choice)


def chosen_slices(series: Choice) -> tuple[tuple[str, str], ...]:
    """Return the entries of data.series that choose slices: KEYWORD:VALUE with a DICOM keyword."""
    pairs = [str(word).partition(":") for word in listed(series)]
    return tuple((k.strip(), v.strip()) for k, colon, v in pairs if colon and _keyword(k.strip()))


def chosen(
    found: Sequence[Series], series: Choice, modality: Choice, least: int, side: str = ""
) -> list[Series]:
    """Return the selected series that have enough slices, in the order of `found`.

    Args:
        found: all series.
        series: data.series, see `matches`; None for all.
        modality: data.modality, one or several; None for all but auxiliary ones (RTDOSE, RTIMAGE).
        least: minimum number of slices.
        side: what the keys begin with: `target_` for the series of targets.

    Raises:
        UserError: an entry matches nothing, or several modalities are mixed and no key chooses among them.
    """
    kinds = [str(kind).upper() for kind in listed(modality)]
    for kind in kinds:
        if not any(one.modality == kind for one in found):
            raise UserError(f"data.{side}modality={kind}: no series has it; found {summary(found)}")
    kept = [one for one in found if (one.modality in kinds if kinds else one.modality not in AUXILIARY)]
    words = [word for word in listed(series) if not chosen_slices(word)]
    for word in words:
        if not any(matches(word, one) for one in kept):
            raise UserError(f"data.{side}series={word}: matches no series; found {summary(kept or found)}")
    kept = [one for one in kept if not words or any(matches(word, one) for word in words)]
    enough = [one for one in kept if one.slices >= least]
    if not kept:
        raise UserError(
            f"no DICOM file here holds an image; name a folder with images. Found {summary(found)}"
        )
    if not enough:
        raise UserError(
            f"data.least={least}: no DICOM series has {least} or more slices; found {summary(kept or found)}"
        )
    mixed = Counter("/".join(XRAYS) if one.modality in XRAYS else one.modality for one in enough)
    if len(mixed) > 1 and not kinds and not words:
        counts = ", ".join(f"{kind} {n}" for kind, n in mixed.most_common())
        usual = mixed.most_common()[0][0].split("/")[0]
        raise UserError(
            f"data.{side}modality: the series have several modalities ({counts}); choose one, such as "
            f"data.{side}modality={usual}"
        )
    return enough


def matches(word: str | int, one: Series) -> bool:
    """Return True if an entry of data.series selects this series.

    A number is the SeriesNumber. A text is the SeriesInstanceUID, or part of the SeriesDescription or
    ProtocolName, ignoring case; with * or ? it must match all of one of them.
    """
    if isinstance(word, int) or word.isdigit():
        return one.number.isdigit() and int(one.number) == int(word)
    low, texts = word.lower(), [one.description.lower(), one.protocol.lower()]
    if "*" in low or "?" in low:
        return any(fnmatchcase(text, low) for text in texts)
    return word == one.uid or any(low in text for text in texts)


def suited(found: Sequence[Series]) -> str | list[float]:
    """Return the meaning of data.intensity=auto for these series: a window in HU for CT, else percentiles.

    Raises UserError if CT and other modalities are mixed.
    """
    kinds = Counter("CT" if one.modality == "CT" else "others" for one in found)
    if len(kinds) > 1:
        raise UserError(
            f"data.intensity=auto: {kinds['CT']} series are CT and {kinds['others']} are not; "
            "choose one with data.modality, or set data.intensity"
        )
    return list(WINDOW) if "CT" in kinds else "percentile"


def overview(found: Sequence[Series], kept: Sequence[Series]) -> list[tuple[str, ...]]:
    """Return header and rows of a table of all series: one row per kind, with the number found and used."""
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


def summary(found: Sequence[Series]) -> str:
    """Return the kinds of series in one line."""
    rows = [
        f"{n} of {kind} {words!r} with {slices} slices"
        for kind, words, slices, n, _ in overview(found, [])[1:]
    ]
    more = [f"and {len(rows) - SHOWN} more kinds"] if len(rows) > SHOWN else []
    return ", ".join([*rows[:SHOWN], *more]) or "none"


def _range(numbers: Sequence[int]) -> str:
    low, high = min(numbers), max(numbers)
    return str(low) if low == high else f"{low}..{high}"


def _keyword(word: str) -> bool:
    return pydicom().datadict.tag_for_keyword(word) is not None
