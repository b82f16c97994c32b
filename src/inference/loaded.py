"""A finished run, loaded from its directory alone."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ganatomy.config.resolve import load, validate
from ganatomy.errors import UserError
from ganatomy.runs.integrity.checked import read_bytes, read_file
from ganatomy.runs.integrity.checksums import Damaged
from ganatomy.training.build import build_task
from ganatomy.training.preprocessing import NAME, Preprocessing

if TYPE_CHECKING:
    from ganatomy.config.schema import Config
    from ganatomy.tasks.base import AdversarialTask

WEIGHTS, STATE = "generator.safetensors", "task.safetensors"
REPAIR = "resume={run} mends its files"


@dataclass(frozen=True)
class LoadedRun:
    """A finished run whose task answers as it did in its own test.

    Attributes:
        path: The run directory.
        cfg: Its configuration, complete.
        task: Its task with the tested weights, in evaluation mode.
        preprocessing: How files reach the network, and come back.
        weights_hash: SHA-256 of generator.safetensors, hex.
        device: Where the networks are.
    """

    path: Path
    cfg: Config
    task: AdversarialTask
    preprocessing: Preprocessing
    weights_hash: str
    device: torch.device

    @property
    def name(self) -> str:
        """Return the name of the run's directory."""
        return self.path.name

    def precision(self) -> AbstractContextManager[Any]:
        """Return a context in which networks compute in the precision of the run, without gradients."""
        return computing(self.cfg.trainer.precision, self.device)


@contextlib.contextmanager
def computing(precision: str, device: torch.device) -> Iterator[None]:
    """Compute without gradients in `32-true`, `bf16-mixed` or `16-mixed` on a device."""
    kinds = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}
    half = kinds.get(precision)
    cast: AbstractContextManager[Any] = (
        contextlib.nullcontext() if half is None else torch.autocast(device.type, half)
    )
    with torch.no_grad(), cast:
        yield


def load_run(run: str | Path, device: str = "auto", key: str = "run") -> LoadedRun:
    """Load a finished run; nothing but its directory is read.

    Args:
        run: The run directory.
        device: `auto`, or a device of torch, such as `cpu` or `cuda:0`.
        key: Key that named the run, for messages.

    Raises:
        UserError: The run is not finished, is damaged, was written by a version that kept too little, or
            needs classes that are not allowed.

    Example:
        >>> load_run("nowhere")
        Traceback (most recent call last):
        ganatomy.errors.UserError: run=nowhere: is no run directory (it has no config.yaml)
    """
    path = Path(run).expanduser()
    place = chosen_device(device)
    try:
        cfg = validate(load(path))
    except UserError as error:
        text = str(error)
        raise UserError(f"{key}={text}" if text.startswith(f"{path}:") else f"{key}={run}: {text}") from error
    kept, content = _kept(path, key)
    with torch.random.fork_rng(devices=[]):
        task = build_task(cfg, kept.label_classes)
    _load_weights(task, path, content, key)
    task.to(place).eval()
    return LoadedRun(path, cfg, task, kept, hashlib.sha256(content).hexdigest(), place)


def chosen_device(device: str) -> torch.device:
    """Return the device of a name; `auto` is a GPU if there is one.

    Raises:
        UserError: There is no such device.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        found = torch.device(device)
        torch.empty(0, device=found)
    except (RuntimeError, AssertionError) as error:
        raise UserError(f"device={device}: there is no such device here; use auto or cpu") from error
    return found


def _kept(path: Path, key: str) -> tuple[Preprocessing, bytes]:
    """Return preprocessing and weights of a run; UserError if it has none."""
    try:
        status: dict[str, Any] = read_file(path, "status.json") or {}
        plain, weights = read_file(path, NAME), read_bytes(path, WEIGHTS)
    except Damaged as error:
        raise UserError(f"{key}={error}; {REPAIR.format(run=path)}") from error
    state = status.get("status", "unknown")
    if weights is None or (plain is None and state != "done"):
        raise UserError(f"{key}={path}: has not finished (status: {state}); finish it with resume={path}")
    if plain is None:
        raise UserError(
            f"{key}={path}: has no {NAME}: an earlier version trained it; resume={path} tests it again and "
            "writes the file"
        )
    try:
        return Preprocessing.from_plain(plain), weights
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{key}={path / NAME}: cannot be read ({error}); {REPAIR.format(run=path)}"
        ) from error


def _load_weights(task: AdversarialTask, path: Path, content: bytes, key: str) -> None:
    """Load generator.safetensors, and task.safetensors if the task kept more."""
    state = _tensors(content, path / WEIGHTS, key)
    own = task.state_to_keep()
    try:
        task.generator.load_state_dict(state)
        task.evaluator.load_state_dict(state)
        if own:
            more = read_bytes(path, STATE)
            if more is None:
                raise Damaged(f"{path / STATE}: is missing")
            task.load_kept_state(_tensors(more, path / STATE, key))
    except Damaged as error:
        raise UserError(f"{key}={error}; {REPAIR.format(run=path)}") from error
    except (RuntimeError, KeyError) as error:
        words = " ".join(str(error).split())[:160]
        raise UserError(
            f"{key}={path}: its weights are of another network than its config.yaml names ({words})"
        ) from error


def _tensors(content: bytes, path: Path, key: str) -> dict[str, Tensor]:
    import safetensors.torch

    try:
        return dict(safetensors.torch.load(content))
    except (safetensors.SafetensorError, ValueError, KeyError) as error:
        words = " ".join(str(error).split())[:120]
        raise UserError(f"{key}={path}: is damaged ({words}); {REPAIR.format(run=path.parent)}") from error
