"""DICOM series that a run answers: those that it was trained on, unless the command names others."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ganatomy.config.schema import DataConfig
from ganatomy.data.sources.dicom import Dicom
from ganatomy.errors import UserError
from ganatomy.inference.inputs import Named, NamedDicom, inputs
from ganatomy.inference.loaded import LoadedRun
from ganatomy.predict.settings import PredictConfig
from ganatomy.text.values import as_typed

EVERY = "series='*' takes all"


def source_of(config: PredictConfig, loaded: LoadedRun) -> tuple[Named, str]:
    """Return the cases that a command names, and a line about DICOM series that are left out; may be empty.

    Raises:
        UserError: There is no such file, or no image among them.
    """
    source = inputs(loaded.preprocessing, config.input, config.series)
    if not isinstance(source, NamedDicom) or config.series is not None:
        return source, ""
    return as_trained(source, loaded.cfg.data)


def as_trained(source: NamedDicom, data: DataConfig) -> tuple[NamedDicom, str]:
    """Return the source with the series that `data.series` and `data.modality` of a run choose, and a line.

    Volumes have at least the slices of `data.least`, too. If there are no such series, all are kept.

    Args:
        source: All series that are there.
        data: The run's section `data`.
    """
    if data.target != f"{Dicom.__module__}.{Dicom.__qualname__}":
        return source, ""
    wanted: dict[str, Any] = {key: data.extra.get(key) for key in ("series", "modality")}
    wanted |= {"least": data.extra.get("least")} if source.spatial_dims == 3 else {}
    wanted = {key: value for key, value in wanted.items() if value}
    said = ", ".join(f"data.{key}={as_typed(value)}" for key, value in wanted.items())
    chosen = replace(source, **wanted)
    chosen.found = source.found
    total = len(source.found.series)
    try:
        count = len(chosen.kept)
    except UserError:
        return (
            source,
            f"none of the {total} DICOM series is like those of the run's training ({said}); all are taken",
        )
    if count == total:
        return chosen, ""
    return chosen, f"{count} of {total} DICOM series are taken, as in the run's training ({said}); {EVERY}"
