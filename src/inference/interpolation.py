"""Between a twin and its GAN: fidelity at 0, texture at 1.

Network interpolation, eq. 4 of Wang et al. (ESRGAN), arXiv 1809.00219. Weights can be mixed only where one
network was trained on from the other: two that started apart have their features in another order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganatomy.config.resolve import load
from ganatomy.errors import UserError
from ganatomy.inference.loaded import WEIGHTS, LoadedRun, load_run
from ganatomy.runs.integrity.checked import read_bytes, read_file
from ganatomy.runs.integrity.checksums import Damaged, sha256
from ganatomy.runs.weights import weights

State = Mapping[str, Tensor]


def interpolate(twin: State, gan: State, alpha: float) -> dict[str, Tensor]:
    """Return the weights (1 - alpha) * twin + alpha * gan, tensor by tensor.

    Counters, which are whole numbers, are those of the GAN.

    Args:
        twin: Weights of the twin's generator.
        gan: Weights of the GAN's generator.
        alpha: From 0, exactly the twin, to 1, exactly the GAN.

    Returns:
        Weights by name.

    Raises:
        UserError: `alpha` is outside [0, 1], or the two are not of one network.

    Example:
        >>> twin, gan = {"weight": torch.tensor([0.0, 2.0])}, {"weight": torch.tensor([1.0, 4.0])}
        >>> interpolate(twin, gan, 0.25)["weight"]
        tensor([0.2500, 2.5000])
        >>> interpolate(twin, gan, 2)
        Traceback (most recent call last):
        ganatomy.errors.UserError: alpha=2: give a number from 0 (the twin) to 1 (the GAN)
    """
    if not 0 <= alpha <= 1:
        raise UserError(f"alpha={alpha}: give a number from 0 (the twin) to 1 (the GAN)")
    unlike = [name for name in {**twin, **gan} if _shape(twin, name) != _shape(gan, name)]
    if unlike:
        raise UserError(
            f"alpha: the twin's generator is another network ({unlike[0]} differs); give the GAN's twin"
        )
    return {
        name: torch.lerp(twin[name].to(value), value, alpha) if value.is_floating_point() else value.clone()
        for name, value in gan.items()
    }


def interpolated(gan: LoadedRun, alpha: float, twin: str | Path | None = None) -> LoadedRun:
    """Set the generator of a loaded GAN between that of its twin and its own.

    Args:
        gan: The GAN's run, which is changed and returned.
        alpha: From 0, exactly the twin, to 1, exactly the GAN.
        twin: The twin's run; None for the one that the GAN was started from, where it was then.

    Returns:
        The run with the mixed weights, and their hash.

    Raises:
        UserError: The run has no twin; see also `twin_of` and `interpolate`.
    """
    if getattr(getattr(gan.task, "method", None), "unpaired", False):
        raise UserError(
            f"alpha: {gan.path} learned without pairs, so there is no twin without a discriminator; omit it"
        )
    own = {name: value.clone() for name, value in gan.task.evaluator.state_dict().items()}
    other = load_run(twin_of(gan.path, twin), str(gan.device), "twin")
    mixed = interpolate(other.task.evaluator.state_dict(), own, alpha)
    for network in (gan.task.generator, gan.task.evaluator):
        network.load_state_dict(mixed)
    return replace(gan, weights_hash=sha256(weights(gan.task.evaluator)))


def twin_of(run: Path, typed: str | Path | None = None) -> Path:
    """Return the twin that a GAN was started from by `init`, known by the recorded SHA-256 of its weights.

    Args:
        run: The GAN's run directory.
        typed: The twin's run; None for the path that the GAN's run recorded.

    Raises:
        UserError: The run is no GAN that was started from a twin with all of its generator's weights, or that
            twin is not there, or not the one that was named.
    """
    origin = _origin(run)
    recorded = Path(str(origin.get("source")))
    twin = Path(typed).expanduser() if typed else (recorded.parent if recorded.is_file() else recorded)
    key = f"twin={twin}"
    try:
        content = read_bytes(twin, WEIGHTS)
    except Damaged as error:
        raise UserError(f"twin={error}; resume={twin} mends its files") from error
    if content is None:
        more = (
            "give the run" if typed else "it was the twin when the GAN was trained; give its place: twin=DIR"
        )
        raise UserError(f"{key}: has no {WEIGHTS}; {more}")
    if sha256(content) != origin["sha256"]:
        raise UserError(f"{key}: is not the run that {run} was started from (other weights); give that one")
    if load(twin)["model"].get("discriminator") is not None:
        raise UserError(
            f"{key}: is no twin: it has a discriminator; alpha is for a GAN that was started from one"
        )
    return twin


def _origin(run: Path) -> Mapping[str, Any]:
    """Return what a GAN's run recorded of the twin that it was started from."""
    mend = "train the GAN with init=TWIN, the finished run of the same words with model.discriminator=null"
    if load(run)["model"].get("discriminator") is None:
        raise UserError(
            f"alpha: {run} is a run without a discriminator, so there is no texture to mix in; {mend}"
        )
    try:
        origin = (read_file(run, "environment.json") or {}).get("init")
    except Damaged as error:
        raise UserError(f"run={error}; resume={run} mends its files") from error
    if not isinstance(origin, dict) or not isinstance(origin.get("generator"), dict):
        raise UserError(f"alpha: {run} was not started from a twin; {mend}")
    generator = origin["generator"]
    if origin.get("file") != WEIGHTS or generator.get("loaded") != generator.get("of"):
        raise UserError(f"alpha: {run} took only a part of its twin's weights; {mend}")
    return origin


def _shape(state: State, name: str) -> torch.Size | None:
    return state[name].shape if name in state else None
