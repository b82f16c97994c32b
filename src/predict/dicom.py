"""Answers to DICOM series: a segmentation (SEG) for label maps, a derived series for images."""

from __future__ import annotations

import json
from typing import Any

from ganatomy.data.io.dicom.outputs.about import About
from ganatomy.data.io.dicom.outputs.derived import write_derived
from ganatomy.data.io.dicom.outputs.modality import UNKNOWN
from ganatomy.data.io.dicom.outputs.segmentation import write_seg
from ganatomy.data.io.dicom.pseudonyms import read_secret
from ganatomy.data.io.readers import is_dicom
from ganatomy.data.records import Record
from ganatomy.inference.inputs import Named
from ganatomy.inference.loaded import LoadedRun
from ganatomy.inference.panes import is_label_map
from ganatomy.inference.predictor import Predicted
from ganatomy.predict.settings import PredictConfig
from ganatomy.tasks.shared.as_written import AsWritten

UNSPECIFIED = "US"
"""RescaleType of maps, which have no unit."""


def is_series(source: Named, record: Record) -> bool:
    """Return True if a case comes from DICOM files."""
    paths = source.paths(record, "image")
    return bool(paths) and is_dicom(paths[0])


def about_of(config: PredictConfig, loaded: LoadedRun, source: Named, record: Record) -> About:
    """Return what made an answer, as its headers say it.

    Args:
        config: Keys of the command.
        loaded: The run.
        source: Source of the case.
        record: The case; its subject's pseudonym becomes the patient if identifiers are removed.
    """
    secret = None
    if config.identifiers == "remove":
        secret = read_secret(getattr(source, "secret", None), source.folder)
    return About(
        weights=loaded.weights_hash,
        run=loaded.name,
        settings=json.dumps(config.deciding(), sort_keys=True),
        identifiers=config.identifiers,
        patient=record.subject if secret else "",
        secret=secret or "",
    )


def series_files(
    predicted: Predicted, name: str, about: About, source: Named, loaded: LoadedRun
) -> list[tuple[str, bytes]]:
    """Return names and contents of the DICOM files of one case.

    Args:
        predicted: Prediction of the case.
        name: Path of its answer below the folder of the answers; a folder for a series of files.
        about: What made it.
        source: Source of the case.
        loaded: The run.

    Raises:
        ValueError: The answer is not on the grid of the series, or its values cannot be stored.
    """
    record, kept = predicted.record, loaded.preprocessing
    paths, chosen = source.paths(record, "image"), record.content.get("slices", ())
    files: list[tuple[str, bytes]] = []

    def series(
        written: AsWritten, folder: str, units: str | None, kind: str = "", modality: Any = None
    ) -> None:
        made = write_derived(paths, written.values, written.affine, about, chosen, units, kind, modality)
        files.extend((f"{folder}/{file}", content) for file, content in made)

    if predicted.file is not None and is_label_map(predicted):
        label, affine, known = predicted.file.numbers, predicted.file.affine, kept.label_values or None
        content = write_seg(paths, label, kept.label_classes, about, affine, chosen, label_values=known)
        files.append((f"{name}.dcm", content))
    elif predicted.file is not None and predicted.answer.role == "target" and kept.target is not None:
        modality = str(kept.target.get("modality") or UNKNOWN)
        kind = "synthetic image" if modality == UNKNOWN else f"synthetic {modality}"
        series(predicted.file, name, "HU" if modality == "CT" else UNSPECIFIED, kind, modality)
    elif predicted.file is not None:
        has_units = predicted.answer.role not in ("map", "instances") and kept.target is None
        series(predicted.file, name, None if has_units else UNSPECIFIED)
    for kind, written in predicted.maps.items():
        series(written, f"{name}_{kind}", UNSPECIFIED, kind)
    return files
