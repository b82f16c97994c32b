"""An experiment as it is packed: all scales that have kept results, decided, with the files of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ganatomy.config.compose import as_written
from ganatomy.errors import UserError
from ganatomy.experiments.archive.data_sets import DataSet, data_set
from ganatomy.experiments.claims.claims import Verdict
from ganatomy.experiments.claims.verdicts import verdicts
from ganatomy.experiments.pinned import PINNED
from ganatomy.experiments.plan import PlannedRun, runs
from ganatomy.experiments.results.report import VERDICTS, files
from ganatomy.experiments.results.wording import count
from ganatomy.experiments.spec import FILE, Experiment, read
from ganatomy.experiments.store import LINES, Key, Result, load, valid
from ganatomy.runs.environment import day_of_commit

README = "README.md"


@dataclass(frozen=True)
class Decided:
    """One scale: the experiment, its runs, those with kept results, and the outcome of each claim."""

    experiment: Experiment
    planned: list[PlannedRun]
    kept: dict[Key, Result]
    verdicts: list[Verdict]

    @property
    def arms(self) -> list[PlannedRun]:
        """The first kept run of each arm."""
        first: dict[str, PlannedRun] = {}
        for run in self.planned:
            if run.key in self.kept:
                first.setdefault(run.arm, run)
        return list(first.values())

    @property
    def said(self) -> str:
        """The count of its verdicts, in words."""
        return f"scale {self.experiment.scale}: {count(self.verdicts)}"


def decided(root: Path, name: str, place: Path, paths: Sequence[str] = ()) -> list[Decided]:
    """Decide the claims of an experiment at each scale that has kept results.

    Args:
        root: Folder of all experiments.
        name: Name of the experiment.
        place: Folder of its run directories, with a folder for each scale.
        paths: Overrides such as paths.data=DIR.

    Raises:
        UserError: It has no kept results.
    """
    scales = [read(root, name, scale) for scale in read(root, name).spec.scales]
    scales = [each for each in scales if (each.results / LINES).is_file()]
    if not scales:
        raise UserError(f"{name}: has no kept results; run it first, without `archive`")
    found = []
    for each in scales:
        planned = runs(each, place / each.scale, paths)
        kept = valid(load(each), planned, each)
        found.append(Decided(each, planned, kept, verdicts(each, kept)))
    return found


def own_files(scales: Sequence[Decided]) -> dict[str, bytes]:
    """Return the files of the experiment's folder by their names in the archive, all scales together."""
    folder = scales[0].experiment.folder
    paths = [folder / name for name in (FILE, PINNED, README)]
    for each in scales:
        results = each.experiment.results
        paths += [results / name for name in (*files(each.experiment), VERDICTS)]
    return {
        f"experiments/{folder.name}/{path.relative_to(folder)}": path.read_bytes()
        for path in paths
        if path.is_file()
    }


def data_of(scales: Sequence[Decided]) -> list[DataSet]:
    """Return the data sets of all arms, each once."""
    names = [as_written(run.words)[1].get("data", "") for each in scales for run in each.arms]
    return [data_set(name) for name in dict.fromkeys(names)]


def day_of(scales: Sequence[Decided]) -> str:
    """Return the day of the results: that of their last commit, or on which they were written."""
    results = scales[0].experiment.results
    written = datetime.fromtimestamp((results / VERDICTS).stat().st_mtime, UTC)
    return day_of_commit(results) or f"{written:%Y-%m-%d}"
