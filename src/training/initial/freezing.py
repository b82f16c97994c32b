"""Parameters that stay as they are: by pattern, and the lowest layers of a discriminator (FreezeD)."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ganatomy.adversarial.updates.network_traits import restored_afterwards
from ganatomy.config.mistakes.suggestions import nearest
from ganatomy.errors import UserError
from ganatomy.tasks.recipe import PLAYERS
from ganatomy.training.initial.fitting import plain_name

if TYPE_CHECKING:
    from ganatomy.tasks.base import AdversarialTask

CONVOLUTION = 3
"""Fewest axes of the weight of a convolution; a linear layer's has two."""


def freeze(
    task: AdversarialTask, patterns: Sequence[str], lowest: int, example: Callable[[], Any]
) -> list[str]:
    """Freeze parameters of both players; their optimisers do not get them.

    Args:
        task: Task with its players.
        patterns: Patterns of names, or names of modules, each after its player: "generator.encoder.*".
        lowest: Freeze so many convolutions of each discriminator, from its input on, and the layers among
            them. Mo et al. (FreezeD), arXiv 2002.10964.
        example: Gives a batch, to see the order in which a discriminator's layers run.

    Returns:
        A line for each player of which something is frozen.

    Raises:
        UserError: A pattern matches nothing, there are fewer layers, or a player has nothing left to learn.
    """
    named = {f"{player}.{plain_name(n)}": p for player, n, p in _parameters(task)}
    frozen: dict[str, nn.Parameter] = {}
    for pattern in patterns:
        found = {n: p for n, p in named.items() if fnmatchcase(n, pattern) or fnmatchcase(n, f"{pattern}.*")}
        if not found and not (task.discriminator is None and pattern.startswith("discriminator")):
            raise UserError(f"freeze: {pattern} is the name of no parameter{_near(pattern, named)}")
        frozen |= found
    if lowest and task.discriminator is not None:
        chosen = set(map(id, _lowest(task, lowest, example)))
        frozen |= {name: p for name, p in named.items() if id(p) in chosen}
    if not frozen:
        return []
    for parameter in frozen.values():
        parameter.requires_grad_(False)
    for player in task.players:
        if not any(p.requires_grad for p in task.trainable(player).parameters()):
            raise UserError(f"freeze: nothing of the {player} is left to learn; take a pattern out")
    for player, make in task.recipe.optimizers.items():
        if make is not None:
            task.recipe.optimizers[player] = functools.partial(of_learning, make)
    return [line for player in PLAYERS if (line := _line(task, player, frozen))]


def of_learning(make: Callable[[Any], Optimizer], parameters: Iterable[nn.Parameter]) -> Optimizer:
    """Make the optimiser of those parameters that are not frozen."""
    return make([parameter for parameter in parameters if parameter.requires_grad])


def _parameters(task: AdversarialTask) -> Iterator[tuple[str, str, nn.Parameter]]:
    """Yield player, name and parameter of both players."""
    for player in PLAYERS:
        network = getattr(task, player)
        for name, parameter in network.named_parameters() if network is not None else ():
            yield player, name, parameter


def _near(pattern: str, named: Iterable[str]) -> str:
    """Return the nearest name of a parameter or of a module, or where names begin."""
    names = set(named)
    parts = [name.split(".") for name in names]
    modules = {".".join(part[:end]) for part in parts for end in range(2, len(part))}
    bare = pattern.removesuffix(".*").removesuffix("*").rstrip(".")
    for candidates, word in ((modules | names, bare), (modules | names, f"generator.{bare}")):
        if "did you mean" in (found := nearest(word, candidates)):
            return found
    first = sorted(".".join(part[:2]) for part in parts)
    return f"; names begin with {', '.join(list(dict.fromkeys(first))[:6])}"


