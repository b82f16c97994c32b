"""Model card of a run, by the headings of Mitchell et al. 2019 (arXiv 1810.03993), from its files alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ganatomy.export.card import scores
from ganatomy.export.card.words import GENERAL_LIMITS, INTENDED, MEASURES, NEVER_TESTED, TASKS
from ganatomy.guard.events import HEALTHY, standing
from ganatomy.runs.directory import Run
from ganatomy.text.sizes import counted
from ganatomy.text.tables import csv_rows
from ganatomy.version import __version__

Plain = Mapping[str, Any]
SPLITS = {"train": "training", "val": "validation", "test": "test"}


def model_card(run: Run, cfg: Plain, facts: Plain, licence: str | None, weights: int | None) -> str:
    """Return the card as Markdown; it names no case, no subject, no folder.

    Args:
        run: Run directory.
        cfg: Its configuration, plain.
        facts: Facts about the exported networks, of `facts_of`.
        licence: Licence of the weights; None if the user stated none.
        weights: Number of weights of the exported networks; None if that is unknown.

    Returns:
        The same text for the same run, version and licence.
    """
    files = {name: run.read(name) or {} for name in ("status.json", "metrics.json", "data.json")}
    status, metrics, data = files.values()
    cases = (
        csv_rows((run.path / "scores.csv").read_text("utf-8")) if (run.path / "scores.csv").is_file() else []
    )
    task = str(facts["task"])
    parts = [
        f"# Model card: {TASKS.get(task, task)}",
        *_warning(status),
        "## Model details",
        _list(_details(cfg, facts, licence, weights)),
        "## Intended use",
        INTENDED.get(task, INTENDED[""]),
        "## Factors",
        _factors(data, facts),
        "## Metrics",
        MEASURES.get(task, MEASURES[""]),
        "## Evaluation data",
        _set(data, "test"),
        "## Training data",
        _training(data, cfg),
        "## Quantitative analyses",
        scores.analyses(metrics, cases, data, cfg, task, str(status.get("game", HEALTHY))),
        "## Ethical considerations",
        _ethics(task, metrics, status, facts),
        "## Caveats and recommendations",
        "Never tested, as far as the run knows:\n\n" + _list(_never_tested(data, task)),
        "Limits:\n\n" + _list(GENERAL_LIMITS),
        f"*Written by GANatomy {__version__} from the files of the run. Headings: Mitchell et al. 2019, "
        "[arXiv 1810.03993](https://arxiv.org/abs/1810.03993).*",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _warning(status: Plain) -> list[str]:
    """Return what a reader has to know before all else: a failed game, or a run that did not end."""
    lines = []
    if status.get("status") != "done":
        lines.append(
            f"> **This run did not finish** (status: {status.get('status', 'unknown')}). Its weights were "
            "never tested."
        )
    game = status.get("game", HEALTHY)
    if game != HEALTHY:
        events = standing(status.get("events", []))
        told = "".join(f"\n> - {event.name}, step {event.step}: {event.cause}" for event in events)
        lines.append(f"> **The game of this run failed ({game}). Do not use these weights.**\n>{told}")
    return lines


def _details(cfg: Plain, facts: Plain, licence: str | None, weights: int | None) -> list[str]:
    opponent = cfg["model"]["discriminator"]
    against = "without a discriminator" if opponent is None else f"against {_classes(opponent)}"
    count = "" if weights is None else f", {weights:,} weights"
    objective = (cfg["model"].get("adversarial") or {}).get("loss")
    name = objective.get("name", "an own loss") if isinstance(objective, dict) else objective
    return [
        f"Task: {facts['task']}, {facts['spatial_dims']}D",
        f"Generator: {_classes(cfg['model']['generator'])}{count}",
        f"Trained {against}" + ("" if opponent is None else f", adversarial loss {name}"),
        f"Training: {cfg['trainer']['max_steps']} steps of {cfg['data']['batch_size']} images, "
        f"seed {cfg['seed']}",
        f"Version: GANatomy {__version__}; SHA-256 of the weights {facts['weights_sha256']}",
        f"Licence: {licence or 'not stated'}",
        "Contact: not stated",
    ]


def _classes(node: Plain) -> str:
    """Return the class of a network, or of each of several, without its module."""
    parts = [node] if "_target_" in node else list(node.values())
    return ", ".join(str(part["_target_"]).rpartition(".")[2] for part in parts)


def _factors(data: Plain, facts: Plain) -> str:
    classes = {
        "Classes of label maps": data.get("classes"),
        "Classes of boxes": data.get("box_classes"),
        "Classes of images": data.get("kinds"),
    }
    lines = [f"{title}: {', '.join(map(escaped, names))}" for title, names in classes.items() if names]
    lines.append(f"Channels of an image: {data.get('channels', 'unknown')}")
    lines += [f"{title}: {text}" for title, text in facts["preparation"].items()]
    lines.append("Age, sex, ethnicity, scanner, site, protocol: not recorded in the run")
    return _list(lines)


def _training(data: Plain, cfg: Plain) -> str:
    source = str(cfg["data"]["_target_"]).rpartition(".")[2]
    lines = [f"Read as: {source}" + (", virtual images, no patients" if _virtual(cfg) else "")]
    lines += [f"{_counts(data, split)} ({SPLITS[split]})" for split in ("train", "val")]
    labelled, cases = data.get("labelled"), (data.get("cases") or {}).get("train")
    if labelled is not None and labelled != cases:
        lines.append(f"Labels used: those of {labelled} of {cases} cases")
    if data.get("left_out"):
        lines.append(f"Left out: {data['left_out']} cases")
    lines.append(f"Changes while training: {len(cfg['data'].get('augment') or [])} random transforms")
    if "hash" in data:
        lines.append(f"Hash of the content: {data['hash']}")
    return _list(lines)


def _virtual(cfg: Plain) -> bool:
    made_up = ("Brain", "BrainContrasts", "BrainLesions", "StackedDigits")
    return str(cfg["data"]["_target_"]).rpartition(".")[2] in made_up


def _set(data: Plain, split: str) -> str:
    return f"{_counts(data, split)}. No subject of this set was trained on or chose the weights."


def _counts(data: Plain, split: str) -> str:
    cases = (data.get("cases") or {}).get(split)
    subjects = len(set((data.get("subjects") or {}).get(split) or []))
    return "unknown" if cases is None else f"{counted(cases, 'case')} of {counted(subjects, 'subject')}"


def _ethics(task: str, metrics: Plain, status: Plain, facts: Plain) -> str:
    text = (
        "Medical images are personal data. This card and the exported files name no case and no subject; "
        "weights may still hold traces of training images."
    )
    if task == "synthesis":
        kept = facts.get("preprocessing", {}).get("synthesis") or {}
        text += "\n\n" + scores.memorisation(
            metrics, str(status.get("game", HEALTHY)), kept.get("memorisation")
        )
    return text


def _never_tested(data: Plain, task: str) -> list[str]:
    subjects = len(set((data.get("subjects") or {}).get("test") or []))
    lines = list(NEVER_TESTED)
    if subjects < scores.FEW:
        lines.append(f"enough subjects: {subjects} in the test set say little about others")
    if task == "anomaly":
        lines.append("anomalies of other kinds than those in the test set")
    return lines


def _list(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def escaped(text: Any) -> str:
    """Return a name as plain text of Markdown, on one line."""
    return "".join(f"\\{c}" if c in r"\`*_{}[]<>#|!" else c for c in " ".join(str(text).split()))
