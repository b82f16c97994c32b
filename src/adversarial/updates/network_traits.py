"""What there is in a network that decides which updates are exact for it."""

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

    mixes: what makes a sample's output depend on the others' ("BatchNorm", ...), or "".
    restless: what makes a second pass differ from the first ("dropout", ...), or "".
    one_logit: whether D gives one logit a sample; None while nobody has looked.
    """

    mixes: str = ""
    restless: str = ""
    one_logit: bool | None = None


def traits_from_layers(network: nn.Module) -> Traits:
    """Traits told by the kinds of modules; a module says `mixes_samples = True` of itself if it does."""
    mixes, restless = "", ""
    for module in network.modules():
        if isinstance(module, _BatchNorm):
            mixes = "BatchNorm"
        elif getattr(module, "mixes_samples", False):
            mixes = mixes or type(module).__name__
        if isinstance(module, _DropoutNd) and module.p > 0:
            restless = "dropout"
        elif any(isinstance(hook, HookedSpectralNorm) for hook in module._forward_pre_hooks.values()):
            restless = restless or "spectral norm by hooks, a power iteration a pass"
    return Traits(mixes, restless)


def traits_from_trial(game: Game, batch: object) -> Traits:
    """D's traits by its layers and by showing it this batch; leaves no trace on networks and random numbers.

    Two passes that differ, or a sample's logits with a gradient at another sample, tell of layers whose kind
    does not.
    """
    discriminator = game.discriminator
    assert discriminator is not None
    with no_trace([game.generator, discriminator]):
        with torch.no_grad():
            game.generator.eval()
            shown = game.shown(batch, game.rules.generate(batch))
        discriminator.train()
        found = {}
        for adversary, real, fake in shown:
            adversary.check_reach(fake, real)
            found[adversary.name] = _tried(adversary.network, real)
    return _joined(found)


def _tried(discriminator: nn.Module, real: X) -> Traits:
    """Traits of one discriminator by its layers and by two passes over what it is shown as real."""
    told = traits_from_layers(discriminator)
    with parametrize.cached():
        inputs = [x.detach() for x in augmented(real, None)]
        first, again = (
            run_discriminator(discriminator, inputs, slope=True),
            run_discriminator(discriminator, inputs),
        )
    maps = first.verdict.logits
    moved = any(not _same(a, b) for a, b in zip(maps, again.verdict.logits, strict=True))
    (gradient,) = torch.autograd.grad(sum(m[0].sum() for m in maps), first.inputs[0])  # type: ignore[arg-type]
    apart = not bool(gradient[1:].any())
    return Traits(
        mixes=told.mixes or ("" if apart else "a layer that looks across the batch"),
        restless=told.restless or ("a layer that changes from pass to pass" if moved else ""),
        one_logit=len(maps) == 1 and maps[0].numel() == len(maps[0]),
    )


def _joined(found: Mapping[str, Traits]) -> Traits:
    """Traits of several discriminators as of one: what any of them has counts for all."""

    def first(told: Mapping[str, str]) -> str:
        return next((f"{text} in {name}" if name else text for name, text in told.items() if text), "")

    return Traits(
        mixes=first({name: traits.mixes for name, traits in found.items()}),
        restless=first({name: traits.restless for name, traits in found.items()}),
        one_logit=all(traits.one_logit for traits in found.values()),
    )


def _same(a: Tensor, b: Tensor) -> bool:
    return torch.allclose(a, b, rtol=1e-5, atol=1e-6 * float(a.detach().abs().max()))


@contextmanager
def no_trace(networks: Sequence[nn.Module]) -> Iterator[None]:
    """Restores modes, buffers and random numbers; no process waits for another."""
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
