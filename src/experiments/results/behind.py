"""Lines on the arms of an experiment that are not ahead of a baseline, in its first score."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from ganatomy.experiments.spec import Experiment, baseline_score
from ganatomy.experiments.store import Key, Result
from ganatomy.metrics.differences.behind import standing


def behind_lines(experiment: Experiment, results: Mapping[Key, Result]) -> list[str]:
    """Return a line for each arm whose mean over seeds is not better than that of a baseline."""
    spec = experiment.spec
    main = next(iter(spec.scores))
    lines = []
    for arm, node in spec.arms.items():
        own = [results[arm, seed] for seed in experiment.seeds if (arm, seed) in results]
        names = [main, *(baseline_score(main, name) for name in spec.baselines)]
        means = {name: math.fsum(each.score(name) for each in own) / len(own) for name in names if own}
        for one in standing(means, main.partition("/")[2]):
            lines.append(f"{node.label} is {replace(one, runs=len(own)).words()}")
    return lines
