"""What a run would take, by a short trial in another process; results are remembered."""

from __future__ import annotations

import hashlib
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ganatomy.callbacks.probe import ROWS
from ganatomy.errors import UserError
from ganatomy.files import write_whole
from ganatomy.machine import allocator, processor
from ganatomy.planning.fingerprint import Fingerprint
from ganatomy.planning.trials.usage import GB
from ganatomy.version import __version__

if TYPE_CHECKING:
    from ganatomy.config.schema import Config

LOOKED_AT, FEWEST, BATCHES = 2_000_000, 4, 3
"""Voxels of the validation cases of a trial, the fewest of these, and the most in batches."""
REPORT = 3.0
"""Seconds that the report and the end of a process take."""
COMPOSING = 1.2
"""Time to the first line of a run's work over that of a trial, which composes nothing."""
GROWTH = 1.08
"""Memory of a run over that of its trial: for some forty steps, what is let go fits what comes badly."""
TRIAL = ("-m", "ganatomy.planning.trials.trial")
"""Words after Python's name that start a trial."""
FORM = 3
"""Number of what a remembered trial says; another one is measured anew."""
SETS = ("synthesis", "anomaly")
"""Tasks whose scores are of all cases together: their trial uses all of them."""


@dataclass(frozen=True)
class Measured:
    """Parts of a run's time, in seconds, and its memory in bytes.

    Attributes:
        start: From the start of the process to the first line of its work.
        read: Reading and checking all cases.
        set_up: Networks, planner, results.
        step: One step with its loading.
        checkpoint: Writing one.
        validation: One validation of all cases.
        test: The test of all cases, with the baselines.
        memory: Peak, of all processes of a machine together.
        cached: Part of it that holds prepared cases.
    """

    start: float
    read: float
    set_up: float
    step: float
    checkpoint: float
    validation: float
    test: float
    memory: float
    cached: float = 0.0

    def seconds(self, steps: int, validations: int, every: int) -> float:
        """Return the time of a run from its command to its last line.

        Args:
            steps: Number of steps.
            validations: Number of validations.
            every: Steps between checkpoints.
        """
        whole = self.fixed + validations * self.validation
        return whole + steps * (self.step + self.checkpoint / every)

    @property
    def fixed(self) -> float:
        """Return the seconds that do not depend on the number of steps."""
        return self.start + self.read + self.set_up + self.test + REPORT


