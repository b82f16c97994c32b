"""The weights of one network that fit into another, by name and shape; input channels are converted."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvTransposeNd
from torch.nn.utils import parametrize

PARAMETRISED = re.compile(r"\.?parametrizations\.(\w+)\.original$")
"""How torch names the weight of a layer with spectral norm."""
SPECTRAL = re.compile(r"\.?parametrizations\.\w+\.0\._[uv]$")
"""Vectors of a spectral norm, which follow from the weight."""
ITERATIONS = 15
"""Power iterations after which they are as good as those of a new layer of torch."""

Blocks = list[tuple[int, int]]
"""Input channels as consecutive groups: (channels there, channels here)."""
Channels = Callable[[int, int], Blocks | None]
"""Groups that turn so many input channels into so many; None if what they hold cannot be matched."""


@dataclass
class Fit:
    """What one network takes from another.

    Attributes:
        state: Values by the name of the tensor here.
        converted: How input channels were converted, by name.
        new: Tensors that keep their first values, and why.
        unused: Names there that nothing here takes.
        part: Which part of one network is the other, in words; empty where names are the same.
    """

    state: dict[str, Tensor] = field(default_factory=dict)
    converted: dict[str, str] = field(default_factory=dict)
    new: dict[str, str] = field(default_factory=dict)
    unused: list[str] = field(default_factory=list)
    part: str = ""

    @property
    def shares_weights(self) -> bool:
        """Return True if at least one tensor of two axes or more was taken: not biases and norms alone."""
        return any(value.dim() > 1 for value in self.state.values())


def fit(network: nn.Module, theirs: Mapping[str, Tensor], channels: Channels) -> Fit:
    """Match the tensors of another network with those of this one.

    Args:
        network: Network that shall start from them; it is not changed.
        theirs: State of the other network.
        channels: Groups of input channels, where their number differs.

    Returns:
        Values that can be loaded, in the dtype of the network's own, and what is new.

    Example:
        >>> grey, colour = nn.Conv2d(1, 4, 3), nn.Conv2d(3, 4, 3)
        >>> found = fit(colour, grey.state_dict(), lambda there, here: [(there, here)])
        >>> found.converted
        {'weight': '1 -> 3 input channels, copied and divided by 3'}
        >>> torch.allclose(found.state["weight"].sum(1), grey.weight[:, 0])
        True
    """
    ours = network.state_dict()
    named = {plain_name(name): value for name, value in theirs.items()}
    named, part = _aligned(named, {plain_name(name): value for name, value in ours.items()})
    found = Fit(part=part)
    for name, value in ours.items():
        other = named.pop(plain_name(name), None)
        if other is None and SPECTRAL.search(name):
            continue
        if other is None:
            found.new[name] = "not there"
        elif other.shape == value.shape:
            found.state[name] = other.to(value.dtype)
        elif (groups := _groups(network, name, value, other, channels)) is not None:
            found.state[name] = convert(other, groups).to(value.dtype)
            found.converted[name] = _how(groups)
        else:
            found.new[name] = f"{_shape(value)}, there {_shape(other)}"
    found.unused = list(named)
    return found


@torch.no_grad()
def load(network: nn.Module, found: Fit) -> None:
    """Load what was found, and have each spectral norm follow its new weight."""
    network.load_state_dict(found.state, strict=False)
    training = network.training
    network.train()
    for module in network.modules():
        if parametrize.is_parametrized(module, "weight"):
            for _ in range(ITERATIONS):
                module.weight  # noqa: B018 - in training each look is one power iteration
    network.train(training)


def plain_name(name: str) -> str:
    """Return the name of a tensor as it is without spectral norm.

    Example:
        >>> plain_name("conv.parametrizations.weight.original"), plain_name("conv.bias")
        ('conv.weight', 'conv.bias')
    """
    match = PARAMETRISED.search(name)
    return name if match is None else f"{name[: match.start()]}.{match[1]}".lstrip(".")


def convert(weight: Tensor, groups: Blocks) -> Tensor:
    """Convert the input channels of a convolution so that the scale of what it gives stays.

    Fewer channels are the sum over those there, as a grey image in each of n channels gives the sum of their
    filters; more are copies divided by their number; otherwise the mean, times the ratio of the numbers. As
    `adapt_input_conv` of timm.

    Args:
        weight: [out, in, *kernel].
        groups: Groups of input channels.

    Returns:
        [out, in here, *kernel].

    Example:
        >>> colour = torch.tensor([[[[1.0]], [[2.0]], [[3.0]]]])
        >>> convert(colour, [(3, 1)]).flatten().tolist()
        [6.0]
        >>> convert(colour, [(2, 2), (1, 2)]).flatten().tolist()
        [1.0, 2.0, 1.5, 1.5]
    """
    parts = []
    for part, (there, here) in zip(
        torch.split(weight, [there for there, _ in groups], 1), groups, strict=True
    ):
        same = part if there == here else part.sum(1, keepdim=True).expand(-1, here, *part.shape[2:]) / here
        parts.append(same)
    return torch.cat(parts, 1)


def image_channels(there: int, here: int) -> Channels:
    """Return the groups of a network whose input is an image of so many channels.

    Args:
        there: Channels of the images that the other network takes.
        here: Channels of the images that this one takes.
    """
    return lambda a, b: [(there, here)] if (a, b) == (there, here) and there != here else None


def joined_channels(there: int, here: int) -> Channels:
    """Return the groups of a discriminator that takes an image, an image with what stays, or two images.

    Args:
        there: Channels of the images there.
        here: Channels of the images here.

    Example:
        >>> channels = joined_channels(1, 3)
        >>> channels(1, 3), channels(5, 7), channels(2, 6), channels(5, 3)
        ([(1, 3)], [(1, 3), (4, 4)], [(1, 3), (1, 3)], None)
    """

    def groups(a: int, b: int) -> Blocks | None:
        if there == here:  # so the others differ, such as the classes of a label map
            return None
        if a - there == b - here >= 0:
            rest = a - there
            return [(there, here), *([(rest, rest)] if rest else [])]
        return [(there, here), (there, here)] if (a, b) == (2 * there, 2 * here) else None

    return groups


def _groups(network: nn.Module, name: str, value: Tensor, other: Tensor, channels: Channels) -> Blocks | None:
    """Return the groups of a convolution's input channels if they alone differ; else None."""
    alike = (
        value.dim() == other.dim() > 2
        and value.shape[:1] + value.shape[2:] == other.shape[:1] + other.shape[2:]
    )
    owner = network.get_submodule(plain_name(name).rpartition(".")[0])
    if not alike or isinstance(owner, _ConvTransposeNd) or getattr(owner, "groups", 1) != 1:
        return None
    return channels(other.shape[1], value.shape[1])


