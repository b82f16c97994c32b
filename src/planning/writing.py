"""A plan as a file that one reads and edits: YAML of keys, each under its reason."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from rich.table import Table

from ganatomy.config.compose import is_group
from ganatomy.config.plans.reading import key_of
from ganatomy.errors import UserError
from ganatomy.files import write_whole
from ganatomy.invocation import shown, typed
from ganatomy.planning.planner import Plan
from ganatomy.runs.integrity.outputs import refuse_no_file

WIDTH = 118
TYPED = "as it was typed"


def text_of_plan(plan: Plan) -> str:
    """Return the text of a plan's file."""
    about = plan.estimate
    lines = [
        "# @package _global_",
        f"# A plan for task={plan.task}: keys of `train` chosen from the data, each under its reason.",
        f"# Edit it freely, and train: {typed('train')} plan=FILE (words beside it win over the plan)",
        f"# Expected here ({about['machine']}): {about['minutes']:.3g} minutes, {about['memory_gb']:.2g} GB.",
        "",
    ]
    choices, tree = _content(plan)
    lines.append("defaults:")
    lines += [f"  - override /{group}: {choice}" for group, choice in choices.items()]
    lines += ["  - _self_"]
    for section, node in tree.items():
        lines += ["", f"{section}:", *_section(node, "  ")]
    lines += ["", "# What it was made for, and what a run is expected to take."]
    lines += [f"plan_for: {_flow(plan.made_for)}", f"plan_estimate: {_flow(plan.estimate)}", ""]
    return "\n".join(lines)


def write_plan(plan: Plan, path: Path, overwrite: bool = False) -> None:
    """Write a plan.

    Args:
        plan: The plan.
        path: Its file.
        overwrite: Replace a file of other content.

    Raises:
        UserError: There is another file, or the folder cannot be written.
    """
    content = text_of_plan(plan).encode()
    if path.exists() and not overwrite and (path.is_dir() or path.read_bytes() != content):
        raise UserError(f"output: {shown(path)} exists and differs; give overwrite=true, or another output=")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content)
    except OSError as error:
        raise UserError(
            f"output: {shown(path)} cannot be written ({error.strerror}); give another output="
        ) from error


def refuse_existing(path: Path, overwrite: bool) -> None:
    """Refuse a file that is there before the minutes of planning are spent; a plan's own may be replaced.

    Args:
        path: File of the plan.
        overwrite: It may be replaced.
    """
    refuse_no_file(path)
    if path.exists() and not overwrite:
        raise UserError(f"output: {shown(path)} exists; give overwrite=true, or another output=")


def table(plan: Plan) -> Table:
    """Return what was chosen and why, for a terminal."""
    drawn = Table.grid(padding=(0, 2))
    drawn.add_column(overflow="fold", min_width=24, ratio=2)
    drawn.add_column(overflow="fold", ratio=3)
    for row in plan.rows:
        drawn.add_row(f"  {_pair(row.key, row.value)}", row.why)
    return drawn


def _pair(key: str, value: Any) -> str:
    if key == "data.augment":
        names = [
            str(each["_target_"]).rpartition(".")[2].removeprefix("Rand").removesuffix("d") for each in value
        ]
        return f"{key}=[{', '.join(names)}]"
    return f"{key}={_flow(value)}"


def _content(plan: Plan) -> tuple[dict[str, str], dict[str, Any]]:
    """Return the choices of groups, and the tree of keys with (value, reason) as leaves."""
    choices: dict[str, str] = {}
    tree: dict[str, Any] = {}
    parser = OverridesParser.create()
    rows = []
    for word in plan.given:
        value = parser.parse_override(word).value()
        if is_group(key := key_of(word)):
            choices[key] = str(value)
        else:
            rows.append((key, value, TYPED))
    chosen = {row.key: str(row.value) for row in plan.rows if is_group(row.key)}
    choices = {"task": plan.task, **choices, **chosen}
    rows += [(row.key, row.value, row.why) for row in plan.rows if not is_group(row.key)]
    for key, value, why in sorted(rows, key=lambda row: _order(row[0])):
        *above, leaf = key.split(".")
        node = tree
        for part in above:
            node = node.setdefault(part, {})
        node[leaf] = (value, why)
    return choices, tree


def _order(key: str) -> int:
    section = key.split(".")[0]
    known = ["data", "degradation", "task", "model", "update", "trainer"]
    return known.index(section) if section in known else len(known)


def _section(node: dict[str, Any], indent: str) -> list[str]:
    lines: list[str] = []
    for key, value in node.items():
        if isinstance(value, dict):
            lines += [f"{indent}{key}:", *_section(value, f"{indent}  ")]
            continue
        found, why = value
        lines += [f"{indent}# {line}" for line in textwrap.wrap(why, WIDTH - len(indent) - 2)]
        if isinstance(found, list) and found and isinstance(found[0], dict):
            lines += [f"{indent}{key}:", *(f"{indent}  - {_flow(each)}" for each in found)]
        else:
            lines.append(f"{indent}{key}: {_flow(found)}")
    return lines


def _flow(value: Any) -> str:
    """Return a value as YAML on one line."""
    text = yaml.safe_dump(value, default_flow_style=True, width=10**6, sort_keys=False).strip()
    return text.removesuffix("\n...").strip()
