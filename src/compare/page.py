"""Page of a comparison: one file of HTML without a script, and the table beside it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from string import Template

from ganatomy.compare.arms import Arm
from ganatomy.compare.cases import Group, drawn
from ganatomy.compare.differing import measured_otherwise
from ganatomy.compare.figure import scatter
from ganatomy.compare.pairing import Pair
from ganatomy.compare.verdicts import RULES, Outcome
from ganatomy.compare.wording import CSV, cells, remarks
from ganatomy.errors import UserError
from ganatomy.pictures import markup
from ganatomy.pictures.embedded import fit, image, width
from ganatomy.runs.integrity.outputs import refuse_no_file, refuse_no_page
from ganatomy.text.names import printable

MARK = '<meta name="generator" content="GANatomy compare">'


def refuse_foreign(output: Path) -> None:
    """Raise UserError if the page, or the table beside it, would replace a file of something else."""
    refuse_no_page(output)
    refuse_no_file(output.with_suffix(".csv"))
    for path, mark in ((output, MARK), (output.with_suffix(".csv"), ",".join(CSV[:4]))):
        try:
            stands = path.read_bytes()[:4000] if path.exists() else mark.encode()
        except OSError as error:
            raise UserError(f"output: {path} cannot be read ({error.strerror}); give another name") from error
        if mark.encode() not in stands:
            raise UserError(f"output: {path} is there and was not written by compare; give another name")


def page(
    arms: Sequence[Arm],
    pairs: Sequence[Pair],
    outcomes: Sequence[Outcome],
    differing: Sequence[tuple[str, list[str]]],
    groups: Mapping[str, Sequence[Group]],
    unit: str,
    behind: Sequence[str] = (),
) -> str:
    """Return the page.

    Args:
        arms: All arms.
        pairs: Pairs of arms.
        outcomes: Comparisons of all pairs.
        differing: Key and its value in each arm.
        groups: Name of each pair to its cases.
        unit: Unit of distances.
        behind: Lines on arms that are not ahead of a baseline or their twin.
    """
    parts = [markup.section("Not ahead of a baseline or twin", markup.grid([], [[line] for line in behind]))]
    parts = parts if behind else []
    for pair in pairs:
        own = [one for one in outcomes if one.pair is pair]
        parts.append(markup.section(f"{pair.first.letter} and {pair.other.letter}", _table(own, unit)))
        parts.append(f'<p class="faint">{escape(pair.counts)}.</p>')
        parts.append("".join(f'<p class="faint">{escape(printable(line))}.</p>' for line in remarks(own)))
        parts.append(_pictures(pair, own, groups[pair.name]))
    parts.append(f'<p class="faint">{escape(RULES)}</p>')
    parts.append(markup.section("What differs in the configuration", _keys(arms, differing)))
    parts.append(markup.section("Samples of the test", _samples(arms)))
    template = Path(__file__).with_name("page.html").read_text(encoding="utf-8")
    return Template(template).substitute(
        mark=MARK,
        title=escape(f"Comparison of {', '.join(arm.letter for arm in arms)}"),
        facts="".join(f"<span>{escape(fact)}</span>" for fact in _facts(arms)),
        arms="".join(f"<dt>{arm.letter}</dt><dd>{escape(_runs(arm))}</dd>" for arm in arms),
        body="\n".join(part for part in parts if part),
    )


def _facts(arms: Sequence[Arm]) -> list[str]:
    facts = [f"as of {time.strftime('%Y-%m-%d %H:%M')}"]
    return facts + [printable(line) for line in (*game_lines(arms), *measured_otherwise(arms))]


def game_lines(arms: Sequence[Arm]) -> list[str]:
    """Return a line for each run whose game failed."""
    return [
        f"{arm.letter}: the game of {run.path.name} failed: {run.game}"
        for arm in arms
        for run in arm.runs
        if run.game
    ]


def _runs(arm: Arm) -> str:
    return " · ".join(run.shown for run in arm.runs)


def _table(own: Sequence[Outcome], unit: str) -> str:
    pair = own[0].pair if own else None
    if pair is None:
        return ""
    heads = [
        "score",
        pair.first.letter,
        pair.other.letter,
        pair.name,
        "95 % interval",
        "p",
        "subjects",
        "verdict",
    ]
    top = "".join(f"<th>{escape(head)}</th>" for head in heads[:-1]) + f'<th class="words">{heads[-1]}</th>'
    lines = ""
    for one in own:
        *numbers, verdict = cells(one, unit)
        style = (
            "better" if verdict.endswith(("better", "higher")) else "open" if verdict == "undecided" else ""
        )
        inner = "".join(f"<td>{escape(printable(text))}</td>" for text in numbers)
        word = f'<b class="{style}">{escape(verdict)}</b>' if verdict != "–" else "–"
        lines += f'<tr>{inner}<td class="words">{word}</td></tr>'
    return markup.wide(f"<table><thead><tr>{top}</tr></thead>{lines}</table>")


def _pictures(pair: Pair, own: Sequence[Outcome], groups: Sequence[Group]) -> str:
    first = next((one.score for one in own if one.estimate is not None), None)
    plot = scatter(pair, first) if first else None
    parts = [image(plot, f"{first} of each case", shown=width(plot) // 2)] if plot else []
    for group in groups:
        lines = "".join(f"<li>{escape(line)}</li>" for line in group.lines)
        picture = drawn(pair, group)
        seen = image(fit(picture, 400_000), f"predictions: {group.title}") if picture else ""
        parts.append(f"<h3>{escape(group.title)}</h3><ul>{lines}</ul>{seen}")
    if groups and not any("<img" in part for part in parts[1:]):
        hint = "save_predictions=all in train writes the files that pictures of these cases need"
        parts.append(f'<p class="faint">No pictures of these cases: {hint}.</p>')
    return "\n".join(parts)


def _keys(arms: Sequence[Arm], differing: Sequence[tuple[str, list[str]]]) -> str:
    if not differing:
        return '<p class="faint">Nothing that changes numbers.</p>'
    top = "".join(f"<th>{escape(head)}</th>" for head in ["key", *(arm.letter for arm in arms)])
    lines = "".join(
        f"<tr>{''.join(f'<td>{escape(printable(text))}</td>' for text in [key, *values])}</tr>"
        for key, values in differing
    )
    return markup.wide(f'<table class="keys"><thead><tr>{top}</tr></thead>{lines}</table>')


def _samples(arms: Sequence[Arm]) -> str:
    """Return the sample picture of the first run of each arm that has one, side by side."""
    parts = []
    for arm in arms:
        paths = [run.path / "samples/test.png" for run in arm.runs]
        found = next((path for path in paths if path.is_file()), None)
        try:
            picture = image(fit(found.read_bytes(), 300_000), f"samples of {arm.letter}") if found else ""
        except (OSError, ValueError, SyntaxError):
            picture = ""
        parts.append(f"<div><h3>{arm.letter}</h3>{picture}</div>" if picture else "")
    return f'<div class="side">{"".join(parts)}</div>' if any(parts) else ""
