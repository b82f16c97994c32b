"""Make a plan: read the data, choose by rules, try the game, and fill the time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from ganatomy.config.compose import composed, is_group, parsed
from ganatomy.config.plans.reading import SECTIONS, key_of, words_of
from ganatomy.config.resolve import validate
from ganatomy.errors import UserError
from ganatomy.machine import processor
from ganatomy.planning import budget, rules
from ganatomy.planning.draft import Draft, Row
from ganatomy.planning.survey import surveyed
from ganatomy.planning.trials.measuring import measured
from ganatomy.training.build import open_data

if TYPE_CHECKING:
    from ganatomy.config.section import Plain
    from ganatomy.data.datamodule import DataModule

TRIES = 4
"""Trials at most, each smaller or sooner evaluated than the last."""


@dataclass(frozen=True)
class Plan:
    """Chosen keys, and what the run is expected to take.

    Attributes:
        task: Name of the task.
        given: Words of the user that the plan holds too.
        rows: Chosen keys in order, with reasons.
        made_for: `plan_for`, see `Fingerprint.kind`.
        estimate: `plan_estimate`: minutes, memory in GB, and the machine.
    """

    task: str
    given: tuple[str, ...]
    rows: tuple[Row, ...]
    made_for: dict[str, Any]
    estimate: dict[str, Any]

    def words(self, given: Sequence[str]) -> list[str]:
        """Return the words of the plan before those that were given, which win."""
        own = [word for row in self.rows for word in words_of(row.key, row.value)]
        about = words_of("plan_for", self.made_for) + words_of("plan_estimate", self.estimate)
        return [*own, *given, *about]


def make_plan(
    words: Sequence[str],
    minutes: float,
    memory: float,
    folders: Sequence[str] = (),
    notify: Callable[[str], None] = lambda line: None,
) -> Plan:
    """Make a plan for `train <words>`.

    Args:
        words: Words of the command line, without `plan`.
        minutes: Time of the run on this machine.
        memory: GB that it may take.
        folders: Folders that Hydra searches beside conf/.
        notify: Called with a line on what takes seconds.

    Raises:
        UserError: The words are refused, the data cannot be used, or time or memory are too small.
    """
    plain = composed(words, folders, check=True)
    cfg = validate(plain)
    data = surveyed(open_data(cfg.data, cfg.paths, seed=cfg.seed))
    task = task_of(plain)
    _check_answers(task, data.has, plain)
    keys = [override.key_or_group for override in parsed(_plain_words(words))]
    given = {key.replace("/", ".") for key in keys if "/" in key or not is_group(key)}
    draft = Draft(
        data, plain, given, task, 60 * minutes, memory, own_model=bool({"model", "experiment"} & {*keys})
    )
    rules.apply(draft)
    for number in range(TRIES):
        notify(f"plan: a trial of a few steps, validation and test{', again' if number else ''} ...")
        found = measured(_settled(draft, words, folders), data, task)
        if budget.is_evaluated_too_long(draft, found):
            budget.evaluate_sooner(draft)
        elif budget.too_much(draft, found):
            budget.shrink(draft, found)
        else:
            break
    else:
        raise UserError(f"plan_memory: no batch and image were found that train in {memory:g} GB; give more")
    budget.choose_steps(draft, found)
    time, size = budget.estimate(draft, found)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    estimate = {
        "minutes": round(time, 2),
        "memory_gb": round(size, 2),
        "step_seconds": float(f"{found.step:.3g}"),
        "machine": f"{processor.name(device)}, threads: {torch.get_num_threads()}",
    }
    own = tuple(word for word in _plain_words(words) if _is_kept(word))
    return Plan(task, own, tuple(draft.rows.values()), data.kind(), estimate)


def task_of(plain: Plain) -> str:
    """Return the name of the task of a configuration: the package of its class."""
    parts = str(plain["task"]["_target_"]).split(".")
    return parts[2] if parts[:2] == ["ganatomy", "tasks"] and len(parts) > 3 else parts[-1]


def suited_task(data: DataModule) -> str:
    """Return the task that a data set has answers for: its boxes, labels or targets.

    Raises:
        UserError: It has none of these, labels that mark nothing to learn, or labels and targets.
    """
    facts = surveyed(data)
    has, wanted = facts.has, facts.classes[1:]
    if not {"boxes", "target"} & {*has} and "label" in has and not any(map(facts.voxels.get, wanted)):
        raise UserError(
            f"task: no training image shows any {' or '.join(wanted)}; choose task=anomaly, which learns "
            "from healthy images, or another split"
        )
    found = [name for name, need in (("segmentation", "label"), ("enhancement", "target")) if need in has]
    if "boxes" in has and "label" not in has:
        found.insert(0, "detection")
    if len(found) != 1:
        what = "labels and targets; choose task=segmentation, enhancement or translation"
        nothing = "no labels, boxes or targets; choose task=enhancement (adds noise), synthesis or anomaly"
        raise UserError(f"task: the data have {what if found else nothing}")
    return found[0]


def _settled(draft: Draft, words: Sequence[str], folders: Sequence[str]) -> Any:
    """Return the checked configuration that the draft and the user's words compose to."""
    own = [word for row in draft.rows.values() for word in words_of(row.key, row.value)]
    return validate(composed([*own, *words], folders, check=True))


def _check_answers(task: str, has: Sequence[str], plain: Plain) -> None:
    """Refuse a task that the data have no answers for, before anything is tried."""
    needs = {"segmentation": "label", "detection": "boxes", "translation": "target"}
    need = needs.get(task)
    if need and need not in has:
        raise UserError(f"plan: task={task} needs {need} and the data have none; choose another task=")
    if task == "enhancement" and "target" not in has and plain["degradation"] is None:
        raise UserError(
            "plan: the data have no targets; choose a degradation=, which makes images from clean ones"
        )


def _plain_words(words: Sequence[str]) -> list[str]:
    return [word for word in words if "=" in word and not word.startswith(("-", "hydra.", "+hydra."))]


def _is_kept(word: str) -> bool:
    """Return True for words that a plan repeats: sections that it may hold, and nothing private."""
    key = key_of(word)
    private = ("data.secret", "data.download", "data.cache_dir")
    return key.split(".")[0].split("/")[0] in SECTIONS and key not in private
