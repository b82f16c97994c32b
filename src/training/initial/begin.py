"""Beginning of a run: weights of its source are loaded, and what shall stay is frozen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from ganatomy.errors import UserError
from ganatomy.tasks.recipe import PLAYERS
from ganatomy.training.initial.fitting import Fit, fit, image_channels, joined_channels, load
from ganatomy.training.initial.freezing import freeze
from ganatomy.training.initial.source import Source, open_source
from ganatomy.training.players import title

if TYPE_CHECKING:
    from ganatomy.config.schema import Config
    from ganatomy.data.datamodule import DataModule
    from ganatomy.tasks.base import AdversarialTask

SHOWN = 4
"""New tensors that are named in a line; the others are counted."""
INPUTS = ("in_channels", "image_channels")
"""Arguments of networks that say how many channels the image has that they take."""


@dataclass(frozen=True)
class Beginning:
    """How a run begins.

    Attributes:
        cfg: Its configuration, with the hash of the weights that it starts from.
        record: What environment.json keeps of the source; {} for random weights.
        lines: What is said at the start.
    """

    cfg: Config
    record: dict[str, Any]
    lines: list[str]


def begin(cfg: Config, task: AdversarialTask, data: DataModule, fresh: bool) -> Beginning:
    """Load the weights that `init` names, and freeze what `freeze` and `freeze_discriminator` name.

    Args:
        cfg: Completed configuration.
        task: Task with its players, as they were built.
        data: Data of the run.
        fresh: The run begins at its first step. Otherwise its own checkpoint has the weights, and the source
            is not looked at: it may be gone.

    Returns:
        The configuration to keep, and what to say.

    Raises:
        UserError: The source cannot be used, a player shares nothing with it, or a pattern matches nothing.
    """
    record: dict[str, Any] = {}
    lines: list[str] = []
    if cfg.init and fresh:
        source = open_source(cfg.init, _players(cfg))
        if cfg.init_hash not in (None, source.digest):
            raise UserError(
                f"init_hash: {source.file} of {cfg.init} is not the file that this run shall start from (its "
                f"SHA-256 begins with {source.digest[:12]}); give that one, or init_hash=null for any"
            )
        record, lines = _load(cfg, task, source)
        tested = {case.subject for case in data.records["test"]}
        if shared := len(tested & source.trained_on):
            record["test_subjects"] = shared
            lines.append(
                f"init: {shared} of the {len(tested)} test subjects are named like some that {source.typed} "
                "was trained on; if they are the same, this is no test on unseen ones: give both one split"
            )
        cfg = cfg.with_values(init_hash=source.digest)
    elif cfg.init_hash and not cfg.init:
        raise UserError("init_hash: names weights to start from, and init names none; give init=RUN")
    frozen = freeze(task, cfg.freeze, cfg.freeze_discriminator, lambda: _example(data))
    if frozen and not cfg.init:
        frozen.append("freeze: without init=RUN the frozen weights are random ones")
    return Beginning(cfg, record, [*lines, *frozen])


def _players(cfg: Config) -> tuple[str, ...]:
    wanted = PLAYERS if cfg.init_players == "both" else (cfg.init_players,)
    return tuple(player for player in wanted if getattr(cfg.model, player) is not None)


def _example(data: DataModule) -> Any:
    from ganatomy.data.pipeline import collate

    items = data.train_items()
    return collate([items[0, 0], items[0, len(items) - 1]])


def _load(cfg: Config, task: AdversarialTask, source: Source) -> tuple[dict[str, Any], list[str]]:
    """Load what fits into each player and into the averaged generator; return the record and the lines."""
    record: dict[str, Any] = {"source": source.typed, "file": source.file, "sha256": source.digest}
    if source.discriminator_file not in ("", source.file):
        record["discriminator_file"] = source.discriminator_file
    lines = []
    if not _players(cfg):
        lines.append("init: this run has no discriminator, so nothing is loaded")
    for player in _players(cfg):
        network = getattr(task, player)
        theirs = source.states.get(player)
        if theirs is None:
            if player == "generator" or cfg.init_players == player:
                raise UserError(f"init: {source.typed} holds no {player}; give another run, or init_players")
            lines.append(f"init: discriminator new; {source.typed} holds none that belongs to its generator")
            continue
        _check_finite(theirs, source, player)
        found = fit(network, theirs, _channels(cfg, source, player))
        if not found.shares_weights:
            raise UserError(_stranger(source, player, network))
        load(network, found)
        lines.append(_line(player, _where(source, player), found))
        total = len(found.state) + len(found.new)
        record[player] = {"loaded": len(found.state), "of": total, "new": sorted(found.new)}
    if task.average is not None:
        task.average.module.load_state_dict(task.generator.state_dict())
    return record, lines


def _where(source: Source, player: str) -> str:
    """Return the file that a player's weights come from, as a path that begins as it was typed."""
    file = source.file if player == "generator" else source.discriminator_file
    return source.typed if source.typed.endswith(file) else f"{source.typed}/{file}"


