"""Traits of a network that decide which updates are exact for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd
from torch.nn.utils import parametrize
from torch.nn.utils.spectral_norm import SpectralNorm as HookedSpectralNorm

from ganatomy.adversarial.discriminator import X, augmented, run_discriminator
from ganatomy.adversarial.distributed.collectives import without_collectives
from ganatomy.adversarial.game import Game


@dataclass(frozen=True)
class Traits:
    """How a network behaves in training.

    Attributes:
        couples_samples: What makes a sample's output depend on the others' ("BatchNorm", ...), or "".
        is_stochastic: What makes a second pass differ from the first ("dropout", ...), or "".
        one_logit: True if D gives one logit a sample; None if D was not run.
    """

    couples_samples: str = ""
    is_stochastic: str = ""
    one_logit: bool | None = None


def traits_from_layers(network: nn.Module) -> Traits:
    """Read the traits from the kinds of modules; one of your own may declare `couples_samples = True`."""
    couples_samples, is_stochastic = "", ""
    for module in network.modules():
        if isinstance(module, _BatchNorm):
            couples_samples = "BatchNorm"
        elif getattr(module, "couples_samples", False):
            couples_samples = couples_samples or type(module).__name__
        if isinstance(module, _DropoutNd) and module.p > 0:
            is_stochastic = "dropout"
        elif any(isinstance(hook, HookedSpectralNorm) for hook in module._forward_pre_hooks.values()):
            is_stochastic = is_stochastic or "spectral norm by hooks, a power iteration a pass"
    return Traits(couples_samples, is_stochastic)


def traits_from_trial(game: Game, batch: object) -> Traits:
    """Find D's traits by its layers and by running it on this batch.

    Networks and random numbers stay as they are; a history of fakes gets its form.
    Two passes that differ, or a sample's logits with a gradient at another sample, reveal layers whose kind
    says nothing.
    """
    discriminator = game.discriminator
    assert discriminator is not None
    with restored_afterwards([game.generator, discriminator]):
        with torch.no_grad():
            game.generator.eval()
            inputs = game.discriminator_inputs(batch, game.rules.generate(batch))
        discriminator.train()
        traits = {}
        for adversary, real, fake in inputs:
            adversary.check_reach(fake, real)
            if adversary.history is not None:
                adversary.history.prepare(fake)
            traits[adversary.name] = _traits_of_one(adversary.network, real)
    return _combined(traits)


def _traits_of_one(discriminator: nn.Module, real: X) -> Traits:
    """Find the traits of one discriminator by its layers and by two passes over its real batch."""
    by_layers = traits_from_layers(discriminator)
    with parametrize.cached():
        inputs = [x.detach() for x in augmented(real, None)]
        first, again = (
            run_discriminator(discriminator, inputs, needs_input_gradient=True),
            run_discriminator(discriminator, inputs),
        )
    maps = first.output.logits
    differs = any(not _same(a, b) for a, b in zip(maps, again.output.logits, strict=True))
    (gradient,) = torch.autograd.grad(sum(m[0].sum() for m in maps), first.inputs[0])  # type: ignore[arg-type]
    coupled = bool(gradient[1:].any())
    return Traits(
        couples_samples=by_layers.couples_samples
        or ("a layer that looks across the batch" if coupled else ""),
        is_stochastic=by_layers.is_stochastic
        or ("a layer that changes from pass to pass" if differs else ""),
        one_logit=len(maps) == 1 and maps[0].numel() == len(maps[0]),
    )


def _combined(traits: Mapping[str, Traits]) -> Traits:
    """Combine the traits of several discriminators: what any of them has counts for all."""

    def first(texts: Mapping[str, str]) -> str:
        return next((f"{text} in {name}" if name else text for name, text in texts.items() if text), "")

    return Traits(
        couples_samples=first({name: each.couples_samples for name, each in traits.items()}),
        is_stochastic=first({name: each.is_stochastic for name, each in traits.items()}),
        one_logit=all(each.one_logit for each in traits.values()),
    )


def _same(a: Tensor, b: Tensor) -> bool:
    return torch.allclose(a, b, rtol=1e-5, atol=1e-6 * float(a.detach().abs().max()))


@contextmanager
def restored_afterwards(networks: Sequence[nn.Module]) -> Iterator[None]:
    """Restore modes, buffers and random numbers on exit; collectives are off inside."""
    modes = [(module, module.training) for network in networks for module in network.modules()]
    modules = [module for network in networks for module in network.modules()]
    buffers = [
        (module, name, buffer, buffer.clone())
        for module in modules
        for name, buffer in module.named_buffers(recurse=False)
    ]
    devices = {p.device for network in networks for p in network.parameters() if p.device.type == "cuda"}
    with torch.random.fork_rng(devices=sorted(devices, key=str)), torch.enable_grad(), without_collectives():
        try:
            yield
        finally:
            for module, training in modes:
                module.training = training
            for module, name, buffer, value in buffers:
                buffer.data.copy_(value)
                setattr(module, name, buffer)  # some put a new tensor in its place