def _how(groups: Blocks) -> str:
    """Return how channels were converted, e.g. `3 -> 1 input channels, summed`."""
    there, here = next(pair for pair in groups if pair[0] != pair[1])
    words = "summed" if here == 1 else f"averaged, times {there}/{here}"
    if there == 1:
        words = f"copied and divided by {here}"
    again = " in each image" if len({*groups}) < len(groups) else ""
    return f"{there} -> {here} input channels{again}, {words}"


def _aligned(theirs: dict[str, Tensor], ours: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], str]:
    """Put a prefix before the names there, or take one off, where so more of them fit; return it in words.

    Wrappers put `module.` before every name, and the network of one task may be a part of another's.
    """
    choices = [(theirs, "")]
    for first in dict.fromkeys(name.partition(".")[0] for name in theirs):
        inner = {n.partition(".")[2]: v for n, v in theirs.items() if n.startswith(f"{first}.")}
        choices.append((inner, f"its part {first}"))
    for first in dict.fromkeys(name.partition(".")[0] for name in ours):
        choices.append(({f"{first}.{n}": v for n, v in theirs.items()}, f"into the part {first}"))

    def matches(choice: tuple[dict[str, Tensor], str]) -> int:
        return sum(v.dim() > 1 and n in ours and v.shape == ours[n].shape for n, v in choice[0].items())

    return max(choices, key=matches)


def _shape(value: Tensor) -> str:
    return "x".join(map(str, value.shape)) or "a number"
