"""What a run keeps of its data."""

from __future__ import annotations

import hashlib
from typing import Any

from src.data.datamodule import DataModule
from src.data.prepare import VERSION
from src.data.raw import units_of


def summary(data: DataModule) -> dict[str, Any]:
    """Plain values for `data.json`: counts, subjects per split, faults, a hash of content and preparation."""
    data.setup()
    return {
        "cases": {split: len(records) for split, records in data.records.items()},
        "left_out": data.left_out,
        "labelled": len(data.labels.used(data.records["train"])),
        "without_labels": sorted({r.subject for r in data.labels.others(data.records["train"])}),
        "subjects": {split: sorted({r.subject for r in records}) for split, records in data.records.items()},
        "channels": data.channels,
        "classes": list(data.classes),
        "box_classes": list(data.box_classes),
        "kinds": list(data.kinds),
        "spatial_dims": data.spatial_dims,
        "units": units_of(data.source, data.records["train"]),
        "faults": [fault.words for fact in data.facts.values() for fault in fact.faults],
        "hash": content_hash(data),
    }


def content_hash(data: DataModule) -> str:
    """SHA-256 of every case's content and of how it is prepared: the same for the same files anywhere."""
    data.setup()
    told = sorted(data.facts[record.case].content for records in data.records.values() for record in records)
    return hashlib.sha256("\n".join([*told, f"{data.preparation} {VERSION}"]).encode()).hexdigest()
