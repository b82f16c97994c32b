"""Lines of the terminal: the scores of a run, and what came out of an experiment."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console

from ganatomy.experiments.claims.claims import Verdict
from ganatomy.experiments.results.report import TABLE
from ganatomy.experiments.results.wording import count, finding, number, score_kind
from ganatomy.experiments.spec import Experiment
from ganatomy.experiments.store import Result


def says(experiment: Experiment, result: Result) -> str:
    """Return the scores of a run in a line."""
    scores = []
    for name in experiment.spec.scores:
        kind = score_kind(experiment, name)
        scores.append(f"{kind.label} {number(result.score(name), kind.decimals)}")
    seconds = result.line.get("seconds")
    return ", ".join(scores) + (f" ({seconds} s)" if seconds else "")


def show(
    experiment: Experiment, verdicts: Sequence[Verdict], behind: Sequence[str], console: Console
) -> None:
    """Print each claim's outcome, what is behind a baseline, and where the table is.

    Args:
        experiment: The experiment at one scale.
        verdicts: Outcome of each claim.
        behind: Lines on arms that are not ahead of a baseline.
        console: Console for the lines.
    """
    for verdict in verdicts:
        console.print(finding(experiment, verdict), soft_wrap=True)
    for line in behind:
        console.print(line, soft_wrap=True)
    console.print(f"{experiment.name}: {count(verdicts)}; {experiment.results / TABLE}", soft_wrap=True)
