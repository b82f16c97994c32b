"""Plans that `check plan=true` writes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hydra.core.hydra_config import HydraConfig

from ganatomy.config.compose import searched
from ganatomy.config.plans.reading import key_of
from ganatomy.config.schema import CheckConfig
from ganatomy.errors import UserError
from ganatomy.invocation import shown, typed
from ganatomy.planning import writing
from ganatomy.planning.planner import make_plan, suited_task
from ganatomy.runs.console import print_status
from ganatomy.runs.integrity.outputs import refuse_no_page
from ganatomy.runs.multirun import given_words
from ganatomy.runs.terminal import Terminal

if TYPE_CHECKING:
    from ganatomy.data.datamodule import DataModule

REPEATED = ("data", "paths", "seed")
"""Keys of the check that `train` is to have as well."""


def files(config: CheckConfig) -> tuple[Path, Path]:
    """Return the files of the page and of the plan.

    Raises:
        UserError: A plan is there already, keys of plans are given without one, or no file can be written.
    """
    if not config.plan and config.plan_task:
        raise UserError("task: check reads the data only; leave task=... out, or plan for it with plan=true")
    for key in () if config.plan else ("overwrite", "minutes", "memory"):
        if getattr(config, key) != CheckConfig.model_fields[key].default:
            raise UserError(f"{key}: counts beside plan=true alone; leave it out")
    plan = Path(config.output or "plan.yaml").expanduser()
    page = plan.with_name("check.html") if config.output is None else plan
    if config.plan:
        page = page.with_suffix(".html")
        if page == plan:
            raise UserError(
                f"output: {plan} is the name of a page; with plan=true it is the plan's: plan.yaml"
            )
        writing.refuse_existing(plan, config.overwrite)
    refuse_no_page(page)
    return page, plan


def write_plan(config: CheckConfig, path: Path, data: DataModule) -> None:
    """Plan a run on the checked data, print what was chosen, and write the plan.

    Args:
        config: Configuration of the check.
        path: File of the plan.
        data: The data set, which may be opened anew.

    Raises:
        UserError: The data suit no task, or time or memory are too small.
    """
    given = [w for w in given_words(HydraConfig.get()) if key_of(w).split(".")[0] in REPEATED]
    words = [f"task={config.plan_task or suited_task(data)}", *given]
    plan = make_plan(words, config.minutes, config.memory, searched(), notify=print_status)
    writing.write_plan(plan, path, config.overwrite)
    console = Terminal()
    console.print(writing.table(plan))
    about, place = plan.estimate, shown(path.absolute())
    console.print(f"expected here: {about['minutes']:.3g} minutes, {about['memory_gb']:.2g} GB")
    console.print(f"plan: {place} (edit it; then {typed('train')} plan={place})", soft_wrap=True)
