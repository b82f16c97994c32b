"""`python -m src.evaluate run=DIR`: score a finished run on any set."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import datetime
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING

from ganatomy.launch.command import command

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from ganatomy.evaluate.settings import EvaluateConfig


@command("evaluate")
def main(cfg: DictConfig) -> None:
    """Score one run, or the runs of a cross-validation, and write the results to a folder of their own."""
    from ganatomy.config.resolve import to_plain
    from ganatomy.evaluate.settings import EvaluateConfig
    from ganatomy.invocation import shown
    from ganatomy.runs import console

    console.silence_libraries()
    output = evaluate(EvaluateConfig.from_plain(to_plain(cfg)), sys.argv[1:])
    sys.stdout.write(f"evaluation: {shown(output / 'evaluation.html')}\n")


def evaluate(config: EvaluateConfig, words: Sequence[str]) -> Path:
    """Score what the settings name, print the table, and return the folder with the results.

    Several runs answer as one (an ensemble) where they share their test cases or other data are named;
    otherwise they are the folds of a cross-validation.

    Args:
        config: Settings of the command.
        words: Words that were typed: some keys of `data` are decided by the run and must not be.
    """
    from ganatomy.config.resolve import check_data
    from ganatomy.evaluate import evaluation, folds, one
    from ganatomy.evaluate.membership.audit import audit

    if config.data is not None:
        check_data(config.data)
    runs, output = config.runs, folder_for(config, datetime.now())
    evaluation.check_output(output)
    alone = len(runs) == 1 or config.data is not None or folds.same_test(runs)
    audited = audit(config) if config.membership else None
    found = (one if alone else folds).evaluate(config, words)
    if audited is not None:
        audited.add_to(found)
    evaluation.write(output, found)
    evaluation.show(found)
    return output


def folder_for(config: EvaluateConfig, now: datetime) -> Path:
    """Return the folder for the results: `output`, or a new evaluations/<date>_<time>_<run>."""
    if config.output is not None:
        return Path(config.output).expanduser()
    name = Path(config.runs[0]).name + ("_and_more" if len(config.runs) > 1 else "")
    name = f"{now:%Y-%m-%d_%H-%M-%S}_{name}"
    places = (Path("evaluations") / f"{name}{more}" for more in chain([""], (f"_{n}" for n in count(2))))
    return next(place for place in places if not place.exists())


if __name__ == "__main__":
    main()
