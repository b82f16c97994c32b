"""A folder tree of DICOM files: one case per series."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ganatomy.data.io.dicom.choice import Choice, chosen, chosen_slices, overview, suited
from ganatomy.data.io.dicom.files import digest
from ganatomy.data.io.dicom.read import read_series
from ganatomy.data.io.dicom.series import Found, Series, find_series
from ganatomy.data.io.readers import ReadError
from ganatomy.data.quality.raw import raw_of
from ganatomy.data.records import Fault, Record
from ganatomy.data.regrid import Grid
from ganatomy.data.sources.files.base import Files
from ganatomy.data.sources.files.channels import coloured
from ganatomy.data.splits.lists import read_splits
from ganatomy.data.splits.matching import assigned
from ganatomy.errors import UserError


@dataclass(kw_only=True)
class Dicom(Files):
    """Series below `root`, whatever their file names; slices sorted in space, values rescaled (HU for CT).

    Cases and subjects get pseudonyms; `keys` leads back to the originals.

    Attributes:
        label: path of a label volume below `root`; {series} is the series UID, {folder} the folder of its
            first file.
        least: series with fewer slices (localisers) are left out.
        splits: a CSV below `root` whose column file holds series UIDs, PatientIDs or case names.
        series: the series to use, by parts of their SeriesDescription or ProtocolName, by SeriesNumber or
            SeriesInstanceUID (see `choice.matches`), and the slices to use, by KEYWORD:VALUE of their
            headers.
        modality: CT, MR, ...
    """

    spatial_dims: Any = 3
    label: str | None = None
    least: int = 3
    splits: str | None = None
    series: Choice = None
    modality: Choice = None
    files_are_channels: ClassVar[bool] = False

    @cached_property
    def found(self) -> Found:
        """Return all series below `root`."""
        return find_series(self.folder)

    @cached_property
    def kept(self) -> list[Series]:
        """Return the series that become cases."""
        return chosen(self.found.series, self.series, self.modality, self.least)

    def records(self) -> list[Record]:
        records = sorted(map(self._record, self.kept), key=lambda record: record.case)
        if self.splits:
            path, uids = self.folder / self.splits, {_case(one): one.uid for one in self.kept}
            people = {one.person: one.patient for one in self.kept if one.person}
            given = {people.get(name, name): meant for name, meant in read_splits(path).items()}
            records = assigned(records, given, str(path), lambda record: [uids[record.case]])
        return self.completed(records, [Fault("", "passed over", words, False) for words in self.found.notes])

    def overview(self) -> list[tuple[str, ...]]:
        """Return a table of the series that were found, header first.

        For the terminal only: descriptions are text typed at a scanner.
        """
        return overview(self.found.series, self.kept)

    def intensity(self) -> str | list[float]:
        """Return the meaning of data.intensity=auto for these series."""
        return suited(self.kept)

    def doubts(self, intensity: Any) -> list[str]:
        """Return warnings about this data.intensity."""
        strange = sorted({one.modality for one in self.kept} - {"CT"})
        window = not isinstance(intensity, str) and intensity is not None and len(intensity) == 2
        if not (strange and window) or isinstance(intensity[0], str) or intensity[0] >= 0:
            return []
        return [
            f"data.intensity={list(intensity)}: a window in HU, but the series are {', '.join(strange)}, "
            "whose values are not; data.intensity=auto chooses by modality"
        ]

    def keys(self) -> list[dict[str, str]]:
        """Return the series and person of each case. Private: it undoes the pseudonyms."""
        return [
            {
                "case": _case(one),
                "subject": one.patient,
                "PatientID": one.person,
                "SeriesInstanceUID": one.uid,
                "folder": str(one.paths[0].parent),
            }
            for one in sorted(self.kept, key=_case)
        ]

    def _record(self, one: Series) -> Record:
        names = [path.relative_to(self.folder).as_posix() for path in one.paths]
        content: dict[str, Any] = {"image": names}
        if slices := chosen_slices(self.series):
            content["slices"] = slices
        if self.label:
            try:
                content["label"] = self.label.format(series=one.uid, folder=Path(names[0]).parent.as_posix())
            except (KeyError, IndexError, ValueError) as error:
                raise UserError(
                    f"data.label={self.label}: only {{series}} and {{folder}} are replaced"
                ) from error
        return Record(_case(one), one.patient, None, content)

    def _channels(self, record: Record, role: str) -> tuple[np.ndarray, Grid]:
        if role != "image":
            return super()._channels(record, role)
        paths = self.paths(record, role)
        try:
            array, affine = read_series(paths, record.content.get("slices", ()))
        except Exception as error:  # damaged files fail in many ways
            words = " ".join(str(error).split())[:400] or type(error).__name__
            raise ReadError(f"{paths[0].parent}: series {record.case}: {words}") from error
        if array.size == 0 or array.dtype.kind not in "buif":
            raise ReadError(f"{paths[0].parent}: series {record.case}: holds no image")
        made = coloured(array, self.channels, paths[0])
        self.raw[record.case] = raw_of(array, made, len(array) == 3)
        return made, Grid(affine, array.shape[1:], len(array) == 3)


def _case(one: Series) -> str:
    return f"{one.patient}_series-{digest(one.uid)}"
