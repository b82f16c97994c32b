"""Plans in a run: made in its directory, checked against its data, and compared with what it took."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig

from ganatomy.config.compose import composed, searched
from ganatomy.config.plans.reading import AUTO, key_of
from ganatomy.config.resolve import validate
from ganatomy.errors import UserError
from ganatomy.files import write_whole
from ganatomy.invocation import typed
from ganatomy.planning.planner import make_plan
from ganatomy.planning.survey import content_hash
from ganatomy.planning.trials.usage import GB, peak_memory
from ganatomy.planning.writing import table, text_of_plan
from ganatomy.runs.console import print_status
from ganatomy.runs.multirun import given_words
from ganatomy.runs.process_place import from_rank_zero
from ganatomy.runs.terminal import Terminal

if TYPE_CHECKING:
    from ganatomy.config.schema import Config
    from ganatomy.data.datamodule import DataModule
    from ganatomy.runs.directory import Run

FILE = "plan.yaml"
OWN = ("plan", "plan_minutes", "plan_memory", "plan_for", "plan_estimate", "run_dir", "resume")
WORDS = {
    "dims": "dimensions",
    "channels": "channels",
    "classes": "classes",
    "box_classes": "classes of boxes",
}

_spent: list[float] = []
"""Seconds that this process has planned."""


def planned(cfg: Config, run: Run) -> Config:
    """Return the configuration to train with: for plan=auto that of a plan, which is written into the run.

    With several processes the first one plans for all.

    Args:
        cfg: Checked configuration.
        run: The run, whose directory is new.
    """
    if cfg.plan != AUTO or cfg.resume:
        return cfg
    begun = time.monotonic()
    plain = from_rank_zero(lambda: _plan(cfg, run))
    run.begun = time.monotonic()
    _spent.append(run.begun - begun)
    return type(cfg).from_plain(plain)


def _plan(cfg: Config, run: Run) -> dict[str, Any]:
    words = [word for word in given_words(HydraConfig.get()) if not word.startswith(("hydra.", "+hydra."))]
    folders = searched()
    asked = [word for word in words if key_of(word) not in OWN]
    plan = make_plan(asked, cfg.plan_minutes, cfg.plan_memory, folders, notify=print_status)
    write_whole(run.path / FILE, text_of_plan(plan).encode())
    plain = composed(plan.words(asked), folders)
    kept = ("plan", "plan_minutes", "plan_memory", "run_dir", "name")
    before = cfg.to_plain()
    plain |= {key: before[key] for key in kept}
    plain["trainer"] |= {key: before["trainer"][key] for key in ("devices", "num_nodes")}
    validate(plain)
    about = plan.estimate
    expected = f"{about['minutes']:.3g} minutes and {about['memory_gb']:.2g} GB are expected"
    print_status(f"plan: {FILE} of the run; {expected}")
    Terminal(stderr=True).print(table(plan))
    return plain


def check_plan(cfg: Config, data: DataModule) -> list[str]:
    """Return a note where a plan was made for other files of the same kind.

    Args:
        cfg: Configuration of the run.
        data: Its data, which are read.

    Raises:
        UserError: The plan was made for data of another kind.
    """
    made: Mapping[str, Any] | None = cfg.plan_for
    if not made or cfg.resume:
        return []
    here = {
        "dims": data.spatial_dims,
        "channels": data.channels,
        "classes": list(data.mask_classes),
        "box_classes": list(data.box_classes),
    }
    for key, value in here.items():
        if key in made and made[key] != value:
            raise UserError(
                f"plan: it was made for {WORDS[key]} {_said(made[key])} and the data have {_said(value)}; "
                f"make one for these: plan=auto, or {typed('check')} data=... plan=true"
            )
    if made.get("content") in (None, content_hash(data.source, data.dealt)):
        return []
    return [
        f"note: the plan was made for other files ({made.get('cases')} cases, here {len(data.dealt)}): "
        "sizes, steps and its estimate may not suit them"
    ]


def closing_lines(cfg: Config, seconds: float) -> list[str]:
    """Return what a planned run took beside what was expected; nothing for a run without a plan.

    Args:
        cfg: Configuration of the run.
        seconds: What the process took; planning is subtracted, as it is not part of what was expected.
    """
    expected = cfg.plan_estimate
    if not expected or cfg.resume:
        return []
    took = (
        f"{(seconds - sum(_spent)) / 60:.3g} minutes",
        f"{cfg.trainer.devices * peak_memory() / GB:.2g} GB",
    )
    said = (f"{expected.get('minutes', '?')}", f"{expected.get('memory_gb', '?')}")
    return [f"plan: took {took[0]} (expected {said[0]}) and {took[1]} (expected {said[1]})"]


def _said(value: Any) -> str:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(str, value)) if value else "none"
    return str(value)
