"""Players of a configuration: one network, or several by name (`{a: {_target_: ...}, b: ...}`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from ganatomy.config.targets import build, fill, resolve
from ganatomy.errors import UserError

Node = dict[str, Any]


def networks(node: Node, path: str) -> dict[str, tuple[Node, str]]:
    """Return (section, key) of each network of a player by name; "" is the name of a single one."""
    named = {name for name, part in node.items() if isinstance(part, Mapping) and "_target_" in part}
    if "_target_" in node or not named:
        return {"": (node, path)}
    for name in node:
        if name not in named:
            raise UserError(
                f"{path}.{name}: is no network; give it a _target_, as {min(named)} has, or take it out"
            )
        if not name.isidentifier() or name.startswith("_") or hasattr(nn.ModuleDict, name):
            raise UserError(f"{path}.{name}: this cannot be the name of a network; use another word")
    return {name: (part, f"{path}.{name}") for name, part in node.items()}


def filled(node: Node, player: str, spatial_dims: int, channels: Mapping[str, Any]) -> Node:
    """Fill in what the data decide about a player.

    Args:
        node: Section of the player in the configuration.
        player: "generator" or "discriminator".
        spatial_dims: 2 or 3.
        channels: Arguments by player; those of one network of several by "<player>.<name>", if they differ.

    Returns:
        The section, complete.
    """
    path = f"model.{player}"
    found = networks(node, path)
    done = {
        name: fill(part, key, {"spatial_dims": spatial_dims, **arguments(channels, player, name)})
        for name, (part, key) in found.items()
    }
    if "" in done:
        return done[""]
    first = {name: part for name, part in done.items() if not _follows(part, found[name][1])}
    return {n: part if n in first else _beside(part, found[n][1], first) for n, part in done.items()}


def _follows(node: Node, path: str) -> bool:
    """Return True for a network whose arguments the other networks of its player decide."""
    return callable(getattr(resolve(node, path), "arguments_beside", None))


def _beside(node: Node, path: str, others: dict[str, Node]) -> Node:
    """Fill in what the other networks of its player decide about a network; its own keys win."""
    kind: Any = resolve(node, path)
    player = path.rpartition(".")[0]
    with torch.random.fork_rng(devices=[]):
        beside = {name: build(part, f"{player}.{name}") for name, part in others.items()}
    return {**kind.arguments_beside(node, beside), **node}


def arguments(channels: Mapping[str, Any], player: str, name: str) -> dict[str, Any]:
    """Return what the data decide about one network of a player.

    Args:
        channels: Arguments by player, or by "<player>.<name>".
        player: "generator" or "discriminator".
        name: Name of the network; "" for a single one.
    """
    found: dict[str, Any] = channels.get(f"{player}.{name}", channels.get(player, {}))
    return found


def built(node: Node, path: str, each: Callable[[nn.Module], nn.Module]) -> nn.Module:
    """Build a player: a network, or an `nn.ModuleDict` of several.

    Args:
        node: Section of the player.
        path: Key of the section, for messages.
        each: Applied to every network.
    """
    done = {name: each(build(part, key)) for name, (part, key) in networks(node, path).items()}
    return done[""] if "" in done else nn.ModuleDict(done)


def parts(network: nn.Module) -> dict[str, nn.Module]:
    """Return the networks of a player by name; "" is the name of a single one."""
    return dict(network.items()) if isinstance(network, nn.ModuleDict) else {"": network}


def title(network: nn.Module) -> str:
    """Return a player's name in messages: its class, or the names and classes of its networks."""
    named = [(name, type(part).__name__) for name, part in parts(network).items()]
    return ", ".join(f"{name}: {kind}" if name else kind for name, kind in named)


def wrong_answer(network: nn.Module, output: Any, answers: int | None, size: tuple[int, ...]) -> str:
    """Return what is wrong with a generator's output for images, or "".

    Args:
        network: The generator.
        output: Its output.
        answers: Channels of the one tensor that it must be; None for any output.
        size: Sides of the images.
    """
    if not isinstance(output, torch.Tensor):
        kinds = ((list, "a list"), (tuple, "a tuple"), (dict, "a dictionary"))
        made = next((word for kind, word in kinds if isinstance(output, kind)), "no tensor")
        return f"returns {made} where one tensor is needed; {_one_tensor(network)}" if answers else ""
    if answers and output.dim() != 2 + len(size):
        sides = " x ".join(map(str, output.shape[1:]))
        return f"returns arrays of {sides}, where channels and image sides are needed; {_one_tensor(network)}"
    if output.shape[2:] != size:
        return f"it gives {tuple(output.shape[2:])} for {size}"
    if answers and output.shape[1] != answers:
        return f"returns {output.shape[1]} channels where {answers} are needed; correct its argument for them"
    return ""


def _one_tensor(network: nn.Module) -> str:
    """Return how to make a network return one tensor."""
    for key, off in (("deep_supervision", "false"), ("dsdepth", "1")):
        value = getattr(network, key, None)
        if value is True or (isinstance(value, int) and value > 1):
            return f"set model.generator.{key}={off}, or wrap it in a class of your own that returns one"
    return "wrap it in a class of your own whose forward returns one"
