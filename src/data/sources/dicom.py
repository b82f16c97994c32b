"""A tree of DICOM files: one case a series."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from src.data.dicom import digest, find_series, patient, pydicom, read_series
from src.data.readers import ReadError
from src.data.records import Record
from src.data.regrid import Grid
from src.data.sources.channels import coloured
from src.data.sources.files import Files
from src.data.splits import read_splits
from src.errors import UserError


@dataclass(kw_only=True)
class Dicom(Files):
    """Series below `root`, whatever their files are called; slices sorted in space, values rescaled (HU
    for CT).

    Cases and subjects get names that tell nobody who they are. label: path of a label volume below
    `root`; {series} is the series UID, {folder} the folder of its first file. least: series with fewer
    slices (localisers) are left out. splits: a CSV below `root` whose column file holds series UIDs or
    case names.
    """

    spatial_dims: Any = 3
    label: str | None = None
    least: int = 3
    splits: str | None = None

    def records(self) -> list[Record]:
        found = find_series(self.folder)
        kept = {uid: paths for uid, paths in found.items() if len(paths) >= self.least}
        if not kept:
            raise UserError(f"data.root={self.root}: no DICOM series has {self.least} or more slices")
        given = read_splits(self.folder / self.splits) if self.splits else {}
        records = [self._record(uid, paths, given) for uid, paths in kept.items()]
        return sorted(records, key=lambda record: record.case)

    def _record(self, uid: str, paths: list[Path], given: dict[str, Any]) -> Record:
        names = [path.relative_to(self.folder).as_posix() for path in paths]
        content: dict[str, Any] = {"image": names}
        if self.label:
            content["label"] = self.label.format(series=uid, folder=Path(names[0]).parent.as_posix())
        subject = patient(paths[0])
        case = f"{subject}_series-{digest(uid)}"
        group, split = next((given[k] for k in (uid, case) if k in given), (None, None))
        return Record(case, group or subject, split, content)

    def _channels(self, record: Record, role: str) -> tuple[np.ndarray, Grid]:
        if role != "image":
            return super()._channels(record, role)
        paths = self.paths(record, role)
        try:
            array, affine = read_series(paths)
        except (OSError, EOFError, ValueError, AttributeError, NotImplementedError, RuntimeError) as error:
            raise ReadError(
                f"{paths[0].parent}: series {record.case}: {' '.join(str(error).split())[:200]}"
            ) from error
        except pydicom().errors.InvalidDicomError as error:
            raise ReadError(
                f"{paths[0].parent}: series {record.case}: holds a file that is no DICOM"
            ) from error
        return coloured(array, self.channels, paths[0]), Grid(affine, array.shape[1:])
