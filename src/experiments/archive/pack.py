"""`experiment archive NAME`: all files of a research object, and the zip of them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console

from ganatomy.config.compose import composed
from ganatomy.config.locations import CONF
from ganatomy.errors import UserError
from ganatomy.experiments.archive.container import NAME, digest, write_zip
from ganatomy.experiments.archive.crate import METADATA, metadata
from ganatomy.experiments.archive.page import page, versions
from ganatomy.experiments.archive.run_files import Content, run_files
from ganatomy.experiments.archive.subject import README, Decided, data_of, day_of, decided, own_files
from ganatomy.experiments.check import check
from ganatomy.experiments.fingerprint import SOMEWHERE
from ganatomy.experiments.plan import runs
from ganatomy.experiments.run import Request
from ganatomy.runs.environment import code_state
from ganatomy.runs.integrity import checksums
from ganatomy.runs.integrity.outputs import refuse_no_file
from ganatomy.text.sizes import bytes_text
from ganatomy.version import __version__

CONSTRAINTS = "constraints.txt"
TEXTS = (".yaml", ".json", ".csv", ".md", ".txt")
OF_A_MACHINE = re.compile(r"(?m)(?:^|[\s\"'`=:,\[({])((?:~?/|[A-Za-z]:\\)(?:[\w.@+-]+[/\\])+[\w.@+-]*)")
"""A path from the root, the home or the drive of a machine."""


def archive(asked: Request, console: Console) -> None:
    """Write the archive of an experiment and say what is in it.

    Raises:
        UserError: There are no kept results, they do not follow from the runs, a text names a path of this
            machine, or the place of the output is taken.
    """
    name = asked.of or ""
    target = Path(asked.output or f"archives/{name}.zip")
    refuse_no_file(target)
    if target.exists():
        raise UserError(f"output: {target} is there already; name another file, or remove it")
    files, lines = contents(asked, name)
    refuse_paths(files)
    write_zip(target, files)
    for line in lines:
        console.print(line, soft_wrap=True)
    total = f"{len(files)} files, {bytes_text(target.stat().st_size)}"
    console.print(f"written: {target} ({total}; SHA-256 {digest(target)})", soft_wrap=True)


def contents(asked: Request, name: str) -> tuple[dict[str, Content], list[str]]:
    """Return all files of the archive by name, and lines on what is and is not among them.

    Args:
        asked: Request of the command line.
        name: Name of the experiment.
    """
    scales = decided(asked.root, name, asked.runs / name, asked.paths)
    if faults := check(asked.root, [name]):
        raise UserError("\n".join(faults))
    files: dict[str, Content] = dict(own_files(scales))
    weights: dict[str, str] = {}
    lines = [f"{name}: {each.said}" for each in scales]
    for each in scales:
        found = run_files(each.experiment, each.planned, each.kept, asked.weights)
        files |= found.files | configurations(each)
        weights |= found.weights
        lines += found.left_out
        missing = [run.arm for run in each.arms if run.arm not in found.weights] if asked.weights else []
        if missing:
            lines.append(f"without weights, as no finished run is here: {', '.join(missing)}")
    code = {"version": __version__, **(code_state() or {})}
    made = {each.experiment.scale: versions(each) for each in scales}
    files["environment.json"] = _json({"code": code, "runs": made})
    if (pinned := CONF.parent / CONSTRAINTS).is_file():
        files[CONSTRAINTS] = pinned.read_bytes()
    data = data_of(scales)
    files[README] = page(scales, data, weights, code, asked.licence).encode()
    files[METADATA] = metadata(files, scales, data, code, asked.licence, day_of(scales))
    if wrong := next((each for each in files if not NAME.fullmatch(each)), ""):
        raise UserError(f"{wrong!r}: is no name for an archive; letters, digits, and - _ . + are")
    listed: checksums.Known = {each: (digest(content),) for each, content in files.items()}
    files[checksums.NAME] = checksums.rendered(listed)
    return files, lines


def configurations(each: Decided) -> dict[str, bytes]:
    """Return the configuration of each arm, of its first kept seed, with names in place of folders."""
    scale = each.experiment.scale
    planned = {run.key: run for run in runs(each.experiment, Path("runs") / scale)}
    found = {}
    for run in (planned[first.key] for first in each.arms):
        plain = composed([*run.words, f"run_dir={run.directory}", *SOMEWHERE])
        found[f"configurations/{scale}/{run.arm}.yaml"] = yaml.safe_dump(plain, sort_keys=False).encode()
    return found


def refuse_paths(files: Mapping[str, Content]) -> None:
    """Raise UserError if a text names a path of a machine, with the user's name in it perhaps."""
    for name, content in files.items():
        if not name.endswith(TEXTS) or not isinstance(content, bytes):
            continue
        if found := OF_A_MACHINE.search(content.decode("utf-8", "replace")):
            raise UserError(
                f"{name}: names a path of this machine, {found[1]}, which no archive may hold; write it "
                "below a folder that is named, as in data.root=${paths.data}/scans"
            )


def _json(content: Any) -> bytes:
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()
