"""`python -m src.compare runs=[A,B]`: which of two finished runs is better, and for which cases."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ganatomy.launch.command import command

if TYPE_CHECKING:
    from omegaconf import DictConfig


@command("compare")
def main(cfg: DictConfig) -> None:
    """Pair the cases of the first arm with those of each other one, and write what was found."""
    from ganatomy.compare import terminal, wording
    from ganatomy.compare.arms import read_arms
    from ganatomy.compare.behind import behind_lines
    from ganatomy.compare.cases import groups
    from ganatomy.compare.differing import differing
    from ganatomy.compare.page import page, refuse_foreign
    from ganatomy.compare.pairing import pair
    from ganatomy.compare.settings import CompareConfig
    from ganatomy.compare.verdicts import outcomes
    from ganatomy.config.resolve import to_plain
    from ganatomy.errors import UserError
    from ganatomy.runs.directory import write_atomically
    from ganatomy.runs.terminal import Terminal

    config, console = CompareConfig.from_plain(to_plain(cfg)), Terminal()
    output = None if config.output is None else Path(config.output).expanduser()
    if output is not None:
        refuse_foreign(output)
    arms = read_arms(config.runs)
    pairs = [pair(arms[0], other) for other in arms[1:]]
    found = outcomes(pairs, config.scores)
    keys, unit = differing(arms), arms[0].unit
    first = {one.pair.name: one.score for one in reversed(found) if one.estimate is not None}
    cases = {
        each.name: groups(each, first[each.name], config.cases) if each.name in first else []
        for each in pairs
    }
    terminal.show_arms(arms, console)
    for each in pairs:
        terminal.show_pair(each, found, cases, unit, console)
    terminal.show_keys(arms, keys, console)
    behind = behind_lines(arms, pairs, found, unit)
    for line in behind:
        console.print(line, soft_wrap=True)
    if output is not None:
        table = output.with_suffix(".csv")
        text = page(arms, pairs, found, keys, cases, unit, behind)
        try:
            write_atomically(table, wording.table_csv(found).encode())
            write_atomically(output, text.encode("utf-8", "backslashreplace"))
        except OSError as error:
            why = f"output: {output} cannot be written ({error.strerror})"
            raise UserError(f"{why}; choose another place") from error
        console.print(f"page: {output}, table: {table}", soft_wrap=True)


def start() -> None:
    """Take runs without their key."""
    from ganatomy.launch.first_words import keyed

    sys.argv[1:] = keyed(sys.argv[1:], "runs", several=True)
    main()


if __name__ == "__main__":
    start()
