"""Perceptual loss: two images compared in the features of a frozen segmentation network."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from monai.networks.layers import SkipConnection
from torch import Tensor, nn
from torch.nn import functional as F

from ganatomy.errors import UserError
from ganatomy.tasks.translation.base import Method
from ganatomy.tasks.translation.losses import outside_replaced, region_mean


class Perceptual:
    """Mean |φ(output) - φ(target)| over the layers φ of a network that segments images of the target.

    Longuefosse et al. (anatomical feature-prioritized loss), arXiv 2410.10328. With a mask the output is
    replaced by the target outside of it, and each feature counts by the share of its cell in the mask.

    The network is no module of the task's: it is in no checkpoint and in no optimiser.

    Args:
        network: Network from [B, K, *spatial] to anything; frozen here, and set to evaluation mode.
        weight: Weight of the loss.
        layers: Names of its modules to take features from; none: the parts that it is made of
            (`parts_of`), except the one that gives the answer.

    Raises:
        UserError: The network has no module of a name.
    """

    def __init__(self, network: nn.Module, weight: float = 1.0, layers: Sequence[str] = ()) -> None:
        self.network, self.weight = network.eval().requires_grad_(False), weight
        known = dict(network.named_modules())
        self.named = bool(layers)
        self.layers = {name: known.get(name) for name in (layers or parts_of(network))}
        if unknown := [name for name, module in self.layers.items() if module is None]:
            kind = type(network).__name__
            raise UserError(
                f"task.perceptual_layers: {unknown[0]}: {kind} has no such layer; its parts are "
                f"{', '.join(parts_of(network))}"
            )

    def layers_of(self, image_channels: int, sides: Sequence[int]) -> list[str]:
        """Return the names of the layers that give features of images of these sides.

        Args:
            image_channels: Channels of the images.
            sides: Sides of the training images.

        Raises:
            UserError: The network refuses such images, or a layer gives no features.
        """
        kind = type(self.network).__name__
        try:
            with torch.no_grad(), torch.random.fork_rng(devices=[]):
                found = self._found(torch.zeros(1, image_channels, *sides))
        except (RuntimeError, ValueError, AssertionError) as error:
            size, line = "x".join(map(str, sides)), " ".join(str(error).split())[:120]
            raise UserError(
                f"task.perceptual: {kind} cannot take images of {size} ({line}); set another data.size or "
                "data.patch, or give another run"
            ) from error
        empty = [name for name in self.layers if name not in found]
        if (self.named and empty) or not found:
            raise UserError(
                f"task.perceptual_layers: {', '.join(empty) or 'no part'} of {kind} gives features "
                "[B, C, *spatial]; name others of its modules, or give a run with another network"
            )
        return list(found)

    def __call__(self, output: Tensor, target: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the weighted loss, 0-dim.

        Args:
            output: [B, K, *spatial].
            target: [B, K, *spatial].
            mask: [B, 1, *spatial], bool; None for the whole image.
        """
        if next(self.network.parameters()).device != output.device:
            self.network.to(output.device)
        with torch.no_grad():
            theirs = self._found(target)
        ours = self._found(outside_replaced(output.to(target.dtype), target, mask))
        losses = []
        for name, features in ours.items():
            for mine, true in zip(features, theirs[name], strict=True):
                cells = (
                    None if mask is None else F.interpolate(mask.float(), size=mine.shape[2:], mode="area")
                )
                losses.append(region_mean((mine.float() - true.float()).abs(), cells))
        return self.weight * torch.stack(losses).mean()

    def _found(self, image: Tensor) -> dict[str, list[Tensor]]:
        """Return the features of each layer that has some, in the order of its calls."""
        found: dict[str, list[Tensor]] = {}
        with _listening(self.layers, found, image.dim()):
            answer = self.network(image)
        if self.named:
            return found
        kept = {name: [each for each in some if each is not answer] for name, some in found.items()}
        return {name: some for name, some in kept.items() if some}


def check_perceptual(method: Method, run: str | None, weight: float) -> None:
    """Raise UserError for settings of the perceptual loss that cannot be followed.

    Args:
        method: Method that learns the translation.
        run: Run whose features are compared; None for no such loss.
        weight: Weight of the loss.
    """
    if run is None:
        return
    if method.unpaired:
        raise UserError(
            f"task.perceptual: compares a translation with its own target, which {type(method).__name__} has "
            "not; set it to null, or choose a model that learns from pairs, e.g. model=pix2pix"
        )
    if not 0 < weight < math.inf:
        raise UserError(f"task.perceptual_weight: {weight}; give a number above 0, or task.perceptual=null")


def parts_of(network: nn.Module) -> list[str]:
    """Return the names of the parts of a network: its children, with those of lists and nested levels.

    Example:
        >>> parts_of(nn.ModuleDict({"body": nn.Sequential(nn.Identity(), nn.ReLU())}))
        ['body.0', 'body.1']
    """
    prefix, inner = "", network
    while len(children := dict(inner.named_children())) == 1:
        (name,) = children
        prefix, inner = f"{prefix}{name}.", children[name]
    return list(_parts(inner, prefix))


def _parts(module: nn.Module, prefix: str) -> Iterator[str]:
    for name, child in module.named_children():
        if isinstance(child, nn.ModuleList) or any(isinstance(m, SkipConnection) for m in child.modules()):
            yield from _parts(child, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


@contextmanager
def _listening(
    layers: dict[str, nn.Module | None], found: dict[str, list[Tensor]], dims: int
) -> Iterator[None]:
    """Collect what the layers return, where it has as many axes as the image."""

    def collect(name: str) -> Any:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            if isinstance(output, Tensor) and output.dim() == dims:
                found.setdefault(name, []).append(output)

        return hook

    handles = [layer.register_forward_hook(collect(name)) for name, layer in layers.items() if layer]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
