"""Evaluated subjects that the run knows from its training or its choice of weights."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ganatomy.data.splits.held import digest
from ganatomy.evaluate.data import EvaluatedData
from ganatomy.inference.loaded import LoadedRun
from ganatomy.runs.integrity.checked import read_file

USES = {"train": "was trained on", "val": "chose its weights on"}


def warnings(loaded: LoadedRun, data: EvaluatedData) -> list[str]:
    """Return a line for each split of the run, but test, that has evaluated subjects; no name is in it.

    A subject is known by the content of a case, which is the same in any place, or by its name.
    """
    about: dict[str, Any] = read_file(loaded.path, "data.json") or {}
    contents, subjects = about.get("contents") or {}, about.get("subjects") or {}
    lines = []
    for split, did in USES.items():
        files, names = _known(data, contents.get(split, {}), subjects.get(split, []))
        every = len({record.subject for record in data.records["test"]})
        if files:
            lines.append(
                f"warning: the run {did} {len(files)} of the {every} evaluated subjects: their scores say "
                "nothing about new ones"
            )
        elif names:
            lines.append(
                f"warning: {len(names)} of the {every} evaluated subjects have names of subjects that the "
                f"run {did}: if they are the same people, their scores say nothing about new ones"
            )
    return lines


def _known(
    data: EvaluatedData, contents: Mapping[str, str], subjects: Collection[str]
) -> tuple[set[str], set[str]]:
    """Return the evaluated subjects with a case of this content, and those with a subject of this name."""
    digests, names = set(contents.values()) - {""}, set(subjects)
    records = data.records["test"]
    same = {record.subject for record in records if digest(data.facts[record.case].content) in digests}
    return same, {record.subject for record in records if record.subject in names}
