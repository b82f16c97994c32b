"""Check that results/ and README.md follow from the kept runs; nothing is trained."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ganatomy.errors import UserError
from ganatomy.experiments.claims.verdicts import verdicts
from ganatomy.experiments.fingerprint import fingerprint_of_file
from ganatomy.experiments.looks import LOOKS
from ganatomy.experiments.plan import runs
from ganatomy.experiments.results.report import (
    BEGIN,
    FIGURE,
    NOT_RUN,
    TABLE,
    VERDICTS,
    between,
    files,
    summary_of,
)
from ganatomy.experiments.results.table import table
from ganatomy.experiments.spec import FILE, Experiment, read
from ganatomy.experiments.store import LINES, load, sha256, valid
from ganatomy.runs.integrity.contents import parsed

STALE = "; run the command again"


def check(root: Path, names: Iterable[str]) -> list[str]:
    """Return a line for each fault in each experiment, at each scale that has results."""
    faults = []
    for name in names:
        try:
            scales = list(read(root, name, "cpu").spec.scales)
            for scale in scales:
                faults += _faults(read(root, name, scale))
        except UserError as error:
            faults += str(error).splitlines()
    return faults


def _faults(experiment: Experiment) -> list[str]:
    folder = experiment.results
    planned = runs(experiment, Path("runs"))
    if not (folder / LINES).is_file():
        return _never_run(experiment) if experiment.scale == "cpu" else []
    if not (folder / VERDICTS).is_file():
        return [f"{folder / VERDICTS}: is missing{STALE}"]
    try:
        kept_verdicts = parsed(VERDICTS, (folder / VERDICTS).read_bytes())
        known = kept_verdicts["files"]
        named = [*files(experiment), *([LOOKS] if LOOKS in known else [])]
        known_files = {name: known[name] for name in named}
    except (ValueError, KeyError, TypeError) as error:
        return [f"{folder / VERDICTS}: is damaged ({error}){STALE}"]
    faults = []
    for name, known in known_files.items():
        if not (folder / name).is_file():
            faults.append(f"{folder / name}: is missing{STALE}")
        elif sha256(folder / name) != known:
            faults.append(f"{folder / name}: was changed by hand{STALE}, which makes it anew from the runs")
    if faults:
        return faults
    if kept_verdicts.get("experiment") != fingerprint_of_file(experiment.folder / FILE):
        faults.append(f"{experiment.folder / FILE}: was changed after the results were written{STALE}")
    found = load(experiment)
    kept = valid(found, planned, experiment)
    for arm, seed in sorted(found.keys() - kept.keys()):
        faults.append(f"{folder / LINES}: {arm} seed {seed} is of other settings than {FILE} has now{STALE}")
    now = verdicts(experiment, kept)
    if table(experiment, kept, now) != (folder / TABLE).read_text(encoding="utf-8"):
        faults.append(f"{folder / TABLE}: is not what the runs say{STALE}")
    for key, value in summary_of(experiment, now).items():
        if kept_verdicts.get(key) != value:
            faults.append(f"{folder / VERDICTS}: its {key} is not what the runs say{STALE}")
    if experiment.scale == "cpu":
        faults += _page(experiment, (folder / TABLE).read_text(encoding="utf-8"))
    return faults


def _page(experiment: Experiment, text: str) -> list[str]:
    readme = experiment.folder / "README.md"
    page = readme.read_text(encoding="utf-8") if readme.is_file() else ""
    _, inner, _ = between(page, str(readme))
    faults = [] if inner == text else [f"{readme}: its table is not {experiment.results.name}/{TABLE}{STALE}"]
    if f"{experiment.results.name}/{FIGURE}" not in page:
        faults.append(f"{readme}: does not show {experiment.results.name}/{FIGURE}; add the picture")
    return faults


def _never_run(experiment: Experiment) -> list[str]:
    """Return the faults of an experiment without results: its README must not show any."""
    readme = experiment.folder / "README.md"
    if not readme.is_file():
        return [f"{readme}: is missing; write what the paper found, and the line {BEGIN}"]
    _, inner, _ = between(readme.read_text(encoding="utf-8"), str(readme))
    if inner.strip() != NOT_RUN:
        return [
            f"{readme}: has results and {experiment.results} has none; write “{NOT_RUN}” between the marks"
        ]
    return []
