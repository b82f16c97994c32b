"""Page report.html: a run on one page that needs no other file, server or script."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable, Mapping
from html import escape
from pathlib import Path
from string import Template
from typing import Any, TypeVar

import yaml

from ganatomy.pictures import figures, markup
from ganatomy.pictures.embedded import image, sample, width
from ganatomy.pictures.scores import OURS, Table, table
from ganatomy.text.tables import read_csv

T = TypeVar("T")
SECTIONS = ("task", "data", "model", "update", "trainer")


def write_report(run: Path) -> Path:
    """Write `report.html` into a run directory from its files; without a file its part is left out.

    So is that of a damaged file, with one line on stderr.

    The page holds no name of a case or a subject.
    """
    config, status = _read(run, "config.yaml"), _read(run, "status.json")
    environment, metrics = _read(run, "environment.json"), _read(run, "metrics.json")
    data = _read(run, "data.json")
    scores = table(metrics, unit=str(data.get("units", "mm")))
    parts = [
        markup.game(str(status.get("game", "healthy")), status.get("events", [])),
        markup.behind([str(each["line"]) for each in status.get("behind", [])]),
        _cards(scores),
        markup.section("Test scores", markup.scores(scores)),
        _figures(run),
        markup.section("Samples", sample(run)),
        markup.section("Rollbacks", markup.rollbacks(status.get("rollbacks", []))),
        markup.section("Data", _data(data)),
        _configuration(config),
        _environment(environment),
    ]
    page = Template(Path(__file__).with_name("page.html").read_text(encoding="utf-8")).substitute(
        title=escape(_title(config, run)),
        status=escape(str(status.get("status", "unknown"))),
        facts="".join(f"<span>{escape(fact)}</span>" for fact in _facts(run, config, status, environment)),
        body="\n".join(part for part in parts if part),
    )
    path = run / "report.html"
    temporary = path.with_name(".report.html.tmp")
    temporary.write_text(page, encoding="utf-8")
    return temporary.replace(path)


def _read(run: Path, name: str) -> dict[str, Any]:
    path = run / name
    if not path.is_file():
        return {}
    try:
        text = path.read_text(encoding="utf-8")
        return dict((yaml.safe_load(text) if path.suffix == ".yaml" else json.loads(text)) or {})
    except (ValueError, TypeError, yaml.YAMLError) as error:
        return _left_out(path, error, {})


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    try:
        return read_csv(path)
    except ValueError as error:
        return _left_out(path, error, [])


def _drawn(path: Path, draw: Callable[[list[dict[str, str]]], bytes | None]) -> bytes | None:
    try:
        return draw(_rows(path))
    except (KeyError, ValueError) as error:
        return _left_out(path, repr(error), None)


def _left_out(path: Path, why: object, nothing: T) -> T:
    """Say that a damaged file is left out; return what stands for it."""
    sys.stderr.write(f"{path}: is damaged ({' '.join(str(why).split())[:80]}); the report goes without it\n")
    return nothing


def _title(config: Mapping[str, Any], run: Path) -> str:
    target = str(config.get("task", {}).get("_target_", ""))
    task = target.rsplit(".", 1)[-1].removesuffix("Task").lower()
    return " · ".join(part for part in (task, str(config.get("name") or run.name)) if part)


def _facts(
    run: Path, config: Mapping[str, Any], status: Mapping[str, Any], made: Mapping[str, Any]
) -> list[str]:
    git = made.get("git") or {}
    commit = str(git.get("commit") or "")[:9]
    facts = [run.name, str(status.get("why") or "")]
    if "seed" in config:
        facts.append(f"seed {config['seed']}")
    if commit:
        facts.append(f"commit {commit}{' with local changes' if git.get('dirty') else ''}")
    facts += [took(float(status["seconds"]))] if status.get("seconds") else []
    facts.append(str(made.get("device") or ""))
    return [fact for fact in facts if fact]


def took(seconds: float) -> str:
    """Return the duration of a run as text."""
    minutes, hours = seconds / 60, seconds / 3600
    if minutes < 2:
        return f"took {seconds:.0f} s"
    return f"took {minutes:.0f} min" if hours < 2 else f"took {hours:.1f} h"


def _cards(scores: Table) -> str:
    """Return cards of the first four scores, means if there are, each above its baselines."""
    first: dict[str, tuple[str, str]] = {}
    for score, row, heading in scores.lines():
        first.setdefault(score, (row, heading))
    cards = []
    for score, (row, heading) in list(first.items())[:4]:
        baselines = [
            f"{source} {scores.text(score, row, source)}" for source in scores.sources if source != OURS
        ]
        below = "".join(f"<span>{escape(text)}</span>" for text in baselines)
        value = scores.text(score, row, OURS)
        cards.append(f'<div class="card"><span>{escape(heading)}</span><b>{value}</b>{below}</div>')
    return f'<div class="cards">{"".join(cards)}</div>' if cards else ""


def _figures(run: Path) -> str:
    rows = _rows(run / "scores.csv")
    first = next((s for s in table(_read(run, "metrics.json")).scores if any(s in row for row in rows)), "")
    drawn = {"Losses and validation scores": _drawn(run / "metrics.csv", figures.history)}
    drawn["Scores of each test case"] = (
        _drawn(run / "scores.csv", lambda rows: figures.cases(rows, first)) if first else None
    )
    images = [image(png, text, shown=width(png) // 2) for text, png in drawn.items() if png]
    return markup.section("History", f'<div class="figures">{"".join(images)}</div>' if images else "")


def _data(data: Mapping[str, Any]) -> str:
    """Return counts only: names of subjects stay in data.json."""
    if not data:
        return ""
    subjects = data.get("subjects", {})
    rows = [
        [split, str(count), str(len(subjects[split])) if split in subjects else "–"]
        for split, count in data.get("cases", {}).items()
    ]
    facts = [f"{name}: {data[name]}" for name in ("channels", "spatial_dims") if name in data]
    if data.get("classes"):
        facts.append(f"classes: {', '.join(data['classes'])}")
    if data.get("hash"):
        facts.append(f"content hash {str(data['hash'])[:12]}")
    return markup.grid(["split", "cases", "subjects"], rows) + markup.facts(facts)


def _configuration(config: Mapping[str, Any]) -> str:
    blocks = []
    for name in SECTIONS:
        content = config.get(name)
        if isinstance(content, Mapping):
            shown = {key: value for key, value in content.items() if not str(key).endswith("_dir")}
            blocks.append(markup.folded(name, yaml.safe_dump(shown, sort_keys=False)))
    return markup.section("Configuration", "".join(blocks))


def _environment(environment: Mapping[str, Any]) -> str:
    if not environment:
        return ""
    command = [str(word) for word in environment.get("command", [])]
    line = ""
    if command:
        verb = f"src.{Path(command[0]).stem}"
        words = [*(command[0].split() if " " in command[0] else ["python", "-m", verb]), *command[1:]]
        line = f'<pre class="line">{escape(shlex.join(words))}</pre>'
    versions = environment.get("versions", {})
    rows = [[name, str(version)] for name, version in versions.items() if version]
    named = ("python", "platform", "processor", "device", "threads")
    rows = [[name, str(environment[name])] for name in named if environment.get(name)] + rows
    return markup.section("Command and environment", line + markup.grid([], rows))
