"""Content of data.json, and the check of a resumed run against it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from ganatomy.data.datamodule import DataModule
from ganatomy.data.quality.raw import units_of
from ganatomy.data.records import SPLITS, Record, Split
from ganatomy.data.sides.sides import subjects
from ganatomy.data.splits.held import digest
from ganatomy.data.transforms.prepare import VERSION


def summary(data: DataModule) -> dict[str, Any]:
    """Return the content of `data.json`: counts, subjects per split, faults, and a hash of the data.

    `contents` fixes the split for a resumed run: it lists every case of each split, left out or not, with a
    digest, and under `none` those without a split (data.on_error=skip). `whole_hash` is of the cases too that
    the task leaves out, by which runs of different tasks are of the same data.
    """
    data.setup()
    return {
        "cases": {split: len(records) for split, records in data.records.items()},
        "left_out": len(data.left_out),
        "labelled": len(data.labels.used(data.records["train"])),
        "without_labels": sorted({r.subject for r in data.labels.others(data.records["train"])}),
        "subjects": _subjects(data),
        "channels": data.channels,
        "classes": list(data.mask_classes),
        "box_classes": list(data.box_classes),
        "kinds": list(data.image_classes),
        "spatial_dims": data.spatial_dims,
        "units": units_of(data.source, data.records["train"]),
        **({"sides": _sides(data)} if data.unpaired else {}),
        "faults": [fault.words for fact in data.facts.values() for fault in fact.faults],
        "hash": content_hash(data),
        "whole_hash": content_hash(data, data.left_out),
        "contents": _contents(data),
    }


def _sides(data: DataModule) -> dict[str, Any]:
    """Return what each side of an unpaired run holds: cases, and subjects by split."""
    both = {"images": data.records, "targets": data.targets}
    return {
        side: {
            "cases": {split: len(records) for split, records in found.items()},
            "subjects": {split: sorted(subjects(records)) for split, records in found.items()},
        }
        for side, found in both.items()
    }


def _contents(data: DataModule) -> dict[str, dict[str, str]]:
    """Return the contents of the resumed run, which were compared before, or else of the cases found."""
    if data.held and data.held.contents is not None:
        return {split: dict(cases) for split, cases in data.held.contents.items()}
    cases_of = {split: [r.case for r in data.dealt if r.split == split] for split in (*SPLITS, None)}
    return {
        str(split or "none"): {case: digest(data.facts[case].content if split else "") for case in cases}
        for split, cases in cases_of.items()
    }


def check_held(data: DataModule) -> None:
    """Raise UserError if a resumed run would not train on the data it began with.

    Call it after the task has left out the cases that it does without.
    """
    if data.held:
        counts = {split: len(records) for split, records in data.records.items()}
        data.held.compare_whole(_subjects(data), counts, content_hash(data))


def _subjects(data: DataModule) -> dict[Split, list[str]]:
    return {
        split: sorted(subjects([*records, *data.alone(split)])) for split, records in data.records.items()
    }


def content_hash(data: DataModule, others: Sequence[Record] = ()) -> str:
    """Return the SHA-256 of every case's content and of the preparation; equal on every machine.

    Args:
        data: Its cases, those that the task left out not among them.
        others: Further cases, such as these.
    """
    data.setup()
    records = [*others]
    records += [record for split in data.records for record in (*data.records[split], *data.alone(split))]
    contents = sorted(data.facts[record.case].content for record in records)
    return hashlib.sha256(
        "\n".join([*contents, f"{data.preparation} {VERSION}", *data.sampling_content]).encode()
    ).hexdigest()
