"""Synthetic images by number: the same in any order and by any process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ganatomy.data.datamodule import DataModule
from ganatomy.data.pipeline import one_thread
from ganatomy.data.transforms.intensity import in_units
from ganatomy.tasks.synthesis.drawer import Drawer
from ganatomy.tasks.synthesis.facts import ImageFacts

Noises = Callable[[int], Tensor]
"""From the number of an image to its noise [latent]."""
Maps = Callable[[int], np.ndarray]
"""From the number of an image to its label map [1, *spatial], in class numbers."""
Drawing = Callable[..., Tensor]
"""From noise [B, latent] and conditioning to images [B, C, *spatial]; see `Drawer`."""


class Synthetic(NamedTuple):
    """A synthetic image and its conditioning.

    Attributes:
        image: Image [C, *spatial] in the data's units, float64.
        kind: Its class; None without class conditioning.
        label: Its label map [1, *spatial]; None without label maps.
    """

    image: np.ndarray
    kind: int | None = None
    label: np.ndarray | None = None


class TrainingMaps:
    """Label maps of training images, in an order drawn by the seed.

    An image made from the map of a test subject would leak that subject into what is trained on it.
    """

    def __init__(self, data: DataModule, seed: int) -> None:
        self.data, self.places = data, data.train_items().places
        self.order = np.random.default_rng(seed).permutation(len(self.places))

    def __call__(self, number: int) -> np.ndarray:
        record, z = self.places[self.order[(number - 1) % len(self.order)]]
        label = np.asarray(self.data.evaluated(record)["label"])
        return label if z is None else label[z]


class Sampler:
    """Make the n-th image, n from 1 on, from noise that depends on the seed and n alone.

    Images are made one at a time and on one thread of the CPU: in a larger batch, or on more threads, their
    last bits would differ. Classes take turns. Images are scaled back to the data's units by the median scale
    and offset of the training cases.

    Args:
        draw: Generator.
        facts: Facts about the training images.
        maps: Label maps to draw from, for a generator that is conditioned on them.
        kinds: Numbers of the classes that take turns; None for all.
        noises: Noise of each image; None: that of its number.
        drawing: Draws in place of `draw`, such as `Truncated`.
    """

    def __init__(
        self,
        draw: Drawer,
        facts: ImageFacts,
        maps: Maps | None = None,
        kinds: Sequence[int] | None = None,
        noises: Noises | None = None,
        drawing: Drawing | None = None,
    ) -> None:
        self.draw, self.facts, self.maps = draw, facts, maps
        self.noises, self.drawing = noises or self.noise, drawing or draw
        every = range(len(facts.image_classes)) if draw.condition.classes else ()
        self.kinds = tuple(every if kinds is None else kinds)
        self.scale, self.offset = np.array(facts.scale), np.array(facts.offset)
        self.affine = np.array(facts.affine)
        draw.network.eval()

    def noise(self, number: int) -> Tensor:
        """Return the noise [latent] of the image of this number."""
        return self.draw.noise(f"synthetic {number}")

    def kind(self, number: int) -> int | None:
        """Return the class of the image of this number; None without class conditioning."""
        return self.kinds[(number - 1) % len(self.kinds)] if self.kinds else None

    def kind_names(self, count: int) -> list[str] | None:
        """Return the names of the classes of the first `count` images; None without class conditioning."""
        kinds = [self.kind(number) for number in range(1, count + 1)]
        return [self.facts.image_classes[kind] for kind in kinds if kind is not None] if self.kinds else None

    def __call__(self, number: int) -> Synthetic:
        """Return the image of this number."""
        label = self.maps(number) if self.maps is not None else None
        return Synthetic(self.image(number, label), self.kind(number), label)

    @torch.no_grad()
    def image(self, number: int, label: np.ndarray | None = None) -> np.ndarray:
        """Return the image [C, *spatial] of this number in the data's units, made from this label map.

        Args:
            number: Number of the image, from 1 on.
            label: Label map [1, *spatial] in class numbers, for a generator that is conditioned on one.
        """
        kind, device = self.kind(number), self.draw.device
        batch = {
            **({} if kind is None else {"class": torch.tensor([kind], device=device)}),
            **({} if label is None else {"label": torch.from_numpy(label)[None].to(device)}),
        }
        with one_thread():
            noise = self.noises(number)[None].to(device)
            image = self.drawing(noise, *self.draw.condition.conditioning(batch))[0]
        return in_units(image.double().cpu().numpy(), self.offset, self.scale)