def _check_finite(theirs: dict[str, torch.Tensor], source: Source, player: str) -> None:
    bad = next((name for name, value in theirs.items() if not bool(value.isfinite().all())), "")
    if bad:
        raise UserError(f"init: {source.typed}: {player}.{bad} is not finite; give a run that ended well")


def _channels(cfg: Config, source: Source, player: str) -> Any:
    """Return how a player's input channels are matched where their number differs."""
    here, there = _inputs(cfg.model.generator), _inputs(source.model.get("generator"))
    if here is None or there is None:
        here, there = _inputs(getattr(cfg.model, player)), _first_width(source.states.get(player, {}))
    if here is None or there is None:
        return lambda a, b: None
    return (image_channels if player == "generator" else joined_channels)(there, here)


def _inputs(node: Any) -> int | None:
    """Return how many channels the images have that a network of the configuration takes; None if unknown."""
    found = (node.get(name) for name in INPUTS) if isinstance(node, dict) and "latent" not in node else ()
    return next((value for value in found if isinstance(value, int)), None)


def _first_width(state: dict[str, torch.Tensor]) -> int | None:
    return next((value.shape[1] for value in state.values() if value.dim() > 2), None)


def _stranger(source: Source, player: str, network: nn.Module) -> str:
    """Return the line that refuses a network that has no weight in common with this one."""
    kernels = {value.dim() - 2 for value in source.states[player].values() if value.dim() > 3}
    own = {value.dim() - 2 for value in network.state_dict().values() if value.dim() > 3}
    target = str((source.model.get(player) or {}).get("_target_", "")).rpartition(".")[2]
    ours, more = title(network), ""
    if len(kernels) == len(own) == 1 and kernels != own:
        why = f"they are for {kernels.pop()}D images, its own for {own.pop()}D"
    else:
        why = f"they are of {target}" if target not in ("", ours) else "other names or sizes"
        rest = next((name for name in PLAYERS if name != player and name in source.states), "")
        more = f", or init_players={rest} for the other player alone" if rest else ""
    return (
        f"init: {source.typed}: none of its weights fits into this run's {player}, {ours} ({why}); give a "
        f"run of the same model{more}"
    )


def _line(player: str, where: str, found: Fit) -> str:
    total = len(found.state) + len(found.new)
    part = f" ({found.part})" if found.part else ""
    text = f"init: {player} from {where}{part}: {len(found.state)} of {total} tensors"
    new = [f"{name} ({why})" for name, why in found.new.items()]
    if new:
        more = f", and {len(new) - SHOWN} more" if len(new) > SHOWN else ""
        text += f"; new: {', '.join(new[:SHOWN])}{more}"
    for how in dict.fromkeys(found.converted.values()):
        names = [name for name, one in found.converted.items() if one == how]
        text += f"; {', '.join(names)}: {how}"
    if found.unused:
        text += f"; unused: {len(found.unused)} ({found.unused[0]})"
    return text
