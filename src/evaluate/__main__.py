"""`python -m src.evaluate run=DIR`: score a finished run on any set."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ganatomy.launch.command import command

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from ganatomy.evaluate.settings import EvaluateConfig


@command("evaluate")
def main(cfg: DictConfig) -> None:
    """Score one run, or the runs of a cross-validation, and write the results to a folder of their own."""
    from ganatomy.config.resolve import check_data, to_plain
    from ganatomy.evaluate import evaluation, folds, one
    from ganatomy.evaluate.settings import EvaluateConfig
    from ganatomy.invocation import shown
    from ganatomy.runs import console

    config = EvaluateConfig.from_plain(to_plain(cfg))
    if config.data is not None:
        check_data(config.data)
    runs = config.runs
    console.silence_libraries()
    output = _output(config)
    evaluation.check_output(output)
    alone = len(runs) == 1 or config.data is not None or folds.same_test(runs)
    found = (one if alone else folds).evaluate(config, sys.argv[1:])
    evaluation.write(output, found)
    evaluation.show(found)
    sys.stdout.write(f"evaluation: {shown(output)}\n")


def _output(config: EvaluateConfig) -> Path:
    """Return the folder for the results: `output`, or evaluations/<date>_<time>_<run>."""
    if config.output is not None:
        return Path(config.output).expanduser()
    name = Path(config.runs[0]).name + ("_and_more" if len(config.runs) > 1 else "")
    return Path("evaluations") / f"{datetime.now():%Y-%m-%d_%H-%M-%S}_{name}"


if __name__ == "__main__":
    main()
