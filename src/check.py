"""`python -m src.check data=...`: read a data set once, report its content and its faults."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganatomy.launch.command import command

if TYPE_CHECKING:
    from omegaconf import DictConfig
    from rich.console import Console

    from ganatomy.config.schema import CheckConfig
    from ganatomy.data.datamodule import DataModule
    from ganatomy.data.quality.gallery import Drawn
    from ganatomy.data.quality.inventory import Inventory
    from ganatomy.data.records import Case, Record, Source

SHOWN = 40
"""Maximum number of faults printed; the page lists all of them."""
PAGE_WIDTH = 130
"""Width of a table on the page in characters."""


@command("check")
def main(cfg: DictConfig) -> None:
    """Check one data set; exit code 1 if a fault would stop training."""
    from ganatomy.config.mistakes.idle import refuse_idle
    from ganatomy.config.resolve import check_data, to_plain
    from ganatomy.config.schema import CheckConfig
    from ganatomy.planning import checking
    from ganatomy.runs import console

    config = CheckConfig.from_plain(refuse_idle(to_plain(cfg)))
    check_data(config.data)
    console.silence_libraries()
    page, plan = checking.files(config)
    found = check(opened(config), config.duplicates, config.pictures, page)
    if config.plan and not found.grave:
        checking.write_plan(config, plan, opened(config))
    sys.exit(1 if found.grave else 0)


def opened(config: CheckConfig) -> DataModule:
    """Open the data set; what the headers of a DICOM tree without a usable series tell is printed first.

    Raises UserError if it cannot be used.
    """
    from ganatomy.config.resolve import data_keys
    from ganatomy.config.targets import build
    from ganatomy.errors import UserError
    from ganatomy.runs.terminal import Terminal
    from ganatomy.training.build import open_data

    try:
        data = open_data(config.data, config.paths, seed=config.seed)
        if getattr(data.source, "private", False):
            data.source.records()
    except UserError:
        _headers(Terminal(), build(data_keys(config.data)[0], "data"), [])
        raise
    return data


def check(data: DataModule, bits: int, pictures: int, output: Path) -> Inventory:
    """Read every case once with a progress bar, print counts, facts and faults, and write the page.

    Args:
        data: Data set.
        bits: Maximum number of different bits of the hashes of near-duplicates.
        pictures: Maximum number of pictures of each split on the page.
        output: File of the page.
    """
    from rich.progress import track

    from ganatomy.data.quality import gallery, inventory
    from ganatomy.data.records import picture
    from ganatomy.data.transforms import cut
    from ganatomy.data.transforms.intensity import shown
    from ganatomy.files import write_whole
    from ganatomy.runs.keys import write_private
    from ganatomy.runs.terminal import Terminal

    console = Terminal()
    records = data.splitting(data.source.records())
    pngs: gallery.Drawn = {}
    wanted = gallery.sample(records, pictures)
    steps = iter(track(records, "reading", console=Terminal(stderr=True), transient=True))
    next(steps)
    kept: list[float] = []
    shares: dict[tuple[Any, ...], float] = {}  # by size and affine, which most images have in common

    def draw(record: Record, case: Case) -> None:
        pngs.update({(side, record.case): png for side, png in gallery.drawn(data.preparation, case).items()})

    def step(record: Record, case: Case | None) -> None:
        if case is not None:
            key = (picture(case).shape, case["affine"].tobytes())
            shares[key] = shares[key] if key in shares else _kept(data, record, case)
            kept.append(shares[key])
            if record.case in wanted:
                draw(record, case)
        next(steps, None)

    found = inventory.take(records, data.source, bits, step)
    found.faults = data.unanswered(found.faults) + data.sides.findings(found.usable, found.targets.shapes)
    found.faults += inventory.depths(found, data.source, data.preparation.intensity)
    for record in {r.case: r for one, other, _ in found.alike for r in (one, other)}.values():
        if record.case not in wanted:
            draw(record, data.source.load(record))
    regions = data.regions.words(data.label_values) if data.regions else ""
    facts = inventory.facts(found, data.source) | inventory.settings(found, data.preparation, regions)
    _print(console, found, data, facts, output.name)
    headers = _headers(console, data.source, records)
    if data.source.size is not None:
        nothing = f"data.size={shown(data.source.size)} cuts nothing off"
        console.print(cut.words(data.source.size, kept) or nothing)
    write_whole(output, _page(found, data, pngs, wanted, facts, headers).encode())
    console.print(f"page: {output}")
    if found.faults and hasattr(data.source, "keys"):
        private = output.with_name(f"{output.stem}-keys.csv")
        write_private(private, data.source.keys())
        console.print(f"keys: {private} (private: patients and files behind these names)")
    return found


def _headers(console: Console, source: Source, records: list[Record]) -> dict[str, str]:
    """Print and return what DICOM headers tell of persons, by names of tags; nothing without DICOM files."""
    from rich.progress import track

    from ganatomy.data.quality.identifiers import dicom_files, identifiers, summary
    from ganatomy.runs.terminal import Terminal

    paths = dicom_files(source, records)
    steps = track(paths, "reading headers", console=Terminal(stderr=True), transient=True)
    rows = summary(identifiers(steps)) if paths else {}
    if rows:
        console.print("in DICOM headers, by name and number of files (values are not shown):")
    for name, words in rows.items():
        console.print(f"  {name}: {words}", soft_wrap=True)
    return rows


def _kept(data: DataModule, record: Record, case: Case) -> float:
    """Return the fraction of a case that training uses.

    Raises:
        UserError: If the case cannot be prepared; the message names its file.
    """
    from ganatomy.data.quality.faults import name_of
    from ganatomy.data.transforms.prepare import grid_of
    from ganatomy.errors import UserError

    try:
        return data.preparation.kept(grid_of(case))
    except UserError as error:
        raise UserError(f"{name_of(record, data.source)}: {error}") from error


def _print(console: Console, found: Inventory, data: DataModule, facts: dict[str, str], page: str) -> None:
    from rich import box
    from rich.table import Table

    from ganatomy.data.known import doubts, overview
    from ganatomy.data.problems import told_once
    from ganatomy.data.quality import counts

    scores = counts.narrow(*counts.table(found, data.source, data.regions), console.width)
    series = overview(data.source)  # not on the page: text that was typed at a scanner may identify a person
    for first, *others in ([series] if series else []) + [[tuple(scores[0]), *map(tuple, scores[1])]]:
        table = Table(box=box.SIMPLE_HEAD)
        for number, head in enumerate(first):
            table.add_column(head, justify="right" if number else "left")
        for row in others:
            table.add_row(*row)
        console.print(table)
    for name, words in facts.items():
        console.print(f"{name}: {words}")
    warnings = doubts(data.source, data.intensity)
    for doubt in warnings:
        console.print(f"note: {doubt}", soft_wrap=True)
    if data.labels.fraction < 1:
        training = [record for record in found.records if record.split == "train"]
        data.labels.deal(training)
        console.print(f"labels used (data.label_fraction): {data.labels.words(training)}")
    if (data.sampling.setting or data.class_sampling) and not found.grave:
        data.setup()
        for line in data.sampling_notes:
            console.print(line, soft_wrap=True)
    mild = [fault for fault in found.faults if not fault.grave]
    lines = [f"fault: {line}" for line in told_once(found.grave, page)]
    lines += [f"note: {line}" for line in told_once(mild, page)]
    for line in lines[:SHOWN]:
        console.print(line, soft_wrap=True)
    if len(lines) > SHOWN:
        console.print(f"... and {len(lines) - SHOWN} more on the page")
    notes = len(found.faults) - len(found.grave) + len(warnings)
    faults, alike = len(found.grave), len(found.alike)
    said = "1 fault that stops training" if faults == 1 else f"{faults} faults that stop training"
    said += f", {notes} note{'s' if notes != 1 else ''} ({alike} near-duplicate{'s' if alike != 1 else ''})"
    console.print(said)


def _page(found: Inventory, data: DataModule, drawn: Drawn, wanted: set[str], *facts: dict[str, str]) -> str:
    import numpy as np

    from ganatomy.data.known import doubts
    from ganatomy.data.quality import counts, page
    from ganatomy.data.quality.gallery import SIDES, shown_side
    from ganatomy.data.records import SPLITS, Fault

    warnings, cells = doubts(data.source, data.intensity), counts.table(found, data.source, data.regions)
    alike = [
        (f"{record.case} ({record.split}), correlation {value:.3f}", drawn[shown_side(record), record.case])
        for one, other, value in found.alike
        for record in (one, other)
    ]
    parts = {
        "Counts": page.grid(*counts.narrow(*cells, PAGE_WIDTH)),
        **{
            head: page.grid(["", ""], [list(row) for row in rows.items()])
            for head, rows in zip(("Files and arrays", "In DICOM headers"), facts, strict=True)
            if rows
        },
        "Faults and notes": page.listed(
            [*found.faults, *(Fault("", "data set", line, grave=False) for line in warnings)]
        ),
        "Intensities": page.histogram(
            {s: np.concatenate(found.values[s]) for s in SPLITS if s in found.values}
        ),
        "Values of targets": page.histogram(
            {s: np.concatenate(found.targets.values[s]) for s in SPLITS if s in found.targets.values}
        ),
        "Near-duplicates between splits": page.gallery(alike),
    }
    for split in SPLITS:
        cases = [record.case for record in found.records if record.split == split and record.case in wanted]
        for side in SIDES:
            head = f"Pictures: {split}" if side == "image" else f"Targets: {split}"
            parts[head] = page.gallery([(case, drawn[side, case]) for case in cases if (side, case) in drawn])
    return page.page("Data check", parts)


if __name__ == "__main__":
    main()
