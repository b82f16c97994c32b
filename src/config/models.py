"""Tasks that each model of conf/ serves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from ganatomy.config.locations import CONF
from ganatomy.errors import UserError

if TYPE_CHECKING:
    from ganatomy.config.schema import Config


def check_model(cfg: Config, name: str) -> None:
    """Raise UserError for a model that names the tasks it serves, but not this one."""
    task = cfg.task.target.rpartition(".")[0].rpartition(".")[2]
    served = cfg.model.tasks
    if served and task not in served:
        raise UserError(refusal(name, task))


def refusal(model: str, task: str) -> str:
    """Return the line for a model that does not serve a task."""
    fitting = [path.stem for path in sorted((CONF / "model").glob("*.yaml")) if task in tasks_of(path)]
    return f"model={model}: does not serve task={task}; choose {', '.join(fitting) or 'another task'}"


def tasks_of(path: Path) -> list[str]:
    """Return the tasks that a file of conf/model names, or the file that it builds on; or its choices."""
    if path.with_suffix("").is_dir():
        return [choice.stem for choice in path.with_suffix("").glob("*.yaml")]
    node = yaml.safe_load(path.read_text(encoding="utf-8"))
    own = node.get("model", node).get("tasks")
    parents = [word for word in node.get("defaults", []) if isinstance(word, str) and word != "_self_"]
    return list(own or (task for parent in parents for task in tasks_of(path.with_name(f"{parent}.yaml"))))
