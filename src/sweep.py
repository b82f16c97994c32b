"""`python -m src.sweep +sweep=segmentation`: many runs in search of the best configuration."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

from ganatomy.config.locations import CONF
from ganatomy.launch.command import command

if TYPE_CHECKING:
    from omegaconf import DictConfig

TRAIN_WORDS: list[str] = []
"""Overrides of this command line that are for `train`."""


@command("sweep")
def main(cfg: DictConfig) -> None:
    """Run the trials that are missing, then report what was found."""
    from ganatomy.config.compose import searched
    from ganatomy.config.resolve import to_plain
    from ganatomy.runs.terminal import Terminal
    from ganatomy.sweeps import workers
    from ganatomy.sweeps.disk import TrialDisk
    from ganatomy.sweeps.plan import read_plan, try_space
    from ganatomy.sweeps.study import begun, prepare, settled, wanted
    from ganatomy.sweeps.summary import again, near, show, summarise

    plan = read_plan(to_plain(cfg), TRAIN_WORDS, searched())
    if not begun(plan):
        try_space(plan)
    study = prepare(plan)
    signum = None if settled(study, wanted(plan)) else workers.run(plan, study)
    files = summarise(plan, study)
    console = Terminal()
    show(plan, study, console)
    if len(files) > 1:
        console.print(f"the best again: {again(plan)}", soft_wrap=True)
    if line := TrialDisk(plan).closing(study.get_trials(deepcopy=False)[: wanted(plan)]):
        console.print(line)
    console.print(f"sweep: {near(plan.directory)}", soft_wrap=True)
    if signum is not None:
        console.print("stopped; start the same command again to go on")
        sys.exit(128 + signum)
    if len(files) == 1:
        sys.stderr.write(
            f"error: no trial of {plan.study} has a score; see {plan.directory}/trials/*/*.log\n"
        )
        sys.exit(1)


def start() -> None:
    """Split the overrides: keys of conf/sweep.yaml are the sweep's, all others are for `train`."""
    import yaml

    ours = {"sweep", "hydra", "paths", *yaml.safe_load((CONF / "sweep.yaml").read_text(encoding="utf-8"))}
    words = [word for word in sys.argv[1:] if "=" in word and not word.startswith("-")]
    theirs = [word for word in words if re.split(r"[./=]", word.lstrip("+~"))[0] not in ours]
    sys.argv = [re.sub("^sweep=", "+sweep=", word) for word in sys.argv if word not in theirs]
    TRAIN_WORDS.extend(theirs + [word for word in words if word.startswith(("paths.data=", "paths.cache="))])
    main()


if __name__ == "__main__":
    start()
