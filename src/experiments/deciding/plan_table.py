"""`plan=true`: a table of the seeds and minutes that would decide each claim."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from ganatomy.experiments.deciding.forecast import TEN, Bill, Forecast, affordable, forecasts
from ganatomy.experiments.deciding.power import MOST
from ganatomy.experiments.plan import runs
from ganatomy.experiments.results.wording import finer, number
from ganatomy.experiments.run import Request
from ganatomy.experiments.spec import FILE, Experiment, read
from ganatomy.experiments.store import Key, Result, load, valid

NOTES = (
    "sd: of one seed's difference. subjects: standard error that these subjects leave, however many seeds. "
    "seeds: give the verdict with a chance of 80 % if the true difference and the sd are as observed, at "
    "Holm's first step; in brackets: if it were the only claim. minutes: of one thread, for the seeds that "
    f"are missing, at the quickest run of each arm. {TEN} seeds: the smallest difference that they find, "
    "either way round; of a claim with ~ the largest that they call equal."
)


def show(asked: Request, console: Console) -> None:
    """Print what deciding each claim would take, at the asked scale and at others that have results."""
    experiment = read(asked.root, asked.named, asked.scale)
    others = [name for name in experiment.spec.scales if name != asked.scale]
    with_results = 0
    for scale in (asked.scale, *others):
        experiment = read(asked.root, asked.named, scale)
        planned = runs(experiment, asked.place, asked.paths)
        kept = valid(load(experiment), planned, experiment)
        if kept:
            with_results += 1
            found = forecasts(experiment, planned, kept)
            _print(experiment, found, kept, asked.minutes, console)
        elif scale == asked.scale:
            console.print(
                f"{experiment.name}: no kept runs at scale {scale}, so the spread over seeds is not known; "
                "run the seeds that it states first, without plan=true",
                soft_wrap=True,
            )
    if with_results == 1:
        console.print(
            "Other lengths: none has kept results, so nothing here says what longer runs would do. A pilot "
            f"of two lengths would: add a scale to {experiment.folder / FILE} with other trainer.max_steps, "
            "and run it with scale=NAME; this plan then shows both.",
            soft_wrap=True,
        )


def _print(
    experiment: Experiment,
    found: Sequence[Forecast],
    kept: Mapping[Key, Result],
    minutes: float | None,
    console: Console,
) -> None:
    bill = Bill.of(experiment, kept)
    console.print(f"{experiment.name}, scale {experiment.scale}:")
    for place, each in enumerate(found, start=1):
        state = f"is {each.word}" if each.decided else f"undecided, as observed {each.word}"
        console.print(f"{place:3}  {each.claim}: {state}", soft_wrap=True)
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    for head in ("claim", "difference", "sd", "subjects", "seeds", "minutes", f"{TEN} seeds"):
        table.add_column(head, justify="right", no_wrap=True)
    for place, each in enumerate(found, start=1):
        table.add_row(str(place), *_cells(experiment, each, bill))
    console.print(table)
    console.print(NOTES, soft_wrap=True)
    for line in (
        *_remarks(experiment, found),
        *(_within(experiment, found, bill, minutes) if minutes else ()),
    ):
        console.print(line, soft_wrap=True)


def _cells(experiment: Experiment, each: Forecast, bill: Bill) -> list[str]:
    decimals, spread = finer(experiment, each.claim), each.spread
    mean = number(each.now.mean, decimals, sign=True)
    if spread is None:
        return [mean, "–", "–", "–", "–", "–"]
    sd, subjects = (number(math.sqrt(value), decimals) for value in (spread.seed, spread.subjects))
    known = [mean, sd, subjects if spread.freedom else "–"]
    if each.decided:
        return [*known, "–", "–", "–"]
    seeds = f"{_seeds(each.seeds)} ({_seeds(each.alone)})"
    cost = bill.total([(each, each.seeds)]) if each.countable else math.nan
    sign = "±" if each.claim.sign == "~" else ""
    found = "–" if each.found is None else sign + number(each.found, decimals)
    return [*known, seeds, number(cost, 0), found]


def _seeds(value: float) -> str:
    return "none" if value == math.inf else f"> {MOST}" if value > MOST else f"{value:.0f}"


def _remarks(experiment: Experiment, found: Sequence[Forecast]) -> list[str]:
    """Return lines on what no seeds decide, on claims of equality, and on how sure the spread is."""
    lines = []
    for each in found:
        spread = each.spread
        if spread is None or each.decided:
            continue
        decimals = finer(experiment, each.claim)
        if each.seeds == math.inf:
            left = number(math.sqrt(spread.subjects), decimals)
            why = (
                f"{spread.count} subjects alone leave an error of {left}; more subjects would"
                if spread.subjects
                else "the difference is where the verdict changes"
            )
            lines.append(f"{each.claim}: no number of seeds will do: {why}")
        if each.equal is not None:
            lines.append(f"{each.claim}: {_seeds(each.equal)} seeds if there is no difference at all")
    seeds = {each.now.seeds: each.spread for each in found if each.spread and not each.decided}
    for count, spread in sorted(seeds.items()):
        assert spread is not None
        low, high = spread.uncertainty()
        lines.append(
            f"The sd of {count} seeds is itself known to a factor of {low:.1f} to {high:.1f} only (95 %), "
            "and the number of seeds to its square: a first guess, better after some more seeds."
        )
    return lines


def _within(experiment: Experiment, found: Sequence[Forecast], bill: Bill, minutes: float) -> list[str]:
    """Return lines on what can be decided in so many minutes."""
    chosen, left = affordable(found, bill, minutes)
    lines = []
    if chosen:
        spent = bill.total([(each, each.seeds) for each in chosen])
        told = "; ".join(f"{each.claim} ({each.seeds:.0f} seeds)" for each in chosen)
        lines.append(f"In {minutes:g} minutes: {told}; {spent:.0f} minutes in all")
    else:
        lines.append(f"In {minutes:g} minutes: no claim")
    if left:
        cheapest = min(left, key=lambda each: bill.total([(one, one.seeds) for one in (*chosen, each)]))
        total = bill.total([(each, each.seeds) for each in (*chosen, cheapest)])
        lines.append(f"The next, {cheapest.claim}, would make it {total:.0f} minutes")
    if chosen:
        cap = max(each.capped for each in chosen)
        undecided = [each for each in found if not each.decided]
        most = bill.total([(each, cap) for each in undecided])
        lines.append(
            f"until=decided max_seeds={cap:.0f} has the same chances with looks on the way; it tries every "
            f"undecided claim that has hope, so it takes {most:.0f} minutes at most"
        )
    return lines
