"""Content of table.md: arms by scores, claims with their verdicts, and the origin of the numbers."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from ganatomy.experiments.claims.claims import FEWEST, Verdict
from ganatomy.experiments.results.wording import finer, number, score_kind, word
from ganatomy.experiments.spec import Experiment, baseline_score
from ganatomy.experiments.store import KEPT, Key, Result

RULES = (
    "Mean ± standard deviation over seeds (how many). Difference: left less right, paired by seed and, "
    "where a score exists for each test case, by case; cases of a subject stay together. Interval: 95 %, "
    "for other seeds and other subjects; over seeds alone where it says so, then for these subjects only. "
    "p: two-sided, of the claim or of its contrary, the smaller, corrected for all claims here (Holm). "
    "Supported: p ≤ 0.05 that way round, and the difference at least what the claim asks for. Not "
    f"supported: surely less than that, or the other way round. Undecided: neither, or fewer than {FEWEST} "
    "seeds. “~ within”: two one-sided tests."
)


def table(experiment: Experiment, results: Mapping[Key, Result], verdicts: Sequence[Verdict]) -> str:
    """Return table.md; its bytes depend on the results alone.

    Args:
        experiment: The experiment at one scale.
        results: Kept runs by arm and seed.
        verdicts: Outcome of each claim.
    """
    parts = [
        _scores(experiment, results),
        _claims(experiment, verdicts),
        RULES,
        _looks(experiment),
        _origin(experiment, results),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _scores(experiment: Experiment, results: Mapping[Key, Result]) -> str:
    spec = experiment.spec
    kinds = [score_kind(experiment, name) for name in spec.scores]
    rows = [["", *(kind.heading for kind in kinds)]]
    for arm, node in spec.arms.items():
        own = [results[arm, seed] for seed in experiment.seeds if (arm, seed) in results]
        rows.append([node.label, *_cells(experiment, own, list(spec.scores))])
    for label, baseline, own in baseline_rows(experiment, results):
        rows.append(
            [f"*{label}*", *_cells(experiment, own, [baseline_score(n, baseline) for n in spec.scores])]
        )
    return _markdown(rows)


def baseline_rows(
    experiment: Experiment, results: Mapping[Key, Result]
) -> list[tuple[str, str, list[Result]]]:
    """Return label, name and runs of each baseline.

    A baseline is fitted again in each run; the runs of the first arm count, or of the first arm of each set
    of test subjects where there are several.
    """
    rows = []
    for baseline, label in experiment.spec.baselines.items():
        names = [baseline_score(name, baseline) for name in experiment.spec.scores]
        found: dict[str, tuple[str, list[Result]]] = {}
        for arm, node in experiment.spec.arms.items():
            own = [results[arm, seed] for seed in experiment.seeds if (arm, seed) in results]
            if any(result.line.get(name) for result in own for name in names):
                found.setdefault(own[0].line["test"], (node.label, own))
        for arm, own in found.values():
            rows.append((label if len(found) == 1 else f"{label}, beside {arm}", baseline, own))
    return rows


def _cells(experiment: Experiment, own: Sequence[Result], names: Sequence[str]) -> list[str]:
    cells = []
    for name in names:
        values = [value for value in (result.score(name) for result in own) if value == value]
        decimals = score_kind(experiment, name).decimals
        if not values:
            cells.append("–")
            continue
        spread = f" ± {number(statistics.stdev(values), decimals)}" if len(values) > 1 else ""
        cells.append(f"{number(statistics.fmean(values), decimals)}{spread} ({len(values)})")
    return cells


def _claims(experiment: Experiment, verdicts: Sequence[Verdict]) -> str:
    if not verdicts:
        return ""
    rows = [["claim", "difference", "95 % interval", "over", "p", "verdict"]]
    for verdict in verdicts:
        found, decimals = verdict.estimate, finer(experiment, verdict.claim)
        low, high = (number(value, decimals, sign=True) for value in verdict.interval)
        over = f"{found.seeds} seeds" + (f" × {found.subjects} subjects" if found.subjects > 1 else " alone")
        over += f", look {len(verdict.looks)}" if verdict.looks else ""
        p = "< 0.001" if verdict.p < 0.001 else f"{verdict.p:.3f}"
        rows.append(
            [
                f"`{verdict.claim}`",
                number(found.mean, decimals, sign=True),
                f"{low} to {high}" if "–" not in (low, high) else "–",
                over if found.seeds else "–",
                p if found.seeds else "–",
                f"**{word(verdict)}**",
            ]
        )
    return _markdown(rows)


def _looks(experiment: Experiment) -> str:
    """Return what was looked at, and what each look could spend; empty without looks."""
    if experiment.looks is None:
        return ""
    looks = zip(experiment.looks.made, experiment.looks.shares(), strict=True)
    shares = ", ".join(f"{seeds} seeds ({share:.3f})" for seeds, share in looks)
    return (
        f"Looks (`until=decided max_seeds={experiment.looks.max_seeds}`): after {shares}; in brackets the "
        "share of the 5 % that a look may spend. The p of a look is divided by its share, and the smallest "
        "so far counts; the interval of a look is as much wider: both hold over all looks together. A "
        "decided claim is not looked at again, so claims differ in seeds."
    )


def _origin(experiment: Experiment, results: Mapping[Key, Result]) -> str:
    """Return where the numbers were made, and which scales were not run."""
    lines = [result.line for result in results.values()]
    wanted = "" if experiment.looks else f" of {len(experiment.spec.arms) * len(experiment.spec.seeds)}"

    def all_of(key: str) -> str:
        return ", ".join(sorted({line[key][:12] if key == "data" else line[key] for line in lines}))

    parts = [f"{name} {all_of(name)}" for name in ("python", *KEPT)]
    parts += [
        all_of("device"),
        f"{all_of('threads')} thread",
        f"commit {all_of('commit')}",
        f"data {all_of('data')}",
    ]
    sentences = [f"Scale `{experiment.scale}`, {len(lines)}{wanted} runs: {'; '.join(parts)}."]
    for name, scale in experiment.spec.scales.items():
        if name != experiment.scale:
            sentences.append(f"Scale `{name}` was not run{': ' + scale.note if scale.note else ''}.")
    return " ".join(sentences)


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    head, *body = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([head, "| " + " | ".join(["---"] * len(rows[0])) + " |", *body])
