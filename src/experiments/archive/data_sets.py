"""Data sets that an experiment trains on: address, licence and citation, from the heads of conf/data."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ganatomy.config.locations import CONF

ENTRY = re.compile(r"#   (get it|licence|cite) +(.+)")
FURTHER = re.compile(r"#     +(.+)")
"""Second and later lines of an entry."""
SENTENCE = re.compile(r"(?<=\.) ")
BASE = re.compile(r"\(see (\w+)\.yaml\)|defaults: \[(\w+)\]")
"""The file that a file refers to or builds on."""
UNSTATED = "not stated; ask whoever gave the data"


@dataclass(frozen=True)
class DataSet:
    """Choice of the group `data`, and what its file in conf/ says of it; empty where it says nothing.

    Attributes:
        name: Name of the choice, as in `data=oct`.
        about: First sentence of the file.
        address: Where to get the data.
        licence: Their licence.
        citation: What to cite.
    """

    name: str
    about: str = ""
    address: str = ""
    licence: str = UNSTATED
    citation: str = ""


def data_set(name: str) -> DataSet:
    """Return what conf/data/NAME.yaml says; entries that it lacks are those of the file it builds on."""
    path = CONF / "data" / f"{name}.yaml"
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    about, found = _head(text)
    base = BASE.search(text)
    if base and base[2] != "common":
        below = data_set(base[1] or base[2])
        found = {"get it": below.address, "licence": below.licence, "cite": below.citation} | found
    return DataSet(
        name, about, found.get("get it", ""), found.get("licence", UNSTATED), found.get("cite", "")
    )


def _head(text: str) -> tuple[str, dict[str, str]]:
    """Return the first sentence and the entries of the comment at the head of a file."""
    about: list[str] = []
    found: dict[str, str] = {}
    key = ""
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        if entry := ENTRY.fullmatch(line):
            key = entry[1]
            found[key] = entry[2]
        elif key and (further := FURTHER.fullmatch(line)):
            found[key] += f" {further[1]}"
        else:
            about.append(line.removeprefix("#").strip())
    return SENTENCE.split(" ".join(about))[0], found
