"""Cases to be scored, on their way to the network of a run."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from ganatomy.config.targets import build
from ganatomy.data.cache import Cache
from ganatomy.data.io.digests import Digests
from ganatomy.data.quality.survey import survey, usable_records
from ganatomy.data.sides.sides import Sides
from ganatomy.data.sources.files.base import Files
from ganatomy.data.splits.held import digest
from ganatomy.data.splits.split import Splitting
from ganatomy.errors import UserError
from ganatomy.evaluate.cases import Chosen
from ganatomy.inference.applied import AppliedData
from ganatomy.inference.loaded import LoadedRun
from ganatomy.runs.integrity.checked import read_file

USES = {"train": "was trained on", "val": "chose its weights on"}
NEEDED = {"label": "label map", "boxes": "boxes", "class": "class", "instances": "instance map"}


class EvaluatedData(AppliedData):
    """Cases of a run's own data or of others, read and checked once, in batches like those of the run's test.

    Images are degraded as in the run's test where they have no target of their own.

    Args:
        loaded: The run.
        chosen: The cases.
        cache: Folder of caches.
        on_error: What to do about cases with grave faults, `stop` or `skip`.

    Raises:
        UserError: A case has a grave fault, or is not the one that the run saw.
    """

    def __init__(self, loaded: LoadedRun, chosen: Chosen, cache: Path, on_error: str = "stop") -> None:
        super().__init__(loaded.preprocessing, chosen.source, chosen.records)
        cfg = loaded.cfg
        section = cfg.data.to_plain()
        self.batch_size, self.workers = int(section["batch_size"]), 0
        self.folder = cache
        self.cache = Cache(self.make, self.prepared.key, "memory", cache, float(section.get("cache_gb", 8.0)))
        self.degrade = build(cfg.degradation and cfg.degradation.to_plain(), "degradation")
        self.splitting = Splitting(seed=int(section.get("split_seed", 0)))
        inner = getattr(chosen.source, "source", chosen.source)
        if isinstance(inner, Files):
            inner.digests = Digests(cache, inner.folder, inner.private)
        self.facts = survey(chosen.records, chosen.source, self.cache, self.prepared, cache)
        usable = usable_records(chosen.records, self.facts, on_error)  # type: ignore[arg-type]
        self.sides = Sides(cfg.data.unpaired, self.splitting.seed)
        self.records["test"] = [record for record in usable if record.side != "target"]
        self.targets["test"] = [record for record in usable if self.has_target(record)]
        if not self.records["test"]:
            raise UserError("data: no case is left without a grave fault; correct them, or name other data")
        shapes = [self.facts[record.case].shape for record in self.records["test"]]
        self.sliced = self.spatial_dims == 2 and any(len(shape) == 4 for shape in shapes)
        self._same_as_seen(loaded, chosen)

    def _same_as_seen(self, loaded: LoadedRun, chosen: Chosen) -> None:
        cases = [record.case for record in (*self.records["test"], *self.alone("test"))]
        found = {case: digest(self.facts[case].content) for case in cases}
        changed = [case for case, known in chosen.digests.items() if case in found and found[case] != known]
        if changed:
            raise UserError(
                f"run={loaded.path}: {len(changed)} of its {len(found)} cases are not as the run saw them; "
                "put the files back, or score them as another set with data=..."
            )

    def check(self, loaded: LoadedRun, kinds: tuple[str, ...]) -> None:
        """Raise UserError if cases lack the truth that scores need.

        Args:
            loaded: The run.
            kinds: Truths that scores need: "label", "boxes", "class".
        """
        count = len(self.records["test"])
        for kind in (*kinds, *(("instances",) if loaded.task.written_like == "instances" else ())):
            without = [r for r in self.records["test"] if kind not in self.facts[r.case].holds]
            if without:
                raise UserError(
                    f"data: {len(without)} of {count} cases have no {NEEDED[kind]} to be scored against; "
                    "give them one, or use predict, which needs none"
                )
        if loaded.task.written_like == "target" and self.degrade is None:
            without = [r for r in self.records["test"] if not self.has_target(r)]
            if without and not (loaded.task.unpaired and self.targets["test"]):
                raise UserError(
                    f"data.target: {len(without)} of {count} cases have no target to be scored against; name "
                    "it (data.target=...), or use predict, which needs none"
                )


def known_subjects(run: Path, data: EvaluatedData, who: str = "the run") -> list[str]:
    """Return a line for each split of a run, but test, that has evaluated subjects; no name is in it.

    A subject is known by the content of a case, which is the same in any place, or by its name.

    Args:
        run: Directory of the run.
        data: The cases.
        who: What the run is called.
    """
    about: dict[str, Any] = read_file(run, "data.json") or {}
    contents, subjects = about.get("contents") or {}, about.get("subjects") or {}
    lines = []
    for split, did in USES.items():
        files, names = _known(data, contents.get(split, {}), subjects.get(split, []))
        every = len({record.subject for record in data.records["test"]})
        if files:
            lines.append(
                f"warning: {who} {did} {len(files)} of the {every} evaluated subjects: their scores say "
                "nothing about new ones"
            )
        elif names:
            lines.append(
                f"warning: {len(names)} of the {every} evaluated subjects have names of subjects that "
                f"{who} {did}: if they are the same people, their scores say nothing about new ones"
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
