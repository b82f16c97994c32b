"""Numbers of the model card: scores with intervals over subjects, baselines, and copies."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ganatomy.guard.events import HEALTHY
from ganatomy.metrics.differences.statistics import estimate
from ganatomy.metrics.registry import describe
from ganatomy.pictures.scores import OURS, Table, table

Plain = Mapping[str, Any]
FEW = 10
"""Subjects below which a card says that they are few."""
WHOLE_SETS = ("synthesis", "detection")
"""Tasks whose scores are of a whole set of images."""
UNSURE = 0.05
"""Expected share of images that are too near to training, above which they are too few to tell copies."""


def analyses(metrics: Plain, cases: Sequence[Plain], data: Plain, cfg: Plain, task: str, game: str) -> str:
    """Return the section of scores as Markdown.

    Args:
        metrics: Content of metrics.json.
        cases: Rows of scores.csv.
        data: Content of data.json.
        cfg: Configuration, plain.
        task: Name of the task.
        game: Name of the failed game, or `healthy`.
    """
    found = table(metrics, unit=str(data.get("units", "mm")))
    if not found.scores:
        return "No test scores: the run was never tested."
    lines = (
        []
        if game == HEALTHY
        else [f"The game failed ({game}): these numbers describe a model that is not usable."]
    )
    lines += [_markdown(found, metrics, cases), _over(cases, task)]
    return "\n\n".join([*lines, _beside(found, cfg, task)])


def _over(cases: Sequence[Plain], task: str) -> str:
    """Say what intervals are over, or why there are none."""
    if task in WHOLE_SETS:
        return "These are scores of the test set as a whole: they have no interval over subjects."
    subjects = len({row.get("subject") for row in cases})
    if subjects < 2:
        return (
            "No intervals: the scores are of a single subject."
            if subjects
            else "No intervals: no scores of cases."
        )
    few = f", which are few (fewer than {FEW})" if subjects < FEW else ""
    return f"95 % intervals over {subjects} subjects{few}; a dash where a score is no mean over cases."


def _markdown(found: Table, metrics: Plain, cases: Sequence[Plain]) -> str:
    heads = ["score", OURS, "95 % interval", *found.sources[1:]]
    rows = [heads, ["---"] + ["---:"] * (len(heads) - 1)]
    for score, row, heading in found.lines():
        if score.endswith(("_low", "_high")):
            continue
        flat = score if row == "mean" else f"{score}/{row}"
        others = [found.text(score, row, source) for source in found.sources[1:]]
        rows.append([_cell(heading), found.text(score, row, OURS), _interval(flat, metrics, cases), *others])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _interval(flat: str, metrics: Plain, cases: Sequence[Plain]) -> str:
    """Return the interval of a score over subjects; a dash for a score that is no mean over cases."""
    decimals = describe(flat.split("/")[0]).decimals
    known = [metrics.get(f"test/{flat}_{end}") for end in ("low", "high")]
    if None not in known:
        return " to ".join(f"{value:.{decimals}f}" for value in known)
    rows = [(float(row[flat]), int(row["subject"])) for row in cases if _numbers(row, flat)]
    ours = metrics.get(f"test/{flat}")
    if ours is None or len({subject for _, subject in rows}) < 2:
        return "–"
    values = np.array([value for value, _ in rows])
    if not math.isclose(float(values.mean()), float(ours), rel_tol=1e-4, abs_tol=1e-6):
        return "–"
    low, high = estimate(values[None], [subject for _, subject in rows]).interval()
    return f"{low:.{decimals}f} to {high:.{decimals}f}"


def _numbers(row: Plain, flat: str) -> bool:
    """Return True if a row of scores.csv has a finite score and a subject."""
    try:
        return math.isfinite(float(row[flat])) and bool(str(row["subject"]))
    except (KeyError, ValueError):
        return False


def _beside(found: Table, cfg: Plain, task: str) -> str:
    """Say what the scores are compared with, and what is missing."""
    names = [source for source in found.sources if source not in (OURS, "twin", "floor")]
    text = f"Baselines, fitted on the same training data: {', '.join(names)}." if names else "No baselines."
    if "floor" in found.sources:
        text += " `floor`: what perfect images reach."
    if "twin" in found.sources:
        return f"{text} `twin`: the same generator, trained without a discriminator."
    if cfg["model"]["discriminator"] is None:
        return f"{text} The generator was trained without a discriminator."
    if task == "synthesis":
        return text
    return f"{text} Whether the discriminator helped is unknown: no twin without one is among the scores."


def memorisation(metrics: Plain, game: str, finding: str | None = None) -> str:
    """Return what is known about copies of training images.

    Args:
        metrics: Content of metrics.json.
        game: Name of the failed game, or `healthy`.
        finding: What the run's test said of copies; None for a run that kept no such line.
    """
    share, expected = metrics.get("test/copied"), metrics.get("floor/copied")
    if share is None or expected is None:
        return "**Copies of training images were not searched for.**"
    if game != HEALTHY:
        return "**Copies of training images: not judged**, since the images are worthless."
    numbers = (
        f"{share:.0%} of the synthetic images are nearer to a training image than 99 % of held-out images "
        f"are; {expected:.0%} were expected."
    )
    if finding:
        return f"**Copies of training images: {finding.partition(':')[0]}.** {numbers}"
    if expected > UNSURE:
        return f"**Copies of training images: too few images to tell.** {numbers}"
    if share > 2 * expected:
        return f"**Copies of training images are likely.** {numbers}"
    return f"**No sign of copies of training images.** {numbers}"
