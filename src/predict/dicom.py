"""Answers to DICOM series: a segmentation (SEG) for label maps, a derived series for images."""

from __future__ import annotations

import json
from typing import Any

from ganatomy.data.io.dicom.outputs.about import About
from ganatomy.data.io.dicom.outputs.derived import write_derived
from ganatomy.data.io.dicom.outputs.segmentation import write_seg
from ganatomy.data.io.dicom.pseudonyms import read_secret
from ganatomy.data.io.readers import is_dicom
from ganatomy.data.records import Record
from ganatomy.inference.inputs import Named
from ganatomy.inference.loaded import LoadedRun
from ganatomy.inference.panes import is_label_map
from ganatomy.inference.predictor import Predicted
from ganatomy.predict.settings import PredictConfig

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

    def series(values: Any, affine: Any, folder: str, units: str | None, kind: str = "") -> None:
        made = write_derived(paths, values, affine, about, chosen, units, kind)
        files.extend((f"{folder}/{file}", content) for file, content in made)

    if predicted.file is not None:
        values, affine = predicted.file.values, predicted.file.affine
        if is_label_map(predicted):
            known = kept.label_values or None
            label = predicted.file.numbers
            content = write_seg(paths, label, kept.label_classes, about, affine, chosen, label_values=known)
            files.append((f"{name}.dcm", content))
        else:
            has_units = predicted.answer.role != "map" and kept.target is None
            series(values, affine, name, None if has_units else UNSPECIFIED)
    for kind, written in predicted.maps.items():
        series(written.values, written.affine, f"{name}_{kind}", UNSPECIFIED, kind)
    return files
