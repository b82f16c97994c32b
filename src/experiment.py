"""`python -m src.experiment NAME`: train arms over seeds, and test a paper's claims."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ganatomy.launch.command import command

if TYPE_CHECKING:
    from omegaconf import DictConfig


@command("experiment")
def main(cfg: DictConfig) -> None:
    """Run what is missing and write the results; or `list`, `check` or `archive`."""
    from ganatomy.config.resolve import to_plain
    from ganatomy.experiments import check, listing, pin, spec, verify
    from ganatomy.experiments import run as experiment_run
    from ganatomy.experiments.archive import checking, pack
    from ganatomy.experiments.deciding import plan_table, until
    from ganatomy.runs.terminal import Terminal

    request = experiment_run.read_request(to_plain(cfg))
    console = Terminal()
    if request.named == experiment_run.LIST:
        listing.show(request.root, console)
        return
    if request.named == experiment_run.ARCHIVE:
        pack.archive(request, console)
        return
    if request.named == experiment_run.CHECK and request.of is not None:
        checking.check_archive(Path(request.of).expanduser(), console)
        return
    if request.named == experiment_run.CHECK:
        known = spec.names(request.root)
        faults = check.check(request.root, known)
        for fault in faults:
            sys.stderr.write(f"error: {fault}\n")
        if not faults:
            console.print(f"{len(known)} experiments: every table and verdict there is follows from the runs")
        sys.exit(1 if faults else 0)
    if request.pin:
        console.print(f"written: {pin.pin(spec.read(request.root, request.named))}", soft_wrap=True)
        return
    if request.plan:
        plan_table.show(request, console)
        return
    if request.verify:
        sys.exit(verify.verify(request, console))
    sys.exit((until.run_until if request.until else experiment_run.run_experiment)(request, console))


def start() -> None:
    """Read the experiment's name, or what is done with which, from the first words without a key."""
    from ganatomy.launch.first_words import keyed

    words = sys.argv[1:2]
    if words and words[0] in ("check", "archive"):
        sys.argv[1:] = [f"named={words[0]}", *keyed(sys.argv[2:], "of")]
    elif words and "=" not in words[0] and not words[0].startswith("-"):
        sys.argv[1] = f"named={words[0]}"
    main()


if __name__ == "__main__":
    start()