def _lowest(task: AdversarialTask, count: int, example: Callable[[], Any]) -> list[nn.Parameter]:
    """Return the parameters of the lowest convolutions of each discriminator, and of layers among them."""
    frozen: list[nn.Parameter] = []
    batch = example()
    with restored_afterwards([task.generator, *task.game.discriminators.values()]), torch.no_grad():
        task.generator.eval()
        for adversary, real, _ in task.game.discriminator_inputs(batch, task.game.rules.generate(batch)):
            arguments = (real,) if isinstance(real, Tensor) else tuple(real)
            order, widths = _order(adversary.network, arguments)
            for branch in _branches(adversary.network, arguments[0].shape[1], widths):
                frozen += _first_layers(branch, order, count, adversary.name)
    return frozen


def _order(network: nn.Module, arguments: Sequence[Tensor]) -> tuple[list[nn.Module], dict[nn.Module, int]]:
    """Run a network; return its modules in the order in which they began, and their input's channels."""
    order: list[nn.Module] = []
    widths: dict[nn.Module, int] = {}

    def note(module: nn.Module, inputs: Any) -> None:
        first = next((x for x in inputs if isinstance(x, Tensor) and x.dim() > 2), None)
        if module not in widths:
            order.append(module)
            widths[module] = -1 if first is None else first.shape[1]

    with ExitStack() as hooks:
        for module in network.modules():
            hooks.callback(module.register_forward_pre_hook(note).remove)
        network(*arguments)
    return order, widths


def _branches(network: nn.Module, channels: int, widths: dict[nn.Module, int]) -> list[nn.Module]:
    """Return the discriminators that stand side by side in a network, such as scales; else the network.

    They are modules of several layers that all take as many channels as the network itself.
    """
    children = [child for child in network.children() if next(child.parameters(), None) is not None]
    parts = [part for child in children for part in (child if isinstance(child, nn.ModuleList) else [child])]
    beside = all(widths.get(part) == channels and next(part.children(), None) is not None for part in parts)
    return parts if len(parts) > 1 and beside else [network]


def _first_layers(
    network: nn.Module, order: Sequence[nn.Module], count: int, name: str
) -> list[nn.Parameter]:
    """Return the parameters of the modules that run before convolution number `count`, counted from 0."""
    inside = set(network.modules())
    layers = [module for module in order if module in inside and next(_own(module), None) is not None]
    convolutions = [n for n, module in enumerate(layers) if any(p.dim() >= CONVOLUTION for p in _own(module))]
    if count > len(convolutions):
        raise UserError(
            f"freeze_discriminator: {count}, but the discriminator{f' {name}' if name else ''} has "
            f"{len(convolutions)} convolutions; give fewer"
        )
    end = convolutions[count] if count < len(convolutions) else convolutions[-1] + 1
    return [parameter for module in layers[:end] for parameter in _own(module)]


def _own(module: nn.Module) -> Iterator[nn.Parameter]:
    """Yield the parameters of a module itself, spectral norm's included, but not of modules inside."""
    parametrised = module._modules.get("parametrizations")
    inner = parametrised.parameters() if parametrised is not None else ()
    return itertools.chain(module.parameters(recurse=False), inner)


def _line(task: AdversarialTask, player: str, frozen: dict[str, nn.Parameter]) -> str:
    """Return what of a player is frozen; empty for nothing."""
    chosen = {id(p) for name, p in frozen.items() if name.startswith(f"{player}.")}
    network: nn.Module | None = getattr(task, player)
    if network is None or not chosen:
        return ""
    every = list(network.parameters())
    held = sum(p.numel() for p in every if id(p) in chosen)
    share = f"{held} of {sum(p.numel() for p in every)} parameters"
    moving = [
        layer
        for layer in network.modules()
        if getattr(layer, "running_mean", None) is not None
        and all(id(p) in chosen for p in layer.parameters(recurse=False))
    ]
    after = f"; running statistics of {len(moving)} frozen norms go on following the data" if moving else ""
    return f"freeze: {len(chosen)} of {len(every)} tensors of the {player} ({share}) stay as they are{after}"
