"""A folder tree of DICOM files: one case per series."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ganatomy.data.io.dicom.choice import Choice, chosen_slices, overview, suited
from ganatomy.data.io.dicom.hiding import without_names
from ganatomy.data.io.dicom.pairs import Sides, lone_targets, mismatch, partners, path_near, sides
from ganatomy.data.io.dicom.pseudonyms import Pseudonyms, read_secret, secret_file
from ganatomy.data.io.dicom.read import read_series
from ganatomy.data.io.dicom.series import Found, Series, find_series
from ganatomy.data.io.readers import ReadError
from ganatomy.data.problems import blamed
from ganatomy.data.quality.raw import raw_of
from ganatomy.data.records import Case, Fault, Record
from ganatomy.data.regrid import Grid
from ganatomy.data.sources.files.base import Files
from ganatomy.data.sources.files.channels import coloured
from ganatomy.data.splits.lists import Groups, read_splits
from ganatomy.data.splits.matching import assigned
from ganatomy.errors import UserError

EARLIER = re.compile(r"patient-[0-9a-f]{8}(_series-[0-9a-f]{8})?")
"""Pseudonyms of versions before 0.2, which had no secret."""


@dataclass(kw_only=True)
class Dicom(Files):
    """Series below `root`, whatever their file names; slices sorted in space, values rescaled (HU for CT).

    Cases and subjects get pseudonyms, keyed with a secret; `keys` leads back to the originals. The split and
    the order of the cases do not depend on the secret.

    Attributes:
        label: path of a label volume below `root`; {series} is the series UID, {folder} the folder of its
            first file.
        least: series with fewer slices (localisers) are left out.
        splits: a CSV below `root` whose column file holds series UIDs, PatientIDs or case names.
        series: the series to use, by parts of their SeriesDescription or ProtocolName, by SeriesNumber or
            SeriesInstanceUID (see `choice.matches`), and the slices to use, by KEYWORD:VALUE of their
            headers.
        modality: CT, MR, ...
        target_series: the series of the targets, chosen as `series`: that of the same patient, and study.
        target_modality: their modality; with one of these two every case needs a target, unless
            the two sides need not match (data.unpaired).
        mask: path of the region of losses and scores, as `label`; `auto` reads no files.
        secret: file of the secret behind the pseudonyms (see `pseudonyms.secret_file`).
    """

    spatial_dims: Any = 3
    label: str | None = None
    least: int = 3
    splits: str | None = None
    series: Choice = None
    modality: Choice = None
    target_series: Choice = None
    target_modality: Choice = None
    mask: str | None = None
    secret: str | None = None
    files_are_channels: ClassVar[bool] = False
    private: ClassVar[bool] = True

    @cached_property
    def found(self) -> Found:
        """Return all series below `root`."""
        return find_series(self.folder)

    @cached_property
    def sides(self) -> Sides:
        """Return the series of images and of targets."""
        target = (self.target_series, self.target_modality)
        return sides(self.found.series, (self.series, self.modality), target, self.least)

    @cached_property
    def kept(self) -> list[Series]:
        """Return the series that become cases, in an order that depends on their files alone."""
        kept = self.sides.images
        everything = "\n".join(sorted(one.token for one in kept))
        self._turn = Pseudonyms(sha256(everything.encode()).hexdigest())
        return sorted(kept, key=lambda one: (self._turn("patient", one.owner), self._turn("series", one.uid)))

    @property
    def modalities(self) -> tuple[str, ...]:
        """Return the modality of each channel, in DICOM's words; empty if images differ."""
        found = sorted({one.modality for one in self.kept})
        return tuple(found * self.channels) if len(found) == 1 else ()

    @cached_property
    def alone(self) -> list[Series]:
        """Return the series that become cases of the target side alone, where sides need not match."""
        return lone_targets(self.sides, partners(self.sides)) if self.two_sided else []

    @cached_property
    def names(self) -> Pseudonyms:
        """Return the pseudonyms of this data set."""
        return Pseudonyms(read_secret(self.secret, self.folder))

    def records(self) -> list[Record]:
        if modalities := {one.modality for one in self.sides.targets}:
            self.target_modality = modalities.pop() if len(modalities) == 1 else self.target_modality
        pairs = partners(self.sides) if self.sides.targets else None
        records = [self._record(one, None if pairs is None else pairs[one.uid]) for one in self.kept]
        records += [self._target_alone(one) for one in self.alone]
        if self.splits:
            records = assigned(records, self._given(self.folder / self.splits), self.splits)
        return self.completed(records, [Fault("", "passed over", words, False) for words in self.found.notes])

    def load(self, record: Record) -> Case:
        try:
            return super().load(record)
        except (ReadError, UserError) as error:
            named = ["image", "target"]
            named += [r for r in ("label", "mask") if "{" in (getattr(self, r) or "")]
            paths = [path for role in named for path in self.paths(record, role)]
            raise type(error)(without_names(str(error), paths, self.folder, record.case)) from error

    def unknown(self, names: Collection[str]) -> str:
        """Return why none of these names is one of its own; empty if one is, or none is given."""
        own = {name for one in self._series for name in (self._case(one), self._subject(one))}
        if not names or own.intersection(names):
            return ""
        if all(EARLIER.fullmatch(name) for name in names):
            return (
                "its cases have the names of an earlier version, which were made without a secret; continue "
                "with the version of the run (environment.json), or start a new run"
            )
        return (
            f"none of its cases has a name here: they were made with another secret than "
            f"{secret_file(self.secret, self.folder)}; give that of the run, data.secret=FILE"
        )

    def overview(self) -> list[tuple[str, ...]]:
        """Return a table of the series that were found, header first.

        For the terminal only: descriptions are text typed at a scanner.
        """
        return overview(self.found.series, [*self.kept, *self.sides.targets])

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
        """Return series and person of each case, and damaged files. Private: it undoes the pseudonyms."""
        rows = [
            {
                "case": self._case(one),
                "subject": self._subject(one),
                "PatientID": one.person,
                "SeriesInstanceUID": one.uid,
                "folder": str(one.paths[0].parent),
            }
            for one in sorted(self._series, key=self._case)
        ]
        return rows + [dict.fromkeys(rows[0], "") | {"folder": str(path)} for path in self.found.damaged]

    @property
    def _series(self) -> list[Series]:
        return [*self.kept, *self.alone]

    def _subject(self, one: Series) -> str:
        return f"patient-{self.names('patient', one.owner)}"

    def _case(self, one: Series) -> str:
        return f"{self._subject(one)}_series-{self.names('series', one.uid)}"

    def _record(self, one: Series, targets: list[Series] | None) -> Record:
        names = self._names(one)
        content: dict[str, Any] = {"image": names}
        if slices := chosen_slices(self.series):
            content["slices"] = slices
        for role in ("label", "mask"):
            template = getattr(self, role)
            if template and (role, template) != ("mask", "auto"):
                content[role] = path_near(template, role, one.uid, Path(names[0]).parent.as_posix())
        order = self._turn("patient", one.owner) + self._turn("series", one.uid)
        record = Record(self._case(one), self._subject(one), None, content, order=order, private=True)
        if targets is None or (self.two_sided and not targets):
            return record
        if why := mismatch(targets, self.target_series, self.target_modality):
            return blamed(record, Fault(record.case, "target", f"{record.case}: {why}"))
        content["target"] = self._names(targets[0])
        if slices := chosen_slices(self.target_series):
            content["target_slices"] = slices
        return record

    def _target_alone(self, one: Series) -> Record:
        content: dict[str, Any] = {"target": self._names(one)}
        if slices := chosen_slices(self.target_series):
            content["target_slices"] = slices
        order = self._turn("patient", one.owner) + self._turn("series", one.uid)
        subject = self._subject(one)
        return Record(self._case(one), subject, None, content, order=order, private=True, side="target")

    def _names(self, one: Series) -> list[str]:
        return [path.relative_to(self.folder).as_posix() for path in one.paths]

    def _given(self, path: Path) -> Groups:
        """Return the splits of a list by the names of cases and subjects here; others become pseudonyms."""
        own = {name: name for one in self._series for name in (self._case(one), self._subject(one))}
        own |= {one.person: self._subject(one) for one in self._series if one.person}
        own |= {one.uid: self._case(one) for one in self._series}

        def shown(name: str) -> str:
            return own.get(name) or f"name-{self.names('name', name)}"

        given: Groups = {}
        for name, (group, split) in read_splits(path, shown=shown).items():
            meant = None if group is None else shown(group), split
            if given.setdefault(shown(name), meant) != meant:
                raise UserError(f"{self.splits}: {shown(name)} is named twice, with two splits; name it once")
        return given

    def _channels(self, record: Record, role: str) -> tuple[np.ndarray, Grid]:
        paths, chosen = self.paths(record, role), "slices" if role == "image" else "target_slices"
        try:
            array, affine = read_series(paths, record.content.get(chosen, ()))
        except Exception as error:  # damaged files fail in many ways
            words = " ".join(str(error).split())[:400] or type(error).__name__
            raise ReadError(f"{record.case}: {words}") from error
        if array.size == 0 or array.dtype.kind not in "buif":
            raise ReadError(f"{record.case}: holds no image")
        if role == "target":
            channels = self.target_channels or self.channels
            return coloured(array, channels, paths[0], len(array) == 3), Grid(affine, array.shape[1:])
        made = coloured(array, self.channels, paths[0])
        self.raw[record.case] = raw_of(array, made, len(array) == 3)
        return made, Grid(affine, array.shape[1:], len(array) == 3)