def measured(cfg: Config, data: Fingerprint, task: str, seed_words: str = "") -> Measured:
    """Measure a run, or return what was measured before on this machine.

    Args:
        cfg: Configuration of the run.
        data: Fingerprint of its data.
        task: Name of the task.
        seed_words: Further text that decides the time, such as the version of a class of the user's own.

    Raises:
        UserError: The run would be refused, or memory ran out.
    """
    processes = cfg.trainer.devices * cfg.trainer.num_nodes
    share = max(1, cfg.data.batch_size // processes)
    trainer = {**cfg.trainer.to_plain(), "devices": 1, "num_nodes": 1}
    if processes > 1 and trainer["threads"] == "auto":
        trainer["threads"] = max(1, torch.get_num_threads() // processes)
    one = cfg.with_values(
        plan=None, resume=None, trainer=trainer, data={**cfg.data.to_plain(), "batch_size": share}, init=None,
        logger={"name": "none"}, callbacks={**cfg.callbacks.to_plain(), "progress": "none"},
    )  # fmt: skip
    limits = {} if task in SETS else _limits(data, share)
    path = _file(one, data, seed_words)
    found = _read(path)
    if found is None:
        found = _whole(trial(one, limits), data, cfg, task)
        _write(path, found)
    count = cfg.trainer.devices
    return replace(found, memory=found.memory * count, cached=found.cached * count)


def _limits(data: Fingerprint, batch: int) -> dict[str, int]:
    """Return the cases of a trial by split; training has those that a look at the players keeps."""
    few = max(FEWEST, min(BATCHES * batch, round(LOOKED_AT / math.prod(data.shape))))
    return {"train": max(2 * batch, ROWS[data.dims]), "val": few, "test": few}


def trial(cfg: Config, limits: Mapping[str, int]) -> dict[str, Any]:
    """Run the trial; return its result."""
    job = {"config": cfg.to_plain(), "limits": dict(limits), "begun": time.time()}
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.json"
        done = subprocess.run(
            [sys.executable, *TRIAL, str(result)],
            input=json.dumps(job), env=_alone(),
            capture_output=True, text=True, errors="replace", check=False,
        )  # fmt: skip
        if not result.is_file():
            last = (done.stderr.strip().splitlines() or ["no output"])[-1]
            killed = " (often because memory ran out)" if done.returncode == -9 else ""
            raise UserError(
                f"plan: the trial of a few steps ended with {last[:200]}{killed}; plan=null trains without"
            )
        found: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
    if "error" in found:
        raise UserError(str(found["error"]))
    return found


def _alone() -> dict[str, str]:
    """Return the environment without what makes a process one of several, with the allocator of a run."""
    own = {"RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"}
    own |= {"GANATOMY_LAUNCH"}
    kept = {
        k: v for k, v in os.environ.items() if k not in own and not k.startswith(("SLURM_", "TORCHELASTIC_"))
    }
    return {**kept, **allocator.environment(kept)}


def _fitted_on(task: str, dims: int) -> tuple[str, float]:
    """Return the split, and the most of its cases, that the time of fitting baselines follows."""
    from ganatomy.tasks.detection.baselines import MAX_IMAGES
    from ganatomy.tasks.enhancement.baselines import CHOSEN_ON

    known = {"detection": ("val", MAX_IMAGES), "enhancement": ("val", CHOSEN_ON[dims])}
    return known.get(task, ("train", math.inf if task == "segmentation" else 1))


def _whole(found: Mapping[str, float], data: Fingerprint, cfg: Config, task: str) -> Measured:
    """Scale what some cases took to all of them."""
    total = sum(data.cases.values())
    more_of = {
        split: max(0.0, data.cases[split] / max(found[f"{split}_cases"], 1) - 1) for split in ("val", "test")
    }
    split, most = _fitted_on(task, data.dims)
    fitted = min(data.cases[split], most) / max(min(found[f"{split}_cases"], most), 1)
    cached = found["cached"] * (total / max(found["cases"], 1))
    if cfg.data.cache == "memory":
        more = min(cached, float(cfg.data.to_plain().get("cache_gb", 8.0)) * GB) - found["cached"]
    else:
        more = 0.0
    return Measured(
        start=found["start"] * COMPOSING,
        read=found["read"] * total / max(found["cases"], 1),
        set_up=found["set_up"],
        step=found["step"],
        checkpoint=found["checkpoint"],
        validation=found["validation"] + found["validation_further"] * more_of["val"],
        test=found["test"]
        + found["test_further"] * more_of["test"]
        + found["fitting"] * max(0.0, fitted - 1),
        memory=found["memory"] * GROWTH + max(0.0, more),
        cached=found["cached"] + max(0.0, more) if cfg.data.cache == "memory" else 0.0,
    )


def _file(cfg: Config, data: Fingerprint, more: str) -> Path:
    plain = cfg.to_plain()
    trainer = {key: value for key, value in plain["trainer"].items() if key not in ("max_steps", "val_every")}
    decisive = {
        "version": [__version__, FORM],
        "torch": torch.__version__,
        "machine": processor.name(torch.device("cuda" if torch.cuda.is_available() else "cpu")),
        "threads": torch.get_num_threads(),
        "allocator": _alone().get(allocator.NAME, allocator.SYSTEM),
        "data": data.content,
        "cases": data.cases,
        "trainer": trainer,
        "more": more,
        **{key: plain[key] for key in ("task", "model", "update", "degradation")},
        "section": {key: value for key, value in plain["data"].items() if key != "secret"},
    }
    text = json.dumps(_without_steps(decisive), sort_keys=True, default=str)
    return Path(cfg.paths.cache) / "plans" / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}-trial.json"


def _without_steps(node: Any) -> Any:
    """Leave out what the number of steps decides: schedules of the learning rates."""
    if isinstance(node, dict):
        return {k: _without_steps(v) for k, v in node.items() if k not in ("scheduler", "max_steps")}
    return node


def _read(path: Path) -> Measured | None:
    try:
        return Measured(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _write(path: Path, found: Measured) -> None:
    try:
        write_whole(path, json.dumps(asdict(found)).encode())
    except OSError:
        return
