"""The tested networks of a run as one function of named tensors, which other programs can call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ganatomy.errors import UserError
from ganatomy.networks.image_to_image.centernet import UNIT, CenterNet, lengths
from ganatomy.tasks.anomaly import AnomalyTask
from ganatomy.tasks.detection import DetectionTask
from ganatomy.tasks.synthesis import SynthesisTask
from ganatomy.tasks.translation import TranslationTask

if TYPE_CHECKING:
    from ganatomy.tasks.base import AdversarialTask

Layout = dict[str, str]
"""Name of a tensor -> its shape and meaning, in words."""


@dataclass(frozen=True)
class Graph:
    """A network, or several, as one feed-forward function.

    Attributes:
        module: The function, in evaluation mode; its arguments and results are tensors.
        inputs: Arguments in order, each with its shape and meaning.
        outputs: Results in order, each with its shape and meaning.
        channels: Channels of the image that goes in; 0 for images made from noise.
        dims: Spatial axes.
        sides: Sides of the images in training or, if `one_size`, the only possible ones.
        one_size: True if only images of these sides can be given.
    """

    module: nn.Module
    inputs: Layout
    outputs: Layout
    channels: int
    dims: int
    sides: tuple[int, ...]
    one_size: bool

    @torch.no_grad()
    def __call__(self, *arguments: Tensor) -> tuple[Tensor, ...]:
        """Return the results for these arguments, as torch computes them."""
        found = self.module(*arguments)
        return tuple(found) if isinstance(found, tuple) else (found,)


def graph_of(task: AdversarialTask, channels: int, sides: tuple[int, ...]) -> Graph:
    """Return the graph of a task's tested networks.

    Args:
        task: Task with its weights.
        channels: Channels of the images that it takes.
        sides: Sides of its training images.

    Raises:
        UserError: The task's answer is no single feed-forward pass, or its class is not known here.
    """
    dims = len(sides)
    build = next((build for kind, build in KINDS.items() if isinstance(task, kind)), None)
    if build is None and not task.plain_answer:
        raise UserError(
            f"run: its task, {type(task).__name__}, is not one of GANatomy's, and its generator may need "
            "more than an image; format=safetensors exports the weights alone"
        )
    module, inputs, outputs = (build or _plain)(task, sides)
    noise = "noise" in inputs
    return Graph(
        module.eval().cpu(), inputs, outputs, 0 if noise else channels, dims, sides, noise or task.one_size
    )


def _plain(task: Any, sides: tuple[int, ...]) -> tuple[nn.Module, Layout, Layout]:
    """Return the generator of a task that answers an image with one tensor of the same sides."""
    image = {"image": "[B, C, *sides], prepared as in training"}
    if task.makes_label_maps:
        regions = getattr(task, "regions", None)
        meaning = "classes, *sides]; the label is the largest"
        if regions:
            meaning = f"regions, *sides]; a voxel is of a region where its logit is above 0: {regions}"
        return task.evaluator, image, {"logits": f"[B, {meaning}"}
    return task.evaluator, image, {"output": "[B, C, *sides], in the network's units: see output_units"}


def _detection(task: Any, sides: tuple[int, ...]) -> tuple[nn.Module, Layout, Layout]:
    network = task.evaluator
    module = CenterMaps(network) if isinstance(network, CenterNet) else network
    outputs = {
        "centre": "[B, classes, *cells], logits of centres",
        "size": "[B, dims, *cells], sides of the boxes in cells",
        "offset": "[B, dims, *cells], position of a centre within its cell, in cells",
    }
    if getattr(network, "instances", False):
        outputs["foreground"] = "[B, 1, *cells], logits of objects of any class"
        outputs["vote"] = "[B, dims, *cells], way from a cell to the centre of its object, in cells"
    return module, {"image": "[B, C, *sides], prepared as in training"}, outputs


def _synthesis(task: Any, sides: tuple[int, ...]) -> tuple[nn.Module, Layout, Layout]:
    inputs = {"noise": f"[B, {task.latent}], independent, of mean 0 and deviation 1"}
    if task.condition.classes:
        inputs["class"] = f"[B], int64, 0 to {task.condition.classes - 1}"
    if task.condition.masks:
        inputs["label"] = f"[B, {task.condition.masks}, *sides], the label map, one channel per class, 0 or 1"
    module = Drawing(task.evaluator, *task.normalisation)
    return module, inputs, {"image": "[B, C, *sides], in the units of prepared training images"}


def _translation(task: Any, sides: tuple[int, ...]) -> tuple[nn.Module, Layout, Layout]:
    """Return the network from source to target; others that its training needs are left out."""
    outputs = {"output": "[B, K, *sides], in the units of prepared targets: see target in preprocessing"}
    return task.translator, {"image": "[B, C, *sides], prepared as in training"}, outputs


def _anomaly(task: Any, sides: tuple[int, ...]) -> tuple[nn.Module, Layout, Layout]:
    from ganatomy.export.graphs.anomaly import scoring

    outputs = {
        "reconstruction": "[B, C, *sides], what a healthy image would look like",
        "map": "[B, *sides], anomaly of each pixel",
        "score": "[B], anomaly of each image",
    }
    return scoring(task, sides), {"image": "[B, C, *sides], prepared as in training"}, outputs


KINDS: dict[type, Callable[[Any, tuple[int, ...]], tuple[nn.Module, Layout, Layout]]] = {
    DetectionTask: _detection,
    SynthesisTask: _synthesis,
    AnomalyTask: _anomaly,
    TranslationTask: _translation,
}
"""How the graph of a task is made; tasks with a plain answer need no entry."""


class Drawing(nn.Module):
    """A generator whose images are in the units of prepared training images.

    Args:
        network: Generator.
        offset: Offset of the images that it was trained on.
        scale: Scale of these images.
    """

    def __init__(self, network: nn.Module, offset: float, scale: float) -> None:
        super().__init__()
        self.network, self.offset, self.scale = network, offset, scale

    def forward(self, noise: Tensor, condition: Tensor | None = None) -> Tensor:
        images: Tensor = self.network(noise) if condition is None else self.network(noise, condition)
        return images * self.scale + self.offset


class CenterMaps(nn.Module):
    """CenterNet whose padding is part of the graph, whatever the sides of the image.

    An exporter follows one path through `if any(around)` and leaves the padding out, or always adds that of
    its example.

    Args:
        network: The network, of which this shares the weights.
    """

    typical: Tensor | None

    def __init__(self, network: CenterNet) -> None:
        super().__init__()
        self.stem, self.body = network.stem, network.body
        more = network.instance_heads if network.instances else ()
        self.heads = nn.ModuleList([*network.heads, *more])
        self.stride, self.block = network.stride, network.stride * network.multiple
        self.register_buffer("typical", network.typical, persistent=False)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        padded = image
        for axis in range(2, image.dim()):
            side = image.shape[axis]
            wanted = (side + self.block - 1) // self.block * self.block
            index = torch.arange(wanted, device=image.device).clamp(max=side - 1)
            padded = padded.index_select(axis, index)
        features = self.body(self.stem(padded))
        maps = []
        for head in self.heads:
            answer = head(features)
            for axis in range(2, image.dim()):
                answer = answer.narrow(axis, 0, (image.shape[axis] + self.stride - 1) // self.stride)
            maps.append(answer)
        centre, size, offset, *more = maps
        boxes = (centre, lengths(size, self.typical), offset)
        return (*boxes, more[0], UNIT * more[1]) if more else boxes
