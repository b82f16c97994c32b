"""Which of all known modes a generator covers, where images stack one symbol in each channel."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ganatomy.data.datamodule import DataModule
from ganatomy.data.records import Batch
from ganatomy.metrics.cases import CaseTable
from ganatomy.metrics.synthesis.planes import central_planes
from ganatomy.tasks.shared.cohort import some_classified

KNOWN = 1000
"""Training images whose channels are what others are compared with, at most."""


def symbols(data: DataModule) -> int:
    """How many symbols a channel may show, where `class` tells those of all channels; 0 elsewhere."""
    return getattr(data.source, "symbols", 0)


class ModeEvaluator:
    """Reads the symbol in each channel of an image, and counts the combinations: the modes.

    A symbol is told by its nearest neighbour (squared error) among the channels of real training images.
    `modes` is how many combinations were made at least once, `kl` the Kullback-Leibler divergence, in nats,
    Σ p log(p K) of the shares p that they were made with from all K alike (Metz et al., arXiv 1611.02163).
    Both depend on how many images are made: the same of as many real test images stands beside them.
    """

    def __init__(self, data: DataModule, device: torch.device) -> None:
        images, modes = some_classified(data, KNOWN)
        images = central_planes(images)
        count, channels = symbols(data), images.shape[1]
        self.place = count ** torch.arange(channels - 1, -1, -1)
        self.known = images.flatten(0, 1).flatten(1).to(device)
        self.shown = (modes[:, None] // self.place % count).flatten()
        self.count = count**channels
        self.tables = {name: CaseTable(["mode"]).to(device) for name in ("fake", "real")}

    def read(self, images: Tensor) -> Tensor:
        """[n]: the mode of each image [n, C, H, W]."""
        channels = images.to(self.known).flatten(0, 1).flatten(1)
        told = self.shown[torch.cdist(channels, self.known).argmin(1).cpu()]
        modes: Tensor = told.reshape(len(images), -1) @ self.place
        return modes

    def look(self, names: Sequence[str], batch: Batch, fake: Tensor) -> None:
        """Take in the images of a test batch, by name."""
        for table, images in zip(self.tables.values(), (fake, batch["image"]), strict=True):
            for name, mode in zip(names, self.read(central_planes(images)).tolist(), strict=True):
                table.update(hashlib.sha256(name.encode()).hexdigest(), {"mode": float(mode)})

    def scores(self) -> tuple[dict[str, float], dict[str, float]]:
        """Of synthetic and of real images."""
        fake, real = (self._covered(table) for table in self.tables.values())
        for table in self.tables.values():
            table.reset()
        return fake, real

    def _covered(self, table: CaseTable) -> dict[str, float]:
        made = torch.tensor([int(row["mode"]) for row in table.per_case()])
        share = torch.bincount(made, minlength=self.count).double() / max(len(made), 1)
        share = share[share > 0]
        divergence = float((share * (share.log() + math.log(self.count))).sum())
        return {"modes": float(len(share)), "kl": divergence}
