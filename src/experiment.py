"""`python -m src.experiment NAME`: arms over seeds, and what they say about a paper's claims."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ganatomy.launch.command import command

if TYPE_CHECKING:
    from omegaconf import DictConfig


@command("experiment")
def main(cfg: DictConfig) -> None:
    """Run what is missing, then write what the runs say; or `list`, or `check`."""
    from rich.console import Console

    from ganatomy.config.resolve import to_plain
    from ganatomy.experiments import check, listing, pin, spec, verify
    from ganatomy.experiments import run as experiment_run

    asked = experiment_run.read_request(to_plain(cfg))
    console = Console(highlight=False)
    if asked.named == "list":
        listing.show(asked.root, console)
        return
    if asked.named == "check":
        known = spec.names(asked.root)
        faults = check.check(asked.root, known)
        for fault in faults:
            sys.stderr.write(f"error: {fault}\n")
        if not faults:
            console.print(f"{len(known)} experiments: every table and verdict there is follows from the runs")
        sys.exit(1 if faults else 0)
    if asked.pin:
        console.print(f"written: {pin.pin(spec.read(asked.root, asked.named))}", soft_wrap=True)
        return
    sys.exit(verify.verify(asked, console) if asked.verify else experiment_run.run_experiment(asked, console))


def start() -> None:
    """The first word names the experiment, unless it is a key=value or an option."""
    if len(sys.argv) > 1 and "=" not in sys.argv[1] and not sys.argv[1].startswith("-"):
        sys.argv[1] = f"named={sys.argv[1]}"
    main()


if __name__ == "__main__":
    start()
