"""`python -m src.index runs/`: all runs under a folder, on one page and on the terminal."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ganatomy.launch.command import command

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from ganatomy.index.rows import Row
    from ganatomy.index.selection import IndexConfig

FILTERS = ("task", "data", "model", "status", "name")


@command("index")
def main(cfg: DictConfig) -> None:
    """Read the runs, print the selected ones, and write the page of all of them."""
    from ganatomy.config.resolve import to_plain
    from ganatomy.index.page import refuse_foreign
    from ganatomy.index.selection import IndexConfig, select
    from ganatomy.index.terminal import show
    from ganatomy.runs.terminal import Terminal

    config = IndexConfig.from_plain(to_plain(cfg))
    if config.output is not None:
        refuse_foreign(Path(config.output).expanduser())
    rows, remarks = _read(Path(config.runs).expanduser())
    chosen = select(rows, config.filter, config.sort)
    console = Terminal()
    if chosen:
        show(chosen[: config.top], console)
    shown, total = min(len(chosen), config.top), f"{len(rows)} run{'s' if len(rows) > 1 else ''}"
    console.print(
        f"{shown} of {total} shown" + (f"; {len(chosen)} match, top=all shows them" * (shown < len(chosen)))
    )
    for remark in remarks:
        console.print(remark, soft_wrap=True)
    if config.output is not None:
        _write(rows, config, remarks)


def _read(root: Path) -> tuple[list[Row], list[str]]:
    """Return all runs under a folder, the newest first, and what could not be read."""
    from ganatomy.errors import UserError
    from ganatomy.index.folders import find
    from ganatomy.index.rows import read_rows
    from ganatomy.runs.terminal import Terminal

    if not root.is_dir():
        raise UserError(f"runs: {root} is no folder; give the folder that holds your runs: runs=DIR")
    with Terminal(stderr=True).status("looking for runs"):
        found = find(root)
    if not found.runs:
        raise UserError(f"runs: there is no run under {root}; give the folder that holds your runs: runs=DIR")
    rows = read_rows(found.runs, root, _steps(len(found.runs), "reading"))
    closed = len(found.closed)
    return rows, [f"{closed} folder{'s' if closed > 1 else ''} could not be read"] if closed else []


def _write(rows: list[Row], config: IndexConfig, remarks: list[str]) -> None:
    from ganatomy.errors import UserError
    from ganatomy.index.page import page, room_for_pictures
    from ganatomy.index.thumbnails import thumbnails
    from ganatomy.runs.directory import write_atomically
    from ganatomy.runs.terminal import Terminal
    from ganatomy.text.sizes import bytes_text

    output, console = Path(str(config.output)).expanduser(), Terminal()
    title = f"Runs in {Path(config.runs).expanduser().absolute().name or config.runs}"
    bare = page(rows, [""] * len(rows), output, title, remarks)
    room, step = room_for_pictures(bare), _steps(len(rows), "pictures")
    sources, left_out = thumbnails(rows, config.thumbnails, room, step)
    line = (
        f"left out: the pictures of {left_out} older runs (thumbnails={config.thumbnails}, and 5 MB a page)"
    )
    told = [line] if left_out else []
    content = page(rows, sources, output, title, [*remarks, *told]).encode("utf-8", "backslashreplace")
    try:
        write_atomically(output, content)
    except OSError as error:
        raise UserError(
            f"output: {output} cannot be written ({error.strerror}); choose another place"
        ) from error
    console.print(
        f"page: {output} ({bytes_text(len(content))}{', ' + told[0] if told else ''})", soft_wrap=True
    )


def _steps(count: int, what: str) -> Callable[[], object]:
    """Return a function that moves a progress bar with the time left; nothing is shown but on a terminal."""
    from rich.progress import track

    from ganatomy.runs.terminal import Terminal

    console = Terminal(stderr=True)
    bar = track(range(count), what, console=console, transient=True, disable=not console.is_terminal)
    steps = iter(bar)
    next(steps)
    return lambda: next(steps, None)


def start() -> None:
    """Take the folder without its key, and the words of a filter by the names of their columns."""
    from ganatomy.launch.first_words import keyed

    words = keyed(sys.argv[1:], "runs")
    sys.argv[1:] = [re.sub(rf"^({'|'.join(FILTERS)})=", r"filter.\1=", word) for word in words]
    main()


if __name__ == "__main__":
    start()
