"""Content of figure.png: the finding as its title, over panels of scores or two scores in a plane."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Mapping, Sequence

from ganatomy.experiments.claims.claims import Verdict
from ganatomy.experiments.results.curve import curve
from ganatomy.experiments.results.panels import panels
from ganatomy.experiments.results.wording import count, finding, word
from ganatomy.experiments.spec import Experiment
from ganatomy.experiments.store import Key, Result
from ganatomy.pictures.figures import FAINT, INK


def title(experiment: Experiment, verdicts: Sequence[Verdict]) -> str:
    """Return the outcome of the first claim that was decided, and the count of all."""
    decided = [verdict for verdict in verdicts if "supported" in word(verdict)]
    first = (decided or list(verdicts))[:1]
    lines = textwrap.wrap(finding(experiment, first[0]), 96) if first else [experiment.spec.title]
    if len(verdicts) > 1:
        lines.append(f"All {len(verdicts)} claims: {count(verdicts)}")
    return "\n".join(lines)


def foot(experiment: Experiment) -> str:
    """Return the line below the figure that says how to read it."""
    plane = experiment.spec.figure is not None
    dots = "small dots: seeds; large: their means" if plane else "dots: seeds; bars: mean and 95 % interval"
    above = "the interval above: of this claim alone, its verdict corrected for all"
    return f"{dots}; grey: baselines; {above}; scale {experiment.scale}"


def figure(experiment: Experiment, results: Mapping[Key, Result], verdicts: Sequence[Verdict]) -> bytes:
    """Draw the figure.

    Args:
        experiment: The experiment at one scale.
        results: Kept runs by arm and seed.
        verdicts: Outcome of each claim.

    Returns:
        A PNG.
    """
    drawn = curve(experiment, results) if experiment.spec.figure else panels(experiment, results)
    heading = title(experiment, verdicts)
    question = "\n".join(textwrap.wrap(experiment.spec.question, 110))
    rows = heading.count("\n") + 1
    below = question.count("\n") + 1
    high = drawn.get_figheight() + 0.24 * rows + 0.19 * below + 0.45
    drawn.set_figheight(high)
    room = (0, 0.3 / high, 1, 1 - (0.24 * rows + 0.19 * below + 0.5) / high)
    drawn.set_layout_engine("constrained", rect=room)
    drawn.text(0.012, 1 - 0.1 / high, heading, fontsize=11.5, color=INK, weight="bold", va="top")
    drawn.text(0.012, 1 - (0.16 + 0.24 * rows) / high, question, fontsize=9.5, color=FAINT, va="top")
    drawn.text(0.012, 0.1 / high, foot(experiment), fontsize=8, color=FAINT)
    file = io.BytesIO()
    drawn.savefig(file, format="png", dpi=120)
    return file.getvalue()
