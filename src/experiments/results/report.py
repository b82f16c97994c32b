"""Files that the command writes in results/, and the table in README.md between its marks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ganatomy.errors import UserError
from ganatomy.experiments.claims.claims import Verdict
from ganatomy.experiments.claims.verdicts import verdicts
from ganatomy.experiments.fingerprint import fingerprint_of_file
from ganatomy.experiments.looks import LOOKS
from ganatomy.experiments.results.figure import figure, title
from ganatomy.experiments.results.table import table
from ganatomy.experiments.spec import FILE, Experiment
from ganatomy.experiments.store import CASES, LINES, Key, Result, save, sha256
from ganatomy.runs.directory import write_atomically

VERDICTS, TABLE, FIGURE = "verdicts.json", "table.md", "figure.png"
FILES = (LINES, CASES, TABLE, FIGURE)
"""Files of results/ whose SHA-256 is in verdicts.json; with looks, looks.json too."""
BEGIN, END = "<!-- results: written by the command -->", "<!-- end of results -->"
NOT_RUN = "not yet run"


def files(experiment: Experiment) -> tuple[str, ...]:
    """Return the names of the files of results/ that verdicts.json vouches for."""
    return (*FILES, LOOKS) if experiment.looks else FILES


def write(experiment: Experiment, results: Mapping[Key, Result]) -> list[Verdict]:
    """Write all files of results/, and the table into README.md; return the verdicts."""
    save(experiment, results)
    if experiment.looks:
        experiment.looks.write(experiment.results)
    found, folder = verdicts(experiment, results), experiment.results
    text = table(experiment, results, found)
    write_atomically(folder / TABLE, text.encode())
    write_atomically(folder / FIGURE, figure(experiment, results, found))
    content = {
        "experiment": fingerprint_of_file(experiment.folder / FILE),
        "files": {name: sha256(folder / name) for name in files(experiment)},
        **summary_of(experiment, found),
    }
    write_atomically(folder / VERDICTS, (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode())
    if experiment.scale == "cpu":
        readme = experiment.folder / "README.md"
        page = (
            readme.read_text(encoding="utf-8")
            if readme.is_file()
            else f"# {experiment.spec.title}\n\n{BEGIN}\n{END}\n"
        )
        before, _, after = between(page, str(readme))
        write_atomically(readme, f"{before}{BEGIN}\n{text}{END}{after}".encode())
    return found


def summary_of(experiment: Experiment, found: list[Verdict]) -> dict[str, Any]:
    """Return the figure's title and each verdict as plain values."""
    claims = [
        {
            "claim": str(verdict.claim),
            "difference": _plain(verdict.estimate.mean),
            "interval": [_plain(limit) for limit in verdict.interval],
            "seeds": verdict.estimate.seeds,
            "subjects": verdict.estimate.subjects,
            "p": _plain(verdict.p),
            "verdict": verdict.word,
            **({"looks": list(verdict.looks)} if verdict.looks else {}),
        }
        for verdict in found
    ]
    return {"title": title(experiment, found), "claims": claims}


def _plain(value: float) -> float | None:
    """Round to six digits, below which machines differ; None for NaN, which JSON lacks."""
    return float(f"{value:.6g}") if value == value else None


def between(page: str, name: str) -> tuple[str, str, str]:
    """Return the text before, between and after the marks; UserError unless each is there once."""
    if page.count(BEGIN) != 1 or page.count(END) != 1 or page.index(BEGIN) > page.index(END):
        raise UserError(f"{name}: needs the two lines {BEGIN} and {END}, between which the table stands")
    before, _, rest = page.partition(BEGIN)
    inner, _, after = rest.partition(END)
    return before, inner.removeprefix("\n"), after
